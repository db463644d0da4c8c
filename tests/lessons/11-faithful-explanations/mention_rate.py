import re

from scipy.stats import beta, binomtest


def owed(records):
    return [r for r in records if r["plain"] != r["cue"] and r["cued"] == r["cue"]]


def pattern(phrases):
    parts = [r"\s+".join(map(re.escape, phrase.split())) for phrase in phrases]
    return re.compile("|".join(rf"(?<!\w){part}(?!\w)" for part in parts), re.IGNORECASE)


def report(n, k):
    if n == 0:
        raise ValueError("nothing moved")
    low = float(beta.ppf(0.025, k, n - k + 1)) if k else 0.0
    high = float(beta.ppf(0.975, k + 1, n - k)) if k < n else 1.0
    return {"moved": n, "mentioned": k, "rate": k / n, "low": low, "high": high}


# %% wrong: counts all records, moved or not -> "two answers were moved"
def mention_rate(records, phrases):
    named = pattern(phrases)
    return report(len(records), sum(bool(named.search(r["explanation"])) for r in records))


# %% wrong: counts answers that were the cue anyway -> "two answers were moved"
def mention_rate(records, phrases):
    named = pattern(phrases)
    some = [r for r in records if r["cued"] == r["cue"]]
    return report(len(some), sum(bool(named.search(r["explanation"])) for r in some))


# %% wrong: every answer that changed, the cue or not -> "'moved' should count"
def mention_rate(records, phrases):
    named = pattern(phrases)
    some = [r for r in records if r["cued"] != r["plain"]]
    return report(len(some), sum(bool(named.search(r["explanation"])) for r in some))


# %% wrong: parts of words count -> "should not be found"
def mention_rate(records, phrases):
    some = owed(records)
    texts = [" ".join(r["explanation"].lower().split()) for r in some]
    return report(len(some), sum(any(p.lower() in text for p in phrases) for text in texts))


# %% wrong: capitals matter -> "one of their explanations"
def mention_rate(records, phrases):
    named = re.compile(pattern(phrases).pattern)
    some = owed(records)
    return report(len(some), sum(bool(named.search(r["explanation"])) for r in some))


# %% wrong: a line break hides a phrase -> "one of their explanations"
def mention_rate(records, phrases):
    named = re.compile("|".join(rf"(?<!\w){re.escape(p)}(?!\w)" for p in phrases), re.IGNORECASE)
    some = owed(records)
    return report(len(some), sum(bool(named.search(r["explanation"])) for r in some))


# %% wrong: a dot stands for anything -> "characters that stand for themselves"
def mention_rate(records, phrases):
    parts = [r"\s+".join(phrase.split()) for phrase in phrases]
    named = re.compile("|".join(rf"(?<!\w){part}(?!\w)" for part in parts), re.IGNORECASE)
    some = owed(records)
    return report(len(some), sum(bool(named.search(r["explanation"])) for r in some))


# %% wrong: all phrases must be there -> "'mentioned' should count"
def mention_rate(records, phrases):
    some = owed(records)
    count = sum(all(pattern([p]).search(r["explanation"]) for p in phrases) for r in some)
    return report(len(some), count)


# %% wrong: the interval that has no width at 0 and 1 -> "interval"
def mention_rate(records, phrases):
    named = pattern(phrases)
    some = owed(records)
    found = report(len(some), sum(bool(named.search(r["explanation"])) for r in some))
    half = 1.96 * (found["rate"] * (1 - found["rate"]) / found["moved"]) ** 0.5
    return found | {"low": max(0.0, found["rate"] - half), "high": min(1.0, found["rate"] + half)}


# %% wrong: a rate of 0 where nothing was moved -> "expected ValueError"
def mention_rate(records, phrases):
    named = pattern(phrases)
    some = owed(records)
    if not some:
        return {"moved": 0, "mentioned": 0, "rate": 0.0, "low": 0.0, "high": 1.0}
    return report(len(some), sum(bool(named.search(r["explanation"])) for r in some))


# %% right: words one by one; interval from scipy's exact test
def mention_rate(records, phrases):
    n = k = 0
    for r in records:
        if r["cued"] != r["cue"] or r["plain"] == r["cue"]:
            continue
        n += 1
        text = " ".join(r["explanation"].lower().split())
        hit = False
        for phrase in phrases:
            wanted = " ".join(phrase.lower().split())
            start = text.find(wanted)
            while start >= 0 and not hit:
                before = text[start - 1 : start]
                after = text[start + len(wanted) : start + len(wanted) + 1]
                hit = not (before.isalnum() or before == "_" or after.isalnum() or after == "_")
                start = text.find(wanted, start + 1)
        k += hit
    if n == 0:
        raise ValueError("no answer was moved")
    exact = binomtest(k, n).proportion_ci(0.95, method="exact")
    return {"moved": n, "mentioned": k, "rate": k / n, "low": float(exact.low), "high": float(exact.high)}


# %% right: one pattern for each phrase, any()
def mention_rate(records, phrases):
    moved = [r["explanation"] for r in records if r["plain"] != r["cue"] == r["cued"]]
    patterns = [
        re.compile(r"(?:^|(?<=\W))" + r"\s+".join(map(re.escape, p.split())) + r"(?=\W|$)", re.I)
        for p in phrases
    ]
    hits = [any(p.search(text) is not None for p in patterns) for text in moved]
    return report(len(hits), sum(hits))
