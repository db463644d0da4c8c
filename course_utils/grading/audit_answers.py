"""The answers of an exercise: wrong ones with the message that each must get, and right ones written
differently.

`tests/lessons/NN-name/<exercise>.py` holds them as percent cells; what stands before the first is run before
each:

    from torch import Tensor
    # %% wrong: forgets the causal mask -> "future"
    def attention_pattern(q: Tensor, k: Tensor) -> Tensor: ...
    # %% right: einsum and masked_fill
    def attention_pattern(q: Tensor, k: Tensor) -> Tensor: ...

The quoted part after `->` must occur (in any case) in the message of the first test that fails. The answers
of a quiz are made from its card: every other letter and none at all are wrong, the right letter in small
print is right.
"""

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from course_utils.errors import LessonError
from course_utils.grading.lesson import Exercise

__all__ = ["Answer", "AnswersError", "quiz_answers", "read_answers"]

HEADER = re.compile(r'# %% (?P<kind>wrong|right): (?P<label>.*?)(?:\s+->\s*"(?P<expect>.*)")?\s*')


class AnswersError(LessonError):
    """An answers file is missing or not written as it must be; the message says where and how."""


@dataclass(frozen=True)
class Answer:
    """One answer that the audit tries."""

    kind: Literal["wrong", "right"]
    label: str
    expect: str | None
    """What the message of the first failing test must contain; None for right answers."""
    source: str
    preamble: str = ""
    filename: str = "<answer>"
    line: int = 1
    """Line of the file on which `source` starts, so that tracebacks point into it."""


def read_answers(path: Path) -> list[Answer]:
    """The answers of one file, in order.

        [answer.label for answer in read_answers(Path("tests/lessons/02-x/attention_pattern.py"))]

    Raises `AnswersError` for a missing file, a header of another form, or a wrong answer without `->
    "message"`.
    """
    name = "/".join(path.parts[-2:])
    if not path.is_file():
        raise AnswersError(f"{name} does not exist; write four wrong and two right answers into it.")
    lines = path.read_text(encoding="utf-8").split("\n")
    starts = [i for i, line in enumerate(lines) if line.startswith("# %%")]
    answers = []
    for start, stop in zip(starts, [*starts[1:], len(lines)], strict=True):
        match = HEADER.fullmatch(lines[start])
        if not match:
            raise AnswersError(
                f'{name}:{start + 1}: write `# %% wrong: why -> "message"` or `# %% right: how`.'
            )
        kind, label, expect = match["kind"], match["label"], match["expect"]
        if (kind == "wrong") != bool(expect):
            what = (
                'needs -> "part of the message that fits"' if kind == "wrong" else "takes no expected message"
            )
            raise AnswersError(f"{name}:{start + 1}: a {kind} answer {what}.")
        source = "\n".join(lines[start + 1 : stop])
        preamble = "\n".join(lines[: starts[0]])
        answers.append(Answer(kind, label, expect, source, preamble, str(path), start + 2))  # type: ignore[arg-type]
    return answers


def quiz_answers(exercise: Exercise) -> list[Answer]:
    """The answers of a quiz: wrong are each other choice and none at all, right the letter in lower case."""
    letter = exercise.letter or ""
    wrong = [choice for choice in exercise.choices if choice != letter]
    texts = [("wrong", choice) for choice in [*wrong, ""]] + [("right", f" {letter.lower()} ")]
    return [Answer(kind, repr(text), None, f"{exercise.id} = {text!r}") for kind, text in texts]  # type: ignore[arg-type]
