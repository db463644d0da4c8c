import torch


# %% wrong: the hooks stay on the model -> "hook was left"
def ablate_heads(model, tokens, heads, mode):
    if mode not in ("zero", "mean"):
        raise ValueError(mode)
    _, cache = model.run_with_cache(tokens)
    for layer, head in heads:
        name = f"blocks.{layer}.attn.hook_z"

        def replace(z, hook, head=head, name=name):
            z = z.clone()
            z[:, :, head] = 0 if mode == "zero" else cache[name][:, :, head].mean(0)
            return z

        model.add_hook(name, replace)
    return model(tokens)


# %% wrong: a function made in a loop sees the last head only -> "zeroed"
def ablate_heads(model, tokens, heads, mode):
    if mode not in ("zero", "mean"):
        raise ValueError(mode)
    _, cache = model.run_with_cache(tokens)
    hooks = []
    for layer, head in heads:

        def replace(z, hook):
            z = z.clone()
            z[:, :, head] = (
                0 if mode == "zero" else cache[f"blocks.{hook.layer()}.attn.hook_z"][:, :, head].mean(0)
            )
            return z

        hooks.append((f"blocks.{layer}.attn.hook_z", replace))
    return model.run_with_hooks(tokens, fwd_hooks=hooks)


# %% wrong: one head a layer, the last one wins -> "zeroed"
def ablate_heads(model, tokens, heads, mode):
    if mode not in ("zero", "mean"):
        raise ValueError(mode)
    _, cache = model.run_with_cache(tokens)
    by_layer = dict(heads)

    def replace(z, hook):
        z, head = z.clone(), by_layer[hook.layer()]
        z[:, :, head] = (
            0 if mode == "zero" else cache[f"blocks.{hook.layer()}.attn.hook_z"][:, :, head].mean(0)
        )
        return z

    return model.run_with_hooks(
        tokens, fwd_hooks=[(f"blocks.{layer}.attn.hook_z", replace) for layer in by_layer]
    )


# %% wrong: zeroes whatever the mode says -> "mode 'mean'"
def ablate_heads(model, tokens, heads, mode):
    if mode not in ("zero", "mean"):
        raise ValueError(mode)

    def replace(z, hook):
        z = z.clone()
        z[:, :, [h for layer, h in heads if layer == hook.layer()]] = 0
        return z

    return model.run_with_hooks(
        tokens, fwd_hooks=[(f"blocks.{layer}.attn.hook_z", replace) for layer, _ in heads]
    )


# %% wrong: the mean over batch and positions -> "position by position"
def ablate_heads(model, tokens, heads, mode):
    if mode not in ("zero", "mean"):
        raise ValueError(mode)
    _, cache = model.run_with_cache(tokens)

    def replace(z, hook):
        z, here = z.clone(), [h for layer, h in heads if layer == hook.layer()]
        z[:, :, here] = (
            0 if mode == "zero" else cache[f"blocks.{hook.layer()}.attn.hook_z"][:, :, here].mean((0, 1))
        )
        return z

    return model.run_with_hooks(
        tokens, fwd_hooks=[(f"blocks.{layer}.attn.hook_z", replace) for layer, _ in heads]
    )


# %% wrong: the mean over the other heads -> "mode 'mean'"
def ablate_heads(model, tokens, heads, mode):
    if mode not in ("zero", "mean"):
        raise ValueError(mode)

    def replace(z, hook):
        z, here = z.clone(), [h for layer, h in heads if layer == hook.layer()]
        z[:, :, here] = 0 if mode == "zero" else z.mean(2, keepdim=True)
        return z

    return model.run_with_hooks(
        tokens, fwd_hooks=[(f"blocks.{layer}.attn.hook_z", replace) for layer, _ in heads]
    )


# %% wrong: takes the mean from the run that is already ablated -> "clean run"
def ablate_heads(model, tokens, heads, mode):
    if mode not in ("zero", "mean"):
        raise ValueError(mode)

    def replace(z, hook):
        z, here = z.clone(), [h for layer, h in heads if layer == hook.layer()]
        z[:, :, here] = 0 if mode == "zero" else z[:, :, here].mean(0, keepdim=True)
        return z

    return model.run_with_hooks(
        tokens, fwd_hooks=[(f"blocks.{layer}.attn.hook_z", replace) for layer in {l for l, _ in heads}]
    )


