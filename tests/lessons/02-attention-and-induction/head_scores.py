import torch


# %% wrong: looks at the earlier occurrence itself, which is a duplicate-token head -> "induction"
def head_scores(pattern, tokens):
    found = []
    for row, seq in zip(pattern, tokens.tolist()):
        for q, token in enumerate(seq):
            earlier = [j for j in range(q) if seq[j] == token]
            if earlier:
                found.append(row[:, q, earlier[-1]])
    return {
        "prev": pattern.diagonal(-1, -2, -1).mean((0, 2)),
        "current": pattern.diagonal(0, -2, -1)[..., 1:].mean((0, 2)),
        "first": pattern[..., 1:, 0].mean((0, 2)),
        "induction": torch.stack(found).mean(0) if found else torch.zeros(pattern.shape[1]),
    }


# %% wrong: takes the first earlier occurrence, not the latest -> "latest earlier"
def head_scores(pattern, tokens):
    found = []
    for row, seq in zip(pattern, tokens.tolist()):
        for q, token in enumerate(seq):
            earlier = [j for j in range(q) if seq[j] == token]
            if earlier:
                found.append(row[:, q, earlier[0] + 1])
    return {
        "prev": pattern.diagonal(-1, -2, -1).mean((0, 2)),
        "current": pattern.diagonal(0, -2, -1)[..., 1:].mean((0, 2)),
        "first": pattern[..., 1:, 0].mean((0, 2)),
        "induction": torch.stack(found).mean(0) if found else torch.zeros(pattern.shape[1]),
    }


# %% wrong: believes that the tokens are two equal halves -> "latest earlier"
def head_scores(pattern, tokens):
    n = (tokens.shape[1] - 1) // 2
    return {
        "prev": pattern.diagonal(-1, -2, -1).mean((0, 2)),
        "current": pattern.diagonal(0, -2, -1)[..., 1:].mean((0, 2)),
        "first": pattern[..., 1:, 0].mean((0, 2)),
        "induction": pattern.diagonal(-(n - 1), -2, -1).mean((0, 2)),
    }


# %% wrong: counts query 0 in current and first -> "queries 1 and later"
def head_scores(pattern, tokens):
    found = []
    for row, seq in zip(pattern, tokens.tolist()):
        for q, token in enumerate(seq):
            earlier = [j for j in range(q) if seq[j] == token]
            if earlier:
                found.append(row[:, q, earlier[-1] + 1])
    return {
        "prev": pattern.diagonal(-1, -2, -1).mean((0, 2)),
        "current": pattern.diagonal(0, -2, -1).mean((0, 2)),
        "first": pattern[..., 0].mean((0, 2)),
        "induction": torch.stack(found).mean(0) if found else torch.zeros(pattern.shape[1]),
    }


# %% wrong: the diagonal above instead of below -> "prev = 1"
def head_scores(pattern, tokens):
    zero = torch.zeros(pattern.shape[1])
    return {
        "prev": pattern.diagonal(1, -2, -1).mean((0, 2)),
        "current": pattern.diagonal(0, -2, -1)[..., 1:].mean((0, 2)),
        "first": pattern[..., 1:, 0].mean((0, 2)),
        "induction": zero,
    }


# %% wrong: averages the heads away -> "one number per head"
def head_scores(pattern, tokens):
    return {
        "prev": pattern.diagonal(-1, -2, -1).mean()[None],
        "current": pattern.diagonal(0, -2, -1)[..., 1:].mean()[None],
        "first": pattern[..., 1:, 0].mean()[None],
        "induction": pattern.mean()[None],
    }


# %% wrong: sums over positions instead of averaging -> "prev = 1"
def head_scores(pattern, tokens):
    return {
        "prev": pattern.diagonal(-1, -2, -1).sum((0, 2)),
        "current": pattern.diagonal(0, -2, -1)[..., 1:].sum((0, 2)),
        "first": pattern[..., 1:, 0].sum((0, 2)),
        "induction": pattern.sum((0, 2, 3)),
    }


# %% wrong: looks at the first sequence only -> "induction"
def head_scores(pattern, tokens):
    seq, found = tokens[0].tolist(), []
    for q, token in enumerate(seq):
        earlier = [j for j in range(q) if seq[j] == token]
        if earlier:
            found.append(pattern[:, :, q, earlier[-1] + 1].mean(0))
    return {
        "prev": pattern.diagonal(-1, -2, -1).mean((0, 2)),
        "current": pattern.diagonal(0, -2, -1)[..., 1:].mean((0, 2)),
        "first": pattern[..., 1:, 0].mean((0, 2)),
        "induction": torch.stack(found).mean(0) if found else torch.zeros(pattern.shape[1]),
    }


# %% wrong: nan when no token repeats -> "nan"
def head_scores(pattern, tokens):
    total, count = torch.zeros(pattern.shape[1]), 0
    for row, seq in zip(pattern, tokens.tolist()):
        for q, token in enumerate(seq):
            earlier = [j for j in range(q) if seq[j] == token]
            if earlier:
                total, count = total + row[:, q, earlier[-1] + 1], count + 1
    return {
        "prev": pattern.diagonal(-1, -2, -1).mean((0, 2)),
        "current": pattern.diagonal(0, -2, -1)[..., 1:].mean((0, 2)),
        "first": pattern[..., 1:, 0].mean((0, 2)),
        "induction": total / torch.tensor(float(count)),
    }


# %% wrong: constants of the visible case -> "planted"
def head_scores(pattern, tokens):
    heads = pattern.shape[1]
    return {
        "prev": torch.ones(heads),
        "current": torch.zeros(heads),
        "first": torch.zeros(heads),
        "induction": torch.zeros(heads),
    }


# %% wrong: leaves out the induction score -> "missing or misspelt"
def head_scores(pattern, tokens):
    return {
        "prev": pattern.diagonal(-1, -2, -1).mean((0, 2)),
        "current": torch.zeros(pattern.shape[1]),
        "first": pattern[..., 0].mean((0, 2)),
    }


# %% right: a mask for each habit
def head_scores(pattern, tokens):
    batch, length = tokens.shape
    index = torch.arange(length)
    same = (tokens[:, :, None] == tokens[:, None, :]) & (index[None, :] < index[:, None])
    latest = torch.where(same, index, torch.tensor(-1)).amax(-1)  # [batch query]
    masks = {
        "prev": (index[:, None] - 1 == index[None, :]).expand(batch, -1, -1),
        "current": ((index[:, None] == index[None, :]) & (index[:, None] > 0)).expand(batch, -1, -1),
        "first": ((index[None, :] == 0) & (index[:, None] > 0)).expand(batch, -1, -1),
        "induction": (latest[:, :, None] >= 0) & (latest[:, :, None] + 1 == index[None, None, :]),
    }
    return {
        habit: (pattern * mask[:, None]).sum((0, 2, 3)) / max(int(mask.sum()), 1)
        for habit, mask in masks.items()
    }


# %% right: plain loops and lists
def head_scores(pattern, tokens):
    sums = {"prev": [], "current": [], "first": [], "induction": []}
    for b in range(pattern.shape[0]):
        for q in range(1, pattern.shape[2]):
            sums["prev"].append(pattern[b, :, q, q - 1])
            sums["current"].append(pattern[b, :, q, q])
            sums["first"].append(pattern[b, :, q, 0])
            for j in range(q - 1, -1, -1):
                if tokens[b, j] == tokens[b, q]:
                    sums["induction"].append(pattern[b, :, q, j + 1])
                    break
    return {name: torch.stack(v).mean(0) if v else torch.zeros(pattern.shape[1]) for name, v in sums.items()}
