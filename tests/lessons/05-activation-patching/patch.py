import torch


def run(model, source, target, sites, move=None):
    _, cache = model.run_with_cache(source)
    hooks = []
    for name, pos, head in sites:

        def put(act, hook, name=name, pos=pos, head=head):
            act = act.clone()
            where = (slice(None), slice(None) if pos is None else pos) + (() if head is None else (head,))
            act[where] = cache[name][where]
            return act

        hooks.append((name, put))
    return model.run_with_hooks(target, fwd_hooks=hooks)


# %% wrong: the wrong way round -> "target's own"
def patch(model, source, target, sites):
    return run(model, target, source, sites)


# %% wrong: patches all positions -> "only that position"
def patch(model, source, target, sites):
    return run(model, source, target, [(name, None, head) for name, _, head in sites])


# %% wrong: the position is off by one -> "only that position"
def patch(model, source, target, sites):
    return run(model, source, target, [(n, None if p is None else p - 1, h) for n, p, h in sites])


# %% wrong: takes every head of the layer -> "only its z"
def patch(model, source, target, sites):
    return run(model, source, target, [(name, pos, None) for name, pos, _ in sites])


# %% wrong: forgets the position when there is a head -> "with a position and a head"
def patch(model, source, target, sites):
    return run(model, source, target, [(n, p if h is None else None, h) for n, p, h in sites])


# %% wrong: one site for each name, the last one wins -> "several sites"
def patch(model, source, target, sites):
    last = {name: (name, pos, head) for name, pos, head in sites}
    return run(model, source, target, list(last.values()))


# %% wrong: a function made in a loop sees the last site only -> "several sites"
def patch(model, source, target, sites):
    _, cache = model.run_with_cache(source)
    hooks = []
    for name, pos, head in sites:

        def put(act, hook):
            act = act.clone()
            where = (slice(None), slice(None) if pos is None else pos) + (() if head is None else (head,))
            if act.shape == cache[name].shape:
                act[where] = cache[name][where]
            return act

        hooks.append((name, put))
    return model.run_with_hooks(target, fwd_hooks=hooks)


# %% wrong: adds instead of exchanging -> "the logits are the source's"
def patch(model, source, target, sites):
    _, cache = model.run_with_cache(source)
    hooks = []
    for name, pos, head in sites:

        def put(act, hook, name=name, pos=pos, head=head):
            act = act.clone()
            where = (slice(None), slice(None) if pos is None else pos) + (() if head is None else (head,))
            act[where] += cache[name][where]
            return act

        hooks.append((name, put))
    return model.run_with_hooks(target, fwd_hooks=hooks)


# %% wrong: the first row's activation for all rows -> "the logits are the source's"
def patch(model, source, target, sites):
    return run(model, source[:1].expand_as(source), target, sites)


# %% wrong: the hook's position 0 means all -> "several sites"
def patch(model, source, target, sites):
    return run(model, source, target, [(name, pos or None, head) for name, pos, head in sites])


# %% wrong: head 0 means no head -> "several sites"
def patch(model, source, target, sites):
    return run(model, source, target, [(name, pos, head or None) for name, pos, head in sites])


# %% wrong: a late site gets its value from the run that is already patched -> "source run's own value"
def patch(model, source, target, sites):
    for count in range(1, len(sites)):
        early = sites[:count]
        if early[0][2] is None or len({name for name, _, _ in sites}) < len(sites):
            continue
        _, cache = model.run_with_cache(source)

        def put(act, hook):
            act = act.clone()
            act[:, :, early[0][2]] = 0
            return act

        with model.hooks(fwd_hooks=[(early[0][0], put)]):
            _, cache = model.run_with_cache(source)
        late = sites[count:]

        def late_put(act, hook):
            act = act.clone()
            act[:, late[0][1]] = cache[late[0][0]][:, late[0][1]]
            return act

        with model.hooks(fwd_hooks=[(late[0][0], late_put)]):
            return run(model, source, target, early)
    return run(model, source, target, sites)


# %% wrong: leaves its hooks -> "hook"
def patch(model, source, target, sites):
    _, cache = model.run_with_cache(source)
    for name, pos, head in sites:

        def put(act, hook, name=name, pos=pos, head=head):
            act = act.clone()
            where = (slice(None), slice(None) if pos is None else pos) + (() if head is None else (head,))
            act[where] = cache[name][where]
            return act

        model.add_hook(name, put)
    return model(target)


# %% wrong: trusts hook.name -> "hook.name"
def patch(model, source, target, sites):
    names = {name for name, _, _ in sites}
    _, cache = model.run_with_cache(source)

    def put(act, hook):
        act = act.clone()
        for name, pos, head in sites:
            if name == hook.name:
                where = (slice(None), slice(None) if pos is None else pos) + (() if head is None else (head,))
                act[where] = cache[name][where]
        return act

    return model.run_with_hooks(target, fwd_hooks=[(name, put) for name in names])


# %% wrong: returns the source's logits -> "target's own"
def patch(model, source, target, sites):
    return model(source)


# %% right: a context manager and masks
def patch(model, source, target, sites):
    _, cache = model.run_with_cache(source)

    def hook_for(name, pos, head):
        def put(act, hook):
            mask = torch.zeros(act.shape, dtype=torch.bool)
            if head is None and pos is None:
                mask[:] = True
            elif head is None:
                mask[:, pos] = True
            elif pos is None:
                mask[:, :, head] = True
            else:
                mask[:, pos, head] = True
            return torch.where(mask, cache[name], act)

        return put

    with model.hooks(fwd_hooks=[(name, hook_for(name, pos, head)) for name, pos, head in sites]):
        return model(target)


# %% right: keeps the source's activations by hooks, sites grouped by name
def patch(model, source, target, sites):
    kept, groups = {}, {}
    for name, pos, head in sites:
        groups.setdefault(name, []).append((pos, head))
    keepers = [
        (name, lambda act, hook, name=name: kept.__setitem__(name, act.detach().clone())) for name in groups
    ]
    model.run_with_hooks(source, fwd_hooks=keepers)

    def put(act, hook, name):
        new = act.clone()
        for pos, head in groups[name]:
            rows = range(act.shape[1]) if pos is None else [pos]
            for row in rows:
                if head is None:
                    new[:, row] = kept[name][:, row]
                else:
                    new[:, row, head] = kept[name][:, row, head]
        return new

    hooks = [(name, lambda act, hook, name=name: put(act, hook, name)) for name in groups]
    return model.run_with_hooks(target, fwd_hooks=hooks)
