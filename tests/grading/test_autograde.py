"""What `nbgrader autograde` does with a class folder: which submissions are graded, from which files, and what is kept.

Everything goes through nbgrader's own Python API, as formgrader's button does.
"""

import json
import os
import shutil
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

import nbformat
import pytest
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook
from small import KERNEL, LESSON, small_course
from traitlets.config import Config

from course_utils.grading.release import load_settings

pytestmark = [pytest.mark.slow, pytest.mark.xdist_group("autograde-door")]

STAMP = "2030-01-01 12:00:00.000000 UTC"
SETTINGS = """
c.CourseDirectory.ignore = [".ipynb_checkpoints", "*.pyc", "__pycache__", "feedback", "private.txt"]
c.Autograde.exclude_overwriting = {"01-small": ["mine.txt"]}
c.LateSubmissionPlugin.penalty_method = "zero"
"""
RIGHT = {
    "double": "def double(x):\n    return 2 * x",
    "written": "An answer.",
    "essay": "essay = 'An answer.'",
}
FULL = {"visible": 1.0, "hidden": 2.0, "part": 3.0, "chosen": 1.0, "files": 1.0, "over": 0.0}
NONE = dict.fromkeys(FULL, 0.0) | {"chosen": 1.0, "files": 1.0}  # an untouched `double` returns None
HIDDEN = """import os, random
print("inputs", os.environ["COURSE_SEED"], random.random())
### BEGIN HIDDEN TESTS
assert double(-3) == -6, "hidden case"
### END HIDDEN TESTS"""
FILES = "assert open('data.csv').read() == 'instructor'\nassert open('folder/x.txt').read() == 'instructor'"
LOOK = """import os
for folder, _, names in sorted(os.walk(".")):
    for name in sorted(names):
        if not name.endswith("ipynb"):
            print(os.path.join(folder, name), open(os.path.join(folder, name)).read())"""


def marked(grade_id: str, **flags: Any) -> dict[str, Any]:
    base = {"schema_version": 3, "grade": False, "solution": False, "locked": False, "task": False}
    return {"nbgrader": {**base, "grade_id": grade_id, **flags}}


def test_cell(grade_id: str, source: str) -> Any:
    points = {"visible": 1, "hidden": 2, "part": 6}.get(grade_id, 1)
    return new_code_cell(source, metadata=marked(grade_id, grade=True, locked=True, points=points))


test_cell.__test__ = False  # type: ignore[attr-defined]


def lesson() -> Any:
    """Every kind of graded cell that nbgrader has; half of `part` and nothing of `over` can be earned."""
    stub = "def double(x):\n    ### BEGIN SOLUTION\n    return 2 * x\n    ### END SOLUTION"
    cells = [
        new_code_cell(stub, metadata=marked("double", solution=True)),
        test_cell("visible", "assert double(2) == 4, 'visible case'"),
        test_cell("hidden", HIDDEN),
        test_cell("part", "score = sum(double(i) == 2 * i for i in (1, 2, 3))\nscore"),
        test_cell("chosen", "double(0.25)"),
        test_cell("over", "7"),
        test_cell("files", FILES),
        new_markdown_cell("Why?", metadata=marked("written", grade=True, solution=True, points=5)),
        new_code_cell("essay = ''", metadata=marked("essay", grade=True, solution=True, points=5)),
        new_markdown_cell("Draw.", metadata=marked("task", task=True, locked=True, points=5)),
    ]
    for index, cell in enumerate(cells):
        cell.id = f"cell-{index}"
    return new_notebook(cells=cells, metadata={"kernelspec": dict(KERNEL)})


