from itertools import combinations


def prune(share, nodes, gone, floor, strict=False):
    off = set(gone)
    for node in nodes:
        part = share(off | {node})
        if part > floor or (part == floor and not strict):
            off = off | {node}
    return set(nodes) - off


def hunt(share, nodes, floor, strict=False, deep=True, alone=True, limit=True):
    found, tried, stack = {}, set(), [frozenset()]
    while stack:
        gone = stack.pop()
        if gone in tried or (limit and share(set(gone)) < floor):
            continue
        tried.add(gone)
        way = next((set(w) for w in found if not w & gone), None) or prune(share, nodes, gone, floor, strict)
        found[frozenset(way)] = share(set(nodes) - way)
        if deep or not gone:
            stack += [gone | {node} for node in way]
    return [(set(way), part) for way, part in found.items()]


# %% wrong: one pruning -> "you found"
def find_ways(share, nodes, floor=0.2):
    off = set(nodes) - prune(share, nodes, set(), floor)
    return [(set(nodes) - off, share(off))]


# %% wrong: leaves off each node that alone makes no difference -> "you found"
def find_ways(share, nodes, floor=0.2):
    needed = {node for node in nodes if share({node}) < floor}
    return [(needed, share(set(nodes) - needed))]


# %% wrong: looks one step beyond the first way only -> "were not found"
def find_ways(share, nodes, floor=0.2):
    return hunt(share, nodes, floor, deep=False)


# %% wrong: the share of the whole model for every way -> "shares of 1.0 and 0.5"
def find_ways(share, nodes, floor=0.2):
    whole = share(set())
    return [(way, whole) for way, _ in hunt(share, nodes, floor)]


# %% wrong: sets that are enough, with smaller ones in them -> "no ways here"
def find_ways(share, nodes, floor=0.2):
    ways = hunt(share, nodes, floor)
    both = [(a | b, max(x, y)) for (a, x), (b, y) in combinations(ways, 2)]
    return ways + ([both[0]] if len(nodes) > 4 and both else [])


# %% wrong: ignores the floor -> "no ways here"
def find_ways(share, nodes, floor=0.2):
    return hunt(share, nodes, 0.05)


# %% wrong: only ways that answer everything -> "you found 1"
def find_ways(share, nodes, floor=0.2):
    return hunt(share, nodes, 1.0)


# %% wrong: a share that equals the floor is not enough -> "equals the floor"
def find_ways(share, nodes, floor=0.2):
    return hunt(lambda off: share(off) - 1e-6, nodes, floor) if len(nodes) > 4 else hunt(share, nodes, floor)


# %% wrong: all subsets -> "more than 5,000 times"
def find_ways(share, nodes, floor=0.2):
    enough = []
    for size in range(len(nodes) + 1):
        for some in combinations(nodes, size):
            part = share(set(nodes) - set(some))
            if part >= floor and not any(way <= set(some) for way, _ in enough):
                enough.append((set(some), part))
    return enough


# %% wrong: the floor of the default whatever is given -> "no ways here"
def find_ways(share, nodes, floor=0.2):
    return hunt(share, nodes, 0.2)


# %% wrong: something even where nothing is enough -> "no ways here"
def find_ways(share, nodes, floor=0.2):
    return hunt(share, nodes, floor) or [(set(nodes), share(set()))]


# %% wrong: switches off each found node alone, and always prunes from all -> "were not found"
def find_ways(share, nodes, floor=0.2):
    first = prune(share, nodes, set(), floor)
    ways = [first] + [prune(share, nodes, {node}, floor) for node in first if share({node}) >= floor]
    unique = [way for i, way in enumerate(ways) if way not in ways[:i]]
    return [(way, share(set(nodes) - way)) for way in unique if share(set()) >= floor]


# %% right: a stack instead of recursion
def find_ways(share, nodes, floor=0.2):
    return hunt(share, nodes, floor)


# %% right: breadth first, hitting every known way
def find_ways(share, nodes, floor=0.2):
    ways, level = [], {frozenset()}
    while level:
        below = set()
        for gone in level:
            if share(set(gone)) < floor:
                continue
            way = next((way for way in ways if not way & gone), None)
            if way is None:
                keep = [node for node in nodes if node not in gone]
                for node in list(keep):
                    rest = [other for other in keep if other != node]
                    if share(set(nodes) - set(rest)) >= floor:
                        keep = rest
                way = set(keep)
                ways.append(way)
            below |= {gone | {node} for node in way}
        level = below
    return [(way, share(set(nodes) - way)) for way in ways]
