import numpy as np

NOTHING = {"behaviour": {}, "circuit": set(), "ways": [], "cards": []}


def work(model, rng, n_search=100, n_fresh=300, floor=0.2, pick=None, round_up=False, circuit=None, draws=10):
    behaviour = find_behaviour(model, rng)
    if not behaviour:
        return dict(NOTHING)
    search = Bench(model, behaviour, n_search, rng)
    found = find_ways(lambda off: float(search(off).mean()), search.nodes, floor)
    if pick:
        found = pick(found)
    bench = Bench(model, behaviour, n_fresh, rng)
    ways, cards = [], []
    for nodes, _ in found:
        values, control = alone(bench, nodes, rng, draws)
        cards.append(claim_card("these suffice", "answered (0 or 1)", values, control, "elsewhere", rng))
        ways.append((nodes, 1.0 if round_up else float(values.mean())))
    heads = {node for nodes, _ in ways for node in nodes if isinstance(node, tuple)}
    return {
        "behaviour": behaviour,
        "circuit": circuit(bench, heads) if circuit else heads,
        "ways": ways,
        "cards": cards,
    }


def alone(bench, nodes, rng, draws=10):
    every = set(bench.nodes)
    control = np.zeros(len(bench.clean))
    for _ in range(draws):
        some = {bench.nodes[i] for i in rng.permutation(len(every))[: len(nodes)]}
        control += bench(every - some) / draws
    return bench(every - nodes) * 1.0, control


# %% wrong: stops at the first way -> "a backup included"
def investigate(model, rng):
    return work(model, rng, pick=lambda found: found[:1])


# %% wrong: only ways that answer everything, so the part-time backup is missing -> "F1"
def investigate(model, rng):
    return work(model, rng, floor=0.95)


# %% wrong: every way is said to answer always -> "calibrated"
def investigate(model, rng):
    report = work(model, rng, round_up=True)
    cards = [
        card | {"evidence": 1.0, "interval": (card["interval"][0], 1.0 - card["baseline"])}
        for card in report["cards"]
    ]
    return report | {"cards": cards}


# %% wrong: the shares and the cards rest on the few prompts of the search -> "at least 200 prompts"
def investigate(model, rng):
    return work(model, rng, n_fresh=40)


# %% wrong: words are counted among the heads -> "no words"
def investigate(model, rng):
    report = work(model, rng)
    nodes = {node for way, _ in report["ways"] for node in way}
    return report | {"circuit": report["circuit"] if len(report["behaviour"]) == 1 else nodes}


# %% wrong: the circuit holds what all ways share -> "a backup included"
def investigate(model, rng):
    report = work(model, rng)
    if report["ways"]:
        report["circuit"] &= set.intersection(*(nodes for nodes, _ in report["ways"]))
    return report


# %% wrong: a card for the best way only -> "each with its card"
def investigate(model, rng):
    report = work(model, rng)
    return report | {"cards": report["cards"][:1]}


# %% wrong: cards that nobody measured -> "interval should hold"
def investigate(model, rng):
    report = work(model, rng)
    made_up = {"baseline": 0.0, "interval": (0.99, 1.0)}
    return report | {"cards": [card | made_up | {"evidence": share} for card, (_, share) in zip(report["cards"], report["ways"])]}  # fmt: skip


# %% wrong: the cards in another order than the ways -> "on the same prompts"
def investigate(model, rng):
    report = work(model, rng)
    return report | {"cards": report["cards"][::-1]}


# %% wrong: something is reported where nothing is -> "nothing to report"
def investigate(model, rng):
    report = work(model, rng)
    return report if report["ways"] else report | {"circuit": {(3, 0)}}


# %% wrong: heads that look at the words -> "circuit"
def investigate(model, rng):
    def looking(bench, heads):
        _, cache = bench.model.run_with_cache(bench.clean)
        return {
            (layer, head)
            for layer in range(4)
            for head in range(4)
            if cache["pattern", layer][:, head, -1, bench.places].sum(-1).mean() > 0.5
        }

    return work(model, rng, circuit=looking)


# %% wrong: shares that are rounded up, and cards to match -> "fresh box"
def investigate(model, rng):
    report = work(model, rng)
    ways = [(nodes, min(1.0, share + 0.25)) for nodes, share in report["ways"]]
    cards = [
        card | {"evidence": share, "interval": (share - card["baseline"] - 0.1, share - card["baseline"])}
        for card, (_, share) in zip(report["cards"], ways, strict=True)
    ]
    return report | {"ways": ways, "cards": cards}


# %% right: with a helper
def investigate(model, rng):
    return work(model, rng, n_search=120, n_fresh=400)


# %% right: everything on one large bench, searched on its first prompts
def investigate(model, rng):
    behaviour = find_behaviour(model, rng, 6000)
    report = dict(NOTHING, behaviour=behaviour, circuit=set(), ways=[], cards=[])
    if not behaviour:
        return report
    bench = Bench(model, behaviour, 256, rng)
    first = Bench(model, behaviour, 100, rng)
    for nodes, _ in find_ways(lambda off: np.count_nonzero(first(off)) / 100, list(reversed(first.nodes))):
        values, control = alone(bench, nodes, rng)
        report["ways"].append((nodes, float(np.mean(values))))
        report["cards"].append(claim_card("c", "m", values, control, "f", rng, draws=500))
        report["circuit"] = report["circuit"] | {node for node in nodes if not isinstance(node, str)}
    return report
