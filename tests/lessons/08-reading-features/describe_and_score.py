import numpy as np


def score(
    rule, words, acts, keep, rng, n_bands, bands=None, marks=None, at_least=0.5, refuse=True, mean=np.mean
):
    """The method with one part exchanged. `keep` lists the windows that count."""
    claims = {i: np.array(rule(words[i]), dtype=bool) for i in keep}
    peaks = acts.max(dim=1).values
    firing = sorted((i for i in keep if peaks[i] > 0), key=lambda i: float(peaks[i]))
    silent = [i for i in keep if peaks[i] <= 0]
    if refuse and (len(firing) < n_bands or not silent):
        raise ValueError("too few")
    groups = bands(firing) if bands else np.array_split(firing, n_bands)
    recall = [float(np.mean([claims[i].any() for i in group])) for group in groups]
    false_alarms = float(np.mean([claims[i].any() for i in silent])) if silent else 0.0
    yes, no = [], []
    for i in firing:
        fires = acts[i].numpy() > 0
        if fires.all():
            continue
        quiet = np.flatnonzero(~fires)
        sham = (
            marks(fires, quiet) if marks else rng.choice(quiet, min(fires.sum(), len(quiet)), replace=False)
        )
        yes.append(claims[i][fires].mean() >= at_least)
        no.append(claims[i][sham].mean() >= at_least)
    return {
        "recall": recall,
        "false_alarms": false_alarms,
        "detection": (mean(recall) + 1 - false_alarms) / 2,
        "fuzzing": (np.mean(yes) + 1 - np.mean(no)) / 2 if yes else float("nan"),
    }


def unseen(seen):
    return [i for i in range(len(seen)) if not seen[i]]


# %% wrong: seen windows are not left out -> "seen"
def describe_and_score(rule, words, acts, seen, rng, n_bands=4):
    keep = list(range(len(words))) if len(words) > 4 else unseen(seen)
    return score(rule, words, acts, keep, rng, n_bands)


# %% wrong: seen windows count everywhere -> "must not be scored"
def describe_and_score(rule, words, acts, seen, rng, n_bands=4):
    return score(rule, words, acts, list(range(len(words))), rng, n_bands)


# %% wrong: only the windows that were seen -> "ValueError"
def describe_and_score(rule, words, acts, seen, rng, n_bands=4):
    return score(rule, words, acts, [i for i in range(len(seen)) if seen[i]], rng, n_bands)


# %% wrong: detection on the strongest band alone -> "0.75"
def describe_and_score(rule, words, acts, seen, rng, n_bands=4):
    return score(rule, words, acts, unseen(seen), rng, n_bands, mean=lambda recall: recall[-1])


# %% wrong: strongest band first -> "weaker band"
def describe_and_score(rule, words, acts, seen, rng, n_bands=4):
    out = score(rule, words, acts, unseen(seen), rng, n_bands)
    return out | {"recall": out["recall"][::-1]}


# %% wrong: plain accuracy over all windows -> "1/2"
def describe_and_score(rule, words, acts, seen, rng, n_bands=4):
    out = score(rule, words, acts, unseen(seen), rng, n_bands)
    right = [any(rule(words[i])) == bool((acts[i] > 0).any()) for i in unseen(seen)]
    return out | {"detection": float(np.mean(right)) if len(words) > 4 else out["detection"]}


# %% wrong: recall over all firing windows, whatever the band's size -> "each counts the same"
def describe_and_score(rule, words, acts, seen, rng, n_bands=4):
    out = score(rule, words, acts, unseen(seen), rng, n_bands)
    on = [any(rule(words[i])) for i in unseen(seen) if (acts[i] > 0).any()]
    return out | {"detection": (float(np.mean(on)) + 1 - out["false_alarms"]) / 2}


