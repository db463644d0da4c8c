import numpy as np
from scipy.stats import binomtest


def table(records, traffic, method="wilson", empty=(0.0, 1.0), rows="all", expected="traffic", at_most="all",
          worst="tested", untested="share"):  # fmt: skip
    names = list(dict.fromkeys([group for group, _ in records] + list(traffic)))
    groups = {}
    for name in names:
        cases = [bool(failed) for group, failed in records if group == name]
        n, k = len(cases), sum(cases)
        if n and method == "wald":
            p, half = k / n, 1.96 * (k / n * (1 - k / n) / n) ** 0.5
            low, high = p - half, p + half
        else:
            low, high = binomtest(k, n).proportion_ci(method=method) if n else empty
        groups[name] = {"n": n, "failed": k, "low": float(low), "high": float(high)}
    tested = [name for name in names if groups[name]["n"]]
    rate = {name: groups[name]["failed"] / groups[name]["n"] for name in tested}
    if expected == "traffic":
        mean = sum(part * rate.get(name, 0) for name, part in traffic.items())
    elif expected == "pooled":
        mean = sum(groups[name]["failed"] for name in tested) / len(records)
    elif expected == "renormalised":
        covered = sum(part for name, part in traffic.items() if name in rate)
        mean = sum(part * rate[name] for name, part in traffic.items() if name in rate) / covered
    else:
        mean = sum(rate.values()) / len(rate)
    top = sum(part * groups[g]["high"] for g, part in traffic.items() if at_most == "all" or groups[g]["n"])
    missing = [part for name, part in traffic.items() if name not in rate]
    pool = {"tested": tested, "all": names, "traffic": [n for n in tested if n in traffic]}[worst]
    shown = (
        groups
        if rows == "all"
        else {name: groups[name] for name in (tested if rows == "tested" else traffic)}
    )
    return {
        "groups": shown,
        "expected": float(mean),
        "at_most": float(top),
        "untested": float(sum(missing)) if untested == "share" else len(missing),
        "worst": max(pool, key=lambda name: groups[name]["high"]),
    }


# %% wrong: the familiar interval, with width 0 at 0 and at 1 -> "Wilson's interval ends at"
def evaluation_table(records, traffic):
    return table(records, traffic, method="wald")


# %% wrong: the exact interval -> "Wilson"
def evaluation_table(records, traffic):
    return table(records, traffic, method="exact")


# %% wrong: untested counts as safe -> "an untested group may fail always"
def evaluation_table(records, traffic):
    return table(records, traffic, empty=(0.0, 0.0))


# %% wrong: untested groups are left out of the upper end -> "an untested group may fail always"
def evaluation_table(records, traffic):
    return table(records, traffic, at_most="tested")


# %% wrong: all cases pooled -> "not by how many cases"
def evaluation_table(records, traffic):
    return table(records, traffic, expected="pooled")


# %% wrong: every group weighs the same -> "not by how many cases"
def evaluation_table(records, traffic):
    return table(records, traffic, expected="mean")


# %% wrong: the rest is stretched over what was not tested -> "weighs each tested group's rate"
def evaluation_table(records, traffic):
    return table(records, traffic, expected="renormalised")


# %% wrong: groups outside the traffic are dropped -> "a row for each group"
def evaluation_table(records, traffic):
    return table(records, traffic, rows="traffic", worst="traffic")


# %% wrong: untested groups have no row -> "a row for each group"
def evaluation_table(records, traffic):
    return table(records, traffic, rows="tested")


# %% wrong: the worst group is one that nobody tested -> "'worst' is the tested group"
def evaluation_table(records, traffic):
    return table(records, traffic, worst="all")


# %% wrong: the worst group of the traffic only -> "inside the traffic or not"
def evaluation_table(records, traffic):
    return table(records, traffic, worst="traffic")


# %% wrong: untested groups are counted, not weighed -> "a tenth of the traffic"
def evaluation_table(records, traffic):
    return table(records, traffic, untested="count")


# %% right: with a helper
def evaluation_table(records, traffic):
    return table(records, traffic)


# %% right: Wilson's formula by hand, with arrays
def evaluation_table(records, traffic):
    names = sorted({group for group, _ in records} | set(traffic))
    n = np.array([sum(group == name for group, _ in records) for name in names])
    k = np.array([sum(bool(failed) for group, failed in records if group == name) for name in names])
    size, z = np.maximum(n, 1), 1.96
    p, scale = k / size, 1 + z**2 / size
    half = z * np.sqrt(p * (1 - p) / size + z**2 / (4 * size**2))
    low, high = (p + z**2 / (2 * size) - half) / scale, (p + z**2 / (2 * size) + half) / scale
    low, high = np.where(n > 0, low, 0.0), np.where(n > 0, high, 1.0)
    part = np.array([traffic.get(name, 0.0) for name in names])
    rows = zip(n.tolist(), k.tolist(), low.tolist(), high.tolist(), strict=True)
    return {
        "groups": {
            m: dict(zip(("n", "failed", "low", "high"), row, strict=True))
            for m, row in zip(names, rows, strict=True)
        },
        "expected": float(part @ p),
        "at_most": float(part @ high),
        "untested": float(part[n == 0].sum()),
        "worst": names[int(np.where(n > 0, high, -1).argmax())],
    }
