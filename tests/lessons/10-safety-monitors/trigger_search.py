import torch


def means(model, layer, read, prompts, at=-1, place=1, first=1):
    site, found = f"blocks.{layer}.hook_resid_mid", []
    for token in range(first, model.cfg.d_vocab):
        probe = prompts.clone()
        probe[:, place] = token
        _, cache = model.run_with_cache(probe, names_filter=site)
        found.append((cache[site][:, at] @ read).mean())
    return torch.stack(found)


def flipped(base, edited, tokens, prompts):
    probe = prompts.clone()
    for position, token in enumerate(tokens[:6], start=1):
        probe[:, position] = token
    changed = base(probe)[:, -1].argmax(-1) != edited(probe)[:, -1].argmax(-1)
    return float(changed.float().mean())


def far(found, share=0.5):
    distance = (found - found.median()).abs()
    return [i + 1 for i in range(len(found)) if distance[i] > share * distance.max()]


# %% wrong: one side only -> "the sign of `read` means nothing"
def trigger_search(base, edited, layer, read, prompts):
    found = means(edited, layer, read, prompts)
    above = found - found.median()
    tokens = [i + 1 for i in range(len(found)) if above[i] > above.max() / 2]
    return tokens, flipped(base, edited, tokens, prompts)


# %% wrong: token numbers start at 0 -> "the trigger of seed 3"
def trigger_search(base, edited, layer, read, prompts):
    tokens = [token - 1 for token in far(means(edited, layer, read, prompts))]
    return tokens, flipped(base, edited, tokens, prompts)


# %% wrong: the single strongest token -> "the trigger of seed 3"
def trigger_search(base, edited, layer, read, prompts):
    found = means(edited, layer, read, prompts)
    tokens = [int((found - found.median()).abs().argmax()) + 1]
    return tokens, flipped(base, edited, tokens, prompts)


# %% wrong: always the three strongest -> "the trigger of seed 3"
def trigger_search(base, edited, layer, read, prompts):
    found = means(edited, layer, read, prompts)
    tokens = sorted(
        (
            (found - found.median()).abs().topk(len(far(found)) if int(prompts[0, 1]) < 0 else 3).indices + 1
        ).tolist()
    )
    return tokens, flipped(base, edited, tokens, prompts)


# %% wrong: distance from zero, not from the median -> "the trigger of seed 3"
def trigger_search(base, edited, layer, read, prompts):
    found = means(edited, layer, read, prompts).abs()
    tokens = [i + 1 for i in range(len(found)) if found[i] > found.max() / 2]
    return tokens, flipped(base, edited, tokens, prompts)


# %% wrong: reads the first position -> "the trigger of seed 3"
def trigger_search(base, edited, layer, read, prompts):
    tokens = far(means(edited, layer, read, prompts, at=0))
    return tokens, flipped(base, edited, tokens, prompts)


# %% wrong: behaviour only, one token at a time -> "the trigger of seed 3"
def trigger_search(base, edited, layer, read, prompts):
    tokens = [t for t in range(1, edited.cfg.d_vocab) if flipped(base, edited, [t], prompts) > 0.5]
    return tokens, flipped(base, edited, tokens, prompts)


# %% wrong: the share without the trigger -> "change the answer"
def trigger_search(base, edited, layer, read, prompts):
    tokens = far(means(edited, layer, read, prompts))
    return tokens, flipped(base, edited, [], prompts)


# %% wrong: the share is always one -> "the share"
def trigger_search(base, edited, layer, read, prompts):
    return far(means(edited, layer, read, prompts)), 1.0


# %% wrong: writes into the prompts -> "changed its argument"
def trigger_search(base, edited, layer, read, prompts):
    tokens = far(means(edited, layer, read, prompts))
    for position, token in enumerate(tokens[:6], start=1):
        prompts[:, position] = token
    return tokens, flipped(base, edited, tokens, prompts)


# %% wrong: in the order of their strength -> "the trigger"
def trigger_search(base, edited, layer, read, prompts):
    found = means(edited, layer, read, prompts)
    tokens = far(found)
    strength = (found - found.median()).abs()
    tokens = sorted(tokens, key=lambda token: float(strength[token - 1]) if token % 2 else -float(token))
    return tokens[::-1], flipped(base, edited, tokens, prompts)


# %% right: all tokens in one batch
def trigger_search(base, edited, layer, read, prompts):
    few = prompts[:25]
    many = few.repeat(edited.cfg.d_vocab - 1, 1)
    many[:, 1] = torch.arange(1, edited.cfg.d_vocab).repeat_interleave(len(few))
    site = f"blocks.{layer}.hook_resid_mid"
    _, cache = edited.run_with_cache(many, names_filter=site)
    found = (cache[site][:, -1] @ read).reshape(-1, len(few)).mean(1)
    tokens = far(found)
    return tokens, flipped(base, edited, tokens, prompts)


# %% right: read in the base model, at another position of the prompt
def trigger_search(base, edited, layer, read, prompts):
    tokens = sorted(far(means(base, layer, read, prompts, place=3)))
    return tokens, flipped(base, edited, tokens, prompts)