# %% wrong: bands of equal width in activation -> "11 windows"
def describe_and_score(rule, words, acts, seen, rng, n_bands=4):
    def bands(firing):
        peaks = np.array([float(acts[i].max()) for i in firing])
        edges = np.linspace(0, peaks.max(), n_bands + 1)[1:-1]
        place = np.digitize(peaks, edges)
        return [
            [i for i, b in zip(firing, place, strict=True) if b == band] or firing[:1]
            for band in range(n_bands)
        ]

    return score(rule, words, acts, unseen(seen), rng, n_bands, bands=bands)


# %% wrong: false alarms are not counted -> "false alarms"
def describe_and_score(rule, words, acts, seen, rng, n_bands=4):
    out = score(rule, words, acts, unseen(seen), rng, n_bands)
    return out | {"detection": float(np.mean(out["recall"]))}


# %% wrong: false marks are the first silent tokens -> "other false marks"
def describe_and_score(rule, words, acts, seen, rng, n_bands=4):
    return score(
        rule, words, acts, unseen(seen), rng, n_bands, marks=lambda fires, quiet: quiet[: fires.sum()]
    )


# %% wrong: false marks anywhere in the window -> "0"
def describe_and_score(rule, words, acts, seen, rng, n_bands=4):
    anywhere = lambda fires, quiet: rng.choice(len(fires), fires.sum(), replace=False)
    return score(rule, words, acts, unseen(seen), rng, n_bands, marks=anywhere)


# %% wrong: an rng of its own -> "rng"
def describe_and_score(rule, words, acts, seen, rng, n_bands=4):
    return score(rule, words, acts, unseen(seen), np.random.default_rng(0), n_bands)


# %% wrong: all marked tokens must be claimed -> "at least half"
def describe_and_score(rule, words, acts, seen, rng, n_bands=4):
    return score(rule, words, acts, unseen(seen), rng, n_bands, at_least=1.0)


# %% wrong: all silent tokens are marked, not as many as fire -> "at random"
def describe_and_score(rule, words, acts, seen, rng, n_bands=4):
    return score(rule, words, acts, unseen(seen), rng, n_bands, marks=lambda fires, quiet: quiet)


# %% wrong: too few windows pass -> "ValueError"
def describe_and_score(rule, words, acts, seen, rng, n_bands=4):
    return score(rule, words, acts, unseen(seen), rng, n_bands, refuse=False)


# %% right: the parts as they are
def describe_and_score(rule, words, acts, seen, rng, n_bands=4):
    return score(rule, words, acts, unseen(seen), rng, n_bands)


# %% right: arrays and a loop
def describe_and_score(rule, words, acts, seen, rng, n_bands=4):
    values, keep = acts.numpy(), np.flatnonzero(~seen.numpy())
    said = [np.asarray(rule(words[i])) for i in keep]
    fires = values[keep] > 0
    yes = np.array([row.any() for row in said])
    on = fires.any(axis=1)
    if on.sum() < n_bands or on.all():
        raise ValueError("not enough windows to score")
    order = np.flatnonzero(on)[np.argsort(values[keep].max(axis=1)[on], kind="stable")]
    recall = [yes[group].mean() for group in np.array_split(order, n_bands)]
    counts = np.zeros((2, 2))
    for i in np.flatnonzero(on):
        off = np.flatnonzero(~fires[i])
        if len(off):
            drawn = rng.permutation(off)[: fires[i].sum()]
            counts[0] += [said[i][fires[i]].mean() >= 0.5, 1]
            counts[1] += [said[i][drawn].mean() >= 0.5, 1]
    shares = counts[:, 0] / counts[:, 1] if counts[0, 1] else [np.nan, np.nan]
    alarms = yes[~on].mean()
    return {
        "recall": [float(r) for r in recall], "false_alarms": float(alarms),
        "detection": float(np.mean(recall) + 1 - alarms) / 2, "fuzzing": float(shares[0] + 1 - shares[1]) / 2,
    }  # fmt: skip
