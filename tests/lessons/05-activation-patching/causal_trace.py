import torch


def trace(
    model,
    tokens,
    subject,
    answer,
    noise,
    sites,
    factor=3.0,
    spread=None,
    where=None,
    hook="hook_resid_post",
    shift=0,
    reduce=None,
    still=False,
):
    logits, cache = model.run_with_cache(tokens)
    embed = cache["hook_embed"]
    scale = factor * (embed[:, subject].std() if spread is None else spread(embed))
    reduce = reduce or (lambda lg: lg[:, -1].softmax(-1)[:, answer].mean())

    def disturb(e, hook):
        e = e.clone()
        e[:, subject if where is None else where] += scale * noise
        return e

    def measure(*more, noisy=True):
        batch = tokens.expand(len(noise), -1)
        return reduce(
            model.run_with_hooks(batch, fwd_hooks=([("hook_embed", disturb)] if noisy else []) + list(more))
        )

    out = []
    for layer, pos in sites:
        name = f"blocks.{layer}.{hook}"

        def put(resid, hook, name=name, pos=pos + shift):
            resid = resid.clone()
            resid[:, pos] = cache[name][:, pos]
            return resid

        out.append(measure((name, put), noisy=not still))
    return logits[0, -1].softmax(-1)[answer].item(), measure().item(), torch.stack(out)


# %% wrong: the noise is not scaled -> "3 * std"
def causal_trace(model, tokens, subject, answer, noise, sites):
    return trace(model, tokens, subject, answer, noise, sites, spread=lambda e: 1 / 3)


# %% wrong: once the standard deviation, not three times -> "3 * std"
def causal_trace(model, tokens, subject, answer, noise, sites):
    return trace(model, tokens, subject, answer, noise, sites, factor=1.0)


# %% wrong: the standard deviation of the whole prompt -> "subject's own"
def causal_trace(model, tokens, subject, answer, noise, sites):
    return trace(model, tokens, subject, answer, noise, sites, spread=lambda e: e.std())


# %% wrong: three times the variance -> "3 * std"
def causal_trace(model, tokens, subject, answer, noise, sites):
    return trace(model, tokens, subject, answer, noise, sites, spread=lambda e: e[:, subject].var())


# %% wrong: noise on other positions -> "at the subject only"
def causal_trace(model, tokens, subject, answer, noise, sites):
    return trace(model, tokens, subject, answer, noise, sites, where=[p + 1 for p in subject])


# %% wrong: restores what the layer reads -> "last layer restored"
def causal_trace(model, tokens, subject, answer, noise, sites):
    return trace(model, tokens, subject, answer, noise, sites, hook="hook_resid_pre")


# %% wrong: restores the position before -> "last layer restored"
def causal_trace(model, tokens, subject, answer, noise, sites):
    return trace(model, tokens, subject, answer, noise, sites, shift=-1)


# %% wrong: softmax of the mean logits -> "mean over samples of the probability"
def causal_trace(model, tokens, subject, answer, noise, sites):
    return trace(
        model, tokens, subject, answer, noise, sites, reduce=lambda lg: lg[:, -1].mean(0).softmax(-1)[answer]
    )


# %% wrong: the first sample only -> "mean over samples"
def causal_trace(model, tokens, subject, answer, noise, sites):
    return trace(model, tokens, subject, answer, noise[:1], sites)


# %% wrong: restores without noise -> "the same noise"
def causal_trace(model, tokens, subject, answer, noise, sites):
    return trace(model, tokens, subject, answer, noise, sites, still=True)


# %% wrong: logits instead of probabilities -> "P(answer) in the run without noise"
def causal_trace(model, tokens, subject, answer, noise, sites):
    logits = model(tokens)
    _, noisy, back = trace(
        model, tokens, subject, answer, noise, sites, reduce=lambda lg: lg[:, -1, answer].mean()
    )
    return logits[0, -1, answer].item(), noisy, back


# %% wrong: the largest probability, whatever the answer -> "mean over samples of the probability"
def causal_trace(model, tokens, subject, answer, noise, sites):
    return trace(
        model,
        tokens,
        subject,
        answer,
        noise,
        sites,
        reduce=lambda lg: lg[:, -1].softmax(-1).max(-1).values.mean(),
    )


# %% wrong: adds its noise to the same tensor again and again -> "3 * std"
def causal_trace(model, tokens, subject, answer, noise, sites):
    logits, cache = model.run_with_cache(tokens)
    clean, noisy, back = trace(model, tokens, subject, answer, noise, sites, factor=6.0)
    return clean, noisy, back


# %% wrong: a constant -> "P(answer)"
def causal_trace(model, tokens, subject, answer, noise, sites):
    return 0.7, 0.02, torch.ones(len(sites)) * 0.7


# %% right: one sample at a time
def causal_trace(model, tokens, subject, answer, noise, sites):
    logits, cache = model.run_with_cache(tokens)
    sigma = cache["hook_embed"][0, subject].flatten().std()

    def once(sample, site):
        def disturb(embed, hook):
            embed = embed.clone()
            for row, pos in enumerate(subject):
                embed[0, pos] += 3 * sigma * sample[row]
            return embed

        hooks = [("hook_embed", disturb)]
        if site is not None:
            name = f"blocks.{site[0]}.hook_resid_post"

            def put(resid, hook):
                resid = resid.clone()
                resid[0, site[1]] = cache[name][0, site[1]]
                return resid

            hooks.append((name, put))
        return model.run_with_hooks(tokens, fwd_hooks=hooks)[0, -1].softmax(-1)[answer]

    mean = lambda site: torch.stack([once(sample, site) for sample in noise]).mean()
    return (
        float(logits[0, -1].softmax(-1)[answer]),
        float(mean(None)),
        torch.stack([mean(site) for site in sites]),
    )


# %% right: noise and restoration in one list of hooks, made by a factory
def causal_trace(model, tokens, subject, answer, noise, sites):
    batch = tokens.repeat(len(noise), 1)
    logits, cache = model.run_with_cache(batch)
    extra = torch.zeros_like(cache["hook_embed"])
    extra[:, subject] = 3 * cache["hook_embed"][:1, subject].std() * noise

    def put(name, pos):
        return lambda resid, hook: torch.cat(
            [resid[:, :pos], cache[name][:, pos : pos + 1], resid[:, pos + 1 :]], dim=1
        )

    runs = [[]] + [
        [(f"blocks.{layer}.hook_resid_post", put(f"blocks.{layer}.hook_resid_post", pos))]
        for layer, pos in sites
    ]
    found = []
    for run in runs:
        with model.hooks(fwd_hooks=[("hook_embed", lambda embed, hook: embed + extra), *run]):
            found.append(model(batch)[:, -1].softmax(-1)[:, answer].mean().item())
    return logits[0, -1].softmax(-1)[answer].item(), found[0], torch.tensor(found[1:])
