"""nbgrader's own quickstart course, graded by nbgrader as it comes and by this grader: cell by cell the same.

Each class is graded by the command line in a process of its own, since `configure` changes the process it runs in.
"""

import itertools
import os
import shutil
import subprocess
import sys
import sysconfig
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import nbformat
import nbgrader
import pytest

pytestmark = [pytest.mark.slow, pytest.mark.xdist_group("quickstart")]

GUIDE = Path(nbgrader.__file__).parent / "docs" / "source" / "user_guide"
STAMP = "2015-02-01 12:00:00 UTC"
SETTINGS = """c = get_config()
c.CourseDirectory.course_id = "course101"
c.IncludeHeaderFooter.header = "source/header.ipynb"
"""
SHOWN = ("auto_score", "manual_score", "max_score", "extra_credit", "needs_manual_grade", "failed_tests")
TESTS = {
    "correct_squares": 1.0,
    "squares_invalid_input": 1.0,
    "correct_sum_of_squares": 0.5,
    "sum_of_squares_uses_squares": 0.5,
}
WRITTEN = ("sum_of_squares_equation", "sum_of_squares_application", "part-a", "part-b")


def grade_id(cell: Any) -> str:
    return cell.metadata.get("nbgrader", {}).get("grade_id", "")


def reference(notebook: Any, source: Any) -> None:
    """Every answer is the instructor's own."""
    answers = {grade_id(cell): cell.source for cell in source.cells}
    for cell in notebook.cells:
        if cell.metadata.get("nbgrader", {}).get("solution"):
            cell.source = answers[grade_id(cell)]


def untouched(notebook: Any, source: Any) -> None:
    """As it was fetched."""


def stubborn(notebook: Any, source: Any) -> None:
    """A function that is right, one that raises, and one that is no function."""
    mine = {"squares": "def squares(n):\n    return 1 / 0", "sum_of_squares": "sum_of_squares = 385"}
    for cell in notebook.cells:
        cell.source = mine.get(grade_id(cell), cell.source)


def cheat(notebook: Any, source: Any) -> None:
    """Tests rewritten, points raised, an answer for each number that the visible tests ask for."""
    for cell in notebook.cells:
        if grade_id(cell) in TESTS:
            cell.source, cell.metadata.nbgrader["points"] = "pass", 100
        elif grade_id(cell) == "squares":
            cell.source = "def squares(n):\n    return [i * i for i in range(1, n + 1)] if n < 11 else []"


def deleted(notebook: Any, source: Any) -> None:
    """One answer wrong; the test that says so and a written answer deleted."""
    reference(notebook, source)
    notebook.cells = [cell for cell in notebook.cells if grade_id(cell) not in ("correct_squares", "part-a")]
    for cell in notebook.cells:
        if grade_id(cell) == "squares":
            cell.source = "def squares(n):\n    return []"


def displayed(notebook: Any, source: Any) -> None:
    """A wrong answer that displays something, which nbgrader takes for the result of the test."""
    for cell in notebook.cells:
        if grade_id(cell) == "squares":
            cell.source = "import sys\ndef squares(n):\n    sys.displayhook('all of it')\n    return []"


MADE: dict[str, Callable[[Any, Any], None]] = {
    "reference": reference,
    "untouched": untouched,
    "stubborn": stubborn,
    "cheat": cheat,
    "deleted": deleted,
    "displayed": displayed,
}
SAME = ("bitdiddle", "hacker", "reference", "untouched", "stubborn", "cheat")


@dataclass
class Class:
    """A course folder with its submissions, and what grading it said."""

    root: Path
    said: str = ""

    def run(self, *words: str) -> str:
        home = self.root.parent / "home"
        path = os.pathsep.join(
            [sysconfig.get_path("scripts"), os.environ["PATH"]]
        )  # nbgrader calls `alembic`
        own = {
            "HOME": str(home),
            "JUPYTER_CONFIG_DIR": str(home),
            "JUPYTER_DATA_DIR": str(home),
            "PATH": path,
        }
        command = [sys.executable, "-m", "nbgrader", *words]
        done = subprocess.run(
            command, cwd=self.root, env=os.environ | own, text=True, timeout=300,
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
        )  # fmt: skip
        assert done.returncode == 0, done.stdout
        return done.stdout

    def rows(self, student: str) -> dict[str, dict[str, Any]]:
        """What the gradebook says of each cell: scores, whether a person must look, and the comment."""
        from nbgrader.api import Gradebook

        with Gradebook(f"sqlite:///{self.root / 'gradebook.db'}") as gradebook:
            notebooks = gradebook.find_submission("ps1", student).notebooks
            rows = {g.name: {key: g.to_dict()[key] for key in SHOWN} for n in notebooks for g in n.grades}
            for comment in (comment for notebook in notebooks for comment in notebook.comments):
                rows.setdefault(comment.name, {})["comment"] = comment.comment
        return rows

    def scores(self, student: str) -> dict[str, float | None]:
        return {name: row["auto_score"] for name, row in self.rows(student).items() if name in TESTS}


