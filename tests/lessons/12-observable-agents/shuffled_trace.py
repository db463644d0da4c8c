import numpy as np


def control(
    runs,
    support,
    rng,
    n_draws,
    fixed=False,
    by_run=False,
    once=False,
    cycle=False,
    same=False,
    lists=False,
    none=True,
):
    if len(runs) < 2:
        raise ValueError("two runs or more")

    def share(order):
        rates, pooled = [], []
        for (claims, _), other in zip(runs, order):
            found = [support(claim, runs[other][1]) for claim in claims]
            judged = [f is not None for f in found]
            rates.append(np.mean(judged))
            pooled += judged
        return float(np.mean(rates if by_run else pooled))

    def draw():
        while True:
            order = rng.permutation(len(runs))
            if fixed or not (order == np.arange(len(runs))).any():
                return order

    first = draw()
    draws = [share(first if same else draw()) for _ in range(n_draws)]
    return {"own": share(range(len(runs))), "shuffled": draws}


# %% wrong: some runs keep their own trace -> "no run may keep its own"
def shuffled_trace(runs, support, rng, n_draws=20):
    return control(runs, support, rng, n_draws, fixed=True)


# %% wrong: the mean of the runs' shares -> "pooled over the runs"
def shuffled_trace(runs, support, rng, n_draws=20):
    return control(runs, support, rng, n_draws, by_run=True)


# %% wrong: the same permutation in every draw -> "permute anew"
def shuffled_trace(runs, support, rng, n_draws=20):
    return control(runs, support, rng, n_draws, same=True)


# %% wrong: one number instead of one for each draw -> "one share for each draw"
def shuffled_trace(runs, support, rng, n_draws=20):
    found = control(runs, support, rng, n_draws)
    return found | {"shuffled": [float(np.mean(found["shuffled"]))]}


# %% wrong: one run gives nan instead of an error -> "expected ValueError"
def shuffled_trace(runs, support, rng, n_draws=20):
    if len(runs) < 2:
        return {"own": float("nan"), "shuffled": []}
    return control(runs, support, rng, n_draws)


# %% wrong: a trace for each claim, not for each run -> "meet the same trace"
def shuffled_trace(runs, support, rng, n_draws=20):
    found = control(runs, support, rng, 0)
    shares = []
    for _ in range(n_draws):
        judged = []
        for i, (claims, _) in enumerate(runs):
            others = [j for j in range(len(runs)) if j != i]
            judged += [support(c, runs[int(rng.choice(others))][1]) is not None for c in claims]
        shares.append(float(np.mean(judged)))
    return found | {"shuffled": shares}


# %% wrong: another run for each run, but some traces twice -> "a permutation"
def shuffled_trace(runs, support, rng, n_draws=20):
    found = control(runs, support, rng, 0)
    shares = []
    for _ in range(n_draws):
        judged = []
        for i, (claims, _) in enumerate(runs):
            j = int(rng.choice([j for j in range(len(runs)) if j != i]))
            judged += [support(c, runs[j][1]) is not None for c in claims]
        shares.append(float(np.mean(judged)))
    return found | {"shuffled": shares}


# %% wrong: the share that is not supported -> "each claim is supported by its own trace"
def shuffled_trace(runs, support, rng, n_draws=20):
    found = control(runs, support, rng, n_draws)
    return {"own": 1 - found["own"], "shuffled": [1 - s for s in found["shuffled"]]}


# %% wrong: own and shuffled made up -> "should meet another run's trace"
def shuffled_trace(runs, support, rng, n_draws=20):
    if len(runs) < 2:
        raise ValueError
    return {"own": 1.0, "shuffled": [0.0] * n_draws}


# %% wrong: one draw too few is judged and repeated -> "once in each of"
def shuffled_trace(runs, support, rng, n_draws=20):
    found = control(runs, support, rng, n_draws - 1)
    return found | {"shuffled": found["shuffled"] + found["shuffled"][-1:]}


# %% right: with a helper
def shuffled_trace(runs, support, rng, n_draws=20):
    return control(runs, support, rng, n_draws)


# %% right: Sattolo's shuffle, one cycle through all runs, and an array
def shuffled_trace(runs, support, rng, n_draws=20):
    n = len(runs)
    if n < 2:
        raise ValueError("there is no other run")
    claims = [(i, claim) for i, (some, _) in enumerate(runs) for claim in some]

    def rate(order):
        return sum(1 for i, claim in claims if support(claim, runs[order[i]][1]) is not None) / len(claims)

    shuffled = np.zeros(n_draws)
    for draw in range(n_draws):
        order = list(range(n))
        for i in range(n - 1, 0, -1):
            j = int(rng.integers(0, i))
            order[i], order[j] = order[j], order[i]
        shuffled[draw] = rate(order)
    return {"own": rate(list(range(n))), "shuffled": shuffled.tolist()}
