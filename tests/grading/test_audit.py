"""`course audit`: the clean lesson passes, and each examiner that misjudges is found, with what came."""

import json
import os
import random
import re
import signal
import time

import pytest

from course_utils.grading.audit import UnknownExercise, audit_lessons
from course_utils.grading.audit_answers import AnswersError, read_answers
from course_utils.grading.audit_cells import fresh_namespace, run_test
from course_utils.grading.audit_fork import run_forked
from course_utils.grading.lesson import Cell
from course_utils.grading.run_cell import run_source


def audit(course, **options):
    """The report on the course's one lesson, quickly."""
    defaults = {"lab": None, "jobs": 1, "seeds": 2, "time_limit_s": 10.0}
    return audit_lessons(course.write().root, [course.name], **{**defaults, **options})


def problems(course, **options):
    """What is off, without the lesson's name."""
    return [str(p).removeprefix(f"{course.name}").strip(": ") for p in audit(course, **options).problems]


def test_the_clean_lesson_has_no_problem(course):
    report = audit(course, seeds=5)
    assert report.problems == () and report.exit_status == 0
    double, quiz = report.rows
    assert (double.reference_full, double.seeds, double.untouched) == (5, 5, 0)
    assert (double.wrong_failed, double.wrong, double.right_passed, double.right) == (4, 4, 2, 2)
    assert (quiz.wrong_failed, quiz.wrong, quiz.right_passed, quiz.points) == (3, 3, 1, 10)


def test_a_test_that_needs_the_students_own_process_is_named(course):
    course.swap("double-visible", "fresh = numbers", "double.__code__.co_name\nfresh = numbers")
    (first, *_) = [p for p in problems(course) if "right answer (adds):" in p]
    assert first.startswith(
        "double: right answer (adds): double-visible gives 0 (AttributeError: '__code__' is"
    )
    assert first.endswith("in the grader and 30 (passes) in one process")


def test_validate_can_be_left_out(course):
    course.swap("double-visible", "fresh = numbers", "double.__code__.co_name\nfresh = numbers")
    found = problems(course, validate=False)
    assert any("right answer (adds) fails" in p for p in found)
    assert not any("in one process" in p for p in found)


def test_what_grading_a_reference_costs_is_measured(course):
    course.swap("double-second", "assert double(-2)", "sum(range(3_000_000))\nassert double(-2)")
    report = audit(course)
    assert report.problems == () and 0.01 < report.cost_s[course.name] < 10


def test_the_answer_cannot_reach_a_name_of_the_test(course):
    # In one process this answer reads the test's own number from the frame that called it.
    cheat = "import sys\ndef double(x): return 2 * sys._getframe(1).f_globals.get('fresh', x)"
    course.answers = course.answers.replace("def double(x): return x + x", cheat)
    course.swap("double-second", "assert double(-2)", "fresh = 1\nassert double(-2)")
    found = [p for p in problems(course) if "(adds)" in p]
    assert found == [
        "double: right answer (adds): double-second gives 40 (passes) in the grader and 0 (double(0) should be 0: "
        "nothing to add) in one process"
    ]


def test_two_jobs_give_the_same_verdicts(course):
    course.answers = course.answers.replace("return x + x", "return x")
    one, two = audit(course, jobs=1), audit(course, jobs=2)
    assert {str(p) for p in one.problems} == {str(p) for p in two.problems} != set()


def _answers(old, new):
    def change(course):
        assert old in course.answers
        course.answers = course.answers.replace(old, new)

    return change


def _swap(id, old, new):
    return lambda course: course.swap(id, old, new)


def _weak_tests(course):
    """Tests that only ask whether the name exists."""
    for id in ("double-visible", "double-second"):
        course.put(id, "assert callable(double), 'define it'")


