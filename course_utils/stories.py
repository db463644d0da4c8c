"""Explanations on trial: how well each predicts what interventions do that nobody used to make it up.

A *story* names heads and arrows, and says for every intervention whether the answer survives. Evidence that a reader
finds convincing (it looks at the right word, what it writes tells the answer) goes beside the one number that counts,
the prediction score on held-out interventions. Figures as in `plots`: `(figure, one-sentence summary)`.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import matplotlib as mpl
import numpy as np
from jaxtyping import Float
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle

from course_utils._drawing import (
    COLOURS,
    STYLE,
    Picture,
    as_array,
    as_named,
    say_list,
    say_number,
    say_sentence,
)

__all__ = ["Story", "duel", "prediction_panels", "prediction_score"]

Node = tuple[int, int] | str
"""A head as (layer, head), "answer", or a word such as "word 3": the one at position 3."""


def prediction_score(predicted: Float[np.ndarray, " event"], actual: Float[np.ndarray, " event"]) -> float:
    """1 − Σ(actual − predicted)² / Σ(actual − mean of actual)²: 1 is perfect, 0 no better than the mean, no lower end.

    >>> prediction_score([1, 0, 1, 1], [1, 0, 1, 0])
    0.0

    The mean is that of the events scored, so a constant guess gets 0 at best. Raises ValueError if all events had the
    same effect: then there is nothing to predict.
    """
    truth = as_array(actual, "actual", ("event",))
    guess = as_array(predicted, "predicted", ("event",), truth.shape)
    spread = ((truth - truth.mean()) ** 2).sum()
    if spread == 0:
        raise ValueError(
            f"all {len(truth)} events had the same effect ({truth[0]:g}): nothing can be scored. "
            "Intervene on more heads."
        )
    return float(1 - ((truth - guess) ** 2).sum() / spread)


@dataclass(frozen=True)
class Story:
    """One explanation, what speaks for it, and what it predicts."""

    name: str
    """Its heading in the figure."""
    arrows: Sequence[tuple[Node, Node]]
    """What flows where: ("word 3", (0, 2)), ((0, 2), "answer")."""
    evidence: Mapping[str, float]
    """Why a reader would believe it: names to numbers in [0, 1]."""
    predicted: Float[np.ndarray, " event"]
    """For each intervention the predicted fraction of the answer that survives, 0 to 1."""


def duel(
    stories: Sequence[Story], actual: Float[np.ndarray, " event"], title: str, size: tuple[int, int] = (4, 4)
) -> Picture:
    """Each story's drawing, its evidence with its prediction score, and its record over all interventions.

    `actual` is what survived of the answer in the model, 0 to 1, one entry for each intervention; `size` is
    (layers, heads). In the record, a dark square is an answer that survives and a cross marks a wrong prediction
    (off by more than a half).
    """
    truth = as_array(actual, "actual", ("event",))
    with mpl.rc_context(STYLE):
        figure = Figure(figsize=(4.6 * len(stories), 6.6), layout="constrained")
        figure.suptitle(title, x=0.012, ha="left", fontsize=11, fontweight="bold", color="#222222")
        rows = figure.subplots(3, len(stories), height_ratios=[3.7, 1.35, 1.15], squeeze=False)
    told = []
    for column, story in enumerate(stories):
        guess = as_array(story.predicted, f"predictions of {story.name!r}", ("event",), truth.shape)
        score, wrong = prediction_score(guess, truth), int((abs(guess - truth) > 0.5).sum())
        colour = COLOURS[2] if score > 0.5 else COLOURS[1]
        _draw_story(rows[0, column], story, size, colour)
        _draw_evidence(rows[1, column], story.evidence, score, colour)
        _draw_record(rows[2, column], guess, truth, wrong)
        shown = say_list([f"{name} {say_number(value)}" for name, value in story.evidence.items()])
        told.append(
            f"{story.name}: {shown}, and a prediction score of {say_number(score)} "
            f"({wrong} of {len(truth)} interventions wrong)"
        )
    return figure, say_sentence("; ".join(told))


def prediction_panels(
    predicted: Mapping[str, Float[np.ndarray, " event"]],
    actual: Float[np.ndarray, " event"],
    title: str,
    label: str,
) -> Picture:
    """Predicted against actual effect of every intervention, a panel for each explanation with its score.

    >>> prediction_panels({"found": [1, 2], "random": [0, 0]}, [1, 3], "Found predicts", "effect (nats)")
    """
    truth = as_array(actual, "actual", ("event",))
    panels = {
        n: as_array(v, f"predicted[{n!r}]", ("event",), truth.shape) for n, v in as_named(predicted).items()
    }
    every = np.concatenate([truth, *panels.values()])
    pad = 0.06 * (every.max() - every.min())
    ends = every.min() - pad, every.max() + pad
    with mpl.rc_context(STYLE):
        figure = Figure(figsize=(min(9.2, 0.6 + 2.9 * len(panels)), 3.6), layout="constrained")
        figure.suptitle(title, x=0.012, ha="left", fontsize=11, fontweight="bold", color="#222222")
        row = figure.subplots(1, len(panels), sharex=True, sharey=True, squeeze=False)[0]
    scores = {name: prediction_score(guess, truth) for name, guess in panels.items()}
    for index, (axes, (name, guess)) in enumerate(zip(row, panels.items(), strict=True)):
        axes.plot(ends, ends, color="#888888", linestyle="--", linewidth=1)
        axes.scatter(
            guess, truth, s=22, marker="os^D"[index % 4], color=COLOURS[index % 4], alpha=0.75, linewidth=0
        )
        axes.set(xlim=ends, ylim=ends, aspect="equal")
        axes.set_title(f"{name}\nscore {say_number(scores[name])}", loc="left", fontsize=10)
    row[0].set_ylabel(f"actual {label}")
    figure.supxlabel(f"predicted {label}", fontsize=10)
    # In the corner of what was predicted and did not happen: on the line itself the label would hide dots.
    row[0].text(0.97, 0.04, "dashed: perfect", transform=row[0].transAxes, ha="right", fontsize=8.5)
    told = say_list([f"{name} {say_number(score)}" for name, score in scores.items()])
    return figure, say_sentence(f"prediction score on {len(truth)} interventions: {told}")


def _draw_story(axes: Axes, story: Story, size: tuple[int, int], colour: str) -> None:
    layers, heads = size
    words = sorted(
        {end for arrow in story.arrows for end in arrow if isinstance(end, str) and end != "answer"}
    )
    places: dict[Node, tuple[float, float]] = {(i, j): (j, i) for i in range(layers) for j in range(heads)}
    places |= {word: ((k + 0.5) * heads / len(words) - 0.5, -1.0) for k, word in enumerate(words)}
    places["answer"] = ((heads - 1) / 2, float(layers))
    told = {end for arrow in story.arrows for end in arrow}
    for node, (x, y) in places.items():
        used, text = node in told, node if isinstance(node, str) else f"L{node[0]}H{node[1]}"
        look = {"boxstyle": "round,pad=0.3" if isinstance(node, str) else "circle,pad=0.25"}
        axes.text(
            x, y, text, ha="center", va="center", fontsize=8.5 if used else 7, zorder=3,
            color="white" if used and not isinstance(node, str) else "#222222" if used else "#8a8a8a",
            fontweight="bold" if used else "normal",
            bbox=look | {
                "fc": colour if used and not isinstance(node, str) else "white", "ec": colour if used else "#d5d5d5"
            },
        )  # fmt: skip
    for start, end in story.arrows:
        (x, y), (to_x, to_y) = places[start], places[end]
        bend = 0.35 if x == to_x and abs(to_y - y) > 1 else 0.08  # around the heads between, not behind them
        axes.annotate(
            "", places[end], places[start], zorder=2,
            arrowprops={"arrowstyle": "-|>", "color": colour, "lw": 1.7, "shrinkA": 13, "shrinkB": 14,
                        "connectionstyle": f"arc3,rad={bend}"},
        )  # fmt: skip
    axes.set(xlim=(-0.6, heads - 0.4), ylim=(-1.4, layers + 0.4))
    axes.set_title(story.name, loc="left", fontsize=10.5, fontweight="bold", color=colour)
    axes.axis("off")


def _draw_evidence(axes: Axes, evidence: Mapping[str, float], score: float, colour: str) -> None:
    names = [*evidence, "predicts the unseen"]
    values = [*evidence.values(), score]
    for row, value in enumerate(values):
        last = row == len(names) - 1
        axes.barh(
            row, max(0.0, value), height=0.6, color=colour if last else "#bdbdbd", hatch="//" if last else ""
        )
        axes.text(
            max(0.0, value) + 0.02, row, say_number(value), va="center", fontsize=11 if last else 9,
            fontweight="bold" if last else "normal", color="#222222",
        )  # fmt: skip
    axes.set_yticks(range(len(names)), names)
    axes.get_yticklabels()[-1].set_fontweight("bold")
    axes.set(xlim=(0, 1.18), xticks=[0, 0.5, 1])
    axes.invert_yaxis()
    axes.tick_params(axis="y", length=0)
    axes.axvline(1, color="#cccccc", linewidth=0.8, zorder=0)


def _draw_record(axes: Axes, guess: np.ndarray, truth: np.ndarray, wrong: int) -> None:
    order = np.lexsort((guess, truth))[::-1]
    for row, values in enumerate((guess, truth)):
        for place, value in enumerate(values[order]):
            shade = str(round(0.92 - 0.72 * float(np.clip(value, 0, 1)), 3))
            axes.add_patch(Rectangle((place, row), 0.86, 0.8, facecolor=shade))
    missed = np.flatnonzero(abs(guess - truth)[order] > 0.5)
    axes.scatter(
        missed + 0.43, np.full(len(missed), -0.45), marker="x", s=16, color=COLOURS[1], linewidth=1.3
    )
    axes.set(xlim=(0, len(truth)), ylim=(-0.9, 2), xticks=[])
    axes.set_yticks([0.4, 1.4], ["story says", "answer survives"])
    axes.set_xlabel(f"{len(truth)} interventions, {wrong} predicted wrongly", fontsize=9, loc="left")
    axes.tick_params(axis="y", length=0)
    for side in ("left", "bottom"):
        axes.spines[side].set_visible(False)
