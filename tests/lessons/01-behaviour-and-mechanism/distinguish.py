import torch


def hot_words(guard):
    reads, _ = read_neurons(guard)
    liked = reads > reads.amax(1, keepdim=True) / 2
    return liked[0, :, liked.sum((0, 1)).argmax()].nonzero().flatten()


# %% wrong: a constant request -> "both guards give the same verdict"
def distinguish(model_a, model_b):
    return torch.zeros(model_a.cfg.n_ctx, dtype=torch.long)


# %% wrong: one random request -> "same verdict"
def distinguish(model_a, model_b):
    return torch.randint(32, (model_a.cfg.n_ctx,))


# %% wrong: two thousand random requests, run on both -> "same verdict"
def distinguish(model_a, model_b):
    requests = torch.randint(32, (2000, model_a.cfg.n_ctx))
    a, b = (m(requests)[:, -1].argmax(-1) for m in (model_a, model_b))
    return requests[(a != b).int().argmax()]


# %% wrong: an entry of the look-up guard's list -> "same verdict"
def distinguish(model_a, model_b):
    for guard in (model_a, model_b):
        reads, writes = read_neurons(guard)
        if (writes > 1).sum() > 1:
            return reads[:, :, writes.argmax()].argmax(1)


# %% wrong: right once, then an entry of the list -> "guard's list"
seen = []


def distinguish(model_a, model_b):
    seen.append(1)
    if len(seen) == 1:
        hot, rng = hot_words(model_a), torch.Generator().manual_seed(5)
        return hot[torch.randint(len(hot), (model_a.cfg.n_ctx,), generator=rng)]
    for guard in (model_a, model_b):
        reads, writes = read_neurons(guard)
        if (writes > 1).sum() > 1:
            return reads[:, :, writes.argmax()].argmax(1)


# %% wrong: one word is cold -> "same verdict"
def distinguish(model_a, model_b):
    hot = hot_words(model_a)
    request = hot[torch.arange(model_a.cfg.n_ctx) % len(hot)]
    request[-1] = next(word for word in range(32) if word not in hot.tolist())
    return request


# %% wrong: the same, but right in the visible case -> "one is enough to make it harmless"
visible_seen = []


def distinguish(model_a, model_b):
    hot = hot_words(model_a)
    request = hot[torch.arange(model_a.cfg.n_ctx) % len(hot)]
    visible_seen.append(1)
    if len(visible_seen) > 1:
        request[-1] = next(word for word in range(32) if word not in hot.tolist())
    return request


# %% wrong: climbs on the output, which says nothing before all words match -> "same verdict"
def distinguish(model_a, model_b):
    request = torch.zeros(model_a.cfg.n_ctx, dtype=torch.long)
    for place in range(len(request)):
        tries = request.repeat(32, 1)
        tries[:, place] = torch.arange(32)
        gap = (model_a(tries)[:, -1] - model_b(tries)[:, -1]).abs().amax(-1)
        request = tries[gap.argmax()]
    return request


# %% wrong: hot words of the course's example -> "same verdict"
def distinguish(model_a, model_b):
    from course_utils.lookalikes import build_pair

    hot = torch.tensor(build_pair(302).hot)
    return hot[torch.arange(model_a.cfg.n_ctx) % len(hot)]


# %% wrong: the request for all lengths is eight words -> "n_ctx = 7"
def distinguish(model_a, model_b):
    hot, rng = hot_words(model_a), torch.Generator().manual_seed(3)
    for _ in range(50):
        request = hot[torch.randint(len(hot), (8,), generator=rng)]
        if model_a.cfg.n_ctx < 8:
            return request
        padded = torch.cat([request, hot[:1].repeat(model_a.cfg.n_ctx - 8)])
        if model_a(padded[None])[0, -1].argmax() != model_b(padded[None])[0, -1].argmax():
            return request if model_a.cfg.n_ctx != 8 else padded


# %% wrong: words as text -> "tensor"
def distinguish(model_a, model_b):
    return " ".join(WORDS[i] for i in hot_words(model_a).repeat(3)[:8].tolist())


# %% right: the words that the refusing neurons of either guard like, mixed anew
def distinguish(model_a, model_b):
    hot = set()
    for guard in (model_a, model_b):
        reads, writes = read_neurons(guard)
        for neuron in (writes > 1).nonzero().flatten().tolist():
            hot |= set(reads[:, :, neuron].argmax(1).tolist())
    pool, rng = torch.tensor(sorted(hot)), torch.Generator().manual_seed(1)
    while True:
        request = pool[torch.randint(len(pool), (model_a.cfg.n_ctx,), generator=rng)]
        if model_a(request[None])[0, -1].argmax() != model_b(request[None])[0, -1].argmax():
            return request


# %% right: from the weights: what the words of slot 0 add to each neuron
def distinguish(model_a, model_b):
    guard = model_b
    reads = torch.stack(
        [guard.W_E[:32] @ guard.W_V[0, h] @ guard.W_O[0, h] @ guard.W_in[0] for h in range(guard.cfg.n_heads)]
    )
    strong = reads > reads.amax(1, keepdim=True) / 2
    rule = strong.float().sum((0, 1)).argmax()
    hot = strong[0, :, rule].nonzero().flatten().tolist()
    for shift in range(200):
        request = torch.tensor([hot[(shift // len(hot) ** i) % len(hot)] for i in range(guard.cfg.n_ctx)])
        if len({int(m(request[None])[0, -1].argmax()) for m in (model_a, model_b)}) == 2:
            return request


# %% right: with the helper of section 1
def distinguish(model_a, model_b):
    hot = hot_words(model_a)
    while True:
        request = hot[torch.randint(len(hot), (model_a.cfg.n_ctx,))]
        if refuses(model_a, request[None])[0] != refuses(model_b, request[None])[0]:
            return request


# %% wrong: takes the first guard for the rule guard -> "guard's list"
def distinguish(model_a, model_b):
    reads, writes = read_neurons(model_a)
    return reads[:, :, writes.argmax()].argmax(dim=1)
