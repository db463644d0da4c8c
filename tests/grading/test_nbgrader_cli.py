"""The nbgrader command line on a small course, as people type it: a whole class, then bad input.

Exit codes and messages asserted here are those of nbgrader 0.9.6; where they surprise, a comment says so. Each command
is a process of its own, forked from one that has imported nbgrader, because importing is most of what a command costs.
"""

import csv
import json
import multiprocessing
import os
import shutil
import sys
import sysconfig
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import nbformat
import pytest
from small import LESSON, small_course, small_lesson

pytestmark = [pytest.mark.slow, pytest.mark.xdist_group("nbgrader-command-line")]

NOTEBOOK = f"{LESSON}.ipynb"
FORKS = multiprocessing.get_context("forkserver")
TRACEBACK = "Traceback (most recent call last):\n"
RIGHT = {"double": "def double(x):\n    return 2 * x", "root": "def root(x):\n    return x**0.5"}


@dataclass(frozen=True)
class Done:
    """How a command ended, and all that it printed."""

    returncode: int
    stdout: str


def command(words: list[str], folder: Path, environment: dict[str, str], output: Path) -> None:
    """Never returns: `python -m nbgrader words…`, run in `folder`."""
    os.environ.update(environment)
    os.chdir(folder)
    file = os.open(output, os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
    for stream in (1, 2):
        os.dup2(file, stream)
    sys.argv = ["nbgrader", *words]
    from nbgrader.apps.nbgraderapp import main

    main()


@dataclass
class Class:
    """A course folder, its students' folders beside it, and what each command printed."""

    folder: Path
    said: dict[str, Done] = field(default_factory=dict)

    @property
    def course(self) -> Path:
        return self.folder / "course"

    def run(self, where: str, *words: str) -> Done:
        """`nbgrader words…` in a folder of the class, by somebody without settings of their own."""
        home = self.folder / "home" / where
        home.mkdir(parents=True, exist_ok=True)
        # As where no environment is activated: nbgrader calls `alembic` by name; the course's settings find it.
        places = os.environ["PATH"].split(os.pathsep)
        path = os.pathsep.join(place for place in places if place != sysconfig.get_path("scripts"))
        own = {"HOME": str(home), "JUPYTER_CONFIG_DIR": str(home), "JUPYTER_DATA_DIR": str(home)}
        own |= {"PATH": path, "OMP_NUM_THREADS": "1"}
        output = self.folder / "home" / "output"
        FORKS.set_forkserver_preload(["nbgrader.apps.nbgraderapp", "course_utils.grading.autograde"])
        process = FORKS.Process(target=command, args=(list(words), self.folder / where, own, output))
        process.start()
        process.join(300)
        done = Done(process.exitcode if process.exitcode is not None else -1, output.read_text())
        self.said[" ".join([where, words[0]])] = done
        return done

    def student(self, name: str) -> None:
        """A student's own folder, with the settings that a hub would give."""
        (self.folder / name).mkdir()
        (self.folder / name / "nbgrader_config.py").write_text(
            "c = get_config()\n"
            f"c.CourseDirectory.course_id, c.CourseDirectory.student_id = 'agai302', {name!r}\n"
            f"c.Exchange.root = {str(self.course / '.exchange')!r}\n"
            # Without this, Validate runs demo cells and what they write is submitted.
            "c.ExecutePreprocessor.skip_cells_with_tag = 'demo'\n"
        )

    def grades(self, student: str) -> dict[str, dict[str, Any]]:
        """The gradebook's rows for one student, by cell; nothing if there is no submission."""
        from nbgrader.api import Gradebook, MissingEntry

        with Gradebook(f"sqlite:///{self.course / 'gradebook.db'}", "agai302") as gradebook:
            try:
                submission = gradebook.find_submission(LESSON, student)
            except MissingEntry:
                return {}
            return {grade.name: grade.to_dict() for nb in submission.notebooks for grade in nb.grades}

    def scores(self, student: str) -> dict[str, float | None]:
        """The automatic scores of one student, by test cell."""
        return {name: g["auto_score"] for name, g in self.grades(student).items() if name in FULL}

    def fetched(self) -> Any:
        """The notebook as a student fetched it."""
        return nbformat.read(self.folder / "fetched-reference.ipynb", as_version=4)

    def graded(self, student: str) -> Any:
        return nbformat.read(self.course / "autograded" / student / LESSON / NOTEBOOK, as_version=4)

    def submission(self, student: str, notebook: Any, stamp: str = "2030-01-01 12:00:00.000000 UTC") -> None:
        """Puts a notebook (or any text, or nothing) where `nbgrader collect` would."""
        path = self.course / "submitted" / student / LESSON / NOTEBOOK
        shutil.rmtree(path.parent, ignore_errors=True)
        path.parent.mkdir(parents=True)
        (path.parent / "timestamp.txt").write_text(stamp)
        if notebook is not None:
            path.write_text(notebook if isinstance(notebook, str) else json.dumps(notebook))


def solved(notebook: Any, **instead: str) -> Any:
    for cell in notebook.cells:
        meta = cell.metadata.get("nbgrader", {})
        if meta.get("solution"):
            cell.source = (RIGHT | instead)[meta["grade_id"]]
        elif "answer" in cell.metadata.get("tags", []):
            cell.source = "Their ratio is not constant."
    return notebook


def grade_id(cell: Any) -> str:
    return cell.metadata.get("nbgrader", {}).get("grade_id", "")


def graded_cells(notebook: Any) -> list[Any]:
    return [cell for cell in notebook.cells if cell.metadata.get("nbgrader", {}).get("grade")]


@pytest.fixture(scope="module")
def klass(tmp_path_factory) -> Class:
    """From release to feedback, with one student who solves everything and one who solves nothing."""
    klass = Class(tmp_path_factory.mktemp("class"))
    small_course(klass.course)
    for folder in (
        "release",
        "submitted",
        "autograded",
        "feedback",
    ):  # as in the repository: nbgrader must ignore it
        (klass.course / folder).mkdir()
        (klass.course / folder / "README.md").write_text("What lies here.")
    klass.run("course", "generate_assignment", LESSON)
    klass.run("course", "release_assignment", LESSON)
    for student in ("reference", "untouched"):
        klass.student(student)
        klass.run(student, "list")
        klass.run(student, "fetch_assignment", LESSON)
        path = klass.folder / student / LESSON / NOTEBOOK
        shutil.copy(path, klass.folder / f"fetched-{student}.ipynb")
        if student == "reference":
            path.write_text(nbformat.writes(solved(nbformat.read(path, as_version=4))))
        klass.run(student, "validate", f"{LESSON}/{NOTEBOOK}")
        klass.run(student, "submit", LESSON)
    for command in ("collect", "autograde", "generate_feedback", "release_feedback"):
        klass.run("course", command, LESSON)
    for student in ("reference", "untouched"):
        klass.run(student, "fetch_feedback", LESSON)
    klass.run("course", "export")
    return klass


def test_every_command_succeeds(klass: Class) -> None:
    assert len(klass.said) == 2 + 2 * 5 + 5
    assert {name: done.returncode for name, done in klass.said.items()} == dict.fromkeys(klass.said, 0)
    assert not [name for name, done in klass.said.items() if TRACEBACK in done.stdout]
    assert "SAWarning" not in klass.said["course autograde"].stdout


def test_the_lesson_is_listed_and_nothing_else(klass: Class) -> None:
    listed = [line for line in klass.said["reference list"].stdout.splitlines() if "agai302" in line]
    assert len(listed) == 1 and listed[0].endswith(f"agai302 {LESSON}")


def test_the_fetched_notebook_gives_nothing_away(klass: Class) -> None:
    text = (klass.folder / "fetched-reference.ipynb").read_text()
    for secret in ("hidden case", "BEGIN HIDDEN", "return 2 * x", "math.sqrt", "MARK SCHEME", "word ratio"):
        assert secret not in text and secret in nbformat.writes(small_lesson())
    assert "visible case of double" in text
    assert [p.name for p in (klass.folder / "reference" / LESSON).glob("*.*")] == [NOTEBOOK]


def test_validate_tells_by_its_text_alone(klass: Class) -> None:
    # It exits with 0 either way, so whoever calls it must read what it says.
    good, bad = klass.said["reference validate"].stdout, klass.said["untouched validate"].stdout
    assert "Success! Your notebook passes all the tests." in good
    assert "VALIDATION FAILED ON 2 CELL(S)" in bad and "visible case of double" in bad


def test_reference_has_every_automatic_point_and_untouched_none(klass: Class) -> None:
    assert klass.scores("reference") == FULL
    assert klass.scores("untouched") == NONE


def test_the_written_task_waits_for_a_person_and_the_tests_do_not(klass: Class) -> None:
    for student in ("reference", "untouched"):
        waiting = {
            name: g["max_score"] for name, g in klass.grades(student).items() if g["needs_manual_grade"]
        }
        assert waiting == {"written_why": 4.0}


def test_demo_cells_did_not_run(klass: Class) -> None:
    assert not list(klass.folder.rglob("demo-was-here.txt"))
    graded = nbformat.read(klass.course / "autograded" / "reference" / LESSON / NOTEBOOK, as_version=4)
    ran = {
        cell.metadata.nbgrader.grade_id: cell.execution_count
        for cell in graded.cells
        if cell.cell_type == "code"
    }
    assert ran["draw"] is None and all(count for name, count in ran.items() if name != "draw")


def test_without_the_courses_setting_the_demo_cell_would_have_run(klass: Class, tmp_path: Path) -> None:
    again = Class(shutil.copytree(klass.folder, tmp_path / "copy"))
    (again.course / "submitted" / "untouched").rename(again.folder / "aside")
    again.run("course", "autograde", LESSON, "--force", "--ExecutePreprocessor.skip_cells_with_tag=none")
    [demo] = [cell for cell in again.graded("reference").cells if grade_id(cell) == "draw"]
    assert demo.execution_count and demo.outputs[0]["data"]["text/plain"] == "1"  # what `write` returned
    assert not list(again.folder.rglob("demo-was-here.txt"))  # the file went with the sandbox


def test_feedback_reaches_its_student(klass: Class) -> None:
    pages = {s: list((klass.folder / s).rglob("*.html")) for s in ("reference", "untouched")}
    assert [len(found) for found in pages.values()] == [1, 1]
    assert "6 of 10 points" in " ".join(pages["reference"][0].read_text().split())
    assert "visible case of root" in pages["untouched"][0].read_text()


def test_grades_are_exported(klass: Class) -> None:
    rows = list(csv.DictReader((klass.course / "grades.csv").open()))
    assert {(r["student_id"], r["score"], r["max_score"]) for r in rows} == {
        ("reference", "6.0", "10.0"),
        ("untouched", "0.0", "10.0"),
    }


def test_readme_files_are_no_assignments_and_no_students(klass: Class) -> None:
    from nbgrader.apps.api import NbGraderAPI

    from course_utils.grading.release import load_settings

    api = NbGraderAPI(config=load_settings(klass.course))
    assert api.get_source_assignments() == api.get_released_assignments() == {LESSON}
    assert [a["name"] for a in api.get_assignments()] == [LESSON]
    assert api.get_submitted_students("*") == {"reference", "untouched"}
    assert [s["id"] for s in api.get_students()] == ["reference", "untouched"]


# -- odd and bad submissions --


@dataclass(frozen=True)
class Odd:
    """A submission that is not as it should be, what it must get, and what must be said of it."""

    make: Callable[[Any], Any]
    scores: dict[str, float]
    note: str = ""


def without(*gone: str) -> Callable[[Any], Any]:
    """Solved, but these cells deleted."""

    def make(notebook: Any) -> Any:
        solved(notebook).cells = [c for c in notebook.cells if grade_id(c) not in gone]
        return notebook

    return make


def kernel(name: str, language: str) -> Callable[[Any], Any]:
    """Solved, but for another kernel."""

    def make(notebook: Any) -> Any:
        notebook.metadata.kernelspec = {"name": name, "display_name": "?", "language": language}
        return solved(notebook)

    return make


def marked(**metadata: Any) -> Callable[[Any], Any]:
    """A wrong answer with all else right, its test cells with other tags, or other metadata of nbgrader."""

    def make(notebook: Any) -> Any:
        for test in graded_cells(solved(notebook, double="double = None")):
            test.metadata.update({key: metadata[key] for key in metadata if key == "tags"})
            test.metadata.nbgrader.update({key: metadata[key] for key in metadata if key != "tags"})
        return notebook

    return make


def copied(notebook: Any) -> Any:
    """Solved, but a test cell is there twice, as by copy and paste: at this, stock nbgrader stops the whole run."""
    test = graded_cells(solved(notebook))[0]
    notebook.cells.append(nbformat.from_dict({**test, "id": "copied"}))
    return notebook


def graded_already(notebook: Any) -> Any:
    """A wrong answer, with test cells that hold the outputs and verdicts of a right one."""
    for test in graded_cells(solved(notebook, double="double = None")):
        test.outputs, test.execution_count = [], 7
        test.metadata["course"] = {"verdict": "pass"}
    notebook.metadata["course"] = {"notes": ["All is well."]}
    return notebook


FULL = {"double-visible": 1.0, "double-hidden": 2.0, "root-visible": 1.0, "root-hidden": 2.0}
NONE = dict.fromkeys(FULL, 0.0)
HALF = FULL | {"double-visible": 0.0, "double-hidden": 0.0}
ODD = {
    "a-not-json": Odd(lambda _: "{ not json", NONE, f"`{NOTEBOOK}` is not JSON at line 1, column 3"),
    "b-no-notebook": Odd(lambda _: None, NONE, f"The submission has no notebook {NOTEBOOK}."),
    "c-other-json": Odd(
        lambda _: '["not", "a notebook"]', NONE, f"`{NOTEBOOK}` is JSON, but not a notebook."
    ),
    "d-test-deleted": Odd(
        without("double-hidden"), FULL, "The cell `double-hidden` was missing and was put back."
    ),
    "e-solution-deleted": Odd(
        without("double"), HALF, "The cell `double` is missing; it counts as unsolved."
    ),
    "f-all-deleted": Odd(without(*FULL), FULL, "The cell `root-hidden` was missing and was put back."),
    "g-unknown-kernel": Odd(kernel("no-such-kernel", "klingon"), FULL),
    "h-bash-kernel": Odd(kernel("bash", "bash"), FULL),
    "i-tests-tagged": Odd(marked(tags=["demo"]), HALF),
    "j-tagged-by-text": Odd(marked(tags="demonstration"), HALF),
    "k-declared-given": Odd(marked(tags=["demo"], grade=False), HALF),
    "l-more-points": Odd(marked(points=100), HALF),
    "m-points-by-word": Odd(marked(points="abc"), HALF),
    "n-future-schema": Odd(marked(schema_version=99), HALF),
    "o-no-longer-tests": Odd(marked(grade=False, solution=True, locked=False), HALF),
    "p-copied": Odd(copied, FULL, "The cell `double-visible` was there twice; it runs once, as released."),
    "q-graded-already": Odd(graded_already, HALF),
    "z-good": Odd(solved, FULL),
}


@pytest.fixture(scope="module")
def bad(klass: Class, tmp_path_factory) -> Class:
    """The graded class, then odd submissions before a good one, all autograded by one command."""
    bad = Class(tmp_path_factory.mktemp("bad") / "class")
    shutil.copytree(klass.folder, bad.folder)
    for student, odd in ODD.items():
        bad.submission(student, odd.make(bad.fetched()))
    bad.run("course", "autograde", LESSON)
    return bad


def said(bad: Class) -> str:
    return bad.said["course autograde"].stdout


def test_nothing_that_a_student_does_is_a_failure(bad: Class) -> None:
    assert bad.said["course autograde"].returncode == 0
    assert TRACEBACK not in said(bad) and "ERROR" not in said(bad)
    assert bad.scores("reference") == FULL and bad.scores("untouched") == NONE


@pytest.mark.parametrize("student", ODD)
def test_each_gets_what_its_answers_earn(bad: Class, student: str) -> None:
    assert bad.scores(student) == ODD[student].scores


@pytest.mark.parametrize("student", [student for student, odd in ODD.items() if odd.note])
def test_what_was_odd_is_in_the_log_and_in_the_graded_notebook(bad: Class, student: str) -> None:
    assert f"{student}, {NOTEBOOK}: {ODD[student].note}" in said(bad)
    assert ODD[student].note in "\n".join(bad.graded(student).metadata.course.notes)


def test_what_is_not_odd_has_no_note(bad: Class) -> None:
    # Outputs and metadata are not looked at, so there is nothing to say of them.
    for student in ("z-good", "i-tests-tagged", "l-more-points", "q-graded-already", "g-unknown-kernel"):
        assert bad.graded(student).metadata.course.notes == [] and f"{student}, " not in said(bad)


@pytest.mark.parametrize("student", ODD)
def test_nothing_automatic_waits_for_a_person(bad: Class, student: str) -> None:
    nothing_to_grade = student in ("a-not-json", "b-no-notebook", "c-other-json")
    waiting = {name for name, grade in bad.grades(student).items() if grade["needs_manual_grade"]}
    assert waiting == (set() if nothing_to_grade else {"written_why"})


@pytest.mark.parametrize("student", ODD)
def test_all_metadata_of_the_graded_notebook_is_the_lesson_s(bad: Class, student: str) -> None:
    good, graded = bad.graded("reference"), bad.graded(student)
    assert graded.metadata.kernelspec == good.metadata.kernelspec
    marks = [{grade_id(c): (c.metadata.nbgrader, c.metadata.get("tags")) for c in notebook.cells if grade_id(c)}
             for notebook in (graded, good)]  # fmt: skip
    assert marks[0] == marks[1]


def test_submissions_are_left_as_they_were(bad: Class) -> None:
    assert (bad.course / "submitted" / "a-not-json" / LESSON / NOTEBOOK).read_text() == "{ not json"


def test_everybody_gets_feedback(bad: Class) -> None:
    assert bad.run("course", "generate_feedback", LESSON).returncode == 0
    pages = {path.parent.parent.name: path for path in (bad.course / "feedback").rglob("*.html")}
    assert set(pages) == {"reference", "untouched", *ODD}
    assert "is not JSON at line 1, column 3" in pages["a-not-json"].read_text()


def test_a_resubmission_is_graded_afresh_and_no_old_score_stays(bad: Class) -> None:
    """Full marks, then a notebook that can't be read; and again, then a wrong one with its hidden test deleted."""
    again = {"reference": "{ not json", "z-good": without("double-hidden")(bad.fetched())}
    for cell in again["z-good"].cells:
        if grade_id(cell) == "double":
            cell.source = "double = None"
    for student, notebook in again.items():
        assert bad.scores(student) == FULL
        bad.submission(student, notebook, "2030-01-02 12:00:00.000000 UTC")
    assert bad.run("course", "autograde", LESSON).returncode == 0
    assert said(bad).count("Skipping existing assignment") == len(ODD)  # all but these two
    assert bad.scores("reference") == NONE and bad.scores("z-good") == HALF
    assert bad.graded("reference").metadata.course.notes[0].startswith(f"`{NOTEBOOK}` is not JSON")


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (lambda course: (course / "release" / LESSON / NOTEBOOK).unlink(), "There is no release"),
        (lambda course: (course / "release" / LESSON / NOTEBOOK).write_text("{"), "is no valid notebook"),
        (lambda course: (course / "gradebook.db").unlink(), "is it in the gradebook?"),
    ],
)
def test_what_only_the_instructor_can_mend_is_a_failure(
    klass: Class, tmp_path: Path, damage: Callable[[Path], Any], message: str
) -> None:
    again = Class(shutil.copytree(klass.folder, tmp_path / "copy"))
    damage(again.course)
    done = again.run("course", "autograde", LESSON, "--force")
    assert done.returncode == 1 and message in done.stdout