# %% wrong: zeroes the pattern's rows, not the head's output, and takes any mode -> "mode 'mean'"
def ablate_heads(model, tokens, heads, mode):
    def replace(pattern, hook):
        pattern = pattern.clone()
        here = [h for layer, h in heads if layer == hook.layer()]
        pattern[:, here] = 0 if mode == "zero" else pattern[:, here].mean(0, keepdim=True)
        return pattern

    return model.run_with_hooks(
        tokens, fwd_hooks=[(f"blocks.{layer}.attn.hook_pattern", replace) for layer in {l for l, _ in heads}]
    )


# %% wrong: removes the whole layer -> "no other head"
def ablate_heads(model, tokens, heads, mode):
    if mode not in ("zero", "mean"):
        raise ValueError(mode)

    def replace(out, hook):
        return torch.zeros_like(out) if mode == "zero" else out.mean(0, keepdim=True).expand_as(out)

    return model.run_with_hooks(
        tokens, fwd_hooks=[(f"blocks.{layer}.hook_attn_out", replace) for layer in {l for l, _ in heads}]
    )


# %% wrong: edits the weights -> "weights"
def ablate_heads(model, tokens, heads, mode):
    if mode not in ("zero", "mean"):
        raise ValueError(mode)
    for layer, head in heads:
        with torch.no_grad():
            model.blocks[layer].attn.W_O[head] = 0
    return model(tokens)


# %% wrong: returns what the model says anyway -> "embeddings"
def ablate_heads(model, tokens, heads, mode):
    return model(tokens)


# %% wrong: takes every mode for mean -> "expected ValueError"
def ablate_heads(model, tokens, heads, mode):
    _, cache = model.run_with_cache(tokens)

    def replace(z, hook):
        z, here = z.clone(), [h for layer, h in heads if layer == hook.layer()]
        z[:, :, here] = (
            0 if mode == "zero" else cache[f"blocks.{hook.layer()}.attn.hook_z"][:, :, here].mean(0)
        )
        return z

    return model.run_with_hooks(
        tokens, fwd_hooks=[(f"blocks.{layer}.attn.hook_z", replace) for layer, _ in heads]
    )


# %% right: a context manager and a mask over heads
def ablate_heads(model, tokens, heads, mode):
    if mode == "zero":
        cache = None
    elif mode == "mean":
        cache = model.run_with_cache(tokens)[1]
    else:
        raise ValueError(f"unknown mode {mode}")

    def replace(z, hook):
        gone = torch.tensor([(hook.layer(), head) in heads for head in range(z.shape[2])])
        instead = (
            torch.zeros_like(z)
            if cache is None
            else cache[f"blocks.{hook.layer()}.attn.hook_z"].mean(0, keepdim=True)
        )
        return torch.where(gone[None, None, :, None], instead, z)

    layers = sorted({layer for layer, _ in heads})
    with model.hooks(fwd_hooks=[(f"blocks.{layer}.attn.hook_z", replace) for layer in layers]):
        return model(tokens)


# %% right: one hook for every head, bound with partial
from functools import partial


def ablate_heads(model, tokens, heads, mode):
    if mode not in {"zero", "mean"}:
        raise ValueError(f"mode must be zero or mean, not {mode}")
    clean = {}
    if mode == "mean":
        keep = [
            (
                f"blocks.{layer}.attn.hook_z",
                lambda z, hook: clean.__setitem__(hook.layer(), z.detach().clone()),
            )
            for layer, _ in heads
        ]
        model.run_with_hooks(tokens, fwd_hooks=keep)

    def one(z, hook, head):
        z = z.clone()
        z[:, :, head] = 0.0 if mode == "zero" else clean[hook.layer()].mean(0)[:, head]
        return z

    hooks = [(f"blocks.{layer}.attn.hook_z", partial(one, head=head)) for layer, head in heads]
    return model.run_with_hooks(tokens, fwd_hooks=hooks)
