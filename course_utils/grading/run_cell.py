"""Cells run as plain Python in a namespace, and what a test cell's run means.

>>> run_source("x = 2\\nx + 1", {}, "<cell>")
3
>>> run_test("assert 1 == 2, 'one is not two'", {}, points=3).message
'one is not two'
"""

import ast
import asyncio
import contextlib
import inspect
import io
import linecache
import sys
import traceback
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

from course_utils.grading.lesson_source import names_of
from course_utils.grading.wall.student import OutOfTime, Unreachable

__all__ = ["TestRun", "ends_in", "names_made_by", "points_of", "run_source", "run_test"]

MOST_TEXT = 20_000


@dataclass
class TestRun:
    """What one test cell gave. `error` is the type's name, empty unless the verdict is a failure."""

    verdict: str
    error: str = ""
    message: str = ""
    trace: list[str] = field(default_factory=list)
    student_trace: str = ""
    shown: str = ""
    """The number that a partial verdict shows, as text."""
    printed: str = ""

    __test__ = False


def run_source(source: str, namespace: dict[str, Any], filename: str, line: int = 1) -> Any:
    """The value of the last expression (None without one), after running `source` in `namespace`.

    `filename` and `line` are what tracebacks and `inspect.getsource` show. IPython's magics and a top-level
    `await` work. Raises whatever the source raises.
    """
    source = _plain(source)
    padded = "\n" * (line - 1) + source
    linecache.cache[filename] = (len(padded), None, padded.splitlines(keepends=True), filename)
    tree = ast.parse(padded, filename)
    last = tree.body.pop() if _shows(source) and tree.body and isinstance(tree.body[-1], ast.Expr) else None
    _execute(tree, filename, "exec", namespace)
    if isinstance(last, ast.Expr):
        return _execute(ast.Expression(last.value), filename, "eval", namespace)
    return None


def run_test(
    source: str,
    namespace: dict[str, Any],
    points: float,
    *,
    filename: str = "<test>",
    students: Iterable[str] = (),
) -> TestRun:
    """The verdict of a test cell worth that many points, by nbgrader's rules: an error is a failure, a number shown
    at the end is part of the points, anything else all of them.

    A number that the last expression takes straight from one of the `students`' names does not count: the
    student would choose the points. What is written to stderr is information, never a verdict.
    """
    printed = io.StringIO()
    try:
        with contextlib.redirect_stdout(printed), contextlib.redirect_stderr(io.StringIO()):
            value = run_source(source, namespace, filename)
        run = TestRun("pass")
        if not ends_in(source, set(students)):
            run = _scored(points_of(value, points), points)
    except BaseException as error:  # SystemExit and KeyboardInterrupt fail a cell like any other error
        try:
            run = _failed(error, filename)
        except Exception:
            run = TestRun("fail", type(error).__name__, "The test failed with an error that cannot be shown.")
    run.printed = printed.getvalue()[:MOST_TEXT]
    return run


def names_made_by(source: str) -> set[str]:
    """Names that the cell binds at its top level before it reads them, if it reads them at all."""
    try:
        tree = ast.parse(_plain(source))
    except (SyntaxError, ValueError):
        return set()
    bound = names_of(_plain(source)).bound
    uses = [node for node in ast.walk(tree) if isinstance(node, ast.Name) and node.id in bound]
    first: dict[str, ast.Name] = {}
    for use in sorted(uses, key=lambda node: (node.lineno, node.col_offset)):
        # In `x = f(x)` the right side is read before the left one is bound.
        statement = next(s for s in tree.body if s.lineno <= use.lineno <= (s.end_lineno or s.lineno))
        reads = any(
            u.id == use.id and isinstance(u.ctx, ast.Load)
            for u in ast.walk(statement)
            if isinstance(u, ast.Name)
        )
        simple = isinstance(statement, ast.Assign | ast.AugAssign | ast.AnnAssign)
        if use.id not in first:
            first[use.id] = use
            if isinstance(use.ctx, ast.Load) or isinstance(statement, ast.AugAssign) or (simple and reads):
                bound = bound - {use.id}
    return set(bound)


