"""Cells run as plain Python in one namespace, and test cells marked the way nbgrader marks them."""

import contextlib
import io
import sys
import types
from typing import Any, TypedDict

from course_utils.grading.lesson import Cell
from course_utils.grading.run_cell import points_of, run_source

__all__ = ["TestResult", "fresh_namespace", "run_test"]


class TestResult(TypedDict):
    """What one test cell gave; `type` and `message` are empty when it passed."""

    cell: str
    points: float
    max: float
    passed: bool
    type: str
    message: str


def fresh_namespace() -> dict[str, Any]:
    """The namespace of a new `__main__` module, which dataclasses and pickle can find, as in a notebook."""
    module = types.ModuleType("__main__")
    sys.modules["__main__"] = module
    return module.__dict__


def run_test(cell: Cell, namespace: dict[str, Any]) -> TestResult:
    """What nbgrader would make of the test cell: no points after an error or a word on stderr, else the
    number that its last expression shows, else all points."""
    errors = io.StringIO()
    type_, message, earned = "", "", 0.0
    with contextlib.redirect_stderr(errors):
        try:
            earned = points_of(run_source(cell.source, namespace, f"<{cell.where}>"), cell.points)
        except BaseException as error:  # SystemExit and KeyboardInterrupt fail a cell like any other error
            type_, message = type(error).__name__, str(error)
    if not type_ and errors.getvalue().strip():
        type_, message = (
            "stderr",
            f"wrote to stderr, for which nbgrader gives no points: {errors.getvalue().strip()}",
        )
    points = 0.0 if type_ else earned
    if points > cell.points:
        type_, message = (
            "partial",
            f"shows {points:g} points, which nbgrader refuses: the cell has {cell.points:g}",
        )
        points = 0.0
    elif not type_ and points < cell.points:
        type_, message = "partial", f"earned {points:g} of {cell.points:g} points"
    return {
        "cell": cell.grade_id,
        "points": points,
        "max": cell.points,
        "passed": not type_,
        "type": type_,
        "message": message,
    }
