import numpy as np


def build(interval):
    """A table whose intervals come from interval(values, draws, rng)."""

    def behaviour_table(model, prompts, metric, draws=1000, seed=0):
        rng, table = np.random.default_rng(seed), {}
        for group, texts in prompts.items():
            values = np.asarray(metric(model, texts), dtype=float)
            low, high = interval(values, draws, rng)
            table[group] = {
                "n": len(values),
                "mean": float(values.mean()),
                "low": float(low),
                "high": float(high),
            }
        return table

    return behaviour_table


def resampled(values, draws, rng):
    return values[rng.integers(0, len(values), (draws, len(values)))]


# %% wrong: percentiles of the data, not of its mean -> "bootstrap means of n values"
behaviour_table = build(lambda values, draws, rng: np.percentile(values, [2.5, 97.5]))

# %% wrong: the standard error without the root of n -> "too narrow"
behaviour_table = build(
    lambda values, draws, rng: (
        values.mean() - 1.96 * values.std() / len(values),
        values.mean() + 1.96 * values.std() / len(values),
    )
)

# %% wrong: the normal interval, which leaves the range of the data -> "range of the data"
behaviour_table = build(
    lambda values, draws, rng: (
        values.mean() - 1.96 * values.std(ddof=1) / len(values) ** 0.5,
        values.mean() + 1.96 * values.std(ddof=1) / len(values) ** 0.5,
    )
)

# %% wrong: an 80 % interval -> "too narrow"
behaviour_table = build(
    lambda values, draws, rng: np.percentile(resampled(values, draws, rng).mean(1), [10, 90])
)

# %% wrong: draws without replacement, so every mean is the same -> "interval should contain"
behaviour_table = build(
    lambda values, draws, rng: np.percentile([rng.permutation(values).mean() for _ in range(20)], [2.5, 97.5])
)

# %% wrong: the smallest and largest of the bootstrap means -> "times as wide"
behaviour_table = build(
    lambda values, draws, rng: (
        resampled(values, draws, rng).mean(1).min(),
        resampled(values, draws, rng).mean(1).max(),
    )
)


# %% wrong: randomness that ignores the seed -> "same table"
def behaviour_table(model, prompts, metric, draws=1000, seed=0):
    return build(
        lambda values, draws, rng: np.percentile(resampled(values, draws, rng).mean(1), [2.5, 97.5])
    )(model, prompts, metric, draws, None)


# %% wrong: the seed is always 0 -> "another seed"
def behaviour_table(model, prompts, metric, draws=1000, seed=0):
    return build(
        lambda values, draws, rng: np.percentile(resampled(values, draws, rng).mean(1), [2.5, 97.5])
    )(model, prompts, metric, draws, 0)


# %% wrong: all groups in one row -> "one row for each group"
def behaviour_table(model, prompts, metric, draws=1000, seed=0):
    values = np.concatenate([np.asarray(metric(model, texts), dtype=float) for texts in prompts.values()])
    return {"all": {"n": len(values), "mean": values.mean(), "low": values.mean(), "high": values.mean()}}


# %% wrong: the median in the place of the mean -> "mean should be"
def behaviour_table(model, prompts, metric, draws=1000, seed=0):
    table = build(
        lambda values, draws, rng: np.percentile(resampled(values, draws, rng).mean(1), [2.5, 97.5])
    )(model, prompts, metric, draws, seed)
    for group, texts in prompts.items():
        table[group]["mean"] = float(np.median(np.asarray(metric(model, texts), dtype=float)))
    return table


# %% right: a loop over draws, quantiles as fractions
behaviour_table = build(
    lambda values, draws, rng: np.quantile(
        [rng.choice(values, len(values), replace=True).mean() for _ in range(draws)], [0.025, 0.975]
    )
)


# %% right: torch, one generator for each group
def behaviour_table(model, prompts, metric, draws=1000, seed=0):
    import torch

    def row(number, texts):
        values = torch.as_tensor(np.asarray(metric(model, texts), dtype=float))
        generator = torch.Generator().manual_seed(1000 * seed + number)
        picks = torch.randint(len(values), (draws, len(values)), generator=generator)
        low, high = values[picks].mean(1).quantile(torch.tensor([0.025, 0.975], dtype=torch.float64)).tolist()
        return {"n": len(values), "mean": values.mean().item(), "low": low, "high": high}

    return {group: row(number, texts) for number, (group, texts) in enumerate(prompts.items())}


# %% right: the metric's tensor as a NumPy array, group by group
def behaviour_table(model, prompts, metric, draws=1000, seed=0):
    rng, table = np.random.default_rng(seed), {}
    for group, texts in prompts.items():
        values = metric(model, texts).numpy()
        means = values[rng.integers(0, len(values), (draws, len(values)))].mean(1)
        low, high = np.percentile(means, [2.5, 97.5])
        table[group] = {"n": len(texts), "mean": values.mean(), "low": low, "high": high}
    return table
