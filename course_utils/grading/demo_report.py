"""What became of a class: one outcome for each student and lesson, and the tables that show them.

>>> report = DemoReport(Path("demo-class"), (Outcome("02-x", "reference", 9.0, 9.0, 1, 5.0),))
>>> report.exit_status
0
"""

import os
import shlex
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from rich.console import Group
from rich.markup import escape
from rich.table import Table

from course_utils.grading.demo_class import LOG

__all__ = ["DemoReport", "Outcome"]


@dataclass(frozen=True)
class Outcome:
    """What one student got for one lesson, as the gradebook and the folders say."""

    lesson: str
    student: str
    points: float | None
    """Automatic points; None if the submission could not be graded."""
    max_points: float
    waiting: int
    """Written answers that wait for a teaching assistant."""
    waiting_points: float
    notes: tuple[str, ...] = ()
    feedback: str | None = None
    """The student's own copy of the feedback page, relative to the class folder."""

    @property
    def status(self) -> str:
        graded = "graded" if self.points is not None else "NOT graded"
        return f"{graded}: {'; '.join(self.notes)}" if self.notes else graded

    @property
    def as_expected(self) -> bool:
        """Whether `reference` has every automatic point and `untouched` none; others may have anything."""
        if self.student == "reference":
            return self.points == self.max_points and self.max_points > 0
        return self.student != "untouched" or self.points == 0


@dataclass(frozen=True)
class DemoReport:
    """A class's outcomes, and the folder in which to look at them."""

    folder: Path
    outcomes: tuple[Outcome, ...]
    seconds: float = field(default=0.0, compare=False)

    @property
    def exit_status(self) -> int:
        """0 if there are outcomes and every one is as expected, else 1."""
        return 0 if self.outcomes and all(outcome.as_expected for outcome in self.outcomes) else 1

    def to_dict(self) -> dict[str, Any]:
        """The report as plain data, for `--json`."""
        rows = [{**asdict(o), "status": o.status, "as_expected": o.as_expected} for o in self.outcomes]
        return {"folder": str(self.folder), "seconds": round(self.seconds, 1), "outcomes": rows}

    def table(self) -> Group:
        """One table a lesson, and where to look."""
        lessons = dict.fromkeys(outcome.lesson for outcome in self.outcomes)
        return Group(*map(self._lesson_table, lessons), *self._where_to_look())

    def _lesson_table(self, lesson: str) -> Table:
        table = Table(title=f"{lesson}, from release to feedback", title_justify="left")
        table.add_column("student", no_wrap=True)
        table.add_column("automatic", justify="right", no_wrap=True)
        for heading in ("waits for a TA", "status", "feedback"):
            table.add_column(heading, overflow="fold")
        for outcome in self.outcomes:
            if outcome.lesson == lesson:
                table.add_row(*map(escape, _cells(outcome)), style=None if outcome.as_expected else "red")
        return table

    def _where_to_look(self) -> Iterator[str]:
        folder = escape(shlex.quote(os.path.relpath(self.folder)))
        yield f"To grade and read: cd {folder} && jupyter lab, then the menu Nbgrader > Formgrader"
        yield f"Students' copies: {folder}/students/<student>/<lesson>/feedback; the log: {folder}/{LOG}"
        for outcome in self.outcomes:
            if not outcome.as_expected:
                yield f"[red]{escape(_surprise(outcome))}[/]"


def _surprise(outcome: Outcome) -> str:
    got = "was not graded" if outcome.points is None else f"has {outcome.points:g}"
    want = f"{'all' if outcome.student == 'reference' else 'none'} of {outcome.max_points:g}"
    hint = f"Try: course audit {outcome.lesson}"
    return f"{outcome.lesson}: {outcome.student} {got}, expected {want}. {hint}"


def _cells(outcome: Outcome) -> tuple[str, ...]:
    points = "–" if outcome.points is None else f"{outcome.points:g}"
    written = f"{outcome.waiting} written ({outcome.waiting_points:g} points)"
    page = f"feedback/{outcome.student}/{outcome.lesson}/" if outcome.feedback else "none"
    waiting = written if outcome.waiting else "nothing"
    return outcome.student, f"{points} / {outcome.max_points:g}", waiting, outcome.status, page
