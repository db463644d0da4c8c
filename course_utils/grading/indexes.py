"""Indexes for nbgrader's gradebook, whose tables have none beside their keys.

With a thousand students and a dozen assignments, formgrader's list of an assignment's submissions takes 100 seconds
without them on SQLite, and 3 with them (`tests/grading/large_class.py`).

>>> install()
>>> sorted(index.name for index in Grade.__table__.indexes)
['ix_grade_notebook_id']
"""

import contextlib
from typing import Any

from nbgrader.api import Base, BaseCell, Comment, Grade, Notebook, SubmittedAssignment, SubmittedNotebook
from sqlalchemy import Column, Connection, Index, MetaData, event
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
    """Nothing: a gradebook that nbgrader opens in this process has the indexes, whether new or made long ago."""
    if event.contains(Base.metadata, "after_create", _add):
        return
    for column in COLUMNS:
        table = column.property.columns[0].table
        Index(f"ix_{table.name}_{column.key}", column)
    event.listen(Base.metadata, "after_create", _add)


def _add(target: MetaData, connection: Connection, **options: Any) -> None:
    """Nothing: as `install`. `Base.metadata.create_all`, which nbgrader calls each time, skips tables that exist."""
    for table in target.sorted_tables:
        for index in table.indexes:
            if not connection.dialect.has_index(connection, table.name, str(index.name)):
                # Somebody else may be writing now: then the next one who opens it makes the index.
                with contextlib.suppress(OperationalError), connection.begin_nested():
                    connection.execute(CreateIndex(index, if_not_exists=True))
