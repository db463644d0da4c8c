import numpy as np
import torch


# %% wrong: the mean of ratios -> "ratio of means"
def recovery(patched, clean, corrupted):
    if (clean.mean() - corrupted.mean()).abs() < 1e-6:
        raise ValueError
    return ((patched - corrupted) / (clean - corrupted)).mean(-1)


# %% wrong: 0 and 1 exchanged -> "has recovery 1"
def recovery(patched, clean, corrupted):
    return (clean.mean() - patched.mean(-1)) / (clean.mean() - corrupted.mean())


# %% wrong: clipped -> "not clipped"
def recovery(patched, clean, corrupted):
    if (clean.mean() - corrupted.mean()).abs() < 1e-6:
        raise ValueError
    return ((patched.mean(-1) - corrupted.mean()) / (clean.mean() - corrupted.mean())).clamp(0, 1)


# %% wrong: averages everything into one number -> "grid"
def recovery(patched, clean, corrupted):
    if (clean.mean() - corrupted.mean()).abs() < 1e-6:
        raise ValueError
    return (patched.mean() - corrupted.mean()) / (clean.mean() - corrupted.mean())


# %% wrong: averages over the first axis -> "grid"
def recovery(patched, clean, corrupted):
    return (patched.mean(0) - corrupted.mean()) / (clean.mean() - corrupted.mean())


# %% wrong: divides by the clean mean -> "has recovery 1"
def recovery(patched, clean, corrupted):
    return (patched.mean(-1) - corrupted.mean()) / clean.mean()


# %% wrong: no subtraction in the numerator -> "has recovery 0"
def recovery(patched, clean, corrupted):
    return (patched.mean(-1) - corrupted.mean() + corrupted.mean().abs() * (patched.mean(-1) < 0)) / (
        clean.mean() - corrupted.mean()
    )


# %% wrong: the size of the distance, so that the sign is lost -> "ratio of means"
def recovery(patched, clean, corrupted):
    if (clean.mean() - corrupted.mean()).abs() < 1e-6:
        raise ValueError
    return (patched.mean(-1) - corrupted.mean()).abs() / (clean.mean() - corrupted.mean()).abs()


# %% wrong: works only where clean is above corrupted -> "above or below"
def recovery(patched, clean, corrupted):
    if (clean.mean() - corrupted.mean()).abs() < 1e-6:
        raise ValueError
    return (patched.mean(-1) - corrupted.mean()) / (clean.mean() - corrupted.mean()).abs()


# %% wrong: does not refuse -> "expected ValueError"
def recovery(patched, clean, corrupted):
    return (patched.mean(-1) - corrupted.mean()) / (clean.mean() - corrupted.mean())


# %% wrong: a small number in the denominator hides the missing scale -> "expected ValueError"
def recovery(patched, clean, corrupted):
    return (patched.mean(-1) - corrupted.mean()) / (clean.mean() - corrupted.mean() + 1e-9)


# %% right: NumPy
def recovery(patched, clean, corrupted):
    low, high = float(np.mean(corrupted.numpy())), float(np.mean(clean.numpy()))
    if abs(high - low) < 1e-6:
        raise ValueError("no scale")
    return torch.tensor(np.mean(patched.numpy(), axis=-1) - low) / (high - low)


# %% right: differences first
def recovery(patched, clean, corrupted):
    whole = (clean - corrupted).mean()
    if abs(whole.item()) < 1e-6:
        raise ValueError("clean and corrupted are equally good")
    return (patched - corrupted).mean(dim=-1) / whole
