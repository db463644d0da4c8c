import torch


# %% wrong: k in each row -> "rows share one budget"
def batch_topk(pre, k):
    return topk(pre, k)


# %% wrong: k in the whole batch -> "keep 24 entries together"
def batch_topk(pre, k):
    return topk(pre.flatten(), k).view_as(pre)


# %% wrong: k in each column -> "24 entries"
def batch_topk(pre, k):
    return topk(pre.T, min(k, len(pre))).T


# %% wrong: a threshold, with ties -> "exactly k times batch survive"
def batch_topk(pre, k):
    cut = pre.flatten().topk(k * len(pre)).values[-1]
    return torch.where(pre >= cut, pre, 0.0).relu()


# %% wrong: negative survivors stay -> "negative survivors"
def batch_topk(pre, k):
    value, index = pre.flatten().topk(k * len(pre))
    return torch.zeros(pre.numel()).scatter(0, index, value).view_as(pre)


# %% wrong: rows are made equally loud first -> "rows share one budget"
def batch_topk(pre, k):
    loud = pre / pre.norm(dim=1, keepdim=True)
    index = loud.flatten().topk(k * len(pre)).indices
    return torch.zeros(pre.numel()).scatter(0, index, pre.flatten()[index].relu()).view_as(pre)


# %% wrong: the budget is k times the latents -> "24 entries"
def batch_topk(pre, k):
    return topk(pre.flatten(), min(k * pre.shape[1], pre.numel())).view_as(pre)


# %% right: sorted by hand
def batch_topk(pre, k):
    order = pre.flatten().argsort(descending=True)[: k * len(pre)]
    out = torch.zeros(pre.numel())
    out[order] = pre.flatten()[order].clamp(min=0)
    return out.reshape(pre.shape)


# %% right: rows and columns of the survivors
def batch_topk(pre, k):
    index = pre.reshape(-1).topk(k * pre.shape[0]).indices
    out = torch.zeros_like(pre)
    row, col = index // pre.shape[1], index % pre.shape[1]
    out[row, col] = pre[row, col].relu()
    return out
