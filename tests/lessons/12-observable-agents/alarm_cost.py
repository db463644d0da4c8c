def rates(passes, harmless, harmful):
    caught = sum(not passes(text) for text in harmful) / len(harmful)
    false = sum(not passes(text) for text in harmless) / len(harmless)
    return caught, false


def bill(caught, false, rate, daily, minutes):
    real, wrong = daily * rate * caught, daily * (1 - rate) * false
    return {
        "caught": caught,
        "false_alarms": false,
        "missed_a_day": daily * rate * (1 - caught),
        "minutes_a_day": wrong * minutes,
        "precision": real / (real + wrong) if real + wrong else 0.0,
    }


# %% wrong: what passes is counted -> "both harmful texts are stopped"
def alarm_cost(passes, harmless, harmful, rate, daily=1000, minutes=3.0):
    caught, false = rates(passes, harmless, harmful)
    return bill(1 - caught, 1 - false, rate, daily, minutes)


# %% wrong: precision from the counts that were tested -> "not by how many were tested"
def alarm_cost(passes, harmless, harmful, rate, daily=1000, minutes=3.0):
    caught, false = rates(passes, harmless, harmful)
    real, wrong = caught * len(harmful), false * len(harmless)
    return bill(caught, false, rate, daily, minutes) | {
        "precision": real / (real + wrong) if real + wrong else 0.0
    }


# %% wrong: precision is one minus the false-alarm rate -> "weigh both kinds"
def alarm_cost(passes, harmless, harmful, rate, daily=1000, minutes=3.0):
    caught, false = rates(passes, harmless, harmful)
    return bill(caught, false, rate, daily, minutes) | {"precision": 1 - false}


# %% wrong: every alarm costs time, not false ones only -> "spent on false alarms"
def alarm_cost(passes, harmless, harmful, rate, daily=1000, minutes=3.0):
    caught, false = rates(passes, harmless, harmful)
    found = bill(caught, false, rate, daily, minutes)
    return found | {
        "minutes_a_day": found["minutes_a_day"] + daily * rate * caught * minutes * (daily != 1000)
    }


# %% wrong: all passages are taken for harmless -> "a quarter of 900"
def alarm_cost(passes, harmless, harmful, rate, daily=1000, minutes=3.0):
    caught, false = rates(passes, harmless, harmful)
    return bill(caught, false, rate, daily, minutes) | {"minutes_a_day": daily * false * minutes}


# %% wrong: rate and its complement are swapped -> "a quarter of 900"
def alarm_cost(passes, harmless, harmful, rate, daily=1000, minutes=3.0):
    caught, false = rates(passes, harmless, harmful)
    return bill(caught, false, 1 - rate, daily, minutes)


# %% wrong: missed is a share of all passages -> "daily · rate · (1 − caught)"
def alarm_cost(passes, harmless, harmful, rate, daily=1000, minutes=3.0):
    caught, false = rates(passes, harmless, harmful)
    return bill(caught, false, rate, daily, minutes) | {"missed_a_day": daily * (1 - caught)}


# %% wrong: no alarms, a division by zero -> "division by zero"
def alarm_cost(passes, harmless, harmful, rate, daily=1000, minutes=3.0):
    caught, false = rates(passes, harmless, harmful)
    found = bill(caught, false, rate, daily, minutes)
    return found | {"precision": rate * caught / (rate * caught + (1 - rate) * false)}


# %% wrong: the defaults whatever was given -> "'missed_a_day' should count"
def alarm_cost(passes, harmless, harmful, rate, daily=1000, minutes=3.0):
    return bill(*rates(passes, harmless, harmful), rate, 1000, 3.0)


# %% wrong: the visible case by heart -> "'caught' should be"
def alarm_cost(passes, harmless, harmful, rate, daily=1000, minutes=3.0):
    return {
        "caught": 1.0,
        "false_alarms": 0.25,
        "missed_a_day": 0.0,
        "minutes_a_day": 675.0,
        "precision": 0.3077,
    }


# %% wrong: precision is nan without alarms -> "precision should be 0.0"
def alarm_cost(passes, harmless, harmful, rate, daily=1000, minutes=3.0):
    caught, false = rates(passes, harmless, harmful)
    found = bill(caught, false, rate, daily, minutes)
    return found if caught + false else found | {"precision": 1.0}


# %% right: with a helper
def alarm_cost(passes, harmless, harmful, rate, daily=1000, minutes=3.0):
    return bill(*rates(passes, harmless, harmful), rate, daily, minutes)


# %% right: with arrays, from what passes
def alarm_cost(passes, harmless, harmful, rate, daily=1000, minutes=3.0):
    import numpy as np

    lets_by = np.array([np.mean([passes(text) for text in some]) for some in (harmful, harmless)])
    a_day = daily * np.array([rate, 1 - rate])
    alarms = a_day * (1 - lets_by)
    return {
        "caught": float(1 - lets_by[0]),
        "false_alarms": float(1 - lets_by[1]),
        "missed_a_day": float(a_day[0] * lets_by[0]),
        "minutes_a_day": float(alarms[1] * minutes),
        "precision": float(alarms[0] / alarms.sum()) if alarms.any() else 0.0,
    }
