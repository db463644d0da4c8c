"""nbgrader's gradebook, opened often and grown large: indexes, one engine for each database, pages that ask once.

Its tables have no indexes beside their keys. With a thousand students and a dozen assignments, formgrader's list of an
assignment's submissions takes 100 seconds without them on SQLite, and 3 with them (`tests/grading/large_class.py`).

nbgrader makes an engine each time it opens the gradebook, some ten times for a submission. SQLAlchemy keeps what it has
compiled for each, so that a process which grades hundreds grows, and compiles it all again.

For formgrader's page about one student nbgrader looks at everybody, once for each assignment: 15 seconds there, here
less than one. For the page on what is graded by hand it adds up the grades of all assignments, which takes PostgreSQL
half a minute: here those of the one.

>>> install()
>>> sorted(index.name for index in Grade.__table__.indexes)
['ix_grade_notebook_id']
"""

import contextlib
import functools
import glob
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import nbgrader.api
from nbgrader.api import (
    Base,
    BaseCell,
    Comment,
    Grade,
    Gradebook,
    GradeCell,
    MissingEntry,
    Notebook,
    Student,
    SubmittedAssignment,
    SubmittedNotebook,
    TaskCell,
)  # fmt: skip
from nbgrader.apps.api import NbGraderAPI
from sqlalchemy import Column, Connection, Engine, Index, MetaData, case, create_engine, event, func
from sqlalchemy.exc import OperationalError
from sqlalchemy.schema import CreateIndex

__all__ = ["install"]

# Columns that tables are joined by, and that no key or constraint begins with.
COLUMNS: tuple[Column[Any], ...] = (
    Grade.notebook_id,
    Comment.notebook_id,
    SubmittedNotebook.assignment_id,
    SubmittedAssignment.student_id,
    BaseCell.notebook_id,
    Notebook.assignment_id,
)


def install() -> None:
    """Nothing: a gradebook that nbgrader opens in this process has the indexes, whether new or made long ago, and
    shares the engine of its database.
    """
    nbgrader.api.create_engine = _engine
    NbGraderAPI.get_student_submissions = _submissions
    Gradebook.notebook_submission_dicts = _of_notebook
    if event.contains(Base.metadata, "after_create", _add):
        return
    for column in COLUMNS:
        table = column.property.columns[0].table
        Index(f"ix_{table.name}_{column.key}", column)
    event.listen(Base.metadata, "after_create", _add)


def _engine(url: str, **options: Any) -> Engine:
    engine = _made(url, **options)
    engine.dispose()  # as if it were new: the file may have been replaced while a connection lay idle
    return engine


@functools.cache
def _made(url: str, **options: Any) -> Engine:
    return create_engine(url, **options)


class _OneStudent(NbGraderAPI):
    """Asked about a class, it says what it knows of one student."""

    student: str

    def get_students(self) -> list[dict[str, Any]]:
        found = self.get_student(self.student, submitted=self.get_submitted_students("*"))
        return [found] if found else []

    def get_submitted_students(self, assignment_id: str) -> set[str]:
        student = glob.escape(self.student)
        place = self.coursedir.format_path(self.coursedir.submitted_directory, student, assignment_id)
        return {self.student} if glob.glob(f"{place}/") else set()

    def get_autograded_students(self, assignment_id: str) -> set[str]:
        with self.gradebook as gradebook:
            try:
                graded = gradebook.find_submission(assignment_id, self.student).timestamp
            except MissingEntry:
                return set()
        place = self.coursedir.format_path(self.coursedir.autograded_directory, self.student, assignment_id)
        same = Path(place).is_dir() and self.get_submitted_timestamp(assignment_id, self.student) == graded
        return {self.student} if same else set()


_theirs, _their_dicts = NbGraderAPI.get_student_submissions, Gradebook.notebook_submission_dicts


def _submissions(api: NbGraderAPI, student_id: str) -> list[dict[str, Any]]:
    one = _OneStudent(coursedir=api.coursedir, authenticator=api.authenticator, parent=api)
    one.student = student_id
    found: list[dict[str, Any]] = _theirs(one, student_id)
    return found


def _of_notebook(gradebook: Gradebook, notebook_id: str, assignment_id: str) -> list[dict[str, Any]]:
    """What nbgrader's method of that name gives: names and points of everybody who handed in the notebook."""
    try:
        notebook = gradebook.find_notebook(notebook_id, assignment_id)
    except MissingEntry:
        return []
    own = SubmittedNotebook.notebook_id == notebook.id
    points: dict[str, dict[str, Any]] = {}
    for sums in (_sums(gradebook, GradeCell, own), _sums(gradebook, TaskCell, own)):
        for id_, kind, score, most, waiting, failed in sums:
            known = points.setdefault(id_, {**_NOTHING})
            known[f"{kind}_score"], known[f"max_{kind}_score"] = score, most
            known["score"] += score
            known["max_score"] += most
            known["needs_manual_grade"] |= waiting > 0
            known["failed_tests"] |= failed > 0
    asked = gradebook.db.query(SubmittedNotebook, Student)
    people = asked.join(SubmittedNotebook.assignment).join(SubmittedAssignment.student).filter(own)
    return [
        {
            "id": one.id, "name": notebook.name, "student": student.id, "first_name": student.first_name,
            "last_name": student.last_name, "flagged": one.flagged, **points[one.id],
        }
        for one, student in people if one.id in points
    ]  # fmt: skip


_KINDS = {
    ("grade_cells", "code"): "code",
    ("grade_cells", "markdown"): "written",
    ("task_cells", "markdown"): "task",
}
_NOTHING = {f"{most}{kind}score": 0.0 for most in ("", "max_") for kind in ("", "code_", "written_", "task_")}
_NOTHING |= {"needs_manual_grade": False, "failed_tests": False}


def _sums(gradebook: Gradebook, cells: Any, own: Any) -> Iterator[tuple[str, str, float, float, int, int]]:
    """For each of the submitted notebooks and kind of cell: points, most points, how many wait, how many fail."""
    table = cells.__table__
    fails = (Grade.auto_score < table.c.max_score) & (table.c.cell_type == "code")
    numbers = (Grade.score, table.c.max_score, _one_if(Grade.needs_manual_grade), _one_if(fails))
    asked = gradebook.db.query(Grade.notebook_id, table.c.cell_type, *map(func.sum, numbers))
    found = asked.join(table, table.c.id == Grade.cell_id).join(Grade.notebook).filter(own)
    for id_, type_, *sums in found.group_by(Grade.notebook_id, table.c.cell_type):
        if kind := _KINDS.get((table.name, type_)):
            yield id_, kind, *sums


def _one_if(condition: Any) -> Any:
    return case((condition, 1), else_=0)


def _add(target: MetaData, connection: Connection, **options: Any) -> None:
    """Nothing: adds indexes. `Base.metadata.create_all`, which nbgrader calls each time, skips tables that exist."""
    for table in target.sorted_tables:
        for index in table.indexes:
            if not connection.dialect.has_index(connection, table.name, str(index.name)):
                # Somebody else may be writing now: then the next one who opens it makes the index.
                with contextlib.suppress(OperationalError), connection.begin_nested():
                    connection.execute(CreateIndex(index, if_not_exists=True))
