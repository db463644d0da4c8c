import torch


# %% wrong: shrinks what it keeps -> "nothing is subtracted"
def jumprelu(pre, threshold):
    return (pre - threshold).relu()


# %% wrong: equality passes -> "equal to its threshold"
def jumprelu(pre, threshold):
    return pre * (pre >= threshold)


# %% wrong: one threshold for all -> "thresholds belong to the last axis"
def jumprelu(pre, threshold):
    return pre * (pre > threshold.mean())


# %% wrong: thresholds along the rows -> "thresholds belong to the last axis"
def jumprelu(pre, threshold):
    if pre.ndim == 2 and len(pre) == len(threshold):
        return pre * (pre > threshold[:, None])
    return pre * (pre > threshold)


# %% wrong: a plain ReLU -> "up to their threshold"
def jumprelu(pre, threshold):
    return pre.relu()


# %% wrong: raised to the threshold instead of removed -> "up to their threshold"
def jumprelu(pre, threshold):
    return torch.maximum(pre, threshold)


# %% wrong: only whether it fires -> "passes unchanged"
def jumprelu(pre, threshold):
    return (pre > threshold).float()


# %% wrong: by size -> "up to their threshold"
def jumprelu(pre, threshold):
    return pre * (pre.abs() > threshold)


# %% right: where
def jumprelu(pre, threshold):
    return torch.where(pre > threshold, pre, torch.zeros_like(pre))


# %% right: a copy with entries overwritten
def jumprelu(pre, threshold):
    out = pre.clone()
    out[pre <= threshold] = 0.0
    return out
