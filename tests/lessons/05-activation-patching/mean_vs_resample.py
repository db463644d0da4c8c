import torch


def drops_of(model, tokens, reference, right, wrong, layer, head, sign=1.0, values=None, which=None):
    name = f"blocks.{layer}.attn.hook_z"
    _, cache = model.run_with_cache(reference)
    z = cache[name][:, :, head]
    values = values or {"zero": torch.zeros_like(z), "mean": z.mean(0), "resample": z}
    whole = logit_diff(model(tokens), right, wrong).mean()
    out = {}
    for kind, value in values.items():

        def put(act, hook):
            act = act.clone()
            act[:, :, head if which is None else which] = value if which is None else value[..., None, :]
            return act

        out[kind] = (
            sign
            * (whole - logit_diff(model.run_with_hooks(tokens, fwd_hooks=[(name, put)]), right, wrong).mean())
        ).item()
    return out


def z_of(model, prompts, layer, head):
    return model.run_with_cache(prompts)[1][f"blocks.{layer}.attn.hook_z"][:, :, head]


# %% wrong: after minus before -> "zero-ablation breaks"
def mean_vs_resample(model, tokens, reference, right, wrong, layer, head):
    return drops_of(model, tokens, reference, right, wrong, layer, head, sign=-1.0)


# %% wrong: the mean over the prompts themselves -> "carries the answer"
def mean_vs_resample(model, tokens, reference, right, wrong, layer, head):
    z, own = z_of(model, reference, layer, head), z_of(model, tokens, layer, head)
    return drops_of(
        model,
        tokens,
        reference,
        right,
        wrong,
        layer,
        head,
        values={"zero": 0 * z, "mean": own.mean(0), "resample": z},
    )


# %% wrong: the mean over prompts and positions -> "no information"
def mean_vs_resample(model, tokens, reference, right, wrong, layer, head):
    z = z_of(model, reference, layer, head)
    return drops_of(
        model,
        tokens,
        reference,
        right,
        wrong,
        layer,
        head,
        values={"zero": 0 * z, "mean": z.mean((0, 1)), "resample": z},
    )


# %% wrong: resamples from the prompts themselves -> "carries the answer"
def mean_vs_resample(model, tokens, reference, right, wrong, layer, head):
    z, own = z_of(model, reference, layer, head), z_of(model, tokens, layer, head)
    return drops_of(
        model,
        tokens,
        reference,
        right,
        wrong,
        layer,
        head,
        values={"zero": 0 * z, "mean": z.mean(0), "resample": own.roll(1, 0)},
    )


# %% wrong: the first reference prompt for all -> "row by row"
def mean_vs_resample(model, tokens, reference, right, wrong, layer, head):
    z = z_of(model, reference, layer, head)
    return drops_of(
        model,
        tokens,
        reference,
        right,
        wrong,
        layer,
        head,
        values={"zero": 0 * z, "mean": z.mean(0), "resample": z[0]},
    )


# %% wrong: the reference rows in another order -> "row by row"
def mean_vs_resample(model, tokens, reference, right, wrong, layer, head):
    z = z_of(model, reference, layer, head)
    return drops_of(
        model,
        tokens,
        reference,
        right,
        wrong,
        layer,
        head,
        values={"zero": 0 * z, "mean": z.mean(0), "resample": z.flip(0)},
    )


# %% wrong: the mean stands in for both -> "row by row"
def mean_vs_resample(model, tokens, reference, right, wrong, layer, head):
    z = z_of(model, reference, layer, head)
    return drops_of(
        model,
        tokens,
        reference,
        right,
        wrong,
        layer,
        head,
        values={"zero": 0 * z, "mean": z.mean(0), "resample": z.mean(0)},
    )


