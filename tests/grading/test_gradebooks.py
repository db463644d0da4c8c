"""A gradebook has the indexes that its pages need, whoever made it and when; it is opened cheaply, and afresh."""

import os
import shutil
import sqlite3
import sysconfig
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from large_class import make
from nbgrader.api import Gradebook
from postgres import postgres
from sqlalchemy import inspect, text

from course_utils.grading import gradebooks
from course_utils.grading.demo_class import api_for

NAMES = {"grade": "notebook_id", "comment": "notebook_id", "submitted_assignment": "student_id"}


@pytest.fixture(autouse=True)
def scripts_are_found(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", sysconfig.get_path("scripts"), prepend=os.pathsep)
    gradebooks.install()


@pytest.fixture(scope="module")
def server() -> Iterator[Callable[..., str]]:
    with postgres() as make:
        yield make


@pytest.fixture(params=["sqlite", pytest.param("postgresql", marks=pytest.mark.xdist_group("postgres"))])
def url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path / 'gradebook.db'}"
    return str(request.getfixturevalue("server")(tmp_path.name.lower()))


def found(url: str) -> set[str]:
    with Gradebook(url, "agai302") as gradebook:
        look = inspect(gradebook.engine)
        return {index["name"] for table in look.get_table_names() for index in look.get_indexes(table)}


def test_a_gradebook_that_lost_them_gets_them_when_it_is_opened(url: str) -> None:
    wanted = {f"ix_{table}_{column}" for table, column in NAMES.items()}
    assert wanted <= found(url)
    with Gradebook(url, "agai302") as gradebook:
        for name in wanted:
            gradebook.db.execute(text(f"DROP INDEX {name}"))
        gradebook.db.commit()
    assert wanted <= found(url)


def test_while_somebody_writes_it_opens_without(tmp_path: Path) -> None:
    file = tmp_path / "gradebook.db"
    found(f"sqlite:///{file}")
    with sqlite3.connect(file) as writer:
        writer.execute("DROP INDEX ix_grade_notebook_id")
        writer.commit()
        writer.execute("BEGIN IMMEDIATE")
        writer.execute("UPDATE course SET id = id")
        with Gradebook(f"sqlite:///{file}", "agai302") as gradebook:
            assert gradebook.students == []
    assert "ix_grade_notebook_id" in found(f"sqlite:///{file}")


def test_what_was_compiled_once_is_not_compiled_again(url: str) -> None:
    found(url)
    with Gradebook(url, "agai302") as first, Gradebook(url, "agai302") as second:
        assert first.engine is second.engine
        first.add_student("one")
        first.close()
        assert [student.id for student in second.students] == ["one"]  # closing one leaves the other open


def test_a_file_that_was_replaced_is_read_anew(tmp_path: Path) -> None:
    file, other = tmp_path / "gradebook.db", tmp_path / "other.db"
    with Gradebook(f"sqlite:///{other}", "agai302") as gradebook:
        gradebook.add_student("other")
    left_open = Gradebook(f"sqlite:///{file}", "agai302")
    left_open.add_student("one")
    left_open.db.remove()
    other.replace(file)
    with Gradebook(f"sqlite:///{file}", "agai302") as gradebook:
        assert [student.id for student in gradebook.students] == ["other"]


def test_the_page_about_one_student_says_what_nbgrader_says(tmp_path: Path) -> None:
    """Graded, handed in again, graded and lost, handed in by a stranger, nothing."""
    klass = make(tmp_path / "class", Path(__file__).parents[2], students=6, assignments=2, seed=1)
    again, lost, *_ = klass.students
    first, second = (klass.folder / "submitted" / name for name in (again, "stranger"))
    (first / klass.assignments[0] / "timestamp.txt").write_text("2026-11-01 10:00:00 UTC")
    (second / klass.assignments[1]).mkdir(parents=True)
    (klass.folder / "submitted" / "a[1]" / klass.assignments[1]).mkdir(parents=True)
    shutil.rmtree(klass.folder / "autograded" / lost / klass.assignments[0])
    api, states = api_for(klass.folder), set()
    for student in (*klass.students, "stranger", "a[1]", "nobody"):
        found = api.get_student_submissions(student)
        assert found == gradebooks._theirs(api, student)
        states |= {(one["submitted"], one["autograded"]) for one in found}
    assert states == {(True, True), (True, False), (False, False)}


def test_the_page_on_what_to_grade_says_what_nbgrader_says(url: str, tmp_path: Path) -> None:
    """Code, written answers and tasks; points of a person, extra credit, none at all; somebody without a grade."""
    place = "" if url.startswith("sqlite") else url
    klass = make(tmp_path / "class", Path(__file__).parents[2], 8, 2, seed=1, gradebook=place)
    with api_for(klass.folder).gradebook as book:
        one, two, three = book.assignment_submissions(klass.assignments[0])[:3]
        for grade in one.notebooks[0].grades:
            grade.auto_score, grade.needs_manual_grade = grade.max_score, False
        for grade in two.notebooks[0].grades:
            grade.extra_credit, grade.manual_score = 0.5, grade.max_score / 2
        for grade in three.notebooks[0].grades:
            book.db.delete(grade)
        two.notebooks[0].flagged = True
        book.db.commit()
        states = set()
        for lesson in klass.assignments:
            found, wanted = (
                sorted(ask(book, lesson, lesson), key=lambda one: str(one["id"]))
                for ask in (Gradebook.notebook_submission_dicts, gradebooks._their_dicts)
            )
            assert found == wanted and len(found) > 3
            states |= {(one["needs_manual_grade"], one["failed_tests"]) for one in found}
        assert states >= {(True, True), (False, True), (False, False)}
        assert book.notebook_submission_dicts("none", klass.assignments[0]) == []
