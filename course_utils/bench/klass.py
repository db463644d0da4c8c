"""The classes that are graded for measuring: a lesson, released, and what many sample students hand in.

>>> klass = make_class(Path("."), Path("bench-class"), "02-attention-and-induction", 40, seed=1)   # doctest: +SKIP
"""

import random
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import nbformat
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook

from course_utils.errors import ClassError
from course_utils.grading.class_report import automatic_points
from course_utils.grading.demo_class import api_for, for_class, fresh_folder
from course_utils.grading.demo_students import STUDENTS, mixed
from course_utils.grading.lesson import load_lesson
from course_utils.grading.release import SETTINGS

__all__ = ["KERNEL", "LIGHT", "Class", "exercise", "light_course", "make_class", "marked", "scores"]

LIGHT = "01-light"
"""A lesson in plain Python: what is left of the time is the grader's own."""
KERNEL = {"name": "python3", "display_name": "Python 3 (ipykernel)", "language": "python"}
EXERCISES = {
    "double": ("return 2 * x", "return x + 1", "double(2) == 4", "double(-3) == -6"),
    "root": ("return x**0.5", "return x / 2", "root(4) == 2", "root(9) == 3"),
}


@dataclass(frozen=True)
class Class:
    """A class folder with submissions that nobody has graded yet."""

    folder: Path
    lesson: str
    students: tuple[str, ...]

    def copy(self, into: Path) -> "Class":
        """The same class in another folder, with a gradebook of its own."""
        shutil.copytree(self.folder, into)
        return Class(into, self.lesson, self.students)

    def source(self) -> Path:
        """The instructor's notebook, which has all tests."""
        return self.folder / "source" / self.lesson / f"{self.lesson}.ipynb"

    def submission(self, student: str) -> Path:
        """What the student handed in."""
        return self.folder / "submitted" / student / self.lesson / f"{self.lesson}.ipynb"


def make_class(root: Path, into: Path, lesson: str, count: int, seed: int) -> Class:
    """`count` submissions: those of `course demo`, each once, and then of students who got some exercises right."""
    described = load_lesson(root, lesson)
    folder = fresh_folder(root, into, [described])
    for_class(folder, api_for(folder).generate_assignment(lesson), lesson, "be generated")
    released = folder / "release" / lesson
    students = []
    for number in range(count):
        works = list(STUDENTS.values())
        work = works[number] if number < len(works) else mixed(random.Random(f"{seed} {number}"))
        student = f"s{number:04}"
        place = folder / "submitted" / student / lesson
        shutil.copytree(released, place)
        notebook = work(nbformat.read(released / f"{lesson}.ipynb", as_version=4), described)
        nbformat.write(notebook, place / f"{lesson}.ipynb")
        (place / "timestamp.txt").write_text("2030-01-01 12:00:00 UTC")
        students.append(student)
    return Class(folder, lesson, tuple(students))


def scores(klass: Class) -> dict[str, float]:
    """Automatic points by student, from the class's gradebook."""
    return {student: points for student, (points, _) in automatic_points(klass.folder, klass.lesson).items()}


def light_course(root: Path, folder: Path) -> Path:
    """A course folder with the settings of `root` and the lesson `LIGHT`. Raises `ClassError` if there are none."""
    if not (root / SETTINGS).is_file():
        raise ClassError(f"{root} has no {SETTINGS}. Name the course folder with --root.")
    cells = [new_markdown_cell("# A light lesson")]
    for name, (right, _, visible, hidden) in EXERCISES.items():
        cells += exercise(name, right, visible, hidden)
    for index, cell in enumerate(cells):
        cell.id = f"cell-{index}"
    (folder / "source" / LIGHT).mkdir(parents=True)
    shutil.copy(root / SETTINGS, folder)
    nbformat.write(
        new_notebook(cells=cells, metadata={"kernelspec": dict(KERNEL)}),
        folder / "source" / LIGHT / f"{LIGHT}.ipynb",
    )
    answers = folder / "tests" / "lessons" / LIGHT
    answers.mkdir(parents=True)
    for name, (_, wrong, *_tests) in EXERCISES.items():
        (answers / f"{name}.py").write_text(
            f'# %% wrong: mistaken -> "assert"\ndef {name}(x):\n    {wrong}\n'
        )
    return folder


def exercise(name: str, solution: str, visible: str, hidden: str) -> list[Any]:
    """The cells of a small exercise: a solution cell, a visible test (1 point) and a hidden one (2 points)."""
    stub = f"def {name}(x):\n    ### BEGIN SOLUTION\n    {solution}\n    ### END SOLUTION"
    hidden = f"### BEGIN HIDDEN TESTS\nassert {hidden}, 'hidden case of {name}'\n### END HIDDEN TESTS"
    test = {"grade": True, "locked": True}
    return [
        new_markdown_cell(f"### Write {name}"),
        new_code_cell(stub, metadata=marked(name, solution=True)),
        new_code_cell(
            f"assert {visible}, 'visible case of {name}'",
            metadata=marked(f"{name}-visible", points=1, **test),
        ),
        new_code_cell(hidden, metadata=marked(f"{name}-hidden", points=2, **test)),
    ]


def marked(grade_id: str, **flags: Any) -> dict[str, Any]:
    """nbgrader's metadata for a cell; flags left out are false."""
    base = {"schema_version": 3, "grade": False, "solution": False, "locked": False, "task": False}
    return {"nbgrader": {**base, "grade_id": grade_id, **flags}}