def points_of(value: Any, most: float) -> float:
    """nbgrader's partial credit: a number that the last expression shows; anything else earns all points.

    Unlike nbgrader's, NumPy's and torch's single numbers count as numbers, and a negative one or nan as 0: what
    a student returns must not turn a score into something that earns everything. Raises `ValueError` for an
    array of several.
    """
    if isinstance(value, bool) or not (isinstance(value, int | float | complex) or _is_array(value)):
        return most
    try:
        points = float(value)
    except (TypeError, ValueError, RuntimeError, OverflowError):
        raise ValueError(
            f"this test shows {type(value).__name__}, where a number of points was expected"
        ) from None
    return points if points >= 0 else 0.0


def _is_array(value: Any) -> bool:
    numpy, torch = sys.modules.get("numpy"), sys.modules.get("torch")
    return (numpy is not None and isinstance(value, numpy.ndarray | numpy.generic)) or (
        torch is not None and isinstance(value, torch.Tensor)
    )


def ends_in(source: str, names: set[str]) -> bool:
    """Whether what the cell shows is one of these names, or what a call, attribute or index of one gives."""
    try:
        last = ast.parse(_plain(source)).body[-1:]
    except (SyntaxError, ValueError):
        return False
    if not last or not isinstance(last[0], ast.Expr):
        return False
    value = last[0].value
    while isinstance(value, ast.Call | ast.Attribute | ast.Subscript):
        if isinstance(value, ast.Call) and ast.unparse(value.func) == "checks.call" and value.args:
            value = value.args[0]
        else:
            value = value.func if isinstance(value, ast.Call) else value.value
    return isinstance(value, ast.Name) and value.id in names


def _scored(points: float, most: float) -> TestRun:
    if points == most:
        return TestRun("pass")
    if points > most:
        message = (
            f"This test shows {points:g} points, but it has {most:g}: the test is wrong, tell its author."
        )
        return TestRun("fail", "ValueError", message, [message])
    return TestRun("partial", shown=repr(points), message=f"earned {points:g} of {most:g} points")


def _failed(error: BaseException, filename: str) -> TestRun:
    student_trace = getattr(error, "student_trace", "")
    name = type(error).__name__
    if isinstance(error, OutOfTime):
        message = "This took longer than it may. Is there a loop that never ends?"
        return TestRun("timeout", "Timeout", message, [message])
    if isinstance(error, Unreachable):
        message = f"The test could not be finished: {error}."
        return TestRun("crashed", "Crashed", message, [message])
    text = str(error)[:MOST_TEXT]
    message = text or ("The check failed." if isinstance(error, AssertionError) else name)
    if student_trace:
        message = f"Your code raised {name}: {text}" if text else f"Your code raised {name}."
    elif not isinstance(error, AssertionError):
        message = f"{name}: {message}"
    verdict = "memory" if isinstance(error, MemoryError) else "fail"
    return TestRun(verdict, name, message, _lines(error, filename, student_trace), student_trace)


def _lines(error: BaseException, filename: str, student_trace: str) -> list[str]:
    """For teaching assistants: where in the test it failed, and where in the student's code."""
    frames = [f for f in traceback.extract_tb(error.__traceback__) if f.filename == filename]
    lines = [f"in the test, line {frame.lineno}:\n    {frame.line}" for frame in frames[:10]]
    if student_trace:
        lines.append(f"in the submitted code:\n{student_trace.rstrip()}")
    return [*lines, "".join(traceback.format_exception_only(error)).rstrip()[:MOST_TEXT]]


def _plain(source: str) -> str:
    """The source with IPython's magics and shell lines as Python; the same source if it has none."""
    try:
        ast.parse(source)
    except (SyntaxError, ValueError):
        from IPython.core.inputtransformer2 import TransformerManager

        return TransformerManager().transform_cell(source)
    return source


def _shows(source: str) -> bool:
    return not source.rstrip().endswith(";")  # IPython shows nothing after a semicolon


def _execute(tree: ast.AST, filename: str, mode: str, namespace: dict[str, Any]) -> Any:
    flags = ast.PyCF_ALLOW_TOP_LEVEL_AWAIT
    code = compile(tree, filename, mode, flags, dont_inherit=True)  # type: ignore[call-overload]
    value = eval(code, namespace)
    return asyncio.run(value) if code.co_flags & inspect.CO_COROUTINE else value
