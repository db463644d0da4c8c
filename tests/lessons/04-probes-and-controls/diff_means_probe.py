import torch


# %% wrong: class 0 minus class 1 -> "class 1 minus"
def diff_means_probe(x, labels):
    a, b = x[labels == 0].mean(0), x[labels == 1].mean(0)
    return a - b, -(a - b) @ (a + b) / 2


# %% wrong: normalised -> "class 1 minus"
def diff_means_probe(x, labels):
    a, b = x[labels == 1].mean(0), x[labels == 0].mean(0)
    w = (a - b) / (a - b).norm()
    return w, -w @ (a + b) / 2


# %% wrong: no bias -> "half-way"
def diff_means_probe(x, labels):
    if len(labels.unique()) < 2:
        raise ValueError("one class")
    return x[labels == 1].mean(0) - x[labels == 0].mean(0), torch.tensor(0.0)


# %% wrong: threshold at the mean of all rows -> "whatever the class sizes"
def diff_means_probe(x, labels):
    if len(labels.unique()) < 2:
        raise ValueError("one class")
    w = x[labels == 1].mean(0) - x[labels == 0].mean(0)
    return w, -w @ x.mean(0)


# %% wrong: forgets the half -> "half-way"
def diff_means_probe(x, labels):
    a, b = x[labels == 1].mean(0), x[labels == 0].mean(0)
    return a - b, -(a - b) @ (a + b)


# %% wrong: nan when a class is missing -> "without complaint"
def diff_means_probe(x, labels):
    a, b = x[labels == 1].mean(0), x[labels == 0].mean(0)
    return a - b, -(a - b) @ (a + b) / 2


# %% wrong: weighted by class size -> "class 1 minus"
def diff_means_probe(x, labels):
    if len(labels.unique()) < 2:
        raise ValueError("one class")
    signs = labels * 2.0 - 1
    w = (x * signs[:, None]).mean(0)
    return w, -w @ (x[labels == 1].mean(0) + x[labels == 0].mean(0)) / 2


# %% right: squared distances to the two means
def diff_means_probe(x, labels):
    if labels.min() == labels.max():
        raise ValueError("one class")
    one, zero = (
        sum(row for row, label in zip(x, labels) if label == want) / int((labels == want).sum())
        for want in (1, 0)
    )
    return one - zero, (zero.square().sum() - one.square().sum()) / 2


# %% right: one-hot averages
def diff_means_probe(x, labels):
    hot = torch.stack([labels == 0, labels == 1]).to(x.dtype)
    if (hot.sum(1) == 0).any():
        raise ValueError("one class")
    means = hot @ x / hot.sum(1, keepdim=True)
    w = means[1] - means[0]
    return w, -(means @ w).mean()
