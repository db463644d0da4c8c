def wilson(passed, n, z=1.96):
    p = passed / n
    middle, half = p + z * z / (2 * n), z * (p * (1 - p) / n + z * z / (4 * n * n)) ** 0.5
    return (middle - half) / (1 + z * z / n), (middle + half) / (1 + z * z / n)


def wald(passed, n, z=1.96):
    p = passed / n
    half = z * (p * (1 - p) / n) ** 0.5
    return p - half, p + half


def run(reply, cases, before, interval=wilson, fold=str.lower, must=all, must_not=any, catch=True, skip=False, dropped=False,
        new=False, fixed=False, in_order=False, calls=1):  # fmt: skip
    results, groups = {}, {}
    for case in cases:
        try:
            for _ in range(calls):
                said = fold(reply(case["prompt"]))
        except Exception:
            if not catch:
                raise
            if skip:
                continue
            passed = False
        else:
            passed = must(fold(t) in said for t in case["must"]) and not must_not(
                fold(t) in said for t in case["must_not"]
            )
        results[case["name"]] = bool(passed)
        groups.setdefault(case["group"], []).append(bool(passed))
    old = before or {}
    lost = [name for name, ok in results.items() if old.get(name, new) and not ok]
    if fixed:
        lost = [name for name, ok in results.items() if name in old and old[name] != ok]
    if dropped:
        lost += [name for name in old if name not in results]
    table = {}
    for group, rows in groups.items():
        low, high = interval(sum(rows), len(rows))
        table[group] = {"n": len(rows), "passed": sum(rows), "low": low, "high": high}
    return {"groups": table, "results": results, "regressions": lost if in_order else sorted(lost)}


# %% wrong: capitals count -> "whatever the capitals"
def behaviour_suite(reply, cases, before=None):
    return run(reply, cases, before, fold=str)


# %% wrong: one text of must is enough -> "a case passes if all"
def behaviour_suite(reply, cases, before=None):
    return run(reply, cases, before, must=lambda found: any(list(found) or [True]))


# %% wrong: must_not is forgotten -> "b contains what it must not"
def behaviour_suite(reply, cases, before=None):
    return run(reply, cases, before, must_not=lambda found: False)


# %% wrong: fails only if all of must_not are there -> "a case passes if all"
def behaviour_suite(reply, cases, before=None):
    return run(reply, cases, before, must_not=lambda found: all(list(found) or [False]))


# %% wrong: an exception stops the suite -> "the suite goes on"
def behaviour_suite(reply, cases, before=None):
    return run(reply, cases, before, catch=False)


# %% wrong: a case that raised is left out -> "a reply that raises fails"
def behaviour_suite(reply, cases, before=None):
    return run(reply, cases, before, skip=True)


# %% wrong: the interval of width 0 -> "Wilson's interval"
def behaviour_suite(reply, cases, before=None):
    return run(reply, cases, before, interval=wald)


# %% wrong: 90 % instead of 95 % -> "Wilson's interval"
def behaviour_suite(reply, cases, before=None):
    return run(reply, cases, before, interval=lambda k, n: wilson(k, n, 1.64))


# %% wrong: new cases that fail are regressions -> "not new cases"
def behaviour_suite(reply, cases, before=None):
    return run(reply, cases, before, new=True)


# %% wrong: dropped cases are regressions -> "dropped ones"
def behaviour_suite(reply, cases, before=None):
    return run(reply, cases, before, dropped=True)


# %% wrong: repaired cases are called regressions -> "passed before and fail now"
def behaviour_suite(reply, cases, before=None):
    return run(reply, cases, before, fixed=True)


# %% wrong: in the order of the cases -> "sorted names"
def behaviour_suite(reply, cases, before=None):
    return run(reply, cases, before, in_order=True)


# %% wrong: asks twice -> "once for each case"
def behaviour_suite(reply, cases, before=None):
    return run(reply, cases, before, calls=2)


# %% wrong: every case passes -> "b contains what it must not"
def behaviour_suite(reply, cases, before=None):
    found = run(reply, cases, before)
    return found | {"results": dict.fromkeys(found["results"], True)}


# %% right: with a helper
def behaviour_suite(reply, cases, before=None):
    return run(reply, cases, before)


# %% right: the interval as the roots of a quadratic
def behaviour_suite(reply, cases, before=None):
    import numpy as np

    def passes(case):
        try:
            text = reply(case["prompt"]).casefold()
        except Exception:
            return False
        return {True} >= {m.casefold() in text for m in case["must"]} and {False} >= {
            m.casefold() in text for m in case["must_not"]
        }

    results = {case["name"]: passes(case) for case in cases}
    groups = {}
    for group in {case["group"] for case in cases}:
        own = [results[case["name"]] for case in cases if case["group"] == group]
        n, k, z = len(own), sum(own), 1.96
        ends = np.roots(
            [1 + z**2 / n, -(2 * k / n + z**2 / n), (k / n) ** 2]
        ).real  # where |p - k/n| = z sqrt(p(1-p)/n)
        groups[group] = {"n": n, "passed": k, "low": float(min(ends)), "high": float(max(ends))}
    lost = {name for name, passed in (before or {}).items() if passed} & {
        name for name in results if not results[name]
    }
    return {"groups": groups, "results": results, "regressions": sorted(lost)}
