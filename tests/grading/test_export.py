"""The exported grades: the columns of nbgrader's own export, and no cell that a spreadsheet would compute."""

import csv
import io
import os
import sysconfig
from collections.abc import Iterator
from pathlib import Path

import pytest
from nbgrader.api import Gradebook
from nbgrader.apps import ExportApp
from nbgrader.plugins import CsvExportPlugin
from traitlets.config import Config

from course_utils.grading.export import SafeCsvExport, as_text

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


@pytest.fixture
def gradebook(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Gradebook]:
    """Two assignments, and one submission, by ada, of the first."""
    # To make a gradebook, nbgrader calls `alembic` by its bare name.
    monkeypatch.setenv("PATH", os.pathsep.join([sysconfig.get_path("scripts"), os.environ["PATH"]]))
    with Gradebook(f"sqlite:///{tmp_path / 'gradebook.db'}", "small") as book:
        for name in ("ps1", "ps2"):
            book.add_assignment(name)
            book.add_notebook("p1", name)
            book.add_grade_cell("test", "p1", name, max_score=4, cell_type="code")
        book.add_student("ada", first_name="Ada", last_name="Lovelace", email="ada@example.org")
        book.add_student("bob", first_name=None, last_name=None, email=None)
        book.add_submission("ps1", "ada", timestamp="2030-01-02 03:04:05 UTC")
        book.find_grade("test", "p1", "ps1", "ada").manual_score = -1.5
        book.find_submission("ps1", "ada").late_submission_penalty = 0.5
        book.db.commit()
        yield book


def exported(gradebook: Gradebook, folder: Path, plugin: type = SafeCsvExport, **traits: object) -> str:
    path = folder / f"{plugin.__name__}.csv"
    plugin(to=str(path), **traits).export(gradebook)
    return path.read_text(encoding="utf-8")


@pytest.mark.parametrize(("name", "text"), NAMES.items())
def test_no_name_is_a_formula(name: str, text: str) -> None:
    assert as_text(name) == text
    assert text == "" or text[0] not in "=+-@\t\r＝"


def test_for_a_harmless_class_it_is_nbgraders_own_file(gradebook: Gradebook, tmp_path: Path) -> None:
    assert exported(gradebook, tmp_path) == exported(gradebook, tmp_path, CsvExportPlugin)


def test_every_field_of_a_person_is_guarded_and_quoted(gradebook: Gradebook, tmp_path: Path) -> None:
    for number, name in enumerate(NAMES):
        gradebook.add_student(f"={number}", first_name=name, last_name=name, email=name)
    rows = list(csv.DictReader(io.StringIO(exported(gradebook, tmp_path, assignment=["ps2"]), newline="")))
    assert len(rows) == 2 + len(NAMES)
    found = {row["student_id"]: row for row in rows}
    for number, text in enumerate(NAMES.values()):
        row = found[f"'={number}"]
        assert (row["first_name"], row["last_name"], row["email"]) == (text, text, text)
        assert None not in row, "a name has made a column of its own"


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
    gradebook.add_student("eve", first_name="=1")
    app = ExportApp(config=config)
    app.initialize(["--to", str(tmp_path / "out.csv")])
    app.start()
    assert ",'=1," in (tmp_path / "out.csv").read_text(encoding="utf-8")
