import numpy as np
import torch


def corr(p, y):
    p, y = p.double() - p.double().mean(0), y.double() - y.double().mean()
    return (p.T @ y / (p.norm(dim=0) * y.norm()).clamp(min=1e-12)).abs()


def parts(acts, labels, rng):
    """Everything right, for the wrong answers to spoil one part of."""
    half = len(acts) // 2
    acts, y = acts.double(), labels.double()
    best = int(corr(acts[:half], y[:half]).argmax())
    A = acts[:half] - acts[:half].mean(0)
    w = torch.linalg.lstsq(A, (y[:half] - y[:half].mean())[:, None]).solution
    u = torch.from_numpy(rng.standard_normal((acts.shape[1], 200)))
    return half, acts, y, best, w, u


def verdict(neuron, random):
    return "privileged" if neuron > float(random.max()) + 0.05 else "not privileged"


# %% wrong: compares with the mean of the random directions -> "the best of the 200"
def axis_vs_direction(acts, labels, rng):
    half, acts, y, best, w, u = parts(acts, labels, rng)
    neuron, random = float(corr(acts[half:], y[half:])[best]), corr(acts[half:] @ u, y[half:])
    word = "privileged" if neuron > float(random.mean()) + 0.05 else "not privileged"
    return {
        "neuron": neuron,
        "direction": float(corr(acts[half:] @ w, y[half:])),
        "random": random,
        "verdict": word,
    }


# %% wrong: always says not privileged -> "yours are"
def axis_vs_direction(acts, labels, rng):
    half, acts, y, best, w, u = parts(acts, labels, rng)
    neuron, random = float(corr(acts[half:], y[half:])[best]), corr(acts[half:] @ u, y[half:])
    return {
        "neuron": neuron,
        "direction": float(corr(acts[half:] @ w, y[half:])),
        "random": random,
        "verdict": "not privileged",
    }


# %% wrong: always says privileged -> "the verdict should be 'not privileged'"
def axis_vs_direction(acts, labels, rng):
    half, acts, y, best, w, u = parts(acts, labels, rng)
    neuron, random = float(corr(acts[half:], y[half:])[best]), corr(acts[half:] @ u, y[half:])
    return {
        "neuron": neuron,
        "direction": float(corr(acts[half:] @ w, y[half:])),
        "random": random,
        "verdict": "privileged",
    }


# %% wrong: forgets the 0.05 -> "plus 0.05"
def axis_vs_direction(acts, labels, rng):
    half, acts, y, best, w, u = parts(acts, labels, rng)
    neuron, random = float(corr(acts[half:], y[half:])[best]), corr(acts[half:] @ u, y[half:])
    random = random * (neuron - 0.03) / float(random.max())  # as close as it may come
    word = "privileged" if neuron > float(random.max()) else "not privileged"
    return {
        "neuron": neuron,
        "direction": float(corr(acts[half:] @ w, y[half:])),
        "random": random,
        "verdict": word,
    }


# %% wrong: a difference of means for the direction -> "least squares is not"
def axis_vs_direction(acts, labels, rng):
    half, acts, y, best, w, u = parts(acts, labels, rng)
    w = (acts[:half][y[:half] == 1].mean(0) - acts[:half][y[:half] == 0].mean(0))[:, None]
    neuron, random = float(corr(acts[half:], y[half:])[best]), corr(acts[half:] @ u, y[half:])
    return {
        "neuron": neuron,
        "direction": float(corr(acts[half:] @ w, y[half:])),
        "random": random,
        "verdict": verdict(neuron, random),
    }


# %% wrong: fits and scores on all samples -> "scored on"
def axis_vs_direction(acts, labels, rng):
    half, acts, y, best, w, u = parts(acts, labels, rng)
    A = acts - acts.mean(0)
    w = torch.linalg.lstsq(A, (y - y.mean())[:, None]).solution
    neuron, random = float(corr(acts, y)[best]), corr(acts @ u, y)
    return {
        "neuron": neuron,
        "direction": float(corr(acts @ w, y)),
        "random": random,
        "verdict": verdict(neuron, random),
    }


# %% wrong: scores where it was fitted, on the first half -> "scored on"
def axis_vs_direction(acts, labels, rng):
    half, acts, y, best, w, u = parts(acts, labels, rng)
    neuron, random = float(corr(acts[:half], y[:half])[best]), corr(acts[:half] @ u, y[:half])
    return {
        "neuron": neuron,
        "direction": float(corr(acts[:half] @ w, y[:half])),
        "random": random,
        "verdict": verdict(neuron, random),
    }


