import numpy as np


def refuse(claim, metric, values, control, fails_when):
    if len(values) != len(control) or len(values) < 2:
        raise ValueError("lengths")
    if not (claim.strip() and metric.strip() and fails_when.strip()):
        raise ValueError("blank")


def filled(claim, metric, values, control, fails_when, interval):
    return {
        "claim": claim,
        "metric": metric,
        "evidence": float(np.mean(values)),
        "baseline": float(np.mean(control)),
        "n": len(values),
        "interval": interval,
        "fails_when": fails_when,
    }


def ends(means, tail=2.5):
    return tuple(float(x) for x in np.percentile(means, [tail, 100 - tail]))


def paired(values, control, rng, draws, size=None):
    gap = np.asarray(values, float) - np.asarray(control, float)
    return gap[rng.integers(len(gap), size=(draws, size or len(gap)))].mean(1)


# %% wrong: values and control are drawn apart -> "not values and control apart"
def claim_card(claim, metric, values, control, fails_when, rng, draws=2000):
    refuse(claim, metric, values, control, fails_when)
    zero = np.zeros(len(values))
    means = paired(values, zero, rng, draws) - paired(control, zero, rng, draws)
    return filled(claim, metric, values, control, fails_when, ends(means))


# %% wrong: a 90 % interval -> "95 %"
def claim_card(claim, metric, values, control, fails_when, rng, draws=2000):
    refuse(claim, metric, values, control, fails_when)
    return filled(
        claim, metric, values, control, fails_when, ends(paired(values, control, rng, draws), tail=5)
    )


# %% wrong: the spread of single prompts instead of means -> "interval is"
def claim_card(claim, metric, values, control, fails_when, rng, draws=2000):
    refuse(claim, metric, values, control, fails_when)
    return filled(claim, metric, values, control, fails_when, ends(np.asarray(values) - np.asarray(control)))


# %% wrong: the interval of the evidence, not of the difference -> "should hold evidence - baseline"
def claim_card(claim, metric, values, control, fails_when, rng, draws=2000):
    refuse(claim, metric, values, control, fails_when)
    means = paired(values, np.zeros(len(values)), rng, draws)
    return filled(claim, metric, values, control, fails_when, ends(means))


# %% wrong: half as many prompts in each draw -> "standard errors"
def claim_card(claim, metric, values, control, fails_when, rng, draws=2000):
    refuse(claim, metric, values, control, fails_when)
    means = paired(values, control, rng, draws, len(values) // 2)
    return filled(claim, metric, values, control, fails_when, ends(means))


# %% wrong: mean plus and minus 1.96 errors -> "cannot fall below 0"
def claim_card(claim, metric, values, control, fails_when, rng, draws=2000):
    refuse(claim, metric, values, control, fails_when)
    means = paired(values, control, rng, draws)
    gap, error = float(np.mean(values) - np.mean(control)), float(means.std())
    return filled(claim, metric, values, control, fails_when, (gap - 1.96 * error, gap + 1.96 * error))


# %% wrong: a generator of its own -> "use rng alone"
def claim_card(claim, metric, values, control, fails_when, rng, draws=2000):
    refuse(claim, metric, values, control, fails_when)
    return filled(
        claim,
        metric,
        values,
        control,
        fails_when,
        ends(paired(values, control, np.random.default_rng(), draws)),
    )


# %% wrong: always the same draws -> "another rng"
def claim_card(claim, metric, values, control, fails_when, rng, draws=2000):
    refuse(claim, metric, values, control, fails_when)
    return filled(
        claim,
        metric,
        values,
        control,
        fails_when,
        ends(paired(values, control, np.random.default_rng(0), draws)),
    )


# %% wrong: takes blank texts -> "a blank claim should be refused"
def claim_card(claim, metric, values, control, fails_when, rng, draws=2000):
    refuse("a", "b", values, control, "c")
    return filled(claim, metric, values, control, fails_when, ends(paired(values, control, rng, draws)))


# %% wrong: the evidence is already the difference -> "the evidence is the mean"
def claim_card(claim, metric, values, control, fails_when, rng, draws=2000):
    refuse(claim, metric, values, control, fails_when)
    made = filled(claim, metric, values, control, fails_when, ends(paired(values, control, rng, draws)))
    return made | {"evidence": made["evidence"] - made["baseline"]}


# %% wrong: the card without its limits -> "seven entries"
def claim_card(claim, metric, values, control, fails_when, rng, draws=2000):
    refuse(claim, metric, values, control, fails_when)
    made = filled(claim, metric, values, control, fails_when, ends(paired(values, control, rng, draws)))
    return {key: value for key, value in made.items() if key != "fails_when"}


# %% right: a loop with rng.choice
def claim_card(claim, metric, values, control, fails_when, rng, draws=2000):
    refuse(claim, metric, values, control, fails_when)
    values, control = np.array(values, float), np.array(control, float)
    places = np.arange(len(values))
    means = []
    for _ in range(draws):
        some = rng.choice(places, len(places))
        means.append(values[some].mean() - control[some].mean())
    return filled(claim, metric, values, control, fails_when, ends(means))


# %% right: multinomial counts instead of indices
def claim_card(claim, metric, values, control, fails_when, rng, draws=2000):
    refuse(claim, metric, values, control, fails_when)
    n = len(values)
    gap = np.array(values, float) - np.array(control, float)
    means = rng.multinomial(n, np.full(n, 1 / n), size=draws) @ gap / n
    return filled(claim, metric, values, control, fails_when, [float(x) for x in ends(means)])
