"""A lesson read from its source notebook: cells with a kind, exercises, and what students get to see.

**Where things are.** A lesson is `source/NN-name/NN-name.ipynb`; its release `release/NN-name/NN-name.ipynb`;
its answers `tests/lessons/NN-name/<exercise>.py`. In `source/NN-name/` lies only that notebook (and
`figures/*.png|svg` where it needs them). On the command line a lesson goes by its full name or by its number
("02").

**Kinds of cells** (nbgrader metadata, schema 3; "flags" are the ones that are true):

| kind | type | flags | what it is |
|---|---|---|---|
| prose | markdown | no nbgrader metadata | text, exercise cards |
| setup | code | locked | imports, models, data: runs on both sides |
| demo | code | locked, and the tag `demo` | figures, sweeps, widgets, try-it cells: skipped when grading |
| solution | code | solution | `grade_id` is the exercise's id, a Python name such as `attention_pattern` |
| test | code | grade, locked, points | `grade_id` is `<exercise>-visible`, …; follows its solution |
| task | markdown | task, locked, points | `written_…` |
| answer | markdown | no nbgrader metadata, tag `answer` | id `written_…-answer`; follows its task |

(nbgrader's validator refuses a markdown cell that is solution and not grade. So an answer is either a free
cell, which ships as it is, or has grade and solution true and 0 points; then nbgrader puts its stub in the
place of the text.) Any other code cell is untagged, and `course check` says so.

**Exercises.** The graded names of an exercise are the names its solution cell binds (`def`, `class`,
assignment, with the solution in); one of them is the exercise's id. Its card is the nearest markdown cell
before the stub that starts with `### `, and holds a line such as `*15 minutes · difficulty 2 of 3 · you need:
lesson 01*`. At most two `<details>` hints, each with a `<summary>`; never a folded solution. Quiz exercises
have ids `quiz_1`, `quiz_2`, …: as released the cell assigns `""` or `...`, with the solution in one letter,
and the card `### Quiz 1: …` lists choices as `- **A.** …`.

**Regions.** `### BEGIN SOLUTION` … `### END SOLUTION`, `### BEGIN HIDDEN TESTS` … `### END HIDDEN TESTS` and
`=== BEGIN MARK SCHEME ===` … `=== END MARK SCHEME ===`; nbgrader strips them from the release and puts the
course's stub (`ClearSolutions.code_stub`) where a solution was.
"""

import ast
import json
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from course_utils.errors import LessonError
from course_utils.grading.lesson_cell import Cell
from course_utils.grading.lesson_source import parses, top_level_names
from course_utils.grading.release import SETTINGS, load_settings

__all__ = [
    "Cell",
    "Exercise",
    "Lesson",
    "LessonError",
    "UnknownLesson",
    "find_lessons",
    "lesson_names",
    "load_lesson",
    "named",
]

LESSON_NAME = re.compile(r"\d\d-[a-z0-9]+(-[a-z0-9]+)*")


class UnknownLesson(LessonError):
    """No lesson goes by that name or number; the message lists those that exist."""


@dataclass(frozen=True)
class Exercise:
    """A solution cell with its card, its tests and what lies between."""

    id: str
    solution: Cell
    tests: tuple[Cell, ...]
    card: Cell | None
    follow: tuple[Cell, ...]
    """Every cell after the stub up to the exercise's last test, tests included."""

    @property
    def is_quiz(self) -> bool:
        return re.fullmatch(r"quiz_\d+", self.id) is not None

    @property
    def points(self) -> float:
        return sum(cell.points for cell in self.tests)

    @cached_property
    def graded_names(self) -> tuple[str, ...]:
        return top_level_names(self.solution.source)

    @cached_property
    def choices(self) -> tuple[str, ...]:
        """Letters of the choices that a quiz card lists as `- **A.** …`."""
        return tuple(re.findall(r"(?m)^[-*] \*\*([A-Z])\.\*\*", self.card.source)) if self.card else ()

    @cached_property
    def letter(self) -> str | None:
        """The right letter of a quiz: the last plain string that the solution assigns to its id."""
        letter = None
        for node in ast.walk(ast.parse(self.solution.source if parses(self.solution.source) else "")):
            target = node.targets[0] if isinstance(node, ast.Assign) else None
            value = node.value if isinstance(node, ast.Assign) else None
            if isinstance(target, ast.Name) and target.id == self.id and isinstance(value, ast.Constant):
                letter = value.value
        return letter if isinstance(letter, str) else None


