"""A class to attack: two small lessons worth 8 points each, two honest neighbours, and loot where it hurts.

>>> klass = prepared(Path("/tmp/x"), stock=True)            # doctest: +SKIP
>>> copied(klass, Path("/tmp/y")).loot["LOOT-solution-1f0c"]  # doctest: +SKIP
'solution'
"""

import dataclasses
import os
import secrets
import shutil
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import nbformat
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook
from nbgrader.api import Gradebook

from attacks.kit import EXERCISES, PLAIN, RIGHT, TENSORS

__all__ = ["FULL", "NEIGHBOURS", "REPOSITORY", "Class", "copied", "prepared", "solved"]

Databases = Callable[..., str]
NOT_ALL_GRADED = 1
REPOSITORY = Path(__file__).resolve().parents[3]
KERNEL = {"name": "python3", "display_name": "Python 3 (ipykernel)", "language": "python"}
NEIGHBOURS = ("a-before", "z-after")
FULL = 8.0
# Visible and hidden tests. The last cell of `plain` gives partial credit.
TESTS = {
    "double": ("assert double(2) == 4, 'double(2) should be 4'", """
# {hidden}
known_wrong = '{hidden}'
assert double(0) != known_wrong, 'double(0) should be a number'
assert all(map(lambda x: double(x) == 2 * x, [-3, 5])), 'double(-3) should be -6'  # {hidden}"""),
    "mean": ("import math\nassert math.isclose(mean([1, 2, 6]), 3), 'the mean of 1, 2 and 6 is 3'", """
import numpy.testing  # {hidden}
numpy.testing.assert_allclose([mean([2, 5]), mean([-4, 2])], [3.5, -1])"""),
    "scaled": ("import torch\nassert torch.allclose(scaled(torch.ones(2)), torch.tensor([2.0, 2.0])), 'twice one'", """
import torch
from course_utils import checks
assert torch.allclose(scaled(torch.tensor([3.0, -1.0])), torch.tensor([6.0, -2.0])), 'every entry'  # {hidden}
checks.close(scaled(torch.tensor([[5.0]])), [[10.0]], 'twice five')"""),
}  # fmt: skip
VOWELS = """assert vowels('banana') == 3, 'banana has 3 vowels'
### BEGIN HIDDEN TESTS
words = {{'queue': 4, 'rhythm': 0, 'AEIOU': 5, 'sky': 0}}  # {hidden}
errors = sum(abs(vowels(word) - count) for word, count in words.items())
max(2 - errors / 4, 0)
### END HIDDEN TESTS"""
POINTS = {"double": (1, 2), "mean": (1, 2), "vowels": (2,), "scaled": (2, 6)}
STUBS = {
    "double": "def double(x):\n    {begin}return 2 * x  # {solution}{end}",
    "mean": "def mean(numbers):\n    {begin}return sum(numbers) / len(numbers)  # {solution}{end}",
    "vowels": "def vowels(word):\n    {begin}return sum(word.lower().count(v) for v in 'aeiou')  # {solution}{end}",
    "scaled": "def scaled(t):\n    {begin}return 2 * t  # {solution}{end}",
}
KINDS = ("hidden", "solution", "gradebook", "neighbour", "environment", "home", "hub")
LIMITS = """
# Added for the attacks: short limits.
c.ExecutePreprocessor.timeout = 8
"""
# The first test that touches a tensor waits until torch is imported, in both processes: 3 s, 8 on a slow, busy machine.
OUR_LIMITS = """
c.Examine.cell_timeout = 12
c.Examine.notebook_timeout = 80
c.Examine.memory_mb = 3072
"""


