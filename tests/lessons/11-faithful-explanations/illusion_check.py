import torch


def patch_effect(base, source, part, logit):
    if part.norm() < 1e-4:
        return 0.0
    v = part / part.norm()
    patched = base + ((source - base) @ v)[:, None] * v
    return float((logit(patched) - logit(base)).mean() / (logit(source) - logit(base)).mean())


def verdict_of(whole, read):
    return "no effect" if whole < 0.2 else "illusion" if read < whole / 2 else "real"


def report(base, source, parts, logit, effect=patch_effect):
    found = {name: effect(base, source, part, logit) for name, part in parts.items()}
    return found | {"verdict": verdict_of(found["whole"], found["read"])}


def split(direction, W_out):
    v = direction / direction.norm()
    columns = torch.linalg.qr(W_out)[0]
    read = columns @ (columns.T @ v)
    return {"whole": v, "read": read, "unread": v - read}


# %% wrong: read and unread exchanged -> "three effects"
def illusion_check(base, source, direction, W_out, logit):
    parts = split(direction, W_out)
    return report(
        base, source, {"whole": parts["whole"], "read": parts["unread"], "unread": parts["read"]}, logit
    )


# %% wrong: multiplies by W_out and back, which is no projection -> "'unread': patch along what is left"
def illusion_check(base, source, direction, W_out, logit):
    v = direction / direction.norm()
    read = W_out @ (W_out.T @ v)
    return report(base, source, {"whole": v, "read": read, "unread": v - read}, logit)


# %% wrong: the direction is not scaled to length 1 -> "three effects"
def illusion_check(base, source, direction, W_out, logit):
    def effect(base, source, part, logit):
        patched = base + ((source - base) @ part)[:, None] * part
        return float((logit(patched) - logit(base)).mean() / (logit(source) - logit(base)).mean())

    parts = {name: part * direction.norm() for name, part in split(direction, W_out).items()}
    return report(base, source, parts, logit, effect)


# %% wrong: the parts are not scaled to length 1 again -> "scaled to length 1 before"
def illusion_check(base, source, direction, W_out, logit):
    def effect(base, source, part, logit):
        patched = base + ((source - base) @ part)[:, None] * part
        return float((logit(patched) - logit(base)).mean() / (logit(source) - logit(base)).mean())

    return report(base, source, split(direction, W_out), logit, effect)


# %% wrong: adds the whole component of the source -> "three effects"
def illusion_check(base, source, direction, W_out, logit):
    def effect(base, source, part, logit):
        if part.norm() < 1e-4:
            return 0.0
        v = part / part.norm()
        patched = base + (source @ v)[:, None] * v
        return float((logit(patched) - logit(base)).mean() / (logit(source) - logit(base)).mean())

    return report(base, source, split(direction, W_out), logit, effect)


# %% wrong: takes away from the source instead of adding to the base -> "three effects"
def illusion_check(base, source, direction, W_out, logit):
    parts = split(direction, W_out)
    return report(source, base, parts, lambda hidden: 1 - logit(hidden) ** 2)


# %% wrong: an effect in nats, not as a share of the feature's -> "change from base to source"
def illusion_check(base, source, direction, W_out, logit):
    def effect(base, source, part, logit):
        if part.norm() < 1e-4:
            return 0.0
        v = part / part.norm()
        patched = base + ((source - base) @ v)[:, None] * v
        return float((logit(patched) - logit(base)).mean())

    return report(base, source, split(direction, W_out), logit, effect)


# %% wrong: patches the mean difference into every pair -> "1.5"
def illusion_check(base, source, direction, W_out, logit):
    v = direction / direction.norm()
    found = report(base, source, split(direction, W_out), logit)
    move = ((source - base).abs().mean(0) @ v.abs()) * v
    whole = float((logit(base + 2 * move) - logit(base)).mean() / (logit(source) - logit(base)).mean())
    return found | {"whole": whole, "verdict": verdict_of(whole, found["read"])}


# %% wrong: calls everything real that moves the output -> "never varies"
def illusion_check(base, source, direction, W_out, logit):
    found = report(base, source, split(direction, W_out), logit)
    return found | {"verdict": "real" if found["whole"] >= 0.2 else "no effect"}


# %% wrong: an illusion wherever a part is unread -> "still does the whole of it"
def illusion_check(base, source, direction, W_out, logit):
    parts = split(direction, W_out)
    found = report(base, source, parts, logit)
    hidden = parts["unread"].norm() > 0.5 and found["whole"] >= 0.2
    return found | {"verdict": "illusion" if hidden else found["verdict"]}


# %% right: least squares, means of sums
def illusion_check(base, source, direction, W_out, logit):
    weights = torch.linalg.lstsq(W_out, direction[:, None]).solution
    read = (W_out @ weights)[:, 0]
    start, end = logit(base).mean(), logit(source).mean()
    found = {}
    for name, part in (("whole", direction), ("read", read), ("unread", direction - read)):
        length = part.norm()
        if length < 1e-4 * direction.norm():
            found[name] = 0.0
            continue
        along = ((source - base) @ part) / length**2
        found[name] = ((logit(base + torch.outer(along, part)).mean() - start) / (end - start)).item()
    found["verdict"] = verdict_of(found["whole"], found["read"])
    return found


# %% right: the pseudo-inverse, in double precision
def illusion_check(base, source, direction, W_out, logit):
    v = direction.double() / direction.double().norm()
    W = W_out.double()
    read = W @ torch.linalg.pinv(W) @ v
    parts = {"whole": v, "read": read, "unread": v - read}
    return report(base, source, {name: part.float() for name, part in parts.items()}, logit)
