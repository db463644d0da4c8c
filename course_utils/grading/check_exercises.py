"""Rules about exercises, quizzes and written tasks."""

import ast
import re
from collections.abc import Iterator

from course_utils.grading.findings import Finding, found
from course_utils.grading.lesson import Cell, Exercise, Lesson
from course_utils.grading.lesson_source import inside, parses, top_level_names

__all__ = ["EXERCISE_RULES"]

CARD_LINE = re.compile(r"(?m)^[*_]\d+ minutes? · difficulty [123] of 3 · you need: .+[*_]\s*$")
POINTS_LINE = re.compile(r"\((\d+(?:\.\d+)?) points?\)")


def points(lesson: Lesson) -> Iterator[Finding]:
    """A lesson has 100 points."""
    total = sum(cell.points for cell in lesson.of_kind("test", "task", "answer"))
    if total != 100:
        yield found(lesson, "points", f"The points add up to {total:g}; make them exactly 100.")


def tests_follow(lesson: Lesson) -> Iterator[Finding]:
    """Each test cell names its exercise and comes after that exercise's stub."""
    solutions = {cell.grade_id: cell.index for cell in lesson.of_kind("solution")}
    for cell in lesson.of_kind("test"):
        exercise = lesson.exercise_of(cell)
        if exercise is None:
            yield found(
                lesson,
                "test-id",
                "No exercise has this test; name it <exercise>-visible or <exercise>-hidden.",
                cell,
            )
        elif cell.index < solutions[exercise]:
            yield found(
                lesson, "test-id", f"The test comes before the stub of {exercise}; move it behind.", cell
            )


def exercises(lesson: Lesson) -> Iterator[Finding]:
    """Every exercise: its name, a card, a typed stub, a try-it cell, a hidden half."""
    for exercise in lesson.exercises:
        for rule, problem in _exercise_problems(exercise):
            yield found(lesson, rule, problem, exercise.solution)


def _exercise_problems(exercise: Exercise) -> Iterator[tuple[str, str]]:
    if not exercise.id.isidentifier():
        yield (
            "exercise-name",
            f"{exercise.id!r} is no Python name; an exercise's id is the name that it grades.",
        )
    elif parses(exercise.solution.source) and exercise.id not in exercise.graded_names:
        yield "exercise-name", f"The solution binds {list(exercise.graded_names)}; one must be {exercise.id}."
        return
    if not any(inside(cell.source, "hidden") for cell in exercise.tests):
        yield (
            "hidden-tests",
            "No test cell of the exercise has a hidden half; add ### BEGIN HIDDEN TESTS … END.",
        )
    if exercise.card is None:
        yield (
            "card",
            "No markdown cell that starts with '### ' comes before the stub; write the exercise's card.",
        )
    if exercise.is_quiz:
        yield from _quiz_problems(exercise)
        return
    if exercise.card and not CARD_LINE.search(exercise.card.source):
        yield "card", "The card lacks a line like '*15 minutes · difficulty 2 of 3 · you need: lesson 01*'."
    first = exercise.tests[0].index if exercise.tests else None
    if first and not any(cell.kind == "demo" and cell.index < first for cell in exercise.follow):
        yield (
            "try-it",
            "No demo cell lies between the stub and the first test; add a try-it cell with a figure.",
        )
    if parses(exercise.solution.released):
        yield from _signature_problems(exercise.solution.released, exercise.id)


def _quiz_problems(quiz: Exercise) -> Iterator[tuple[str, str]]:
    heading, choices = f"### Quiz {quiz.id.split('_')[1]}:", list(quiz.choices)
    if quiz.card:
        if not quiz.card.source.startswith(heading):
            yield "quiz", f"The card's heading must be '{heading} …'."
        if len(set(choices)) < 3 or len(set(choices)) != len(choices):
            yield "quiz", f"The card lists {choices}; list three or more choices as '- **A.** …'."
        elif quiz.letter not in choices:
            yield "quiz", f"The solution is {quiz.letter!r}, which is none of the choices {choices}."
    if not _asks(quiz):
        yield (
            "quiz",
            f'As released, the cell must assign "" or ... to {quiz.id}; put the markers round the letter.',
        )


