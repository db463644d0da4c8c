import numpy as np
import torch


def judge(x, targets, test, fit, against=None):
    w, b = fit(x[~test], targets[~test])
    against = targets if against is None else against
    return ((x[test] @ w + b > 0).long() == against[test]).float().mean().item()


def coins_of(types, test, rng):
    names, place = types.unique(return_inverse=True)
    while True:
        coins = torch.tensor(rng.integers(0, 2, len(names)))[place]
        if len(coins[~test].unique()) == 2:
            return coins


def result(task, controls):
    control = sum(controls) / len(controls)
    return {"task": task, "control": control, "selectivity": task - control}


# %% wrong: a coin for each row -> "not for each row"
def selectivity(x, labels, types, test, fit, rng, n_draws=10):
    return result(
        judge(x, labels, test, fit),
        [judge(x, torch.tensor(rng.integers(0, 2, len(x))), test, fit) for _ in range(n_draws)],
    )


# %% wrong: the labels shuffled over rows -> "not for each row"
def selectivity(x, labels, types, test, fit, rng, n_draws=10):
    return result(
        judge(x, labels, test, fit),
        [judge(x, labels[torch.tensor(rng.permutation(len(x)))], test, fit) for _ in range(n_draws)],
    )


# %% wrong: the control is judged against the true labels -> "against the control labels"
def selectivity(x, labels, types, test, fit, rng, n_draws=10):
    return result(
        judge(x, labels, test, fit),
        [judge(x, coins_of(types, test, rng), test, fit, labels) for _ in range(n_draws)],
    )


# %% wrong: control minus task -> "task minus control"
def selectivity(x, labels, types, test, fit, rng, n_draws=10):
    found = result(
        judge(x, labels, test, fit), [judge(x, coins_of(types, test, rng), test, fit) for _ in range(n_draws)]
    )
    return found | {"selectivity": found["control"] - found["task"] - 1e-3}


# %% wrong: the same coins in every draw -> "new coins"
def selectivity(x, labels, types, test, fit, rng, n_draws=10):
    coins = coins_of(types, test, rng)
    return result(judge(x, labels, test, fit), [judge(x, coins, test, fit) for _ in range(n_draws)])


# %% wrong: one draw only -> "control draws"
def selectivity(x, labels, types, test, fit, rng, n_draws=10):
    return result(judge(x, labels, test, fit), [judge(x, coins_of(types, test, rng), test, fit)])


# %% wrong: fits on all rows -> "exactly the training rows"
def selectivity(x, labels, types, test, fit, rng, n_draws=10):
    def both(targets):
        w, b = fit(x, targets)
        return ((x[test] @ w + b > 0).long() == targets[test]).float().mean().item()

    return result(both(labels), [both(coins_of(types, test, rng)) for _ in range(n_draws)])


# %% wrong: judged on the training rows -> "on the test rows"
def selectivity(x, labels, types, test, fit, rng, n_draws=10):
    def train_accuracy(targets):
        w, b = fit(x[~test], targets[~test])
        return ((x[~test] @ w + b > 0).long() == targets[~test]).float().mean().item()

    return result(
        train_accuracy(labels), [train_accuracy(coins_of(types, test, rng)) for _ in range(n_draws)]
    )


# %% wrong: an unfair coin -> "about half"
def selectivity(x, labels, types, test, fit, rng, n_draws=10):
    names, place = types.unique(return_inverse=True)
    controls = []
    for _ in range(n_draws):
        coins = (torch.tensor(rng.random(len(names))) < 0.1).long()
        coins[int(rng.integers(len(names)))] = 1
        controls.append(judge(x, coins[place], test, fit))
    return result(judge(x, labels, test, fit), controls)


# %% right: a dictionary of coins
def selectivity(x, labels, types, test, fit, rng, n_draws=10):
    controls = []
    while len(controls) < n_draws:
        coin = {name: int(rng.random() < 0.5) for name in sorted(set(types.tolist()))}
        targets = torch.tensor([coin[name] for name in types.tolist()])
        if 0 < targets[~test].float().mean() < 1:
            controls.append(judge(x, targets, test, fit))
    return result(judge(x, labels, test, fit), controls)


# %% right: exactly half of the types get a 1
def selectivity(x, labels, types, test, fit, rng, n_draws=10):
    names, place = types.unique(return_inverse=True)
    controls = [
        judge(x, torch.tensor(rng.permutation(len(names)) % 2)[place], test, fit) for _ in range(n_draws)
    ]
    return result(judge(x, labels, test, fit), controls)
