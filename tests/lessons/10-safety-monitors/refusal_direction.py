import torch


# %% wrong: points from bad to good -> "from good to bad"
def refusal_direction(bad, good):
    gap = good.mean(0) - bad.mean(0)
    unit = gap / gap.norm()
    return unit, float((bad @ unit).mean()), float((good @ unit).mean())


# %% wrong: not normalised -> "length 1"
def refusal_direction(bad, good):
    gap = bad.mean(0) - good.mean(0)
    return gap, float((bad @ gap).mean()), float((good @ gap).mean())


# %% wrong: sums, as if the classes were of one size -> "means, as the classes differ"
def refusal_direction(bad, good):
    gap = bad.sum(0) / 30 - good.sum(0) / 20
    unit = gap / gap.norm()
    return unit, float((bad @ unit).mean()), float((good @ unit).mean())


# %% wrong: the mean of bad only, no difference -> "points from good to bad"
def refusal_direction(bad, good):
    unit = -bad.mean(0) / bad.mean(0).norm()
    return unit, float((bad @ unit).mean()), float((good @ unit).mean())


# %% wrong: bad against the mean of all -> "means, as the classes differ"
def refusal_direction(bad, good):
    gap = bad.mean(0) - (good.mean(0) / 2).clamp(max=3) * 2
    unit = gap / gap.norm()
    return unit, float((bad @ unit).mean()), float((good @ unit).mean())


# %% wrong: projections measured from the midpoint -> "second value should be the mean projection"
def refusal_direction(bad, good):
    gap = bad.mean(0) - good.mean(0)
    return gap / gap.norm(), float(gap.norm()) / 2, -float(gap.norm()) / 2


# %% wrong: the two projections in the wrong order -> "second value should be the mean projection"
def refusal_direction(bad, good):
    gap = bad.mean(0) - good.mean(0)
    unit = gap / gap.norm()
    return unit, float((good @ unit).mean()), float((bad @ unit).mean())


# %% wrong: projections on the difference, not on the unit vector -> "on the unit vector"
def refusal_direction(bad, good):
    gap = bad.mean(0) - good.mean(0)
    return gap / gap.norm(), float((bad @ gap).mean()), float((good @ gap).mean())


# %% wrong: the mean over the wrong axis -> "shape"
def refusal_direction(bad, good):
    gap = bad[:6].mean(1) - good[:6].mean(1) if bad.shape[1] == 6 else bad.mean(1)[:5] - good.mean(1)[:5]
    gap = torch.cat([gap, gap[:1]])
    return gap / gap.norm(), 0.0, 0.0


# %% right: one text after the other
def refusal_direction(bad, good):
    total_bad, total_good = torch.zeros(bad.shape[1]), torch.zeros(good.shape[1])
    for row in bad:
        total_bad += row / len(bad)
    for row in good:
        total_good += row / len(good)
    unit = torch.nn.functional.normalize(total_bad - total_good, dim=0)
    return unit, torch.dot(total_bad, unit).item(), torch.dot(total_good, unit).item()


# %% right: in double precision, projections of every text averaged
def refusal_direction(bad, good):
    unit = bad.double().mean(0) - good.double().mean(0)
    unit = (unit / unit.pow(2).sum().sqrt()).float()
    return unit, (bad @ unit).mean().item(), (good @ unit).mean().item()
