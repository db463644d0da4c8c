"""An exercise's cells run as the grader runs them: tests in one process, answers in another, plain data between.

>>> across(exercise.follow, namespace, lesson)     # doctest: +SKIP
[{'cell': 'double-visible', 'passed': True, ...}]

Both processes are forks of the one that has built the reference's state, so there is nothing to start and
nothing to import again. What the sandbox adds is tested elsewhere: an audit is about the tests.
"""

import contextlib
import os
import socket
from collections.abc import Iterable, Mapping
from typing import Any

from course_utils.grading.audit_cells import TestResult
from course_utils.grading.audit_fork import die_with_parent
from course_utils.grading.examiner import Examiner
from course_utils.grading.lesson import Cell, Lesson
from course_utils.grading.lesson_source import names_of, top_level_names
from course_utils.grading.run_cell import run_source
from course_utils.grading.wall.agent import Agent
from course_utils.grading.wall.channel import Channel
from course_utils.grading.wall.student import Student

__all__ = ["across"]

CELL_S = 120.0


def across(
    cells: Iterable[Cell], namespace: dict[str, Any], lesson: Lesson, *, stop: bool = False
) -> list[TestResult]:
    """What each test cell gave, up to the first that fails if `stop`. `namespace` is left as it was.

    Setup cells run on both sides, solution cells on the student's.
    """
    cells = list(cells)
    ours, theirs = socket.socketpair()
    child = os.fork()
    if not child:
        try:
            ours.close()
            die_with_parent()
            _answer(cells, namespace, Channel(theirs))
        finally:
            os._exit(0)
    theirs.close()
    try:
        return _examine(cells, namespace, lesson, Channel(ours), stop)
    finally:
        ours.close()
        with contextlib.suppress(ProcessLookupError):
            os.kill(child, 9)
        os.waitpid(child, 0)


def _answer(cells: list[Cell], namespace: dict[str, Any], channel: Channel) -> None:
    """The student's side: the seed of the tests is not there."""
    os.environ["COURSE_SEED"] = "the student's side"
    agent, turn = Agent(namespace, channel), 0
    for cell in cells:
        if cell.kind == "test":
            turn += 1
            agent.serve(turn)
        elif cell.kind in ("setup", "solution"):
            with contextlib.suppress(Exception):
                run_source(cell.source, namespace, f"<{cell.where}>")


def _examine(
    cells: list[Cell], namespace: dict[str, Any], lesson: Lesson, channel: Channel, stop: bool
) -> list[TestResult]:
    seed = os.environ.get("COURSE_SEED", "0")
    graded = [name for e in lesson.exercises for name in top_level_names(e.solution.released)]
    job = {"graded": graded, "imports": {}, "seeds": {"given": seed, "test": seed}}
    examiner = Examiner(Student(channel), job)
    before = lesson.cells[: cells[0].index] if cells else ()
    _fill(examiner, before, namespace)
    results: list[TestResult] = []
    for cell in cells:
        if cell.kind == "setup":
            examiner.given(cell.source, cell.where)
        elif cell.kind == "test":
            results.append(
                _result(cell, examiner.test(cell.source, cell.where, cell.points, CELL_S, len(results) + 1))
            )
            if stop and not results[-1]["passed"]:
                break
    return results


def _fill(examiner: Examiner, cells: Iterable[Cell], namespace: Mapping[str, Any]) -> None:
    """The names that trusted cells have made so far."""
    for kind in ("setup", "test"):
        bound = {name for cell in cells if cell.kind == kind for name in names_of(cell.source).bound}
        names = {name: namespace[name] for name in bound - examiner.names.graded if name in namespace}
        dict.update(examiner.names, names)
        if kind == "setup":
            examiner.student.shared |= names


def _result(cell: Cell, run: Mapping[str, Any]) -> TestResult:
    points = {"pass": cell.points, "partial": float(run["shown"] or 0)}.get(run["verdict"], 0.0)
    return {
        "cell": cell.grade_id,
        "points": points,
        "max": cell.points,
        "passed": run["verdict"] == "pass",
        "type": run["error"] or ("partial" if run["verdict"] == "partial" else ""),
        "message": run["message"],
    }