@dataclass(frozen=True)
class Lesson:
    """A source notebook and where its other halves lie."""

    root: Path
    name: str
    notebook: dict[str, Any]
    cells: tuple[Cell, ...]

    @property
    def source_dir(self) -> Path:
        return self.root / "source" / self.name

    @property
    def release_dir(self) -> Path:
        return self.root / "release" / self.name

    @property
    def answers_dir(self) -> Path:
        return self.root / "tests" / "lessons" / self.name

    def of_kind(self, *kinds: str) -> list[Cell]:
        """Its cells of these kinds, in order."""
        return [cell for cell in self.cells if cell.kind in kinds]

    @cached_property
    def exercises(self) -> tuple[Exercise, ...]:
        """One for each solution cell, in order."""
        return tuple(self._exercise(cell) for cell in self.of_kind("solution"))

    def exercise_of(self, cell: Cell) -> str | None:
        """The id of the exercise that a test belongs to: the longest that its grade_id continues with `-`."""
        ids = [c.grade_id for c in self.of_kind("solution") if cell.grade_id.startswith(f"{c.grade_id}-")]
        return max(ids, key=len, default=None)

    def _exercise(self, solution: Cell) -> Exercise:
        tests = tuple(c for c in self.of_kind("test") if self.exercise_of(c) == solution.grade_id)
        last = max((c.index for c in tests), default=solution.index)
        card = None
        for cell in reversed(self.cells[: solution.index]):
            if cell.kind in ("solution", "test", "task"):
                break
            if cell.cell_type == "markdown" and cell.source.startswith("### "):
                card = cell
                break
        follow = tuple(c for c in self.cells[solution.index + 1 : last + 1] if c in tests or c.kind != "test")
        return Exercise(solution.grade_id, solution, tests, card, follow)


def lesson_names(root: Path) -> list[str]:
    """Names of the lessons under `root/source`, in order."""
    source = Path(root) / "source"
    return sorted(p.name for p in source.glob("*/") if p.is_dir() and LESSON_NAME.fullmatch(p.name))


def named(asked: str, known: Iterable[str]) -> list[str]:
    """Those of the known names that are meant by a full name or a number.

    >>> named("2", ["01-behaviour", "02-attention"])
    ['02-attention']
    """
    return [name for name in known if name == asked or name.split("-")[0] == asked.zfill(2)]


def find_lessons(root: Path, names: Sequence[str] = ()) -> list[Path]:
    """The source folders of the lessons asked for by name or number; of all lessons if none is.

        [folder.name for folder in find_lessons(Path("."), ["02"])]

    Raises `UnknownLesson` for a name that is none of them.
    """
    known = lesson_names(root)
    chosen = []
    for name in names:
        hits = named(name, known)
        if len(hits) != 1:
            problem = "fits more than one lesson" if hits else "is no lesson"
            there = ", ".join(known) or "none yet"
            raise UnknownLesson(f"{name!r} {problem} of this course; there are: {there}.")
        chosen += hits
    return [Path(root) / "source" / name for name in dict.fromkeys(chosen if names else known)]


def load_lesson(root: Path, name: str) -> Lesson:
    """The lesson of that full name, read from `root/source`.

        lesson = load_lesson(Path("."), "02-attention-and-induction")
        [exercise.id for exercise in lesson.exercises]

    Raises `LessonError` if there is no notebook or it is no notebook's JSON.
    """
    path = Path(root) / "source" / name / f"{name}.ipynb"
    try:
        notebook = json.loads(path.read_text(encoding="utf-8"))
        stubs = _stubs(Path(root))
        cells = [_read_cell(i, raw, stubs) for i, raw in enumerate(notebook["cells"])]
    except FileNotFoundError:
        raise LessonError(
            f"source/{name}/{name}.ipynb does not exist; a lesson's notebook has its folder's name."
        ) from None
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise LessonError(
            f"source/{name}/{name}.ipynb is not a notebook: {type(error).__name__}: {error}."
        ) from None
    return Lesson(Path(root), name, notebook, tuple(cells))


def _stubs(root: Path) -> dict[str, str]:
    """What the course's nbgrader settings put in the place of solutions; empty where they say nothing."""
    if not (root / SETTINGS).is_file():
        return {}
    settings = load_settings(root).ClearSolutions
    code = settings.get("code_stub", {}).get("python")
    text = settings.get("text_stub")
    return {name: stub for name, stub in (("code_stub", code), ("text_stub", text)) if isinstance(stub, str)}


def _read_cell(index: int, raw: dict[str, Any], stubs: dict[str, str]) -> Cell:
    source = raw["source"] if isinstance(raw["source"], str) else "".join(raw["source"])
    return Cell(index, raw.get("id", ""), raw["cell_type"], source, raw.get("metadata", {}), **stubs)
