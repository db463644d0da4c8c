import torch


# %% wrong: ablates the circuit instead of the rest -> "nothing is ablated"
def ablate_complement(model, tokens, circuit, reference):
    def swap(z, hook):
        inside = [h for h in range(z.shape[2]) if (hook.layer(), h) in circuit]
        z = z.clone()
        z[:, :, inside] = reference[hook.layer()][:, :, inside]
        return z

    return model.run_with_hooks(
        tokens, fwd_hooks=[(f"blocks.{i}.attn.hook_z", swap) for i in range(model.cfg.n_layers)]
    )


# %% wrong: always zeros -> "take its value from"
def ablate_complement(model, tokens, circuit, reference):
    def swap(z, hook):
        out = [h for h in range(z.shape[2]) if (hook.layer(), h) not in circuit]
        z = z.clone()
        z[:, :, out] = 0
        return z

    return model.run_with_hooks(
        tokens, fwd_hooks=[(f"blocks.{i}.attn.hook_z", swap) for i in range(model.cfg.n_layers)]
    )


# %% wrong: the loop variable of the hooks is the last layer's -> "its own layer"
def ablate_complement(model, tokens, circuit, reference):
    hooks = []
    for layer in range(model.cfg.n_layers):

        def swap(z, hook):
            out = [h for h in range(z.shape[2]) if (layer, h) not in circuit]  # noqa: B023
            z = z.clone()
            z[:, :, out] = reference[layer][:, :, out]  # noqa: B023
            return z

        hooks.append((f"blocks.{layer}.attn.hook_z", swap))
    return model.run_with_hooks(tokens, fwd_hooks=hooks)


# %% wrong: averages the reference over positions -> "position by position"
def ablate_complement(model, tokens, circuit, reference):
    flat = reference.mean(2, keepdim=True).expand_as(reference)

    def swap(z, hook):
        out = [h for h in range(z.shape[2]) if (hook.layer(), h) not in circuit]
        z = z.clone()
        z[:, :, out] = flat[hook.layer()][:, :, out]
        return z

    return model.run_with_hooks(
        tokens, fwd_hooks=[(f"blocks.{i}.attn.hook_z", swap) for i in range(model.cfg.n_layers)]
    )


# %% wrong: averages the reference over the batch, whatever comes -> "take its value from"
def ablate_complement(model, tokens, circuit, reference):
    def swap(z, hook):
        out = [h for h in range(z.shape[2]) if (hook.layer(), h) not in circuit]
        z = z.clone()
        z[:, :, out] = reference[hook.layer()].mean(0)[:, out]
        return z

    return model.run_with_hooks(
        tokens, fwd_hooks=[(f"blocks.{i}.attn.hook_z", swap) for i in range(model.cfg.n_layers)]
    )


# %% wrong: whole layers without a head of the circuit only -> "no other"
def ablate_complement(model, tokens, circuit, reference):
    def swap(z, hook):
        kept = any(layer == hook.layer() for layer, _ in circuit)
        return z if kept else reference[hook.layer()].expand_as(z).clone()

    return model.run_with_hooks(
        tokens, fwd_hooks=[(f"blocks.{i}.attn.hook_z", swap) for i in range(model.cfg.n_layers)]
    )


# %% wrong: leaves its hooks on the model -> "hook"
def ablate_complement(model, tokens, circuit, reference):
    def swap(z, hook):
        out = [h for h in range(z.shape[2]) if (hook.layer(), h) not in circuit]
        z = z.clone()
        z[:, :, out] = reference[hook.layer()][:, :, out]
        return z

    for layer in range(model.cfg.n_layers):
        model.add_hook(f"blocks.{layer}.attn.hook_z", swap)
    return model(tokens)


# %% wrong: the last layer is forgotten -> "no other"
def ablate_complement(model, tokens, circuit, reference):
    def swap(z, hook):
        out = [h for h in range(z.shape[2]) if (hook.layer(), h) not in circuit]
        z = z.clone()
        z[:, :, out] = reference[hook.layer()][:, :, out]
        return z

    hooks = [(f"blocks.{i}.attn.hook_z", swap) for i in range(model.cfg.n_layers - 1)]
    return model.run_with_hooks(tokens, fwd_hooks=hooks)


# %% right: a mask and torch.where
def ablate_complement(model, tokens, circuit, reference):
    hooks = []
    for layer in range(model.cfg.n_layers):
        keep = torch.tensor([(layer, head) in circuit for head in range(model.cfg.n_heads)])[
            None, None, :, None
        ]
        hooks.append(
            (f"blocks.{layer}.attn.hook_z", lambda z, hook, k=keep, r=reference[layer]: torch.where(k, z, r))
        )
    with model.hooks(fwd_hooks=hooks):
        return model(tokens)


# %% right: one hook for each head outside
def ablate_complement(model, tokens, circuit, reference):
    def one(layer, head):
        def swap(z, hook):
            z = z.clone()
            z[:, :, head] = reference[layer, :, :, head]
            return z

        return swap

    heads = [
        (i, h) for i in range(model.cfg.n_layers) for h in range(model.cfg.n_heads) if (i, h) not in circuit
    ]
    return model.run_with_hooks(tokens, fwd_hooks=[(f"blocks.{i}.attn.hook_z", one(i, h)) for i, h in heads])
