"""What a cell shows, prints and raises, and which verdict nbgrader's rules make of it."""

import inspect
import math

import numpy as np
import pytest
import torch

from course_utils.grading.run_cell import ends_in, names_made_by, points_of, run_source, run_test
from course_utils.grading.wall.student import OutOfTime, Unreachable

# -- running --


def test_the_last_expression_is_the_value():
    assert run_source("x = 2\nx + 1", {}, "<a>") == 3
    assert run_source("x = 2", {}, "<b>") is None and run_source("", {}, "<c>") is None
    assert run_source("3;", {}, "<d>") is None and run_source("3;  \n", {}, "<e>") is None
    assert run_source("# only a comment", {}, "<f>") is None


def test_names_stay_in_the_namespace():
    names: dict = {}
    run_source("import math\ndef f(x): return g(x)\ndef g(x): return math.sqrt(x)", names, "<a>")
    assert run_source("f(9)", names, "<b>") == 3


def test_magics_and_await_work():
    assert run_source("async def f(): return 4\nawait f()", {}, "<a>") == 4
    names: dict = {"get_ipython": lambda: type("Shell", (), {"run_line_magic": lambda self, *words: words})()}
    assert run_source("%time 3", names, "<b>") == ("time", "3")


def test_source_and_line_numbers_are_the_cells():
    names: dict = {}
    run_source("def f():\n    return 1 / 0", names, "<cell of mine>", line=10)
    assert inspect.getsource(names["f"]) == "def f():\n    return 1 / 0"
    with pytest.raises(ZeroDivisionError) as caught:
        run_source("f()", names, "<other>")
    assert caught.traceback[-1].lineno + 1 == 11


@pytest.mark.parametrize("source", ["x =", "  x = 1\ny", "return 3", "f(", "\0", "(" * 300, "a" * 10 + " b"])
def test_what_is_no_python_is_a_failure(source):
    assert run_test(source, {}, 1).verdict == "fail"


# -- verdicts --


def test_a_cell_that_raises_nothing_passes():
    for source in ("", "assert 1 == 1", "'all good'", "None", "[1, 2]", "x = 3"):
        run = run_test(source, {}, 3)
        assert (run.verdict, run.message, run.error, run.shown) == ("pass", "", "", "")


@pytest.mark.parametrize(
    ("source", "error", "message"),
    [
        ("assert 1 == 2, 'one is not two'", "AssertionError", "one is not two"),
        ("assert 1 == 2", "AssertionError", "The check failed."),
        ("1 / 0", "ZeroDivisionError", "ZeroDivisionError: division by zero"),
        ("missing", "NameError", "NameError: name 'missing' is not defined"),
        ("raise ValueError", "ValueError", "ValueError: ValueError"),
        ("raise SystemExit(0)", "SystemExit", "SystemExit: 0"),
        ("raise KeyboardInterrupt", "KeyboardInterrupt", "KeyboardInterrupt: KeyboardInterrupt"),
        (
            "import no_such_module",
            "ModuleNotFoundError",
            "ModuleNotFoundError: No module named 'no_such_module'",
        ),
    ],
)
def test_a_cell_that_raises_fails_and_says_why(source, error, message):
    run = run_test(source, {}, 3, filename="<test-1>")
    assert (run.verdict, run.error, run.message) == ("fail", error, message)
    assert "in the test, line 1" in run.trace[0] and source in run.trace[0]


def test_the_place_in_a_test_is_told_with_its_line():
    run = run_test("x = 1\n\nassert x == 2, 'no'", {}, 3, filename="<test-1>")
    assert run.trace == ["in the test, line 3:\n    assert x == 2, 'no'", "AssertionError: no"]


@pytest.mark.parametrize(
    ("error", "verdict"),
    [(OutOfTime("x"), "timeout"), (Unreachable("it has ended"), "crashed"), (MemoryError(), "memory")],
)
def test_other_ends_have_verdicts_of_their_own(error, verdict):
    def stop():
        raise error

    run = run_test("try:\n    stop()\nexcept Exception:\n    raise", {"stop": stop}, 3)
    assert run.verdict == verdict and run.message


def test_what_the_students_code_raised_is_called_that():
    def f():
        error = ValueError("bad input")
        error.student_trace = "  in f"
        raise error

    run = run_test("f()", {"f": f}, 3)
    assert run.message == "Your code raised ValueError: bad input" and run.student_trace == "  in f"
    assert any("in the submitted code:\n  in f" in line for line in run.trace)


