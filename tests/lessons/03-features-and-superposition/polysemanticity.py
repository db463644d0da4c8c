import torch


def responses(acts, labels):
    rest = acts[labels == -1].mean(0)
    return torch.stack([acts[labels == c].mean(0) - rest for c in labels.unique().tolist() if c != -1])


def share_score(r2):
    total = r2.sum(0)
    p = r2 / total.clamp(min=1e-30)
    return torch.where(total > 0, 1 / (p**2).sum(0).clamp(min=1e-30) - 1, torch.zeros_like(total))


# %% wrong: forgets to subtract one -> "score 0, 1 and 2"
def polysemanticity(acts, labels):
    r2 = responses(acts, labels) ** 2
    return r2.sum(0) ** 2 / (r2**2).sum(0).clamp(min=1e-30)


# %% wrong: sums instead of means -> "use means"
def polysemanticity(acts, labels):
    r = torch.stack([(acts[labels == c]).sum(0) for c in labels.unique().tolist() if c != -1])
    return share_score(r**2)


# %% wrong: responses are not squared, so signs cancel -> "opposite signs"
def polysemanticity(acts, labels):
    r = responses(acts, labels)
    total = r.sum(0)
    p = r / torch.where(total.abs() > 1e-9, total, torch.ones_like(total))
    return torch.where(total.abs() > 1e-9, 1 / (p**2).sum(0).clamp(min=1e-30) - 1, torch.zeros_like(total))


# %% wrong: only positive responses count -> "opposite signs"
def polysemanticity(acts, labels):
    return share_score(responses(acts, labels).relu() ** 2)


# %% wrong: absolute values without squares -> "25/17"
def polysemanticity(acts, labels):
    return share_score(responses(acts, labels).abs())


# %% wrong: counts the concepts above a threshold -> "25/17"
def polysemanticity(acts, labels):
    r = responses(acts, labels).abs()
    there = (r > 0.1 * r.amax(0, keepdim=True)).sum(0).float()
    return (there - 1).clamp(min=0)


# %% wrong: takes the mean over all samples as baseline -> "score 0, 1 and 2"
def polysemanticity(acts, labels):
    r = torch.stack([acts[labels == c].mean(0) - acts.mean(0) for c in labels.unique().tolist() if c != -1])
    return share_score(r**2)


# %% wrong: no baseline -> "a constant added"
def polysemanticity(acts, labels):
    r = torch.stack([acts[labels == c].mean(0) for c in labels.unique().tolist() if c != -1])
    return share_score(r**2)


# %% wrong: takes -1 for one more concept -> "score 0, 1 and 2"
def polysemanticity(acts, labels):
    r = torch.stack([acts[labels == c].mean(0) for c in labels.unique().tolist()])
    return share_score((r - r.mean(0)) ** 2)


# %% wrong: believes that labels are 0 to C - 1 -> "a neuron that"
def polysemanticity(acts, labels):
    rest = acts[labels == -1].mean(0)
    r = torch.stack([acts[labels == c].mean(0) - rest for c in range(int(labels.max()) + 1)])
    return share_score(r**2)


# %% wrong: nan for a dead neuron -> "nan"
def polysemanticity(acts, labels):
    r2 = responses(acts, labels) ** 2
    return r2.sum(0) ** 2 / (r2**2).sum(0) - 1


# %% wrong: depends on the scale of the neuron -> "scale"
def polysemanticity(acts, labels):
    r2 = responses(acts, labels) ** 2
    total = r2.sum(0)
    return torch.where(total > 0.5, total**2 / (r2**2).sum(0).clamp(min=1e-30) - 1, torch.zeros_like(total))


# %% wrong: one number for the layer -> "shape"
def polysemanticity(acts, labels):
    return share_score(responses(acts, labels) ** 2).mean()


# %% right: means by a product with indicators
def polysemanticity(acts, labels):
    concepts = labels.unique()
    member = (labels[:, None] == concepts).double()
    means = (member.T @ acts.double()) / member.sum(0)[:, None]
    r2 = ((means - means[concepts == -1])[concepts != -1]) ** 2
    out = r2.sum(0).square() / r2.square().sum(0)
    return torch.nan_to_num(out, nan=1.0).float() - 1


# %% right: neuron by neuron
def polysemanticity(acts, labels):
    scores = []
    for column in acts.T:
        base = column[labels == -1].mean()
        r = [float(column[labels == c].mean() - base) for c in set(labels.tolist()) - {-1}]
        top = max(abs(v) for v in r)
        r = [v / top for v in r] if top else r
        fourth = sum(v**4 for v in r)
        scores.append(sum(v**2 for v in r) ** 2 / fourth - 1 if fourth else 0.0)
    return torch.tensor(scores)
