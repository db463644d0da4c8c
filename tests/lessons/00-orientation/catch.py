# %% wrong: leaves the hook on the model -> "hook was left"
def catch(model, prompt, name):
    found = {}

    def keep(activation, hook):
        found[name] = activation.clone()

    model.add_hook(name, keep)
    model(prompt)
    return found[name]


# %% wrong: always layer 12 -> "shape"
def catch(model, prompt, name):
    _, cache = model.run_with_cache(prompt)
    return cache["blocks.12.hook_resid_post"]


# %% wrong: the last position only -> "shape"
def catch(model, prompt, name):
    _, cache = model.run_with_cache(prompt)
    return cache[name][:, -1]


# %% wrong: takes the batch axis off -> "shape"
def catch(model, prompt, name):
    _, cache = model.run_with_cache(prompt)
    return cache[name].squeeze(0)


# %% wrong: returns the logits -> "shape"
def catch(model, prompt, name):
    return model.run_with_hooks(prompt, fwd_hooks=[(name, lambda x, hook: None)])


# %% wrong: returns None for a misspelt name -> "expected KeyError"
def catch(model, prompt, name):
    found = {}
    model.run_with_hooks(prompt, fwd_hooks=[(name, lambda x, hook: found.update({name: x.clone()}))])
    return found.get(name)


# %% wrong: a mean over the batch -> "shape"
def catch(model, prompt, name):
    _, cache = model.run_with_cache(prompt)
    return cache[name].mean(0, keepdim=True)


# %% wrong: changes what passes, so the caught tensor is not the model's -> "not what passes"
def catch(model, prompt, name):
    found = {}

    def keep(activation, hook):
        found[name] = activation * 1.5

    model.run_with_hooks(prompt, fwd_hooks=[(name, keep)])
    return found[name]


# %% wrong: trusts hook.name, which on the bridge is another name for the same place -> "blocks."
def catch(model, prompt, name):
    found = {}

    def keep(activation, hook):
        found[hook.name] = activation.clone()

    model.run_with_hooks(prompt, fwd_hooks=[(name, keep)])
    return found[name]


# %% wrong: remembers the first tensor that it ever caught -> "shape"
def catch(model, prompt, name):
    if not hasattr(catch, "kept"):
        catch.kept = model.run_with_cache(prompt)[1][name]
    return catch.kept


# %% wrong: forgets to return -> "return"
def catch(model, prompt, name):
    _, cache = model.run_with_cache(prompt, names_filter=name)


# %% right: with a hook of its own
def catch(model, prompt, name):
    found = {}

    def keep(activation, hook):
        found["it"] = activation.detach().clone()

    model.run_with_hooks(prompt, fwd_hooks=[(name, keep)])
    if not found:
        raise KeyError(f"no hook point {name} was passed")
    return found["it"]


# %% right: records everything
def catch(model, prompt, name):
    cache = model.run_with_cache(prompt)[1]
    return cache[name].clone()


# %% right: a context manager
def catch(model, prompt, name):
    kept = []
    with model.hooks(fwd_hooks=[(name, lambda x, hook: kept.append(x.clone()))]):
        model(prompt)
    if not kept:
        raise KeyError(name)
    return kept[0]
