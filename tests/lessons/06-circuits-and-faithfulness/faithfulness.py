# %% wrong: not counted from the empty circuit -> "cancel"
def faithfulness(run, circuit, heads):
    if run(heads) == run(set()):
        raise ValueError
    return run(circuit) / run(heads)


# %% wrong: clipped to [0, 1] -> "clip"
def faithfulness(run, circuit, heads):
    whole, none = run(heads), run(set())
    if whole == none:
        raise ValueError
    return min(1.0, max(0.0, (run(circuit) - none) / (whole - none)))


# %% wrong: what is lost instead of what is kept -> "cancel"
def faithfulness(run, circuit, heads):
    whole, none = run(heads), run(set())
    if whole == none:
        raise ValueError
    return (whole - run(circuit)) / (whole - none)


# %% wrong: keeps the complement -> "cancel"
def faithfulness(run, circuit, heads):
    whole, none = run(heads), run(set())
    if whole == none:
        raise ValueError
    return (run(heads - circuit) - none) / (whole - none)


# %% wrong: not divided -> "whole model"
def faithfulness(run, circuit, heads):
    whole, none = run(heads), run(set())
    if whole == none:
        raise ValueError
    return run(circuit) - none


# %% wrong: absolute values, so a metric that falls looks like one that rises -> "turned around"
def faithfulness(run, circuit, heads):
    whole, none = run(heads), run(set())
    if whole == none:
        raise ValueError
    return abs(run(circuit) - none) / abs(whole - none)


# %% wrong: nothing to explain is no error -> "expected ValueError"
def faithfulness(run, circuit, heads):
    whole, none = run(heads), run(set())
    return (run(circuit) - none) / ((whole - none) or 1.0)


# %% right: one minus the share that is lost
def faithfulness(run, circuit, heads):
    lost, all_of_it = run(heads) - run(circuit), run(heads) - run(set())
    if not all_of_it:
        raise ValueError("nothing to explain")
    return 1 - lost / all_of_it


# %% right: converts its sets first
def faithfulness(run, circuit, heads):
    values = [float(run(set(some))) for some in ((), circuit, heads)]
    if abs(values[2] - values[0]) == 0:
        raise ValueError(values)
    return (values[1] - values[0]) / (values[2] - values[0])
