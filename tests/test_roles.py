"""What heads do in induction models: on glass boxes with known roles, and by hand."""

import numpy as np
import pytest
import torch

from course_utils.glassbox import build_induction
from course_utils.roles import kept, repeats, signatures
from course_utils.tiny import load_tiny


@pytest.mark.parametrize("seed", range(3))
def test_in_a_glass_box_the_planted_heads_keep_everything_and_have_their_signatures(seed: int) -> None:
    box = build_induction(seed)
    planted = {box.circuit.previous_token, box.circuit.induction}
    assert kept(box.model, planted) == pytest.approx(1, abs=0.01)
    assert kept(box.model, {box.circuit.induction}) < 0.5
    found = signatures(box.model)
    assert set(found) == set(box.circuit.roles)
    assert found[box.circuit.previous_token] == pytest.approx(np.eye(4)[0], abs=0.02)
    assert found[box.circuit.induction] == pytest.approx(np.eye(4)[3], abs=0.02)
    itself = next(head for head, role in box.circuit.roles.items() if role == "attends to itself")
    assert found[itself] == pytest.approx(np.eye(4)[1], abs=0.02)


def test_no_head_keeps_nothing_and_all_keep_all() -> None:
    model = load_tiny("induction-2l")
    assert kept(model, ()) == 0 and kept(model, signatures(model)) == 1


def test_the_trained_twins_have_their_roles_at_other_numbers() -> None:
    one, other = load_tiny("induction-2l"), load_tiny("induction-2l-b")
    five = {(0, 0), (0, 2), (0, 3), (1, 2), (1, 3)}
    assert kept(one, five) > 0.7 and kept(other, five) < 0.15


def test_sequences_repeat_themselves_without_a_repetition_in_either_half() -> None:
    tokens = repeats(load_tiny("induction-2l"))
    half = (tokens.shape[1] - 1) // 2
    assert (tokens[:, 0] == 0).all() and torch.equal(tokens[:, 1 : half + 1], tokens[:, half + 1 :])
    assert all(len(set(row.tolist())) == half + 1 for row in tokens[:, : half + 1])
