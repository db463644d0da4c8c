import torch
from torch.nn.functional import cosine_similarity


def parts(acts, W_dec, probe):
    """Cosine of each row with the probe, contribution of each latent on each token, the main latent."""
    cosines = cosine_similarity(W_dec, probe[None], dim=1)
    return cosines, acts * (W_dec @ probe), int(cosines.argmax())


def checked(present):
    if not present.any():
        raise ValueError("nowhere")


# %% wrong: every silence of the main latent is absorption -> "third is missed"
def absorption_rate(present, acts, W_dec, probe, threshold=0.4):
    checked(present)
    _, _, main = parts(acts, W_dec, probe)
    return (acts[present, main] == 0).float().mean().item()


# %% wrong: any active latent near the probe, main silent or not -> "0"
def absorption_rate(present, acts, W_dec, probe, threshold=0.4):
    checked(present)
    cosines, _, main = parts(acts, W_dec, probe)
    near = (cosines >= threshold) & (torch.arange(len(W_dec)) != main)
    return ((acts[present] > 0) & near).any(dim=1).float().mean().item()


# %% wrong: some near latent is active, not the largest contribution -> "largest contribution along"
def absorption_rate(present, acts, W_dec, probe, threshold=0.4):
    checked(present)
    cosines, _, main = parts(acts, W_dec, probe)
    silent = acts[present, main] == 0
    return (silent & ((acts[present] > 0) & (cosines >= threshold)).any(dim=1)).float().mean().item()


# %% wrong: the most active latent instead of the largest contribution -> "largest contribution"
def absorption_rate(present, acts, W_dec, probe, threshold=0.4):
    checked(present)
    cosines, _, main = parts(acts, W_dec, probe)
    here = acts[present]
    largest, carrier = here.max(dim=1)
    return ((here[:, main] == 0) & (largest > 0) & (cosines[carrier] >= threshold)).float().mean().item()


# %% wrong: over all tokens, not those with the concept -> "of five tokens"
def absorption_rate(present, acts, W_dec, probe, threshold=0.4):
    checked(present)
    cosines, added, main = parts(acts, W_dec, probe)
    best, carrier = added.max(dim=1)
    absorbed = present & (acts[:, main] == 0) & (best > 0) & (cosines[carrier] >= threshold)
    return absorbed.float().mean().item()


# %% wrong: absorbed over the tokens where the main latent is silent -> "of five tokens"
def absorption_rate(present, acts, W_dec, probe, threshold=0.4):
    checked(present)
    cosines, added, main = parts(acts[present], W_dec, probe)
    best, carrier = added.max(dim=1)
    silent = acts[present, main] == 0
    absorbed = silent & (best > 0) & (cosines[carrier] >= threshold)
    return (absorbed.sum() / silent.sum().clamp_min(1)).item()


# %% wrong: products instead of cosines -> "absorbed"
def absorption_rate(present, acts, W_dec, probe, threshold=0.4):
    checked(present)
    products = W_dec @ probe
    best, carrier = (acts[present] * products).max(dim=1)
    silent = acts[present][:, products.argmax()] == 0
    return (silent & (best > 0) & (products[carrier] >= threshold)).float().mean().item()


# %% wrong: the first latent is the main one -> "absorbed"
def absorption_rate(present, acts, W_dec, probe, threshold=0.4):
    checked(present)
    cosines, added, _ = parts(acts[present], W_dec, probe)
    best, carrier = added.max(dim=1)
    return ((acts[present, 0] == 0) & (best > 0) & (cosines[carrier] >= threshold)).float().mean().item()


# %% wrong: sign of the direction ignored -> "keep the sign"
def absorption_rate(present, acts, W_dec, probe, threshold=0.4):
    checked(present)
    cosines, added, main = parts(acts[present], W_dec, probe)
    best, carrier = added.abs().max(dim=1)
    return (
        ((acts[present, main] == 0) & (best > 0) & (cosines.abs()[carrier] >= threshold))
        .float()
        .mean()
        .item()
    )


# %% wrong: its own threshold -> "0.9"
def absorption_rate(present, acts, W_dec, probe, threshold=0.4):
    checked(present)
    cosines, added, main = parts(acts[present], W_dec, probe)
    best, carrier = added.max(dim=1)
    return ((acts[present, main] == 0) & (best > 0) & (cosines[carrier] >= 0.4)).float().mean().item()


# %% right: row by row
def absorption_rate(present, acts, W_dec, probe, threshold=0.4):
    checked(present)
    cosines, added, main = parts(acts, W_dec, probe)
    count = 0
    for t in present.nonzero()[:, 0].tolist():
        carrier = int(added[t].argmax())
        count += acts[t, main] == 0 and added[t, carrier] > 0 and cosines[carrier] >= threshold
    return float(count) / int(present.sum())


# %% right: unit rows and rescaled activations
def absorption_rate(present, acts, W_dec, probe, threshold=0.4):
    checked(present)
    lengths = W_dec.norm(dim=1)
    cosines = (W_dec / lengths[:, None]) @ (probe / probe.norm())
    shares = (acts * lengths)[present] * cosines
    best = shares.max(dim=1)
    main = cosines.max(dim=0).indices
    hits = (
        (acts[present][:, main] <= 0)
        .logical_and(best.values > 0)
        .logical_and(cosines[best.indices] >= threshold)
    )
    return float(hits.double().mean())