BREAKS = {
    "a wrong answer that passes": (
        _answers("return x + 1", "return x * 2"),
        "double: wrong answer (adds one) passes every test",
    ),
    "a message that does not fit": (
        _answers('-> "keep the sign"', '-> "future"'),
        "double: wrong answer (loses the sign) should fail with 'future', but got double-second: "
        "AssertionError: double(-2) should keep the sign",
    ),
    "a right answer that fails": (
        _answers("return sum([x, x])", "return 3 * x"),
        "double: right answer (sums) fails: double-visible: AssertionError: double(1) should be 2: did you "
        "add instead of multiplying?",
    ),
    "too few wrong answers": (
        _answers('# %% wrong: adds one -> "not twice"\ndef double(x): return x + 1\n', ""),
        "double: 3 wrong answers; at least 4 are asked for",
    ),
    "too few right answers": (
        _answers("# %% right: adds\ndef double(x): return x + x\n", ""),
        "double: 1 right answers; at least 2 are asked for",
    ),
    "an answer with another name": (
        _answers("def double(x): return x + 1", "def twice(x): return x + 1"),
        "double: wrong answer (adds one): the answer does not define double",
    ),
    "an answer that raises by itself": (
        _answers("def double(x): return x + 1", "def double(x): return x + 1\nno_such_name"),
        "double: wrong answer (adds one): the answer itself raises NameError: name 'no_such_name' is not "
        "defined",
    ),
    "an answer that leaves the process": (
        _answers("def double(x): return x + 1", "def double(x): import os; os._exit(3)"),
        "double: wrong answer (adds one) should fail with 'not twice', but got crashed: exit status 3",
    ),
    "an answer that is killed": (
        _answers("def double(x): return x + x", "def double(x): import os; os.kill(os.getpid(), 11)"),
        "double: right answer (adds) fails: crashed: signal SIGSEGV",
    ),
    "a reference that fails on a seed": (
        _swap(
            "double-visible",
            "fresh = numbers",
            "fresh = None if os.environ['COURSE_SEED'] == '2' else numbers",
        ),
        "double: the reference on seed 2: double-visible: TypeError: Your code raised TypeError: unsupported "
        "operand type(s) for *: 'int' and 'NoneType'",
    ),
    "a quiz that gives two choices one message": (
        _swap("quiz_1-hidden", '"Five is two and three."', '"Three is two and one."'),
        "quiz_1: choices 'A' and 'C' get the same message; explain each choice",
    ),
    "a quiz that takes two choices": (
        _swap("quiz_1-hidden", 'assert letter == "B"', 'assert letter in ("A", "B")'),
        "quiz_1: wrong answer ('A') passes every test",
    ),
    "a quiz that wants capitals": (
        _swap("quiz_1-hidden", "quiz_1.strip().upper()", "quiz_1.strip()"),
        "quiz_1: right answer (' b ') fails: quiz_1-hidden: AssertionError: Answer with one letter.",
    ),
    "a quiz card without choices": (
        lambda course: course.put("quiz_card", "### Quiz 1: What?"),
        "quiz_1: the quiz card lists 0 choices, so its wrong letters were not all tried",
    ),
    "answers of no exercise": (
        lambda course: _stray(course, "triple.py"),
        "triple.py holds answers of no exercise of this lesson; rename or remove it",
    ),
}


def _stray(course, name):
    folder = course.root / "tests" / "lessons" / course.name
    folder.mkdir(parents=True)
    (folder / name).write_text("")


@pytest.mark.parametrize("how", BREAKS)
def test_one_break_gives_exactly_its_problem(course, how):
    break_it, expected = BREAKS[how]
    break_it(course)
    found = problems(course)
    choice_a = [p for p in found if p != "quiz_1: choice 'A' gets no message; say why it is wrong"]
    assert (choice_a if how == "a quiz that takes two choices" else found) == [expected]


def test_a_wrong_answer_that_one_draw_lets_pass_is_found(course):
    """It fails on seed 0, whose number it does not know, and passes on seed 1."""
    first, second = (random.Random(seed).randint(5, 9) for seed in "01")
    assert first != second
    known = f"def double(x): return 2 * x if x in (-2, 0, 1, {second}) else x\n"
    course.answers += f'# %% wrong: knows a number -> "not twice"\n{known}'
    assert problems(course, seeds=1) == []
    report = audit(course, seeds=3)
    assert [problem.message for problem in report.problems] == [
        "wrong answer (knows a number, seed 1) passes every test"
    ]
    assert (report.rows[0].wrong_failed, report.rows[0].wrong) == (4, 5)


