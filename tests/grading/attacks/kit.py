"""What an attack is written with: a decorator that says what it must earn, and the submission that it makes.

>>> attacks, attack = collection("spoof")
>>> @attack("sys.displayhook('x') in the student's own function", earns=0)
... def displayhook(it):
...     it.solution("double", "def double(x):\n    import sys; sys.displayhook('x')")
>>> attacks[0].student
'm-spoof-displayhook'
"""

import copy
import os
import secrets
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from textwrap import indent
from typing import Any

import nbformat
from nbformat.v4 import new_code_cell, new_markdown_cell, new_raw_cell

__all__ = ["EXERCISES", "PLAIN", "RIGHT", "TENSORS", "Attack", "Attempt", "Write", "collection", "marker_of"]

PLAIN, TENSORS = "01-plain", "02-tensors"
EXERCISES = {PLAIN: ("double", "mean", "vowels"), TENSORS: ("scaled",)}
RIGHT = {
    "double": "def double(x):\n    return x + x",
    "mean": "def mean(numbers):\n    return sum(numbers) / len(numbers)",
    "vowels": "def vowels(word):\n    return sum(letter in 'aeiou' for letter in word.lower())",
    "scaled": "def scaled(t):\n    return t * 2",
}

# Stands first in every hostile notebook: where the class is (an attacker may know), and how loot is taken away.
PRELUDE = """
import os, sys
COURSE, HOME, DROP, HUB, MARK, ME, LESSON = {places!r}
def keep(*found):
    text = MARK + " found " + repr(found)
    print(text[:300_000])
    try:
        with open(DROP + "/" + MARK + ".txt", "a") as file:
            file.write(text)
    except OSError:
        pass
"""


@dataclass(frozen=True)
class Attack:
    """One idea: how its submission is made, and what that must earn."""

    name: str
    theme: str
    says: str
    write: "Write"
    earns: float | None = 0
    """Points that the values returned by its functions honestly earn, out of 8; None if it must not be graded."""
    limit: str = ""
    """Why our grader cannot stop it, as docs/security.md says; empty for all that it must stop."""
    at_most: bool = False
    """Whether timing decides, so that anything up to `earns` will do."""
    lesson: str = PLAIN
    student: str = ""
    """The name of its folder in `submitted/`."""
    stock: bool = True
    """Whether it may run in stock nbgrader without harming the machine."""
    by_exchange: bool = False
    """Whether it is handed in through the exchange and collected."""
    pages: bool = False
    """Whether the TA's page and the exported grades are looked at too."""

    def is_right(self, score: float | None) -> bool:
        """Whether that is what it must get."""
        if self.at_most:
            return score is not None and self.earns is not None and score <= self.earns
        return score == self.earns


Write = Callable[["Attempt"], None]


def collection(theme: str) -> tuple[list[Attack], Callable[..., Callable[[Write], Write]]]:
    """(the attacks of a module, the decorator that adds to them)."""
    attacks: list[Attack] = []

    def attack(says: str, **facts: Any) -> Callable[[Write], Write]:
        def add(write: Write) -> Write:
            name = f"{theme}-{write.__name__.replace('_', '-')}"
            facts.setdefault("student", f"m-{name}")
            attacks.append(Attack(name, theme, says, write, **facts))
            return write

        return add

    return attacks, attack


def marker_of(attack: Attack) -> str:
    """A text that only this attack writes, so that whatever carries it is this attack's doing."""
    return f"mark-{attack.name}-{secrets.token_hex(3)}"