@dataclass(frozen=True)
class Class:
    """A folder with a course, a home and a drop in it, and what is secret there."""

    folder: Path
    stock: bool
    loot: dict[str, str] = field(default_factory=dict)
    """Each secret token, with where it is kept."""
    jobs: int = 0
    """How many submissions `course autograde` grades at once; 0: `nbgrader autograde` grades them."""
    databases: Databases | None = None
    """Makes the gradebook's databases on a server; None: it is a file of SQLite."""
    db_url: str = ""
    """Where the gradebook is."""

    @property
    def course(self) -> Path:
        return self.folder / "course"

    @property
    def home(self) -> Path:
        return self.folder / "home"

    @property
    def drop(self) -> Path:
        return self.folder / "drop"

    def token(self, kind: str) -> str:
        """The secret that is kept there."""
        return next(token for token, place in self.loot.items() if place == kind)

    def gradebook(self) -> Gradebook:
        """nbgrader's gradebook of the class, open."""
        return Gradebook(self.db_url, "agai302")

    def autograde(self, lesson: str, seconds: float) -> tuple[int | None, str]:
        """As `run`, for the command that grades this class. A submission that could not be graded is no error."""
        if not self.jobs:
            return self.run("autograde", lesson, seconds=seconds)
        words = ("autograde", lesson, "--jobs", str(self.jobs))
        code, said = self.run(*words, seconds=seconds, program="course_utils.cli")
        return 0 if code == NOT_ALL_GRADED else code, said

    def run(self, *words: str, seconds: float = 120, program: str = "nbgrader") -> tuple[int | None, str]:
        """(exit code, all that was printed) of `nbgrader words…` there; None if it took longer than it may."""
        command = [sys.executable, "-m", program, *words]
        # Fewer bytes than the machine has, so that copying a sparse file cannot fill its disk.
        command = ["prlimit", f"--fsize={1 << 30}:unlimited", "--core=0:unlimited", *command]
        with (self.folder / "log.txt").open("w+b") as log:
            process = subprocess.Popen(
                command,
                cwd=self.course,
                env=self.environment(),
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
            try:
                code: int | None = process.wait(seconds)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
                code = None
            log.seek(0)
            return code, log.read(8 << 20).decode(errors="replace")

    def environment(self) -> dict[str, str]:
        """The environment of whoever grades this class."""
        kept = {
            k: v for k, v in os.environ.items() if not k.startswith(("JUPYTER", "PYTEST", "IPYTHON", "XDG"))
        }
        own = {"HOME": str(self.home), "ATTACK_TOKEN": self.token("environment"), "OMP_NUM_THREADS": "1"}
        return kept | own | {"JUPYTERHUB_API_TOKEN": self.token("environment")}


def prepared(folder: Path, stock: bool, jobs: int = 0, databases: Databases | None = None) -> Class:
    """A class whose lessons are generated; `stock` says whether with nbgrader's own grader or with ours."""
    loot = {f"LOOT-{kind}-{secrets.token_hex(6)}": kind for kind in KINDS}
    klass = _with_gradebook(Class(folder, stock, loot, jobs, databases), like="")
    for place in (klass.course, klass.home / ".config", klass.drop):
        place.mkdir(parents=True)
    (klass.course / "nbgrader_config.py").write_text(settings(klass))
    (klass.home / ".config" / "token").write_text(klass.token("home"))
    for name in (PLAIN, TENSORS):
        (klass.course / "source" / name).mkdir(parents=True)
        nbformat.write(lesson(name, klass), klass.course / "source" / name / f"{name}.ipynb")
        code, said = klass.run("generate_assignment", name)
        if code:
            raise RuntimeError(f"The lesson {name} of the class to attack could not be generated:\n{said}")
    _introduce_neighbours(klass)
    return klass


def copied(klass: Class, into: Path) -> Class:
    """The same class in another folder."""
    shutil.copytree(klass.folder, into, symlinks=True)
    copy = _with_gradebook(dataclasses.replace(klass, folder=into), like=klass.db_url)
    (copy.course / "nbgrader_config.py").write_text(settings(copy))
    return copy


def _with_gradebook(klass: Class, like: str) -> Class:
    """The class with a gradebook of its own, on a server a copy of the one at `like`."""
    if klass.databases is None:
        return dataclasses.replace(klass, db_url=f"sqlite:///{klass.course / 'gradebook.db'}")
    return dataclasses.replace(klass, db_url=klass.databases(f"attacked_{secrets.token_hex(6)}", like=like))


def settings(klass: Class) -> str:
    """The repository's settings with short limits; for stock nbgrader without the lines that name our package."""
    text = (REPOSITORY / "nbgrader_config.py").read_text()
    if klass.stock:
        lines = (
            line for line in text.splitlines() if "course_utils" not in line and "configure(" not in line
        )
        text = "\n".join(lines)
    server = f"c.CourseDirectory.db_url = {klass.db_url!r}\n" if klass.databases else ""
    return text + LIMITS + OUR_LIMITS * (not klass.stock) + server


def lesson(name: str, klass: Class) -> Any:
    """The source notebook of a lesson."""
    words = {kind: klass.token(kind) for kind in KINDS}
    given = new_code_cell("import math", metadata=_marked("setup", locked=True))
    cells = [new_markdown_cell(f"# {name}"), given]
    for exercise in EXERCISES[name]:
        cells += _exercise(exercise, POINTS[exercise], words)
    for index, cell in enumerate(cells):
        cell.id = f"cell-{index}"
    return new_notebook(cells=cells, metadata={"kernelspec": dict(KERNEL)})


def _exercise(name: str, points: tuple[int, ...], words: dict[str, str]) -> list[Any]:
    stub = STUBS[name].format(begin="### BEGIN SOLUTION\n    ", end="\n    ### END SOLUTION", **words)
    sources = {f"{name}-both": VOWELS}
    if name in TESTS:
        visible, hidden = TESTS[name]
        hidden = f"### BEGIN HIDDEN TESTS{hidden}\n### END HIDDEN TESTS"
        sources = {f"{name}-visible": visible, f"{name}-hidden": hidden}
    return [
        new_markdown_cell(f"### Write {name}"),
        new_code_cell(stub, metadata=_marked(name, solution=True)),
        *(
            new_code_cell(source.format(**words), metadata=_marked(id, grade=True, locked=True, points=worth))
            for (id, source), worth in zip(sources.items(), points, strict=True)
        ),
    ]


def _marked(grade_id: str, **flags: Any) -> dict[str, Any]:
    base = {"schema_version": 3, "grade": False, "solution": False, "locked": False, "task": False}
    return {"nbgrader": {**base, "grade_id": grade_id, **flags}}


def solved(notebook: Any) -> Any:
    """The notebook, with right answers in it."""
    for cell in notebook.cells:
        meta = cell.metadata.get("nbgrader", {})
        if meta.get("solution"):
            cell.source = RIGHT[meta["grade_id"]]
    return notebook


def _introduce_neighbours(klass: Class) -> None:
    with klass.gradebook() as gradebook:
        for name in NEIGHBOURS:
            gradebook.update_or_create_student(name, first_name=name, last_name=klass.token("gradebook"))
    for name in (PLAIN, TENSORS):
        notebook = solved(nbformat.read(klass.course / "release" / name / f"{name}.ipynb", as_version=4))
        notebook.cells.insert(0, new_markdown_cell(f"A thought of mine: {klass.token('neighbour')}"))
        for student in NEIGHBOURS:
            folder = klass.course / "submitted" / student / name
            folder.mkdir(parents=True)
            nbformat.write(notebook, folder / f"{name}.ipynb")
            (folder / "timestamp.txt").write_text("2030-01-01 12:00:00.000000 UTC")
