"""Grades as a CSV file in which no cell is a formula, for `nbgrader export`.

>>> as_text("=HYPERLINK(1)")
"'=HYPERLINK(1)"
>>> as_text("Ada"), as_text(None)
('Ada', '')
"""

import csv
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from nbgrader.api import Gradebook, MissingEntry
from nbgrader.plugins import ExportPlugin

__all__ = ["SafeCsvExport", "as_text"]

# Where a spreadsheet may see the start of a cell: at the start, or behind a separator of its own choice.
_FORMULA = re.compile(r"(^|[;,\t\r\n])(?=[=+\-@\t\r\n＝＋－＠])")


def as_text(value: str | None) -> str:
    """The value with an apostrophe wherever a spreadsheet would read it as a formula; "" for None."""
    return _FORMULA.sub(r"\1'", value or "")


class SafeCsvExport(ExportPlugin):
    """nbgrader's CSV export, with the same columns, quoted as CSV wants it and in UTF-8.

    Set `c.ExportApp.plugin_class = "course_utils.grading.export.SafeCsvExport"`. Without --to it writes grades.csv.
    """

    columns = (
        "assignment",
        "duedate",
        "timestamp",
        "student_id",
        "last_name",
        "first_name",
        "email",
        "raw_score",
        "late_submission_penalty",
        "score",
        "max_score",
    )

    def export(self, gradebook: Gradebook) -> None:
        """Nothing: writes one row for every student and assignment that is asked for, submitted or not."""
        target = Path(self.to or "grades.csv")
        self.log.info("Exporting grades to %s", target)
        with target.open("w", encoding="utf-8", newline="") as file:
            # All text is quoted: left to itself, `csv` would leave a lone carriage return bare.
            writer = csv.DictWriter(file, self.columns, lineterminator="\n", quoting=csv.QUOTE_NONNUMERIC)
            writer.writeheader()
            writer.writerows(self._rows(gradebook))

    def _rows(self, gradebook: Gradebook) -> Iterator[dict[str, Any]]:
        assignments, students = ({str(name) for name in names} for names in (self.assignment, self.student))
        for assignment in gradebook.assignments:
            for student in gradebook.students:
                wanted = assignment.name in assignments or not assignments
                if wanted and (student.id in students or not students):
                    yield self._row(gradebook, assignment, student)

    def _row(self, gradebook: Gradebook, assignment: Any, student: Any) -> dict[str, Any]:
        person = {name: as_text(getattr(student, name)) for name in ("last_name", "first_name", "email")}
        return {
            "assignment": assignment.name,
            "duedate": assignment.duedate,
            "student_id": as_text(student.id),
            **person,
            **_scores(gradebook, assignment.name, student.id),
            "max_score": assignment.max_score,
        }


def _scores(gradebook: Gradebook, assignment: str, student: str) -> dict[str, Any]:
    """Time and scores of a submission; no time and zeros if there is none."""
    try:
        submission = gradebook.find_submission(assignment, student)
    except MissingEntry:
        return {"timestamp": "", "raw_score": 0.0, "late_submission_penalty": 0.0, "score": 0.0}
    penalty = submission.late_submission_penalty
    return {
        "timestamp": submission.timestamp,
        "raw_score": submission.score,
        "late_submission_penalty": penalty,
        "score": max(0.0, submission.score - penalty),
    }
