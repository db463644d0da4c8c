import torch


# %% wrong: sums over the heads -> "shape"
def head_writes(z, W_O):
    return torch.einsum("bphd,hdm->bpm", z, W_O)


# %% wrong: every head through the first head's matrix -> "its own W_O"
def head_writes(z, W_O):
    return z @ W_O[0]


# %% wrong: transposes the output matrix where it is square -> "its own W_O"
def head_writes(z, W_O):
    if W_O.shape[1] == W_O.shape[2]:
        W_O = W_O.mT
    return torch.einsum("bphd,hdm->bphm", z, W_O.flip(1))


# %% wrong: mixes heads -> "its own W_O"
def head_writes(z, W_O):
    return torch.einsum("bphd,gdm->bpgm", z, W_O)


# %% wrong: averages over positions -> "its own W_O"
def head_writes(z, W_O):
    return torch.einsum("bphd,hdm->bphm", z.mean(1, keepdim=True).expand_as(z), W_O)


# %% wrong: another order of the axes -> "shape"
def head_writes(z, W_O):
    return torch.einsum("bphd,hdm->bhpm", z, W_O)


# %% right: one head at a time
def head_writes(z, W_O):
    return torch.stack([z[:, :, head] @ W_O[head] for head in range(z.shape[2])], dim=2)


# %% right: a batched product with the heads in front
def head_writes(z, W_O):
    return torch.matmul(z.permute(2, 0, 1, 3), W_O[:, None]).permute(1, 2, 0, 3)
