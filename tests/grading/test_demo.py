"""A class from release to feedback: what each sample student gets, and that one failure costs nobody else."""

import io
import json
import shutil
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import nbformat
import pytest
from rich.console import Console
from small import LESSON, save, small_course, small_lesson

from course_utils.errors import ClassError, CourseError, LessonError
from course_utils.grading import demo, demo_class, demo_outcome, demo_students
from course_utils.grading.demo import STUDENTS, DemoReport, Outcome, run_demo
from course_utils.grading.lesson import load_lesson

pytestmark = pytest.mark.xdist_group("course-demo")  # so that a class is run once, not once a worker
OTHER = "02-other"


def run(root: Path, into: Path, *lessons: str, jobs: int = 1) -> tuple[DemoReport, str]:
    """The report and everything that was printed, as in a log."""
    console = Console(file=io.StringIO(), width=160)
    report = run_demo(root, list(lessons), into, console, jobs=jobs)
    console.print(report.table())
    return report, console.file.getvalue()  # type: ignore[attr-defined]


def of(report: DemoReport, student: str, lesson: str = LESSON) -> Outcome:
    return next(o for o in report.outcomes if (o.student, o.lesson) == (student, lesson))


@pytest.fixture(scope="module")
def ran(tmp_path_factory) -> SimpleNamespace:
    """The demo on two lessons, with two submissions graded at once."""
    folder = tmp_path_factory.mktemp("demo")
    root = small_course(folder / "course", LESSON, OTHER)
    before = tree(root)
    report, text = run(root, folder / "class", jobs=2)
    return SimpleNamespace(root=root, before=before, into=folder / "class", report=report, text=text)


def tree(folder: Path) -> dict[str, bytes | None]:
    return {str(p.relative_to(folder)): p.read_bytes() if p.is_file() else None for p in folder.rglob("*")}


@pytest.mark.slow
@pytest.mark.parametrize("lesson", [LESSON, OTHER])
def test_each_role_gets_what_it_is_made_for(ran: SimpleNamespace, lesson: str) -> None:
    points = {s: (of(ran.report, s, lesson).points, of(ran.report, s, lesson).max_points) for s in STUDENTS}
    # typical-mistakes and damaged have one of two exercises wrong each.
    assert points == {
        "reference": (6.0, 6.0),
        "untouched": (0.0, 6.0),
        "typical-mistakes": (3.0, 6.0),
        "damaged": (3.0, 6.0),
    }
    assert ran.report.exit_status == 0


@pytest.mark.slow
def test_status_says_what_was_wrong(ran: SimpleNamespace) -> None:
    assert of(ran.report, "reference").status == "graded"
    assert of(ran.report, "untouched").status == "graded: 4 test cells failed"
    damaged = of(ran.report, "damaged").status
    assert damaged == (
        "graded: The cell `root-hidden` was missing and was put back; double stops with SyntaxError; "
        "2 test cells failed"
    )


@pytest.mark.slow
def test_written_answers_wait(ran: SimpleNamespace) -> None:
    assert {(o.waiting, o.waiting_points) for o in ran.report.outcomes} == {(1, 4.0)}


@pytest.mark.slow
def test_every_student_has_a_feedback_page_of_their_own(ran: SimpleNamespace) -> None:
    pages = [ran.into / str(outcome.feedback) for outcome in ran.report.outcomes]
    assert all(page.is_file() and page.suffix == ".html" for page in pages) and len(set(pages)) == 8
    assert [page.relative_to(ran.into).parts[1] for page in pages] == [o.student for o in ran.report.outcomes]


@pytest.mark.slow
def test_submissions_are_what_the_roles_say(ran: SimpleNamespace) -> None:
    def submitted(student: str) -> Any:
        path = ran.into / "submitted" / student / LESSON / f"{LESSON}.ipynb"
        return nbformat.read(path, as_version=4)

    fetched = nbformat.read(ran.into / "release" / LESSON / f"{LESSON}.ipynb", as_version=4)
    assert submitted("untouched").cells == fetched.cells
    assert len(submitted("damaged").cells) == len(fetched.cells) - 1
    text = {student: str(submitted(student)) for student in STUDENTS}
    assert "return 2 * x" in text["reference"] and "SOLUTION" not in text["reference"]
    assert demo_students.WRITTEN in text["reference"] and demo_students.WRITTEN not in text["untouched"]
    assert "return x + 1" in text["typical-mistakes"] and "math.sqrt(x)" in text["typical-mistakes"]


@pytest.mark.slow
def test_console_has_one_line_a_step_and_the_table_and_no_noise(ran: SimpleNamespace, capfd) -> None:
    steps, table = ran.text.split(f"{LESSON}, from release to feedback")
    assert len(steps.splitlines()) == 2 * (5 + len(STUDENTS))
    assert "autograde damaged" in steps and "Nbgrader > Formgrader" in table and "cd " in table
    for noise in ("WARNING", "INFO", "Traceback", "SAWarning"):
        assert noise not in ran.text
    assert "[INFO]" in (ran.into / demo.LOG).read_text()


