"""A small clean lesson (pure Python, so that it runs in no time) and the means to break it in one way."""

import copy
import json
import os
import socket
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from course_utils.grading.warm import VARIABLE, warm_parent

NAME = "02-doubling"
CONFIG = """c = get_config()
c.ClearSolutions.code_stub = {"python": "STUB"}
c.ClearSolutions.text_stub = "*Your answer.*"
c.GenerateAssignment.no_database = True
c.SaveCells.enabled = False
"""

TITLE = """# Doubling
Objectives, in about 20 minutes:
- double a number
- say why it worked"""
CARD = """### Double a number
*5 minutes · difficulty 1 of 3 · you need: nothing*

<details><summary>Hint: two</summary>Think of addition.</details>"""
STUB = '''def double(x: float) -> float:
    """Returns twice `x`."""
    ### BEGIN SOLUTION
    return scale * x  # the reference multiplies by scale
    ### END SOLUTION'''
TRY_IT = "picture = [double(n) for n in range(3)]"
VISIBLE = """# The hidden tests use fresh numbers.
assert double(1) == 2, "double(1) should be 2: did you add instead of multiplying?"
### BEGIN HIDDEN TESTS
import os, random
numbers = random.Random(os.environ["COURSE_SEED"])
fresh = numbers.randint(5, 9)
assert double(fresh) == fresh + fresh, f"double({fresh}) is not twice {fresh}: is it only right for 1?"
### END HIDDEN TESTS"""
SECOND = """# The hidden tests add negative numbers.
assert double(0) == 0, "double(0) should be 0: nothing to add"
### BEGIN HIDDEN TESTS
assert double(-2) == -4, "double(-2) should keep the sign"
### END HIDDEN TESTS"""
QUIZ_CARD = """### Quiz 1: What is twice two?
- **A.** Three
- **B.** Four
- **C.** Five"""
QUIZ = 'quiz_1 = ""\n### BEGIN SOLUTION\nquiz_1 = "B"\n### END SOLUTION'
QUIZ_TEST = """### BEGIN HIDDEN TESTS
why = {"A": "Three is two and one.", "C": "Five is two and three."}
letter = quiz_1.strip().upper()
assert letter == "B", why.get(letter, "Answer with one letter.")
### END HIDDEN TESTS"""
TASK = """### Say why
Why does adding a number to itself double it?
=== BEGIN MARK SCHEME ===
Two counts of the same thing (12 points); an example (8 points).
Strong: "x + x is two counts of x, as 3 + 3 is two threes."
Weak: "Because it is so."
=== END MARK SCHEME ==="""

ANSWERS = '''"""Answers to double."""
# %% wrong: adds one -> "not twice"
def double(x): return x + 1
# %% wrong: does nothing -> "add instead"
def double(x): return x
# %% wrong: loses the sign -> "keep the sign"
def double(x): return abs(2 * x)
# %% wrong: only one -> "only right for 1"
def double(x): return 2 if x else 0
# %% right: adds
def double(x): return x + x
# %% right: sums
def double(x): return sum([x, x])
'''


def cell(cell_type: str, id: str, source: str, *, tags: tuple[str, ...] = (), **flags: Any) -> dict[str, Any]:
    """A notebook cell; `flags` are nbgrader's, absent ones false."""
    metadata: dict[str, Any] = {"tags": list(tags)} if tags else {}
    if flags:
        base = {"schema_version": 3, "grade": False, "solution": False, "locked": False, "task": False}
        metadata["nbgrader"] = {**base, "grade_id": id, **flags}
    made = {"cell_type": cell_type, "id": id.replace("_", "-"), "metadata": metadata, "source": source}
    return {**made, "outputs": [], "execution_count": None} if cell_type == "code" else made


def test_cell(id: str, source: str, points: float) -> dict[str, Any]:
    return cell("code", id, source, grade=True, locked=True, points=points)


