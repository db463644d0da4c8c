"""What stands on top of a student's feedback page: each exercise with its points and how it went, and the comments.

>>> exercise_of("double-hidden"), exercise_of("written_why")
('double', 'written_why')

`KeepGrades` is a step of `GenerateFeedback.preprocessors`; `exercises` and `comments` read what it leaves in a
notebook's metadata. The page's template calls them as filters.
"""

import re
from dataclasses import dataclass
from typing import Any

from nbgrader.preprocessors import GetGrades
from nbgrader.utils import is_grade, is_solution, is_task

__all__ = ["Exercise", "KeepGrades", "Part", "comments", "exercise_of", "exercises"]

ENDS = ("-visible", "-hidden", "-tests")
WORDS = {
    "waits": "Not graded yet",
    "graded": "Graded",
    "pass": "Passed",
    "partial": "Partly",
    "fail": "Not yet",
}
# What ended a test says more of an exercise than its points do; the first that is found.
SPECIAL = {
    "timeout": "Out of time",
    "memory": "Out of memory",
    "crashed": "Crashed",
    "not-run": "Not run",
}


@dataclass(frozen=True)
class Part:
    """A cell with points: a test or a written answer."""

    id: str
    score: float
    points: float
    waits: bool
    """Whether a person has yet to grade it."""
    by_hand: bool = False
    """Whether a person grades it, so that no verdict is due."""
    verdict: str = ""
    """A key of `feedback.VERDICTS` with "-" for " "; "" for what is not told."""
    word: str = ""
    message: str = ""


@dataclass(frozen=True)
class Exercise:
    """The cells with points that belong to one answer."""

    name: str
    title: str
    link: str
    """The id of the answer's cell, or else of the first cell with points."""
    parts: tuple[Part, ...]

    @property
    def score(self) -> float:
        """Points so far."""
        return sum(part.score for part in self.parts)

    @property
    def points(self) -> float:
        """Points that can be had."""
        return sum(part.points for part in self.parts)

    @property
    def waits(self) -> bool:
        """Whether a person has yet to grade some of it."""
        return any(part.waits for part in self.parts)

    @property
    def by_hand(self) -> bool:
        """Whether a person grades all of it."""
        return all(part.by_hand for part in self.parts)

    @property
    def verdict(self) -> str:
        """`waits`, `graded` (by hand), a key of `SPECIAL`, or by the points `pass`, `partial` or `fail`."""
        said = {part.verdict for part in self.parts}
        if self.waits or self.by_hand:
            return "waits" if self.waits else "graded"
        if self.score >= self.points:
            return "pass"
        return next((one for one in SPECIAL if one in said), "partial" if self.score else "fail")

    @property
    def word(self) -> str:
        """The verdict in words."""
        return (WORDS | SPECIAL)[self.verdict]

    @property
    def missed(self) -> list[Part]:
        """Tests that are told and did not pass."""
        return [part for part in self.parts if part.verdict not in ("", "pass")]


def exercise_of(cell: str) -> str:
    """The name of the exercise that a cell with points belongs to, from its `grade_id`."""
    return next((cell.removesuffix(end) for end in ENDS if cell.endswith(end)), cell)


def exercises(notebook: Any) -> list[Exercise]:
    """The exercises of a notebook that `KeepGrades` has seen, in its order; those without points are left out."""
    titles, links, found = _titles(notebook), dict[str, str](), dict[str, list[Part]]()
    for cell in notebook.cells:
        if not (is_solution(cell) or is_grade(cell) or is_task(cell)):
            continue
        name = exercise_of(cell.metadata.nbgrader.grade_id)
        links.setdefault(name, cell.metadata.nbgrader.grade_id)
        if is_grade(cell) or is_task(cell):
            found.setdefault(name, []).append(_part(cell))
    made = [Exercise(name, titles[name], links[name], tuple(parts)) for name, parts in found.items()]
    return [one for one in made if one.points or one.score]


def comments(notebook: Any) -> list[tuple[str, str, str]]:
    """What people wrote about the answers: (the answer's `grade_id`, title of its exercise, the comment)."""
    titles = _titles(notebook)
    marked: list[Any] = [cell.metadata.get("nbgrader") or {} for cell in notebook.cells]
    return [
        (marks.grade_id, titles[exercise_of(marks.grade_id)], marks.comment)
        for marks in marked
        if marks.get("comment") and not marks.get("automatic_comment")
    ]


def _titles(notebook: Any) -> dict[str, str]:
    """For each exercise the heading that it stands below, or its name where another has that heading."""
    titles, title = dict[str, str](), ""
    for cell in notebook.cells:
        if cell.cell_type == "markdown":
            title = _heading(cell.source) or title
        if is_solution(cell) or is_grade(cell) or is_task(cell):
            name = exercise_of(cell.metadata.nbgrader.grade_id)
            if name not in titles:
                titles[name], title = title or name, ""
    return titles


def _heading(markdown: str) -> str:
    """The text of the first heading, without its marks; a comment in a block of code is none."""
    text = re.sub(r"^(```|~~~).*?(^\1|\Z)", "", markdown, flags=re.MULTILINE | re.DOTALL)
    found = re.search(r"^#{1,6}[ \t]+(.+?)[ \t#]*$", text, re.MULTILINE)
    return re.sub(r"[`*]", "", found[1]) if found else ""


def _part(cell: Any) -> Part:
    marks = cell.metadata.nbgrader
    told: Any = next((out.metadata.feedback for out in cell.get("outputs", []) if _is_told(out)), {})
    return Part(
        marks.grade_id, float(marks.get("score") or 0), float(marks.get("points") or 0), bool(marks.get("waits")),
        is_task(cell) or is_solution(cell),
        told.get("verdict", ""), told.get("word", ""), told.get("message", ""),
    )  # fmt: skip


def _is_told(output: Any) -> bool:
    return "feedback" in (output.get("metadata") or {})


class KeepGrades(GetGrades):
    """nbgrader's step, which also keeps what waits for a person, and which comments no person wrote."""

    def preprocess_cell(self, cell: Any, resources: Any, cell_index: int) -> tuple[Any, Any]:
        """The cell with scores and comments from the gradebook in its metadata."""
        cell, resources = super().preprocess_cell(cell, resources, cell_index)
        where = (self.notebook_id, self.assignment_id, self.student_id)
        if is_grade(cell) or is_task(cell):
            grade = self.gradebook.find_grade(cell.metadata.nbgrader.grade_id, *where)
            cell.metadata.nbgrader["waits"] = bool(grade.needs_manual_grade)
        if is_solution(cell) or is_task(cell):
            comment = self.gradebook.find_comment(cell.metadata.nbgrader.grade_id, *where)
            cell.metadata.nbgrader["automatic_comment"] = comment.manual_comment is None
        return cell, resources