@pytest.mark.slow
def test_course_folder_is_left_alone(ran: SimpleNamespace) -> None:
    assert tree(ran.root) == ran.before


@pytest.mark.slow
def test_class_stays_inside_its_folder_whatever_the_settings_say(ran: SimpleNamespace) -> None:
    from course_utils.grading.release import load_settings

    settings = load_settings(ran.into)
    for place in (settings.CourseDirectory.root, settings.Exchange.root, settings.Exchange.cache):
        assert Path(place).is_relative_to(ran.into)
    assert settings.CourseDirectory.db_url == f"sqlite:///{ran.into / 'gradebook.db'}"
    assert sorted(p.name for p in (ran.into / "students").iterdir()) == sorted(STUDENTS)


@pytest.mark.slow
def test_json_is_plain_and_complete(ran: SimpleNamespace) -> None:
    plain = json.loads(json.dumps(ran.report.to_dict()))
    assert len(plain["outcomes"]) == 8
    first = plain["outcomes"][0]
    assert (first["student"], first["points"], first["status"]) == ("reference", 6.0, "graded")


# Exit status: each reason for 1, on reports made by hand.


def outcome(student: str, points: float | None, most: float = 6.0) -> Outcome:
    return Outcome(LESSON, student, points, most, 0, 0.0)


@pytest.mark.parametrize(
    ("outcomes", "status"),
    [
        ([outcome("reference", 6), outcome("untouched", 0), outcome("damaged", None)], 0),
        ([outcome("reference", 5.5), outcome("untouched", 0)], 1),
        ([outcome("reference", None), outcome("untouched", 0)], 1),
        ([outcome("reference", 6), outcome("untouched", 0.5)], 1),
        ([outcome("reference", 6), outcome("untouched", None)], 1),
        ([outcome("reference", 0, most=0), outcome("untouched", 0, most=0)], 1),
        ([], 1),
    ],
)
def test_exit_status(outcomes: list[Outcome], status: int) -> None:
    assert DemoReport(Path("x"), tuple(outcomes)).exit_status == status


def test_the_table_names_what_is_not_as_expected() -> None:
    console = Console(file=io.StringIO(), width=160)
    console.print(DemoReport(Path("x"), (outcome("reference", 5), outcome("untouched", None))).table())
    text = console.file.getvalue()  # type: ignore[attr-defined]
    assert "reference has 5, expected all of 6" in text and "untouched was not graded" in text


# Submissions that are hardly any, among one that is.


def garbage(notebook: Any, lesson: Any) -> str:
    return "{ not json"


def nothing(notebook: Any, lesson: Any) -> None:
    return None


def from_the_future(notebook: Any, lesson: Any) -> Any:
    """A metadata version at which stock nbgrader stops the whole class."""
    notebook.cells[3].metadata.nbgrader["schema_version"] = 99
    return notebook


def no_such_kernel(notebook: Any, lesson: Any) -> Any:
    notebook.metadata.kernelspec = {"name": "no-such-kernel", "display_name": "?"}
    return demo_students.reference(notebook, lesson)


def tagged(notebook: Any, lesson: Any) -> Any:
    for cell in notebook.cells:
        if cell.metadata.get("nbgrader", {}).get("grade"):
            cell.metadata.tags = ["demo"]
    return notebook


def never_ends(notebook: Any, lesson: Any) -> Any:
    notebook = demo_students.reference(notebook, lesson)
    notebook.cells[3].source = "def double(x):\n    while True:\n        pass"
    return notebook


def two_of_a_cell(notebook: Any, lesson: Any) -> Any:
    """The first test cell copied to the end, as by copy and paste."""
    notebook = demo_students.reference(notebook, lesson)
    notebook.cells.append(nbformat.from_dict({**notebook.cells[4], "id": "copied"}))
    return notebook


@pytest.fixture(scope="module")
def bad(tmp_path_factory) -> SimpleNamespace:
    folder = tmp_path_factory.mktemp("bad")
    root = small_course(folder / "course")
    with (root / "nbgrader_config.py").open("a") as settings:
        settings.write("\nc.Examine.cell_timeout = 2.0\n")
    students = {
        "garbage": garbage,
        "nothing": nothing,
        "from-the-future": from_the_future,
        "no-such-kernel": no_such_kernel,
        "tagged": tagged,
        "two-of-a-cell": two_of_a_cell,
        "never-ends": never_ends,
        "reference": demo_students.reference,
        "untouched": demo_students.untouched,
    }
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(demo, "STUDENTS", students)
        report, text = run(root, folder / "class")
    return SimpleNamespace(report=report, text=text)


@pytest.mark.slow
def test_others_are_graded_and_the_exit_status_is_theirs(bad: SimpleNamespace) -> None:
    assert of(bad.report, "reference").points == 6.0 and of(bad.report, "untouched").points == 0.0
    assert bad.report.exit_status == 0


