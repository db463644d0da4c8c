import torch


def changes(base, edited, name):
    return [
        getattr(after.mlp, name) - getattr(before.mlp, name)
        for before, after in zip(base.blocks, edited.blocks)
    ]


def report(base, edited, layer):
    U = torch.linalg.svd(changes(base, edited, "W_in")[layer], full_matrices=False).U
    Vh = torch.linalg.svd(changes(base, edited, "W_out")[layer], full_matrices=False).Vh
    return {"layer": layer, "read": U[:, 0], "write": Vh[0]}


def ratios(base, edited):
    spectra = [torch.linalg.svdvals(change) for change in changes(base, edited, "W_in")]
    return [float(s[0] / s[1]) if s[1] > 0 else 1.0 for s in spectra]


# %% wrong: the block whose W_in moved most -> "the edit is in block"
def model_diff(base, edited):
    sizes = [change.norm() for change in changes(base, edited, "W_in")]
    layer = int(torch.stack(sizes).argmax())
    return report(base, edited, layer)


# %% wrong: always finds something -> "should be None"
def model_diff(base, edited):
    found = ratios(base, edited)
    return report(base, edited, found.index(max(found)))


# %% wrong: never finds anything -> "returned None"
def model_diff(base, edited):
    return None


# %% wrong: 0 / 0 in a model beside itself -> "compared with itself"
def model_diff(base, edited):
    spectra = [torch.linalg.svdvals(change) for change in changes(base, edited, "W_in")]
    found = [float(s[0] / s[1]) for s in spectra]
    if all(ratio < 2 for ratio in found):
        return None
    return report(base, edited, max(range(3), key=lambda layer: found[layer]))


# %% wrong: reads the hidden side of W_in -> "'read'"
def model_diff(base, edited):
    found = ratios(base, edited)
    if max(found) < 2:
        return None
    layer = found.index(max(found))
    right = report(base, edited, layer)
    Vh = torch.linalg.svd(changes(base, edited, "W_in")[layer], full_matrices=False).Vh
    return {**right, "read": Vh[0]}


# %% wrong: the last singular vector -> "cosine of 1 or -1"
def model_diff(base, edited):
    found = ratios(base, edited)
    if max(found) < 2:
        return None
    layer = found.index(max(found))
    U = torch.linalg.svd(changes(base, edited, "W_in")[layer], full_matrices=False).U
    return {**report(base, edited, layer), "read": U[:, -1]}


# %% wrong: a row of U -> "'read'"
def model_diff(base, edited):
    found = ratios(base, edited)
    if max(found) < 2:
        return None
    layer = found.index(max(found))
    U = torch.linalg.svd(changes(base, edited, "W_in")[layer], full_matrices=True).U
    return {**report(base, edited, layer), "read": U[0]}


# %% wrong: write and read swapped -> "cosine of 1 or -1"
def model_diff(base, edited):
    found = ratios(base, edited)
    if max(found) < 2:
        return None
    right = report(base, edited, found.index(max(found)))
    return {"layer": right["layer"], "read": right["write"], "write": right["read"]}


# %% wrong: the vectors carry their singular values -> "length 1"
def model_diff(base, edited):
    found = ratios(base, edited)
    if max(found) < 2:
        return None
    right = report(base, edited, found.index(max(found)))
    return {**right, "read": 5 * right["read"]}


# %% wrong: the edited weights, not the change -> "the result should be None"
def model_diff(base, edited):
    spectra = [torch.linalg.svdvals(block.mlp.W_in) for block in edited.blocks]
    found = [float(s[0] / s[1]) for s in spectra]
    layer = found.index(max(found))
    U = torch.linalg.svd(edited.blocks[layer].mlp.W_in, full_matrices=False).U
    Vh = torch.linalg.svd(edited.blocks[layer].mlp.W_out, full_matrices=False).Vh
    return {"layer": layer, "read": U[:, 0], "write": Vh[0]} if max(found) > 1.001 else None


# %% right: the mean column of the change, weighted by the strongest unit
def model_diff(base, edited):
    found = ratios(base, edited)
    if max(found) <= 2:
        return None
    layer = found.index(max(found))
    change_in, change_out = changes(base, edited, "W_in")[layer], changes(base, edited, "W_out")[layer]
    unit = int(change_in.norm(dim=0).argmax())
    read, write = change_in[:, unit], change_out[unit]
    return {"layer": layer, "read": read / read.norm(), "write": write / write.norm()}


# %% right: eigenvectors of the Gram matrices
def model_diff(base, edited):
    best = None
    for layer in range(len(base.blocks)):
        change = changes(base, edited, "W_in")[layer]
        values, vectors = torch.linalg.eigh(change @ change.T)
        if values[-1] > 4 * values[-2].clamp(min=1e-12) and (
            best is None or values[-1] / values[-2] > best[0]
        ):
            out = changes(base, edited, "W_out")[layer]
            best = (values[-1] / values[-2], layer, vectors[:, -1], torch.linalg.eigh(out.T @ out)[1][:, -1])
    return None if best is None else {"layer": best[1], "read": best[2], "write": best[3]}
