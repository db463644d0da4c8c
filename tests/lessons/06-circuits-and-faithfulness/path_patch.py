import torch


def both(model, clean, corrupted):
    return model.run_with_cache(clean)[1], model.run_with_cache(corrupted)[1]


def patched(model, tokens, name, head, value, add=True):
    def hook(x, hook):
        x = x.clone()
        x[:, :, head] = x[:, :, head] + value if add else value
        return x

    return model.run_with_hooks(tokens, fwd_hooks=[(name, hook)])


def checked(sender, receiver):
    if receiver != "logits" and receiver[0] <= sender[0]:
        raise ValueError("not later")


# %% wrong: patches the sender everywhere, not one path -> "one carrier's message"
def path_patch(model, clean, corrupted, sender, receiver, into="V"):
    checked(sender, receiver)
    _, after = both(model, clean, corrupted)
    layer, head = sender
    return patched(
        model, clean, f"blocks.{layer}.attn.hook_z", head, after["z", layer][:, :, head], add=False
    )


# %% wrong: the message has the wrong sign -> "corrupted message"
def path_patch(model, clean, corrupted, sender, receiver, into="V"):
    checked(sender, receiver)
    before, after = both(model, clean, corrupted)
    layer, head = sender
    message = (before["z", layer] - after["z", layer])[:, :, head] @ model.W_O[layer, head]
    if receiver == "logits":
        return model(clean) + message @ model.W_U
    heard = message @ getattr(model, f"W_{into}")[receiver]
    return patched(model, clean, f"blocks.{receiver[0]}.attn.hook_{into.lower()}", receiver[1], heard)


# %% wrong: always the values, whatever `into` says -> "into 'Q'"
def path_patch(model, clean, corrupted, sender, receiver, into="V"):
    checked(sender, receiver)
    before, after = both(model, clean, corrupted)
    layer, head = sender
    message = (after["z", layer] - before["z", layer])[:, :, head] @ model.W_O[layer, head]
    if receiver == "logits":
        return model(clean) + message @ model.W_U
    return patched(
        model, clean, f"blocks.{receiver[0]}.attn.hook_v", receiver[1], message @ model.W_V[receiver]
    )


# %% wrong: every head of the receiver's layer hears it -> "one receiver"
def path_patch(model, clean, corrupted, sender, receiver, into="V"):
    checked(sender, receiver)
    before, after = both(model, clean, corrupted)
    layer, head = sender
    message = (after["z", layer] - before["z", layer])[:, :, head] @ model.W_O[layer, head]
    if receiver == "logits":
        return model(clean) + message @ model.W_U
    heard = torch.einsum("bpm,hmd->bphd", message, getattr(model, f"W_{into}")[receiver[0]])
    name = f"blocks.{receiver[0]}.attn.hook_{into.lower()}"
    return model.run_with_hooks(clean, fwd_hooks=[(name, lambda x, hook: x + heard)])


# %% wrong: the receiver takes its whole corrupted input -> "one receiver"
def path_patch(model, clean, corrupted, sender, receiver, into="V"):
    checked(sender, receiver)
    before, after = both(model, clean, corrupted)
    layer, head = sender
    message = (after["z", layer] - before["z", layer])[:, :, head] @ model.W_O[layer, head]
    if receiver == "logits":
        return model(clean) + message @ model.W_U
    name = f"blocks.{receiver[0]}.attn.hook_{into.lower()}"
    return patched(model, clean, name, receiver[1], after[name][:, :, receiver[1]], add=False)


# %% wrong: the last position only -> "corrupted message"
def path_patch(model, clean, corrupted, sender, receiver, into="V"):
    checked(sender, receiver)
    before, after = both(model, clean, corrupted)
    layer, head = sender
    message = (after["z", layer] - before["z", layer])[:, :, head] @ model.W_O[layer, head]
    message[:, :-1] = 0
    if receiver == "logits":
        return model(clean) + message @ model.W_U
    heard = message @ getattr(model, f"W_{into}")[receiver]
    return patched(model, clean, f"blocks.{receiver[0]}.attn.hook_{into.lower()}", receiver[1], heard)


# %% wrong: adds the corrupted write instead of the difference -> "corrupted message"
def path_patch(model, clean, corrupted, sender, receiver, into="V"):
    checked(sender, receiver)
    _, after = both(model, clean, corrupted)
    layer, head = sender
    message = after["z", layer][:, :, head] @ model.W_O[layer, head]
    if receiver == "logits":
        return model(clean) + message @ model.W_U
    heard = message @ getattr(model, f"W_{into}")[receiver]
    return patched(model, clean, f"blocks.{receiver[0]}.attn.hook_{into.lower()}", receiver[1], heard)


# %% wrong: runs on the corrupted prompts -> "into 'V' of an AND gate"
def path_patch(model, clean, corrupted, sender, receiver, into="V"):
    checked(sender, receiver)
    before, after = both(model, clean, corrupted)
    layer, head = sender
    message = (after["z", layer] - before["z", layer])[:, :, head] @ model.W_O[layer, head]
    if receiver == "logits":
        return model(corrupted) + message @ model.W_U
    heard = message @ getattr(model, f"W_{into}")[receiver]
    return patched(model, corrupted, f"blocks.{receiver[0]}.attn.hook_{into.lower()}", receiver[1], heard)


# %% wrong: a receiver that cannot hear is no error -> "expected ValueError"
def path_patch(model, clean, corrupted, sender, receiver, into="V"):
    before, after = both(model, clean, corrupted)
    layer, head = sender
    message = (after["z", layer] - before["z", layer])[:, :, head] @ model.W_O[layer, head]
    if receiver == "logits":
        return model(clean) + message @ model.W_U
    heard = message @ getattr(model, f"W_{into}")[receiver]
    return patched(model, clean, f"blocks.{receiver[0]}.attn.hook_{into.lower()}", receiver[1], heard)


# %% wrong: nothing happens -> "corrupted message"
def path_patch(model, clean, corrupted, sender, receiver, into="V"):
    checked(sender, receiver)
    return model(clean)


# %% right: computes the receiver's input anew from the residual stream
def path_patch(model, clean, corrupted, sender, receiver, into="V"):
    checked(sender, receiver)
    before, after = both(model, clean, corrupted)
    layer, head = sender
    change = after["result", layer][:, :, head] - before["result", layer][:, :, head]
    if receiver == "logits":
        return (before["resid_post", model.cfg.n_layers - 1] + change) @ model.W_U
    value = (before["resid_pre", receiver[0]] + change) @ getattr(model, f"W_{into}")[receiver]
    return patched(
        model, clean, f"blocks.{receiver[0]}.attn.hook_{into.lower()}", receiver[1], value, add=False
    )


# %% right: a context of hooks
def path_patch(model, clean, corrupted, sender, receiver, into="V"):
    layer, head = sender
    z = [model.run_with_cache(t)[1][f"blocks.{layer}.attn.hook_z"][:, :, head] for t in (clean, corrupted)]
    told = (z[1] - z[0]) @ model.blocks[layer].attn.W_O[head]
    if isinstance(receiver, str):
        return model(clean) + told @ model.W_U
    if not receiver[0] > layer:
        raise ValueError(f"{receiver} is not after {sender}")
    weight = getattr(model.blocks[receiver[0]].attn, f"W_{into}")[receiver[1]]
    extra = torch.zeros(1)

    def hook(x, hook):
        out = torch.clone(x)
        out[:, :, receiver[1]] += told @ weight + extra
        return out

    with model.hooks(fwd_hooks=[(f"blocks.{receiver[0]}.attn.hook_{into.lower()}", hook)]):
        return model(clean)
