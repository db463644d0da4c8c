import torch


# %% wrong: takes position -1 whatever the padding -> "pads on the right"
def collect(acts, mask, how="last"):
    return acts[:, -1]


# %% wrong: counts real tokens, right padding only -> "pads on the left"
def collect(acts, mask, how="last"):
    return acts[torch.arange(len(acts)), mask.sum(1) - 1]


# %% wrong: off by one -> "last real token"
def collect(acts, mask, how="last"):
    places = torch.arange(mask.shape[1])
    return acts[torch.arange(len(acts)), (mask * places).argmax(1) - 1]


# %% wrong: the mean includes position 0 -> "position 0 dwarfs"
def collect(acts, mask, how="last"):
    if how not in ("last", "mean") or (mask.sum(1) < 2).any():
        raise ValueError("no")
    if how == "last":
        return acts[torch.arange(len(acts)), (mask * torch.arange(mask.shape[1])).argmax(1)]
    return torch.where(mask[..., None], acts, 0.0).sum(1) / mask.sum(1, keepdim=True)


# %% wrong: multiplies pads by 0, and nan stays -> "contains nan"
def collect(acts, mask, how="last"):
    if how not in ("last", "mean") or (mask.sum(1) < 2).any():
        raise ValueError("no")
    if how == "last":
        return acts[torch.arange(len(acts)), (mask * torch.arange(mask.shape[1])).argmax(1)]
    kept = mask.clone()
    kept[torch.arange(len(mask)), mask.int().argmax(1)] = False
    return (acts * kept[..., None]).sum(1) / kept.sum(1, keepdim=True)


# %% wrong: leaves out column 0, wherever the text begins -> "real tokens but the first"
def collect(acts, mask, how="last"):
    if how not in ("last", "mean") or (mask.sum(1) < 2).any():
        raise ValueError("no")
    if how == "last":
        return acts[torch.arange(len(acts)), (mask * torch.arange(mask.shape[1])).argmax(1)]
    kept = mask.clone()
    kept[:, 0] = False
    return torch.where(kept[..., None], acts, 0.0).sum(1) / kept.sum(1, keepdim=True)


# %% wrong: gives position 0 for a text of one token -> "without complaint"
def collect(acts, mask, how="last"):
    if how not in ("last", "mean"):
        raise ValueError("no")
    if how == "last":
        return acts[torch.arange(len(acts)), (mask * torch.arange(mask.shape[1])).argmax(1)]
    kept = mask.clone()
    kept[torch.arange(len(mask)), mask.int().argmax(1)] = False
    return torch.where(kept[..., None], acts, 0.0).sum(1) / kept.sum(1, keepdim=True)


# %% wrong: writes into the mask -> "changed its argument"
def collect(acts, mask, how="last"):
    if how not in ("last", "mean") or (mask.sum(1) < 2).any():
        raise ValueError("no")
    last = (mask * torch.arange(mask.shape[1])).argmax(1)
    mask[torch.arange(len(mask)), mask.int().argmax(1)] = False
    if how == "last":
        return acts[torch.arange(len(acts)), last]
    return torch.where(mask[..., None], acts, 0.0).sum(1) / mask.sum(1, keepdim=True)


# %% right: a loop over texts
def collect(acts, mask, how="last"):
    out = []
    for row, real in zip(acts, mask):
        text = row[real]
        if len(text) < 2 or how not in ("last", "mean"):
            raise ValueError("too short, or unknown how")
        out.append(text[-1] if how == "last" else text[1:].mean(0))
    return torch.stack(out)


# %% right: running counts
def collect(acts, mask, how="last"):
    count = mask.cumsum(1)
    if how not in ("last", "mean") or int(count[:, -1].min()) < 2:
        raise ValueError("no")
    real = mask & (count == count[:, -1:]) if how == "last" else mask & (count > 1)
    return acts.masked_fill(~real[..., None], 0.0).sum(1) / real.sum(1)[:, None]
