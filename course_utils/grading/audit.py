"""`course audit`: does each lesson's examiner tell right answers from wrong ones?

For every exercise, on several seeds: the reference earns full marks; at least four plausible wrong answers fail, each
with the message that fits; at least two right answers written differently pass. And once: the untouched stub earns
nothing, and no public callable of the lab wing, bound to a graded name, passes. With many more draws: no verdict is a
matter of luck.
"""

import json
import os
import selectors
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from rich.box import SIMPLE_HEAD
from rich.console import Console, Group
from rich.progress import Progress, SpinnerColumn, TextColumn, TimeElapsedColumn
from rich.table import Table
from rich.text import Text

from course_utils.errors import LessonError
from course_utils.grading.audit_judge import ExerciseRow, Problem, judge
from course_utils.grading.lesson import Lesson, find_lessons, load_lesson

__all__ = ["AuditReport", "UnknownExercise", "audit_lessons"]

ONE_THREAD = {
    "OMP_NUM_THREADS": "1",
    "MKL_NUM_THREADS": "1",
    "OPENBLAS_NUM_THREADS": "1",
    "RAYON_NUM_THREADS": "1",
    "TOKENIZERS_PARALLELISM": "false",
}
SILENCE_S = 900.0  # no event for so long: the reference itself hangs


class UnknownExercise(LessonError):
    """None of the lessons asked for has that exercise; the message lists those that exist."""


@dataclass(frozen=True)
class AuditReport:
    """One row an exercise, and one problem for each thing that is off."""

    rows: tuple[ExerciseRow, ...]
    problems: tuple[Problem, ...]
    cost_s: dict[str, float] = field(default_factory=dict)
    """By lesson: CPU seconds of the reference's solution and test cells, which is what grading it costs at least."""

    @property
    def exit_status(self) -> int:
        """0 if nothing is off, else 1."""
        return int(bool(self.problems))

    def to_dict(self) -> dict[str, Any]:
        """The report as plain data, for `--json`."""
        rows, problems = ([asdict(line) for line in lines] for lines in (self.rows, self.problems))
        return {"rows": rows, "problems": problems, "cost_s": self.cost_s}

    def table(self) -> Group:
        """A rich table, one row an exercise, and beneath it a line for each problem."""
        title = f"{len(self.rows)} exercises, {len(self.problems)} problems"
        table = Table(title=title, title_justify="left", box=SIMPLE_HEAD, padding=(0, 1, 0, 0))
        table.add_column("lesson", overflow="ellipsis", no_wrap=True, max_width=20)
        table.add_column("exercise", overflow="fold", min_width=12)
        for column in ("points", "seeds", "stub", "wrong", "right", "lab", "s"):
            table.add_column(column, justify="right", no_wrap=True)
        for row in self.rows:
            off = any((p.lesson, p.exercise) == (row.lesson, row.exercise) for p in self.problems)
            table.add_row(*row.texts(), style="red" if off else "")
        costs = [Text(f"{name}: the reference takes {s:.1f} s to grade") for name, s in self.cost_s.items()]
        return Group(table, *costs, *(Text(str(problem), style="red") for problem in self.problems))


def audit_lessons(
    root: Path,
    names: Sequence[str] = (),
    *,
    exercise: str | None = None,
    seeds: int = 3,
    draws: int = 0,
    jobs: int | None = None,
    time_limit_s: float = 60.0,
    lab: str | None = "course_utils",
    validate: bool = True,
    progress: bool | None = None,
) -> AuditReport:
    """The report on the named lessons (all, if none is named), or on one exercise of them.

        report = audit_lessons(Path("."), ["02"], exercise="attention_pattern")
        rich.print(report.table()); sys.exit(report.exit_status)

    `jobs` trials run at a time (default: the number of cores), each for at most `time_limit_s` seconds of
    wall clock. Each answer is tested on `draws` more seeds, in one process. `lab` is the package whose public
    callables are tried; None leaves that out. `validate`: each answer is also tested in one process, as Validate does
    it, and must get the same points. `progress` is a spinner, on a terminal only; each lesson that is done is a line on
    stderr. Raises `UnknownLesson` and `UnknownExercise`.
    """
    root = Path(root).resolve()
    rows: list[ExerciseRow] = []
    problems: list[Problem] = []
    lessons: list[Lesson] = []
    costs: dict[str, float] = {}
    for folder in find_lessons(root, names):
        try:
            lessons.append(load_lesson(root, folder.name))
        except LessonError as error:
            problems.append(Problem(folder.name, "", str(error)))
    if exercise is not None:
        lessons = _with_exercise(lessons, exercise)
    job: dict[str, Any] = {"root": str(root), "exercise": exercise, "seeds": seeds, "draws": draws}
    job |= {
        "jobs": jobs or os.cpu_count() or 1,
        "time_limit_s": time_limit_s,
        "validate": validate,
        "lab": lab,
    }
    shown = sys.stderr.isatty() if progress is None else progress
    with _Told(shown) as tell:
        for lesson in lessons:
            started, events = time.monotonic(), []
            for event in _events({**job, "lesson": lesson.name}):
                events.append(event)
                doing = event.get("label") or event.get("cell") or ""
                tell.trying(f"{lesson.name} {event.get('exercise') or ''} {doing}")
            new_rows, new_problems = judge(lesson, events, exercise=exercise, seeds=seeds)
            rows += new_rows
            problems += new_problems
            if exercise is None:
                costs |= {lesson.name: sum(e["seconds"] for e in events if e["event"] == "cost")}
            counts = f"{len(new_rows)} exercises, {len(new_problems)} problems"
            tell.done(f"{lesson.name}: {counts}, {time.monotonic() - started:.0f} s")
    return AuditReport(tuple(rows), tuple(problems), costs)


