import torch


def taylor(
    model,
    clean,
    corrupted,
    right,
    wrong,
    at="corrupted",
    sum_over=(0, 1, 3),
    mean=True,
    turn=1.0,
    hook="z",
    other=None,
    pos=None,
):
    names = [f"blocks.{i}.attn.hook_{hook}" for i in range(model.cfg.n_layers)]
    base, far = (corrupted, clean) if at == "corrupted" else (clean, corrupted)
    _, cache = model.run_with_cache(far)
    kept = {}

    def keep(z, hook, name):
        kept[name] = z if z.requires_grad else z.requires_grad_()
        return z

    logits = model.run_with_hooks(base, fwd_hooks=[(n, lambda z, hook, n=n: keep(z, hook, n)) for n in names])
    diff = logit_diff(logits, right, wrong)
    slopes = torch.autograd.grad(diff.mean() if mean else diff.sum(), [kept[n] for n in names])
    moves = [
        (cache[n] - kept[n]).detach() if other is None else other(cache[n], kept[n].detach()) for n in names
    ]
    products = [m * s for m, s in zip(moves, slopes)]
    if pos is not None:
        products = [p[:, pos : pos + 1] if pos >= 0 else p[:, pos:] for p in products]
    return turn * torch.stack([p.sum(dim=sum_over) for p in products]).detach()


# %% wrong: the sum over prompts, not the mean -> "adds 12 nats"
def attribution_patch(model, clean, corrupted, right, wrong):
    return taylor(model, clean, corrupted, right, wrong, mean=False)


# %% wrong: the sign is turned -> "adds 12 nats"
def attribution_patch(model, clean, corrupted, right, wrong):
    return taylor(model, clean, corrupted, right, wrong, turn=-1.0)


# %% wrong: the gradient at the clean run -> "around the corrupted run"
def attribution_patch(model, clean, corrupted, right, wrong):
    return taylor(model, clean, corrupted, right, wrong, at="clean", turn=-1.0)


# %% wrong: the last position only -> "adds 12 nats"
def attribution_patch(model, clean, corrupted, right, wrong):
    return taylor(model, clean, corrupted, right, wrong, pos=-1)


# %% wrong: gradient times the clean activation -> "clean z - corrupted z"
def attribution_patch(model, clean, corrupted, right, wrong):
    return taylor(model, clean, corrupted, right, wrong, other=lambda c, k: c)


# %% wrong: gradient times the corrupted activation -> "12 nats"
def attribution_patch(model, clean, corrupted, right, wrong):
    return taylor(model, clean, corrupted, right, wrong, other=lambda c, k: k)


# %% wrong: only the gradient -> "12 nats"
def attribution_patch(model, clean, corrupted, right, wrong):
    return taylor(model, clean, corrupted, right, wrong, other=lambda c, k: torch.ones_like(c))


# %% wrong: the size of every product -> "sum over batch"
def attribution_patch(model, clean, corrupted, right, wrong):
    found = taylor(model, clean, corrupted, right, wrong)
    return found.abs()


# %% wrong: averages over prompts twice -> "12 nats"
def attribution_patch(model, clean, corrupted, right, wrong):
    return taylor(model, clean, corrupted, right, wrong) / len(clean)


# %% wrong: at the values, without the pattern -> "12 nats"
def attribution_patch(model, clean, corrupted, right, wrong):
    return taylor(model, clean, corrupted, right, wrong, hook="q")


# %% wrong: returns a tensor with a gradient -> "detach"
def attribution_patch(model, clean, corrupted, right, wrong):
    return taylor(model, clean, corrupted, right, wrong).requires_grad_()


# %% wrong: patches every head instead -> "first-order expansion"
def attribution_patch(model, clean, corrupted, right, wrong):
    base = logit_diff(model(corrupted), right, wrong).mean()
    out = torch.zeros(model.cfg.n_layers, model.cfg.n_heads)
    for layer in range(model.cfg.n_layers):
        for head in range(model.cfg.n_heads):
            logits = patch(model, clean, corrupted, [(f"blocks.{layer}.attn.hook_z", None, head)])
            out[layer, head] = logit_diff(logits, right, wrong).mean() - base
    return out


# %% wrong: heads first -> "shape"
def attribution_patch(model, clean, corrupted, right, wrong):
    return taylor(model, clean, corrupted, right, wrong).T


# %% wrong: thaws the weights -> "weights"
def attribution_patch(model, clean, corrupted, right, wrong):
    found = taylor(model, clean, corrupted, right, wrong)
    with torch.no_grad():
        model.W_U.mul_(1.0)
    return found


# %% wrong: a constant -> "12 nats"
def attribution_patch(model, clean, corrupted, right, wrong):
    return torch.zeros(model.cfg.n_layers, model.cfg.n_heads)


# %% right: backward and retain_grad
def attribution_patch(model, clean, corrupted, right, wrong):
    names = [f"blocks.{i}.attn.hook_z" for i in range(model.cfg.n_layers)]
    _, clean_cache = model.run_with_cache(clean)
    store = [None] * len(names)

    def keeper(i):
        def keep(z, hook):
            z = z.requires_grad_() if not z.requires_grad else z
            z.retain_grad()
            store[i] = z
            return z

        return keep

    with model.hooks(fwd_hooks=[(name, keeper(i)) for i, name in enumerate(names)]):
        logits = model(corrupted)
    logit_diff(logits, right, wrong).mean().backward()
    rows = [
        torch.einsum("bphd,bphd->h", store[i].grad, clean_cache[name] - store[i].detach())
        for i, name in enumerate(names)
    ]
    return torch.stack(rows)


# %% right: a weight in front of every head's difference
def attribution_patch(model, clean, corrupted, right, wrong):
    n_layers, n_heads = model.cfg.n_layers, model.cfg.n_heads
    _, cache = model.run_with_cache(clean)
    weights = torch.zeros(n_layers, n_heads, requires_grad=True)

    def mix(i, name):
        return lambda z, hook: z + weights[i][None, None, :, None] * (cache[name] - z.detach())

    names = [f"blocks.{i}.attn.hook_z" for i in range(n_layers)]
    logits = model.run_with_hooks(corrupted, fwd_hooks=[(name, mix(i, name)) for i, name in enumerate(names)])
    return torch.autograd.grad(logit_diff(logits, right, wrong).mean(), weights)[0]
