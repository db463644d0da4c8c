import torch


# %% wrong: compares with the k-th largest -> "exactly k should survive"
def topk(pre, k):
    cut = pre.topk(k, dim=-1).values[..., -1:]
    return torch.where(pre >= cut, pre, 0.0).relu()


# %% wrong: negative survivors stay -> "0 if negative"
def topk(pre, k):
    value, index = pre.topk(k, dim=-1)
    return torch.zeros_like(pre).scatter(-1, index, value)


# %% wrong: the largest by size -> "largest entries"
def topk(pre, k):
    index = pre.abs().topk(k, dim=-1).indices
    return torch.zeros_like(pre).scatter(-1, index, pre.gather(-1, index)).relu()


# %% wrong: along the first axis -> "each row"
def topk(pre, k):
    value, index = pre.topk(min(k, pre.shape[0]), dim=0)
    return torch.zeros_like(pre).scatter(0, index, value.relu())


# %% wrong: returns the k values only -> "shape"
def topk(pre, k):
    return pre.topk(k, dim=-1).values.relu()


# %% wrong: the smallest -> "largest entries"
def topk(pre, k):
    value, index = pre.topk(k, dim=-1, largest=False)
    return torch.zeros_like(pre).scatter(-1, index, value.relu())


# %% wrong: a mask of ones -> "keep their value"
def topk(pre, k):
    value, index = pre.topk(k, dim=-1)
    return torch.zeros_like(pre).scatter(-1, index, (value > 0).to(pre.dtype))


# %% wrong: always four -> "largest entries"
def topk(pre, k):
    value, index = pre.topk(4 if pre.shape[-1] > 6 else k, dim=-1)
    return torch.zeros_like(pre).scatter(-1, index, value.relu())


# %% wrong: changes its input -> "changed its argument"
def topk(pre, k):
    index = pre.topk(k, dim=-1).indices
    mask = torch.zeros_like(pre).scatter(-1, index, 1.0)
    pre *= mask
    return pre.relu()


# %% wrong: always float32 -> "dtype of pre"
def topk(pre, k):
    value, index = pre.topk(k, dim=-1)
    return torch.zeros(pre.shape).scatter(-1, index, value.relu().float())


# %% right: sorts, and keeps the first k places
def topk(pre, k):
    order = pre.argsort(dim=-1, descending=True)
    rank = torch.empty_like(order).scatter(-1, order, torch.arange(pre.shape[-1]).expand_as(order))
    return torch.where(rank < k, pre, torch.zeros(())).clamp(min=0)


# %% right: row by row
def topk(pre, k):
    flat = pre.reshape(-1, pre.shape[-1])
    out = torch.zeros_like(flat)
    for row, target in zip(flat, out):
        for place in row.topk(k).indices:
            target[place] = max(float(row[place]), 0.0)
    return out.view(pre.shape)