@dataclass
class Room:
    """A course folder, and what grading it left."""

    root: Path

    def api(self, **examine: Any) -> Any:
        """nbgrader on the folder, with its settings read afresh; `examine` are settings of `Examine`."""
        from nbgrader.apps.api import NbGraderAPI

        settings = load_settings(self.root)
        settings.Examine.update(examine)
        return NbGraderAPI(config=settings)

    def submit(self, student: str, *, stamp: str | None = STAMP, names: tuple[str, ...] = (LESSON,),
               files: dict[str, str] | None = None, free: str = "", **answers: str) -> Path:  # fmt: skip
        """The submission's folder, made anew: the release with these answers put in."""
        place = self.root / "submitted" / student / LESSON
        shutil.rmtree(place, ignore_errors=True)
        place.mkdir(parents=True)
        for name in names:
            notebook = nbformat.read(self.root / "release" / LESSON / f"{name}.ipynb", as_version=4)
            for cell in notebook.cells:
                cell.source = answers.get(cell.metadata.get("nbgrader", {}).get("grade_id", ""), cell.source)
            notebook.cells += [new_code_cell(free)] if free else []
            nbformat.write(notebook, place / f"{name}.ipynb")
        for name, text in (files or {}).items():
            (place / name).parent.mkdir(parents=True, exist_ok=True)
            (place / name).write_text(text)
        if stamp is not None:
            (place / "timestamp.txt").write_text(stamp)
        return place

    def grade(self, student: str, *, force: bool = True, **examine: Any) -> str:
        """What nbgrader said; grading must succeed."""
        done = self.api(**examine).autograde(LESSON, student, force=force)
        assert done["success"], done["log"] + done["error"]
        return done["log"]

    def gradebook(self) -> Any:
        from nbgrader.api import Gradebook

        return Gradebook(f"sqlite:///{self.root / 'gradebook.db'}", "agai302")

    def rows(self, student: str) -> dict[str, dict[str, Any]]:
        """The gradebook's rows, by cell."""
        with self.gradebook() as gradebook:
            notebooks = gradebook.find_submission(LESSON, student).notebooks
            return {grade.name: grade.to_dict() for notebook in notebooks for grade in notebook.grades}

    def scores(self, student: str) -> dict[str, float | None]:
        return {name: row["auto_score"] for name, row in self.rows(student).items() if name in FULL}

    def waiting(self, student: str) -> set[str]:
        return {name for name, row in self.rows(student).items() if row["needs_manual_grade"]}

    def stamp(self, student: str) -> datetime | None:
        with self.gradebook() as gradebook:
            return gradebook.find_submission(LESSON, student).timestamp

    def graded(self, student: str) -> Any:
        return nbformat.read(self.folder(student) / f"{LESSON}.ipynb", as_version=4)

    def folder(self, student: str) -> Path:
        return self.root / "autograded" / student / LESSON

    def record(self, student: str, name: str = LESSON) -> dict[str, Any]:
        return json.loads((self.root / f".grading/records/{LESSON}/{student}/{name}.json").read_text())

    def inputs(self, student: str) -> str:
        """What the hidden test printed: its seed, and the random number that came of it."""
        cells = {cell["id"]: cell for cell in self.record(student)["cells"]}
        assert cells["hidden"]["printed"].startswith("inputs ")
        return cells["hidden"]["printed"]


def make_room(root: Path, *notebooks: str, settings: str = SETTINGS) -> Room:
    small_course(root)
    with (root / "nbgrader_config.py").open("a") as file:
        file.write(settings)
    source = root / "source" / LESSON
    shutil.rmtree(source)
    shutil.rmtree(root / "tests")
    for name, text in {"data.csv": "instructor", "folder/x.txt": "instructor", "mine.txt": "instructor",
                       "private.txt": "key", ".ipynb_checkpoints/key.py": "key"}.items():  # fmt: skip
        (source / name).parent.mkdir(parents=True, exist_ok=True)
        (source / name).write_text(text)
    for name in notebooks or (LESSON,):
        nbformat.write(lesson(), source / f"{name}.ipynb")
    room = Room(root)
    assert room.api().generate_assignment(LESSON)["success"]
    return room


@pytest.fixture(scope="module")
def room(tmp_path_factory) -> Room:
    return make_room(tmp_path_factory.mktemp("room") / "course")


# -- what is graded, and when --


def test_a_graded_submission_is_skipped_unless_forced_or_submitted_again(room: Room) -> None:
    room.submit("ann")
    room.grade("ann", force=False)
    assert room.scores("ann") == NONE
    (room.root / f"submitted/ann/{LESSON}/data.csv").write_text("something else")
    assert "Skipping existing assignment" in room.grade("ann", force=False)
    assert "Removing existing assignment" in room.grade("ann", force=True)
    for stamp, answers, scores in (
        ("2030-01-02", RIGHT, FULL),
        ("2029-12-31", {}, NONE),
    ):  # backdated: graded, too
        room.submit("ann", stamp=f"{stamp} 00:00:00.000000 UTC", **answers)
        assert "Removing existing assignment" in room.grade("ann", force=False)
        assert room.scores("ann") == scores
        assert "Skipping existing assignment" in room.grade("ann", force=False)


