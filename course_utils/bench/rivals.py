"""Other graders on the same submissions: stock nbgrader, and otter-grader's local mode.

Both run what a student wrote in the process that holds the hidden tests, with this machine's rights, so they are only
given submissions that this package made.
"""

import json
import os
import shutil
import sys
import sysconfig
import zipfile
from importlib import metadata
from pathlib import Path

import nbformat

from course_utils.bench.klass import Class
from course_utils.bench.meter import Cost, measure
from course_utils.errors import ClassError
from course_utils.grading.release import SETTINGS

__all__ = ["otter", "otter_points", "otter_version", "stock"]

STOCK = """from pathlib import Path
c = get_config()
c.CourseDirectory.course_id = "bench"
c.CourseDirectory.root = str(Path(__file__).resolve().parent)
c.ExecutePreprocessor.timeout = 120
"""
WITHOUT_DEMO = 'c.ExecutePreprocessor.skip_cells_with_tag = "demo"\n'
OTTER_TEST = """from otter.test_files import test_case

OK_FORMAT = False
name = {name!r}
points = {points!r}


@test_case(points=None, hidden=True)
def test_cell(env):
    exec(compile({source!r}, {name!r}, "exec"), env)
"""


def stock(klass: Class, demo_cells: bool) -> Cost:
    """`nbgrader autograde` as it comes; without the demo cells if those are not to run."""
    (klass.folder / SETTINGS).write_text(STOCK + ("" if demo_cells else WITHOUT_DEMO))
    command = [sys.executable, "-m", "nbgrader", "autograde", klass.lesson, "--create"]
    return measure(command, klass.folder, _own_scripts())


def otter(klass: Class, packages: Path) -> Cost:
    """`otter run`, one submission after the other, on the notebooks without demo cells."""
    place = klass.folder / "otter"
    (place / "tests").mkdir(parents=True)
    for cell in nbformat.read(klass.source(), as_version=4).cells:
        marks = cell.metadata.get("nbgrader", {})
        if cell.cell_type == "code" and marks.get("grade") and marks.get("points"):
            name = marks["grade_id"].replace("-", "_")
            text = OTTER_TEST.format(name=name, points=marks["points"], source=cell.source)
            (place / "tests" / f"{name}.py").write_text(text)
    environment = _own_scripts() | {"PYTHONPATH": str(packages.resolve())}
    _zip(place)
    for student in klass.students:
        notebook = nbformat.read(klass.submission(student), as_version=4)
        notebook.cells = [cell for cell in notebook.cells if "demo" not in cell.metadata.get("tags", [])]
        own = place / student
        shutil.copytree(klass.submission(student).parent, own)
        nbformat.write(notebook, own / f"{klass.lesson}.ipynb")
    run = [
        *(sys.executable, "-m", "otter", "run", "--no-logo", "-a", "../autograder.zip", "-o", "."),
        f"{klass.lesson}.ipynb",
    ]
    students = list(klass.students)
    script = f"import subprocess\nfor own in {students}:\n    subprocess.run({run}, cwd=own, check=True)\n"
    return measure([sys.executable, "-c", script], place, environment)


def otter_version(packages: Path) -> str:
    """Its version. Raises `ClassError` if it is not in that folder."""
    found = [
        one.version for one in metadata.distributions(path=[str(packages)]) if one.name == "otter-grader"
    ]
    if not found:
        raise ClassError(
            f"There is no otter-grader in {packages}. `make bench` puts it there; without --otter it is left out."
        )
    return found[0]


def otter_points(klass: Class) -> dict[str, float]:
    """Points by student."""
    points = {}
    for student in klass.students:
        found = json.loads((klass.folder / "otter" / student / "results.json").read_text())
        points[student] = sum(test["score"] for test in found["tests"] if "score" in test)
    return points


def _zip(place: Path) -> None:
    with zipfile.ZipFile(place / "autograder.zip", "w") as packed:
        packed.writestr("otter_config.json", json.dumps({"show_stdout": False, "show_hidden": True}))
        for path in sorted((place / "tests").iterdir()):
            packed.write(path, f"tests/{path.name}")


def _own_scripts() -> dict[str, str]:
    return {"PATH": os.pathsep.join([sysconfig.get_path("scripts"), os.environ.get("PATH", "")])}
