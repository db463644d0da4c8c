import numpy as np
import torch


def base(shape, true, seed, n=10):
    generator = torch.Generator().manual_seed(seed)
    return float(
        np.mean(
            [
                dictionary_match(torch.randn(shape, generator=generator), true)[1].mean().item()
                for _ in range(n)
            ]
        )
    )


def explain(x, r):
    return 1 - ((x - r).square().sum() / (x - x.mean(0)).square().sum()).item()


def report(ev, match, baseline, alarm=None):
    recovered = (match - baseline) / (1 - baseline)
    return {
        "explained_variance": ev,
        "match": match,
        "baseline": baseline,
        "recovered": recovered,
        "alarm": bool(ev >= 0.8 and recovered < 0.5) if alarm is None else alarm,
    }


# %% wrong: alarm whenever the variance is explained -> "true features themselves"
def truth_vs_variance(x, reconstruction, learned, true, seed=0):
    ev = explain(x, reconstruction)
    return report(
        ev, dictionary_match(learned, true)[1].mean().item(), base(learned.shape, true, seed), ev >= 0.8
    )


# %% wrong: alarm whenever the match is bad -> "explains little raises no alarm"
def truth_vs_variance(x, reconstruction, learned, true, seed=0):
    match, baseline = dictionary_match(learned, true)[1].mean().item(), base(learned.shape, true, seed)
    return report(explain(x, reconstruction), match, baseline, (match - baseline) / (1 - baseline) < 0.5)


# %% wrong: no random baseline -> "alarm should be True"
def truth_vs_variance(x, reconstruction, learned, true, seed=0):
    return report(explain(x, reconstruction), dictionary_match(learned, true)[1].mean().item(), 0.0)


# %% wrong: the baseline has as many rows as there are features -> "in the shape of `learned`"
def truth_vs_variance(x, reconstruction, learned, true, seed=0):
    return report(
        explain(x, reconstruction),
        dictionary_match(learned, true)[1].mean().item(),
        base(true.shape, true, seed),
    )


# %% wrong: recovered is the difference only -> "recovered fully"
def truth_vs_variance(x, reconstruction, learned, true, seed=0):
    ev, match, baseline = (
        explain(x, reconstruction),
        dictionary_match(learned, true)[1].mean().item(),
        base(learned.shape, true, seed),
    )
    return {
        "explained_variance": ev,
        "match": match,
        "baseline": baseline,
        "recovered": match - baseline,
        "alarm": ev >= 0.8 and match - baseline < 0.25,
    }


# %% wrong: the seed is ignored -> "same seed"
def truth_vs_variance(x, reconstruction, learned, true, seed=0):
    ev, match = explain(x, reconstruction), dictionary_match(learned, true)[1].mean().item()
    return report(
        ev,
        match,
        float(
            np.mean([dictionary_match(torch.randn(learned.shape), true)[1].mean().item() for _ in range(10)])
        ),
    )


# %% wrong: the nearest row instead of a pairing -> "recovered"
def truth_vs_variance(x, reconstruction, learned, true, seed=0):
    unit = lambda rows: rows / rows.norm(dim=1, keepdim=True)
    match = (unit(true) @ unit(learned).T).abs().max(1).values.mean().item()
    return report(explain(x, reconstruction), match, base(learned.shape, true, seed))


# %% wrong: deviations from zero -> "explained variance, as in sae_metrics"
def truth_vs_variance(x, reconstruction, learned, true, seed=0):
    ev = 1 - ((x - reconstruction).square().sum() / x.square().sum()).item()
    return report(ev, dictionary_match(learned, true)[1].mean().item(), base(learned.shape, true, seed))


# %% wrong: always alarmed -> "true features themselves"
def truth_vs_variance(x, reconstruction, learned, true, seed=0):
    return report(
        explain(x, reconstruction),
        dictionary_match(learned, true)[1].mean().item(),
        base(learned.shape, true, seed),
        True,
    )


# %% right: unit rows in the baseline
def truth_vs_variance(x, reconstruction, learned, true, seed=0):
    generator = torch.Generator().manual_seed(seed)
    scores = []
    for _ in range(10):
        rows = torch.nn.functional.normalize(torch.randn(*learned.shape, generator=generator), dim=1)
        scores.append(float(dictionary_match(rows, true)[1].mean()))
    return report(
        explain(x, reconstruction), float(dictionary_match(learned, true)[1].mean()), sum(scores) / 10
    )


# %% right: another generator for the baseline
def truth_vs_variance(x, reconstruction, learned, true, seed=0):
    rng = np.random.default_rng(seed)
    scores = [
        float(
            dictionary_match(
                torch.tensor(rng.standard_normal(tuple(learned.shape)), dtype=torch.float32), true
            )[1].mean()
        )
        for _ in range(10)
    ]
    return report(
        explain(x, reconstruction), float(dictionary_match(learned, true)[1].mean()), float(np.mean(scores))
    )
