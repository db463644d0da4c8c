"""The exported grades: the columns of nbgrader's own export, and no cell that a spreadsheet would compute."""

import csv
import io
import logging
import os
import sysconfig
from collections.abc import Iterator
from pathlib import Path

import pytest
from nbgrader.api import Gradebook
from nbgrader.apps import ExportApp
from nbgrader.plugins import CsvExportPlugin
from sqlalchemy import event
from traitlets.config import Config

from course_utils.grading.export import CanvasExport, MoodleExport, SafeCsvExport, as_text

NAMES = {
    "=cmd|' /C calc'!A0": "'=cmd|' /C calc'!A0",
    "+1": "'+1",
    "-2+3": "'-2+3",
    "@SUM(A1)": "'@SUM(A1)",
    "\t=1": "'\t'=1",
    "\r=1": "'\r'=1",
    "＝1": "'＝1",
    "x;=HYPERLINK(1)": "x;'=HYPERLINK(1)",
    "a,=1": "a,'=1",
    "line\n=1": "line\n'=1",
    "O'Neill-Smith": "O'Neill-Smith",
    'says "hi", twice': 'says "hi", twice',
    "Lovelace = Byron": "Lovelace = Byron",
    "Zoë 李": "Zoë 李",
    "": "",
}


@pytest.fixture(scope="module")
def gradebook(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Gradebook]:
    """Two assignments, one submission (ada's of the first), and a student for each of `NAMES`."""
    path = tmp_path_factory.mktemp("export") / "gradebook.db"
    with (
        pytest.MonkeyPatch.context() as patch
    ):  # to make a gradebook, nbgrader calls `alembic` by its bare name
        patch.setenv("PATH", os.pathsep.join([sysconfig.get_path("scripts"), os.environ["PATH"]]))
        book = Gradebook(f"sqlite:///{path}", "small")
    with book:
        for name in ("ps1", "ps2"):
            book.add_assignment(name)
            book.add_notebook("p1", name)
            book.add_grade_cell("test", "p1", name, max_score=4, cell_type="code")
        book.add_student("ada", first_name="Ada", last_name="Lovelace", email="ada@example.org")
        book.add_student("bob", first_name=None, last_name=None, email=None)
        for number, name in enumerate(NAMES):
            book.add_student(f"={number}", first_name=name, last_name=name, email=name)
        book.add_submission("ps1", "ada", timestamp="2030-01-02 03:04:05 UTC")
        book.find_grade("test", "p1", "ps1", "ada").manual_score = -1.5
        book.find_submission_notebook("p1", "ps1", "ada").late_submission_penalty = 0.5
        book.db.commit()
        yield book


def exported(gradebook: Gradebook, folder: Path, plugin: type = SafeCsvExport, **traits: object) -> str:
    path = folder / f"{plugin.__name__}.csv"
    plugin(to=str(path), **traits).export(gradebook)
    return path.read_bytes().decode()  # with every line end as it was written


@pytest.mark.parametrize(("name", "text"), NAMES.items())
def test_no_name_is_a_formula(name: str, text: str) -> None:
    assert as_text(name) == text
    assert text == "" or text[0] not in "=+-@\t\r＝"


def test_for_a_harmless_class_it_reads_like_nbgraders_own_file(gradebook: Gradebook, tmp_path: Path) -> None:
    ours, theirs = (
        exported(gradebook, tmp_path, plugin, student=["ada", "bob"])
        for plugin in (SafeCsvExport, CsvExportPlugin)
    )
    assert len(rows := list(csv.reader(io.StringIO(theirs)))) == 5
    assert list(csv.reader(io.StringIO(ours))) == rows


def test_every_field_of_a_person_is_guarded_and_quoted(gradebook: Gradebook, tmp_path: Path) -> None:
    rows = list(csv.DictReader(io.StringIO(exported(gradebook, tmp_path, assignment=["ps2"]), newline="")))
    assert len(rows) == 2 + len(NAMES)
    found = {row["student_id"]: row for row in rows}
    for number, text in enumerate(NAMES.values()):
        row = found[f"'={number}"]
        assert (row["first_name"], row["last_name"], row["email"]) == (text, text, text)
        assert None not in row, "a name has made a column of its own"