def test_the_same_attempt_has_the_same_inputs_and_any_other_has_others(room: Room) -> None:
    room.submit("ben", **RIGHT)
    room.grade("ben")
    first, scores = room.inputs("ben"), room.scores("ben")
    room.grade("ben")
    assert (room.inputs("ben"), room.scores("ben")) == (first, scores)
    room.submit("bob", **RIGHT)  # the same files, another student
    room.submit("ben", stamp="2030-01-03 00:00:00.000000 UTC", **RIGHT)  # the same notebook, another attempt
    room.grade("b*")
    room.submit("bea", **RIGHT | {"double": "def double(x):\n    return x + x"})
    room.grade("bea")
    assert len({first, *(room.inputs(student) for student in ("ben", "bob", "bea"))}) == 4


def test_what_was_interrupted_is_graded_again_and_what_was_finished_is_not(room: Room) -> None:
    room.submit("cat", **RIGHT)
    room.submit("cid", **RIGHT)
    room.grade("c*")
    marker = room.root / ".grading" / "unfinished" / LESSON / "cat"
    assert not marker.exists()
    marker.touch()
    said = room.grade("c*", force=False)
    assert (
        "interrupted" in said and f"autograded/cid/{LESSON}" in said.split("Skipping existing assignment")[1]
    )
    assert not marker.exists() and room.scores("cat") == FULL
    assert "interrupted" not in room.grade("c*", force=False)


def test_an_excluded_student_keeps_what_was_graded(room: Room) -> None:
    room.submit("dan", **RIGHT)
    room.grade("dan")
    (room.root / ".grading" / "unfinished" / LESSON / "dan").touch()
    api = room.api()
    api.coursedir.student_id_exclude = "dan"
    assert api.autograde(LESSON, "dan")["success"]
    assert (room.folder("dan") / f"{LESSON}.ipynb").is_file()
    assert "interrupted" in room.grade("dan", force=False)  # it still is to be graded again


def test_a_person_s_scores_and_comments_stay_and_every_automatic_score_is_new(room: Room) -> None:
    room.submit("eva", **RIGHT)
    room.grade("eva")
    with room.gradebook() as gradebook:
        notebook = gradebook.find_submission(LESSON, "eva").notebooks[0]
        by_name = {grade.name: grade for grade in notebook.grades}
        by_name["written"].manual_score, by_name["hidden"].manual_score = 4.0, 1.5
        by_name["written"].extra_credit = 0.5
        by_name["part"].auto_score = 99.0  # as if from an earlier version of the test
        comments = {comment.name: comment for comment in notebook.comments}
        comments["written"].manual_comment = "Well put."
        gradebook.db.commit()
    room.submit("eva", **RIGHT | {"double": "def double(x):\n    return 4"})
    room.grade("eva")
    rows = room.rows("eva")
    assert room.scores("eva") == NONE | {"visible": 1.0, "part": 1.0}
    assert (rows["written"]["manual_score"], rows["written"]["extra_credit"]) == (4.0, 0.5)
    assert (rows["hidden"]["manual_score"], rows["hidden"]["auto_score"]) == (1.5, 0.0)
    # nbgrader asks a person to look again at what a person has scored.
    assert room.waiting("eva") == {"written", "hidden", "essay", "task"}
    with room.gradebook() as gradebook:
        assert gradebook.find_comment("written", LESSON, LESSON, "eva").comment == "Well put."


def test_a_student_who_is_not_in_the_gradebook_is_added_only_if_asked(room: Room) -> None:
    room.submit("fay")
    done = room.api().autograde(LESSON, "fay", create=False)
    assert not done["success"] and "is it in the gradebook?" in done["log"]
    room.grade("fay")


# -- time stamps --

BAD_STAMPS = {
    "word": "garbage!",
    "empty": "",
    "huge": "99999999999999999999999",
    "early": "0001-01-01 00:00:00 +1400",
    "zone": "2030-13-45 99:99:99 UTC",
    "binary": "\udcff\udcfe",
    "link": "",
    "pipe": "",
    "folder": "",
}


