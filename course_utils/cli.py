"""The `course` command: what instructors type. Heavy imports happen inside the commands, so that --help is instant."""

import json
import sys
import time
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console

from course_utils.errors import CourseError

__all__ = ["app", "main"]

app = typer.Typer(
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode="markdown",
    pretty_exceptions_enable=False,
    help="""AGAI 302: Interpretability and Mechanistic Understanding.

    Everyday work goes through **nbgrader** (`nbgrader autograde 02-attention-and-induction` …). This command does what
    nbgrader has no word for: the model, the gate that a lesson passes before release, and a whole class to look at.

    Exit status: 0 all is well; 1 the thing that was checked is not; 2 it could not be done, and a message says why.
    """,
)
console = Console(width=None if sys.stdout.isatty() else 120)  # a log file is as wide as the tables need

Lessons = Annotated[
    list[str] | None, typer.Argument(help="Lessons, in full or by number (`02`). All of them when left out.")
]
JsonPath = Annotated[Path | None, typer.Option("--json", help="Also write the table to this file as JSON.")]
Root = Annotated[
    Path, typer.Option("--root", help="The course folder (the one with source/ and nbgrader_config.py).")
]


@app.command("fetch-models")
def fetch_models(
    force: Annotated[
        bool, typer.Option("--force", help="Make it again even if it is there and whole.")
    ] = False,
) -> None:
    """Make SmolLM2 ready in the cache: checked, converted, written whole or not at all. Needs no network.

    Exit status: 0 the model is ready; 2 it could not be made, and a message says what to do.
    """
    from course_utils import models

    if not force and models.model_problem() is None:
        console.print(f"SmolLM2 is ready in {models.cache_dir()}", soft_wrap=True)
        return
    started = time.monotonic()
    with _Stages("SmolLM2", total=5) as stages:
        folder = models.fetch_models(force=force, progress=stages.next)
    console.print(f"SmolLM2 is ready in {folder} ({time.monotonic() - started:.0f} s)", soft_wrap=True)


@app.command()
def doctor(json_path: JsonPath = None) -> None:
    """Say what is installed, what is missing, and what to type.

    Exit status: 0 everything is there; 1 something is missing.
    """
    from course_utils.doctor import examine

    rows = examine()
    _table(
        "What the course needs",
        ["", "what", "found", "what to do"],
        rows,
        ["mark", "what", "found", "advice"],
    )
    _write_json(json_path, rows)
    raise typer.Exit(0 if all(row["ok"] for row in rows) else 1)


@app.command()
def release(lessons: Lessons = None, root: Root = Path(".")) -> None:
    """Regenerate release/ from source/ with nbgrader, for committing. Leaves the gradebook alone.

    Exit status: 0 regenerated; 2 a lesson could not be generated, and a message says why.
    """
    from course_utils.grading.lesson import find_lessons
    from course_utils.grading.release import write_release

    for lesson in find_lessons(root, lessons or []):
        console.print(f"release/{lesson.name}: {write_release(root, lesson.name)}")


@app.command()
def check(lessons: Lessons = None, json_path: JsonPath = None, root: Root = Path(".")) -> None:
    """The gate before release: format, test-cell contract, release up to date, nothing leaked, readable pages.

    Exit status: 0 no errors (warnings may be printed); 1 errors; 2 a lesson could not be read.
    """
    from course_utils.grading.check import check_lessons

    report = check_lessons(root, lessons or [])
    console.print(report.table())
    _write_json(json_path, report.to_dict())
    raise typer.Exit(report.exit_status)


@app.command()
def audit(
    lessons: Lessons = None,
    exercise: Annotated[
        str | None, typer.Option("--exercise", "-e", help="Only this exercise: seconds.")
    ] = None,
    seeds: Annotated[int, typer.Option(help="How many seeds the reference must pass.")] = 5,
    jobs: Annotated[int | None, typer.Option(help="Trials at once. All cores when left out.")] = None,
    json_path: JsonPath = None,
    root: Root = Path("."),
) -> None:
    """Proof that the tests measure what they should: reference full marks, untouched 0, every wrong answer fails.

    Runs each lesson once up to each exercise, then tries every answer of tests/lessons/ from a fork of that state, and
    every public function of the lab wing too.

    Exit status: 0 everything holds; 1 something is off; 2 a lesson or its answers could not be read.
    """
    from course_utils.grading.audit import audit_lessons

    report = audit_lessons(root, lessons or [], exercise=exercise, seeds=seeds, jobs=jobs)
    console.print(report.table())
    _write_json(json_path, report.to_dict())
    raise typer.Exit(report.exit_status)


@app.command()
def demo(
    lessons: Lessons = None,
    into: Annotated[Path, typer.Option(help="The demo's own class directory; made afresh each time.")] = Path(
        "demo-class"
    ),
    json_path: JsonPath = None,
    root: Root = Path("."),
) -> None:
    """Watch a whole class happen: release, four students submit, autograde, feedback; ends in a table.

    The class has a directory of its own, so your gradebook and submissions are never touched.

    Exit status: 0 reference got every automatic point and the untouched notebook none; 1 not so; 2 it could not run.
    """
    from course_utils.grading.demo import run_demo

    report = run_demo(root, lessons or [], into, console)
    console.print(report.table())
    _write_json(json_path, report.to_dict())
    raise typer.Exit(report.exit_status)


class _Stages:
    """A bar of named stages on a terminal, one line a stage in a log."""

    def __init__(self, title: str, total: int) -> None:
        from rich.progress import BarColumn, Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

        self.bar = Progress(
            SpinnerColumn(), TextColumn("{task.description}"), BarColumn(), TimeElapsedColumn(), console=console,
            disable=not console.is_terminal,
        )  # fmt: skip
        self.title, self.total, self.done = title, total, 0

    def __enter__(self) -> "_Stages":
        self.bar.start()
        self.task = self.bar.add_task(self.title, total=self.total)
        return self

    def next(self, stage: str) -> None:
        if not console.is_terminal:
            console.print(f"{self.title}: {stage}")
        self.bar.update(self.task, description=f"{self.title}: {stage}", completed=self.done)
        self.done += 1

    def __exit__(self, *error: object) -> None:
        if error[0] is None:
            self.bar.update(self.task, description=self.title, completed=self.total)
        self.bar.stop()


def _table(title: str, headings: list[str], rows: list[dict[str, Any]], keys: list[str]) -> None:
    from rich.table import Table

    table = Table(*headings, title=title, title_justify="left")
    for row in rows:
        table.add_row(*(str(row[key]) for key in keys))
    console.print(table)


def _write_json(path: Path | None, value: Any) -> None:
    if path is None:
        return
    try:
        path.write_text(json.dumps(value, indent=1, default=str) + "\n")
    except OSError as error:
        raise CourseError(f"The table could not be written to {path} ({error.strerror}).") from None


def main() -> None:
    """The console script: a `CourseError` becomes one message on stderr and exit status 2."""
    try:
        app()
    except CourseError as error:
        print(f"course: {error}", file=sys.stderr)
        sys.exit(2)


if __name__ == "__main__":
    main()
