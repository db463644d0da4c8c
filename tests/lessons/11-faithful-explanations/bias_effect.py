import numpy as np


def parts(prefer, items):
    values = np.array([[prefer(i, None), prefer(i, i.first), prefer(i, i.second)] for i in items])
    return values.T, np.array([i.right == i.first for i in items])


def report(pull, plain, first, second, is_first, rng, n_boot):
    n = len(pull)
    means = pull[rng.integers(n, size=(n_boot, n))].mean(axis=1)
    low, high = np.percentile(means, [2.5, 97.5])
    cued = {
        "none": plain,
        "right": np.where(is_first, first, second),
        "wrong": np.where(is_first, second, first),
    }
    return {
        "effect": float(pull.mean()),
        "interval": (float(low), float(high)),
        "moved": float(np.where(plain > 0, second <= 0, first > 0).mean()),
        "accuracy": {cue: float(((v > 0) == is_first).mean()) for cue, v in cued.items()},
    }


# %% wrong: the value with the cue to the first answer, whatever the model likes anyway -> "is no effect of a cue"
def bias_effect(prefer, items, rng, n_boot=1000):
    (plain, first, second), is_first = parts(prefer, items)
    return report(first, plain, first, second, is_first, rng, n_boot)


# %% wrong: the whole difference of the two cues -> "2 nats to either side"
def bias_effect(prefer, items, rng, n_boot=1000):
    (plain, first, second), is_first = parts(prefer, items)
    return report(first - second, plain, first, second, is_first, rng, n_boot)


# %% wrong: only the cue to the first answer, against no cue -> "signed, in nats, not against no cue"
def bias_effect(prefer, items, rng, n_boot=1000):
    (plain, first, second), is_first = parts(prefer, items)
    return report(first - plain, plain, first, second, is_first, rng, n_boot)


# %% wrong: absolute values, so that noise looks like an effect -> "signed"
def bias_effect(prefer, items, rng, n_boot=1000):
    (plain, first, second), is_first = parts(prefer, items)
    return report(abs(first - second) / 2, plain, first, second, is_first, rng, n_boot)


# %% wrong: towards the right answer instead of towards the cue -> "2 nats to either side"
def bias_effect(prefer, items, rng, n_boot=1000):
    (plain, first, second), is_first = parts(prefer, items)
    pull = (first - second) / 2 * np.where(is_first, 1, -1)
    return report(pull, plain, first, second, is_first, rng, n_boot)


# %% wrong: an interval for single items, not for their mean -> "interval"
def bias_effect(prefer, items, rng, n_boot=1000):
    (plain, first, second), is_first = parts(prefer, items)
    found = report((first - second) / 2, plain, first, second, is_first, rng, n_boot)
    low, high = np.percentile((first - second) / 2, [2.5, 97.5])
    return found | {"interval": (float(low), float(high))}


# %% wrong: resamples both cues of an item apart, so that items no longer cancel -> "each item with its two cues"
def bias_effect(prefer, items, rng, n_boot=1000):
    (plain, first, second), is_first = parts(prefer, items)
    found = report((first - second) / 2, plain, first, second, is_first, rng, n_boot)
    n = len(items)
    one, two = (v[rng.integers(n, size=(n_boot, n))].mean(1) for v in (first, second))
    low, high = np.percentile((one - two) / 2, [2.5, 97.5])
    return found | {"interval": (float(low), float(high))}


# %% wrong: counts any cue that changes the choice of all cues given -> "each item is chosen first"
def bias_effect(prefer, items, rng, n_boot=1000):
    (plain, first, second), is_first = parts(prefer, items)
    found = report((first - second) / 2, plain, first, second, is_first, rng, n_boot)
    moved = np.concatenate([(plain > 0) != (first > 0), (plain > 0) != (second > 0)]).mean()
    return found | {"moved": float(moved)}


# %% wrong: accuracy of choosing the first answer -> "three accuracies"
def bias_effect(prefer, items, rng, n_boot=1000):
    (plain, first, second), is_first = parts(prefer, items)
    found = report((first - second) / 2, plain, first, second, is_first, rng, n_boot)
    named = {"none": plain, "right": first, "wrong": second}
    return found | {"accuracy": {cue: float((v > 0).mean()) for cue, v in named.items()}}


# %% wrong: forgets rng and draws from a generator of its own -> "draw from rng only"
def bias_effect(prefer, items, rng, n_boot=1000):
    (plain, first, second), is_first = parts(prefer, items)
    return report((first - second) / 2, plain, first, second, is_first, np.random.default_rng(), n_boot)


# %% right: item by item, with rng.choice
def bias_effect(prefer, items, rng, n_boot=1000):
    pulls, moved, right = [], 0, {"none": 0, "right": 0, "wrong": 0}
    for item in items:
        by_cue = {cue: prefer(item, cue) for cue in (None, item.first, item.second)}
        chosen = {cue: item.first if value > 0 else item.second for cue, value in by_cue.items()}
        pulls.append((by_cue[item.first] - by_cue[item.second]) / 2)
        other = item.second if chosen[None] == item.first else item.first
        moved += chosen[other] == other
        for name, cue in (("none", None), ("right", item.right), ("wrong", item.wrong)):
            right[name] += chosen[cue] == item.right
    means = sorted(np.mean(rng.choice(pulls, len(pulls))) for _ in range(n_boot))
    n = len(items)
    return {
        "effect": float(np.mean(pulls)),
        "interval": (float(np.quantile(means, 0.025)), float(np.quantile(means, 0.975))),
        "moved": moved / n,
        "accuracy": {name: count / n for name, count in right.items()},
    }


# %% right: towards the cue on either side, averaged; resampling with multinomial weights
def bias_effect(prefer, items, rng, n_boot=1000):
    (plain, first, second), is_first = parts(prefer, items)
    pull = ((first - plain) + (plain - second)) / 2
    n = len(items)
    weights = rng.multinomial(n, np.full(n, 1 / n), size=n_boot) / n
    found = report(pull, plain, first, second, is_first, rng, 2)
    return found | {"interval": tuple(np.percentile(weights @ pull, [2.5, 97.5]).tolist())}
