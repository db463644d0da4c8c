import torch


def values_of(model, clean, corrupted, right, wrong, heads, together=False):
    ends = [logit_diff(model(t), right, wrong) for t in (clean, corrupted)]
    out = []
    for source, target in ((clean, corrupted), (corrupted, clean)):
        for layer, head in heads:
            sites = [
                (f"blocks.{l}.attn.hook_z", None, h) for l, h in (heads if together else [(layer, head)])
            ]
            out.append(recovery(logit_diff(patch(model, source, target, sites), right, wrong), *ends))
    return torch.stack(out)


def judge(v):
    return "and" if (v < 0.5).all() else "or" if (v > 0.5).all() else "neither"


# %% wrong: the two directions exchanged -> "denoise"
def noising_vs_denoising(model, clean, corrupted, right, wrong, one, two):
    v = values_of(model, clean, corrupted, right, wrong, [one, two])
    return v[2:], v[:2], judge(v)


# %% wrong: patches both heads together -> "were planted"
def noising_vs_denoising(model, clean, corrupted, right, wrong, one, two):
    v = values_of(model, clean, corrupted, right, wrong, [one, two], together=True)
    return v[:2], v[2:], judge(v)


# %% wrong: noising on a turned scale, 1 is harm -> "were planted"
def noising_vs_denoising(model, clean, corrupted, right, wrong, one, two):
    v = values_of(model, clean, corrupted, right, wrong, [one, two])
    v[2:] = 1 - v[2:]
    return v[:2], v[2:], judge(v)


# %% wrong: and and or exchanged -> "were planted"
def noising_vs_denoising(model, clean, corrupted, right, wrong, one, two):
    v = values_of(model, clean, corrupted, right, wrong, [one, two])
    return v[:2], v[2:], {"and": "or", "or": "and"}.get(judge(v), "neither")


# %% wrong: judges by denoising alone -> "neither"
def noising_vs_denoising(model, clean, corrupted, right, wrong, one, two):
    v = values_of(model, clean, corrupted, right, wrong, [one, two])
    return v[:2], v[2:], "or" if (v[:2] > 0.5).all() else "and"


# %% wrong: judges by the mean -> "neither"
def noising_vs_denoising(model, clean, corrupted, right, wrong, one, two):
    v = values_of(model, clean, corrupted, right, wrong, [one, two])
    return v[:2], v[2:], "or" if v.mean() > 0.6 else "and" if v.mean() < 0.4 else "neither"


# %% wrong: looks at the first head only -> "in the order given"
def noising_vs_denoising(model, clean, corrupted, right, wrong, one, two):
    v = values_of(model, clean, corrupted, right, wrong, [one, one])
    return v[:2], v[2:], judge(v)


# %% wrong: the heads in the other order -> "in the order given"
def noising_vs_denoising(model, clean, corrupted, right, wrong, one, two):
    v = values_of(model, clean, corrupted, right, wrong, [two, one])
    return v[:2], v[2:], judge(v)


# %% wrong: patches the whole attention output of the layer -> "random model"
def noising_vs_denoising(model, clean, corrupted, right, wrong, one, two):
    ends = [logit_diff(model(t), right, wrong) for t in (clean, corrupted)]
    v = []
    for source, target in ((clean, corrupted), (corrupted, clean)):
        for layer, head in (one, two):
            _, cache = model.run_with_cache(source)

            def put(z, hook):
                z = z.clone()
                if model.cfg.n_layers == 2:
                    return cache[hook.name]
                z[:, :, head] = cache[hook.name][:, :, head]
                return z

            logits = model.run_with_hooks(target, fwd_hooks=[(f"blocks.{layer}.attn.hook_z", put)])
            v.append(recovery(logit_diff(logits, right, wrong), *ends))
    v = torch.stack(v)
    return v[:2], v[2:], judge(v)


# %% wrong: patches the last position only -> "denoise"
def noising_vs_denoising(model, clean, corrupted, right, wrong, one, two):
    ends = [logit_diff(model(t), right, wrong) for t in (clean, corrupted)]
    v = torch.stack(
        [
            recovery(
                logit_diff(patch(model, s, t, [(f"blocks.{l}.attn.hook_z", -1, h)]), right, wrong), *ends
            )
            for s, t in ((clean, corrupted), (corrupted, clean))
            for l, h in (one, two)
        ]
    )
    return v[:2], v[2:], "or" if (v[2:] > 0.5).all() and (v[:2] > 0.5).all() else "and"


# %% wrong: a constant -> "planted"
def noising_vs_denoising(model, clean, corrupted, right, wrong, one, two):
    return torch.zeros(2), torch.zeros(2), "and"


# %% wrong: logit differences instead of recoveries, with a verdict by sign -> "scale"
def noising_vs_denoising(model, clean, corrupted, right, wrong, one, two):
    v = torch.stack(
        [
            logit_diff(patch(model, s, t, [(f"blocks.{l}.attn.hook_z", None, h)]), right, wrong).mean()
            for s, t in ((clean, corrupted), (corrupted, clean))
            for l, h in (one, two)
        ]
    )
    return v[:2], v[2:], "and" if (v < 0).all() else "or" if (v > 0).all() else "neither"


# %% right: with hooks of its own
def noising_vs_denoising(model, clean, corrupted, right, wrong, one, two):
    caches = {"clean": model.run_with_cache(clean)[1], "corrupted": model.run_with_cache(corrupted)[1]}
    high, low = (logit_diff(model(t), right, wrong).mean() for t in (clean, corrupted))

    def measure(side, target, layer, head):
        name = f"blocks.{layer}.attn.hook_z"

        def put(z, hook):
            keep = torch.arange(z.shape[2]) == head
            return torch.where(keep[None, None, :, None], caches[side][name], z)

        return (
            logit_diff(model.run_with_hooks(target, fwd_hooks=[(name, put)]), right, wrong).mean() - low
        ) / (high - low)

    denoise = torch.stack([measure("clean", corrupted, *head) for head in (one, two)])
    noise = torch.stack([measure("corrupted", clean, *head) for head in (one, two)])
    both = torch.cat([denoise, noise])
    return denoise, noise, "or" if both.min() > 0.5 else "and" if both.max() < 0.5 else "neither"


# %% right: counts how many are above a half
def noising_vs_denoising(model, clean, corrupted, right, wrong, one, two):
    v = values_of(model, clean, corrupted, right, wrong, [one, two])
    return v[:2].clone(), v[2:].clone(), {0: "and", 4: "or"}.get(int((v > 0.5).sum()), "neither")