@pytest.mark.slow
@pytest.mark.parametrize(
    ("student", "status", "points"),
    [
        ("garbage", "`01-small.ipynb` is not JSON at line 1, column 3: cut short or edited by hand.", 0.0),
        ("nothing", "The submission has no notebook 01-small.ipynb.", 0.0),
        ("two-of-a-cell", "The cell `double-visible` was there twice; it runs once, as released", 6.0),
        ("no-such-kernel", "", 6.0),
        ("from-the-future", "4 test cells failed", 0.0),
        ("tagged", "4 test cells failed", 0.0),
        ("never-ends", "2 timeout", 3.0),
    ],
)
def test_all_are_graded_and_the_reason_is_in_the_table(
    bad: SimpleNamespace, student: str, status: str, points: float
) -> None:
    got = of(bad.report, student)
    assert got.status.startswith(f"graded: {status}" if status else "graded") and got.points == points
    assert "Traceback" not in bad.text
    # nbgrader names a page's folder after the submitted notebook, so that without one it is not handed back.
    assert bool(got.feedback) == (student != "nothing")


@pytest.mark.slow
def test_what_did_not_run_is_counted_and_waits_for_nobody(bad: SimpleNamespace) -> None:
    for student in ("garbage", "nothing"):
        assert of(bad.report, student).status.endswith("4 not run")
        assert of(bad.report, student).waiting == 0


def test_solution_cells_that_stop_and_every_verdict_are_named(tmp_path: Path) -> None:
    notebook = small_lesson()
    notebook.metadata.course = {"notes": ["One was there twice.", "Another was missing."]}
    error = nbformat.v4.new_output("error", ename="Timeout", evalue="", traceback=[])
    marked = {cell.metadata.get("nbgrader", {}).get("grade_id"): cell for cell in notebook.cells}
    marked["double"].outputs = [error]
    verdicts = {"double-visible": "pass", "double-hidden": "timeout", "root-visible": "not run"}
    for name, verdict in (verdicts | {"root-hidden": "fail"}).items():
        marked[name].metadata.course = {"verdict": verdict}
    nbformat.write(notebook, tmp_path / "graded.ipynb")
    assert demo_outcome.oddities(tmp_path / "graded.ipynb") == [
        "One was there twice",
        "Another was missing",
        "double stops with Timeout",
        "1 timeout",
        "1 not run",
        "1 test cell failed",
    ]


# The class folder: made afresh, never at the cost of somebody's work.


def fresh(root: Path, into: Path) -> Path:
    return demo_class.fresh_folder(root, into, [load_lesson(root, LESSON)])


def test_a_folder_of_the_demo_is_emptied_and_made_again(tmp_path: Path) -> None:
    root, into = small_course(tmp_path / "course"), tmp_path / "class"
    first = tree(fresh(root, into))
    (into / "gradebook.db").write_text("old")
    (into / "students").mkdir()
    assert tree(fresh(root, into)) == first


def test_a_folder_of_somebody_else_is_refused_and_left_alone(tmp_path: Path) -> None:
    root, into = small_course(tmp_path / "course"), tmp_path / "thesis"
    into.mkdir()
    (into / "chapter.txt").write_text("ten months")
    with pytest.raises(ClassError, match=r"was not made by it.*--into") as caught:
        run(root, into)
    assert "\n" not in str(caught.value) and tree(into) == {"chapter.txt": b"ten months"}
    with pytest.raises(ClassError):
        run(root, root)
    (tmp_path / "file").write_text("x")
    with pytest.raises(ClassError):
        run(root, tmp_path / "file")


def test_an_empty_folder_may_be_used_and_an_impossible_place_is_a_message(tmp_path: Path) -> None:
    root = small_course(tmp_path / "course")
    (tmp_path / "empty").mkdir()
    assert (fresh(root, tmp_path / "empty") / demo_class.MARKER).is_file()
    (tmp_path / "file").write_text("x")
    with pytest.raises(ClassError, match="could not be made"):
        fresh(root, tmp_path / "file" / "class")


@pytest.mark.slow
def test_a_lesson_that_nbgrader_refuses_ends_the_demo_with_its_cell(tmp_path: Path) -> None:
    root = small_course(tmp_path / "course")
    notebook = small_lesson()
    del notebook.cells[4].metadata.nbgrader["points"]
    save(notebook, root)
    with pytest.raises(LessonError, match=r"cell 4 \(double-visible\).*does not have points"):
        run(root, tmp_path / "class")


def test_no_lessons_at_all(tmp_path: Path) -> None:
    root = small_course(tmp_path / "course")
    shutil.rmtree(root / "source")
    with pytest.raises(CourseError, match="no lesson"):
        run(root, tmp_path / "class")


@pytest.mark.slow
def test_answers_that_cannot_be_read(tmp_path: Path) -> None:
    root = small_course(tmp_path / "course")
    (root / "tests" / "lessons" / LESSON / "double.py").write_text("# %% wrong, but how\nx = 1\n")
    with pytest.raises(LessonError, match=r"double.py:1"):
        run(root, tmp_path / "class")


def test_import_is_cheap() -> None:
    code = "import sys, course_utils.grading.demo; print('nbgrader' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"


def test_every_public_name_is_there() -> None:
    assert all(hasattr(demo, name) for name in demo.__all__)
