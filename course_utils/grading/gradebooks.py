"""nbgrader's gradebook, opened often and grown large: indexes, one engine for each database, a page that looks once.

Its tables have no indexes beside their keys. With a thousand students and a dozen assignments, formgrader's list of an
assignment's submissions takes 100 seconds without them on SQLite, and 3 with them (`tests/grading/large_class.py`).

nbgrader makes an engine each time it opens the gradebook, some ten times for a submission. SQLAlchemy keeps what it has
compiled for each, so that a process which grades hundreds grows, and compiles it all again.

For formgrader's page about one student nbgrader looks at everybody, once for each assignment: 15 seconds there, here
less than one.

>>> install()
>>> sorted(index.name for index in Grade.__table__.indexes)
['ix_grade_notebook_id']
"""

import contextlib
import functools
import glob
from pathlib import Path
from typing import Any

import nbgrader.api
from nbgrader.api import (
    Base,
    BaseCell,
    Comment,
    Grade,
    MissingEntry,
    Notebook,
    SubmittedAssignment,
    SubmittedNotebook,
)  # fmt: skip
from nbgrader.apps.api import NbGraderAPI
from sqlalchemy import Column, Connection, Engine, Index, MetaData, create_engine, event
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
        place = self.coursedir.format_path(self.coursedir.submitted_directory, self.student, assignment_id)
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


_theirs = NbGraderAPI.get_student_submissions


def _submissions(api: NbGraderAPI, student_id: str) -> list[dict[str, Any]]:
    one = _OneStudent(coursedir=api.coursedir, authenticator=api.authenticator, parent=api)
    one.student = student_id
    found: list[dict[str, Any]] = _theirs(one, student_id)
    return found


def _add(target: MetaData, connection: Connection, **options: Any) -> None:
    """Nothing: adds indexes. `Base.metadata.create_all`, which nbgrader calls each time, skips tables that exist."""
    for table in target.sorted_tables:
        for index in table.indexes:
            if not connection.dialect.has_index(connection, table.name, str(index.name)):
                # Somebody else may be writing now: then the next one who opens it makes the index.
                with contextlib.suppress(OperationalError), connection.begin_nested():
                    connection.execute(CreateIndex(index, if_not_exists=True))