@pytest.mark.parametrize(
    ("where", "command", "message"),
    [
        ("course", "generate_assignment", "No notebooks were matched by"),
        ("course", "release_assignment", "Assignment not found at"),
        ("course", "autograde", "No notebooks were matched by"),
        ("untouched", "fetch_assignment", "Assignment not found at"),
        ("untouched", "submit", "Assignment not found at"),
    ],
)
def test_unknown_lesson(klass: Class, where: str, command: str, message: str) -> None:
    before = klass.said.copy()
    done = klass.run(where, command, "01-smal")
    klass.said = before
    assert done.returncode == 1 and TRACEBACK not in done.stdout
    assert message in done.stdout and "Did you mean" in done.stdout and LESSON in done.stdout


@pytest.mark.parametrize("command", ["fetch_assignment", "submit", "list", "collect", "release_assignment"])
def test_exchange_that_cannot_be_written(klass: Class, tmp_path: Path, command: str) -> None:
    # A file in the exchange's place, because permissions do not bind everybody who runs tests.
    (tmp_path / "file").write_text("not a folder")
    before, submitted = klass.said.copy(), sorted(klass.folder.rglob("submitted/**/*"))
    where = "course" if command in ("collect", "release_assignment") else "untouched"
    done = klass.run(where, command, LESSON, f"--Exchange.root={tmp_path / 'file'}")
    klass.said = before
    assert done.returncode == 1
    # The student is told whom to ask; the instructor who releases gets a traceback that ends with the reason.
    reason = (
        "NotADirectoryError"
        if command == "release_assignment"
        else "Unwritable directory, please contact your"
    )
    assert reason in done.stdout
    assert (tmp_path / "file").read_text() == "not a folder"
    assert sorted(klass.folder.rglob("submitted/**/*")) == submitted
