import torch
from einops import rearrange, repeat


# %% wrong: tiles a b c a b c instead of repeating a a a b b b -> "query head 1 should read key head 1 // "
def expand_kv(k, n_rep):
    return k.repeat(1, 1, n_rep, 1)


# %% wrong: the same mistake in einops -> "should read key head"
def expand_kv(k, n_rep):
    return repeat(k, "b p n d -> b p (r n) d", r=n_rep)


# %% wrong: repeats positions -> "shape"
def expand_kv(k, n_rep):
    return k.repeat_interleave(n_rep, dim=1)


# %% wrong: repeats along d_head -> "shape"
def expand_kv(k, n_rep):
    return k.repeat_interleave(n_rep, dim=-1)


# %% wrong: works for SmolLM2's three key heads only -> "shape"
def expand_kv(k, n_rep):
    return k[:, :, [0, 0, 0, 1, 1, 1, 2, 2, 2]] if k.shape[2] == 3 else k


# %% wrong: every query head gets the first key head -> "should read key head"
def expand_kv(k, n_rep):
    return k[:, :, :1].expand(-1, -1, k.shape[2] * n_rep, -1)


# %% wrong: adds an axis and leaves it -> "shape"
def expand_kv(k, n_rep):
    return repeat(k, "b p n d -> b p n r d", r=n_rep)


# %% right: repeat_interleave
def expand_kv(k, n_rep):
    return k.repeat_interleave(n_rep, dim=2)


# %% right: expand and reshape
def expand_kv(k, n_rep):
    batch, pos, n_kv, d_head = k.shape
    return k[:, :, :, None].expand(-1, -1, -1, n_rep, -1).reshape(batch, pos, n_kv * n_rep, d_head)


# %% right: indexes the head that each query head reads
def expand_kv(k, n_rep):
    return k[:, :, torch.arange(k.shape[2] * n_rep) // n_rep]
