"""Grades hostile notebooks with `nbgrader autograde`, a class at a time, and says what each got and did.

>>> result, = run_alone(attack, klass, Path("/tmp/z"))       # doctest: +SKIP
>>> result.score, result.loot
(8.0, ['hidden in drop'])

A class of many attackers is quick. If something went wrong in it that nobody's marker is on (the run stopped,
a neighbour lost points), each of its attacks is run again in a class of its own.
"""

import csv
import shutil
import socket
import time
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import nbformat

from attacks import evidence
from attacks.course import FULL, NEIGHBOURS, Class, copied
from attacks.hub import Hub
from attacks.kit import Attack, Attempt, marker_of
from attacks.pages import ta_pages

__all__ = ["Result", "batches", "run", "run_alone", "run_together"]

Scores = dict[str, tuple[float | None, list[str]]]


@dataclass
class Result:
    """What one attack got and did; everything but score and seconds is empty if nothing went wrong."""

    attack: str
    score: float | None = None
    """Points in the gradebook; None if it was not graded."""
    waiting: list[str] = field(default_factory=list)
    """Test cells that wait for a person."""
    loot: list[str] = field(default_factory=list)
    page: list[str] = field(default_factory=list)
    """Secrets on its own feedback page."""
    reached: list[str] = field(default_factory=list)
    planted: list[str] = field(default_factory=list)
    active: list[str] = field(default_factory=list)
    left: list[str] = field(default_factory=list)
    neighbours: list[str] = field(default_factory=list)
    aborted: list[str] = field(default_factory=list)
    seconds: float = 0

    def wrongs(self) -> dict[str, list[str]]:
        """What went wrong, the score aside."""
        return {name: value for name, value in asdict(self).items() if isinstance(value, list) and value}

    def clean(self) -> bool:
        return not self.wrongs()


