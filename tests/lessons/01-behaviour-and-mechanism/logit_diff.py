import torch


# %% wrong: every id in every row -> "one number for each prompt"
def logit_diff(logits, a_ids, b_ids):
    return logits[:, -1][:, a_ids] - logits[:, -1][:, b_ids]


# %% wrong: the first position -> "last position"
def logit_diff(logits, a_ids, b_ids):
    rows = torch.arange(len(logits))
    return logits[rows, 0, a_ids] - logits[rows, 0, b_ids]


# %% wrong: a difference of probabilities -> "last position counts"
def logit_diff(logits, a_ids, b_ids):
    p, rows = logits[:, -1].softmax(-1), torch.arange(len(logits))
    return p[rows, a_ids] - p[rows, b_ids]


# %% wrong: wrong minus right -> "last position counts"
def logit_diff(logits, a_ids, b_ids):
    rows = torch.arange(len(logits))
    return logits[rows, -1, b_ids] - logits[rows, -1, a_ids]


# %% wrong: the mean over the batch -> "shape"
def logit_diff(logits, a_ids, b_ids):
    rows = torch.arange(len(logits))
    return (logits[rows, -1, a_ids] - logits[rows, -1, b_ids]).mean()


# %% wrong: the ids of the first prompt for all -> "last position counts"
def logit_diff(logits, a_ids, b_ids):
    return logits[:, -1, a_ids[0]] - logits[:, -1, b_ids[0]]


# %% wrong: the numbers of the visible case -> "shape"
def logit_diff(logits, a_ids, b_ids):
    return torch.tensor([3.0, -2.5])


# %% wrong: sorted by size, so the order of the batch is lost -> "last position counts"
def logit_diff(logits, a_ids, b_ids):
    rows = torch.arange(len(logits))
    return (logits[rows, -1, a_ids] - logits[rows, -1, b_ids]).sort().values


# %% wrong: a size, without its sign -> "last position counts"
def logit_diff(logits, a_ids, b_ids):
    rows = torch.arange(len(logits))
    return (logits[rows, -1, a_ids] - logits[rows, -1, b_ids]).abs()


# %% right: gather
def logit_diff(logits, a_ids, b_ids):
    pair = logits[:, -1].gather(-1, torch.stack([a_ids, b_ids], dim=-1))
    return pair[:, 0] - pair[:, 1]


# %% right: the log of the odds, row by row
def logit_diff(logits, a_ids, b_ids):
    log_p = logits[:, -1].log_softmax(-1)
    return torch.stack([row[a] - row[b] for row, a, b in zip(log_p, a_ids, b_ids)])
