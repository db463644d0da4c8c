import torch


def usable(model, names):
    return [name for name in names if model.to_tokens(" " + name).shape[1] == 2]


def build(
    model,
    template,
    names,
    n,
    rng,
    order=lambda i: i % 2,
    swap="giver",
    ids=" {}",
    start=True,
    filter=True,
    refuse=True,
):
    names = usable(model, names) if filter else list(names)
    if refuse and len(names) < 2:
        raise ValueError("too few names")
    clean, corrupted, right, wrong = [], [], [], []
    for i in range(n):
        first, second = rng.choice(names, 2, replace=False)
        giver, other = (first, second) if order(i) else (second, first)
        clean.append(template.format(first=first, second=second, giver=giver))
        if swap == "giver":
            corrupted.append(template.format(first=first, second=second, giver=other))
        elif swap == "names":
            corrupted.append(template.format(first=second, second=first, giver=giver))
        else:
            third = next(name for name in names if name not in (first, second))
            corrupted.append(template.format(first=first, second=second, giver=third))
        right.append(int(model.to_tokens(ids.format(other))[0, 1]))
        wrong.append(int(model.to_tokens(ids.format(giver))[0, 1]))
    tokens = [model.to_tokens(texts, prepend_bos=start) for texts in (clean, corrupted)]
    return *tokens, torch.tensor(right), torch.tensor(wrong)


# %% wrong: no start token -> "tokens"
def make_pairs(model, template, names, n, rng):
    return build(model, template, names, n, rng, start=False)


# %% wrong: exchanges the two names at the beginning -> "differ in one token"
def make_pairs(model, template, names, n, rng):
    return build(model, template, names, n, rng, swap="names")


# %% wrong: a third name gives in the corrupted prompt -> "as giver"
def make_pairs(model, template, names, n, rng):
    return build(model, template, names, n, rng, swap="third")


# %% wrong: names of several tokens are used -> "several tokens"
def make_pairs(model, template, names, n, rng):
    names = ["Guinevere", *names[:1]] if "Guinevere" in names else names
    return build(model, template, names, n, rng, filter=False)


# %% wrong: the giver is always named second -> "exactly half"
def make_pairs(model, template, names, n, rng):
    return build(model, template, names, n, rng, order=lambda i: False)


# %% wrong: the giver's place is a coin flip that always lands the same way but once -> "exactly half"
def make_pairs(model, template, names, n, rng):
    return build(model, template, names, n, rng, order=lambda i: i == 0)


# %% wrong: right and wrong exchanged -> "in which the name of `wrong` gives"
def make_pairs(model, template, names, n, rng):
    clean, corrupted, right, wrong = build(model, template, names, n, rng)
    return clean, corrupted, wrong, right


# %% wrong: answers without their leading space -> "leading space"
def make_pairs(model, template, names, n, rng):
    return build(model, template, names, n, rng, ids="{}")


# %% wrong: the same two names in every pair -> "anew"
def make_pairs(model, template, names, n, rng):
    two = (
        list(rng.choice(usable(model, names), 2, replace=False))
        if len(usable(model, names)) > 1
        else names[:1]
    )

    class Fixed:
        def choice(self, *args, **kwargs):
            return two

    return build(model, template, names, n, Fixed())


# %% wrong: a generator of its own -> "another generator"
def make_pairs(model, template, names, n, rng):
    import numpy as np

    return build(model, template, names, n, np.random.default_rng(0))


# %% wrong: does not refuse -> "expected ValueError"
def make_pairs(model, template, names, n, rng):
    names = usable(model, names)
    return build(model, template, names if len(names) > 1 else names + ["John", "Mary"], n, rng)


# %% wrong: returns texts -> "expected a torch tensor"
def make_pairs(model, template, names, n, rng):
    clean, corrupted, right, wrong = build(model, template, names, n, rng)
    return [model.to_string(row) for row in clean], [model.to_string(row) for row in corrupted], right, wrong


# %% right: permutation and a shuffled list of orders
def make_pairs(model, template, names, n, rng):
    good = {}
    for name in names:
        ids = model.tokenizer(" " + name, add_special_tokens=False)["input_ids"]
        if len(ids) == 1:
            good[name] = ids[0]
    if len(good) < 2:
        raise ValueError(f"only {len(good)} usable names")
    orders = rng.permutation([True] * (n // 2) + [False] * (n - n // 2))
    rows = []
    for first_gives in orders:
        a, b = (list(good)[i] for i in rng.permutation(len(good))[:2])
        rows.append((a, b, a, b) if first_gives else (a, b, b, a))
    text = [
        [template.format(first=a, second=b, giver=g) for g in (giver, other)] for a, b, giver, other in rows
    ]
    return (
        torch.cat([model.to_tokens(pair[0]) for pair in text]),
        torch.cat([model.to_tokens(pair[1]) for pair in text]),
        torch.tensor([good[other] for *_, other in rows]),
        torch.tensor([good[giver] for _, _, giver, _ in rows]),
    )


# %% right: the first half of the pairs one way, the second half the other
def make_pairs(model, template, names, n, rng):
    return build(model, template, names, n, rng, order=lambda i: i < n // 2)
