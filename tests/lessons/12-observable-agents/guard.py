import math

import numpy as np
import torch


def make(
    probe,
    read,
    calm,
    share,
    pick=lambda ordered, k: ordered[k],
    bias=True,
    above=True,
    closed=True,
    keep=bool,
):
    """A guard with knobs; `ordered` runs from the highest score to the lowest."""
    w, b = probe
    score = lambda text: float(read(text) @ w + (b if bias else 0.0))
    ordered = sorted((score(text) for text in calm), reverse=True)
    threshold = pick(ordered, int(share * len(calm) + 1e-9))

    def passes(text):
        value = score(text)
        if not above:
            return keep(value >= threshold)
        return keep(value <= threshold) if closed else keep(not value > threshold)

    return passes


# %% wrong: stops what is below -> "two highest scores"
def guard(probe, read, calm, share=0.05):
    return make(probe, read, calm, share, above=False)


# %% wrong: one calm text too few is stopped -> "two highest scores"
def guard(probe, read, calm, share=0.05):
    return make(probe, read, calm, share, pick=lambda ordered, k: ordered[max(k - 1, 0)])


# %% wrong: one calm text too many is stopped -> "two highest scores"
def guard(probe, read, calm, share=0.05):
    return make(probe, read, calm, share, pick=lambda ordered, k: ordered[min(k + 1, len(ordered) - 1)])


# %% wrong: the highest calm score whatever the share -> "two highest scores"
def guard(probe, read, calm, share=0.05):
    return make(probe, read, calm, share, pick=lambda ordered, k: ordered[0])


# %% wrong: the lowest calm score whatever the share -> "two highest scores"
def guard(probe, read, calm, share=0.05):
    return make(probe, read, calm, share, pick=lambda ordered, k: ordered[-1])


# %% wrong: score above 0 stops, as in lesson 04 -> "two highest scores"
def guard(probe, read, calm, share=0.05):
    for text in calm:
        read(text)
    return make(probe, read, [], share, pick=lambda ordered, k: 0.0)


# %% wrong: nan passes -> "does not wave through"
def guard(probe, read, calm, share=0.05):
    return make(probe, read, calm, share, closed=False)


# %% wrong: half-way to the next score -> "is above the threshold"
def guard(probe, read, calm, share=0.05):
    def pick(ordered, k):
        return (ordered[k] + ordered[k - 1]) / 2 if k else ordered[0] + 1

    return make(probe, read, calm, share, pick=pick)


# %% wrong: a quantile that interpolates -> "threshold"
def guard(probe, read, calm, share=0.05):
    return make(probe, read, calm, share, pick=lambda ordered, k: float(np.quantile(ordered, 1 - share)))


# %% wrong: the calm texts are read at every use -> "not the calm ones again"
def guard(probe, read, calm, share=0.05):
    make(probe, read, calm, share)
    return lambda text: make(probe, read, calm, share)(text)


# %% wrong: stops at the threshold as well -> "two highest scores"
def guard(probe, read, calm, share=0.05):
    inner = make(probe, read, calm, share)
    w, b = probe
    scores = sorted((float(read(text) @ w + b) for text in calm), reverse=True)
    return lambda text: float(read(text) @ w + b) < scores[int(share * len(calm) + 1e-9)]


# %% wrong: remembers the calm texts and lets nothing else pass -> "passes below it"
def guard(probe, read, calm, share=0.05):
    inner = make(probe, read, calm, share)
    good = {text for text in calm if inner.__closure__ and text}
    w, b = probe
    return lambda text: inner(text) and text in good


# %% wrong: a tensor instead of True or False -> "plain True or False"
def guard(probe, read, calm, share=0.05):
    return make(probe, read, calm, share, keep=torch.tensor)


# %% wrong: ties stop more than the share -> "with ties at the threshold"
def guard(probe, read, calm, share=0.05):
    def pick(ordered, k):
        return max([s for s in ordered if s < ordered[k - 1]], default=ordered[-1]) if k else ordered[0]

    return make(probe, read, calm, share, pick=pick)


# %% right: with a helper
def guard(probe, read, calm, share=0.05):
    return make(probe, read, calm, share)


# %% right: with torch, counting for every candidate
def guard(probe, read, calm, share=0.05):
    scores = torch.stack([read(text) for text in calm]).double() @ probe[0].double() + probe[1].double()
    stopped = (scores[None, :] > scores[:, None] + 1e-9).double().mean(dim=1)
    threshold = scores[stopped <= share + 1e-9].min().item()

    def passes(text):
        value = (read(text).double() @ probe[0].double() + probe[1].double()).item()
        return not math.isnan(value) and value <= threshold + 1e-9

    return passes
