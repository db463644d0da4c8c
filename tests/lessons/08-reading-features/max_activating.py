import torch


def walk(acts, documents, k, before, after, order, clip=True, overlap="window", extra=0):
    """The method with one part exchanged."""
    taken, found = set(), []
    for place in order:
        start, stop = max(0, place - before), min(len(acts), place + after + 1)
        if clip:
            while documents[start] != documents[place]:
                start += 1
            while documents[stop - 1] != documents[place]:
                stop -= 1
        inside = {"window": set(range(start, stop)), "place": {place}, "never": set()}[overlap]
        if not taken & inside:
            taken |= set(range(start, stop))
            found.append((place, start, stop - extra))
        if len(found) == k:
            break
    return found


def firing(acts):
    return sorted((i for i in range(len(acts)) if acts[i] > 0), key=lambda i: (-float(acts[i]), i))


# %% wrong: windows reach into the next document -> "tokens 2 and 3"
def max_activating(acts, documents, k, before=8, after=4):
    return walk(acts, documents, k, before, after, firing(acts), clip=False)


# %% wrong: weakest first -> "comes first"
def max_activating(acts, documents, k, before=8, after=4):
    return walk(acts, documents, k, before, after, firing(acts)[::-1])


# %% wrong: in the order of the text -> "strongest first"
def max_activating(acts, documents, k, before=8, after=4):
    return sorted(walk(acts, documents, k, before, after, firing(acts)))


# %% wrong: windows may overlap -> "share a token"
def max_activating(acts, documents, k, before=8, after=4):
    return walk(acts, documents, k, before, after, firing(acts), overlap="never")


# %% wrong: only the firing token must be outside earlier windows -> "share a token"
def max_activating(acts, documents, k, before=8, after=4):
    return walk(acts, documents, k, before, after, firing(acts), overlap="place")


# %% wrong: stop is the last token instead of one past it -> "tokens 2 and 3"
def max_activating(acts, documents, k, before=8, after=4):
    return walk(acts, documents, k, before, after, firing(acts), extra=1)


# %% wrong: silent tokens fill up the list -> "silent is no example"
def max_activating(acts, documents, k, before=8, after=4):
    return walk(acts, documents, k, before, after, torch.argsort(-acts, stable=True).tolist())


# %% wrong: a silent latent has examples -> "empty list"
def max_activating(acts, documents, k, before=8, after=4):
    order = firing(acts) or list(range(len(acts)))
    return walk(acts, documents, k, before, after, order)


# %% wrong: looks at the top k only, so skipped ones are missing -> "go on down the list"
def max_activating(acts, documents, k, before=8, after=4):
    return walk(acts, documents, k, before, after, firing(acts)[:k])


# %% wrong: ties in reverse order of the text -> "earlier token goes first"
def max_activating(acts, documents, k, before=8, after=4):
    order = sorted((i for i in range(len(acts)) if acts[i] > 0), key=lambda i: (-float(acts[i]), -i))
    return walk(acts, documents, k, before, after, order)


# %% wrong: the visible examples -> "examples, got 0"
def max_activating(acts, documents, k, before=8, after=4):
    return {8: [(3, 2, 4), (6, 5, 8)], 13: [(2, 1, 4), (9, 8, 11), (5, 4, 7)]}.get(len(acts), [])[:k]


# %% right: walking, with sets
def max_activating(acts, documents, k, before=8, after=4):
    return walk(acts, documents, k, before, after, firing(acts))


# %% right: blocking out the text on a copy
def max_activating(acts, documents, k, before=8, after=4):
    left, free, found = acts.clone(), torch.ones(len(acts), dtype=torch.bool), []
    while len(found) < k and left.max() > 0:
        place = int((left == left.max()).nonzero()[0])
        left[place] = 0
        near = (torch.arange(len(acts)) >= place - before) & (torch.arange(len(acts)) <= place + after)
        inside = (near & (documents == documents[place])).nonzero()[:, 0]
        if free[inside].all():
            free[inside] = False
            found.append((place, int(inside.min()), int(inside.max()) + 1))
    return found
