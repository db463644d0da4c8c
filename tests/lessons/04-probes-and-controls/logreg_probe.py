import torch
from torch.nn.functional import binary_cross_entropy_with_logits


def newton(x, labels, l2, on_bias=0.0):
    """Damped Newton steps in double precision, bias in the last place."""
    rows, y = torch.cat([x, torch.ones(len(x), 1)], 1).double(), labels.double()
    penalty = torch.full((rows.shape[1],), float(l2), dtype=torch.double)
    penalty[-1] = on_bias
    theta = torch.zeros(rows.shape[1], dtype=torch.double)

    def value(t):
        return binary_cross_entropy_with_logits(rows @ t, y) + (penalty * t * t).sum() / 2

    for _ in range(60):
        p = torch.sigmoid(rows @ theta)
        gradient = (p - y) @ rows / len(x) + penalty * theta
        hessian = rows.T @ (rows * (p * (1 - p))[:, None]) / len(x) + torch.diag(penalty + 1e-10)
        step, size = torch.linalg.solve(hessian, gradient), 1.0
        while value(theta - size * step) > value(theta) and size > 1e-6:
            size /= 2
        theta = theta - size * step
    return theta[:-1].float(), theta[-1].float()


# %% wrong: a hundred small steps, not to the end -> "gradient by"
def logreg_probe(x, labels, l2=0.1):
    w, b = torch.zeros(x.shape[1]), torch.tensor(0.0)
    for _ in range(100):
        error = torch.sigmoid(x @ w + b) - labels
        w, b = w - 0.01 * (error @ x / len(x) + l2 * w), b - 0.01 * error.mean()
    return w, b


# %% wrong: no bias -> "gradient by b"
def logreg_probe(x, labels, l2=0.1):
    w = torch.zeros(x.shape[1], dtype=torch.double)
    rows, y = x.double(), labels.double()
    for _ in range(60):
        p = torch.sigmoid(rows @ w)
        H = rows.T @ (rows * (p * (1 - p))[:, None]) / len(x) + l2 * torch.eye(x.shape[1])
        w = w - torch.linalg.solve(H, (p - y) @ rows / len(x) + l2 * w)
    return w.float(), torch.tensor(0.0)


# %% wrong: no penalty -> "gradient by w"
def logreg_probe(x, labels, l2=0.1):
    return newton(x, labels, 1e-6)


# %% wrong: l2 instead of l2 / 2 -> "gradient by w"
def logreg_probe(x, labels, l2=0.1):
    return newton(x, labels, 2 * l2)


# %% wrong: the loss summed, not averaged -> "gradient by w"
def logreg_probe(x, labels, l2=0.1):
    return newton(x, labels, l2 / len(x))


# %% wrong: ignores l2 -> "l2=0.01"
def logreg_probe(x, labels, l2=0.1):
    return newton(x, labels, 0.1)


# %% wrong: the bias is penalised too -> "gradient by b"
def logreg_probe(x, labels, l2=0.1):
    w, b = newton(x, labels, l2, on_bias=l2)
    return w, b


# %% wrong: centred and the mean forgotten -> "gradient by b"
def logreg_probe(x, labels, l2=0.1):
    return newton(x - x.mean(0), labels, l2)


# %% wrong: standardised, and the weights belong to the standardised rows -> "gradient by"
def logreg_probe(x, labels, l2=0.1):
    return newton((x - x.mean(0)) / x.std(0), labels, l2)


# %% right: Newton's method
def logreg_probe(x, labels, l2=0.1):
    return newton(x, labels, l2)


# %% right: Adam does the start and LBFGS the end
def logreg_probe(x, labels, l2=0.1):
    m = x.double().mean(0)
    rows, y = x.double() - m, labels.double()
    theta = torch.zeros(x.shape[1] + 1, dtype=torch.double, requires_grad=True)

    def loss():
        return (
            binary_cross_entropy_with_logits(rows @ theta[1:] + theta[0], y)
            + l2 / 2 * theta[1:].square().sum()
        )

    adam = torch.optim.Adam([theta], lr=0.05)
    for _ in range(30):
        adam.zero_grad()
        loss().backward()
        adam.step()
    lbfgs = torch.optim.LBFGS(
        [theta], max_iter=400, tolerance_grad=1e-7, tolerance_change=0, line_search_fn="strong_wolfe"
    )

    def closure():
        lbfgs.zero_grad()
        value = loss()
        value.backward()
        return value

    lbfgs.step(closure)
    w = theta.detach()[1:]
    return w.float(), (theta.detach()[0] - m @ w).float()