def test_a_verdict_that_is_luck_is_found_by_many_draws(course):
    """Seed 0 draws another number than the one that a wrong answer knows, and that a right one does not."""
    number = next(n for n in range(5, 10) if n != random.Random("0").randint(5, 9))
    drawn = [random.Random(str(seed)).randint(5, 9) for seed in range(2, 42)].count(number)
    course.answers = course.answers.replace("return x + x", f"return x + x if x != {number} else x")
    known = f"def double(x): return 2 * x if x in (-2, 0, 1, {number}) else x"
    course.answers += f'# %% wrong: knows a number -> "not twice"\n{known}\n'
    assert problems(course, seeds=1) == []
    lack, luck = problems(course, seeds=1, draws=40)
    assert 0 < drawn < 40
    assert luck.startswith(
        f"double: wrong answer (knows a number) passes double-visible on {drawn} of 40 draws; else:"
    )
    assert lack.startswith(
        f"double: right answer (adds) passes double-visible on {40 - drawn} of 40 draws; else:"
    )


def test_draws_that_end_badly_are_told_and_known_to_end_badly_are_left_out(course):
    course.answers += '# %% wrong: goes -> "exit status 3"\ndef double(x): import os; os._exit(3)\n'
    course.swap(
        "double-second",
        "assert double(-2)",
        "if os.environ['COURSE_SEED'] == '4': os._exit(4)\nassert double(-2)",
    )
    found = problems(course, seeds=1, draws=5)
    assert "double: right answer (sums): further draws: crashed: exit status 4" in found
    assert not any("goes" in text for text in found)


def test_an_answer_that_never_ends_costs_one_trial(course):
    course.answers = course.answers.replace("return x + 1", "\n    while True: pass")
    started = time.monotonic()
    assert [p.split("but got ")[1] for p in problems(course, time_limit_s=1)] == ["timeout: no end after 1 s"]
    assert time.monotonic() - started < 30


def test_tests_that_measure_nothing_are_found_from_every_side(course):
    _weak_tests(course)
    report = audit(course)
    double = report.rows[0]
    assert (double.wrong_failed, double.untouched) == (0, 70)
    assert sum("passes every test" in str(p) for p in report.problems) == 4
    assert sum("the untouched stub earns" in str(p) for p in report.problems) == 2


def test_a_stub_that_earns_part_of_the_points_is_found(course):
    course.swap("double-visible", "# The hidden", "if True:\n    points = 1\n# The hidden")
    course.put("double-second", "# hidden too\n10")
    found = problems(course)
    assert "double: the untouched stub earns 10 points in double-second" in found
    assert any(
        "the reference on seed 0, 1, 2: double-second: partial: earned 10 of 40 points" in p for p in found
    )


def test_a_word_on_stderr_fails_the_reference_as_nbgrader_would(course):
    course.swap("double-second", "### BEGIN", "import sys\nprint('careful', file=sys.stderr)\n### BEGIN")
    assert any("stderr: wrote to stderr" in p and "careful" in p for p in problems(course))


def test_a_setup_cell_that_raises_ends_the_lesson_with_its_message(course):
    course.put("setup", "scale = 2\nraise ValueError('no data')")
    first, *rest = problems(course)
    assert first == "setup cell setup [1] raises ValueError: no data; the rest did not run"
    assert rest == ["double: was not run", "quiz_1: was not run"]


def test_a_lesson_whose_process_dies_is_a_problem_not_a_crash(course):
    course.put("setup", "import os, sys\nprint('last words', file=sys.stderr, flush=True)\nos._exit(7)")
    assert "ended early" in problems(course)[0] and "last words" in problems(course)[0]


def test_demo_cells_are_skipped(course):
    course.put("try_it", "raise RuntimeError('a demo ran')")
    assert problems(course) == []


def test_a_trial_cannot_change_the_next_one(course):
    course.put("setup", "import math\n\nscale = 2\nseen = []")
    course.answers = course.answers.replace("return x + 1", "seen.append(x); return x + 1")
    course.swap(
        "double-second", "assert double(0)", "assert not seen, 'another trial was here'\nassert double(0)"
    )
    assert problems(course) == []


def test_cells_run_in_a_throw_away_directory(course):
    course.put("setup", "scale = 2\nopen('left.txt', 'w').close()")
    assert problems(course) == []
    assert not list(course.root.rglob("left.txt")) and not os.path.exists("left.txt")