@pytest.fixture(scope="module")
def stamped(room: Room) -> str:
    """What grading said of submissions with every kind of time stamp, after attempts that were punctual."""
    room.submit("stamp-none", stamp=None)
    room.submit("stamp-late", stamp="2031-06-01 00:00:30.000000 UTC", **RIGHT)
    room.submit("stamp-good", **RIGHT)
    with room.gradebook() as gradebook:
        gradebook.update_or_create_assignment(LESSON, duedate="2031-06-01 00:00:00 UTC")
        for name in BAD_STAMPS:
            gradebook.update_or_create_student(f"stamp-{name}")
            gradebook.update_or_create_submission(LESSON, f"stamp-{name}", timestamp=STAMP)
    for name, text in BAD_STAMPS.items():
        path = room.submit(f"stamp-{name}", stamp=None, **RIGHT) / "timestamp.txt"
        if name == "link":
            path.symlink_to(room.root / "submitted" / "stamp-good" / LESSON / "timestamp.txt")
        elif name == "pipe":
            os.mkfifo(path)
        elif name == "folder":
            path.mkdir()
        else:
            path.write_text(text, errors="surrogateescape")
    return room.grade("stamp-*")


@pytest.mark.parametrize("name", BAD_STAMPS)
def test_a_time_stamp_that_is_none_is_said_and_costs_no_points(room: Room, stamped: str, name: str) -> None:
    assert room.scores(f"stamp-{name}") == FULL
    assert f"submitted/stamp-{name}/{LESSON}: timestamp.txt holds no time" in stamped
    assert room.stamp(f"stamp-{name}") is None  # not that of the attempt before


def test_good_stamps_are_kept_and_late_ones_said(room: Room, stamped: str) -> None:
    assert room.stamp("stamp-good") == datetime(2030, 1, 1, 12) and room.stamp("stamp-none") is None
    said = {line for line in stamped.splitlines() if line.endswith("seconds late")}
    assert said == {f"[WARNING] SubmittedAssignment<{LESSON} for stamp-late> is 30.0 seconds late"}
    with room.gradebook() as gradebook:
        late = gradebook.find_submission(LESSON, "stamp-late")
        assert (late.total_seconds_late, late.notebooks[0].late_submission_penalty) == (30.0, 8.0)
        assert gradebook.find_submission(LESSON, "stamp-good").notebooks[0].late_submission_penalty is None


@pytest.mark.parametrize("first", ["garbage!", "", None])
def test_a_resubmission_with_a_good_stamp_after_one_with_none_is_graded(
    room: Room, first: str | None
) -> None:
    room.submit("again", stamp=first)
    room.grade("again")
    assert "Skipping" in room.grade("again", force=False)
    room.submit("again", **RIGHT)
    room.grade("again", force=False)
    assert room.scores("again") == FULL and "Skipping" in room.grade("again", force=False)


def test_formgrader_s_pages_and_feedback_survive_every_stamp(room: Room, stamped: str) -> None:
    api = room.api()
    students = {f"stamp-{name}" for name in (*BAD_STAMPS, "none", "late", "good")}
    assert {row["student"] for row in api.get_submissions(LESSON)} >= students
    assert api.get_autograded_students(LESSON) >= students
    for _ in range(2):
        assert api.generate_feedback(LESSON, "stamp-word", force=False)["success"]


# -- folders and files --


def test_links_are_no_submissions(room: Room) -> None:
    room.submit("gus", **RIGHT)
    submitted = room.root / "submitted"
    (submitted / "gus-link").symlink_to("gus")
    (submitted / "gus-lesson").mkdir()
    (submitted / "gus-lesson" / LESSON).symlink_to(f"../gus/{LESSON}")
    shutil.copytree(submitted / "gus", submitted / ".gus")  # editors and version control keep such folders
    said = room.grade("*us*", force=False)
    for name in ("gus-link", "gus-lesson"):
        assert f"submitted/{name}/{LESSON} is a link" in said
        room.grade(name)  # with nothing but a link to grade
    assert [p.name for p in (room.root / "autograded").iterdir() if "gus" in p.name] == ["gus"]


