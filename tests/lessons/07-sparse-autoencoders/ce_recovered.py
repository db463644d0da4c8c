import torch
from torch import nn


def loss(model, tokens, hook_name, change):
    logits = model.run_with_hooks(tokens, fwd_hooks=[(hook_name, lambda value, hook: change(value))])
    return nn.functional.cross_entropy(logits[:, :-1].flatten(0, 1), tokens[:, 1:].flatten()).item()


def check(ablation):
    if ablation not in ("zero", "mean"):
        raise ValueError(ablation)


def worst(model, tokens, hook_name, ablation):
    check(ablation)
    if ablation == "zero":
        return loss(model, tokens, hook_name, torch.zeros_like)
    return loss(model, tokens, hook_name, lambda v: v.mean((0, 1)).expand_as(v))


# %% wrong: upside down -> "recovers everything"
def ce_recovered(model, tokens, hook_name, reconstruct, ablation="zero"):
    bad, sae, clean = (
        worst(model, tokens, hook_name, ablation),
        loss(model, tokens, hook_name, reconstruct),
        loss(model, tokens, hook_name, lambda v: v),
    )
    return (sae - clean) / (bad - clean)


# %% wrong: always zero ablation -> "mean ablation itself"
def ce_recovered(model, tokens, hook_name, reconstruct, ablation="zero"):
    check(ablation)
    bad, sae, clean = (
        worst(model, tokens, hook_name, "zero"),
        loss(model, tokens, hook_name, reconstruct),
        loss(model, tokens, hook_name, lambda v: v),
    )
    return (bad - sae) / (bad - clean)


# %% wrong: the mean is taken position by position -> "over sequences and positions"
def ce_recovered(model, tokens, hook_name, reconstruct, ablation="zero"):
    check(ablation)
    bad = loss(
        model,
        tokens,
        hook_name,
        torch.zeros_like if ablation == "zero" else lambda v: v.mean(0, keepdim=True).expand_as(v),
    )
    sae, clean = loss(model, tokens, hook_name, reconstruct), loss(model, tokens, hook_name, lambda v: v)
    return (bad - sae) / (bad - clean)


# %% wrong: divides by the clean loss -> "recovers everything"
def ce_recovered(model, tokens, hook_name, reconstruct, ablation="zero"):
    bad, sae = worst(model, tokens, hook_name, ablation), loss(model, tokens, hook_name, reconstruct)
    return (bad - sae) / bad


# %% wrong: the loss of the current token instead of the next -> "the last position"
def ce_recovered(model, tokens, hook_name, reconstruct, ablation="zero"):
    check(ablation)

    def here(change):
        logits = model.run_with_hooks(tokens, fwd_hooks=[(hook_name, lambda value, hook: change(value))])
        return nn.functional.cross_entropy(logits.flatten(0, 1), tokens.flatten()).item()

    bad = here(torch.zeros_like if ablation == "zero" else lambda v: v.mean((0, 1)).expand_as(v))
    return (bad - here(reconstruct)) / (bad - here(lambda v: v))


# %% wrong: accepts any word -> "ValueError"
def ce_recovered(model, tokens, hook_name, reconstruct, ablation="zero"):
    bad = worst(model, tokens, hook_name, "zero" if ablation == "zero" else "mean")
    sae, clean = loss(model, tokens, hook_name, reconstruct), loss(model, tokens, hook_name, lambda v: v)
    return (bad - sae) / (bad - clean)


# %% wrong: always one -> "recovers 0"
def ce_recovered(model, tokens, hook_name, reconstruct, ablation="zero"):
    check(ablation)
    return 1.0


# %% wrong: always at layer 0 -> "in between"
def ce_recovered(model, tokens, hook_name, reconstruct, ablation="zero"):
    site = "blocks.0.hook_resid_post"
    bad, sae, clean = (
        worst(model, tokens, site, ablation),
        loss(model, tokens, site, reconstruct),
        loss(model, tokens, site, lambda v: v),
    )
    return (bad - sae) / (bad - clean)


# %% wrong: leaves its hook on the model -> "hook"
def ce_recovered(model, tokens, hook_name, reconstruct, ablation="zero"):
    out = (worst(model, tokens, hook_name, ablation) - loss(model, tokens, hook_name, reconstruct)) / (
        worst(model, tokens, hook_name, ablation) - loss(model, tokens, hook_name, lambda v: v)
    )
    model.add_hook(hook_name, lambda value, hook: value)
    return out


# %% wrong: logits and tokens shifted the wrong way round -> "the last position"
def ce_recovered(model, tokens, hook_name, reconstruct, ablation="zero"):
    check(ablation)

    def before(change):
        logits = model.run_with_hooks(tokens, fwd_hooks=[(hook_name, lambda value, hook: change(value))])
        return nn.functional.cross_entropy(logits[:, 1:].flatten(0, 1), tokens[:, :-1].flatten()).item()

    bad = before(torch.zeros_like if ablation == "zero" else lambda v: v.mean((0, 1)).expand_as(v))
    return (bad - before(reconstruct)) / (bad - before(lambda v: v))


# %% wrong: the clean loss over the autoencoder's -> "recovers 0"
def ce_recovered(model, tokens, hook_name, reconstruct, ablation="zero"):
    check(ablation)
    return loss(model, tokens, hook_name, lambda v: v) / loss(model, tokens, hook_name, reconstruct)


# %% right: the helpers
def ce_recovered(model, tokens, hook_name, reconstruct, ablation="zero"):
    bad, sae, clean = (
        worst(model, tokens, hook_name, ablation),
        loss(model, tokens, hook_name, reconstruct),
        loss(model, tokens, hook_name, lambda v: v),
    )
    return (bad - sae) / (bad - clean)


# %% right: values first, then three runs
def ce_recovered(model, tokens, hook_name, reconstruct, ablation="zero"):
    if ablation == "zero":
        fill = 0.0
    elif ablation == "mean":
        fill = model.run_with_cache(tokens)[1][hook_name].mean(dim=(0, 1))
    else:
        raise ValueError("zero or mean")
    losses = []
    for change in (lambda v: v * 0 + fill, reconstruct, lambda v: v):
        logits = model.run_with_hooks(
            tokens, fwd_hooks=[(hook_name, lambda value, hook, change=change: change(value))]
        )
        chosen = logits.log_softmax(-1)[:, :-1].gather(-1, tokens[:, 1:, None])
        losses.append(float(-chosen.mean()))
    return (losses[0] - losses[1]) / (losses[0] - losses[2])