def _with_exercise(lessons: list[Lesson], exercise: str) -> list[Lesson]:
    having = [lesson for lesson in lessons if exercise in (e.id for e in lesson.exercises)]
    if not having:
        known = ", ".join(e.id for lesson in lessons for e in lesson.exercises)
        raise UnknownExercise(f"No exercise {exercise!r} in these lessons; there are: {known or 'none yet'}.")
    return having


def _events(job: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """What the lesson's worker reports, and at the end how it ended if that was not well."""
    read, write = os.pipe()
    package_home = str(Path(__file__).resolve().parents[2])
    path = os.pathsep.join([package_home, *filter(None, [os.environ.get("PYTHONPATH")])])
    env = {**os.environ, **ONE_THREAD, "PYTHONPATH": path, "MPLBACKEND": "Agg", "COURSE_SEED": "0"}
    command = [sys.executable, "-m", "course_utils.grading.audit_worker", str(write)]
    with tempfile.TemporaryDirectory(prefix="audit-") as scratch, tempfile.TemporaryFile() as stderr:
        worker = subprocess.Popen(
            command, stdin=subprocess.PIPE, stderr=stderr, cwd=scratch, env=env, pass_fds=[write]
        )
        os.close(write)
        assert worker.stdin is not None
        try:
            worker.stdin.write(json.dumps(job).encode())
            worker.stdin.close()
            done = False
            for line in _lines(read):
                event = json.loads(line)
                done = done or event["event"] == "done"
                yield event
        finally:
            worker.kill()
            status = worker.wait()
            os.close(read)
        if not done:
            stderr.seek(0)
            last = stderr.read().decode(errors="replace").strip().splitlines()[-1:] or ["nothing on stderr"]
            how = f"ended early or said nothing for {SILENCE_S:.0f} s (status {status}): {last[0]}"
            yield {"event": "problem", "message": f"the lesson's process {how}"}


def _lines(fd: int) -> Iterator[bytes]:
    """Lines from a pipe until it closes or falls silent."""
    rest = b""
    with selectors.DefaultSelector() as selector:
        selector.register(fd, selectors.EVENT_READ)
        while selector.select(SILENCE_S):
            chunk = os.read(fd, 1 << 16)
            if not chunk:
                return
            *lines, rest = (rest + chunk).split(b"\n")
            yield from lines


class _Told(AbstractContextManager["_Told"]):
    """On stderr: on a terminal a spinner with what is being tried; anywhere a line for each lesson that is done."""

    def __init__(self, spinner: bool) -> None:
        columns = (SpinnerColumn(), TextColumn("{task.description}"), TimeElapsedColumn())
        self.console = Console(stderr=True, soft_wrap=True, highlight=False)
        self.progress = Progress(*columns, console=self.console, transient=True, disable=not spinner)
        self.task = self.progress.add_task("", total=None)

    def __enter__(self) -> "_Told":
        self.progress.start()
        return self

    def __exit__(self, *error: object) -> None:
        self.progress.stop()

    def trying(self, text: str) -> None:
        self.progress.update(self.task, description=text[:100])

    def done(self, text: str) -> None:
        self.console.print(text)
