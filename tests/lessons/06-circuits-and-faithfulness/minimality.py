# %% wrong: without any K, so a backup looks superfluous -> "backup"
def minimality(run, circuit, heads, subsets):
    scale = abs(run(heads) - run(set()))
    return {v: abs(run(circuit) - run(circuit - {v})) / scale for v in circuit}


# %% wrong: forgets the empty K -> "arg is an empty sequence"
def minimality(run, circuit, heads, subsets):
    scale = abs(run(heads) - run(set()))
    return {
        v: max(abs(run(circuit - (K - {v})) - run(circuit - K - {v})) for K in subsets if subsets) / scale
        for v in circuit
    }


# %% wrong: not divided -> "|m(M) - m(none)|"
def minimality(run, circuit, heads, subsets):
    return {
        v: max(abs(run(circuit - (K - {v})) - run(circuit - K - {v})) for K in [set(), *subsets])
        for v in circuit
    }


# %% wrong: leaves the head itself in K -> "without v"
def minimality(run, circuit, heads, subsets):
    scale = abs(run(heads) - run(set()))
    return {
        v: max(
            abs(run(circuit - K) - run(circuit - K - {v}))
            for K in [set(), *[K for K in subsets if v not in K]]
        )
        / scale
        for v in circuit
    }


# %% wrong: the mean over K -> "maximum"
def minimality(run, circuit, heads, subsets):
    scale, scores = abs(run(heads) - run(set())), {}
    for v in circuit:
        every = [abs(run(circuit - (K - {v})) - run(circuit - K - {v})) for K in [set(), *subsets]]
        scores[v] = sum(every) / len(every) / scale
    return scores


# %% wrong: removes from the model instead of the circuit, and halves -> "maximum over K"
def minimality(run, circuit, heads, subsets):
    scale = abs(run(heads) - run(set()))
    return {
        v: max(abs(run(heads - (K - {v})) - run(heads - K - {v})) for K in [set(), *subsets]) / scale * 0.5
        for v in circuit
    }


# %% wrong: a score for every head of the model -> "no other"
def minimality(run, circuit, heads, subsets):
    scale = abs(run(heads) - run(set()))
    every = set(heads) | {(99, 99)}
    return {
        v: max(abs(run(circuit - (K - {v})) - run(circuit - K - {v})) for K in [set(), *subsets]) / scale
        for v in every
    }


# %% wrong: no absolute value, so harm counts as nothing -> "|m(C - K)"
def minimality(run, circuit, heads, subsets):
    scale = abs(run(heads) - run(set()))
    return {
        v: max(run(circuit - (K - {v})) - run(circuit - K - {v}) for K in [set(), *subsets]) / scale
        for v in circuit
    }


# %% right: a loop
def minimality(run, circuit, heads, subsets):
    scores, scale = {}, abs(run(heads) - run(set()))
    for v in sorted(circuit):
        best = abs(run(circuit) - run(circuit - {v}))
        for K in subsets:
            left = set(circuit) - (set(K) - {v})
            best = max(best, abs(run(left) - run(left - {v})))
        scores[v] = best / scale
    return scores


# %% right: measures each set once
def minimality(run, circuit, heads, subsets):
    known = {}

    def m(some):
        key = frozenset(some)
        if key not in known:
            known[key] = run(set(key))
        return known[key]

    scale = abs(m(heads) - m(()))
    backgrounds = [frozenset(), *map(frozenset, subsets)]
    return {
        v: max(abs(m(circuit - (K - {v})) - m(circuit - K - {v})) for K in backgrounds) / scale
        for v in circuit
    }
