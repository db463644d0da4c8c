import torch


# %% wrong: a mean over features -> "0.5 · 4 / 2 = 1"
def weighted_loss(x, out, importance):
    return (importance * (x - out) ** 2).mean(dim=(0, 2))


# %% wrong: a sum over the batch -> "0.5 · 4 / 2 = 1"
def weighted_loss(x, out, importance):
    return (importance * (x - out) ** 2).sum(dim=(0, 2))


# %% wrong: one number for all instances -> "shape"
def weighted_loss(x, out, importance):
    return (importance * (x - out) ** 2).sum(dim=-1).mean()


# %% wrong: forgets importance -> "0.5 · 4 / 2 = 1"
def weighted_loss(x, out, importance):
    return ((x - out) ** 2).sum(dim=-1).mean(dim=0)


# %% wrong: importance is squared too -> "0.5 · 4 / 2 = 1"
def weighted_loss(x, out, importance):
    return ((importance * (x - out)) ** 2).sum(dim=-1).mean(dim=0)


# %% wrong: absolute errors -> "0.5 · 4 / 2 = 1"
def weighted_loss(x, out, importance):
    return (importance * (x - out).abs()).sum(dim=-1).mean(dim=0)


# %% wrong: only outputs that are too large count -> "too small is an error too"
def weighted_loss(x, out, importance):
    return (importance * (out - x).relu() ** 2).sum(dim=-1).mean(dim=0)


# %% wrong: importance normalised to sum to its length -> "three times the importance"
def weighted_loss(x, out, importance):
    share = importance / importance.sum(-1, keepdim=True) * 1.75
    return (share * (x - out) ** 2).sum(dim=-1).mean(dim=0)


# %% wrong: the same loss for every instance -> "should not touch the others"
def weighted_loss(x, out, importance):
    total = (importance * (x - out) ** 2).sum(dim=-1).mean()
    return total.repeat(x.shape[1])


# %% wrong: takes importance of the first instance for all -> "its own row"
def weighted_loss(x, out, importance):
    first = importance if importance.ndim == 1 else importance[0]
    return (first * (x - out) ** 2).sum(dim=-1).mean(dim=0)


# %% right: one einsum
def weighted_loss(x, out, importance):
    weights = importance.expand(x.shape[1], x.shape[2])
    return torch.einsum("bif,if->i", (x - out).square(), weights) / x.shape[0]


# %% right: a loop over instances
def weighted_loss(x, out, importance):
    losses = []
    for k in range(x.shape[1]):
        weight = importance[k] if importance.ndim == 2 else importance
        losses.append(((out[:, k] - x[:, k]).pow(2).mean(0) * weight).sum())
    return torch.stack(losses)
