"""Every check passes on what is right and fails, with a message that teaches, on what is not."""

import numpy as np
import pytest
import torch
from torch import nn

from course_utils import checks, quiz


def test_seeded_is_fresh_for_each_attempt_and_label(monkeypatch):
    def draw(seed, label):
        monkeypatch.setenv("COURSE_SEED", seed)
        return checks.seeded(label).integers(2**40)

    assert draw("1", "a") == draw("1", "a")
    assert len({draw("1", "a"), draw("2", "a"), draw("1", "b")}) == 3


def test_seeded_without_a_grader_is_constant_within_a_kernel(monkeypatch):
    monkeypatch.delenv("COURSE_SEED", raising=False)
    assert checks.seeded("a").integers(2**40) == checks.seeded("a").integers(2**40)


def test_close_accepts_numbers_arrays_and_tensors():
    checks.close(1.0, 1.00001, "m")
    checks.close(np.eye(2), torch.eye(2), "m")
    checks.close([1, 2], torch.tensor([1.0, 2.0]), "m")


@pytest.mark.parametrize(
    ("got", "want", "message"),
    [
        (
            torch.tensor([1.0, 2.0]),
            torch.tensor([1.0, 3.0]),
            r"m \(largest difference 1 at index \(1,\): got 2, expected 3\)",
        ),
        (torch.ones(2), torch.ones(3), r"m \(shape \(2,\), expected \(3,\)\)"),
        (torch.tensor([float("nan")]), torch.ones(1), "m .*inf"),
        (None, 1.0, "got None .*return"),
        (2.0, 1.0, r"m \(largest difference 1: got 2"),
    ],
)
def test_close_says_how_far_and_where(got, want, message):
    with pytest.raises(AssertionError, match=message):
        checks.close(got, want, "m")


def test_far_is_the_opposite_of_close():
    checks.far(1.0, 2.0, "m")
    with pytest.raises(AssertionError, match="m"):
        checks.far(1.0, 1.0, "m")


@pytest.mark.parametrize(
    ("value", "message"),
    [
        (None, "return"),
        (..., r"`\.\.\.` replaced"),
        ([1.0], "list, expected a torch tensor"),
        (torch.tensor([float("nan")]), "nan"),
        (torch.tensor([float("inf")]), "infinity"),
        (torch.ones(3), r"shape \(3,\), expected \(2,\)"),
    ],
)
def test_shape_refuses(value, message):
    with pytest.raises(AssertionError, match=message):
        checks.shape(value, (2,), "the result")


def test_shape_returns_the_tensor():
    assert checks.shape(torch.ones(2), (2,), "x").sum() == 2


def test_raises_returns_the_message_and_refuses_silence_and_other_errors():
    def complains():
        raise ValueError("too long")

    def silent():
        return 3

    assert checks.raises(ValueError, complains) == "too long"
    with pytest.raises(AssertionError, match="expected ValueError, but silent returned int"):
        checks.raises(ValueError, silent)
    with pytest.raises(AssertionError, match="expected KeyError, but ValueError was raised: too long"):
        checks.raises(KeyError, complains)


def _add_in_place(x):
    x += 1
    return x


@pytest.mark.parametrize("value", [torch.zeros(2), np.zeros(2), [0]])
def test_call_notices_a_changed_input(value):
    assert checks.call(lambda x: 7, value) == 7
    change = _add_in_place if not isinstance(value, list) else lambda x: x.append(1)
    with pytest.raises(AssertionError, match="changed its argument 1"):
        checks.call(change, value)


@pytest.mark.parametrize("nothing", [None, ...])
def test_call_says_when_an_exercise_is_not_yet_begun(nothing):
    with pytest.raises(AssertionError, match="is there a `return`"):
        checks.call(lambda x: nothing, 1)


def test_call_names_keyword_arguments_and_nested_containers():
    with pytest.raises(AssertionError, match="changed its cache"):
        checks.call(lambda cache: cache["a"].add_(1), cache={"a": torch.zeros(2)})


def test_call_notices_hooks_weights_and_mode():
    model = nn.Linear(2, 2)
    checks.call(lambda m: m(torch.ones(2)), model)
    with pytest.raises(AssertionError, match="a hook was left"):
        checks.call(lambda m: m.register_forward_hook(lambda *a: None), model)
    with pytest.raises(AssertionError, match="weights"):
        checks.call(lambda m: nn.init.zeros_(m.weight), model)
    with pytest.raises(AssertionError, match="mode"):
        checks.call(lambda m: m.eval(), model)


def test_call_notices_weights_that_are_swapped_through_data():
    model = nn.Linear(2, 2)
    with pytest.raises(AssertionError, match="weights"):
        checks.call(lambda m: m.weight.data.zero_(), model)


def test_max_entries_refuses_a_large_product_before_it_is_made():
    tall, wide = torch.ones(100_000, 1), torch.ones(1, 100_000)  # their product would take 40 GB
    with pytest.raises(AssertionError, match=r"\(100000, 100000\).*Multiply in another order"):
        checks.call(lambda a, b: a @ b, tall, wide, max_entries=10**6)
    assert checks.call(lambda a, b: (b @ a).item(), tall, wide, max_entries=10**6) == 100_000


@pytest.mark.parametrize("answer", ["B", "b", " B "])
def test_quiz_accepts_the_letter_in_any_dress(answer, capsys):
    quiz.mark(answer, right="B", why={"A": "no", "B": "because"})
    assert capsys.readouterr().out == "Right: B. because\n"


@pytest.mark.parametrize(
    ("answer", "message"),
    [
        ("A", "A is not it. no"),
        ("", "one letter in quotes"),
        (..., "one letter"),
        ("AB", "one letter"),
        ("Z", "'A', 'B'"),
        (2, "it is 2"),
    ],
)
def test_quiz_explains_what_is_wrong(answer, message):
    with pytest.raises(AssertionError, match=message):
        quiz.mark(answer, right="B", why={"A": "no", "B": "because"})


def test_quiz_without_the_right_choice_is_the_authors_mistake():
    with pytest.raises(ValueError, match="'C' is not among"):
        quiz.mark("A", right="C", why={"A": "no", "B": "because"})