@dataclass
class Attempt:
    """A submission in the making, and what its author knows of the class."""

    attack: Attack
    fetched: Any
    course: Path
    home: Path
    drop: Path
    hub: str
    folder: Path
    """Where the submission is put together."""
    marker: str
    first_name: str = "Mallory"
    claims: str = ""
    """Whose submission it says it is, if it is handed in through the exchange."""
    timestamp: str = "2030-01-02 12:00:00.000000 UTC"
    rounds: list[Path] = field(default_factory=list)
    """The folders that were submitted, and graded, before this one."""
    bare: bytes | None = None

    def __post_init__(self) -> None:
        self.start_again()

    @property
    def student(self) -> str:
        return self.attack.student

    @property
    def lesson(self) -> str:
        return self.attack.lesson

    def start_again(self) -> None:
        """Nothing: the folder is empty, the notebook as fetched with the prelude."""
        self.folder.mkdir(parents=True)
        self.bare, self.notebook = None, copy.deepcopy(self.fetched)
        places = (*map(str, (self.course, self.home, self.drop)), self.hub, self.marker)
        self.cell(PRELUDE.format(places=(*places, self.student, self.lesson)), at=0)

    def solution(self, name: str, source: str) -> None:
        """Nothing: the student's cell of that exercise has that source."""
        self.find(name).source = source.strip("\n")

    def everywhere(self, lines: str, result: str = "return 0") -> None:
        """Nothing: all functions of the lesson begin with these lines and end with that one."""
        body = indent("\n".join([lines.strip("\n"), result]), "    ")
        for name in EXERCISES[self.lesson]:
            self.solution(name, f"def {name}(x):\n{body}")

    def right(self, first: str = "") -> None:
        """Nothing: all functions are right; each begins with these lines."""
        for name, answer in RIGHT.items():
            if name in EXERCISES[self.lesson]:
                head, body = answer.split("\n")
                lines = indent(first.strip("\n"), "    ") + "\n" if first else ""
                self.solution(name, f"{head}\n{lines}{body}")

    def find(self, grade_id: str) -> Any:
        """The cell with that nbgrader name."""
        cells = self.notebook.cells
        return next(c for c in cells if c.metadata.get("nbgrader", {}).get("grade_id") == grade_id)

    def tests(self) -> list[Any]:
        """The test cells."""
        return [c for c in self.notebook.cells if c.metadata.get("nbgrader", {}).get("grade")]

    def cell(self, source: str, at: int | str | None = None, kind: str = "code") -> Any:
        """A new free cell: at that place, before the cell of that name, or (None) before the first solution."""
        new = {"code": new_code_cell, "markdown": new_markdown_cell, "raw": new_raw_cell}[kind](
            source.strip("\n")
        )
        if not isinstance(at, int):
            named = [c.metadata.get("nbgrader", {}).get("grade_id") for c in self.notebook.cells]
            solved = [c.metadata.get("nbgrader", {}).get("solution", False) for c in self.notebook.cells]
            at = named.index(at) if at else solved.index(True)
        self.notebook.cells.insert(at, new)
        return new

    def remove(self, *grade_ids: str) -> None:
        """Nothing: the notebook has no cells of these names."""
        for grade_id in grade_ids:
            self.notebook.cells.remove(self.find(grade_id))

    def file(self, name: str, data: bytes | str) -> Path:
        """A file that is submitted beside the notebook."""
        path = self.folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data.encode() if isinstance(data, str) else data)
        return path

    def link(self, name: str, target: Path | str) -> None:
        """Nothing: a symbolic link is submitted beside (or instead of) the notebook."""
        if name == f"{self.lesson}.ipynb":
            self.bare = b""
        os.symlink(target, self.folder / name)

    def raw(self, data: bytes) -> None:
        """Nothing: these bytes are submitted as the notebook; b"" for no notebook at all."""
        self.bare = data

    def text(self) -> str:
        """The notebook as JSON."""
        return nbformat.v4.writes(self.notebook)

    def submitted_before(self) -> None:
        """Nothing: what there is so far is submitted and graded a day earlier; then the attack starts again."""
        self.save("2030-01-01 12:00:00.000000 UTC")
        self.rounds.append(self.folder.rename(f"{self.folder}-{len(self.rounds)}"))
        self.start_again()

    def save(self, timestamp: str) -> None:
        """Nothing: notebook and timestamp lie in the folder."""
        path = self.folder / f"{self.lesson}.ipynb"
        if self.bare is None:
            path.write_text(self.text(), encoding="utf-8", errors="surrogatepass")
        elif self.bare:
            path.write_bytes(self.bare)
        self.file("timestamp.txt", timestamp)
