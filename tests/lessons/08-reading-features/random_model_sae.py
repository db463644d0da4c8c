import numpy as np
import torch
from scipy.stats import mannwhitneyu, rankdata


def judge(
    real, shuffled, rng, margin, n_shuffles, clean=True, luck="max", both=True, auc_of=None, check=True
):
    """The method with one part exchanged."""
    if check and set(real) != set(shuffled):
        raise ValueError("other metrics")
    out = {}
    for name in real:
        a, b = (side[name][~side[name].isnan()] if clean else side[name] for side in (real, shuffled))
        if check and (not len(a) or not len(b)):
            raise ValueError("no number")
        n, m = len(a), len(b)
        ranks = rankdata(torch.cat([a, b]).numpy())
        score = lambda r, n=n, m=m: (r[:n].sum() - n * (n + 1) / 2) / (n * m)
        auc = auc_of(a, b) if auc_of else score(ranks)
        drawn = [abs(score(rng.permutation(ranks)) - 0.5) for _ in range(n_shuffles)]
        beyond = {"max": max(drawn, default=0.0), "none": -1.0, "mean": float(np.mean(drawn))}[luck]
        far = abs(auc - 0.5) if both else auc - 0.5
        out[name] = {"auc": float(auc), "separates": bool(far >= margin and far > beyond)}
    return out


# %% wrong: ties count for the real side -> "1/2 for ties"
def random_model_sae(real, shuffled, rng, margin=0.1, n_shuffles=200):
    above = lambda a, b: float((a[:, None] >= b[None]).float().mean())
    return judge(real, shuffled, rng, margin, n_shuffles, auc_of=above)


# %% wrong: ties count nothing -> "1/2 for ties"
def random_model_sae(real, shuffled, rng, margin=0.1, n_shuffles=200):
    above = lambda a, b: float((a[:, None] > b[None]).float().mean())
    return judge(real, shuffled, rng, margin, n_shuffles, auc_of=above)


# %% wrong: folded to above one half -> "do not fold"
def random_model_sae(real, shuffled, rng, margin=0.1, n_shuffles=200):
    out = judge(real, shuffled, rng, margin, n_shuffles)
    return {name: found | {"auc": max(found["auc"], 1 - found["auc"])} for name, found in out.items()}


# %% wrong: only larger numbers separate -> "smaller is as telling"
def random_model_sae(real, shuffled, rng, margin=0.1, n_shuffles=200):
    return judge(real, shuffled, rng, margin, n_shuffles, both=False)


# %% wrong: a difference of means in standard deviations -> "16 pairs"
def random_model_sae(real, shuffled, rng, margin=0.1, n_shuffles=200):
    spread = lambda a, b: float(
        0.5 + ((a.mean() - b.mean()) / (torch.cat([a, b]).std() + 1e-9)).clamp(-0.5, 0.5)
    )
    return judge(real, shuffled, rng, margin, n_shuffles, auc_of=spread)


# %% wrong: significance alone, no margin -> "too small"
def random_model_sae(real, shuffled, rng, margin=0.1, n_shuffles=200):
    return judge(real, shuffled, rng, 0.0, n_shuffles)


# %% wrong: the margin alone, luck not asked -> "compare with every reassignment"
def random_model_sae(real, shuffled, rng, margin=0.1, n_shuffles=200):
    return judge(real, shuffled, rng, margin, n_shuffles, luck="none")


# %% wrong: farther than the average reassignment -> "compare with every reassignment"
def random_model_sae(real, shuffled, rng, margin=0.1, n_shuffles=200):
    return judge(real, shuffled, rng, margin, n_shuffles, luck="mean")


# %% wrong: a margin of its own -> "margin that is passed"
def random_model_sae(real, shuffled, rng, margin=0.1, n_shuffles=200):
    return judge(real, shuffled, rng, 0.1, n_shuffles)


# %% wrong: nan stays in -> "left out"
def random_model_sae(real, shuffled, rng, margin=0.1, n_shuffles=200):
    above = lambda a, b: float(
        ((a[:, None] > b[None]).float() + 0.5 * (a[:, None] == b[None]).float()).mean()
    )
    fill = lambda side: {name: values.nan_to_num(0.0) for name, values in side.items()}
    if any(values.isnan().all() for values in real.values()):
        raise ValueError("no number")
    return judge(fill(real), fill(shuffled), rng, margin, n_shuffles, auc_of=above)


# %% wrong: paired, latent by latent -> "16 pairs"
def random_model_sae(real, shuffled, rng, margin=0.1, n_shuffles=200):
    def paired(a, b):
        n = min(len(a), len(b))
        return float(((a[:n] > b[:n]).float() + 0.5 * (a[:n] == b[:n]).float()).mean())

    return judge(real, shuffled, rng, margin, n_shuffles, auc_of=paired)


# %% wrong: faulty input passes -> "KeyError"
def random_model_sae(real, shuffled, rng, margin=0.1, n_shuffles=200):
    return judge(real, shuffled, rng, margin, n_shuffles, check=False)


# %% right: the parts as they are
def random_model_sae(real, shuffled, rng, margin=0.1, n_shuffles=200):
    return judge(real, shuffled, rng, margin, n_shuffles)


# %% right: SciPy's Mann-Whitney statistic, and sums of ranks under permutation
def random_model_sae(real, shuffled, rng, margin=0.1, n_shuffles=200):
    if real.keys() != shuffled.keys():
        raise ValueError("not the same metrics")
    out = {}
    for name in real:
        a, b = (np.array([x for x in side[name].tolist() if x == x]) for side in (real, shuffled))
        if min(len(a), len(b)) == 0:
            raise ValueError("no number on one side")
        auc = float(mannwhitneyu(a, b).statistic) / (len(a) * len(b))
        ranks = rankdata(np.concatenate([a, b]))
        middle = len(a) * (len(a) + len(b) + 1) / 2
        draws = [abs(rng.choice(ranks, len(a), replace=False).sum() - middle) for _ in range(n_shuffles)]
        own = abs(ranks[: len(a)].sum() - middle)
        out[name] = {"auc": auc, "separates": bool(abs(auc - 0.5) >= margin and own > max(draws))}
    return out
