import numpy as np

TEXTS = ("claim", "metric", "fails_when")
NUMBERS = ("evidence", "baseline", "n", "interval")


def judge(
    card, remeasure, stretch=2**0.5, blank=True, consistent=True, first="incomplete", strict=False, centre=False,
    size=None, texts=TEXTS, numbers=NUMBERS, upper=True, control=True,
):  # fmt: skip
    lacking = any(key not in card for key in texts + numbers)
    if not lacking and blank:
        lacking = any(not str(card[key]).strip() for key in texts)
    if lacking and first == "incomplete":
        return "incomplete"
    low, high = card["interval"]
    gap = card["evidence"] - card["baseline"]
    if consistent and not low - 1e-9 <= gap <= high + 1e-9:
        return "inconsistent"
    if lacking:
        return "incomplete"
    if low < 0 if strict else low <= 0:
        return "no better than its baseline"
    values, base = remeasure(size or card["n"])
    fresh = np.mean(values) - (np.mean(base) if control else 0)
    if centre:
        gap, low, high = (low + high) / 2, low, high
    below, above = gap - stretch * (gap - low), gap + stretch * (high - gap)
    if fresh < below - 1e-9 or (upper and fresh > above + 1e-9):
        return "not reproduced"
    return "confirmed"


# %% wrong: the interval as it is -> "'confirmed', not 'not reproduced'"
def check_claim(card, remeasure):
    return judge(card, remeasure, stretch=1)


# %% wrong: stretched by two -> "'not reproduced', not 'confirmed'"
def check_claim(card, remeasure):
    return judge(card, remeasure, stretch=2)


# %% wrong: stretched about the middle of the interval -> "the stretched"
def check_claim(card, remeasure):
    return judge(card, remeasure, centre=True)


# %% wrong: a larger effect is always welcome -> "'not reproduced', not 'confirmed'"
def check_claim(card, remeasure):
    return judge(card, remeasure, upper=False)


# %% wrong: blank entries pass -> "'incomplete', not 'confirmed'"
def check_claim(card, remeasure):
    return judge(card, remeasure, blank=False)


# %% wrong: does not look for contradictions -> "'inconsistent', not"
def check_claim(card, remeasure):
    return judge(card, remeasure, consistent=False)


# %% wrong: an interval that ends at 0 counts -> "an interval that ends at 0"
def check_claim(card, remeasure):
    return judge(card, remeasure, strict=True)


# %% wrong: always a hundred prompts -> "with the card's n"
def check_claim(card, remeasure):
    return judge(card, remeasure, size=100)


# %% wrong: measures before it reads the card -> "should not cost a run"
def check_claim(card, remeasure):
    fresh = remeasure(card.get("n", 10))
    return judge(card, lambda n: fresh)


# %% wrong: measures twice -> "called once"
def check_claim(card, remeasure):
    return judge(card, lambda n: (remeasure(n)[0], remeasure(n)[1]))


# %% wrong: compares the new values without their control -> "the same difference again"
def check_claim(card, remeasure):
    return judge(card, remeasure, control=False)


# %% wrong: contradictions come first -> "incomplete stands above"
def check_claim(card, remeasure):
    lacking = any(key not in card for key in TEXTS + NUMBERS)
    return "incomplete" if lacking else judge(card, remeasure, first="inconsistent")


# %% wrong: does not miss the number of prompts -> "n is missing"
def check_claim(card, remeasure):
    return judge({"n": 50} | card, remeasure)


# %% wrong: more entries are refused -> "an entry more"
def check_claim(card, remeasure):
    return "incomplete" if len(card) != 7 else judge(card, remeasure)


# %% right: with a helper
def check_claim(card, remeasure):
    return judge(card, remeasure)


# %% right: in units of the arms
def check_claim(card, remeasure):
    try:
        texts = [card[key] for key in TEXTS]
        gap, n, (low, high) = card["evidence"] - card["baseline"], card["n"], card["interval"]
    except KeyError:
        return "incomplete"
    if min(len(text.strip()) for text in texts) == 0:
        return "incomplete"
    if gap < low - 1e-9 or gap > high + 1e-9:
        return "inconsistent"
    if not low > 0:
        return "no better than its baseline"
    values, control = remeasure(n)
    moved = float(np.mean(np.asarray(values) - np.asarray(control))) - gap
    arm = high - gap if moved > 0 else gap - low
    return "confirmed" if abs(moved) <= np.sqrt(2) * arm + 1e-9 else "not reproduced"
