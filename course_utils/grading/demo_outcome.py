"""One student's outcome, read from the gradebook, the graded notebook and the student's own folder.

>>> read_outcome(folder, api_for(folder), "02-x", "reference").points     # doctest: +SKIP
90.0
"""

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
    tests = {name: grades[name] for name in automatic}
    points = sum(grade["auto_score"] or 0.0 for grade in tests.values())
    notes = (*oddities(path, tests), *([reason] if reason else []))
    waiting = [worth for name, worth in by_hand.items() if grades[name]["needs_manual_grade"]]
    page = _page(folder, lesson, student)
    return Outcome(lesson, student, points, most, len(waiting), sum(waiting), notes, page)


def oddities(path: Path, grades: Grades) -> list[str]:
    """What is odd about a graded notebook: solution cells that stop; tests missing, not run, or failed."""
    import nbformat

    code = [cell for cell in nbformat.read(path, as_version=4).cells if cell.cell_type == "code"]
    cells = {cell.metadata.get("nbgrader", {}).get("grade_id"): cell for cell in code}
    notes = [
        f"{name} stops with {output.ename}"
        for name, cell in cells.items()
        for output in cell.outputs
        if output.output_type == "error" and cell.metadata.get("nbgrader", {}).get("solution")
    ]
    missing = [name for name in grades if name not in cells]
    # nbgrader gives a test cell that did not run its full points. The course's settings let every one run
    # (`NeverSkipGraded`); this is for a class that has other settings.
    skipped = [name for name in grades if name in cells and cells[name].execution_count is None]
    failed = [name for name, grade in grades.items() if grade["failed_tests"] and name in cells]
    if missing:
        notes.append(f"{_count(missing)} missing ({', '.join(missing)}), counted as 0")
    if skipped:
        notes.append(f"{_count(skipped)} not run ({', '.join(skipped)})")
    return [*notes, f"{_count(failed)} failed"] if failed else notes


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


def _count(tests: list[str]) -> str:
    return f"{len(tests)} test cell{'s' if len(tests) > 1 else ''}"
