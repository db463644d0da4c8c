import torch


# %% wrong: leaves the feature itself out of the sum -> "a dimension each"
def feature_dimensionality(W):
    return W.pow(2).sum(-1) / interference(W).clamp(min=1e-9)


# %% wrong: both are made unit vectors -> "|W_i|² / sum"
def feature_dimensionality(W):
    unit = W / W.norm(dim=-1, keepdim=True).clamp(min=1e-30)
    present = (W.norm(dim=-1) > 0).float()
    return present / ((unit @ unit.mT) ** 2).sum(-1).clamp(min=1e-9)


# %% wrong: no unit vector in the denominator -> "a dimension each"
def feature_dimensionality(W):
    return W.pow(2).sum(-1) / ((W @ W.mT) ** 2).sum(-1).clamp(min=1e-9)


# %% wrong: the length instead of its square -> "a dimension each"
def feature_dimensionality(W):
    own = W.pow(2).sum(-1)
    return own.sqrt() / (own + interference(W)).clamp(min=1e-9)


# %% wrong: nan for an absent feature -> "nan"
def feature_dimensionality(W):
    own = W.pow(2).sum(-1)
    return own / (own + interference(W))


# %% wrong: d_hidden divided equally among the features -> "an antipodal pair"
def feature_dimensionality(W):
    share = W.shape[-1] / W.shape[-2]
    return torch.full(W.shape[:-1], share)


# %% wrong: d_hidden divided among the features that are there -> "an antipodal pair"
def feature_dimensionality(W):
    there = (W.norm(dim=-1) > 0).float()
    return there * W.shape[-1] / there.sum(-1, keepdim=True).clamp(min=1)


# %% wrong: absolute overlaps -> "features spread evenly"
def feature_dimensionality(W):
    unit = W / W.norm(dim=-1, keepdim=True).clamp(min=1e-30)
    return W.norm(dim=-1) / (unit @ W.mT).abs().sum(-1).clamp(min=1e-9)


# %% wrong: a large epsilon, so short vectors lose their share -> "shorter should not change"
def feature_dimensionality(W):
    own = W.pow(2).sum(-1)
    return torch.where(own > 0.04, own / (own + interference(W)).clamp(min=1e-9), torch.zeros_like(own))


# %% wrong: all models in one space -> "measured on its own"
def feature_dimensionality(W):
    flat = W.reshape(-1, W.shape[-1])
    overlap = flat @ flat.T
    return (overlap.diagonal() ** 2 / (overlap**2).sum(1).clamp(min=1e-30)).reshape(W.shape[:-1])


# %% right: from the overlaps of all pairs
def feature_dimensionality(W):
    overlap = torch.einsum("...id,...jd->...ij", W, W).double()
    own = overlap.diagonal(dim1=-2, dim2=-1)
    return torch.nan_to_num(own**2 / (overlap**2).sum(-1)).float()


# %% right: feature by feature
def feature_dimensionality(W):
    out = torch.zeros(W.shape[:-1])
    for i in range(W.shape[-2]):
        row = W[..., i, :]
        size = row.norm(dim=-1, keepdim=True)
        unit = torch.nn.functional.normalize(row, dim=-1)
        seen = ((W * unit[..., None, :]).sum(-1) ** 2).sum(-1)
        out[..., i] = torch.where(size[..., 0] > 0, size[..., 0] ** 2 / seen.clamp(min=1e-20), 0.0)
    return out
