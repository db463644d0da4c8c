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
        book.find_submission("ps1", "ada").late_submission_penalty = 0.5
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
