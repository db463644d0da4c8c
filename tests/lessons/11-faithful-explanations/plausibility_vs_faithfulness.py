import numpy as np


# %% wrong: scores agreement over all pairs, so that silence earns 0.75 -> "misses the one change"
def plausibility_vs_faithfulness(model, explanations, seen, held_out):
    changed = [model(a) != model(b) for a, b in held_out]
    if all(changed) or not any(changed):
        raise ValueError("nothing to test")
    return {
        name: {
            "fit": float(np.mean([explain(q) == model(q) for q in seen])),
            "faithfulness": float(np.mean([explain(b) == model(b) for _, b in held_out])),
        }
        for name, explain in explanations.items()
    }


# %% wrong: looks at the pairs with a change only -> "misses the one change"
def plausibility_vs_faithfulness(model, explanations, seen, held_out):
    after = [b for a, b in held_out if model(a) != model(b)]
    if not after or len(after) == len(held_out):
        raise ValueError("nothing to test")
    return {
        name: {
            "fit": float(np.mean([explain(q) == model(q) for q in seen])),
            "faithfulness": float(np.mean([explain(b) == model(b) for b in after])),
        }
        for name, explain in explanations.items()
    }


# %% wrong: predicts the question before the change -> "misses the one change"
def plausibility_vs_faithfulness(model, explanations, seen, held_out):
    changed = np.array([model(a) != model(b) for a, b in held_out], dtype=bool)
    if not changed.any() or changed.all():
        raise ValueError("nothing to test")
    scores = {}
    for name, explain in explanations.items():
        right = np.array([explain(a) == model(a) for a, _ in held_out])
        scores[name] = {
            "fit": float(np.mean([explain(q) == model(q) for q in seen])),
            "faithfulness": float((right[changed].mean() + right[~changed].mean()) / 2),
        }
    return scores


# %% wrong: is content if the explanation changes when the model does, whatever it says -> "mean of two shares"
def plausibility_vs_faithfulness(model, explanations, seen, held_out):
    changed = np.array([model(a) != model(b) for a, b in held_out], dtype=bool)
    if not changed.any() or changed.all():
        raise ValueError("nothing to test")
    scores = {}
    for name, explain in explanations.items():
        right = np.array([explain(a) != explain(b) for a, b in held_out]) == changed
        scores[name] = {
            "fit": float(np.mean([explain(q) == model(q) for q in seen])),
            "faithfulness": float((right[changed].mean() + right[~changed].mean()) / 2),
        }
    return scores


# %% wrong: splits by whether the explanation changed -> "misses the one change"
def plausibility_vs_faithfulness(model, explanations, seen, held_out):
    if len({model(a) != model(b) for a, b in held_out}) < 2:
        raise ValueError("nothing to test")
    scores = {}
    for name, explain in explanations.items():
        changed = np.array([explain(a) != explain(b) for a, b in held_out])
        right = np.array([explain(b) == model(b) for _, b in held_out])
        shares = [right[mask].mean() for mask in (changed, ~changed) if mask.any()]
        scores[name] = {
            "fit": float(np.mean([explain(q) == model(q) for q in seen])),
            "faithfulness": float(np.mean(shares)),
        }
    return scores


# %% wrong: fit on the questions before the changes -> "share of the seen questions"
def plausibility_vs_faithfulness(model, explanations, seen, held_out):
    changed = np.array([model(a) != model(b) for a, b in held_out], dtype=bool)
    if not changed.any() or changed.all():
        raise ValueError("nothing to test")
    scores = {}
    for name, explain in explanations.items():
        right = np.array([explain(b) == model(b) for _, b in held_out])
        scores[name] = {
            "fit": float(np.mean([explain(a) == model(a) for a, _ in held_out])),
            "faithfulness": float((right[changed].mean() + right[~changed].mean()) / 2),
        }
    return scores


# %% wrong: does not notice that nothing was tested -> "expected ValueError"
def plausibility_vs_faithfulness(model, explanations, seen, held_out):
    changed = np.array([model(a) != model(b) for a, b in held_out], dtype=bool)
    scores = {}
    for name, explain in explanations.items():
        right = np.array([explain(b) == model(b) for _, b in held_out])
        shares = [right[mask].mean() for mask in (changed, ~changed) if mask.any()]
        scores[name] = {
            "fit": float(np.mean([explain(q) == model(q) for q in seen])),
            "faithfulness": float(np.mean(shares)) if shares else 0.0,
        }
    return scores


# %% right: plain loops and counters
def plausibility_vs_faithfulness(model, explanations, seen, held_out):
    kinds = [int(model(before) != model(after)) for before, after in held_out]
    if set(kinds) != {0, 1}:
        raise ValueError("both kinds of pair are needed")
    result = {}
    for name in explanations:
        agree = 0
        for question in seen:
            agree += explanations[name](question) == model(question)
        hits, totals = [0, 0], [0, 0]
        for kind, (_, after) in zip(kinds, held_out):
            totals[kind] += 1
            hits[kind] += explanations[name](after) == model(after)
        result[name] = {
            "fit": agree / len(seen),
            "faithfulness": (hits[0] / totals[0] + hits[1] / totals[1]) / 2,
        }
    return result


# %% right: weights that sum to one half for either kind of pair
def plausibility_vs_faithfulness(model, explanations, seen, held_out):
    answers = [(model(a), model(b)) for a, b in held_out]
    n_changed = sum(a != b for a, b in answers)
    if n_changed in (0, len(answers)):
        raise ValueError("nothing was tested")
    weight = [0.5 / n_changed if a != b else 0.5 / (len(answers) - n_changed) for a, b in answers]

    def score(explain):
        bets = [explain(b) == want for (_, b), (_, want) in zip(held_out, answers)]
        return {
            "fit": sum(explain(q) == model(q) for q in seen) / len(seen),
            "faithfulness": sum(w for w, won in zip(weight, bets) if won),
        }

    return {name: score(explain) for name, explain in explanations.items()}
