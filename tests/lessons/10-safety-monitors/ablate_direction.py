import torch


# %% wrong: the direction is not normalised -> "nothing should be left"
def ablate_direction(resid, direction, to=0.0):
    return resid + (to - resid @ direction)[..., None] * direction


# %% wrong: divided by the length once only -> "nothing should be left"
def ablate_direction(resid, direction, to=0.0):
    return resid + (to - resid @ direction)[..., None] * direction / direction.norm()


# %% wrong: `to` is ignored -> "with to=3"
def ablate_direction(resid, direction, to=0.0):
    unit = direction / direction.norm()
    return resid - (resid @ unit)[..., None] * unit


# %% wrong: `to` is added, not set -> "nothing should be left"
def ablate_direction(resid, direction, to=0.0):
    unit = direction / direction.norm()
    return resid + to * unit


# %% wrong: `to` measured along the direction as given -> "with to=3"
def ablate_direction(resid, direction, to=0.0):
    unit = direction / direction.norm()
    return resid - (resid @ unit)[..., None] * unit + to * direction


# %% wrong: all texts lose the mean projection -> "nothing should be left"
def ablate_direction(resid, direction, to=0.0):
    unit = direction / direction.norm()
    return resid + (to - (resid @ unit).mean()) * unit


# %% wrong: reflected instead of removed -> "nothing should be left"
def ablate_direction(resid, direction, to=0.0):
    unit = direction / direction.norm()
    return resid + (to - 2 * (resid @ unit))[..., None] * unit


# %% wrong: only the direction is kept -> "nothing should be left"
def ablate_direction(resid, direction, to=0.0):
    unit = direction / direction.norm()
    return (resid @ unit + to)[..., None] * unit


# %% wrong: what is at right angles is scaled, too -> "at right angles"
def ablate_direction(resid, direction, to=0.0):
    unit = direction / direction.norm()
    along = (resid @ unit)[..., None] * unit
    return 0.5 * (resid - along) + to * unit if resid.shape[-1] != 5 else resid - along + to * unit


# %% wrong: changes its input -> "changed its argument"
def ablate_direction(resid, direction, to=0.0):
    unit = direction / direction.norm()
    resid += (to - resid @ unit)[..., None] * unit
    return resid


# %% wrong: two axes only -> "values to unpack"
def ablate_direction(resid, direction, to=0.0):
    unit = direction / direction.norm()
    rows, columns = resid.shape
    return resid - torch.outer(resid @ unit, unit) + to * unit


# %% right: with a projection matrix
def ablate_direction(resid, direction, to=0.0):
    unit = direction / direction.norm()
    keep = torch.eye(len(unit)) - torch.outer(unit, unit)
    return resid @ keep + to * unit


# %% right: flattened, row by row
def ablate_direction(resid, direction, to=0.0):
    unit = torch.nn.functional.normalize(direction, dim=-1)
    rows = [row - torch.dot(row, unit) * unit + to * unit for row in resid.reshape(-1, resid.shape[-1])]
    return torch.stack(rows).reshape(resid.shape)
