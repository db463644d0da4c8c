"""What a gradebook and the examiner's records say of an assignment, for `course report`.

>>> with NbGraderAPI(config=load_settings(root)).gradebook as gradebook:             # doctest: +SKIP
...     facts = read_assignment(gradebook, root, "02-attention-and-induction")
>>> facts.exercises[0].mean, facts.exercises[0].discrimination                       # doctest: +SKIP
(0.71, 0.44)
"""

import contextlib
import json
from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any

import numpy as np
from nbgrader.api import (
    Assignment,
    BaseCell,
    Grade,
    Gradebook,
    Student,
    SubmittedAssignment,
    SubmittedNotebook,
)

from course_utils.grading.autograde import OWN
from course_utils.grading.feedback_summary import exercise_of
from course_utils.grading.record import LIMITS

__all__ = ["AssignmentFacts", "ExerciseFacts", "Handed", "discrimination", "read_assignment"]


@dataclass(frozen=True)
class Handed:
    """One student's submission."""

    student: str
    when: datetime | None
    late_s: float
    scores: dict[str, float]
    """By cell."""
    waits: tuple[str, ...]
    """Cells that wait for a person."""
    ended: str = ""
    """The limit that ended it, if one did."""
    seconds: float | None = None
    """How long examining it took."""
    messages: dict[str, str] = field(default_factory=dict)
    """What each test cell that did not pass said."""

    @property
    def total(self) -> float:
        """All points so far."""
        return sum(self.scores.values())


@dataclass(frozen=True)
class ExerciseFacts:
    """How the class did in one exercise. Shares are of its points."""

    name: str
    points: float
    mean: float | None
    all_points: float | None
    """The share of the submissions with all points."""
    none: float | None
    discrimination: float | None
    waits: int
    messages: tuple[tuple[str, int], ...]
    """What its tests said, and to how many; the most frequent first."""


@dataclass(frozen=True)
class AssignmentFacts:
    """One assignment of a class."""

    name: str
    points: float
    due: datetime | None
    students: tuple[str, ...]
    handed: tuple[Handed, ...]
    exercises: tuple[ExerciseFacts, ...]

    @property
    def missing(self) -> tuple[str, ...]:
        """Students who have not submitted."""
        here = {one.student for one in self.handed}
        return tuple(student for student in self.students if student not in here)

    @property
    def late(self) -> tuple[Handed, ...]:
        """Submissions after the due date, the latest first."""
        return tuple(sorted((one for one in self.handed if one.late_s > 0), key=lambda one: -one.late_s))

    @property
    def waiting(self) -> tuple[Handed, ...]:
        """Submissions with an answer that a person has to read."""
        return tuple(one for one in self.handed if one.waits)

    @property
    def ended(self) -> tuple[Handed, ...]:
        """Submissions that a limit ended."""
        return tuple(one for one in self.handed if one.ended)


def discrimination(scores: Sequence[float], totals: Sequence[float]) -> float | None:
    """The correlation of an exercise's scores with the points in all *other* exercises, in [-1, 1].

    None for fewer than three students, or if either does not vary. Below about 0.2, who does well elsewhere does not
    do well here: the exercise may be unclear, or measure something else (corrected item-total correlation; Crocker &
    Algina 1986).
    """
    here, rest = np.asarray(scores, float), np.asarray(totals, float) - np.asarray(scores, float)
    if len(here) < 3 or here.std() < 1e-9 or rest.std() < 1e-9:
        return None
    return float(np.corrcoef(here, rest)[0, 1])


def read_assignment(gradebook: Gradebook, root: Path, name: str) -> AssignmentFacts:
    """The facts of one assignment; `root` is the course folder with the examiner's records."""
    assignment = gradebook.find_assignment(name)
    cells = {
        cell.id: (cell.name, float(cell.max_score or 0))
        for notebook in assignment.notebooks
        for cell in (*notebook.grade_cells, *notebook.task_cells)
    }
    query = gradebook.db.query(Student.id).order_by(Student.id)
    handed = _handed(gradebook, root, name, {key: cell for key, (cell, _) in cells.items()})
    exercises = defaultdict(list)
    for cell, points in cells.values():
        exercises[exercise_of(cell)].append((cell, points))
    kept = [_facts(one, parts, handed) for one, parts in exercises.items() if sum(p for _, p in parts)]
    points = sum(points for _, points in cells.values())
    return AssignmentFacts(
        name, points, assignment.duedate, tuple(row[0] for row in query), tuple(handed), tuple(kept)
    )


def _handed(gradebook: Gradebook, root: Path, name: str, cells: dict[str, str]) -> list[Handed]:
    session = gradebook.db
    submissions = (
        session.query(SubmittedAssignment.id, Student.id, SubmittedAssignment.timestamp, Assignment.duedate)
        .join(Student, Student.id == SubmittedAssignment.student_id)
        .join(Assignment, Assignment.id == SubmittedAssignment.assignment_id)
        .filter(Assignment.name == name)
        .order_by(Student.id)
    )
    grades = (
        session.query(SubmittedNotebook.assignment_id, Grade.cell_id, Grade.score, Grade.needs_manual_grade)
        .select_from(Grade)
        .join(SubmittedNotebook, SubmittedNotebook.id == Grade.notebook_id)
        .join(BaseCell, BaseCell.id == Grade.cell_id)
        .filter(Grade.cell_id.in_(list(cells)))
    )
    scores: dict[str, dict[str, float]] = defaultdict(dict)
    waits: dict[str, list[str]] = defaultdict(list)
    for submission, cell, score, waiting in grades:
        scores[submission][cells[cell]] = float(score or 0)
        if waiting:
            waits[submission].append(cells[cell])
    made = []
    for key, student, when, due in submissions:
        late = (when - due).total_seconds() if when and due else 0.0
        record = _record(root / OWN / "records" / name / student)
        made.append(Handed(student, when, max(0.0, late), scores[key], tuple(waits[key]), **record))
    return made


def _record(folder: Path) -> dict[str, Any]:
    """What the examiner wrote of a submission."""
    found: dict[str, Any] = {"messages": {}}
    for path in sorted(folder.glob("*.json")):
        with contextlib.suppress(OSError, ValueError, KeyError, TypeError):
            record = json.loads(path.read_text(encoding="utf-8"))
            found["seconds"] = found.get("seconds", 0.0) + float(record["used"].get("seconds", 0.0))
            for cell in record["cells"]:
                if cell["kind"] == "test" and cell["verdict"] not in ("", "pass"):
                    found["messages"][cell["id"]] = cell["message"]
                if cell["verdict"] in LIMITS:
                    found.setdefault("ended", cell["verdict"])
    return found


def _facts(name: str, cells: list[tuple[str, float]], handed: list[Handed]) -> ExerciseFacts:
    names, points = [cell for cell, _ in cells], sum(points for _, points in cells)
    waits = sum(any(cell in one.waits for cell in names) for one in handed)
    done = [one for one in handed if not any(cell in one.waits for cell in names)]
    scores = [sum(one.scores.get(cell, 0.0) for cell in names) for one in done]
    told = [dict.fromkeys(one.messages[cell] for cell in names if cell in one.messages) for one in handed]
    said = Counter(text for texts in told for text in texts)  # once for each student
    shares = np.array(scores) / points
    return ExerciseFacts(
        name,
        points,
        float(shares.mean()) if done else None,
        float((shares >= 1 - 1e-9).mean()) if done else None,
        float((shares <= 1e-9).mean()) if done else None,
        discrimination(scores, [one.total for one in done]),
        waits,
        tuple(said.most_common()),
    )
