import numpy as np
import torch
from scipy.stats import pearsonr, rankdata, spearmanr


def alike(a, b):
    return float(spearmanr(a.abs().numpy(), b.abs().numpy()).statistic)


def shuffled(w, rng):
    return w.flatten()[torch.from_numpy(rng.permutation(w.numel()))].reshape(w.shape)


def copies_of(weights, rng, n_copies, how=shuffled):
    for _ in range(n_copies):
        yield {name: how(w, rng) for name, w in weights.items()}


def verdict_of(repeat, randomised):
    if repeat < 0.5:
        return "noise"
    return "survives" if randomised > repeat / 2 else "depends on the weights"


def run(attribute, weights, inputs, copies, similarity=alike):
    first = [attribute(weights, x) for x in inputs]
    repeat = float(np.mean([similarity(a, attribute(weights, x)) for a, x in zip(first, inputs)]))
    values = [similarity(a, attribute(copy, x)) for copy in copies for a, x in zip(first, inputs)]
    randomised = float(np.mean(values))
    return {"repeat": repeat, "randomised": randomised, "verdict": verdict_of(repeat, randomised)}


# %% wrong: new random numbers in place of a shuffle -> "the same entries in another order"
def randomisation_check(attribute, weights, inputs, rng, n_copies=3):
    def drawn(w, rng):
        return torch.tensor(rng.standard_normal(tuple(w.shape)), dtype=w.dtype) * w.std()

    return run(attribute, weights, inputs, copies_of(weights, rng, n_copies, drawn))


# %% wrong: shuffles rows, each of which keeps what it has learned -> "not whole rows"
def randomisation_check(attribute, weights, inputs, rng, n_copies=3):
    def rows(w, rng):
        return w[torch.from_numpy(rng.permutation(len(w)))]

    return run(attribute, weights, inputs, copies_of(weights, rng, n_copies, rows))


# %% wrong: shuffles in place, so that the model is gone -> "changed its argument 2"
def randomisation_check(attribute, weights, inputs, rng, n_copies=3):
    def in_place(w, rng):
        return w.copy_(shuffled(w, rng))

    return run(attribute, weights, inputs, copies_of(weights, rng, n_copies, in_place))


# %% wrong: shuffles the last matrix only -> "shuffle every tensor"
def randomisation_check(attribute, weights, inputs, rng, n_copies=3):
    first = next(iter(weights))
    copies = ({**weights, first: shuffled(weights[first], rng)} for _ in range(n_copies))
    return run(attribute, weights, inputs, copies)


# %% wrong: signs count -> "absolute values"
def randomisation_check(attribute, weights, inputs, rng, n_copies=3):
    def signed(a, b):
        return float(spearmanr(a.numpy(), b.numpy()).statistic)

    return run(attribute, weights, inputs, copies_of(weights, rng, n_copies), signed)


# %% wrong: Pearson's correlation, which the largest entries decide -> "rank correlation"
def randomisation_check(attribute, weights, inputs, rng, n_copies=3):
    def linear(a, b):
        return float(pearsonr(a.abs().numpy(), b.abs().numpy())[0])

    return run(attribute, weights, inputs, copies_of(weights, rng, n_copies), linear)


# %% wrong: takes it for granted that the method agrees with itself -> "run the attribution a second time"
def randomisation_check(attribute, weights, inputs, rng, n_copies=3):
    first = [attribute(weights, x) for x in inputs]
    copies = copies_of(weights, rng, n_copies)
    randomised = float(
        np.mean([alike(a, attribute(copy, x)) for copy in copies for a, x in zip(first, inputs)])
    )
    return {"repeat": 1.0, "randomised": randomised, "verdict": verdict_of(1.0, randomised)}


# %% wrong: one copy, used n_copies times -> "draw each of 3 copies anew"
def randomisation_check(attribute, weights, inputs, rng, n_copies=3):
    return run(attribute, weights, inputs, list(copies_of(weights, rng, 1)) * n_copies)


# %% wrong: the verdict upside down -> "ignores the weights survives"
def randomisation_check(attribute, weights, inputs, rng, n_copies=3):
    found = run(attribute, weights, inputs, copies_of(weights, rng, n_copies))
    turned = {"survives": "depends on the weights", "depends on the weights": "survives", "noise": "noise"}
    return found | {"verdict": turned[found["verdict"]]}


# %% wrong: noise passes, since it does not survive -> "is a case of 'noise'"
def randomisation_check(attribute, weights, inputs, rng, n_copies=3):
    found = run(attribute, weights, inputs, copies_of(weights, rng, n_copies))
    survives = found["randomised"] > 0.5
    return found | {"verdict": "survives" if survives else "depends on the weights"}


# %% right: ranks by hand, torch.randperm with a seed from rng
def randomisation_check(attribute, weights, inputs, rng, n_copies=3):
    def correlation(a, b):
        ranks = [rankdata(np.abs(np.asarray(v, dtype=float))) for v in (a, b)]
        return float(np.corrcoef(*ranks)[0, 1])

    generator = torch.Generator().manual_seed(int(rng.integers(2**31)))
    again, other = [], []
    originals = [(x, attribute(weights, x), attribute(weights, x)) for x in inputs]
    for _, one, two in originals:
        again.append(correlation(one, two))
    for _ in range(n_copies):
        copy = {}
        for name in weights:
            flat = weights[name].reshape(-1)
            copy[name] = flat[torch.randperm(len(flat), generator=generator)].view(weights[name].shape)
        other.append(np.mean([correlation(one, attribute(copy, x)) for x, one, _ in originals]))
    repeat, randomised = float(np.mean(again)), float(np.mean(other))
    return {"repeat": repeat, "randomised": randomised, "verdict": verdict_of(repeat, randomised)}


# %% right: NumPy shuffles a copy
def randomisation_check(attribute, weights, inputs, rng, n_copies=3):
    def mixed(w, rng):
        flat = w.numpy().reshape(-1).copy()
        rng.shuffle(flat)
        return torch.from_numpy(flat.reshape(tuple(w.shape)))

    return run(attribute, weights, inputs, list(copies_of(weights, rng, n_copies, mixed)))
