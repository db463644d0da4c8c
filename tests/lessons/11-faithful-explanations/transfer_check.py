from itertools import permutations

import numpy as np
from scipy.optimize import linear_sum_assignment
from scipy.spatial.distance import cdist


def matched_of(own, theirs, circuit, power=1):
    heads = list(theirs)
    cost = np.array([[np.linalg.norm(own[a] - theirs[b]) ** power for b in heads] for a in circuit])
    return {heads[j] for j in linear_sum_assignment(cost)[1]}


def run(circuit, home, others, keep, signature, rng, n_random, match=None, draw=None):
    own = signature(home)
    match = match or (lambda theirs: matched_of(own, theirs, circuit))
    found = {"home": keep(home, circuit), "by_number": {}, "by_role": {}, "random": {}}
    for name in others:
        theirs = signature(name)
        pool = list(theirs)

        def drawn(pool=pool):
            return {pool[i] for i in rng.choice(len(pool), len(circuit), replace=False)}

        found["by_number"][name] = keep(name, circuit)
        found["by_role"][name] = keep(name, match(theirs))
        sets = [draw(pool) if draw else drawn() for _ in range(n_random)]
        found["random"][name] = float(np.mean([keep(name, heads) for heads in sets]))
    return found


# %% wrong: each head gets its nearest, two may get the same -> "does one head get matched twice"
def transfer_check(circuit, home, others, keep, signature, rng, n_random=20):
    own = signature(home)

    def nearest(theirs):
        return {min(theirs, key=lambda b, a=a: np.linalg.norm(own[a] - theirs[b])) for a in circuit}

    return run(circuit, home, others, keep, signature, rng, n_random, nearest)


# %% wrong: greedy, one head after the other -> "one-to-one matching with the smallest sum"
def transfer_check(circuit, home, others, keep, signature, rng, n_random=20):
    own = signature(home)

    def greedy(theirs):
        left = dict(theirs)
        for mine in sorted(circuit):
            left.pop(min(left, key=lambda b, mine=mine: np.linalg.norm(own[mine] - left[b])))
        return set(theirs) - set(left)

    return run(circuit, home, others, keep, signature, rng, n_random, greedy)


# %% wrong: the matching that costs most -> "the matched head keeps everything"
def transfer_check(circuit, home, others, keep, signature, rng, n_random=20):
    own = signature(home)

    def farthest(theirs):
        heads = list(theirs)
        cost = np.array([[np.linalg.norm(own[a] - theirs[b]) for b in heads] for a in circuit])
        return {heads[j] for j in linear_sum_assignment(cost, maximize=True)[1]}

    return run(circuit, home, others, keep, signature, rng, n_random, farthest)


# %% wrong: squares of the distances -> "not of squares"
def transfer_check(circuit, home, others, keep, signature, rng, n_random=20):
    own = signature(home)
    return run(
        circuit,
        home,
        others,
        keep,
        signature,
        rng,
        n_random,
        lambda theirs: matched_of(own, theirs, circuit, 2),
    )


# %% wrong: random heads of the circuit's layers and numbers, drawn with replacement -> "as many different heads"
def transfer_check(circuit, home, others, keep, signature, rng, n_random=20):
    def loose(pool):
        return {pool[i] for i in rng.integers(len(pool), size=len(circuit))}

    return run(circuit, home, others, keep, signature, rng, n_random, draw=loose)


# %% wrong: random sets leave the circuit's numbers out -> "a third of the draws"
def transfer_check(circuit, home, others, keep, signature, rng, n_random=20):
    def outside(pool):
        rest = [head for head in pool if head not in circuit]
        return {rest[i] for i in rng.choice(len(rest), min(len(rest), len(circuit)), replace=False)}

    return run(circuit, home, others, keep, signature, rng, n_random, draw=outside)


# %% wrong: one random set for all draws -> "a third of the draws"
def transfer_check(circuit, home, others, keep, signature, rng, n_random=20):
    kept = {}

    def once(pool):
        picks = rng.choice(len(pool), len(circuit), replace=False)
        return kept.setdefault(len(pool), {pool[i] for i in picks})

    return run(circuit, home, others, keep, signature, rng, n_random, draw=once)


# %% wrong: everything is measured at home -> "the list fails in 'b'"
def transfer_check(circuit, home, others, keep, signature, rng, n_random=20):
    own = signature(home)

    def here(_, heads):
        return keep(home, heads)

    return run(
        circuit, home, others, here, signature, rng, n_random, lambda theirs: matched_of(own, theirs, circuit)
    )


# %% wrong: matches in the other model, then takes those numbers at home -> "the matched head keeps everything"
def transfer_check(circuit, home, others, keep, signature, rng, n_random=20):
    found = run(circuit, home, others, keep, signature, rng, n_random)
    own = signature(home)
    for name in others:
        found["by_role"][name] = keep(home, matched_of(own, signature(name), circuit))
    return found


# %% right: cdist and a sorted circuit; random sets as permutations
def transfer_check(circuit, home, others, keep, signature, rng, n_random=20):
    mine, own = sorted(circuit), signature(home)
    result = {"home": keep(home, set(mine)), "by_number": {}, "by_role": {}, "random": {}}
    for name in others:
        theirs = signature(name)
        heads = sorted(theirs)
        _, columns = linear_sum_assignment(cdist([own[h] for h in mine], [theirs[h] for h in heads]))
        result["by_number"][name] = keep(name, set(circuit))
        result["by_role"][name] = keep(name, {heads[c] for c in columns})
        total = 0.0
        for _ in range(n_random):
            order = rng.permutation(len(heads))[: len(mine)]
            total += keep(name, {heads[i] for i in order})
        result["random"][name] = total / n_random
    return result


# %% right: tries every assignment, for circuits this small
def transfer_check(circuit, home, others, keep, signature, rng, n_random=20):
    own, mine = signature(home), list(circuit)
    roles, random, numbers = {}, {}, {}
    for name in others:
        theirs = signature(name)
        heads = list(theirs)
        far = np.array([[np.sqrt(((own[a] - theirs[b]) ** 2).sum()) for b in heads] for a in mine])
        ways = permutations(range(len(heads)), len(mine))
        best = min(ways, key=lambda way, far=far: sum(far[i, j] for i, j in enumerate(way)))
        roles[name] = keep(name, {heads[j] for j in best})
        numbers[name] = keep(name, circuit)
        picks = [rng.choice(np.arange(len(heads)), size=len(mine), replace=False) for _ in range(n_random)]
        random[name] = sum(keep(name, {heads[j] for j in pick}) for pick in picks) / n_random
    return {"home": keep(home, circuit), "by_number": numbers, "by_role": roles, "random": random}