def test_a_stub_that_raises_nothing_must_earn_nothing_either(course):
    course.stub = "..."
    course.swap("double", '    """Returns twice `x`."""', '    """Returns twice `x`."""\n    return x + x')
    found = problems(course)
    assert found == [
        f"double: the untouched stub earns {n} points in double-{t}"
        for n, t in ((30, "visible"), (40, "second"))
    ]


# One exercise alone.


def test_one_exercise_runs_alone_but_with_the_names_it_needs(course):
    course.swap("double-second", "### END", "offset = 0\n### END")
    course.swap(
        "quiz_1-hidden", "letter = quiz_1", "assert offset == 0, 'made by an earlier test'\nletter = quiz_1"
    )
    report = audit(course, exercise="quiz_1")
    assert [row.exercise for row in report.rows] == ["quiz_1"] and report.problems == ()


def test_one_exercise_does_not_wait_for_earlier_tests(course):
    course.put("double-visible", "import time\ntime.sleep(60)")
    started = time.monotonic()
    assert audit(course, exercise="quiz_1").problems == ()
    assert time.monotonic() - started < 50


def test_an_unknown_exercise_gives_one_error_that_lists_what_exists(course):
    with pytest.raises(UnknownExercise, match=r"No exercise 'triple'.*double, quiz_1"):
        audit(course, exercise="triple")


# The lab wing.


@pytest.fixture
def lab(course, monkeypatch):
    """A package with one harmless callable, whose modules a test can add to."""
    home = course.root / "lab"
    (home / "toylab" / "grading").mkdir(parents=True)
    (home / "toylab" / "__init__.py").write_text("")
    (home / "toylab" / "plain.py").write_text("__all__ = ['same', 'SIZE']\nSIZE = 3\ndef same(x): return x\n")
    (home / "toylab" / "grading" / "__init__.py").write_text("def answer(x): return x + x\n")
    monkeypatch.setenv("PYTHONPATH", str(home))
    return home / "toylab"


def test_a_lab_without_answers_passes_and_the_grading_wing_is_not_tried(course, lab):
    report = audit(course, lab="toylab")
    assert report.problems == ()
    assert [row.callables for row in report.rows] == [1, 0]


def test_a_graded_answer_in_the_lab_is_found(course, lab):
    (lab / "tools.py").write_text("__all__ = ['twice']\ndef twice(x): return x + x\ndef _own(x): return x\n")
    assert problems(course, lab="toylab") == [
        "double: toylab.tools.twice as double passes every test: the lab wing holds a graded answer"
    ]


def test_a_callable_that_only_helps_along_is_tried_on_each_name_alone(course, lab):
    course.swap("double", "def double", "def half(x: float) -> float:\n    return x / 2\n\n\ndef double")
    course.swap("double-second", "### BEGIN", "assert half(4) == 2, 'half of 4'\n### BEGIN")
    course.answers = "def half(x): return x / 2\n" + course.answers
    (lab / "tools.py").write_text("__all__ = ['twice']\ndef twice(x): return x + x\n")
    report = audit(course, lab="toylab")
    assert report.rows[0].callables == 4
    assert [str(p) for p in report.problems if "as double passes" in str(p)] == [
        str(p) for p in report.problems
    ]
    assert len(report.problems) == 1


def test_a_lab_module_that_cannot_be_imported_is_a_problem(course, lab):
    (lab / "broken.py").write_text("import no_such_module\n")
    assert problems(course, lab="toylab") == [
        "toylab.broken cannot be imported, so its callables were not tried: ModuleNotFoundError: No module "
        "named 'no_such_module'"
    ]


# The report.


def test_the_report_is_plain_data_and_a_table(course, capfd):
    from rich.console import Console

    course.answers = course.answers.replace("return x + 1", "return x * 2")
    report = audit(course)
    data = json.loads(json.dumps(report.to_dict()))
    assert data["problems"][0]["exercise"] == "double" and data["rows"][0]["wrong_failed"] == 3
    console = Console(width=100)
    with console.capture() as capture:
        console.print(report.table())
    assert "double" in capture.get() and "3/4" in capture.get() and "passes every test" in capture.get()
    assert report.exit_status == 1
    line = rf"{course.name}: 2 exercises, 1 problems, \d+ s\n"
    assert re.fullmatch(line, capfd.readouterr().err), "a line for the lesson, and no spinner in a log"


