import torch


def cosines(W):
    unit = W / W.norm(dim=-1, keepdim=True).clamp(min=1e-30)
    return unit, unit @ unit.mT


# %% wrong: counts the feature itself -> "orthogonal features do not interfere"
def interference(W):
    unit, _ = cosines(W)
    return ((unit @ W.mT) ** 2).sum(-1)


# %% wrong: subtracts 1 for the feature itself -> "lengths 1 and 2"
def interference(W):
    unit, _ = cosines(W)
    return ((unit @ W.mT) ** 2).sum(-1) - 1


# %% wrong: cosines, so lengths are lost -> "lengths 1 and 2"
def interference(W):
    _, cosine = cosines(W)
    return (cosine**2).sum(-1) - (W.norm(dim=-1) > 0).float()


# %% wrong: normalises the other feature -> "lengths 1 and 2"
def interference(W):
    unit, _ = cosines(W)
    overlaps = (W @ unit.mT) ** 2
    return overlaps.sum(-1) - overlaps.diagonal(dim1=-2, dim2=-1)


# %% wrong: sums over the wrong axis -> "lengths 1 and 2"
def interference(W):
    unit, _ = cosines(W)
    overlaps = (unit @ W.mT) ** 2
    return overlaps.sum(-2) - overlaps.diagonal(dim1=-2, dim2=-1)


# %% wrong: absolute values instead of squares -> "lengths 1 and 2"
def interference(W):
    unit, _ = cosines(W)
    overlaps = (unit @ W.mT).abs()
    return overlaps.sum(-1) - overlaps.diagonal(dim1=-2, dim2=-1)


# %% wrong: opposite features are cut off, as a ReLU would -> "lengths 1 and 2"
def interference(W):
    unit, _ = cosines(W)
    overlaps = (unit @ W.mT).relu() ** 2
    return overlaps.sum(-1) - overlaps.diagonal(dim1=-2, dim2=-1)


# %% wrong: no unit vector at all -> "lengths 1 and 2"
def interference(W):
    overlaps = (W @ W.mT) ** 2
    return overlaps.sum(-1) - overlaps.diagonal(dim1=-2, dim2=-1)


# %% wrong: the sum before the square -> "sum over the others of"
def interference(W):
    unit, _ = cosines(W)
    overlaps = unit @ W.mT
    return (overlaps.sum(-1) - overlaps.diagonal(dim1=-2, dim2=-1)) ** 2


# %% wrong: nan for an absent feature -> "nan"
def interference(W):
    unit = W / W.norm(dim=-1, keepdim=True)
    overlaps = (unit @ W.mT) ** 2
    return overlaps.sum(-1) - overlaps.diagonal(dim1=-2, dim2=-1)


# %% wrong: works for one model only -> "shape"
def interference(W):
    W = W.reshape(-1, W.shape[-1])
    unit, _ = cosines(W)
    overlaps = (unit @ W.T) ** 2
    return overlaps.sum(-1) - overlaps.diagonal()


# %% right: the diagonal masked out
def interference(W):
    unit = torch.nn.functional.normalize(W, dim=-1)
    overlaps = torch.einsum("...id,...jd->...ij", unit, W).square()
    return overlaps.masked_fill(torch.eye(W.shape[-2], dtype=torch.bool), 0.0).sum(-1)


# %% right: a loop over pairs
def interference(W):
    total = torch.zeros(W.shape[:-1])
    for i in range(W.shape[-2]):
        size = W[..., i, :].norm(dim=-1)
        for j in range(W.shape[-2]):
            if i != j:
                dot = (W[..., i, :] * W[..., j, :]).sum(-1)
                total[..., i] += torch.where(
                    size > 0, (dot / size.clamp(min=1e-20)) ** 2, torch.zeros_like(dot)
                )
    return total