def test_a_linked_notebook_is_missing_and_a_linked_file_left_out(room: Room) -> None:
    secret = room.root / "gradebook.db"
    place = room.submit("hal", free=LOOK, **RIGHT)
    (place / "loot.txt").symlink_to(secret)
    said = room.grade("hal")
    assert "`loot.txt` was left out: it is a link" in said and room.scores("hal") == FULL
    assert "loot" not in str(room.graded("hal").cells) and not (room.folder("hal") / "loot.txt").exists()
    path = room.submit("ham", **RIGHT) / f"{LESSON}.ipynb"
    path.unlink()
    path.symlink_to(f"../../hal/{LESSON}/{LESSON}.ipynb")
    assert "has no notebook" in room.grade("ham")
    assert set(room.scores("ham").values()) == {0.0}


def test_a_student_s_files_come_along_and_the_instructor_s_come_over_them(room: Room) -> None:
    files = {"data.csv": "student", "mine.txt": "student", "own/helper.txt": "student"}
    room.submit("ida", files=files, free=LOOK, **RIGHT)
    room.grade("ida")
    shown = {
        "data.csv": "instructor",
        "folder/x.txt": "instructor",
        "mine.txt": "student",
        "own/helper.txt": "student",
    }
    assert room.scores("ida") == FULL
    assert _files(room.folder("ida")) == shown
    printed = room.graded("ida").cells[-1].outputs[0].text.splitlines()
    # What the release leaves out is not for the student's process either.
    assert dict(line.split(" ", 1) for line in printed) == {
        "./timestamp.txt": STAMP, **{f"./{name}": text for name, text in shown.items()}
    }  # fmt: skip


def _files(folder: Path) -> dict[str, str]:
    paths = {str(p.relative_to(folder)): p for p in folder.rglob("*") if p.is_file() and p.suffix != ".ipynb"}
    return {name: path.read_text() for name, path in paths.items() if name != "timestamp.txt"}


def test_an_instructor_s_file_comes_over_a_folder_of_that_name_and_the_other_way_round(room: Room) -> None:
    room.submit("jon", files={"data.csv/deep/x": "student", "folder": "student"}, **RIGHT)
    room.grade("jon")
    assert room.scores("jon") == FULL
    assert _files(room.folder("jon"))["folder/x.txt"] == "instructor"


def test_private_files_of_a_strict_umask_can_be_graded(room: Room) -> None:
    before = os.umask(0o077)
    try:
        room.submit("kim", files={"own/helper.txt": "x"}, **RIGHT)
        room.grade("kim")
    finally:
        os.umask(before)
    assert room.scores("kim") == FULL


# -- kinds of cells --


def test_written_answers_are_as_nbgrader_has_them(room: Room) -> None:
    room.submit("lea", **RIGHT)
    room.submit("leo")
    room.grade("le*")
    assert room.waiting("lea") == {"written", "essay", "task"} and room.waiting("leo") == {"task"}
    assert {name: room.rows("leo")[name]["auto_score"] for name in ("written", "essay", "task")} == {
        "written": 0.0, "essay": 0.0, "task": None,
    }  # fmt: skip
    with room.gradebook() as gradebook:
        for name, said in {"leo": "No response.", "lea": None}.items():
            assert gradebook.find_comment("written", LESSON, LESSON, name).auto_comment == said


def test_what_nbgrader_puts_right_in_a_submission_is_right_already(room: Room) -> None:
    """So its own steps for that, which cost more than all others of an unchanged submission, are left out."""
    from course_utils.grading.many import _planned

    path = room.submit("may", **RIGHT) / f"{LESSON}.ipynb"
    notebook = nbformat.read(path, as_version=4)
    for cell in notebook.cells:
        marks = cell.metadata.get("nbgrader", {})
        marks |= {"points": 100, "locked": False, "checksum": "0" * 32, "schema_version": 2} if marks else {}
        if cell.cell_type == "code":
            cell.outputs, cell.execution_count = [nbformat.v4.new_output("stream", text="3")], 7
    notebook.cells += [
        nbformat.from_dict({**cell, "id": f"again-{i}"}) for i, cell in enumerate(notebook.cells)
    ]
    notebook.metadata["kernelspec"] = {"name": "other", "display_name": "Other"}
    path.write_text(nbformat.writes(notebook))

    def prepared(steps: list[str]) -> Any:
        plan = _planned(room.root, LESSON)
        plan.sanitize_preprocessors = [f"nbgrader.preprocessors.{step}" for step in steps]
        made = plan.prepare(str(path.parent))
        made.staged.remove()
        return made.notebooks[str(path)][0]

    steps = ["ClearOutput", "DeduplicateIds", "OverwriteKernelspec", "OverwriteCells", "CheckCellMetadata"]
    assert prepared([]) == prepared(steps)
    assert prepared([]).metadata["kernelspec"]["name"] == KERNEL["name"] and "100" not in str(
        prepared([]).cells
    )