def submit(root: Path, student: str, work: Callable[[Any, Any], None]) -> None:
    place = root / "submitted" / student / "ps1"
    shutil.copytree(root / "release" / "ps1", place)
    (place / "timestamp.txt").write_text(STAMP)
    for path in place.glob("*.ipynb"):
        notebook = nbformat.read(path, as_version=4)
        work(notebook, nbformat.read(root / "source" / "ps1" / path.name, as_version=4))
        nbformat.write(notebook, path)


@pytest.fixture(scope="module")
def classes(tmp_path_factory) -> tuple[Class, Class]:
    """(as nbgrader comes, ours): the same course and submissions, each graded by `nbgrader autograde ps1`."""
    folder = tmp_path_factory.mktemp("quickstart")
    stock, ours = Class(folder / "course101"), Class(folder / "ours")
    # As `nbgrader quickstart course101` lays it out, which takes a quarter of a minute for its empty gradebook.
    shutil.copytree(
        GUIDE / "source", stock.root / "source", ignore=shutil.ignore_patterns("*.html", "ps1_autotest")
    )
    (stock.root / "nbgrader_config.py").write_text(SETTINGS)
    stock.run("generate_assignment", "ps1")
    shutil.copytree(GUIDE / "submitted", stock.root / "submitted")
    for student, work in MADE.items():
        submit(stock.root, student, work)
    shutil.copytree(stock.root, ours.root)
    with (ours.root / "nbgrader_config.py").open("a") as settings:
        settings.write("\nfrom course_utils.grading import configure\nconfigure(c)\n")
    for each in (stock, ours):
        each.said = each.run("autograde", "ps1")
    return stock, ours


def test_the_classes_are_graded_in_two_ways(classes: tuple[Class, Class]) -> None:
    stock, ours = classes
    assert (ours.root / ".grading" / "records").is_dir() and not (stock.root / ".grading").exists()
    assert "Executing notebook with kernel" not in ours.said


@pytest.mark.parametrize("student", SAME)
def test_every_cell_has_the_score_that_nbgrader_gives_it(classes: tuple[Class, Class], student: str) -> None:
    stock, ours = classes
    assert len(stock.rows(student)) == 11  # as many as the course has
    assert ours.rows(student) == stock.rows(student)


def test_the_samples_are_told_apart(classes: tuple[Class, Class]) -> None:
    # So that the test above compares something: who has what, by hand from nbgrader's documentation.
    _, ours = classes
    nothing = dict.fromkeys(TESTS, 0.0)
    assert ours.scores("reference") == ours.scores("hacker") == TESTS
    assert ours.scores("untouched") == nothing
    # bitdiddle had commented out the test that he fails; it ran all the same.
    assert ours.scores("bitdiddle") == nothing | {
        "squares_invalid_input": 1.0,
        "sum_of_squares_uses_squares": 0.5,
    }
    assert ours.scores("cheat") == nothing | {"sum_of_squares_uses_squares": 0.0}
    waiting = {name for name, row in ours.rows("reference").items() if row.get("needs_manual_grade")}
    assert waiting == {*WRITTEN, "cell-938593c4a215c6cc"}
    assert {ours.rows("untouched")[name]["comment"] for name in WRITTEN} == {"No response."}


def test_a_deleted_cell_is_put_back(classes: tuple[Class, Class]) -> None:
    """nbgrader leaves it without a score, for a person to grade. Here a test runs, as wrong as the answer is, and a
    written answer counts as one without a response."""
    stock, ours = (each.rows("deleted") for each in classes)
    gone = {"correct_squares", "part-a"}
    assert {name for name in stock if ours[name] != stock[name]} == gone and set(ours) == set(stock)
    for name in gone:
        assert (stock[name]["auto_score"], stock[name]["needs_manual_grade"]) == (None, True)
        assert (ours[name]["auto_score"], ours[name]["needs_manual_grade"]) == (0.0, False)
    said = classes[1].said
    assert "deleted, problem1.ipynb: The cell `correct_squares` was missing and was put back." in said
    assert "deleted, problem2.ipynb: The cell `part-a` is missing; it counts as unsolved." in said


def test_what_a_solution_displays_is_no_result_of_the_test(classes: tuple[Class, Class]) -> None:
    """nbgrader takes what the student's function displayed for the test's result, before it looks at the error."""
    stock, ours = classes
    assert stock.scores("displayed")["correct_squares"] == 1.0
    assert ours.scores("displayed")["correct_squares"] == 0.0


def test_files_and_feedback(classes: tuple[Class, Class]) -> None:
    names = ["jupyter.png", "problem1.ipynb", "problem2.ipynb", "timestamp.txt"]
    for each, student in itertools.product(classes, ("bitdiddle", "reference")):
        assert sorted(p.name for p in (each.root / "autograded" / student / "ps1").iterdir()) == names
    classes[1].run("generate_feedback", "ps1", "--student=hacker")
    pages = sorted((classes[1].root / "feedback" / "hacker" / "ps1").glob("*.html"))
    assert [page.stem for page in pages] == ["problem1", "problem2"]
