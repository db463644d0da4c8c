import numpy as np


def measured(p, happened, n_bins, place=None, weigh=True, base=None, keep_empty=False, signed=False):
    p, y = np.asarray(p, float), np.asarray(happened, float)
    place = np.minimum((p * n_bins).astype(int), n_bins - 1) if place is None else place
    bins = []
    for k in range(n_bins):
        here = place == k
        if here.any():
            bins.append((float(p[here].mean()), float(y[here].mean()), int(here.sum())))
        elif keep_empty:
            bins.append((0.0, 0.0, 0))
    gaps = np.array([(a - b) if signed else abs(a - b) for a, b, _ in bins])
    counts = np.array([count for *_, count in bins])
    ece = abs((gaps * counts).sum()) / len(p) if weigh else abs(gaps.mean())
    rate = y.mean()
    baseline = rate * (1 - rate) if base is None else base
    return {
        "brier": float(((p - y) ** 2).mean()),
        "baseline": float(baseline),
        "bins": bins,
        "ece": float(ece),
    }


def refuse(p, happened):
    if len(p) == 0 or len(p) != len(happened) or np.min(p) < 0 or np.max(p) > 1:
        raise ValueError("predictions")


# %% wrong: every bin weighs the same -> "weighs each bin"
def calibration(p, happened, n_bins=10):
    refuse(p, happened)
    return measured(p, happened, n_bins, weigh=False)


# %% wrong: gaps of both signs cancel -> "weighs each bin"
def calibration(p, happened, n_bins=10):
    refuse(p, happened)
    return measured(p, happened, n_bins, signed=True)


# %% wrong: the baseline is a coin -> "not one half"
def calibration(p, happened, n_bins=10):
    refuse(p, happened)
    return measured(p, happened, n_bins, base=0.25)


# %% wrong: a prediction of 1 falls out of the last bin -> "1.0 belongs to the last"
def calibration(p, happened, n_bins=10):
    refuse(p, happened)
    return measured(p, happened, n_bins, place=(np.asarray(p) * n_bins).astype(int))


# %% wrong: empty bins are listed -> "two bins hold any"
def calibration(p, happened, n_bins=10):
    refuse(p, happened)
    return measured(p, happened, n_bins, keep_empty=True)


# %% wrong: ten bins whatever n_bins -> "equally wide bins"
def calibration(p, happened, n_bins=10):
    refuse(p, happened)
    return measured(p, happened, 10)


# %% wrong: bins with equally many predictions -> "bins"
def calibration(p, happened, n_bins=10):
    refuse(p, happened)
    order = np.argsort(np.argsort(p, kind="stable"), kind="stable")
    return measured(p, happened, n_bins, place=order * n_bins // len(p))


# %% wrong: the middle of the bin instead of its mean prediction -> "mean of its predictions"
def calibration(p, happened, n_bins=10):
    refuse(p, happened)
    found = measured(p, happened, n_bins)
    bins = [((min(int(a * n_bins), n_bins - 1) + 0.5) / n_bins, b, count) for a, b, count in found["bins"]]
    ece = sum(abs(a - b) * count for a, b, count in bins) / len(p)
    return found | {"bins": bins, "ece": ece}


# %% wrong: the mean absolute error for the Brier score -> "squared"
def calibration(p, happened, n_bins=10):
    refuse(p, happened)
    return measured(p, happened, n_bins) | {"brier": float(np.abs(np.asarray(p) - happened).mean())}


# %% wrong: takes whatever comes -> "should be refused"
def calibration(p, happened, n_bins=10):
    return measured(p, happened, n_bins)


# %% wrong: clips predictions into the range -> "a prediction above 1 should be refused"
def calibration(p, happened, n_bins=10):
    if len(p) == 0 or len(p) != len(happened):
        raise ValueError("lengths")
    return measured(np.clip(p, 0, 1), happened, n_bins)


# %% right: with a helper
def calibration(p, happened, n_bins=10):
    refuse(p, happened)
    return measured(p, happened, n_bins)


# %% right: plain Python
def calibration(p, happened, n_bins=10):
    pairs = [(float(a), float(b)) for a, b in zip(p, happened, strict=True)]
    if not pairs or any(not 0 <= a <= 1 for a, _ in pairs):
        raise ValueError("predictions are probabilities")
    groups = {}
    for a, b in pairs:
        groups.setdefault(n_bins - 1 if a == 1 else int(a * n_bins), []).append((a, b))
    bins = []
    for _, some in sorted(groups.items()):
        bins.append((sum(a for a, _ in some) / len(some), sum(b for _, b in some) / len(some), len(some)))
    rate = sum(b for _, b in pairs) / len(pairs)
    return {
        "brier": sum((a - b) ** 2 for a, b in pairs) / len(pairs),
        "baseline": sum((rate - b) ** 2 for _, b in pairs) / len(pairs),
        "bins": bins,
        "ece": sum(abs(a - b) * count for a, b, count in bins) / len(pairs),
    }
