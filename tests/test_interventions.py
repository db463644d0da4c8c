"""Interventions and stories on planted boxes: the true story predicts, the plausible one looks better and does not."""

import numpy as np
import pytest
import torch

from course_utils import interventions
from course_utils.interventions import (
    answer_gap,
    draw_interventions,
    every_head,
    evidence_for,
    head_values,
    plausible_story,
    survives,
    true_story,
)
from course_utils.planted import KINDS, build_planted
from course_utils.stories import prediction_score


def alive(story: dict, off: set) -> float:
    """What is left when all that cannot pass anything on has been taken away."""
    nodes = set(story) | {m for groups in story.values() for group in groups for m in group}
    left = nodes - off
    for _ in nodes:
        left = {n for n in left if all(any(m in left for m in group) for group in story.get(n, []))}
    return float("answer" in left)


@pytest.mark.parametrize("kind", KINDS)
def test_the_true_story_predicts_everything_and_the_plausible_one_little(kind):
    box, rng = build_planted(kind, 21), np.random.default_rng(0)
    events = draw_interventions(box, 30, rng)
    actual = [survives(box, off) for off in events]
    if (
        kind == "constant"
    ):  # the reader needs a constant that is the same in all prompts: no story tells of it
        assert all("supplies" not in box.circuit.roles.get(node, "") for node in true_story(box))
    true, lure = ([alive(story(box), off) for off in events] for story in (true_story, plausible_story))
    assert prediction_score(true, actual) > 0.99
    assert prediction_score(lure, actual) < prediction_score(true, actual) - 0.3


def test_the_plausible_story_has_the_better_evidence():
    box = build_planted("maze", 8)
    true, lure = (
        evidence_for(box, [node for node in story(box) if node != "answer"])
        for story in (true_story, plausible_story)
    )
    assert lure["looks at the words"] > 0.99 and lure["tells the answer"] == 1
    assert true["looks at the words"] < 0.5


def test_switching_off_a_source_word_and_nothing():
    box = build_planted("or", 4)
    words = {f"word {place}" for place in box.circuit.sources}
    assert survives(box, set()) == 1 and survives(box, words) == 0
    assert all(survives(box, {word}) == 1 for word in words)


def test_interventions_come_from_the_generator_alone_and_from_all_nodes():
    box = build_planted("and", 4)
    one, two = (draw_interventions(box, 200, np.random.default_rng(3)) for _ in range(2))
    assert one == two and {len(event) for event in one} == {1, 2, 3, 4, 5, 6}
    assert set().union(*one) == {*every_head(box.model), *(f"word {place}" for place in box.circuit.sources)}


def test_helpers_have_their_shapes():
    box = build_planted("chain", 4)
    assert head_values(box.model, box.clean).shape == (4, 32, 8, 4, 8)
    assert answer_gap(box.model(box.clean)) == pytest.approx(float(box.metric(box.model(box.clean)).mean()))
    assert torch.equal(box.clean, build_planted("chain", 4).clean)


def test_all_lists_what_exists():
    assert all(hasattr(interventions, name) for name in interventions.__all__)
