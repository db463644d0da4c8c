import torch

SEEN = {}


def checked(vec):
    if not vec.any():
        raise ValueError("no direction")


# %% wrong: every piece's first token is left alone -> "in pieces"
def steer(vec, alpha):
    checked(vec)

    def hook(resid, hook=None):
        out = resid.clone()
        out[:, 1:] += alpha * vec / vec.norm()
        return out

    return hook


# %% wrong: the start token is steered too -> "first token should stay"
def steer(vec, alpha):
    checked(vec)
    return lambda resid, hook=None: resid + alpha * vec / vec.norm()


# %% wrong: the first token of pieces longer than one is left alone -> "in pieces"
def steer(vec, alpha):
    checked(vec)

    def hook(resid, hook=None):
        out = resid.clone()
        out[:, int(resid.shape[1] > 1) :] += alpha * vec / vec.norm()
        return out

    return hook


# %% wrong: the vector is not normalised -> "length 3"
def steer(vec, alpha):
    checked(vec)
    first = [1]

    def hook(resid, hook=None):
        out = resid.clone()
        out[:, first[0] :] += alpha * vec
        first[0] = 0
        return out

    return hook


# %% wrong: changes the residual in place -> "changed its argument"
def steer(vec, alpha):
    checked(vec)
    first = [1]

    def hook(resid, hook=None):
        resid[:, first[0] :] += alpha * vec / vec.norm()
        first[0] = 0
        return resid

    return hook


# %% wrong: a counter shared by all hooks -> "second hook"
def steer(vec, alpha):
    checked(vec)

    def hook(resid, hook=None):
        out = resid.clone()
        out[:, int("used" not in SEEN) :] += alpha * vec / vec.norm()
        SEEN["used"] = True
        return out

    return hook


# %% wrong: only the last token -> "length 3"
def steer(vec, alpha):
    checked(vec)

    def hook(resid, hook=None):
        out = resid.clone()
        out[:, -1] += alpha * vec / vec.norm()
        return out

    return hook


# %% wrong: the size of the dose only -> "negative"
def steer(vec, alpha):
    checked(vec)
    first = [1]

    def hook(resid, hook=None):
        out = resid.clone()
        out[:, first[0] :] += abs(alpha) * vec / vec.norm()
        first[0] = 0
        return out

    return hook


# %% wrong: a vector of zeros gives nan -> "ValueError"
def steer(vec, alpha):
    first = [1]

    def hook(resid, hook=None):
        out = resid.clone()
        out[:, first[0] :] += alpha * vec / vec.norm()
        first[0] = 0
        return out

    return hook


# %% wrong: the steered residual instead of a hook -> "return a function"
def steer(vec, alpha):
    checked(vec)
    return alpha * vec / vec.norm()


# %% right: counts the tokens that it has seen
def steer(vec, alpha):
    checked(vec)
    unit, seen = vec / vec.norm(), 0

    def hook(resid, hook=None):
        nonlocal seen
        places = seen + torch.arange(resid.shape[1])
        seen += resid.shape[1]
        return resid + alpha * unit * (places > 0)[:, None]

    return hook


# %% right: an object with memory
def steer(vec, alpha):
    checked(vec)

    class Adder:
        def __init__(self):
            self.started = False

        def __call__(self, resid, hook=None):
            step = (alpha * torch.nn.functional.normalize(vec, dim=0)).expand_as(resid).clone()
            if not self.started:
                step[:, 0] = 0
            self.started = True
            return resid + step

    return Adder()
