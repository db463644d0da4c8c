import torch


def numbers(x, r, z):
    error, on = (x - r).square(), z != 0
    return {
        "l0": on.sum(1).float().mean().item(),
        "mse": error.mean().item(),
        "explained_variance": 1 - (error.sum() / (x - x.mean(0)).square().sum()).item(),
        "density": on.float().mean(0),
        "dead": int((~on.any(0)).sum()),
    }


# %% wrong: a mean of each sample's own ratio -> "one sum of squared errors"
def sae_metrics(x, reconstruction, latents):
    ratio = (x - reconstruction).square().sum(1) / (x - x.mean(0)).square().sum(1)
    return numbers(x, reconstruction, latents) | {"explained_variance": 1 - ratio.mean().item()}


# %% wrong: a mean over dimensions -> "one sum of squared errors"
def sae_metrics(x, reconstruction, latents):
    ratio = (x - reconstruction).var(0) / x.var(0)
    return numbers(x, reconstruction, latents) | {"explained_variance": 1 - ratio.mean().item()}


# %% wrong: deviations from zero -> "deviations are from the mean"
def sae_metrics(x, reconstruction, latents):
    ratio = (x - reconstruction).square().sum() / x.square().sum()
    return numbers(x, reconstruction, latents) | {"explained_variance": 1 - ratio.item()}


# %% wrong: one minus the error, as if the variance were 1 -> "rescaled"
def sae_metrics(x, reconstruction, latents):
    return numbers(x, reconstruction, latents) | {
        "explained_variance": 1 - (x - reconstruction).square().mean().item()
    }


# %% wrong: an epsilon that matters for small activations, and one mean for all dimensions -> "deviations are from the mean"
def sae_metrics(x, reconstruction, latents):
    ratio = (x - reconstruction).square().sum() / ((x - x.mean()).square().sum() + 1e-6)
    return numbers(x, reconstruction, latents) | {"explained_variance": 1 - ratio.item()}


# %% wrong: clipped at 0 -> "do not clip"
def sae_metrics(x, reconstruction, latents):
    out = numbers(x, reconstruction, latents)
    return out | {"explained_variance": max(0.0, out["explained_variance"])}


# %% wrong: l0 as a share -> "NUMBER"
def sae_metrics(x, reconstruction, latents):
    return numbers(x, reconstruction, latents) | {"l0": (latents != 0).float().mean().item()}


# %% wrong: the error is summed over dimensions -> "mse"
def sae_metrics(x, reconstruction, latents):
    return numbers(x, reconstruction, latents) | {"mse": (x - reconstruction).square().sum(1).mean().item()}


# %% wrong: density of each sample -> "density"
def sae_metrics(x, reconstruction, latents):
    return numbers(x, reconstruction, latents) | {"density": (latents != 0).float().mean(1)}


# %% wrong: counts the living -> "dead"
def sae_metrics(x, reconstruction, latents):
    return numbers(x, reconstruction, latents) | {"dead": int((latents != 0).any(0).sum())}


# %% wrong: mean activation for density -> "density"
def sae_metrics(x, reconstruction, latents):
    return numbers(x, reconstruction, latents) | {"density": latents.mean(0)}


# %% right: variances of the population
def sae_metrics(x, reconstruction, latents):
    spread = x.var(0, unbiased=False).sum()
    missed = (x - reconstruction).pow(2).mean(0).sum()
    counts = torch.count_nonzero(latents, dim=0)
    return {
        "l0": float(counts.sum() / len(x)),
        "mse": float(missed / x.shape[1]),
        "explained_variance": float(1 - missed / spread),
        "density": counts / len(x),
        "dead": int((counts == 0).sum()),
    }


# %% right: tensors without axes
def sae_metrics(x, reconstruction, latents):
    out = numbers(x, reconstruction, latents)
    return {key: torch.tensor(value) if key in ("l0", "mse") else value for key, value in out.items()}
