import torch


def scale_of(parts, eps):
    return (sum(parts.values()).pow(2).mean(-1) + eps).sqrt()


# %% wrong: each part under a scale of its own -> "scale is the root of 12.5"
def direct_logit_attribution(parts, gain, direction, eps=1e-5):
    return {n: p @ (gain * direction) / (p.pow(2).mean(-1) + eps).sqrt() for n, p in parts.items()}


# %% wrong: no norm at all -> "scale is the root of 12.5"
def direct_logit_attribution(parts, gain, direction, eps=1e-5):
    return {n: p @ (gain * direction) for n, p in parts.items()}


# %% wrong: forgets the gain -> "norm with its gain"
def direct_logit_attribution(parts, gain, direction, eps=1e-5):
    return {n: p @ direction / scale_of(parts, eps) for n, p in parts.items()}


# %% wrong: the scale of the first position for all -> "sum to the true logit difference"
def direct_logit_attribution(parts, gain, direction, eps=1e-5):
    return {n: p @ (gain * direction) / scale_of(parts, eps)[:, :1] for n, p in parts.items()}


# %% wrong: one scale for everything -> "sum to the true logit difference"
def direct_logit_attribution(parts, gain, direction, eps=1e-5):
    scale = (sum(parts.values()).pow(2).mean() + eps).sqrt()
    return {n: p @ (gain * direction) / scale for n, p in parts.items()}


# %% wrong: the last part's scale -> "scale is the root of 12.5"
def direct_logit_attribution(parts, gain, direction, eps=1e-5):
    last = list(parts.values())[-1]
    return {n: p @ (gain * direction) / (last.pow(2).mean(-1) + eps).sqrt() for n, p in parts.items()}


# %% wrong: equal shares, which sum as they should -> "scale is the root of 12.5"
def direct_logit_attribution(parts, gain, direction, eps=1e-5):
    truth = sum(parts.values()) @ (gain * direction) / scale_of(parts, eps)
    return dict.fromkeys(parts, truth / len(parts))


# %% wrong: shares of the whole, in fractions -> "scale is the root of 12.5"
def direct_logit_attribution(parts, gain, direction, eps=1e-5):
    shares = {n: p @ (gain * direction) / scale_of(parts, eps) for n, p in parts.items()}
    total = sum(shares.values())
    return {n: s / total for n, s in shares.items()}


# %% wrong: averages over positions -> "each prompt and position"
def direct_logit_attribution(parts, gain, direction, eps=1e-5):
    return {
        n: (p @ (gain * direction) / scale_of(parts, eps)).mean(-1, keepdim=True) for n, p in parts.items()
    }


# %% wrong: changes the parts that it is given -> "changed its argument"
def direct_logit_attribution(parts, gain, direction, eps=1e-5):
    scale = scale_of(parts, eps)
    for name in parts:
        parts[name] = parts[name] @ (gain * direction) / scale
    return parts


# %% right: normalise every part with the frozen scale, then project
def direct_logit_attribution(parts, gain, direction, eps=1e-5):
    stacked = torch.stack(list(parts.values()))
    scale = (stacked.sum(0).pow(2).mean(-1, keepdim=True) + eps).sqrt()
    shares = torch.einsum("nbpd,d->nbp", stacked / scale * gain, direction)
    return dict(zip(parts, shares))


# %% right: what is lost without the part, the scale held
def direct_logit_attribution(parts, gain, direction, eps=1e-5):
    whole = sum(parts.values())
    inverse = torch.rsqrt(whole.square().mean(-1) + eps)
    full = (whole * inverse[..., None] * gain) @ direction
    return {n: full - ((whole - p) * inverse[..., None] * gain) @ direction for n, p in parts.items()}
