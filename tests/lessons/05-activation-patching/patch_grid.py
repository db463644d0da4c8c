import torch


def grid_of(
    model,
    clean,
    corrupted,
    right,
    wrong,
    site="blocks.{}.hook_resid_pre",
    source=None,
    target=None,
    score=None,
    where=lambda p: p,
):
    source, target = clean if source is None else source, corrupted if target is None else target
    ends = [logit_diff(model(t), right, wrong) for t in (clean, corrupted)]
    score = score or recovery
    out = torch.zeros(model.cfg.n_layers, clean.shape[1])
    for layer in range(model.cfg.n_layers):
        for pos in range(clean.shape[1]):
            logits = patch(model, source, target, [(site.format(layer), where(pos), None)])
            out[layer, pos] = score(logit_diff(logits, right, wrong), *ends)
    return out


# %% wrong: patches what the layer writes -> "before layer 0"
def patch_grid(model, clean, corrupted, right, wrong):
    return grid_of(model, clean, corrupted, right, wrong, site="blocks.{}.hook_resid_post")


# %% wrong: patches the attention's output only -> "before layer 0"
def patch_grid(model, clean, corrupted, right, wrong):
    return grid_of(model, clean, corrupted, right, wrong, site="blocks.{}.hook_attn_out")


# %% wrong: noising -> "before layer 0"
def patch_grid(model, clean, corrupted, right, wrong):
    return grid_of(model, clean, corrupted, right, wrong, source=corrupted, target=clean)


# %% wrong: the logit difference itself, without a scale -> "recovery"
def patch_grid(model, clean, corrupted, right, wrong):
    return grid_of(model, clean, corrupted, right, wrong, score=lambda m, c, k: m.mean())


# %% wrong: positions first -> "shape"
def patch_grid(model, clean, corrupted, right, wrong):
    return grid_of(model, clean, corrupted, right, wrong).T


# %% wrong: all positions up to this one together -> "recovery"
def patch_grid(model, clean, corrupted, right, wrong):
    ends = [logit_diff(model(t), right, wrong) for t in (clean, corrupted)]
    out = torch.zeros(model.cfg.n_layers, clean.shape[1])
    for layer in range(model.cfg.n_layers):
        for pos in range(clean.shape[1]):
            sites = [(f"blocks.{layer}.hook_resid_pre", p, None) for p in range(pos + 1)]
            out[layer, pos] = recovery(logit_diff(patch(model, clean, corrupted, sites), right, wrong), *ends)
    return out


# %% wrong: all positions at once -> "before layer 0"
def patch_grid(model, clean, corrupted, right, wrong):
    return grid_of(model, clean, corrupted, right, wrong, where=lambda p: None)


# %% wrong: the mean of ratios -> "random model"
def patch_grid(model, clean, corrupted, right, wrong):
    return grid_of(model, clean, corrupted, right, wrong, score=lambda m, c, k: ((m - k) / (c - k)).mean())


# %% wrong: the first prompt only -> "random model"
def patch_grid(model, clean, corrupted, right, wrong):
    return grid_of(model, clean[:1], corrupted[:1], right[:1], wrong[:1])


# %% wrong: the first prompt's answers for all -> "random model"
def patch_grid(model, clean, corrupted, right, wrong):
    n = len(clean)
    return grid_of(model, clean, corrupted, right[:1].expand(n), wrong[:1].expand(n))


# %% wrong: 1 where the prompts differ, in every layer -> "planted place"
def patch_grid(model, clean, corrupted, right, wrong):
    return (clean != corrupted).any(0).float().expand(model.cfg.n_layers, -1).clone()


# %% wrong: four layers, whatever the model -> "shape"
def patch_grid(model, clean, corrupted, right, wrong):
    found = grid_of(model, clean, corrupted, right, wrong)
    return torch.cat([found, torch.zeros(4, found.shape[1])])[:4]


# %% right: one batch for each layer
def patch_grid(model, clean, corrupted, right, wrong):
    n, width = clean.shape
    _, cache = model.run_with_cache(clean)
    low, high = (logit_diff(model(t), right, wrong).mean() for t in (corrupted, clean))
    rows = []
    for layer in range(model.cfg.n_layers):
        name = f"blocks.{layer}.hook_resid_pre"

        def put(resid, hook):
            resid = resid.clone()
            for pos in range(width):
                resid[pos * n : (pos + 1) * n, pos] = cache[name][:, pos]
            return resid

        logits = model.run_with_hooks(corrupted.repeat(width, 1), fwd_hooks=[(name, put)])
        diffs = logit_diff(logits, right.repeat(width), wrong.repeat(width)).reshape(width, n)
        rows.append((diffs.mean(1) - low) / (high - low))
    return torch.stack(rows)


# %% right: nested lists
def patch_grid(model, clean, corrupted, right, wrong):
    top, bottom = logit_diff(model(clean), right, wrong), logit_diff(model(corrupted), right, wrong)
    return torch.tensor(
        [
            [
                recovery(
                    logit_diff(
                        patch(model, clean, corrupted, [(f"blocks.{l}.hook_resid_pre", p, None)]),
                        right,
                        wrong,
                    ),
                    top,
                    bottom,
                ).item()
                for p in range(clean.shape[1])
            ]
            for l in range(model.cfg.n_layers)
        ]
    )
