import torch


def build(agree):
    """A row for each of the two models, from agree(network, tokens, answers)."""

    def lens_null(model, shuffled, tokens, answers):
        return {"model": agree(model, tokens, answers), "shuffled": agree(shuffled, tokens, answers)}

    return lens_null


def tops(network, tokens, position=-1):
    _, cache = network.run_with_cache(tokens)
    names = ["blocks.0.hook_resid_pre"] + [f"blocks.{i}.hook_resid_post" for i in range(network.cfg.n_layers)]
    norm = getattr(network, "ln_final", None) or (lambda r: r)
    return torch.stack([(norm(cache[n][:, position]) @ network.W_U).argmax(-1) for n in names])


# %% wrong: agreement with each model's own last word -> "given answer"
lens_null = build(
    lambda network, tokens, answers: (tops(network, tokens) == tops(network, tokens)[-1]).float().mean(-1)
)

# %% wrong: the embedding is left out -> "two layers give three entries"
lens_null = build(lambda network, tokens, answers: (tops(network, tokens)[1:] == answers).float().mean(-1))

# %% wrong: the first position -> "right on all three"
lens_null = build(lambda network, tokens, answers: (tops(network, tokens, 0) == answers).float().mean(-1))

# %% wrong: an average over layers -> "shape"
lens_null = build(lambda network, tokens, answers: (tops(network, tokens) == answers).float().mean())


# %% wrong: the twin is read with the model's unembedding -> "use its W_U"
def lens_null(model, shuffled, tokens, answers):
    rows = {}
    for name, network in {"model": model, "shuffled": shuffled}.items():
        _, cache = network.run_with_cache(tokens)
        n_layers = network.cfg.n_layers
        names = ["blocks.0.hook_resid_pre"] + [f"blocks.{i}.hook_resid_post" for i in range(n_layers)]
        top = torch.stack([(cache[n][:, -1] @ model.W_U).argmax(-1) for n in names])
        rows[name] = (top == answers).float().mean(-1)
    return rows


# %% wrong: the two rows exchanged -> "right on all three"
def lens_null(model, shuffled, tokens, answers):
    return {
        "model": (tops(shuffled, tokens) == answers).float().mean(-1),
        "shuffled": (tops(model, tokens) == answers).float().mean(-1),
    }


# %% wrong: what one expects, instead of a measurement -> "shuffled: the share"
def lens_null(model, shuffled, tokens, answers):
    return {"model": (tops(model, tokens) == answers).float().mean(-1), "shuffled": torch.full((3,), 1 / 16)}


# %% wrong: leaves a hook behind -> "hook was left"
def lens_null(model, shuffled, tokens, answers):
    model.add_hook("blocks.0.hook_resid_post", lambda resid, hook: resid)
    return build(lambda network, tokens, answers: (tops(network, tokens) == answers).float().mean(-1))(
        model, shuffled, tokens, answers
    )


# %% right: hooks that keep the last position only
def lens_null(model, shuffled, tokens, answers):
    def row(network):
        kept = {}

        def keep(resid, hook):
            kept[hook.name] = resid[:, -1].clone()

        names = ["blocks.0.hook_resid_pre"] + [
            f"blocks.{i}.hook_resid_post" for i in range(network.cfg.n_layers)
        ]
        network.run_with_hooks(tokens, fwd_hooks=[(n, keep) for n in names])
        norm = network.ln_final if hasattr(network, "ln_final") else torch.nn.Identity()
        hits = [(norm(kept[n]) @ network.W_U).argmax(-1) == answers for n in names]
        return torch.tensor([h.double().mean().item() for h in hits])

    return {"model": row(model), "shuffled": row(shuffled)}


# %% right: counts hits one by one
lens_null = build(
    lambda network, tokens, answers: torch.tensor(
        [sum(int(t == a) for t, a in zip(row, answers)) / len(answers) for row in tops(network, tokens)]
    )
)