# %% wrong: random neurons instead of random directions -> "the verdict"
def axis_vs_direction(acts, labels, rng):
    half, acts, y, best, w, u = parts(acts, labels, rng)
    u = torch.eye(acts.shape[1]).double()[:, rng.integers(0, acts.shape[1], 200)]
    neuron, random = float(corr(acts[half:], y[half:])[best]), corr(acts[half:] @ u, y[half:])
    return {
        "neuron": neuron,
        "direction": float(corr(acts[half:] @ w, y[half:])),
        "random": random,
        "verdict": verdict(neuron, random),
    }


# %% wrong: random directions with positive entries only -> "positive and negative"
def axis_vs_direction(acts, labels, rng):
    half, acts, y, best, w, u = parts(acts, labels, rng)
    u = torch.from_numpy(rng.random((acts.shape[1], 200)))
    neuron, random = float(corr(acts[half:], y[half:])[best]), corr(acts[half:] @ u, y[half:])
    return {
        "neuron": neuron,
        "direction": float(corr(acts[half:] @ w, y[half:])),
        "random": random,
        "verdict": verdict(neuron, random),
    }


# %% wrong: signed correlations -> "absolute correlations"
def axis_vs_direction(acts, labels, rng):
    half, acts, y, best, w, u = parts(acts, labels, rng)
    p, t = acts[half:] @ u, y[half:] - y[half:].mean()
    p = p - p.mean(0)
    random = p.T @ t / (p.norm(dim=0) * t.norm())
    neuron = float(corr(acts[half:], y[half:])[best])
    return {
        "neuron": neuron,
        "direction": float(corr(acts[half:] @ w, y[half:])),
        "random": random,
        "verdict": verdict(neuron, random),
    }


# %% wrong: 20 random directions -> "shape"
def axis_vs_direction(acts, labels, rng):
    half, acts, y, best, w, u = parts(acts, labels, rng)
    neuron, random = float(corr(acts[half:], y[half:])[best]), corr(acts[half:] @ u[:, :20], y[half:])
    return {
        "neuron": neuron,
        "direction": float(corr(acts[half:] @ w, y[half:])),
        "random": random,
        "verdict": verdict(neuron, random),
    }


# %% right: numpy, corrcoef and a pseudo-inverse
def axis_vs_direction(acts, labels, rng):
    A, y = acts.double().numpy(), labels.numpy().astype(float)
    n, d = A.shape
    A1, y1, A2, y2 = A[: n // 2], y[: n // 2], A[n // 2 :], y[n // 2 :]
    score = lambda p, t: abs(np.corrcoef(p, t)[0, 1])
    best = int(np.argmax([score(A1[:, j], y1) for j in range(d)]))
    w = np.linalg.pinv(A1 - A1.mean(0)) @ (y1 - y1.mean())
    random = np.array([score(A2 @ rng.standard_normal(d), y2) for _ in range(200)])
    neuron = score(A2[:, best], y2)
    word = "privileged" if neuron - random.max() > 0.05 else "not privileged"
    return {"neuron": neuron, "direction": score(A2 @ w, y2), "random": torch.tensor(random), "verdict": word}


# %% right: normal equations with a little ridge, unit random directions
def axis_vs_direction(acts, labels, rng):
    X, y = acts.float(), labels.float()
    first, second = torch.arange(len(X)) < len(X) // 2, torch.arange(len(X)) >= len(X) // 2
    best = int(corr(X[first], y[first]).argmax())
    A = X[first] - X[first].mean(0)
    w = torch.linalg.solve(A.T @ A + 1e-3 * torch.eye(X.shape[1]), A.T @ (y[first] - y[first].mean()))
    u = torch.tensor(rng.standard_normal((200, X.shape[1])), dtype=torch.float32)
    u = u / u.norm(dim=1, keepdim=True)
    neuron, random = float(corr(X[second], y[second])[best]), corr(X[second] @ u.T, y[second])
    return {
        "neuron": neuron,
        "direction": float(corr((X[second] @ w)[:, None], y[second])[0]),
        "random": random,
        "verdict": verdict(neuron, random),
    }
