import numpy as np
from scipy.stats import binomtest


def layers(missed, through=None, alone=None, **other):
    missed = np.asarray(missed, bool)
    if missed.ndim != 2 or not len(missed):
        raise ValueError("no case")
    through = missed.all(1) if through is None else through
    alone = missed.mean(0) if alone is None else alone
    interval = binomtest(int(through.sum()), len(through)).proportion_ci(method="wilson")
    return {
        "alone": alone.tolist(),
        "independent": float(np.prod(alone)),
        "measured": float(through.mean()),
        "low": float(interval.low),
        "high": float(interval.high),
        "at_best": float(max(0, 1 - len(alone) + alone.sum())),
        "at_worst": float(min([1.0, *alone])),
    } | other


# %% wrong: measured is taken for the product -> "five of forty"
def layered_risk(missed):
    return layers(missed, measured=float(np.prod(np.mean(missed, 0))))


# %% wrong: a case counts if any control missed it -> "every control missed it"
def layered_risk(missed):
    return layers(missed, through=np.asarray(missed).any(1))


# %% wrong: shares of what was caught -> "misses a quarter"
def layered_risk(missed):
    return layers(missed, alone=1 - np.mean(missed, 0))


# %% wrong: the wrong axis -> "misses a quarter"
def layered_risk(missed):
    return layers(missed, alone=np.mean(missed, 1))


# %% wrong: the worst control decides -> "the best control decides"
def layered_risk(missed):
    return layers(
        missed, at_worst=float(np.max(np.mean(missed, 0), initial=0.0)) if np.shape(missed)[1] else 1.0
    )


# %% wrong: at best nothing gets through -> "at best the misses overlap"
def layered_risk(missed):
    return layers(missed, at_best=0.0)


# %% wrong: the lower bound may fall below 0 -> "never below 0"
def layered_risk(missed):
    alone = np.mean(missed, 0)
    return layers(missed, at_best=float(1 - (1 - alone).sum()))


# %% wrong: at best is the product -> "at best the misses overlap"
def layered_risk(missed):
    return layers(missed, at_best=float(np.prod(np.mean(missed, 0))))


# %% wrong: the interval of the product -> "Wilson"
def layered_risk(missed):
    n, p = len(missed), float(np.prod(np.mean(missed, 0)))
    ends = binomtest(round(p * n), n).proportion_ci(method="wilson") if n else (0, 0)
    return layers(missed, low=float(ends[0]), high=float(ends[1]))


# %% wrong: the familiar interval -> "Wilson"
def layered_risk(missed):
    found = layers(missed)
    p, half = found["measured"], 1.96 * (found["measured"] * (1 - found["measured"]) / len(missed)) ** 0.5
    return found | {"low": max(0.0, p - half), "high": min(1.0, p + half)}


# %% wrong: two controls only -> "product"
def layered_risk(missed):
    alone = np.mean(missed, 0)
    return layers(missed, independent=float(np.prod(alone[:2])))


# %% wrong: without cases nothing gets through -> "expected ValueError"
def layered_risk(missed):
    if not len(missed):
        return dict.fromkeys(("independent", "measured", "low", "high", "at_best", "at_worst"), 0.0) | {
            "alone": []
        }
    return layers(missed)


# %% right: with a helper
def layered_risk(missed):
    return layers(missed)


# %% right: plain Python, Wilson's formula by hand
def layered_risk(missed):
    rows = [[bool(x) for x in row] for row in np.asarray(missed)]
    if not rows:
        raise ValueError("give at least one case")
    n = len(rows)
    alone = [sum(column) / n for column in zip(*rows)]
    product = 1.0
    for share in alone:
        product *= share
    k, z = sum(all(row) for row in rows), 1.96
    middle, half = k / n + z * z / (2 * n), z * (k / n * (1 - k / n) / n + z * z / (4 * n * n)) ** 0.5
    return {
        "alone": alone,
        "independent": product,
        "measured": k / n,
        "low": (middle - half) / (1 + z * z / n),
        "high": (middle + half) / (1 + z * z / n),
        "at_best": max(0.0, sum(alone) - len(alone) + 1),
        "at_worst": min(alone, default=1.0),
    }
