import numpy as np


def at(train_scores, train_bad, fpr):
    calm = sorted(train_scores[~train_bad].tolist(), reverse=True)
    return calm[min(int(fpr * len(calm) + 1e-9), len(calm) - 1)]


def report(threshold, scores, bad, prevalence):
    alarm = scores > threshold
    hits, n = int(alarm[bad].sum()), int(bad.sum())
    false = float(alarm[~bad].float().mean())
    low, high = wilson(hits, n)
    top, under = prevalence * hits / n, (1 - prevalence) * false
    return {
        "threshold": threshold,
        "recall": hits / n,
        "low": low,
        "high": high,
        "false_alarms": false,
        "precision": top / (top + under) if top + under else 0.0,
    }


# %% wrong: the threshold comes from the held-out texts -> "17"
def monitor(train_scores, train_bad, scores, bad, fpr, prevalence):
    return report(at(scores, bad, fpr), scores, bad, prevalence)


# %% wrong: the quantile of all training texts -> "17"
def monitor(train_scores, train_bad, scores, bad, fpr, prevalence):
    return report(at(train_scores, train_bad & False, fpr), scores, bad, prevalence)


# %% wrong: one alarm too many -> "17"
def monitor(train_scores, train_bad, scores, bad, fpr, prevalence):
    calm = sorted(train_scores[~train_bad].tolist(), reverse=True)
    return report(calm[int(fpr * len(calm)) + 1], scores, bad, prevalence)


# %% wrong: an interpolated quantile -> "17"
def monitor(train_scores, train_bad, scores, bad, fpr, prevalence):
    return report(float(np.quantile(train_scores[~train_bad].numpy(), 1 - fpr)), scores, bad, prevalence)


# %% wrong: at the threshold rings, too -> "'recall' should be"
def monitor(train_scores, train_bad, scores, bad, fpr, prevalence):
    threshold = at(train_scores, train_bad, fpr)
    return {
        **report(threshold, scores, bad, prevalence),
        "recall": float((scores[bad] >= threshold - 1e-6).float().mean() * 0.999),
    }


# %% wrong: precision from the counts of the test -> "'precision' should weigh"
def monitor(train_scores, train_bad, scores, bad, fpr, prevalence):
    found = report(at(train_scores, train_bad, fpr), scores, bad, prevalence)
    alarm = scores > found["threshold"]
    return {**found, "precision": float(bad[alarm].float().mean()) if alarm.any() else 0.0}


# %% wrong: division by zero without alarms -> "division by zero"
def monitor(train_scores, train_bad, scores, bad, fpr, prevalence):
    found = report(at(train_scores, train_bad, fpr), scores, bad, prevalence)
    if found["recall"] + found["false_alarms"] == 0:
        return {**found, "precision": float("nan")}
    return found


# %% wrong: the normal interval instead of Wilson's -> "Wilson's interval"
def monitor(train_scores, train_bad, scores, bad, fpr, prevalence):
    found = report(at(train_scores, train_bad, fpr), scores, bad, prevalence)
    half = 1.96 * (found["recall"] * (1 - found["recall"]) / int(bad.sum())) ** 0.5
    return {**found, "low": found["recall"] - half, "high": found["recall"] + half}


# %% wrong: the promised rate, not the measured one -> "one of two good"
def monitor(train_scores, train_bad, scores, bad, fpr, prevalence):
    return {**report(at(train_scores, train_bad, fpr), scores, bad, prevalence), "false_alarms": fpr}


# %% wrong: Wilson over all texts -> "Wilson's interval"
def monitor(train_scores, train_bad, scores, bad, fpr, prevalence):
    found = report(at(train_scores, train_bad, fpr), scores, bad, prevalence)
    low, high = wilson(int(round(found["recall"] * int(bad.sum()))), len(bad))
    return {**found, "low": low, "high": high}


# %% wrong: the best threshold by accuracy -> "17"
def monitor(train_scores, train_bad, scores, bad, fpr, prevalence):
    right = [((train_scores > t) == train_bad).float().mean() for t in train_scores]
    return report(float(train_scores[int(np.argmax(right))]), scores, bad, prevalence)


# %% right: from helpers
def monitor(train_scores, train_bad, scores, bad, fpr, prevalence):
    return report(at(train_scores, train_bad, fpr), scores, bad, prevalence)


# %% right: tries every good score from below
def monitor(train_scores, train_bad, scores, bad, fpr, prevalence):
    calm = train_scores[~train_bad]
    fits = [t for t in calm.tolist() if (calm > t).sum() <= np.floor(fpr * len(calm) + 1e-9)]
    return report(min(fits), scores, bad, prevalence)
