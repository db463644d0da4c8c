import numpy as np


# %% wrong: the right number, layers ignored -> "in each layer"
def same_size_random(run, circuit, heads, n, rng):
    every = sorted(heads)
    return np.array(
        [run({every[i] for i in rng.choice(len(every), len(circuit), replace=False)}) for _ in range(n)]
    )


# %% wrong: with replacement, so some are smaller -> "different heads"
def same_size_random(run, circuit, heads, n, rng):
    values = []
    for _ in range(n):
        drawn = set()
        for layer, _head in circuit:
            here = sorted(h for h in heads if h[0] == layer)
            drawn.add(here[rng.integers(len(here))])
        values.append(run(drawn | {(0, 0)} if len(drawn) == 99 else drawn))
    return np.array(values)


# %% wrong: leaves the circuit's own heads out -> "those of the circuit too"
def same_size_random(run, circuit, heads, n, rng):
    values = []
    for _ in range(n):
        drawn = set()
        for layer in sorted({i for i, _ in circuit}):
            size = sum(i == layer for i, _ in circuit)
            here = sorted(h for h in heads - circuit if h[0] == layer)
            here += sorted(h for h in circuit if h[0] == layer)[: max(0, size - len(here))]
            drawn |= {here[i] for i in rng.choice(len(here), size, replace=False)}
        values.append(run(drawn))
    return np.array(values)


# %% wrong: draws once and repeats -> "may be drawn"
def same_size_random(run, circuit, heads, n, rng):
    drawn = set()
    for layer in sorted({i for i, _ in circuit}):
        here = sorted(h for h in heads if h[0] == layer)
        drawn |= {here[i] for i in rng.choice(len(here), sum(i == layer for i, _ in circuit), replace=False)}
    return np.array([run(drawn) for _ in range(n)])


# %% wrong: ignores rng -> "rng"
def same_size_random(run, circuit, heads, n, rng):
    values = []
    for _ in range(n):
        drawn = set()
        for layer in sorted({i for i, _ in circuit}):
            here = sorted(h for h in heads if h[0] == layer)
            size = sum(i == layer for i, _ in circuit)
            drawn |= {here[i] for i in np.random.choice(len(here), size, replace=False)}
        values.append(run(drawn))
    return np.array(values)


# %% wrong: the mean of the draws -> "of each random circuit"
def same_size_random(run, circuit, heads, n, rng):
    values = []
    for _ in range(n):
        drawn = set()
        for layer in sorted({i for i, _ in circuit}):
            here = sorted(h for h in heads if h[0] == layer)
            drawn |= {
                here[i] for i in rng.choice(len(here), sum(i == layer for i, _ in circuit), replace=False)
            }
        values.append(run(drawn))
    return np.array(values).mean()


# %% wrong: runs the circuit itself -> "in each layer"
def same_size_random(run, circuit, heads, n, rng):
    return np.array(
        [run(set(list(circuit)[:2] + [sorted(heads)[int(rng.integers(len(heads)))]])) for _ in range(n)]
    )


# %% right: permutes each layer
def same_size_random(run, circuit, heads, n, rng):
    layers = sorted({layer for layer, _ in circuit})
    out = []
    for _ in range(n):
        drawn = set()
        for layer in layers:
            here = np.array(sorted(head for i, head in heads if i == layer))
            drawn |= {(layer, int(h)) for h in rng.permutation(here)[: sum(i == layer for i, _ in circuit)]}
        out.append(run(drawn))
    return np.asarray(out)


# %% right: rejects draws that repeat a head
def same_size_random(run, circuit, heads, n, rng):
    out = np.zeros(n)
    for k in range(n):
        drawn = set()
        for layer, _ in sorted(circuit):
            here = sorted(h for h in heads if h[0] == layer and h not in drawn)
            drawn.add(here[int(rng.integers(len(here)))])
        out[k] = run(drawn)
    return out
