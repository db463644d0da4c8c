"""A whole class in one folder: release, four sample students, autograding, feedback, all by nbgrader itself.

>>> report = run_demo(Path("."), ["02"], Path("demo-class"), Console())     # doctest: +SKIP
>>> report.exit_status                                                      # doctest: +SKIP
0

The folder is a course directory like any other, with settings, gradebook and exchange of its own: formgrader
can be opened on it. Each student has a folder in it, fetches and submits there and finds feedback there.

`demo_students` says what each student hands in, `demo_class` makes the folder, `many` grades, `demo_outcome`
reads what came of it and `demo_report` shows it.
"""

import contextlib
import itertools
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

from course_utils.errors import LessonError
from course_utils.grading.demo_class import (
    LOG,
    StepFailed,
    api_for,
    catch,
    for_class,
    fresh_folder,
    log_step,
    start,
)
from course_utils.grading.demo_outcome import read_outcome
from course_utils.grading.demo_report import DemoReport, Outcome
from course_utils.grading.demo_students import STUDENTS, Work
from course_utils.grading.lesson import Lesson, find_lessons, load_lesson
from course_utils.grading.release import generate

if TYPE_CHECKING:
    from course_utils.grading.cluster import Cluster

__all__ = ["STUDENTS", "DemoReport", "Outcome", "run_demo"]

Step = Callable[[str], None]


def run_demo(
    root: Path, lessons: list[str], into: Path, console: Console, jobs: int = 2, gradebook: str = ""
) -> DemoReport:
    """What became of the sample students of a class made afresh in `into`, for these lessons (none: all).

    >>> run_demo(Path("."), [], Path("demo-class"), Console()).to_dict()["outcomes"]     # doctest: +SKIP

    `jobs` submissions are graded at once; `gradebook` is an empty database (none: SQLite in `into`). A submission
    that cannot be graded is a row of the report. Raises `ClassError` for a folder or database that the demo did not
    make, `LessonError` for a lesson that cannot be released.
    """
    from course_utils.grading.cluster import Cluster

    started = time.monotonic()
    chosen = [load_lesson(root, source.name) for source in find_lessons(root, lessons)]
    if not chosen:
        raise LessonError(
            f"There is no lesson in {root / 'source'}. Go to the course folder, or name it with --root."
        )
    folder = fresh_folder(root, into, chosen, gradebook)
    count = len(chosen) * (5 + len(STUDENTS))
    with _quiet(folder), _steps(console, count) as step, Cluster(jobs, warm=True) as cluster:
        outcomes = [o for lesson in chosen for o in _run_lesson(root, folder, lesson, cluster, step)]
    return DemoReport(folder, tuple(outcomes), time.monotonic() - started)


def _run_lesson(root: Path, folder: Path, lesson: Lesson, cluster: "Cluster", step: Step) -> list[Outcome]:
    name, api = lesson.name, api_for(folder)
    failed: dict[str, str] = {}
    step(f"{name}: generate")
    _generate(root, folder, name, api)
    step(f"{name}: release")
    for_class(folder, api.release_assignment(name), name, "be released")
    step(f"{name}: {len(STUDENTS)} students fetch, work and submit")
    for student, work in STUDENTS.items():
        with catch(failed, student):
            _work_and_submit(folder, lesson, student, work)
    step(f"{name}: collect")
    for_class(folder, api.collect(name), name, "be collected")
    handed_in = [student for student in STUDENTS if student not in failed]
    from course_utils.grading.many import class_grader

    with class_grader(folder, name, handed_in, cluster=cluster) as grader:
        for one in grader:
            step(f"{name}: autograde {one.student}")
            if one.outcome == "not graded":
                failed[one.student] = one.reason
                continue
            with catch(failed, one.student):
                log_step(folder, api.generate_feedback(name, one.student))
    step(f"{name}: feedback")
    _hand_back(folder, name, api, handed_in, failed)
    return [read_outcome(folder, api, name, student, failed.get(student)) for student in STUDENTS]


def _generate(root: Path, folder: Path, name: str, api: Any) -> None:
    try:
        log_step(folder, api.generate_assignment(name))
    except StepFailed as error:
        with tempfile.TemporaryDirectory() as scratch:
            generate(root, name, Path(scratch))  # raises an error that names the cell
        raise LessonError(f"nbgrader cannot make the student version of {name}: {error}") from None


def _work_and_submit(folder: Path, lesson: Lesson, student: str, work: Work) -> None:
    import nbformat

    api = api_for(folder, student)
    api.coursedir.assignment_id = lesson.name
    kwargs = {"coursedir": api.coursedir, "authenticator": api.authenticator, "parent": api}
    start(folder, api.exchange.FetchAssignment(**kwargs))
    path = folder / "students" / student / lesson.name / f"{lesson.name}.ipynb"
    done = work(nbformat.read(path, as_version=4), lesson)
    if done is None:
        path.unlink()
    else:
        path.write_text(done if isinstance(done, str) else nbformat.writes(done) + "\n", encoding="utf-8")
    start(folder, api.exchange.Submit(**kwargs))


def _hand_back(folder: Path, name: str, api: Any, students: list[str], failed: dict[str, str]) -> None:
    for_class(folder, api.release_feedback(name), name, "be handed back")
    for student in students:
        if student not in failed:
            with catch(failed, student):
                log_step(folder, api_for(folder, student).fetch_feedback(name, student))


@contextlib.contextmanager
def _steps(console: Console, total: int) -> Iterator[Step]:
    """A bar on a terminal, one line a step in a log."""
    bar = Progress(
        TextColumn("{task.description}"), BarColumn(), TimeElapsedColumn(), console=console, transient=True,
        redirect_stderr=False, disable=not console.is_terminal,
    )  # fmt: skip
    done = itertools.count()
    with bar:
        task = bar.add_task("", total=total)

        def step(what: str) -> None:
            bar.update(task, description=what, completed=next(done))
            if not console.is_terminal:
                console.print(what, highlight=False, soft_wrap=True)

        yield step


@contextlib.contextmanager
def _quiet(folder: Path) -> Iterator[None]:
    """Stray messages go to the log."""
    with (folder / LOG).open("a", encoding="utf-8") as log, contextlib.redirect_stderr(log):
        yield
