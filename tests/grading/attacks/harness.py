"""Grades hostile notebooks with `nbgrader autograde`, a class at a time, and says what each got and did.

>>> result, = run([attack], klass, Path("/tmp/z"))           # doctest: +SKIP
>>> result.score, result.loot                                # doctest: +SKIP
(8.0, ['hidden in drop'])

A class of many attackers is quick. If something went wrong in it that nobody's marker is on (the run stopped,
a neighbour lost points), each of its attacks is run again in a class of its own.
"""

import shutil
import time
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import nbformat

from attacks import evidence
from attacks.course import Class, copied
from attacks.hub import Hub
from attacks.kit import Attack, Attempt, marker_of
from attacks.session import Session

__all__ = ["Result", "attempt_of", "batches", "run"]


@dataclass
class Result:
    """What one attack got and did. Each list is empty if nothing went wrong."""

    attack: str
    score: float | None = None
    """Points in the gradebook; None if it was not graded in full."""
    waiting: list[str] = field(default_factory=list)
    """Test cells that wait for a person."""
    loot: list[str] = field(default_factory=list)
    """Secrets that it got hold of, and where."""
    page: list[str] = field(default_factory=list)
    """Secrets on its own feedback page."""
    reached: list[str] = field(default_factory=list)
    """Sockets over which it got out."""
    planted: list[str] = field(default_factory=list)
    """Files that it left or changed."""
    active: list[str] = field(default_factory=list)
    """What of it would run in pages, terminals and spreadsheets."""
    left: list[str] = field(default_factory=list)
    """Processes that were still there."""
    neighbours: list[str] = field(default_factory=list)
    """What the honest neighbours lost."""
    aborted: list[str] = field(default_factory=list)
    """Commands that failed or did not end."""
    seconds: float = 0

    def wrongs(self) -> dict[str, list[str]]:
        """What went wrong, the score aside."""
        return {name: value for name, value in asdict(self).items() if isinstance(value, list) and value}


def batches(attacks: list[Attack], size: int = 12) -> list[list[Attack]]:
    """The attacks in classes of at most `size`; those that need other commands apart."""
    groups: dict[Any, list[Attack]] = {}
    for attack in attacks:
        kind = (attack.lesson, attack.by_exchange, attack.pages)
        groups.setdefault(kind, []).append(attack)
    # Dealt out like cards, so that the slow ones of a theme do not meet in one class.
    counts = {kind: -(-len(group) // size) for kind, group in groups.items()}
    return [group[start :: counts[kind]] for kind, group in groups.items() for start in range(counts[kind])]


def run(attacks: list[Attack], klass: Class, into: Path) -> list[Result]:
    """What came of each attack: run together, and again alone if that class had trouble that nobody owns."""
    results, trouble = _run_together(attacks, klass, into / "class")
    if trouble and len(attacks) > 1:
        results = [_run_together([attack], klass, into / "class")[0][0] for attack in attacks]
    return results


def _run_together(attacks: list[Attack], klass: Class, folder: Path) -> tuple[list[Result], bool]:
    """(what came of each, whether there was trouble that nobody owns) for attacks in one class."""
    shutil.rmtree(folder, ignore_errors=True)
    klass, start = copied(klass, folder), time.monotonic()
    with Hub(klass.token("hub")) as hub, evidence.adopted_orphans():
        attempts = [attempt_of(attack, klass, hub) for attack in attacks]
        session = Session(klass, attempts)
        results = [_result(session, attempt, hub) for attempt in attempts]
    neighbours, strays = session.neighbours(), session.strays()
    for attempt, result in zip(attempts, results, strict=True):
        result.neighbours, result.planted = neighbours, result.planted + strays
        result.aborted = session.aborted
        result.seconds = round((time.monotonic() - start) / len(attacks), 1)
        _clean_up(attempt)
    shutil.rmtree(folder, ignore_errors=True)
    return results, bool(neighbours or strays or session.aborted)


def attempt_of(attack: Attack, klass: Class, hub: Hub) -> Attempt:
    """The submission of an attack, as its author left it."""
    fetched = nbformat.read(klass.course / "release" / attack.lesson / f"{attack.lesson}.ipynb", as_version=4)
    made = klass.folder / "made" / attack.name
    attempt = Attempt(attack, fetched, klass.course, klass.home, klass.drop, hub.url, made, marker_of(attack))
    attack.write(attempt)
    attempt.save(attempt.timestamp)
    return attempt


def _result(session: Session, attempt: Attempt, hub: Hub) -> Result:
    score, waiting = session.scores.get(attempt.student, (None, []))
    return Result(
        attempt.attack.name,
        score,
        waiting,
        loot=session.loot_of(attempt),
        page=session.on_page_of(attempt),
        reached=hub.heard(attempt.marker),
        planted=session.planted_by(attempt),
        active=session.active_by(attempt),
        left=session.left_by(attempt),
    )


def _clean_up(attempt: Attempt) -> None:
    """Nothing: what the attack left outside its class is gone."""
    for path in evidence.outside(attempt.marker):
        shutil.rmtree(path) if path.is_dir() and not path.is_symlink() else path.unlink(missing_ok=True)
