import numpy as np
import torch


def half_area(acts, labels, is_bad):
    gap = acts[::2][labels].mean(0) - acts[::2][~labels].mean(0)
    return auc(acts[1::2] @ gap, is_bad[1::2])


def shuffles(edited, is_bad, rng, n):
    even = is_bad[::2]
    return [half_area(edited, even[torch.tensor(rng.permutation(len(even)))], is_bad) for _ in range(n)]


def report(edited, base, shuffled):
    return {"edited": edited, "base": base, "shuffled": shuffled, "finding": bool(base <= shuffled < edited)}


# %% wrong: no held-out rows -> "on the odd rows"
def null_monitor(edited, base, is_bad, rng, n_shuffles=100):
    def fit(acts):
        return auc(acts @ (acts[is_bad].mean(0) - acts[~is_bad].mean(0)), is_bad)

    return report(fit(edited), fit(base), float(np.quantile(shuffles(edited, is_bad, rng, n_shuffles), 0.95)))


# %% wrong: trains on odd, scores even -> "on the odd rows"
def null_monitor(edited, base, is_bad, rng, n_shuffles=100):
    def swapped(acts):
        gap = acts[1::2][is_bad[1::2]].mean(0) - acts[1::2][~is_bad[1::2]].mean(0)
        return auc(acts[::2] @ gap, is_bad[::2])

    return report(
        swapped(edited), swapped(base), float(np.quantile(shuffles(edited, is_bad, rng, n_shuffles), 0.95))
    )


# %% wrong: the edited model's direction scores the base model -> "'base' should be"
def null_monitor(edited, base, is_bad, rng, n_shuffles=100):
    even = is_bad[::2]
    gap = edited[::2][even].mean(0) - edited[::2][~even].mean(0)
    on_base = auc(base[1::2] @ gap, is_bad[1::2])
    return report(
        half_area(edited, even, is_bad),
        on_base,
        float(np.quantile(shuffles(edited, is_bad, rng, n_shuffles), 0.95)),
    )


# %% wrong: the median of the shuffles -> "95th percentile"
def null_monitor(edited, base, is_bad, rng, n_shuffles=100):
    even = is_bad[::2]
    return report(
        half_area(edited, even, is_bad),
        half_area(base, even, is_bad),
        float(np.median(shuffles(edited, is_bad, rng, n_shuffles))) - 0.1,
    )


# %% wrong: shuffles that keep the direction and shuffle the test labels' scores to nothing -> "95th percentile"
def null_monitor(edited, base, is_bad, rng, n_shuffles=100):
    even = is_bad[::2]
    return report(half_area(edited, even, is_bad), half_area(base, even, is_bad), 0.5)


# %% wrong: a finding whenever the edited model is above chance -> "'finding' should be"
def null_monitor(edited, base, is_bad, rng, n_shuffles=100):
    even = is_bad[::2]
    found = report(
        half_area(edited, even, is_bad),
        half_area(base, even, is_bad),
        float(np.quantile(shuffles(edited, is_bad, rng, n_shuffles), 0.95)),
    )
    return {**found, "finding": bool(found["edited"] > found["shuffled"])}


# %% wrong: a finding whenever edited beats base -> "'finding' should be"
def null_monitor(edited, base, is_bad, rng, n_shuffles=100):
    even = is_bad[::2]
    found = report(
        half_area(edited, even, is_bad),
        half_area(base, even, is_bad),
        float(np.quantile(shuffles(edited, is_bad, rng, n_shuffles), 0.95)),
    )
    return {**found, "finding": found["base"] > found["shuffled"] or found["edited"] > found["base"]}


# %% wrong: never a finding -> "'finding' should be"
def null_monitor(edited, base, is_bad, rng, n_shuffles=100):
    even = is_bad[::2]
    found = report(
        half_area(edited, even, is_bad),
        half_area(base, even, is_bad),
        float(np.quantile(shuffles(edited, is_bad, rng, n_shuffles), 0.95)),
    )
    return {**found, "finding": False}


# %% wrong: accuracy instead of the AUC -> "separates the texts along coordinate 0"
def null_monitor(edited, base, is_bad, rng, n_shuffles=100):
    def accuracy(acts):
        even = is_bad[::2]
        gap = acts[::2][even].mean(0) - acts[::2][~even].mean(0)
        return float(((acts[1::2] @ gap > 0) == is_bad[1::2]).float().mean())

    return report(
        accuracy(edited), accuracy(base), float(np.quantile(shuffles(edited, is_bad, rng, n_shuffles), 0.95))
    )


# %% right: with helpers
def null_monitor(edited, base, is_bad, rng, n_shuffles=100):
    even = is_bad[::2]
    null = shuffles(edited, is_bad, rng, n_shuffles)
    return report(
        half_area(edited, even, is_bad), half_area(base, even, is_bad), float(np.quantile(null, 0.95))
    )


# %% right: scaled directions, sorted shuffles
def null_monitor(edited, base, is_bad, rng, n_shuffles=100):
    train, test = is_bad[0::2], is_bad[1::2]

    def run(acts, labels):
        unit = acts[0::2][labels].mean(0) - acts[0::2][~labels].mean(0)
        unit = unit / unit.norm()
        return auc((acts[1::2] - acts[0::2].mean(0)) @ unit, test)

    null = sorted(
        run(edited, train[torch.from_numpy(rng.permutation(len(train)))]) for _ in range(n_shuffles)
    )
    limit = null[int(np.ceil(0.95 * n_shuffles)) - 1]
    a, b = run(edited, train), run(base, train)
    return {"edited": a, "base": b, "shuffled": limit, "finding": a > limit and not b > limit}
