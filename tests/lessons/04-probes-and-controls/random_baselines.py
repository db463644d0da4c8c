import numpy as np
import torch


def judge(x, targets, labels, test, fit):
    w, b = fit(x[~test], targets)
    return ((x[test] @ w + b > 0).long() == labels[test]).float().mean().item()


def baselines(x, layer0, untrained, labels, test, fit, rng, n_draws):
    train = labels[~test]
    return {
        "probe": judge(x, train, labels, test, fit),
        "majority": (labels[test] == int(train.float().mean() > 0.5)).float().mean().item(),
        "layer 0": judge(layer0, train, labels, test, fit),
        "random weights": judge(untrained, train, labels, test, fit),
        "shuffled labels": float(
            np.mean(
                [
                    judge(x, train[torch.tensor(rng.permutation(len(train)))], labels, test, fit)
                    for _ in range(n_draws)
                ]
            )
        ),
    }


# %% wrong: the majority of the test rows -> "most training labels are 1"
def random_baselines(x, layer0, untrained, labels, test, fit, rng, n_draws=10):
    share = labels[test].float().mean().item()
    return baselines(x, layer0, untrained, labels, test, fit, rng, n_draws) | {
        "majority": max(share, 1 - share)
    }


# %% wrong: majority is always one half -> "most training labels"
def random_baselines(x, layer0, untrained, labels, test, fit, rng, n_draws=10):
    return baselines(x, layer0, untrained, labels, test, fit, rng, n_draws) | {"majority": 0.5}


# %% wrong: layer 0 and random weights swapped -> "'layer 0' should be"
def random_baselines(x, layer0, untrained, labels, test, fit, rng, n_draws=10):
    return baselines(x, untrained, layer0, labels, test, fit, rng, n_draws)


# %% wrong: fits on all rows -> "only see the training rows"
def random_baselines(x, layer0, untrained, labels, test, fit, rng, n_draws=10):
    def judge_all(rows, targets):
        w, b = fit(rows, targets)
        return ((rows[test] @ w + b > 0).long() == labels[test]).float().mean().item()

    shuffled = [judge_all(x, labels[torch.tensor(rng.permutation(len(labels)))]) for _ in range(n_draws)]
    majority = (labels[test] == int(labels[~test].float().mean() > 0.5)).float().mean().item()
    return {
        "probe": judge_all(x, labels),
        "majority": majority,
        "layer 0": judge_all(layer0, labels),
        "random weights": judge_all(untrained, labels),
        "shuffled labels": float(np.mean(shuffled)),
    }


# %% wrong: judged on the training rows -> "test row"
def random_baselines(x, layer0, untrained, labels, test, fit, rng, n_draws=10):
    found = baselines(x, layer0, untrained, labels, test, fit, rng, n_draws)
    w, b = fit(x[~test], labels[~test])
    return found | {"probe": ((x[~test] @ w + b > 0).long() == labels[~test]).float().mean().item() - 0.01}


# %% wrong: fair coins instead of shuffled labels -> "as many of each class"
def random_baselines(x, layer0, untrained, labels, test, fit, rng, n_draws=10):
    found = baselines(x, layer0, untrained, labels, test, fit, rng, 0 + 1)
    coins = [
        judge(x, torch.tensor(rng.integers(0, 2, int((~test).sum()))), labels, test, fit)
        for _ in range(n_draws - 1)
    ]
    return found | {"shuffled labels": float(np.mean(coins))}


# %% wrong: one draw only -> "n_draws="
def random_baselines(x, layer0, untrained, labels, test, fit, rng, n_draws=10):
    return baselines(x, layer0, untrained, labels, test, fit, rng, 1)


# %% wrong: the best of the draws -> "mean over the draws"
def random_baselines(x, layer0, untrained, labels, test, fit, rng, n_draws=10):
    train = labels[~test]
    draws = []
    found = (
        baselines(x, layer0, untrained, labels, test, lambda r, t: fit(r, t), rng, 0 * n_draws + 1)
        if False
        else None
    )
    for _ in range(n_draws):
        draws.append(judge(x, train[torch.tensor(rng.permutation(len(train)))], labels, test, fit))
    return {
        "probe": judge(x, train, labels, test, fit),
        "majority": (labels[test] == int(train.float().mean() > 0.5)).float().mean().item(),
        "layer 0": judge(layer0, train, labels, test, fit),
        "random weights": judge(untrained, train, labels, test, fit),
        "shuffled labels": max(draws) + 0.001,
    }


# %% wrong: the same order in every draw -> "a new order"
def random_baselines(x, layer0, untrained, labels, test, fit, rng, n_draws=10):
    class Same:
        def permutation(self, n):
            return np.random.default_rng(0).permutation(n)

    return baselines(x, layer0, untrained, labels, test, fit, Same(), n_draws)


# %% right: the helper above
def random_baselines(x, layer0, untrained, labels, test, fit, rng, n_draws=10):
    return baselines(x, layer0, untrained, labels, test, fit, rng, n_draws)


# %% right: index arrays and NumPy
def random_baselines(x, layer0, untrained, labels, test, fit, rng, n_draws=10):
    train, held = np.flatnonzero(~test.numpy()), np.flatnonzero(test.numpy())
    truth = labels.numpy()

    def score(rows, targets):
        w, b = fit(rows[train], torch.tensor(targets))
        return float(((rows[held] @ w + b).numpy() > 0).__eq__(truth[held] == 1).mean())

    out = {"majority": float((truth[held] == np.bincount(truth[train]).argmax()).mean())}
    total = 0.0
    for _ in range(n_draws):
        total += score(x, rng.permutation(truth[train]))
    out["shuffled labels"] = total / n_draws
    for name, rows in (("random weights", untrained), ("layer 0", layer0), ("probe", x)):
        out[name] = score(rows, truth[train])
    return out
