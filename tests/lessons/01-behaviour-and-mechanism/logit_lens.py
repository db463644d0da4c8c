import torch


# %% wrong: no norm -> "root of the mean square"
def logit_lens(resid, gain, unembed, eps=1e-5):
    return (resid * gain) @ unembed


# %% wrong: forgets the gain -> "gain multiplies"
def logit_lens(resid, gain, unembed, eps=1e-5):
    return resid / (resid.pow(2).mean(-1, keepdim=True) + eps).sqrt() @ unembed


# %% wrong: the gain goes in before the norm is measured -> "gain multiplies"
def logit_lens(resid, gain, unembed, eps=1e-5):
    resid = resid * gain
    return resid / (resid.pow(2).mean(-1, keepdim=True) + eps).sqrt() @ unembed


# %% wrong: subtracts the mean, as LayerNorm does -> "root of the mean square"
def logit_lens(resid, gain, unembed, eps=1e-5):
    resid = resid - resid.mean(-1, keepdim=True)
    return (resid / (resid.pow(2).mean(-1, keepdim=True) + eps).sqrt() * gain) @ unembed


# %% wrong: one scale for the whole batch -> "root of the mean square"
def logit_lens(resid, gain, unembed, eps=1e-5):
    return (resid / (resid.pow(2).mean() + eps).sqrt() * gain) @ unembed


# %% wrong: the norm over positions -> "root of the mean square"
def logit_lens(resid, gain, unembed, eps=1e-5):
    return (resid / (resid.pow(2).mean(0, keepdim=True) + eps).sqrt() * gain) @ unembed


# %% wrong: the length, not the root mean square -> "root of the mean square"
def logit_lens(resid, gain, unembed, eps=1e-5):
    return (resid / (resid.norm(dim=-1, keepdim=True) + eps) * gain) @ unembed


# %% wrong: eps outside the root -> "under the root"
def logit_lens(resid, gain, unembed, eps=1e-5):
    return (resid / (resid.pow(2).mean(-1, keepdim=True).sqrt() + eps) * gain) @ unembed


# %% wrong: ignores the eps that it is given -> "under the root"
def logit_lens(resid, gain, unembed, eps=1e-5):
    return (resid / (resid.pow(2).mean(-1, keepdim=True) + 1e-5).sqrt() * gain) @ unembed


# %% wrong: probabilities -> "root of the mean square"
def logit_lens(resid, gain, unembed, eps=1e-5):
    return ((resid / (resid.pow(2).mean(-1, keepdim=True) + eps).sqrt() * gain) @ unembed).softmax(-1)


# %% right: torch's own norm
def logit_lens(resid, gain, unembed, eps=1e-5):
    return torch.nn.functional.rms_norm(resid, (resid.shape[-1],), gain, eps) @ unembed


# %% right: one vector after another
def logit_lens(resid, gain, unembed, eps=1e-5):
    flat = resid.reshape(-1, resid.shape[-1])
    rows = [(gain * r * torch.rsqrt((r @ r) / len(r) + eps)) @ unembed for r in flat]
    return torch.stack(rows).reshape(*resid.shape[:-1], -1)
