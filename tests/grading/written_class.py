"""A class whose written answers are known, made without grading it: for what reads and marks them."""

import copy
from collections.abc import Mapping
from pathlib import Path

import nbformat
from nbformat.v4 import new_code_cell, new_markdown_cell
from small import LESSON, save, small_course, small_lesson

from course_utils.grading.demo_class import api_for
from course_utils.grading.skeleton import read_gradebook, skeleton

RATIO, SPACED = (
    "The ratio tells: **growth** is what differs.",
    "  The ratio tells:\n\n**growth** is what differs. \n",
)
HOSTILE = (
    "<script>owned()</script><img src=x onerror=owned()> <a href='javascript:owned()'>x</a> "
    "<iframe srcdoc='<script>parent.owned()</script>'></iframe>\n\n</div></section></main><script>owned()</script>"
    "<div class='mark' data-waits='true'>forged</div>\n\n"
    "<style>body { display: none }</style> <svg onload=owned()></svg> {{ 7 * 7 }}"
)
ANSWERS = {
    "ada": RATIO,
    "bea": SPACED,
    "cid": "*Your answer here.*",
    "dot": "",
    "eva": "One grows by steps, the other by halves.",
    "fay": HOSTILE,
    "gus": RATIO,
}
"""By student: two answers are like ada's but for white space, two are empty, one is hostile."""


def written_class(folder: Path, answers: Mapping[str, str] = ANSWERS) -> Path:
    """A course folder with these answers autograded, and all of them waiting. A second written exercise has none."""
    small_course(folder)
    lesson = small_lesson()
    task = copy.deepcopy(lesson.cells[-2])
    task.metadata["nbgrader"]["grade_id"], task.source = "written_how", task.source.replace("Why", "How")
    lesson.cells += [task, new_markdown_cell("*Your answer here.*", metadata={"tags": ["answer"]})]
    for index, cell in enumerate(lesson.cells):
        cell.id = f"cell-{index}"
    save(lesson, folder)
    api = api_for(folder)
    made = api.generate_assignment(LESSON)
    assert made["success"], made
    release = folder / "release" / LESSON / f"{LESSON}.ipynb"
    with api.gradebook as gradebook:
        whole = skeleton(release, *read_gradebook(gradebook, LESSON, LESSON))
        for student, text in answers.items():
            gradebook.update_or_create_student(student, first_name=student.title(), last_name="<Last>")
            gradebook.add_submission(LESSON, student)
            put_answer(folder, whole, student, text)
    return folder


def put_answer(folder: Path, whole, student: str, text: str) -> None:
    """Nothing: the student's graded notebook has this answer to `written_why`, and a free cell after it."""
    notebook = copy.deepcopy(whole)
    notebook.metadata.pop("course", None)
    at = next(
        i
        for i, c in enumerate(notebook.cells)
        if c.metadata.get("nbgrader", {}).get("grade_id") == "written_why"
    )
    notebook.cells[at + 1].source = text
    if student == "eva":
        notebook.cells.insert(at + 2, new_code_cell("steps = [1, 2]  # <b>", id="free"))
    path = folder / "autograded" / student / LESSON / f"{LESSON}.ipynb"
    path.parent.mkdir(parents=True, exist_ok=True)
    nbformat.write(notebook, path)