def batches(attacks: list[Attack], size: int = 12) -> list[list[Attack]]:
    """The attacks in classes of at most `size`: those that need other commands or a class of their own apart."""
    groups: dict[Any, list[Attack]] = {}
    for attack in attacks:
        kind = (attack.lesson, attack.by_exchange, attack.pages, attack.name if attack.alone else "")
        groups.setdefault(kind, []).append(attack)
    # Dealt out like cards, so that the slow ones of a theme do not meet in one class.
    count = {kind: -(-len(group) // size) for kind, group in groups.items()}
    return [group[start :: count[kind]] for kind, group in groups.items() for start in range(count[kind])]


def run(attacks: list[Attack], klass: Class, into: Path) -> list[Result]:
    """What came of each attack: run together, and those of a class with trouble alone."""
    results, clear = run_together(attacks, klass, into / "together")
    if clear or len(attacks) == 1:
        return results
    return [run_alone(attack, klass, into) for attack in attacks]


def run_alone(attack: Attack, klass: Class, into: Path) -> Result:
    """What came of an attack in a class of its own."""
    (result,), _ = run_together([attack], klass, into / attack.name)
    return result


def run_together(attacks: list[Attack], klass: Class, into: Path) -> tuple[list[Result], bool]:
    """(what came of each, whether all is somebody's) for attacks in one class."""
    shutil.rmtree(into, ignore_errors=True)
    klass, start = copied(klass, into), time.monotonic()
    with Hub(klass.token("hub")) as hub, evidence.adopted_orphans():
        attempts = [_attempt(attack, klass, hub) for attack in attacks]
        graded = _Graded(klass, attempts)
        results = [graded.result(attempt, hub) for attempt in attempts]
    trouble = graded.settle(results)
    for result in results:
        result.seconds = round((time.monotonic() - start) / len(attacks), 1)
    for attempt in attempts:
        _clean_up(attempt)
    shutil.rmtree(into, ignore_errors=True)
    return results, not trouble


def _attempt(attack: Attack, klass: Class, hub: Hub) -> Attempt:
    release = klass.course / "release" / attack.lesson / f"{attack.lesson}.ipynb"
    attempt = Attempt(
        attack, nbformat.read(release, as_version=4), klass.course, klass.home, klass.drop, hub.url,
        klass.folder / "made" / attack.name, marker_of(attack),
    )  # fmt: skip
    attack.write(attempt)
    return attempt


def _clean_up(attempt: Attempt) -> None:
    for path in map(Path, evidence.outside(attempt.marker)):
        shutil.rmtree(path) if path.is_dir() and not path.is_symlink() else path.unlink(missing_ok=True)


class _Graded:
    """A class that was graded, and what it looks like after."""

    def __init__(self, klass: Class, attempts: list[Attempt]) -> None:
        self.klass, self.attempts = klass, attempts
        self.attack = attempts[0].attack
        self.lesson = self.attack.lesson
        self.aborted: list[str] = []
        self.log = ""
        _introduce(klass, attempts)
        before = set(evidence.psutil.Process().children(recursive=True))
        self.pids = {process.pid for process in before}
        for round_ in range(max(len(attempt.earlier) for attempt in attempts) + 1):
            submit(klass, attempts, round_)
            self.before = evidence.snapshot(klass.course)
            self.grade()
        self.left = evidence.still_running(self.pids, wait=3)
        self.after = evidence.snapshot(klass.course)
        self.scores = _scores(klass, self.lesson)
        self.feedback()
        self.pages = ta_pages(klass, self.lesson) if self.attack.pages else {}
        self.left += evidence.still_running(self.pids, wait=2)

    def grade(self) -> None:
        if self.attack.by_exchange:
            self.command("collect", self.lesson, "--update")
        self.command("autograde", self.lesson)

    def feedback(self) -> None:
        self.command("generate_feedback", self.lesson)
        if self.attack.pages:
            self.command("export")

    def command(self, *words: str) -> None:
        limit = 60 + 45 * len(self.attempts)
        code, said = self.klass.run(*words, seconds=limit)
        self.log += said
        if code is None:
            self.aborted.append(f"{words[0]} did not end in {limit} s")
        elif code:
            self.aborted.append(f"{words[0]} exited with {code}: {_last_line(said)}")

    def result(self, attempt: Attempt, hub: Hub) -> Result:
        """What is this attacker's doing beyond doubt: it has its marker on it."""
        marker, student, course = attempt.marker, attempt.student, self.klass.course
        own = [course / kind / student / self.lesson for kind in ("autograded", "feedback")]
        score, waiting = self.scores.get(student, (None, []))
        result = Result(attempt.attack.name, score, waiting, reached=hub.heard(marker))
        result.left = [line for line in self.left if marker in line]
        result.planted = self.planted(marker, own) + evidence.outside(marker)
        result.loot = self.loot(marker, own[0])
        page = evidence.readable(own[1] / f"{self.lesson}.html")
        result.page = self.secrets(page)
        pages = {"feedback": page, "TA": self.pages.get(student, "")}
        result.active = [f"{part} on the {where} page" for where, text in pages.items() for part in _active(text, marker)]
        if any("\x1b" in line and marker in line for line in self.log.splitlines()):
            result.active.append("ESC in the terminal")
        result.active += _formulas(course / "grades.csv", attempt)
        return result

    def planted(self, marker: str, own: list[Path]) -> list[str]:
        """Files with the marker that are neither the submission nor made from it."""
        mine = (*own, self.klass.course / ".exchange", self.klass.course / ".grading", self.klass.folder / "made")
        mine = (*mine, self.klass.course / "submitted" / own[0].parent.name)
        found = [p for place in ("course", "home", "drop") for p in evidence.marked_files(self.klass.folder / place, marker)]
        files = [Path(p) for p in found if Path(p).name not in ("gradebook.db", "gradebook.db-journal", "grades.csv")]
        ours = [p for p in files if not any(p.is_relative_to(place) for place in mine)]
        return [str(p.relative_to(self.klass.folder)) for p in ours if own[0].parent.name != p.name]

    def loot(self, marker: str, graded: Path) -> list[str]:
        """Secrets where the attacker could fetch them."""
        places = {str(p): evidence.readable(Path(p)) for p in evidence.marked_files(self.klass.drop, marker)}
        places |= {p: evidence.readable(Path(p)) for p in evidence.outside(marker)}
        texts = {"drop": "".join(places.values())}
        notebook = graded / f"{self.lesson}.ipynb"
        texts["outputs"] = evidence.outputs_of(notebook)
        beside = [p for p in graded.rglob("*") if p != notebook]
        texts["own folder"] = "".join(map(evidence.readable, beside))
        return [f"{kind} in {place}" for place, text in texts.items() for kind in self.secrets(text)]

    def secrets(self, text: str) -> list[str]:
        return [kind for token, kind in self.klass.loot.items() if token in text]

    def settle(self, results: list[Result]) -> bool:
        """Whether anything happened that is not one attacker's; then all have it in their results."""
        neighbours = [f"{name} has {got[0]}" for name in NEIGHBOURS if (got := self.scores.get(name, (None, []))) != (FULL, [])]
        pages = [self.klass.course / "feedback" / name / self.lesson for name in NEIGHBOURS]
        neighbours += [f"no feedback for {p.parent.name}" for p in pages if not (p / f"{self.lesson}.html").is_file()]
        students = {attempt.student for attempt in self.attempts} | set(NEIGHBOURS)
        touched = [p for p in evidence.changed(self.before, self.after) if not _expected(p, students)]
        known = {path.split("/", 1)[-1] for result in results for path in result.planted}
        lost = [f"{path} changed" for path in touched if path not in known]
        strays = [line for line in self.left if not any(line in result.left for result in results)]
        for result in results:
            result.neighbours += neighbours
            result.aborted += self.aborted
            result.planted += lost
            result.left += strays
        return bool(neighbours or self.aborted or lost or strays)


def submit(klass: Class, attempts: list[Attempt], round_: int) -> None:
    """Nothing: the attackers' submissions of that round are where nbgrader looks for them."""
    last = max(len(attempt.earlier) for attempt in attempts)
    for attempt in attempts:
        now = (attempt.notebook, attempt.bare)
        mine = [*attempt.earlier, *[now] * (last + 1 - len(attempt.earlier))]
        notebook, bare = attempt.notebook, attempt.bare
        attempt.notebook, attempt.bare = mine[round_]
        attempt.save()
        attempt.notebook, attempt.bare = notebook, bare
        stamp = f"2030-01-0{round_ + 2} 12:00:00.000000 UTC"
        if round_ == last and attempt.timestamp:
            stamp = attempt.timestamp
        (attempt.folder / "timestamp.txt").write_text(stamp)
        _hand_in(klass, attempt)


def _hand_in(klass: Class, attempt: Attempt) -> None:
    if attempt.attack.by_exchange:
        for path in [attempt.folder, *attempt.folder.rglob("*")]:
            shutil.os.chown(path, 12345, 12345, follow_symlinks=False)
        inbound = klass.course / ".exchange" / "agai302" / "inbound"
        stamp = attempt.timestamp or "2030-01-02 12:00:00 UTC"
        target = inbound / f"{attempt.student}+{attempt.lesson}+{stamp}+abc"
    else:
        target = klass.course / "submitted" / attempt.student / attempt.lesson
    shutil.rmtree(target, ignore_errors=True)
    target.parent.mkdir(parents=True, exist_ok=True)
    attempt.folder.rename(target) if not attempt.earlier else shutil.copytree(attempt.folder, target, symlinks=True)
