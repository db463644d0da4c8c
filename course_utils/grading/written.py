"""The written exercises of an assignment and what a class answered, for the page on which they are read one by one.

>>> for exercise in written_exercises(gradebook, "02-attention-and-induction"):      # doctest: +SKIP
...     print(exercise.name, [len(group) for group in group_answers(answers)])
written_induction [4, 1, 1, 2]

Written is what a person marks: nbgrader's *task* cells, and solution cells with points. Nothing here writes.
"""

import hashlib
import html
import json
import os
import re
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

import nbformat
from markupsafe import Markup
from nbgrader.api import BaseCell, Comment, Grade, Gradebook, Student, SubmittedAssignment, SubmittedNotebook
from sqlalchemy import case, func

from course_utils.grading.feedback import hidden_half, visible_half
from course_utils.grading.lesson_source import REGIONS
from course_utils.grading.sanitise import render_markdown
from course_utils.grading.skeleton import nbgrader_metadata
from course_utils.grading.templates import lower_headings

__all__ = [
    "Answer",
    "Mark",
    "WrittenExercise",
    "comments_given",
    "count_answers",
    "find_marks",
    "group_answers",
    "read_answers",
    "written_exercises",
]


@dataclass(frozen=True)
class WrittenExercise:
    """One exercise that a person marks; all of it is the instructor's."""

    assignment: str
    notebook: str
    name: str
    """The cell's grade_id."""
    points: float
    cell: str
    """The cell's id in the gradebook."""
    source: str

    @property
    def key(self) -> str:
        """Its name within the assignment."""
        return self.name if self.notebook == self.assignment else f"{self.notebook}/{self.name}"

    @property
    def question(self) -> str:
        """Markdown: what students are asked."""
        return visible_half(self.source, *REGIONS["scheme"])

    @property
    def scheme(self) -> str:
        """Markdown: the mark scheme; "" if it has none."""
        return hidden_half(self.source, *REGIONS["scheme"])


@dataclass(frozen=True)
class Mark:
    """What the gradebook has for one student's answer."""

    submission: str
    """The id of the submitted notebook: formgrader's page of it is `submissions/ID`."""
    student: str
    full_name: str
    grade: str
    comment_id: str
    points: float | None
    """None if nobody has given any."""
    extra: float | None
    waits: bool
    comment: str
    manual: float | None = None
    """Points that a person gave: what somebody else may change before this page is saved."""

    @property
    def again(self) -> bool:
        """Whether it has a person's points, but was graded anew since, so that somebody should look again."""
        return self.waits and self.points is not None


@dataclass(frozen=True)
class Answer:
    """One student's answer."""

    mark: Mark
    number: int
    """As formgrader counts: *Submission #1* is the first."""
    html: Markup
    """Clean."""
    text: str
    """What identical answers have in common: all of it, with every run of white space as one space."""

    @property
    def digest(self) -> str:
        """Of the text, in hex."""
        return hashlib.sha256(self.text.encode("utf-8", "replace")).hexdigest()


def written_exercises(gradebook: Gradebook, assignment: str) -> list[WrittenExercise]:
    """What a person marks in the assignment, in the order of its notebooks and cells.

    Raises nbgrader's `MissingEntry` if the gradebook does not know the assignment.
    """
    made = []
    for notebook in sorted(gradebook.find_assignment(assignment).notebooks, key=lambda found: found.name):
        solutions = {cell.name for cell in notebook.solution_cells}
        marked = {cell.name: cell for cell in notebook.task_cells}
        marked |= {cell.name: cell for cell in notebook.grade_cells if cell.name in solutions}
        for source in notebook.source_cells:
            cell = marked.get(source.name)
            if cell is not None and cell.max_score:
                points = float(cell.max_score)
                made.append(
                    WrittenExercise(
                        assignment, notebook.name, cell.name, points, cell.id, source.source or ""
                    )
                )
    return made


def find_marks(gradebook: Gradebook, exercise: WrittenExercise) -> list[Mark]:
    """What the gradebook has for each answer, in formgrader's order."""
    session = gradebook.db
    comments = {
        notebook: (key, manual if manual is not None else auto or "")
        for notebook, key, manual, auto in session.query(
            Comment.notebook_id, Comment.id, Comment.manual_comment, Comment.auto_comment
        )
        .join(BaseCell, BaseCell.id == Comment.cell_id)
        .join(SubmittedNotebook, SubmittedNotebook.id == Comment.notebook_id)
        .join(Grade, Grade.notebook_id == SubmittedNotebook.id)
        .filter(BaseCell.name == exercise.name, Grade.cell_id == exercise.cell)
    }
    rows = (
        session.query(SubmittedNotebook.id, Student.id, Student.first_name, Student.last_name, *_GRADE)
        .select_from(Grade)
        .join(SubmittedNotebook, SubmittedNotebook.id == Grade.notebook_id)
        .join(SubmittedAssignment, SubmittedAssignment.id == SubmittedNotebook.assignment_id)
        .join(Student, Student.id == SubmittedAssignment.student_id)
        .filter(Grade.cell_id == exercise.cell)
        .order_by(SubmittedNotebook.id)
    )
    made = []
    for notebook, student, first, last, grade, manual, auto, extra, waits in rows:
        key, comment = comments.get(notebook, ("", ""))
        points = manual if manual is not None else None if waits else auto
        name = f"{last}, {first}" if last and first else student
        made.append(Mark(notebook, student, name, grade, key, points, extra, bool(waits), comment, manual))
    return made


