"""What the sample students of `course demo` hand in. They are roles, not people.

>>> notebook = nbformat.read("02-attention-and-induction.ipynb", as_version=4)     # doctest: +SKIP
>>> STUDENTS["reference"](notebook, lesson)                                        # doctest: +SKIP
"""

import random
from collections.abc import Callable
from typing import Any

from course_utils.grading.audit_answers import quiz_answers, read_answers
from course_utils.grading.lesson import Exercise, Lesson

__all__ = ["STUDENTS", "WRITTEN", "Work", "damaged", "mixed", "reference", "typical_mistakes", "untouched"]

WRITTEN = (
    "I predicted what the model would do, tried it, and the result could have gone against me; it did not."
)
Work = Callable[[Any, Lesson], Any]


def reference(notebook: Any, lesson: Lesson) -> Any:
    """The notebook with the instructor's solutions, as a student would hand them in."""
    return _solved(notebook, lesson)


def untouched(notebook: Any, lesson: Lesson) -> Any:
    """The notebook as it was fetched."""
    return notebook


def typical_mistakes(notebook: Any, lesson: Lesson) -> Any:
    """The notebook with every second exercise wrong, each time by another of the answers in tests/lessons/.

    Raises `AnswersError` for an answers file that cannot be read.
    """
    tried = {exercise.id: _wrong_answers(lesson, exercise) for exercise in lesson.exercises}
    wrong = {name: answers for name, answers in tried.items() if answers}
    chosen = {name: wrong[name][i % len(wrong[name])] for i, name in enumerate(list(wrong)[::2])}
    return _solved(notebook, lesson, chosen)


def damaged(notebook: Any, lesson: Lesson) -> Any:
    """The notebook with a syntax error in the first solution cell, and without the last test cell; it is put back."""
    first = {lesson.exercises[0].id: "def oops(:\n    return"} if lesson.exercises else {}
    notebook = _solved(notebook, lesson, first)
    code = [cell for cell in notebook.cells if cell.cell_type == "code"]
    tests = [cell for cell in code if cell.metadata.get("nbgrader", {}).get("grade")]
    if tests:
        notebook.cells.remove(tests[-1])
    return notebook


def mixed(draw: random.Random) -> Work:
    """What one of many students hands in: of each exercise a right answer (6 in 10), a wrong one, or nothing yet."""

    def work(notebook: Any, lesson: Lesson) -> Any:
        instead = {}
        for exercise in lesson.exercises:
            wrong = _wrong_answers(lesson, exercise)
            kind = draw.choices(("right", "wrong", "nothing"), (6, 3, 1))[0]
            if kind == "wrong" and wrong:
                instead[exercise.id] = draw.choice(wrong)
            elif kind == "nothing":
                instead[exercise.id] = ""
        return _solved(notebook, lesson, instead)

    return work


STUDENTS: dict[str, Work] = {
    "reference": reference,
    "untouched": untouched,
    "typical-mistakes": typical_mistakes,
    "damaged": damaged,
}
"""What each sample student makes of a fetched notebook."""


def _solved(notebook: Any, lesson: Lesson, instead: dict[str, str] | None = None) -> Any:
    """The notebook with every solution cell and written answer filled in, or as `instead` says ("": as it was)."""
    solutions = {exercise.id: _without_markers(exercise.solution.source) for exercise in lesson.exercises}
    answers = {**solutions, **(instead or {})}
    for cell in notebook.cells:
        meta = cell.metadata.get("nbgrader", {})
        is_answer = meta.get("solution") or "answer" in cell.metadata.get("tags", [])
        if cell.cell_type == "markdown" and is_answer:
            cell.source = WRITTEN
        elif cell.cell_type == "code" and meta.get("solution"):
            cell.source = answers.get(meta["grade_id"]) or cell.source
    return notebook


def _wrong_answers(lesson: Lesson, exercise: Exercise) -> list[str]:
    path = lesson.answers_dir / f"{exercise.id}.py"
    made = quiz_answers(exercise) if exercise.is_quiz else []
    answers = read_answers(path) if path.is_file() else made
    return [f"{a.preamble}\n{a.source}".strip() for a in answers if a.kind == "wrong"]


def _without_markers(source: str) -> str:
    markers = ("BEGIN SOLUTION", "END SOLUTION")
    return "\n".join(line for line in source.split("\n") if not any(marker in line for marker in markers))