@pytest.mark.parametrize("plugin", [SafeCsvExport, CanvasExport, MoodleExport])
def test_more_students_are_no_more_questions(
    plugin: type, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A question takes milliseconds, and a course has ten thousand grades."""
    monkeypatch.setenv("PATH", sysconfig.get_path("scripts"), prepend=os.pathsep)
    asked: list[str] = []
    counts = []
    with Gradebook(f"sqlite:///{tmp_path / 'gradebook.db'}", "small") as book:
        event.listen(book.engine, "before_cursor_execute", lambda *call: asked.append(call[2]))
        book.add_assignment("ps1")
        for number in range(6):
            book.add_student(f"s{number}")
            book.add_submission("ps1", f"s{number}")
            book.db.commit()
            book.db.expunge_all()
            asked.clear()
            exported(book, tmp_path, plugin)
            counts.append(len(asked))
    assert counts == [counts[0]] * 6


def test_scores_are_numbers_as_they_are(gradebook: Gradebook, tmp_path: Path) -> None:
    rows = list(csv.DictReader(io.StringIO(exported(gradebook, tmp_path, student=["ada"]))))
    assert [(row["assignment"], row["raw_score"], row["score"], row["max_score"]) for row in rows] == [
        ("ps1", "-1.5", "0.0", "4.0"),
        ("ps2", "0.0", "0.0", "4.0"),
    ]
    assert rows[0]["timestamp"].startswith("2030-01-02") and rows[1]["timestamp"] == ""


def test_nbgrader_takes_it_from_its_settings(gradebook: Gradebook, tmp_path: Path) -> None:
    config = Config()
    config.ExportApp.plugin_class = "course_utils.grading.export.SafeCsvExport"
    config.CourseDirectory.root, config.CourseDirectory.db_url = (
        str(tmp_path),
        gradebook.engine.url.render_as_string(),
    )
    app = ExportApp(config=config)
    app.initialize(["--to", str(tmp_path / "out.csv")])
    app.start()
    assert ',"\'=1",' in (tmp_path / "out.csv").read_text(encoding="utf-8")


def table(gradebook: Gradebook, folder: Path, plugin: type, **traits: object) -> list[list[str]]:
    return list(csv.reader(io.StringIO(exported(gradebook, folder, plugin, **traits), newline="")))


def test_canvas_finds_its_columns_its_second_row_and_each_student(
    gradebook: Gradebook, tmp_path: Path
) -> None:
    heading, possible, bob, ada = table(gradebook, tmp_path, CanvasExport, student=["ada", "bob"])
    assert heading == ["Student", "ID", "SIS User ID", "SIS Login ID", "Section", "ps1", "ps2"]
    assert possible == ["    Points Possible", "", "", "", "", "4.0", "4.0"]
    assert ada == ["Lovelace, Ada", "", "", "ada", "", "0.0", ""]
    assert bob == ["bob", "", "", "bob", "", "", ""], "no submission: an empty cell, not 0"


def test_a_student_cannot_become_canvass_row_of_points(gradebook: Gradebook, tmp_path: Path) -> None:
    student = gradebook.update_or_create_student("eve", last_name="Points Possible", lms_user_id="4711")
    try:
        *_, row = table(gradebook, tmp_path, CanvasExport, student=["eve"])
        assert row[:5] == ["eve", "4711", "", "eve", ""]
    finally:
        gradebook.remove_student(student.id)


def test_moodle_gets_a_row_for_each_student(gradebook: Gradebook, tmp_path: Path) -> None:
    rows = table(gradebook, tmp_path, MoodleExport, student=["ada", "bob"], assignment=["ps1"])
    assert rows == [
        ["First name", "Last name", "Username", "Email address", "ps1"],
        ["", "", "bob", "", ""],
        ["Ada", "Lovelace", "ada", "ada@example.org", "0.0"],
    ]


@pytest.mark.parametrize("plugin", [CanvasExport, MoodleExport])
def test_points_are_those_after_the_late_penalty_and_never_negative(
    gradebook: Gradebook, tmp_path: Path, plugin: type
) -> None:
    grade = gradebook.find_grade("test", "p1", "ps1", "ada")
    notebook = gradebook.find_submission_notebook("p1", "ps1", "ada")
    before = grade.manual_score
    try:
        for score, penalty, shown in ((4, 0.5, "3.5"), (4, 0.0, "4.0"), (3.33333, 1, "2.33"), (1, 2, "0.0")):
            grade.manual_score, grade.auto_score = score, None
            notebook.late_submission_penalty = penalty
            gradebook.db.commit()
            assert table(gradebook, tmp_path, plugin, student=["ada"])[-1][-2:] == [shown, ""]
    finally:
        grade.manual_score = before
        notebook.late_submission_penalty = 0.5
        gradebook.db.commit()


@pytest.mark.parametrize("plugin", [CanvasExport, MoodleExport])
def test_in_the_wide_layouts_too_no_cell_is_a_formula(
    gradebook: Gradebook, tmp_path: Path, plugin: type
) -> None:
    rows = table(gradebook, tmp_path, plugin)
    assert len({len(row) for row in rows}) == 1, "a name has made a column of its own"
    assert len(rows) >= 2 + len(NAMES)
    assert not [cell for row in rows for cell in row if cell[:1] in tuple("=+-@\t\r＝")]


def test_answers_that_wait_for_a_person_are_told(
    gradebook: Gradebook, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    grade = gradebook.find_grade("test", "p1", "ps1", "ada")
    plugin = CanvasExport(to=str(tmp_path / "x.csv"), log=logging.getLogger("export"))
    was, grade.needs_manual_grade = grade.needs_manual_grade, False
    gradebook.db.commit()
    plugin.export(gradebook)
    assert "wait for a person" not in caplog.text
    try:
        grade.needs_manual_grade = True
        gradebook.db.commit()
        plugin.export(gradebook)
        assert "1 submission(s) have answers that wait for a person" in caplog.text
    finally:
        grade.needs_manual_grade = was
        gradebook.db.commit()


def test_nbgrader_takes_the_exporter_from_its_command_line(gradebook: Gradebook, tmp_path: Path) -> None:
    config = Config()
    config.CourseDirectory.root = str(tmp_path)
    config.CourseDirectory.db_url = gradebook.engine.url.render_as_string()
    app = ExportApp(config=config)
    where = tmp_path / "out.csv"
    app.initialize(["--exporter=course_utils.grading.export.MoodleExport", "--to", str(where)])
    app.start()
    assert where.read_text(encoding="utf-8").startswith('"First name"')