_GRADE = (Grade.id, Grade.manual_score, Grade.auto_score, Grade.extra_credit, Grade.needs_manual_grade)


def count_answers(gradebook: Gradebook) -> dict[str, tuple[int, int]]:
    """(answers, those that wait for a person) of each cell in the gradebook, by its id."""
    waits = func.sum(case((Grade.needs_manual_grade, 1), else_=0))
    rows = gradebook.db.query(Grade.cell_id, func.count(Grade.id), waits).group_by(Grade.cell_id)
    return {cell: (int(answers), int(waiting)) for cell, answers, waiting in rows}


def comments_given(marks: Iterable[Mark]) -> list[str]:
    """The comments of an exercise, each once: the most used first."""
    return [text for text, _ in Counter(mark.comment.strip() for mark in marks).most_common() if text]


def read_answers(coursedir: Any, exercise: WrittenExercise, marks: Sequence[Mark]) -> list[Answer]:
    """Those of the answers whose graded notebook is there and can be read, in formgrader's order.

    The answer to a task is all that stands behind it, up to nbgrader's next cell, and is not in the release as it is:
    so the line that an answer is to replace is no answer.
    """
    release = Path(coursedir.format_path(coursedir.release_directory, ".", exercise.assignment))
    given = _version(release / f"{exercise.notebook}.ipynb")
    made: list[Answer] = []
    number = 0
    for mark in marks:
        folder = coursedir.format_path(coursedir.autograded_directory, mark.student, exercise.assignment)
        version = _version(Path(folder) / f"{exercise.notebook}.ipynb")
        number += version is not None
        if version and (found := _read(version, given, exercise.name)):
            made.append(Answer(mark, number, *found))
    return made


def group_answers(answers: Sequence[Answer]) -> list[list[Answer]]:
    """Identical answers together, by the number of the first; the group of the empty ones comes last."""
    groups: dict[str, list[Answer]] = {}
    for answer in answers:
        groups.setdefault(answer.text, []).append(answer)
    return sorted(groups.values(), key=lambda group: not group[0].text)


_Version = tuple[str, int, int]


def _version(path: Path) -> _Version | None:
    """The file, and when it was written; None if there is none."""
    try:
        found = os.stat(path)
    except OSError:
        return None
    return str(path), found.st_mtime_ns, found.st_size


@lru_cache(maxsize=2_000)
def _read(version: _Version, given: _Version | None, name: str) -> tuple[Markup, str] | None:
    """(clean HTML, normalised text) of the answer in one notebook; None if the notebook is damaged, or another's."""
    try:
        as_released = _released(given) if given else frozenset()
        cells = _answer_cells(_cells(version[0]), name)
        parts = [cell for cell in cells if (cell.cell_type, cell.source.strip()) not in as_released]
    except (OSError, LookupError, ValueError, AttributeError, TypeError):
        return None
    shown = "\n".join(_as_html(cell) for cell in parts)
    return Markup(shown), " ".join(word for cell in parts for word in _words(cell))


def _cells(path: str) -> list[Any]:
    """The notebook's cells, not validated: the notebook is ours, and that is slow."""
    return list(nbformat.v4.reads(Path(path).read_text(encoding="utf-8")).cells)


@lru_cache(maxsize=100)
def _released(version: _Version) -> frozenset[tuple[str, str]]:
    return frozenset((cell.cell_type, cell.source.strip()) for cell in _cells(version[0]))


def _answer_cells(cells: Sequence[Any], name: str) -> list[Any]:
    """The cells of the answer to the exercise of that name, in a graded notebook. Raises `LookupError` without it."""
    at = next((i for i, cell in enumerate(cells) if nbgrader_metadata(cell).get("grade_id") == name), None)
    if at is None:
        raise LookupError(name)
    if not nbgrader_metadata(cells[at]).get("task"):
        return [cells[at]]
    found = []
    for cell in cells[at + 1 :]:
        marks = nbgrader_metadata(cell)
        if marks and not (marks.get("solution") and marks.get("grade") and not marks.get("points")):
            break  # a solution cell without points of its own belongs to the task before it
        found.append(cell)
    return found


def _as_html(cell: Any) -> str:
    if cell.cell_type != "markdown":
        fence = "`" * (3 + cell.source.count("`"))  # longer than any in the source
        return render_markdown(f"{fence}python\n{cell.source}\n{fence}")
    shown = lower_headings(render_markdown(cell.source, cell.get("attachments")), 2)
    if cell.source.strip() and "<img" not in shown and not re.sub(r"<[^>]*>", "", shown).strip():
        return f"<pre>{html.escape(cell.source)}</pre>"  # it has nothing but tags, none of which may stay
    return shown


def _words(cell: Any) -> list[str]:
    pictures = json.dumps(cell.get("attachments") or {}, sort_keys=True)
    more = [hashlib.sha256(pictures.encode()).hexdigest()] if pictures != "{}" else []
    return [*cell.source.split(), *more]