def test_points_are_the_instructor_s_to_give(room: Room) -> None:
    room.submit("max", **RIGHT | {"double": "def double(x):\n    return 4 if x == 2 else 0.75"})
    room.grade("max")
    tests = {
        cell.metadata.nbgrader.grade_id: cell
        for cell in room.graded("max").cells
        if "course" in cell.metadata
    }
    assert {name: cell.metadata.course.verdict for name, cell in tests.items()} == {
        "visible": "pass", "hidden": "fail", "part": "partial", "chosen": "pass", "over": "fail", "files": "pass",
    }  # fmt: skip
    assert room.scores("max") == {
        "visible": 1.0,
        "hidden": 0.0,
        "part": 1.0,
        "chosen": 1.0,
        "over": 0.0,
        "files": 1.0,
    }
    assert "shows 7 points, but it has 1" in tests["over"].metadata.course.message


# -- several notebooks --


@pytest.fixture(scope="module")
def pair(tmp_path_factory) -> Room:
    """An assignment of two notebooks, `one` and `two`."""
    return make_room(tmp_path_factory.mktemp("pair") / "course", "one", "two")


def _of(room: Room, student: str) -> dict[str, float]:
    """The automatic points, by notebook."""
    with room.gradebook() as gradebook:
        notebooks = gradebook.find_submission(LESSON, student).notebooks
        return {n.name: sum(grade.auto_score or 0.0 for grade in n.grades) for n in notebooks}


def test_a_missing_notebook_is_zero_and_waits_for_nobody(pair: Room) -> None:
    place = pair.submit("nia", names=("one",), **RIGHT)
    shutil.copy(place / "one.ipynb", place / "two (1).ipynb")
    said = pair.grade("nia")
    assert "nia, two.ipynb: The submission has no notebook two.ipynb" in said
    assert _of(pair, "nia") == {"one": sum(FULL.values()), "two": 0.0}
    with pair.gradebook() as gradebook:
        two = gradebook.find_submission_notebook("two", LESSON, "nia")
        assert {(grade.auto_score, grade.needs_manual_grade) for grade in two.grades} == {(0.0, False)}
    assert sorted(p.name for p in pair.folder("nia").glob("*.ipynb")) == ["one.ipynb", "two.ipynb"]
    graded = nbformat.read(pair.folder("nia") / "two.ipynb", as_version=4)
    assert graded.metadata.course.notes[0].startswith("The submission has no notebook two.ipynb")


def test_one_notebook_alone_can_be_graded(pair: Room) -> None:
    from nbgrader.utils import temp_attrs

    pair.submit("oli", names=("one", "two"), files={"own.txt": "x"}, **RIGHT)
    pair.grade("oli")
    old = (pair.folder("oli") / "one.ipynb").read_bytes()
    pair.submit("oli", names=("one", "two"), files={"own.txt": "y"})
    for interrupted in (False, True):
        if interrupted:
            (pair.root / f".grading/unfinished/{LESSON}/oli").touch()
        api = pair.api()
        with temp_attrs(api.coursedir, notebook_id="two"):
            assert api.autograde(LESSON, "oli")["success"]
        assert _of(pair, "oli")["one"] == sum(FULL.values()) and _of(pair, "oli")["two"] == sum(NONE.values())
        assert (pair.folder("oli") / "one.ipynb").read_bytes() == old
    assert (pair.folder("oli") / "own.txt").read_text() == "y"


# -- settings --


def test_without_a_sandbox_it_works_and_warns_each_time(room: Room) -> None:
    room.submit("pam", free=f"import os\nprint('root', os.path.isdir({str(room.root)!r}))", **RIGHT)
    room.submit("pat", **RIGHT)
    said = room.grade("pa[mt]", sandbox="none")
    assert said.count("UNPROTECTED") == 2
    assert room.scores("pam") == room.scores("pat") == FULL
    assert (
        room.graded("pam").cells[-1].outputs[0].text == "root True\n"
    )  # so it was: inside it would be False
    assert room.record("pam")["sandbox"] == "none"
    assert "UNPROTECTED" not in room.grade("pam")
    assert room.graded("pam").cells[-1].outputs[0].text == "root False\n"


