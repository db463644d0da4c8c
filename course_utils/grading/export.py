"""Grades as CSV files in which no cell is a formula, for `nbgrader export`: a plain one, Canvas's and Moodle's.

    nbgrader export                                                         # grades.csv, a row for each grade
    nbgrader export --exporter=course_utils.grading.export.CanvasExport     # canvas.csv, a row for each student
    nbgrader export --exporter=course_utils.grading.export.MoodleExport     # moodle.csv, likewise

>>> as_text("=HYPERLINK(1)")
"'=HYPERLINK(1)"
>>> as_text("Ada"), as_text(None)
('Ada', '')
"""

import csv
import re
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from nbgrader.api import Gradebook, SubmittedAssignment
from nbgrader.plugins import ExportPlugin
from sqlalchemy.orm import undefer

__all__ = ["CanvasExport", "MoodleExport", "SafeCsvExport", "as_text"]

# Where a spreadsheet may see the start of a cell: at the start, or behind a separator of its own choice.
_FORMULA = re.compile(r"(^|[;,\t\r\n])(?=[=+\-@\t\r\n＝＋－＠])")


def as_text(value: str | None) -> str:
    """The value with an apostrophe wherever a spreadsheet would read it as a formula; "" for None."""
    return _FORMULA.sub(r"\1'", value or "")


class _Export(ExportPlugin):
    """What all three do: choose students and assignments, write a file whose texts are quoted and no formulas."""

    file_name = "grades.csv"

    def write(self, rows: Iterable[Sequence[Any]]) -> None:
        """Nothing: the rows are in the file, in UTF-8. All text is quoted: `csv` would leave a lone return bare."""
        target = Path(self.to or self.file_name)
        self.log.info("Exporting grades to %s", target)
        with target.open("w", encoding="utf-8", newline="") as file:
            csv.writer(file, lineterminator="\n", quoting=csv.QUOTE_NONNUMERIC).writerows(rows)

    def chosen(self, gradebook: Gradebook) -> tuple[list[Any], list[Any]]:
        """The assignments and the students of --assignment and --student; all, where nothing is said."""
        assignments, students = ({str(name) for name in names} for names in (self.assignment, self.student))
        return (
            [one for one in gradebook.assignments if one.name in assignments or not assignments],
            [one for one in gradebook.students if one.id in students or not students],
        )

    def submissions(self, gradebook: Gradebook, assignment: Any) -> dict[str, Any]:
        """By student, all submissions of the assignment with their points: one question instead of two for each."""
        kind = SubmittedAssignment
        points = (kind.score, kind.late_submission_penalty, kind.needs_manual_grade)
        asked = gradebook.db.query(kind).options(*map(undefer, points))
        return {one.student_id: one for one in asked.filter_by(assignment_id=assignment.id)}


class SafeCsvExport(_Export):
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
        assignments, students = self.chosen(gradebook)
        rows = []
        for assignment in assignments:
            handed_in = self.submissions(gradebook, assignment)
            rows += [self._row(assignment, student, handed_in.get(student.id)) for student in students]
        self.write([self.columns, *([row[name] for name in self.columns] for row in rows)])

    def _row(self, assignment: Any, student: Any, submission: Any) -> dict[str, Any]:
        person = {name: as_text(getattr(student, name)) for name in ("last_name", "first_name", "email")}
        return {
            "assignment": assignment.name,
            "duedate": assignment.duedate,
            "student_id": as_text(student.id),
            **person,
            **_scores(submission),
            "max_score": assignment.max_score,
        }


def _scores(submission: Any) -> dict[str, Any]:
    """Time and scores of a submission; no time and zeros if there is none."""
    if submission is None:
        return {"timestamp": "", "raw_score": 0.0, "late_submission_penalty": 0.0, "score": 0.0}
    penalty = submission.late_submission_penalty
    return {
        "timestamp": submission.timestamp,
        "raw_score": submission.score,
        "late_submission_penalty": penalty,
        "score": max(0.0, submission.score - penalty),
    }


class _WideExport(_Export):
    """One row for each student, one column for each assignment.

    A cell holds the points after a late penalty, never below 0. **Who has handed in nothing has an empty cell, not a
    zero**: whether that is a zero is the instructor's to say.
    """

    def points(self, handed_in: Sequence[dict[str, Any]], student: Any) -> list[float | str]:
        """The cells of one student, to two decimals: one for each assignment, of which all submissions are given."""
        cells: list[float | str] = []
        for submissions in handed_in:
            submission = submissions.get(student.id)
            if submission is None:
                cells.append("")
                continue
            cells.append(round(max(0.0, submission.score - submission.late_submission_penalty), 2))
            self.waiting += bool(submission.needs_manual_grade)
        return cells

    def export(self, gradebook: Gradebook) -> None:
        """Nothing: writes the file, and warns of points that are not yet all there."""
        self.waiting = 0
        assignments, students = self.chosen(gradebook)
        handed_in = [self.submissions(gradebook, assignment) for assignment in assignments]
        rows = [[*self.person(one), *self.points(handed_in, one)] for one in students]
        self.write([*self.heading(assignments), *rows])
        if self.waiting:
            self.log.warning(
                "%s submission(s) have answers that wait for a person; their points are those so far.",
                self.waiting,
            )

    def heading(self, assignments: Sequence[Any]) -> list[list[Any]]:
        """The rows above the students'."""
        raise NotImplementedError

    def person(self, student: Any) -> list[str]:
        """The cells that say who a row is of."""
        raise NotImplementedError


class CanvasExport(_WideExport):
    """What Canvas imports (*Grades → Import*): its own columns, and a second row with the points possible.

    Canvas finds a student by *ID* (its own number: `lms_user_id` in nbgrader's gradebook), else by *SIS Login ID*
    (nbgrader's name of the student), else by name. A column becomes the assignment of that title, or a new one.
    """

    file_name = "canvas.csv"
    columns = ("Student", "ID", "SIS User ID", "SIS Login ID", "Section")

    def heading(self, assignments: Sequence[Any]) -> list[list[Any]]:
        """Names, then points possible."""
        blank = [""] * (len(self.columns) - 1)
        return [
            [*self.columns, *(as_text(one.name) for one in assignments)],
            ["    Points Possible", *blank, *(one.max_score for one in assignments)],
        ]

    def person(self, student: Any) -> list[str]:
        """Last name first, as Canvas sorts; the student's id where there is no name."""
        name = ", ".join(part for part in (student.last_name, student.first_name) if part) or student.id
        if "Points Possible" in name:  # Canvas takes such a row for the second one
            name = student.id
        return [as_text(name), as_text(student.lms_user_id), "", as_text(student.id), ""]


class MoodleExport(_WideExport):
    """What Moodle imports (*Grades → Import → CSV file*): map *Email address* or *Username*, and each assignment.

    The maximum of a grade item is not in the file: set it in Moodle to the assignment's points before importing.
    """

    file_name = "moodle.csv"
    columns = ("First name", "Last name", "Username", "Email address")

    def heading(self, assignments: Sequence[Any]) -> list[list[Any]]:
        """One row with names."""
        return [[*self.columns, *(as_text(one.name) for one in assignments)]]

    def person(self, student: Any) -> list[str]:
        """Names and what Moodle knows them by."""
        return [as_text(v) for v in (student.first_name, student.last_name, student.id, student.email)]
