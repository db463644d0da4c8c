import numpy as np


def shares(model, rng, n=4000):
    """[position word] shares of YES; row 0 is position 1."""
    tokens = draw_prompts(model, n, rng).numpy()
    yes = says_yes(model, draw_prompts(model, 1, rng).new_tensor(tokens))
    words = range(FIRST_WORD, model.cfg.d_vocab)
    return np.array([[yes[tokens[:, p] == w].mean() for w in words] for p in range(1, model.cfg.n_ctx - 1)])


def chosen(table, first=1, counts=lambda row: np.ptp(row) > 0.3, cut=lambda row: (row.max() + row.min()) / 2):
    return {
        first + i: {FIRST_WORD + int(w) for w in np.flatnonzero(row > cut(row))}
        for i, row in enumerate(table)
        if counts(row)
    }


# %% wrong: a word speaks for YES if more than half of its prompts are answered YES -> "no others"
def find_behaviour(model, rng, n=4000):
    return chosen(shares(model, rng, n), cut=lambda row: 0.5)


# %% wrong: a cut that fits boxes in which both of two words must be right -> "above the middle between"
def find_behaviour(model, rng, n=4000):
    return chosen(shares(model, rng, n), cut=lambda row: 0.25)


# %% wrong: positions are counted without the start token -> "you found"
def find_behaviour(model, rng, n=4000):
    return chosen(shares(model, rng, n), first=0)


# %% wrong: every position counts -> "you found"
def find_behaviour(model, rng, n=4000):
    return chosen(shares(model, rng, n), counts=lambda row: True)


# %% wrong: the words for NO -> "words for YES"
def find_behaviour(model, rng, n=4000):
    return {p: set(range(FIRST_WORD, 28)) - words for p, words in chosen(shares(model, rng, n)).items()}


# %% wrong: changes the words of one prompt that is answered NO -> "you found"
def find_behaviour(model, rng, n=4000):
    tokens = draw_prompts(model, 200, rng)
    base = tokens[~says_yes(model, tokens)][:1]
    found = {}
    for place in range(1, model.cfg.n_ctx - 1):
        tried = base.repeat(24, 1)
        for word in range(24):
            tried[word, place] = FIRST_WORD + word
        yes = says_yes(model, tried)
        if yes.any() and not yes.all():
            found[place] = {FIRST_WORD + int(word) for word in np.flatnonzero(yes)}
    return found


# %% wrong: a hundred prompts whatever n -> "you found"
def find_behaviour(model, rng, n=4000):
    tokens = draw_prompts(model, 100, rng)
    yes = says_yes(model, tokens)
    found = {}
    for place in range(1, model.cfg.n_ctx - 1):
        row = {
            w: yes[(tokens[:, place] == w).numpy()].mean()
            for w in range(FIRST_WORD, 28)
            if (tokens[:, place] == w).any()
        }
        if max(row.values()) - min(row.values()) > 0.3:
            middle = (max(row.values()) + min(row.values())) / 2
            found[place] = {w for w, share in row.items() if share > middle}
    return found


# %% wrong: only the position that counts most -> "you found"
def find_behaviour(model, rng, n=4000):
    table = shares(model, rng, n)
    best = int(np.ptp(table, axis=1).argmax())
    return {p: words for p, words in chosen(table).items() if p == best + 1}


# %% wrong: assumes that something always counts -> "this box always gives the same answer"
def find_behaviour(model, rng, n=4000):
    table = shares(model, rng, n)
    return chosen(table) or {1 + int(np.ptp(table, axis=1).argmax()): set()}


# %% wrong: words as their numbers from 0 -> "no others"
def find_behaviour(model, rng, n=4000):
    return {p: {w - FIRST_WORD for w in words} for p, words in chosen(shares(model, rng, n)).items()}


# %% right: counts in one go
def find_behaviour(model, rng, n=4000):
    tokens = draw_prompts(model, n, rng)
    yes = says_yes(model, tokens)
    found = {}
    for place, column in enumerate(tokens.T.numpy()):
        if 0 < place < model.cfg.n_ctx - 1:
            asked = np.bincount(column, minlength=28)[FIRST_WORD:]
            said = np.bincount(column, weights=yes, minlength=28)[FIRST_WORD:] / asked
            if np.ptp(said) > 0.3:
                high = said > (said.max() + said.min()) / 2
                found[place] = {int(word) + FIRST_WORD for word in np.flatnonzero(high)}
    return found


# %% right: the same words put into the same prompts, position by position
def find_behaviour(model, rng, n=4000):
    base = draw_prompts(model, 160, rng)
    found = {}
    for place in range(1, model.cfg.n_ctx - 1):
        shares = []
        for word in range(FIRST_WORD, model.cfg.d_vocab):
            tokens = base.clone()
            tokens[:, place] = word
            shares.append(float(says_yes(model, tokens).mean()))
        low, high = min(shares), max(shares)
        if high - low > 0.3:
            found[place] = {FIRST_WORD + i for i, share in enumerate(shares) if share > (low + high) / 2}
    return found
