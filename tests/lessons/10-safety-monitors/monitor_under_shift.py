def rows(threshold, groups, fpr, holds, above=lambda s, t: s > t):
    out = {}
    for name, (scores, bad) in groups.items():
        alarm = above(scores, threshold)
        calm, wild = alarm[~bad].tolist(), alarm[bad].tolist()
        out[name] = {
            "recall": sum(wild) / len(wild) if wild else None,
            "false_alarms": sum(calm) / len(calm) if calm else None,
            "holds": holds(sum(calm), len(calm)) if calm else None,
        }
    return out


def fits(fpr):
    return lambda k, n: wilson(k, n)[0] <= fpr


# %% wrong: the point estimate decides -> "'holds' should be"
def monitor_under_shift(threshold, groups, fpr):
    return rows(threshold, groups, fpr, lambda k, n: k / n <= fpr)


# %% wrong: the upper end decides -> "you returned"
def monitor_under_shift(threshold, groups, fpr):
    return rows(threshold, groups, fpr, lambda k, n: wilson(k, n)[1] <= fpr)


# %% wrong: always holds -> "cannot be a rate of 0.05"
def monitor_under_shift(threshold, groups, fpr):
    return rows(threshold, groups, fpr, lambda k, n: True)


# %% wrong: at the threshold counts as an alarm -> "above (not at)"
def monitor_under_shift(threshold, groups, fpr):
    return rows(threshold, groups, fpr, fits(fpr), above=lambda s, t: s >= t)


# %% wrong: a new threshold for each group -> "cannot be a rate"
def monitor_under_shift(threshold, groups, fpr):
    out = {}
    for name, (scores, bad) in groups.items():
        own = float(scores.sort().values[int(0.9 * len(scores)) - 1])
        out |= rows(own, {name: (scores, bad)}, fpr, fits(fpr))
    return out


# %% wrong: 0.0 where there is nothing to count -> "you returned"
def monitor_under_shift(threshold, groups, fpr):
    found = rows(threshold, groups, fpr, fits(fpr))
    return {name: {**row, "recall": row["recall"] or 0.0} for name, row in found.items()}


# %% wrong: false alarms of all texts -> "'false_alarms' of"
def monitor_under_shift(threshold, groups, fpr):
    found = rows(threshold, groups, fpr, fits(fpr))
    for name, (scores, bad) in groups.items():
        if found[name]["false_alarms"] is not None:
            found[name]["false_alarms"] = float((scores > threshold).float().mean())
    return found


# %% wrong: a dictionary for the last group only -> "'calm'"
def monitor_under_shift(threshold, groups, fpr):
    found = rows(threshold, groups, fpr, fits(fpr))
    return dict([list(found.items())[-1]])


# %% wrong: an interval for the recall instead -> "'holds' should be"
def monitor_under_shift(threshold, groups, fpr):
    found = rows(threshold, groups, fpr, fits(fpr))
    for name, (scores, bad) in groups.items():
        alarm = scores > threshold
        if bad.any():
            found[name]["holds"] = wilson(int(alarm[bad].sum()), int(bad.sum()))[0] <= fpr
    return found


# %% right: with helpers
def monitor_under_shift(threshold, groups, fpr):
    return rows(threshold, groups, fpr, fits(fpr))


# %% right: with tensors and a conditional expression
def monitor_under_shift(threshold, groups, fpr):
    def one(scores, bad):
        good, rings = scores[~bad], scores > threshold
        share = lambda mine: rings[mine].double().mean().item() if mine.any() else None
        low = wilson((good > threshold).sum().item(), len(good))[0] if len(good) else None
        return {
            "recall": share(bad),
            "false_alarms": share(~bad),
            "holds": None if low is None else not low > fpr,
        }

    return {name: one(*group) for name, group in groups.items()}
