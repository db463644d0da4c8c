"""The `course` command: what instructors type. Heavy imports happen inside the commands, so that --help is instant."""

import json
import sys
import time
from collections.abc import Iterator
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


Assignment = Annotated[str, typer.Argument(help="The assignment, in full or by number (`02`).")]
Students = Annotated[
    list[str] | None, typer.Option("--student", "-s", help="Only this student; may be given again.")
]
Jobs = Annotated[
    int | None,
    typer.Option(
        min=1, help="Submissions examined at once. All cores that memory is enough for when left out."
    ),
]
Scheduler = Annotated[
    str,
    typer.Option(
        envvar="COURSE_SCHEDULER",
        help="A Dask scheduler (`tcp://host:8786`) whose workers examine, instead of this machine.",
    ),
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
    seeds: Annotated[
        int, typer.Option(min=1, help="On how many seeds the reference must pass, and wrong answers fail.")
    ] = 3,
    draws: Annotated[
        int,
        typer.Option(
            min=0, help="Also test each answer on so many more draws, in one process: no verdict may be luck."
        ),
    ] = 0,
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

    report = audit_lessons(root, lessons or [], exercise=exercise, seeds=seeds, draws=draws, jobs=jobs)
    console.print(report.table())
    _write_json(json_path, report.to_dict())
    raise typer.Exit(report.exit_status)


@app.command()
def autograde(
    assignment: Assignment,
    student: Students = None,
    jobs: Jobs = None,
    scheduler: Scheduler = "",
    retry_failed: Annotated[
        bool, typer.Option("--retry-failed", help="Also grade again what time, memory or a crash ended.")
    ] = False,
    force: Annotated[bool, typer.Option("--force", help="Grade again what has been graded, too.")] = False,
    json_path: JsonPath = None,
    root: Root = Path("."),
) -> None:
    """Autograde a class, many submissions at once: same grades as `nbgrader autograde`, in a fraction of the time.

    Submissions that were graded and have not changed are left alone. It can be stopped at any moment: what was shown
    as graded is graded, and the next run goes on from there.

    Exit status: 0 every submission has its grades; 1 some could not be graded; 2 it could not run.
    """
    from course_utils.grading.class_report import ClassReport, automatic_points
    from course_utils.grading.lesson import find_lessons
    from course_utils.grading.many import class_grader

    started = time.monotonic()
    name = find_lessons(root, [assignment])[0].name
    which: Any = "all" if force else "failed" if retry_failed else "new"
    with class_grader(
        root, name, student or (), jobs=jobs, scheduler=scheduler, which=which, say=console.print
    ) as grader:
        graded = tuple(_shown(grader, name))
    points = automatic_points(root, name)
    report = ClassReport(name, graded, grader.already, points, time.monotonic() - started)
    console.print(report.table())
    _write_json(json_path, report.to_dict())
    raise typer.Exit(report.exit_status)


@app.command()
def regrade(
    assignment: Assignment,
    student: Students = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only say what would change.")] = False,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Save without asking.")] = False,
    jobs: Jobs = None,
    scheduler: Scheduler = "",
    json_path: JsonPath = None,
    root: Root = Path("."),
) -> None:
    """After a test was mended and generated again: which scores would change, and then, if you like, the change.

    What was graded is examined again only as far as it can come out otherwise. A person's scores and comments stay.

    Exit status: 0 no score changes, or the changes are saved; 1 scores would change and are not saved, or a submission
    could not be examined; 2 it could not run.
    """
    from course_utils.grading.lesson import find_lessons
    from course_utils.grading.many import class_grader
    from course_utils.grading.regrade import Preview, RegradeReport

    name = find_lessons(root, [assignment])[0].name
    here: dict[str, Any] = {"jobs": jobs, "scheduler": scheduler, "say": console.print}
    with class_grader(root, name, student or (), which="graded", **here) as grader:
        preview = Preview(grader)
        seen = list(_shown(preview, name))
    failed = [one for one in seen if one.outcome == "not graded"]
    report = RegradeReport(name, len(seen), preview.changes, preview.others, failed)
    console.print(report.table())
    _write_json(json_path, report.to_dict())
    if preview.others and not dry_run and (yes or (console.is_terminal and typer.confirm("Save these?"))):
        with class_grader(root, name, preview.others, which="graded", **here) as grader:
            failed += [one for one in _shown(grader, name) if one.outcome == "not graded"]
        console.print(
            f"Saved for {len(preview.others)} submissions. Their feedback pages have to be made again."
        )
        raise typer.Exit(int(bool(failed)))
    raise typer.Exit(int(bool(failed or preview.changes)))


