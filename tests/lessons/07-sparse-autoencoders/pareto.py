import numpy as np
import torch


def curve(l0, ev, at):
    return np.interp(at, l0.sort().values.numpy(), ev[l0.argsort()].numpy())


# %% wrong: means over all points -> "inside the overlap"
def pareto(l0_a, ev_a, l0_b, ev_b):
    return float(ev_a.mean() - ev_b.mean())


# %% wrong: extrapolates -> "inside the overlap"
def pareto(l0_a, ev_a, l0_b, ev_b):
    at = np.unique(np.concatenate([l0_a.numpy(), l0_b.numpy()]))
    return float((curve(l0_a, ev_a, at) - curve(l0_b, ev_b, at)).mean())


# %% wrong: assumes that points are in order -> "sort them first"
def pareto(l0_a, ev_a, l0_b, ev_b):
    low, high = max(l0_a.min(), l0_b.min()), min(l0_a.max(), l0_b.max())
    at = np.unique(np.concatenate([l0_a.numpy(), l0_b.numpy()]))
    at = at[(at >= low.item()) & (at <= high.item())]
    if len(at) == 0:
        return float("nan")
    return float(
        (np.interp(at, l0_a.numpy(), ev_a.numpy()) - np.interp(at, l0_b.numpy(), ev_b.numpy())).mean()
    )


# %% wrong: at the points of a only -> "measured in either family"
def pareto(l0_a, ev_a, l0_b, ev_b):
    at = l0_a.numpy()
    at = at[(at >= l0_b.min().item()) & (at <= l0_b.max().item())]
    if len(at) == 0:
        return float("nan")
    return float((curve(l0_a, ev_a, at) - curve(l0_b, ev_b, at)).mean())


# %% wrong: an L0 of both counts twice -> "counts once"
def pareto(l0_a, ev_a, l0_b, ev_b):
    low, high = max(l0_a.min(), l0_b.min()), min(l0_a.max(), l0_b.max())
    at = np.concatenate([l0_a.numpy(), l0_b.numpy()])
    at = at[(at >= low.item()) & (at <= high.item())]
    if len(at) == 0:
        return float("nan")
    return float((curve(l0_a, ev_a, at) - curve(l0_b, ev_b, at)).mean())


# %% wrong: b minus a -> "0.1 better"
def pareto(l0_a, ev_a, l0_b, ev_b):
    low, high = max(l0_a.min(), l0_b.min()), min(l0_a.max(), l0_b.max())
    at = np.unique(np.concatenate([l0_a.numpy(), l0_b.numpy()]))
    at = at[(at >= low.item()) & (at <= high.item())]
    return float((curve(l0_b, ev_b, at) - curve(l0_a, ev_a, at)).mean()) if len(at) else float("nan")


# %% wrong: nothing in common gives 0 -> "return nan"
def pareto(l0_a, ev_a, l0_b, ev_b):
    low, high = max(l0_a.min(), l0_b.min()), min(l0_a.max(), l0_b.max())
    at = np.unique(np.concatenate([l0_a.numpy(), l0_b.numpy()]))
    at = at[(at >= low.item()) & (at <= high.item())]
    return float((curve(l0_a, ev_a, at) - curve(l0_b, ev_b, at)).mean()) if len(at) else 0.0


# %% wrong: constant of the example -> "parallel"
def pareto(l0_a, ev_a, l0_b, ev_b):
    return 0.1


# %% right: a loop over the L0 of both
def pareto(l0_a, ev_a, l0_b, ev_b):
    a, b = (sorted(zip(l0.tolist(), ev.tolist())) for l0, ev in ((l0_a, ev_a), (l0_b, ev_b)))

    def value(points, at):
        for (x0, y0), (x1, y1) in zip(points, points[1:]):
            if x0 <= at <= x1:
                return y0 + (y1 - y0) * (at - x0) / (x1 - x0)
        return points[0][1] if points[0][0] == at else None

    gaps = [
        value(a, at) - value(b, at)
        for at in sorted({x for x, _ in a + b})
        if value(a, at) is not None and value(b, at) is not None
    ]
    return sum(gaps) / len(gaps) if gaps else float("nan")


# %% right: sorted arrays
def pareto(l0_a, ev_a, l0_b, ev_b):
    at = np.union1d(l0_a.numpy(), l0_b.numpy())
    inside = (at >= max(float(l0_a.min()), float(l0_b.min()))) & (
        at <= min(float(l0_a.max()), float(l0_b.max()))
    )
    if not inside.any():
        return float("nan")
    return float(np.mean(curve(l0_a, ev_a, at[inside]) - curve(l0_b, ev_b, at[inside])))
