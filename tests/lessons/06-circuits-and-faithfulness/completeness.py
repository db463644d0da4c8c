# %% wrong: the smallest gap -> "largest gap"
def completeness(run, circuit, heads, subsets):
    scale = abs(run(heads) - run(set()))
    gaps = [abs(run(heads - K) - run(circuit - K)) / scale for K in subsets]
    return min(gaps), subsets[gaps.index(min(gaps))]


# %% wrong: the mean gap -> "largest gap"
def completeness(run, circuit, heads, subsets):
    scale = abs(run(heads) - run(set()))
    gaps = [abs(run(heads - K) - run(circuit - K)) / scale for K in subsets]
    return sum(gaps) / len(gaps), subsets[gaps.index(max(gaps))]


# %% wrong: not divided -> "|m(M) - m(none)|"
def completeness(run, circuit, heads, subsets):
    gaps = [abs(run(heads - K) - run(circuit - K)) for K in subsets]
    return max(gaps), subsets[gaps.index(max(gaps))]


# %% wrong: keeps the subset instead of removing it from the circuit -> "the subset that shows"
def completeness(run, circuit, heads, subsets):
    scale = abs(run(heads) - run(set()))
    gaps = [abs(run(heads - K) - run(K)) / scale for K in subsets]
    return max(gaps), subsets[gaps.index(max(gaps))]


# %% wrong: the complement's faithfulness (Marks et al.) -> "largest gap"
def completeness(run, circuit, heads, subsets):
    none = run(set())
    return (run(heads - circuit) - none) / (run(heads) - none), subsets[-1]


# %% wrong: signed gaps, so what the circuit overdoes does not count -> "|m(M"
def completeness(run, circuit, heads, subsets):
    scale = run(heads) - run(set())
    gaps = [(run(heads - K) - run(circuit - K)) / abs(scale) for K in subsets]
    return max(gaps), subsets[gaps.index(max(gaps))]


# %% wrong: the right gap, the wrong subset -> "subset"
def completeness(run, circuit, heads, subsets):
    scale = abs(run(heads) - run(set()))
    gaps = [abs(run(heads - K) - run(circuit - K)) / scale for K in subsets]
    return max(gaps), subsets[0]


# %% wrong: compares what is lost, not where model and circuit stand -> "before anything goes"
def completeness(run, circuit, heads, subsets):
    scale = abs(run(heads) - run(set()))
    gaps = [abs((run(heads) - run(heads - K)) - (run(circuit) - run(circuit - K))) / scale for K in subsets]
    return max(gaps), subsets[gaps.index(max(gaps))]


# %% wrong: tries every subset, not the given ones -> "the subset with the largest gap"
def completeness(run, circuit, heads, subsets):
    from itertools import combinations

    scale = abs(run(heads) - run(set()))
    every = [set(some) for n in range(len(circuit) + 1) for some in combinations(sorted(circuit), n)]
    gaps = [abs(run(heads - K) - run(circuit - K)) / scale for K in every]
    return max(gaps), every[gaps.index(max(gaps))]


# %% right: a running maximum
def completeness(run, circuit, heads, subsets):
    scale, best, which = abs(run(heads) - run(set())), -1.0, set()
    for K in subsets:
        gap = abs(run(set(heads) - set(K)) - run(set(circuit) - set(K))) / scale
        if gap > best:
            best, which = gap, K
    return best, set(which)


# %% right: pairs and max
def completeness(run, circuit, heads, subsets):
    pairs = [(abs(run(circuit.difference(K)) - run(heads.difference(K))), i) for i, K in enumerate(subsets)]
    gap, where = max(pairs)
    return gap / abs(run(set()) - run(heads)), subsets[where]
