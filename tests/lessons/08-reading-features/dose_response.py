import numpy as np
import torch


def response(run, vec, alphas, draw, n_random, base=None, cost=np.exp, low=min, high=max, sized=True):
    """The method with one part exchanged."""
    draws = [draw() for _ in range(n_random)]
    if sized:
        draws = [d / d.norm() * vec.norm() for d in draws]
    base_effect, base_loss = run(torch.zeros_like(vec)) if base is None else base
    out = {"effect": [], "cost": [], "low": [], "high": []}
    for alpha in alphas:
        effect, loss = run(alpha * vec)
        others = [run(alpha * d)[0] - base_effect for d in draws]
        out["effect"].append(effect - base_effect)
        out["cost"].append(float(cost(loss - base_loss)))
        out["low"].append(low(others))
        out["high"].append(high(others))
    return out


def gauss(rng, vec):
    return lambda: torch.tensor(rng.standard_normal(len(vec)), dtype=vec.dtype)


# %% wrong: effects are not relative to zeros -> "alpha * 3 to that of zeros"
def dose_response(run, vec, alphas, rng, n_random=8):
    run(torch.zeros_like(vec))
    return response(run, vec, alphas, gauss(rng, vec), n_random, base=(0.0, run(torch.zeros_like(vec))[1]))


# %% wrong: relative to the first alpha -> "that of zeros"
def dose_response(run, vec, alphas, rng, n_random=8):
    return response(run, vec, alphas, gauss(rng, vec), n_random, base=run(alphas[0] * vec))


# %% wrong: a difference of losses, not a ratio of perplexities -> "perplexity is multiplied"
def dose_response(run, vec, alphas, rng, n_random=8):
    return response(run, vec, alphas, gauss(rng, vec), n_random, cost=lambda gap: gap)


# %% wrong: random directions of another length -> "as long as"
def dose_response(run, vec, alphas, rng, n_random=8):
    return response(run, vec, alphas, gauss(rng, vec), n_random, sized=False)


# %% wrong: new random directions for every alpha -> "same ones for every alpha"
def dose_response(run, vec, alphas, rng, n_random=8):
    parts = [response(run, vec, [alpha], gauss(rng, vec), n_random) for alpha in alphas]
    return {name: [part[name][0] for part in parts] for name in parts[0]}


# %% wrong: one random direction -> "8 random directions"
def dose_response(run, vec, alphas, rng, n_random=8):
    return response(run, vec, alphas, gauss(rng, vec), 1)


# %% wrong: the same random direction again and again -> "differ from each other"
def dose_response(run, vec, alphas, rng, n_random=8):
    same = gauss(rng, vec)()
    return response(run, vec, alphas, lambda: same, n_random)


# %% wrong: random coordinates instead of random directions -> "single coordinates"
def dose_response(run, vec, alphas, rng, n_random=8):
    order = iter(rng.permutation(max(len(vec), n_random)) % len(vec))
    return response(run, vec, alphas, lambda: torch.eye(len(vec))[int(next(order))], n_random)


# %% wrong: entries from a uniform distribution on [0, 1] -> "both signs"
def dose_response(run, vec, alphas, rng, n_random=8):
    sparse = lambda: torch.tensor(rng.random(len(vec)) ** 6, dtype=vec.dtype)
    return (
        response(run, vec, alphas, sparse, n_random)
        if len(vec) < 3
        else response(
            run, vec, alphas, lambda: torch.tensor(rng.random(len(vec)) ** 2, dtype=vec.dtype), n_random
        )
    )


# %% wrong: low and high as mean and spread -> "smallest effect"
def dose_response(run, vec, alphas, rng, n_random=8):
    low, high = (lambda o: float(np.mean(o) - np.std(o))), (lambda o: float(np.mean(o) + np.std(o)))
    return response(run, vec, alphas, gauss(rng, vec), n_random, low=low, high=high)


# %% wrong: a generator of its own -> "other random directions"
def dose_response(run, vec, alphas, rng, n_random=8):
    return response(run, vec, alphas, gauss(np.random.default_rng(0), vec), n_random)


# %% wrong: random steps with the size of the dose, without its sign -> "with its sign"
def dose_response(run, vec, alphas, rng, n_random=8):
    draws = torch.tensor(rng.standard_normal((n_random, len(vec))), dtype=vec.dtype)
    draws = draws / draws.norm(dim=1, keepdim=True) * vec.norm()
    zero = run(torch.zeros_like(vec))
    own = [run(alpha * vec) for alpha in alphas]
    others = [[run(abs(alpha) * draw)[0] - zero[0] for draw in draws] for alpha in alphas]
    return {
        "effect": [effect - zero[0] for effect, _ in own],
        "cost": [float(np.exp(loss - zero[1])) for _, loss in own],
        "low": [min(row) for row in others],
        "high": [max(row) for row in others],
    }


# %% right: the parts as they are
def dose_response(run, vec, alphas, rng, n_random=8):
    return response(run, vec, alphas, gauss(rng, vec), n_random)


# %% right: a table of effects
def dose_response(run, vec, alphas, rng, n_random=8):
    others = rng.standard_normal((n_random, len(vec)))
    others *= float(vec.norm()) / np.linalg.norm(others, axis=1, keepdims=True)
    zero = run(0 * vec)
    table = (
        np.array([[run(torch.tensor(alpha * row).to(vec))[0] for row in others] for alpha in alphas])
        - zero[0]
    )
    own = [run(vec * alpha) for alpha in alphas]
    return {
        "effect": [effect - zero[0] for effect, _ in own],
        "cost": [float(np.exp(loss) / np.exp(zero[1])) for _, loss in own],
        "low": table.min(axis=1).tolist(),
        "high": table.max(axis=1).tolist(),
    }