# The parts.


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("# %% wrong: no message\ndef f(): ...", r"f.py:1: a wrong answer needs -> "),
        ('# %% right: has one -> "x"\ndef f(): ...', r"f.py:1: a right answer takes no expected message"),
        ("x = 1\n# %% maybe: this\n", r"f.py:2: write `# %% wrong"),
    ],
)
def test_an_answers_file_of_another_form_says_where(tmp_path, text, message):
    (tmp_path / "f.py").write_text(text)
    with pytest.raises(AnswersError, match=message):
        read_answers(tmp_path / "f.py")


def test_a_missing_answers_file_is_a_problem_of_its_exercise(course):
    course.write()
    path = course.root / "tests" / "lessons" / course.name / "double.py"
    path.unlink()
    report = audit_lessons(course.root, [course.name], lab=None, jobs=1, seeds=1)
    assert any("double.py does not exist" in str(p) for p in report.problems)
    assert sum("does not exist" in str(p) for p in report.problems) == 1


def test_answers_are_read_with_their_preamble_and_their_lines(tmp_path):
    (tmp_path / "f.py").write_text('import math\n\n# %% wrong: one -> "Two"\nx = 1\n# %% right: two\nx = 2\n')
    wrong, right = read_answers(tmp_path / "f.py")
    assert (wrong.kind, wrong.label, wrong.expect, wrong.line) == ("wrong", "one", "Two", 4)
    assert (right.kind, right.label, right.expect, right.source.strip()) == ("right", "two", None, "x = 2")
    assert wrong.preamble.strip() == "import math"


def test_forked_trials_send_back_values_and_say_how_they_ended():
    def leave():
        os._exit(4)

    def kill():
        os.kill(os.getpid(), signal.SIGKILL)

    def raise_():
        raise SystemExit("bye")

    def sleep():
        time.sleep(30)

    outcomes = dict(
        run_forked([lambda: [1, "a"], leave, kill, raise_, sleep, lambda: "x" * 300_000], limit_s=1, jobs=3)
    )
    assert outcomes[0].value == [1, "a"] and outcomes[0].ended is None
    assert [outcomes[i].ended for i in (1, 2)] == ["crashed: exit status 4", "crashed: signal SIGKILL"]
    assert outcomes[3].ended == "raised SystemExit: bye"
    assert outcomes[4].ended is not None and outcomes[4].ended.startswith("timeout")
    assert len(outcomes[5].value) == 300_000, "a result larger than a pipe's buffer comes whole"


@pytest.mark.parametrize(
    ("source", "points", "type_"),
    [
        ("x = 1", 4, ""),
        ("4", 4, ""),
        ("1.5", 1.5, "partial"),
        ("5", 0, "partial"),
        ("float('nan')", 0, "partial"),
        ("0", 0, "partial"),
        ("'3'", 4, ""),
        ("True", 4, ""),
        ("None", 4, ""),
        ("1.5;", 4, ""),
        ("1 / 0", 0, "ZeroDivisionError"),
        ("raise SystemExit", 0, "SystemExit"),
        ("def f(:", 0, "SyntaxError"),
    ],
)
def test_a_test_cell_is_marked_as_nbgrader_marks_it_but_nan_is_nothing(source, points, type_):
    cell = Cell(0, "t", "code", source, {"nbgrader": {"grade_id": "f-hidden", "points": 4}})
    result = run_test(cell, {})
    assert (result["points"], result["type"], result["passed"]) == (points, type_, not type_)


def test_dataclasses_and_getsource_work_in_cells(monkeypatch):
    import sys

    monkeypatch.setitem(sys.modules, "__main__", sys.modules["__main__"])
    source = (
        "from __future__ import annotations\nimport inspect\nfrom dataclasses import dataclass\n"
        "@dataclass\nclass Pair:\n    a: int\ndef f():\n    return Pair(1)\ninspect.getsource(f), f().a"
    )
    assert run_source(source, fresh_namespace(), "<cell>") == ("def f():\n    return Pair(1)\n", 1)