@pytest.mark.parametrize(
    "error",
    [
        SyntaxError("m", ("f", "l", "o", "t")),
        UnicodeEncodeError("a", "", -5, 9, "r"),
        type("Odd", (Exception,), {"__str__": lambda self: 1 / 0})(),
        ExceptionGroup("g", [ValueError()]),
    ],
    ids=lambda error: type(error).__name__,
)
def test_an_error_that_cannot_be_shown_is_a_failure_all_the_same(error):
    def stop():
        raise error

    assert run_test("stop()", {"stop": stop}, 3).verdict == "fail"


def test_stdout_is_kept_up_to_a_limit_and_stderr_is_nothing():
    run = run_test(
        "import sys, warnings\nprint('out')\nprint('err', file=sys.stderr)\nwarnings.warn('w')", {}, 3
    )
    assert (run.verdict, run.printed) == ("pass", "out\n")
    assert len(run_test("print('x' * 10**6)", {}, 3).printed) <= 20_000
    assert run_test("print('before')\n1 / 0", {}, 3).printed == "before\n"


def test_messages_have_a_limit():
    run = run_test("raise ValueError('x' * 10**6)", {}, 3)
    assert len(run.message) < 25_000 and sum(map(len, run.trace)) < 50_000


# -- points --


@pytest.mark.parametrize(
    ("shown", "verdict", "text"),
    [
        ("2", "partial", "2.0"),
        ("0.5 + 1", "partial", "1.5"),
        ("0", "partial", "0.0"),
        ("-1", "partial", "0.0"),
        ("nan", "partial", "0.0"),
        ("3", "pass", ""),
        ("3.0", "pass", ""),
        ("4", "fail", ""),
        ("inf", "fail", ""),
        ("1 + 0j", "fail", ""),
        ("np.float64(1.5)", "partial", "1.5"),
        ("np.int64(0)", "partial", "0.0"),
        ("np.False_", "partial", "0.0"),
        ("np.array(1.5)", "partial", "1.5"),
        ("np.array([1.5, 2])", "fail", ""),
        ("np.float64('nan')", "partial", "0.0"),
        ("torch.tensor(1.5)", "partial", "1.5"),
        ("torch.tensor(1.5, requires_grad=True)", "partial", "1.5"),
        ("torch.ones(2)", "fail", ""),
        ("np.array(['2'])", "fail", ""),
        ("True", "pass", ""),
        ("'0.5'", "pass", ""),
        ("[0.5]", "pass", ""),
    ],
)
def test_a_number_at_the_end_is_part_of_the_points(shown, verdict, text):
    names = {"np": np, "torch": torch, "nan": math.nan, "inf": math.inf}
    run = run_test(shown, names, 3)
    assert (run.verdict, run.shown) == (verdict, text), run
    assert verdict == "pass" or run.message


def test_nbgrader_reads_the_number_that_is_shown():
    from nbformat import NotebookNode
    from nbgrader.utils import get_partial_grade

    run = run_test("np.float64(1.25)", {"np": np}, 3)
    assert get_partial_grade(NotebookNode(data={"text/plain": run.shown}), 3) == 1.25
    assert points_of(None, 3) == 3


@pytest.mark.parametrize(
    ("source", "straight"),
    [
        ("f(1)", True),
        ("x = 1\nf", True),
        ("f(1)[0].size", True),
        ("f.count(1)(2)", True),
        ("checks.call(f, 1)", True),
        ("checks.call(g, 1)", False),
        ("2 * f(1)", False),
        ("sum(f(x) == x for x in y)", False),
        ("g(f(1))", False),
        ("f(1);", True),
        ("x = f(1)", False),
        ("", False),
        ("f(", False),
    ],
)
def test_what_a_students_name_shows_straight_is_no_number_of_points(source, straight):
    assert ends_in(source, {"f"}) == straight
    if straight and source == "f(1)":
        assert run_test(source, {"f": lambda x: 2}, 3, students=["f"]).verdict == "pass"
        assert run_test(source, {"f": lambda x: 2}, 3).verdict == "partial"


@pytest.mark.parametrize(
    ("source", "made"),
    [
        (
            "a = 1\ndef b(): pass\nclass C: pass\nimport d.e as e, f.g\nfor h in []: pass",
            {"a", "b", "C", "e", "f", "h"},
        ),
        ("assert f(1)\nexpected = 2", {"expected"}),
        ("x = f(x)", set()),
        ("x += 1", set()),
        ("print(x)\nx = 1", set()),
        ("x = 1\nx = f(x)", {"x"}),
        ("a, (b, *c) = 1, (2, 3)", {"a", "b", "c"}),
        ("with open('f') as g: pass", {"g"}),
        ("not python", set()),
    ],
)
def test_the_names_that_a_cell_makes_itself(source, made):
    assert names_made_by(source) == made