def _asks(quiz: Exercise) -> bool:
    """Whether the released quiz cell assigns an empty answer to the quiz's id."""
    stub = quiz.solution.released
    values = [
        node.value.value
        for node in (ast.parse(stub).body if parses(stub) else [])
        if isinstance(node, ast.Assign | ast.AnnAssign) and isinstance(node.value, ast.Constant)
        if quiz.id in top_level_names(ast.unparse(node))
    ]
    return bool(values) and values[-1] in ("", ...)


def _signature_problems(stub: str, name: str) -> Iterator[tuple[str, str]]:
    """Problems of the definition of `name` as students see it."""
    for node in ast.parse(stub).body:
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and node.name == name:
            doc = ast.get_docstring(node)
            if not doc or "\n" in doc.strip():
                yield (
                    "docstring",
                    f"{name} needs a docstring of one line in the released stub, saying what comes back.",
                )
            missing = _unannotated(node, method=False)
        elif isinstance(node, ast.ClassDef) and node.name == name:
            if not ast.get_docstring(node):
                yield "docstring", f"class {name} needs a docstring in the released stub."
            methods = [n for n in node.body if isinstance(n, ast.FunctionDef)]
            missing = [f"{m.name}: {gap}" for m in methods for gap in _unannotated(m, method=True)]
        elif isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name) and node.target.id == name:
            missing = []
        else:
            continue
        if missing:
            yield "signature", f"{name} lacks annotations for {', '.join(missing)}; give shapes and types."
        return
    yield (
        "signature",
        f"The released stub has no typed definition of {name}; leave its signature outside the region.",
    )


def _unannotated(node: ast.FunctionDef | ast.AsyncFunctionDef, *, method: bool) -> list[str]:
    spec = node.args
    arguments = [*spec.posonlyargs, *spec.args]
    static = any(isinstance(d, ast.Name) and d.id == "staticmethod" for d in node.decorator_list)
    if method and not static:
        arguments = arguments[1:]
    arguments += [*spec.kwonlyargs, *(a for a in (spec.vararg, spec.kwarg) if a)]
    gaps = [a.arg for a in arguments if a.annotation is None]
    return gaps + (["its result"] if node.returns is None and node.name != "__init__" else [])


def tasks(lesson: Lesson) -> Iterator[Finding]:
    """Written tasks: a mark scheme that adds up, a strong and a weak example, and an answer cell behind."""
    for cell in lesson.of_kind("task"):
        scheme = "\n".join(inside(cell.source, "scheme"))
        if not scheme.strip():
            yield found(
                lesson,
                "mark-scheme",
                "The task has no mark scheme; add === BEGIN MARK SCHEME === … END.",
                cell,
            )
            continue
        listed = [float(number) for number in POINTS_LINE.findall(scheme)]
        if listed and sum(listed) != cell.points:
            message = f"The mark scheme's points add up to {sum(listed):g}, the task gives {cell.points:g}."
            yield found(lesson, "mark-scheme-points", message, cell)
        if lacking := [word for word in ("strong", "weak") if word not in scheme.lower()]:
            yield found(
                lesson,
                "mark-scheme-examples",
                f"The mark scheme has no {' and no '.join(lacking)} example.",
                cell,
            )
    for cell in lesson.of_kind("task"):
        after: Cell | None = lesson.cells[cell.index + 1] if cell.index + 1 < len(lesson.cells) else None
        if (
            after is None
            or after.kind != "answer"
            or (after.grade_id or after.id) != f"{cell.grade_id}-answer"
        ):
            yield found(
                lesson, "answer-cell", f"The next cell must be the answer cell {cell.grade_id}-answer.", cell
            )
    for cell in lesson.of_kind("answer"):
        if cell.meta and (cell.meta.get("grade") is not True or cell.points or cell.meta.get("locked")):
            message = "nbgrader wants a markdown answer to be grade and solution; with 0 points, unlocked."
            yield found(lesson, "answer-cell", message, cell)
        elif not cell.meta and (len(cell.source) > 80 or "\n" in cell.source.strip()):
            message = "A free answer cell ships as it is; leave one short line that asks for the answer."
            yield found(lesson, "answer-cell", message, cell)


EXERCISE_RULES = (points, tests_follow, exercises, tasks)
