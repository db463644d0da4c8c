"""One student's outcome, read from the gradebook, the graded notebook and the student's own folder.

>>> read_outcome(folder, api_for(folder), "02-x", "reference").points     # doctest: +SKIP
90.0
"""

from collections import Counter
from pathlib import Path
from typing import Any

from course_utils.grading.demo_report import Outcome

__all__ = ["oddities", "read_outcome"]

Grades = dict[str, dict[str, Any]]


def read_outcome(folder: Path, api: Any, lesson: str, student: str, reason: str | None = None) -> Outcome:
    """What the student got; `reason` is that of the step that failed, if one did."""
    automatic, by_hand, grades = _grades(api, lesson, student)
    most = sum(automatic.values())
    path = folder / "autograded" / student / lesson / f"{lesson}.ipynb"
    if not (path.is_file() and grades):  # nbgrader removes the notebook when grading fails
        return Outcome(
            lesson, student, None, most, 0, 0, (reason or "not submitted",), _page(folder, lesson, student)
        )
    points = sum(grades[name]["auto_score"] or 0.0 for name in automatic)
    notes = (*oddities(path), *([reason] if reason else []))
    waiting = [worth for name, worth in by_hand.items() if grades[name]["needs_manual_grade"]]
    page = _page(folder, lesson, student)
    return Outcome(lesson, student, points, most, len(waiting), sum(waiting), notes, page)


def oddities(path: Path) -> list[str]:
    """What is odd about a graded notebook: the grader's notes, solution cells that stop, tests that did not pass."""
    import nbformat

    notebook = nbformat.read(path, as_version=4)
    notes = [note.rstrip(".") for note in notebook.metadata.get("course", {}).get("notes", [])]
    verdicts: Counter[str] = Counter()
    for cell in notebook.cells:
        marks, errors = cell.metadata.get("nbgrader", {}), _errors(cell)
        verdicts[cell.metadata.get("course", {}).get("verdict", "pass")] += 1
        if marks.get("solution") and errors:
            notes.append(f"{marks.grade_id} stops with {errors[0]}")
    return [*notes, *(_counted(verdict, n) for verdict, n in verdicts.items() if verdict != "pass")]


def _errors(cell: Any) -> list[str]:
    return [output.ename for output in cell.get("outputs", []) if output.output_type == "error"]


def _counted(verdict: str, number: int) -> str:
    return f"{number} test cell{'s' * (number > 1)} failed" if verdict == "fail" else f"{number} {verdict}"


def _grades(api: Any, lesson: str, student: str) -> tuple[dict[str, float], dict[str, float], Grades]:
    """The points of each test and of each written answer, and the student's grades (none: not submitted)."""
    from nbgrader.api import MissingEntry

    with api.gradebook as gradebook:
        notebooks = gradebook.find_assignment(lesson).notebooks
        cells = [cell for notebook in notebooks for cell in [*notebook.grade_cells, *notebook.task_cells]]
        automatic = {cell.name: cell.max_score for cell in cells if cell.cell_type == "code"}
        by_hand = {c.name: c.max_score for c in cells if c.cell_type != "code" and c.max_score > 0}
        try:
            submission = gradebook.find_submission(lesson, student)
        except MissingEntry:
            return automatic, by_hand, {}
        grades = {grade.name: grade.to_dict() for nb in submission.notebooks for grade in nb.grades}
    return automatic, by_hand, grades


def _page(folder: Path, lesson: str, student: str) -> str | None:
    pages = (folder / "students" / student / lesson / "feedback").glob(f"*/{lesson}.html")
    page = next(pages, None)
    return str(page.relative_to(folder)) if page else None