@app.command()
def report(
    assignments: Annotated[
        list[str] | None,
        typer.Argument(help="Assignments, in full or by number. All that somebody submitted when left out."),
    ] = None,
    into: Annotated[Path, typer.Option(help="The folder for the pages.")] = Path("report"),
    root: Root = Path("."),
) -> None:
    """How the class did: a page for each assignment and one for the course, to open in a browser.

    Points, each exercise's difficulty and how well it tells, what the tests said most often, who has not submitted,
    who was late, what waits for a teaching assistant. The pages name students: they are for the staff.

    Exit status: 0 written; 2 it could not be written, and a message says why.
    """
    from course_utils.grading.report_page import write_report

    pages = write_report(root, assignments or [], into)
    console.print(f"{pages[0]} and {len(pages) - 1} more", soft_wrap=True, highlight=False)


@app.command("second-reader")
def second_reader(
    assignment: Assignment,
    sample: Annotated[int, typer.Option(min=1, help="Answers of each written exercise.")] = 10,
    seed: Annotated[int, typer.Option(help="The same seed draws the same answers.")] = 0,
    fresh: Annotated[
        bool, typer.Option("--fresh", help="Draw anew; only while nothing of the old sample is marked.")
    ] = False,
    json_path: JsonPath = None,
    root: Root = Path("."),
) -> None:
    """Do two readers agree? Draws a sample of written answers for a second one, and compares the two readers' marks.

    The second reader marks the sample in formgrader (*Manual Grading*, *Written answers*) without seeing
    the first marks. Scores stay the first reader's. Type the command again to see the agreement so far.

    Exit status: 0 drawn, or compared; 2 it could not be done, and a message says why.
    """
    from course_utils.grading.lesson import find_lessons
    from course_utils.grading.second_reader import report_on

    name = find_lessons(root, [assignment])[0].name
    agreement = report_on(root, name, most=sample, seed=seed, fresh=fresh)
    console.print(agreement.table())
    _write_json(json_path, agreement.to_dict())


@app.command()
def bundle(
    lessons: Lessons = None,
    into: Annotated[Path, typer.Option(help="The zip file.")] = Path("agai302-student.zip"),
    json_path: JsonPath = None,
    root: Root = Path("."),
) -> None:
    """What a student without the Hub needs, in one zip file: lessons, environment, the lab, how to hand in.

    Every file in it is searched for lines of solutions, hidden tests and mark schemes first. The same course gives the
    same bytes.

    Exit status: 0 written; 2 it could not be, or something would be given away, and a message says what.
    """
    from dataclasses import asdict

    from course_utils.grading.bundle import write_bundle

    made = write_bundle(root, lessons or [], into)
    console.print(
        f"{made.path}: {len(made.lessons)} lessons, {made.files} files, {made.size / 1e6:.0f} MB, sha256 {made.sha256}",
        soft_wrap=True, highlight=False,
    )  # fmt: skip
    _write_json(json_path, asdict(made))


@app.command()
def demo(
    lessons: Lessons = None,
    into: Annotated[Path, typer.Option(help="The demo's own class directory; made afresh each time.")] = Path(
        "demo-class"
    ),
    gradebook: Annotated[
        str,
        typer.Option(
            help="An empty database for the gradebook (`postgresql+psycopg://…`). SQLite when left out."
        ),
    ] = "",
    json_path: JsonPath = None,
    root: Root = Path("."),
) -> None:
    """Watch a whole class happen: release, four students submit, autograde, feedback; ends in a table.

    The class has a directory of its own, so your gradebook and submissions are never touched.

    Exit status: 0 reference got every automatic point and the untouched notebook none; 1 not so; 2 it could not run.
    """
    from course_utils.grading.demo import run_demo

    report = run_demo(root, lessons or [], into, console, gradebook=gradebook)
    console.print(report.table())
    _write_json(json_path, report.to_dict())
    raise typer.Exit(report.exit_status)