def test_an_unknown_sandbox_is_an_error_that_says_what_is_known(room: Room) -> None:
    room.submit("pia", **RIGHT)
    done = room.api(sandbox="docker").autograde(LESSON, "pia")
    assert not done["success"] and "Expected the sandbox 'bubblewrap' or 'none', got 'docker'" in done["log"]


def test_a_missing_release_is_the_instructor_s_to_mend(room: Room, tmp_path: Path) -> None:
    again = Room(
        shutil.copytree(room.root, tmp_path / "copy", symlinks=True, ignore=shutil.ignore_patterns("stamp-*"))
    )
    again.submit("quy", **RIGHT)
    (again.root / "release" / LESSON / f"{LESSON}.ipynb").unlink()
    done = again.api().autograde(LESSON, "quy")
    assert not done["success"] and f"Run `nbgrader generate_assignment {LESSON}`" in done["log"]


def test_another_course_in_this_process_is_graded_as_nbgrader_does(room: Room, tmp_path: Path) -> None:
    from nbgrader.apps.api import Autograde, NbGraderAPI

    from course_utils.grading.autograde import HonestAutograde

    root = tmp_path / "stock"
    (root / "source" / LESSON).mkdir(parents=True)
    notebook = lesson()
    notebook.cells = notebook.cells[:3]  # without those that stock nbgrader stops at
    notebook.cells[2].source = "import os\n" + notebook.cells[2].source.split("\n", 2)[2]
    nbformat.write(notebook, root / "source" / LESSON / f"{LESSON}.ipynb")
    settings = Config({"CourseDirectory": {"root": str(root), "course_id": "agai302"}})
    api, stock = NbGraderAPI(config=settings), Room(root)
    assert Autograde is HonestAutograde
    assert api.generate_assignment(LESSON)["success"]
    path = stock.submit("ray", **RIGHT) / f"{LESSON}.ipynb"
    submitted = nbformat.read(path, as_version=4)
    del submitted.cells[1]
    nbformat.write(submitted, path)
    done = api.autograde(LESSON, "ray")
    assert done["success"], done["log"]
    # Stock: a deleted test has no score and waits for a person.
    assert stock.scores("ray") == {"visible": None, "hidden": 2.0} and stock.waiting("ray") == {"visible"}
    assert not (root / ".grading").exists()
    room.submit("ray", **RIGHT)
    room.grade("ray")
    assert room.scores("ray") == FULL


# -- what is kept --


def test_the_record_says_what_ran_and_how(room: Room) -> None:
    room.submit("sam", **RIGHT)
    room.grade("sam")
    record = room.record("sam")
    assert [cell["id"] for cell in record["cells"]] == ["double", *FULL_ORDER, "essay"]
    assert {cell["id"]: cell["verdict"] for cell in record["cells"] if cell["kind"] == "test"} == {
        "visible": "pass", "hidden": "pass", "part": "partial", "chosen": "pass", "over": "fail", "files": "pass",
    }  # fmt: skip
    assert record["used"]["seconds"] > 0 and record["used"]["peak_mb"] > 0
    assert (
        record["sandbox"] == "bubblewrap"
        and record["attempts"] == 1
        and len(record["digests"]["files"]) == 64
    )
    assert record["seeds"]["test"] not in nbformat.writes(room.graded("sam")).replace(
        room.inputs("sam").split()[1], ""
    )


FULL_ORDER = ("visible", "hidden", "part", "chosen", "over", "files")


def test_the_secret_of_the_seeds_is_the_course_s_own(room: Room, pair: Room) -> None:
    paths = [each.root / ".grading" / "secret" for each in (room, pair)]
    assert [path.stat().st_mode & 0o777 for path in paths] == [0o600, 0o600]
    assert len({path.read_bytes() for path in paths}) == 2 and len(paths[0].read_bytes()) == 32
    room.submit("tom", **RIGHT)
    room.grade("tom")
    first, kept = room.inputs("tom"), paths[0].read_bytes()
    paths[0].write_bytes(b"another")
    room.grade("tom")
    assert room.inputs("tom") != first
    paths[0].write_bytes(kept)
    room.grade("tom")
    assert room.inputs("tom") == first
