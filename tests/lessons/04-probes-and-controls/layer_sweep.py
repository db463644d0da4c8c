import torch


def sweep(resid, labels, test, fit):
    train_acc, test_acc = [], []
    for x in resid:
        w, b = fit(x[~test], labels[~test])
        right = ((x @ w + b > 0).long() == labels).float()
        train_acc.append(right[~test].mean())
        test_acc.append(right[test].mean())
    return torch.stack(train_acc), torch.stack(test_acc)


def draw(groups, share, seed):
    names = groups.unique()
    order = torch.randperm(len(names), generator=torch.Generator().manual_seed(seed))
    return names[order[: round(share * len(names))]]


# %% wrong: splits by row -> "a leak"
def layer_sweep(resid, labels, groups, fit, share=0.4, seed=0):
    order = torch.randperm(len(labels), generator=torch.Generator().manual_seed(seed))
    test = torch.zeros(len(labels), dtype=torch.bool)
    test[order[: round(share * len(labels))]] = True
    a, b = sweep(resid, labels, test, fit)
    return {"train": a, "test": b, "held_out": sorted(draw(groups, share, seed).tolist())}


# %% wrong: fits on everything -> "a leak"
def layer_sweep(resid, labels, groups, fit, share=0.4, seed=0):
    held = draw(groups, share, seed)
    test = torch.isin(groups, held)
    probes = [fit(x, labels) for x in resid]
    right = torch.stack([((x @ w + b > 0).long() == labels).float() for x, (w, b) in zip(resid, probes)])
    return {
        "train": right[:, ~test].mean(1),
        "test": right[:, test].mean(1),
        "held_out": sorted(held.tolist()),
    }


# %% wrong: train and test swapped in the result -> "at layer"
def layer_sweep(resid, labels, groups, fit, share=0.4, seed=0):
    held = draw(groups, share, seed)
    a, b = sweep(resid, labels, torch.isin(groups, held), fit)
    return {"train": b, "test": a, "held_out": sorted(held.tolist())}


# %% wrong: trains on the held-out groups -> "a leak"
def layer_sweep(resid, labels, groups, fit, share=0.4, seed=0):
    held = draw(groups, share, seed)
    a, b = sweep(resid, labels, ~torch.isin(groups, held), fit)
    return {"train": a, "test": b, "held_out": sorted(held.tolist())}


# %% wrong: positions of groups instead of their numbers -> "own numbers"
def layer_sweep(resid, labels, groups, fit, share=0.4, seed=0):
    names, place = groups.unique(return_inverse=True)
    order = torch.randperm(len(names), generator=torch.Generator().manual_seed(seed))
    held = order[: round(share * len(names))]
    a, b = sweep(resid, labels, torch.isin(place, held), fit)
    return {"train": a, "test": b, "held_out": sorted(held.tolist())}


# %% wrong: a new split for each layer -> "a leak"
def layer_sweep(resid, labels, groups, fit, share=0.4, seed=0):
    held = draw(groups, share, seed)
    parts = [
        sweep(resid[i : i + 1], labels, torch.isin(groups, draw(groups, share, seed + i)), fit)
        for i in range(len(resid))
    ]
    return {
        "train": torch.cat([a for a, _ in parts]),
        "test": torch.cat([b for _, b in parts]),
        "held_out": sorted(held.tolist()),
    }


# %% wrong: the seed is ignored -> "other seeds"
def layer_sweep(resid, labels, groups, fit, share=0.4, seed=0):
    held = draw(groups, share, 0)
    a, b = sweep(resid, labels, torch.isin(groups, held), fit)
    return {"train": a, "test": b, "held_out": sorted(held.tolist())}


# %% wrong: no seed at all -> "same seed"
def layer_sweep(resid, labels, groups, fit, share=0.4, seed=0):
    names = groups.unique()
    held = names[torch.randperm(len(names))[: round(share * len(names))]]
    a, b = sweep(resid, labels, torch.isin(groups, held), fit)
    return {"train": a, "test": b, "held_out": sorted(held.tolist())}


# %% wrong: the share is ignored -> "groups are held out"
def layer_sweep(resid, labels, groups, fit, share=0.4, seed=0):
    held = draw(groups, 0.4, seed)
    a, b = sweep(resid, labels, torch.isin(groups, held), fit)
    return {"train": a, "test": b, "held_out": sorted(held.tolist())[: max(4, len(held) - 1)]}


# %% right: NumPy draws the groups
def layer_sweep(resid, labels, groups, fit, share=0.4, seed=0):
    import numpy as np

    names = sorted(set(groups.tolist()))
    held = sorted(
        np.random.default_rng(seed).choice(names, round(share * len(names)), replace=False).tolist()
    )
    a, b = sweep(resid, labels, torch.tensor([g in held for g in groups.tolist()]), fit)
    return {"train": a, "test": b, "held_out": held}


# %% right: indices instead of masks
def layer_sweep(resid, labels, groups, fit, share=0.4, seed=0):
    held = set(draw(groups, share, seed).tolist())
    test = torch.tensor([i for i, g in enumerate(groups.tolist()) if g in held])
    train = torch.tensor([i for i, g in enumerate(groups.tolist()) if g not in held])
    out = {"train": [], "test": [], "held_out": sorted(held)}
    for x in resid:
        w, b = fit(x[train], labels[train])
        for name, rows in (("train", train), ("test", test)):
            out[name].append(
                sum(int((x[i] @ w + b > 0) == (labels[i] == 1)) for i in rows.tolist()) / len(rows)
            )
    return {k: torch.tensor(v) if k != "held_out" else v for k, v in out.items()}
