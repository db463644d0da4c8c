import torch


def free_part(probe, behaviour):
    return probe - torch.linalg.pinv(behaviour) @ (behaviour @ probe)


def walk(resid, probe, threshold, margin, along, everyone=False):
    score = resid @ probe
    step = score - threshold + margin
    step = step if everyone else torch.where(score > threshold, step, torch.zeros(()))
    return resid - step[:, None] * along / (along @ probe)


# %% wrong: walks along the probe itself -> "only its first coordinate is free"
def evade(resid, probe, threshold, behaviour, margin=0.1):
    if free_part(probe, behaviour).norm() < 1e-4 * probe.norm():
        raise ValueError("no way out")
    return walk(resid, probe, threshold, margin, probe)


# %% wrong: rows that do not ring are moved, too -> "did not ring"
def evade(resid, probe, threshold, behaviour, margin=0.1):
    along = free_part(probe, behaviour)
    if along.norm() < 1e-4 * probe.norm():
        raise ValueError("no way out")
    return walk(resid, probe, threshold, margin, along, everyone=True)


# %% wrong: only the first behaviour is kept -> "every readout"
def evade(resid, probe, threshold, behaviour, margin=0.1):
    if free_part(probe, behaviour).norm() < 1e-4 * probe.norm():
        raise ValueError("no way out")
    return walk(resid, probe, threshold, margin, free_part(probe, behaviour[:1]))


# %% wrong: behaviours removed one after another, though they overlap -> "every readout"
def evade(resid, probe, threshold, behaviour, margin=0.1):
    if free_part(probe, behaviour).norm() < 1e-4 * probe.norm():
        raise ValueError("no way out")
    along = probe.clone()
    for row in behaviour:
        along = along - (along @ row) / (row @ row) * row
    return walk(resid, probe, threshold, margin, along)


# %% wrong: stops at the threshold, without the margin -> "only its first coordinate is free"
def evade(resid, probe, threshold, behaviour, margin=0.1):
    along = free_part(probe, behaviour)
    if along.norm() < 1e-4 * probe.norm():
        raise ValueError("no way out")
    return walk(resid, probe, threshold, 0.0, along)


# %% wrong: step divided by the length only once -> "should end with"
def evade(resid, probe, threshold, behaviour, margin=0.1):
    along = free_part(probe, behaviour)
    if along.norm() < 1e-4 * probe.norm():
        raise ValueError("no way out")
    score = resid @ probe
    step = torch.where(score > threshold, score - threshold + margin, torch.zeros(()))
    return resid - step[:, None] * along / along.norm()


# %% wrong: never gives up -> "expected ValueError"
def evade(resid, probe, threshold, behaviour, margin=0.1):
    along = free_part(probe, behaviour)
    return walk(resid, probe, threshold, margin, along + 1e-12)


# %% wrong: always gives up -> "no way out"
def evade(resid, probe, threshold, behaviour, margin=0.1):
    raise ValueError("no way out")


# %% wrong: a detour through a free coordinate -> "longer than it needs"
def evade(resid, probe, threshold, behaviour, margin=0.1):
    along = free_part(probe, behaviour)
    if along.norm() < 1e-4 * probe.norm():
        raise ValueError("no way out")
    moved = walk(resid, probe, threshold, margin, along)
    everything = torch.cat([behaviour, probe[None]])
    extra = free_part(torch.ones(len(probe)), everything) * (len(probe) > 3)
    return moved + (resid @ probe > threshold)[:, None] * extra


# %% wrong: rings at the margin, too -> "did not ring"
def evade(resid, probe, threshold, behaviour, margin=0.1):
    along = free_part(probe, behaviour)
    if along.norm() < 1e-4 * probe.norm():
        raise ValueError("no way out")
    score = resid @ probe
    step = torch.where(score > threshold - margin, score - threshold + margin, torch.zeros(()))
    return resid - step[:, None] * along / (along @ probe)


# %% right: an orthonormal basis of the behaviours
def evade(resid, probe, threshold, behaviour, margin=0.1):
    _, s, Vh = torch.linalg.svd(behaviour, full_matrices=False)
    basis = Vh[s > 1e-5 * s[0]]
    along = probe - basis.T @ (basis @ probe)
    if along.norm() < 1e-4 * probe.norm():
        raise ValueError("inside the span")
    return walk(resid, probe, threshold, margin, along)


# %% right: least squares, row by row
def evade(resid, probe, threshold, behaviour, margin=0.1):
    wanted = torch.linalg.lstsq(behaviour.double().T, probe.double()[:, None], driver="gelsd").solution
    along = (probe.double() - (behaviour.double().T @ wanted)[:, 0]).float()
    if float(along.norm()) < 1e-4 * float(probe.norm()):
        raise ValueError("inside the span")
    out = resid.clone()
    for i, row in enumerate(resid):
        over = float(row @ probe) - threshold
        if over > 0:
            out[i] = row - (over + margin) * along / float(along @ along)
    return out
