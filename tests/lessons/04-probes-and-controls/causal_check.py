import torch


def effect_of(model, tokens, name, step, metric, where=slice(-1, None)):
    def push(resid, hook):
        resid = resid.clone()
        resid[:, where] += step
        return resid

    moved = model.run_with_hooks(tokens, fwd_hooks=[(name, push)])[:, -1]
    return (metric(moved) - metric(model(tokens)[:, -1])).mean()


def random_like(direction, rng):
    step = torch.tensor(rng.standard_normal(len(direction)), dtype=direction.dtype)
    return step * direction.norm() / step.norm()


def check(model, tokens, name, direction, metric, rng, n, **how):
    draws = [effect_of(model, tokens, name, random_like(direction, rng), metric, **how) for _ in range(n)]
    return float(effect_of(model, tokens, name, direction, metric, **how)), torch.stack(draws)


# %% wrong: pushes at every position -> "last position only"
def causal_check(model, tokens, name, direction, metric, rng, n_random=10):
    return check(model, tokens, name, direction, metric, rng, n_random, where=slice(None))


# %% wrong: without minus with -> "12 nats"
def causal_check(model, tokens, name, direction, metric, rng, n_random=10):
    effect, random = check(model, tokens, name, direction, metric, rng, n_random)
    return -effect, -random


# %% wrong: random directions of norm 1 -> "norm of the direction"
def causal_check(model, tokens, name, direction, metric, rng, n_random=10):
    effect, _ = check(model, tokens, name, direction, metric, rng, 1)
    draws = [
        effect_of(model, tokens, name, random_like(direction, rng) / direction.norm(), metric)
        for _ in range(n_random)
    ]
    return effect, torch.stack(draws)


# %% wrong: uniform numbers, all positive -> "either way"
def causal_check(model, tokens, name, direction, metric, rng, n_random=10):
    effect, _ = check(model, tokens, name, direction, metric, rng, 1)
    draws = []
    for _ in range(n_random):
        step = torch.tensor(rng.random(len(direction)), dtype=direction.dtype)
        draws.append(effect_of(model, tokens, name, step * direction.norm() / step.norm(), metric).abs())
    return effect, torch.stack(draws)


# %% wrong: the metric after the push, nothing subtracted -> "12 nats"
def causal_check(model, tokens, name, direction, metric, rng, n_random=10):
    zero = lambda logits: metric(logits)
    effect, random = check(model, tokens, name, direction, metric, rng, n_random)
    return effect + float(metric(model(tokens)[:, -1]).mean()) + 1e-1, random


# %% wrong: replaces instead of adding -> "12 nats"
def causal_check(model, tokens, name, direction, metric, rng, n_random=10):
    def run(step):
        def push(resid, hook):
            resid = resid.clone()
            resid[:, -1] = step
            return resid

        return (
            metric(model.run_with_hooks(tokens, fwd_hooks=[(name, push)])[:, -1])
            - metric(model(tokens)[:, -1])
        ).mean()

    return float(run(direction)), torch.stack([run(random_like(direction, rng)) for _ in range(n_random)])


# %% wrong: one random direction, repeated -> "drawn anew"
def causal_check(model, tokens, name, direction, metric, rng, n_random=10):
    import numpy as np

    effect, random = check(model, tokens, name, direction, metric, rng, n_random)
    return effect, random[: max(2, n_random // 2)].repeat(2)[:n_random] if n_random > 5 else random


# %% wrong: leaves its hook on the model -> "hook"
def causal_check(model, tokens, name, direction, metric, rng, n_random=10):
    clean = metric(model(tokens)[:, -1])

    def push(resid, hook):
        resid = resid.clone()
        resid[:, -1] += direction
        return resid

    _, random = check(model, tokens, name, direction, metric, rng, n_random)
    model.add_hook(name, push)
    return float((metric(model(tokens)[:, -1]) - clean).mean()), random


# %% wrong: the first row only -> "mean change of the metric over the rows"
def causal_check(model, tokens, name, direction, metric, rng, n_random=10):
    return check(model, tokens[:1], name, direction, metric, rng, n_random)


# %% right: a concatenation instead of a clone
def causal_check(model, tokens, name, direction, metric, rng, n_random=10):
    before = metric(model(tokens)[:, -1]).mean()

    def effect(step):
        hook = lambda resid, hook: torch.cat([resid[:, :-1], resid[:, -1:] + step], dim=1)
        return metric(model.run_with_hooks(tokens, fwd_hooks=[(name, hook)])[:, -1]).mean() - before

    return effect(direction).item(), torch.tensor(
        [effect(random_like(direction, rng)).item() for _ in range(n_random)]
    )


# %% right: hooks as a context, all random directions drawn at once
def causal_check(model, tokens, name, direction, metric, rng, n_random=10):
    steps = torch.tensor(rng.standard_normal((n_random, len(direction)))).float()
    steps = steps / steps.norm(dim=1, keepdim=True) * direction.norm()
    clean, found = metric(model(tokens)[:, -1]), []
    for step in [direction, *steps]:

        def push(resid, hook, step=step):
            out = resid.clone()
            out[:, -1, :] = out[:, -1, :] + step
            return out

        with model.hooks(fwd_hooks=[(name, push)]):
            found.append((metric(model(tokens)[:, -1]) - clean).mean())
    return found[0].item(), torch.stack(found[1:])
