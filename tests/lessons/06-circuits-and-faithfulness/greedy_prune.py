# %% wrong: one shot, all heads without an effect of their own go together -> "below the floor"
def greedy_prune(run, order, floor):
    every = set(order)
    return {head for head in order if run(every - {head}) < floor}


# %% wrong: a single walk -> "repeat the walk"
def greedy_prune(run, order, floor):
    left = set(order)
    for head in order:
        if run(left - {head}) >= floor:
            left = left - {head}
    return left


# %% wrong: strictly above the floor -> "may equal the floor"
def greedy_prune(run, order, floor):
    left, before = set(order), None
    while before != len(left):
        before = len(left)
        for head in order:
            if head in left and run(left - {head}) > floor:
                left = left - {head}
    return left


# %% wrong: stops at the first head that cannot go -> "two heads are enough"
def greedy_prune(run, order, floor):
    left = set(order)
    for head in order:
        if run(left - {head}) < floor:
            break
        left = left - {head}
    return left


# %% wrong: walks backwards -> "from its first head"
def greedy_prune(run, order, floor):
    left, before = set(order), None
    while before != len(left):
        before = len(left)
        for head in reversed(order):
            if head in left and run(left - {head}) >= floor:
                left = left - {head}
    return left


# %% wrong: grows from nothing by the best single head -> "floor"
def greedy_prune(run, order, floor):
    kept = set()
    for head in order:
        if run(kept) >= floor:
            break
        if run(kept | {head}) > run(kept):
            kept = kept | {head}
    return kept


# %% wrong: keeps everything -> "two heads are enough"
def greedy_prune(run, order, floor):
    return set(order)


# %% wrong: prunes until nothing is left -> "below the floor"
def greedy_prune(run, order, floor):
    return set()


# %% right: recursion
def greedy_prune(run, order, floor):
    left = list(order)
    for head in order:
        others = [h for h in left if h != head]
        if run(set(others)) >= floor:
            left = others
    return set(left) if len(left) == len(order) else greedy_prune(run, left, floor)


# %% right: an index that walks, and a flag
def greedy_prune(run, order, floor):
    left, changed = set(order), True
    while changed:
        changed = False
        for head in [h for h in order if h in left]:
            if not run(left.difference([head])) < floor:
                left.discard(head)
                changed = True
    return left
