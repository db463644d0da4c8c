import numpy as np
import torch


def centre(values, labels):
    out = values.double().clone()
    for label in (0, 1):
        out[labels == label] -= out[labels == label].mean()
    return out


def permuted(z, labels, rng):
    out = z.clone()
    for label in (0, 1):
        rows = torch.nonzero(labels == label)[:, 0]
        out[rows] = z[rows[torch.tensor(rng.permutation(len(rows)))]]
    return out


def check(scores, labels, nuisances, rng, n, prepare=centre, shuffle=permuted, size=abs, plus=1):
    out = {}
    for name, values in nuisances.items():
        a, z = prepare(scores, labels), prepare(values, labels)
        scale = float(a.norm() * z.norm())
        if scale < 1e-9:
            out[name] = (0.0, 1.0)
            continue
        r = float(a @ z) / scale
        reached = sum(size(float(a @ shuffle(z, labels, rng)) / scale) >= size(r) - 1e-9 for _ in range(n))
        out[name] = (r, (plus + reached) / (plus + n))
    return out


# %% wrong: plain correlation, so what travels with the label is flagged -> "constant within each class"
def nuisance_check(scores, labels, nuisances, rng, n_permutations=500):
    return check(
        scores, labels, nuisances, rng, n_permutations, prepare=lambda v, l: v.double() - v.double().mean()
    )


# %% wrong: permutes over all rows -> "within each class"
def nuisance_check(scores, labels, nuisances, rng, n_permutations=500):
    return check(
        scores,
        labels,
        nuisances,
        rng,
        n_permutations,
        shuffle=lambda z, l, rng: z[torch.tensor(rng.permutation(len(z)))],
    )


# %% wrong: one-sided -> "absolute value"
def nuisance_check(scores, labels, nuisances, rng, n_permutations=500):
    return check(scores, labels, nuisances, rng, n_permutations, size=lambda r: r)


# %% wrong: the size of r without its sign -> "keeps its sign"
def nuisance_check(scores, labels, nuisances, rng, n_permutations=500):
    return {k: (abs(r), p) for k, (r, p) in check(scores, labels, nuisances, rng, n_permutations).items()}


# %% wrong: p can be 0 -> "1 / 301"
def nuisance_check(scores, labels, nuisances, rng, n_permutations=500):
    return check(scores, labels, nuisances, rng, n_permutations, plus=0)


# %% wrong: nan for a constant -> "(0.0, 1.0)"
def nuisance_check(scores, labels, nuisances, rng, n_permutations=500):
    out = {}
    for name, values in nuisances.items():
        found = check(scores, labels, {name: values}, rng, n_permutations)[name]
        out[name] = (float("nan"), found[1]) if found == (0.0, 1.0) and n_permutations in (200, 50) else found
    return out


# %% wrong: centres the scores only -> "correlate with it perfectly"
def nuisance_check(scores, labels, nuisances, rng, n_permutations=500):
    out = {}
    for name, values in nuisances.items():
        a, z = centre(scores, labels), values.double() - values.double().mean()
        if float(centre(values, labels).norm() * a.norm()) < 1e-9:
            out[name] = (0.0, 1.0)
            continue
        r = float(a @ z / (a.norm() * z.norm()))
        reached = sum(
            abs(float(a @ permuted(z, labels, rng)) / float(a.norm() * z.norm())) >= abs(r) - 1e-9
            for _ in range(n_permutations)
        )
        out[name] = (r, (1.0 + reached) / (1.0 + n_permutations) + 0.01)
    return out


# %% right: torch all the way
def nuisance_check(scores, labels, nuisances, rng, n_permutations=500):
    return check(scores, labels, nuisances, rng, n_permutations)


# %% right: residuals of a regression on the label, the scores permuted instead
def nuisance_check(scores, labels, nuisances, rng, n_permutations=500):
    design = np.stack([np.ones(len(labels)), labels.numpy()], 1).astype(float)

    def residual(values):
        v = values.double().numpy()
        return v - design @ np.linalg.lstsq(design, v, rcond=None)[0]

    a, out = residual(scores), {}
    classes = [np.flatnonzero(labels.numpy() == c) for c in (0, 1)]
    for name, values in nuisances.items():
        z = residual(values)
        scale = float(np.linalg.norm(a) * np.linalg.norm(z))
        if scale < 1e-9:
            out[name] = (0.0, 1.0)
            continue
        r, reached = float(a @ z) / scale, 0
        for _ in range(n_permutations):
            moved = a.copy()
            for rows in classes:
                moved[rows] = a[rng.permutation(rows)]
            reached += abs(float(moved @ z)) / scale >= abs(r) - 1e-9
        out[name] = (r, (1 + int(reached)) / (1 + n_permutations))
    return out
