"""The static half of a test cell's contract: self-contained, hidden half announced, messages that teach."""

import ast
from collections.abc import Iterator

from course_utils.grading.findings import Finding, found
from course_utils.grading.lesson import Cell, Lesson
from course_utils.grading.lesson_source import inside, names_of, parses

__all__ = ["TEST_RULES"]

STDERR = {"warnings.warn", "sys.stderr", "logging.warning", "logging.error"}


def messages(lesson: Lesson) -> Iterator[Finding]:
    """Every assert has a message, a visible comment announces the hidden half, and nothing goes to stderr."""
    quizzes = {exercise.id for exercise in lesson.exercises if exercise.is_quiz}
    for cell in lesson.of_kind("test"):
        if not parses(cell.source):
            continue
        nodes = list(ast.walk(ast.parse(cell.source)))
        silent = [node.lineno for node in nodes if isinstance(node, ast.Assert) and node.msg is None]
        if silent:
            message = f"The assert on line {silent[0]} has no message; name the likely mistake."
            yield found(lesson, "assert-message", message, cell)
        comments = [line.lower() for line in cell.released.split("\n") if line.strip().startswith("#")]
        announced = any("hidden" in line for line in comments) or lesson.exercise_of(cell) in quizzes
        if inside(cell.source, "hidden") and not announced:
            message = "No visible comment says what the hidden tests add; write one with the word 'hidden'."
            yield found(lesson, "hidden-announced", message, cell)
        if STDERR & {ast.unparse(node) for node in nodes if isinstance(node, ast.Attribute)}:
            message = "The test writes to stderr, which nbgrader counts as failed; use assert."
            yield found(lesson, "stderr", message, cell)


def endings(lesson: Lesson) -> Iterator[Finding]:
    """No test cell ends in a value that a graded name made: nbgrader would read a number there as points."""
    graded = {exercise.id: set(exercise.graded_names) for exercise in lesson.exercises}
    for cell in lesson.of_kind("test"):
        names = graded.get(lesson.exercise_of(cell) or "", set())
        if any(_mentions(source, names) for source in (cell.source, cell.released)):
            message = "The last expression uses a graded name: its value may set the points; assert it."
            yield found(lesson, "last-expression", message, cell)


def _mentions(source: str, names: set[str]) -> bool:
    """Whether the value that the cell shows has anything to do with one of these names."""
    last = ast.parse(source).body[-1:] if parses(source) else []
    if not last or not isinstance(last[0], ast.Expr):
        return False
    value = last[0].value
    # What these helpers return never reads as a number; only `checks.call` hands the student's result on.
    function = ast.unparse(value.func) if isinstance(value, ast.Call) else ""
    if function.startswith(("checks.", "quiz.")) and function != "checks.call":
        return False
    return any(isinstance(node, ast.Name) and node.id in names for node in ast.walk(value))


class _Bound:
    """The names that each kind of cell has bound so far, walking down the notebook."""

    def __init__(self) -> None:
        self.setup: set[str] = set()
        self.solved: set[str] = set()
        self.demo: set[str] = set()
        self.tested: set[str] = set()
        self.shown: set[str] = set()  # by test cells as students see them

    def add(self, cell: Cell) -> None:
        bound = names_of(cell.source).bound
        if cell.kind == "test":
            self.tested |= bound
            self.shown |= names_of(cell.released).bound
        elif cell.kind in ("setup", "solution", "demo"):
            {"setup": self.setup, "solution": self.solved, "demo": self.demo}[cell.kind].update(bound)


def names(lesson: Lesson) -> Iterator[Finding]:
    """Rule 1 of the contract; and nothing that grading runs uses a name that only a demo cell binds."""
    graded = {exercise.id: {exercise.id, *exercise.graded_names} for exercise in lesson.exercises}
    so_far = _Bound()
    for cell in lesson.of_kind("setup", "solution", "demo", "test"):
        free = set(names_of(cell.source).free)
        only_demo = so_far.demo - so_far.setup - so_far.solved - so_far.tested
        if cell.kind != "demo" and (lost := free & only_demo):
            message = (
                f"Uses {_listed(lost)}, bound only in a demo cell, which grading skips; bind it in setup."
            )
            yield found(lesson, "demo-name", message, cell)
        if cell.kind == "setup" and (early := free & so_far.solved - so_far.setup):
            message = f"A setup cell uses the graded name {_listed(early)}; make it a demo cell."
            yield found(lesson, "setup-uses-graded", message, cell, "warning")
        if cell.kind == "test":
            given = so_far.setup | graded.get(lesson.exercise_of(cell) or "", set()) | only_demo
            lost = free - given - so_far.tested
            lost |= names_of(cell.released).free - given - so_far.shown
            if lost:
                message = (
                    f"Uses {_listed(lost)}, which neither the cell, its exercise, a setup cell nor the "
                    "visible part of an earlier test binds; import or make it in the cell."
                )
                yield found(lesson, "self-contained", message, cell)
        so_far.add(cell)


def _listed(names: set[str]) -> str:
    return ", ".join(sorted(names))


TEST_RULES = (messages, endings, names)