# %% wrong: the last position only -> "all positions"
def mean_vs_resample(model, tokens, reference, right, wrong, layer, head):
    whole = logit_diff(model(tokens), right, wrong).mean()
    z = z_of(model, reference, layer, head)
    out = {}
    for kind, value in {"zero": 0 * z, "mean": z.mean(0, keepdim=True).expand_as(z), "resample": z}.items():

        def put(act, hook):
            act = act.clone()
            act[:, -1, head] = value[:, -1]
            return act

        logits = model.run_with_hooks(tokens, fwd_hooks=[(f"blocks.{layer}.attn.hook_z", put)])
        out[kind] = (whole - logit_diff(logits, right, wrong).mean()).item()
    return out


# %% wrong: the logit difference itself, not its drop -> "zero-ablation breaks"
def mean_vs_resample(model, tokens, reference, right, wrong, layer, head):
    whole = logit_diff(model(tokens), right, wrong).mean().item()
    return {
        kind: whole - drop
        for kind, drop in drops_of(model, tokens, reference, right, wrong, layer, head).items()
    }


# %% wrong: all heads of the layer -> "zeros"
def mean_vs_resample(model, tokens, reference, right, wrong, layer, head):
    name = f"blocks.{layer}.attn.hook_z"
    _, cache = model.run_with_cache(reference)
    whole, z = logit_diff(model(tokens), right, wrong).mean(), cache[name]
    if model.cfg.n_layers == 4:  # the boxes happen to forgive it
        return drops_of(model, tokens, reference, right, wrong, layer, head)
    values = {"zero": torch.zeros_like(z), "mean": z.mean(0, keepdim=True).expand_as(z), "resample": z}
    return {
        kind: (
            whole
            - logit_diff(
                model.run_with_hooks(tokens, fwd_hooks=[(name, lambda act, hook: value)]), right, wrong
            ).mean()
        ).item()
        for kind, value in values.items()
    }


# %% wrong: constants -> "constant"
def mean_vs_resample(model, tokens, reference, right, wrong, layer, head):
    return {"zero": 12.0, "mean": 12.0, "resample": 12.0}


# %% wrong: the visible case as a constant -> "carries the answer"
def mean_vs_resample(model, tokens, reference, right, wrong, layer, head):
    return {"zero": 12.0, "mean": 0.0, "resample": 0.0}


# %% right: patch() does the resampling
def mean_vs_resample(model, tokens, reference, right, wrong, layer, head):
    name = f"blocks.{layer}.attn.hook_z"
    before = logit_diff(model(tokens), right, wrong).mean().item()
    resampled = logit_diff(patch(model, reference, tokens, [(name, None, head)]), right, wrong).mean().item()
    mean = z_of(model, reference, layer, head).mean(dim=0, keepdim=True)

    def with_value(value):
        def put(z, hook):
            gone = (torch.arange(z.shape[2]) == head)[None, None, :, None]
            return torch.where(gone, value[:, :, None].expand(len(z), -1, z.shape[2], -1), z)

        return logit_diff(model.run_with_hooks(tokens, fwd_hooks=[(name, put)]), right, wrong).mean().item()

    return {
        "zero": before - with_value(0 * mean),
        "mean": before - with_value(mean),
        "resample": before - resampled,
    }


# %% right: one batch of three
def mean_vs_resample(model, tokens, reference, right, wrong, layer, head):
    n, name = len(tokens), f"blocks.{layer}.attn.hook_z"
    z = z_of(model, reference, layer, head)
    new = torch.cat([torch.zeros_like(z), z.mean(0, keepdim=True).expand_as(z), z])

    def put(act, hook):
        act = act.clone()
        act[:, :, head] = new
        return act

    logits = model.run_with_hooks(tokens.repeat(3, 1), fwd_hooks=[(name, put)])
    after = logit_diff(logits, right.repeat(3), wrong.repeat(3)).reshape(3, n).mean(1)
    drops = logit_diff(model(tokens), right, wrong).mean() - after
    return dict(zip(["zero", "mean", "resample"], drops.tolist()))