test_cell.__test__ = False  # type: ignore[attr-defined]


def clean_notebook() -> dict[str, Any]:
    """The lesson that keeps every rule."""
    cells = [
        cell("markdown", "title", TITLE),
        cell("code", "setup", "import math\n\nscale = 2", locked=True),
        cell("markdown", "section", "## Doubling"),
        cell("markdown", "card", CARD),
        cell("code", "double", STUB, solution=True),
        cell("code", "try_it", TRY_IT, locked=True, tags=("demo",)),
        test_cell("double-visible", VISIBLE, 30),
        test_cell("double-second", SECOND, 40),
        cell("markdown", "quiz_card", QUIZ_CARD),
        cell("code", "quiz_1", QUIZ, solution=True),
        test_cell("quiz_1-hidden", QUIZ_TEST, 10),
        cell("markdown", "written_why", TASK, task=True, locked=True, points=20),
        cell(
            "markdown",
            "written_why-answer",
            "Twice means two of it, always.",
            grade=True,
            solution=True,
            points=0,
        ),
    ]
    kernel = {"name": "python3", "display_name": "Python 3", "language": "python"}
    return {"cells": cells, "metadata": {"kernelspec": kernel}, "nbformat": 4, "nbformat_minor": 5}


class Course:
    """A course folder with one lesson, which a test can change before it is written."""

    name = NAME
    make = staticmethod(cell)

    def __init__(self, root: Path) -> None:
        self.root = root
        self.notebook = copy.deepcopy(clean_notebook())
        self.answers = ANSWERS
        self.stub = "raise NotImplementedError  # yours"
        self.folder = root / "source" / NAME

    def cell(self, id: str) -> dict[str, Any]:
        """The cell made with that id (or grade_id)."""
        return next(c for c in self.notebook["cells"] if c["id"] == id.replace("_", "-"))

    def put(self, id: str, source: str) -> None:
        """Replace a cell's source."""
        self.cell(id)["source"] = source

    def swap(self, id: str, old: str, new: str) -> None:
        """Replace a part of a cell's source that must be there."""
        assert old in self.cell(id)["source"], f"the fixture's {id} has no {old!r}"
        self.put(id, self.cell(id)["source"].replace(old, new))

    def insert_after(self, id: str, new: dict[str, Any]) -> None:
        """Add a cell behind another."""
        self.notebook["cells"].insert(self.notebook["cells"].index(self.cell(id)) + 1, new)

    def write(self) -> "Course":
        """Write source, answers and settings to disk."""
        self.folder.mkdir(parents=True, exist_ok=True)
        (self.folder / f"{NAME}.ipynb").write_text(json.dumps(self.notebook), encoding="utf-8")
        (self.root / "nbgrader_config.py").write_text(CONFIG.replace("STUB", self.stub), encoding="utf-8")
        answers = self.root / "tests" / "lessons" / NAME
        answers.mkdir(parents=True, exist_ok=True)
        (answers / "double.py").write_text(self.answers, encoding="utf-8")
        return self


@pytest.fixture
def course(tmp_path: Path) -> Course:
    """The clean lesson, not yet written."""
    return Course(tmp_path)


@pytest.fixture(scope="session")
def wait_until_warm() -> Callable[[Path], None]:
    """`wait_until_warm(path)`: the parent with this socket has answered. What is asked of it makes no sense, and it
    says so.
    """

    def wait(path: Path) -> None:
        with socket.socket(socket.AF_UNIX) as end:
            end.settimeout(180)
            end.connect(str(path))
            end.shutdown(socket.SHUT_WR)
            assert b"error" in end.recv(4096)

    return wait


@pytest.fixture(scope="session")
def warm(wait_until_warm):
    """The socket of a warm parent that is ready; nothing uses it yet."""
    with warm_parent() as path:
        wait_until_warm(path)
        del os.environ[VARIABLE]
        yield path
        os.environ[VARIABLE] = str(path)
