import numpy as np
import torch


def page(values, of, direction, unembed, n_bins, k, **changes):
    firing = values[values > 0]
    top = float(firing.max()) if len(firing) else 0.0
    counts = torch.histc(firing, n_bins, min=0, max=top) if len(firing) else torch.zeros(n_bins)
    logits = direction @ unembed
    return {
        "density": len(firing) / of,
        "edges": torch.linspace(0, top, n_bins + 1),
        "mass": counts / of,
        "promoted": logits.topk(k).indices,
        "suppressed": logits.topk(k, largest=False).indices,
    } | changes


# %% wrong: tokens that were not kept count too -> "kept"
def dashboard(acts, kept, direction, unembed, n_bins=20, k=8):
    return page(acts, len(acts), direction, unembed, n_bins, k)


# %% wrong: kept firings over all tokens -> "three of five"
def dashboard(acts, kept, direction, unembed, n_bins=20, k=8):
    return page(acts[kept], len(acts), direction, unembed, n_bins, k)


# %% wrong: mass as a share of the firings -> "add up to the density"
def dashboard(acts, kept, direction, unembed, n_bins=20, k=8):
    out = page(acts[kept], int(kept.sum()), direction, unembed, n_bins, k)
    return out | {"mass": out["mass"] / max(out["density"], 1e-9)}


# %% wrong: counts instead of shares -> "add up to the density"
def dashboard(acts, kept, direction, unembed, n_bins=20, k=8):
    out = page(acts[kept], int(kept.sum()), direction, unembed, n_bins, k)
    return out | {"mass": out["mass"] * kept.sum()}


# %% wrong: the histogram holds the zeros -> "add up to the density"
def dashboard(acts, kept, direction, unembed, n_bins=20, k=8):
    values = acts[kept]
    mass = torch.histc(values, n_bins, min=0, max=float(values.max()) or 1.0) / len(values)
    return page(values, len(values), direction, unembed, n_bins, k, mass=mass)


# %% wrong: the strongest firing falls off the last edge -> "add up to the density"
def dashboard(acts, kept, direction, unembed, n_bins=20, k=8):
    out = page(acts[kept], int(kept.sum()), direction, unembed, n_bins, k)
    values = acts[kept][acts[kept] > 0]
    inside = [
        ((values >= a) & (values < b)).sum() for a, b in zip(out["edges"], out["edges"][1:], strict=False)
    ]
    return out | {"mass": torch.stack(inside) / kept.sum()}


# %% wrong: edges from the smallest firing -> "edges"
def dashboard(acts, kept, direction, unembed, n_bins=20, k=8):
    values = acts[kept]
    firing = values[values > 0]
    if not len(firing):
        return page(values, len(values), direction, unembed, n_bins, k)
    counts, edges = np.histogram(firing.numpy(), n_bins)
    mass = torch.tensor(counts / len(values))
    return page(values, len(values), direction, unembed, n_bins, k, mass=mass, edges=torch.tensor(edges))


# %% wrong: tokens with the smallest effect instead of the most negative -> "not the smallest in size"
def dashboard(acts, kept, direction, unembed, n_bins=20, k=8):
    small = (direction @ unembed).abs().topk(k, largest=False).indices
    return page(acts[kept], int(kept.sum()), direction, unembed, n_bins, k, suppressed=small)


# %% wrong: the largest in size are promoted -> "direction adds most"
def dashboard(acts, kept, direction, unembed, n_bins=20, k=8):
    large = (direction @ unembed).abs().topk(k).indices
    return page(acts[kept], int(kept.sum()), direction, unembed, n_bins, k, promoted=large)


# %% wrong: suppressed from the least suppressed on -> "smallest first"
def dashboard(acts, kept, direction, unembed, n_bins=20, k=8):
    out = page(acts[kept], int(kept.sum()), direction, unembed, n_bins, k)
    return out | {"suppressed": out["suppressed"].flip(0) if k > 1 else out["promoted"]}


# %% wrong: fails where the latent never fires -> "RuntimeError"
def dashboard(acts, kept, direction, unembed, n_bins=20, k=8):
    values = acts[kept]
    top = float(values[values > 0].max())
    return page(values, len(values), direction, unembed, n_bins, k) | {
        "edges": torch.linspace(0, top, n_bins + 1)
    }


# %% right: NumPy's histogram and an argsort
def dashboard(acts, kept, direction, unembed, n_bins=20, k=8):
    values = acts[kept].numpy()
    top = max(values.max(), 0.0)
    counts = np.histogram(values[values > 0], n_bins, (0, top))[0] if top else np.zeros(n_bins)
    order = torch.argsort(direction @ unembed)
    return {
        "density": float((values > 0).mean()),
        "edges": torch.arange(n_bins + 1) / n_bins * float(top),
        "mass": torch.tensor(counts / len(values)),
        "promoted": order.flip(0)[:k],
        "suppressed": order[:k],
    }


# %% right: bucketize
def dashboard(acts, kept, direction, unembed, n_bins=20, k=8):
    values = acts[kept]
    top = float(values.clamp_min(0).max())
    edges = torch.linspace(0, 1, n_bins + 1) * top
    mass = torch.zeros(n_bins)
    for value in values.tolist():
        if value > 0:
            mass[min(int(value / top * n_bins), n_bins - 1)] += 1 / len(values)
    logits = unembed.T @ direction
    ids = sorted(range(len(logits)), key=lambda i: float(logits[i]))
    return {
        "density": mass.sum().item(), "edges": edges, "mass": mass,
        "promoted": torch.tensor(ids[::-1][:k]), "suppressed": torch.tensor(ids[:k]),
    }  # fmt: skip