@app.command()
def hub(
    lessons: Lessons = None,
    into: Annotated[Path, typer.Option(help="The class's own folder; kept from run to run.")] = Path(
        "hub-class"
    ),
    port: Annotated[int, typer.Option(help="Where to sign in; the four ports above it are used too.")] = 8000,
    fresh: Annotated[bool, typer.Option("--fresh", help="Make the class's folder anew.")] = False,
    root: Root = Path("."),
) -> None:
    """A class on a JupyterHub of this machine, with sample accounts, for trying out. Runs until Ctrl+C.

    Exit status: 0 it ran and was ended; 1 the Hub failed (its log says why); 2 it could not be started.
    """
    from course_utils.hub.local import run_hub

    raise typer.Exit(run_hub(root, lessons or [], into, port, fresh, console))


@app.command()
def bench(
    lesson: Annotated[str, typer.Argument(help="The lesson, in full or by number.")] = "02",
    submissions: Annotated[int, typer.Option(min=2, help="How many of it.")] = 40,
    blocks: Annotated[int, typer.Option(min=1, help="In how many blocks: graders take turns on each.")] = 2,
    otter: Annotated[
        Path | None,
        typer.Option(help="A folder with otter-grader, to measure it too (`make bench` makes one)."),
    ] = None,
    into: Annotated[Path, typer.Option(help="A folder of its own; made afresh each time.")] = Path(
        "bench-class"
    ),
    json_path: JsonPath = None,
    pictures: Annotated[Path | None, typer.Option(help="Also draw pictures into this folder.")] = None,
    root: Root = Path("."),
) -> None:
    """How fast the grader is beside stock nbgrader and otter-grader, where its time goes, and what more cores would do.

    Wants a quiet machine for about an hour. The others run the sample submissions unprotected. As root it also
    measures a Dask cluster of two hosts, made of network namespaces.

    Exit status: 0 measured; 2 it could not be measured, and a message says why.
    """
    from course_utils.bench.klass import LIGHT
    from course_utils.bench.pictures import draw
    from course_utils.bench.run import Bench
    from course_utils.grading.lesson import find_lessons

    name = find_lessons(root, [lesson])[0].name
    measured = Bench(root, into, lambda words: console.print(words, soft_wrap=True, highlight=False), otter)
    measured.lesson(name, submissions, blocks)
    measured.lesson(LIGHT, submissions, blocks)
    measured.hosts(name, max(4, submissions // 2))
    measured.simulate()
    console.print(measured.table())
    if json_path:
        measured.save(json_path)
    if pictures:
        for path in draw(measured.result, pictures):
            console.print(f"{path}", soft_wrap=True, highlight=False)


def _shown(grader: Any, title: str) -> Iterator[Any]:
    """Everything that comes out of it, with a bar on a terminal, and one line each in a log."""
    from rich.progress import track

    if console.is_terminal:
        yield from track(grader, title, total=len(grader), console=console, transient=True)
        return
    for number, one in enumerate(grader, 1):
        reason = f" ({one.reason})" if one.reason else ""
        console.print(
            f"{number}/{len(grader)} {one.student}: {one.outcome}{reason}", soft_wrap=True, markup=False
        )
        yield one


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


if not (Path(__file__).parent / "grading").is_dir():  # a student's bundle has the lab only
    app.info.help = """AGAI 302: Interpretability and Mechanistic Understanding, for working without the Hub.

    Exit status: 0 all is well; 1 something is missing; 2 it could not be done, and a message says why.
    """
    app.registered_commands = [
        command for command in app.registered_commands if command.callback in (fetch_models, doctor)
    ]


def main() -> None:
    """The console script: a `CourseError` becomes one message on stderr and exit status 2."""
    try:
        app()
    except CourseError as error:
        print(f"course: {error}", file=sys.stderr)
        sys.exit(2)


if __name__ == "__main__":
    main()
