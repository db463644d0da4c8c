"""Grades a large class of which one in twenty is hostile, and says whether anybody got what alone they would not get.

    python tests/grading/crowd.py --submissions 500 --json crowd.json --picture docs/pictures/crowd-memory.svg

The hostile ones are drawn from the attack suite, each at most once. The honest ones have each exercise right or wrong,
and a marker of their own, so that none is looked up. `course autograde` grades the class; then one of each kind is
graded by itself with `nbgrader autograde`, in a class of its own. The picture shows the memory of the processes.

>>> report = crowd(submissions=40, seed=1, folder=Path("/tmp/x"), say=print)             # doctest: +SKIP
>>> report.faults
[]
"""

import argparse
import json
import random
import statistics
import sys
import tempfile
from collections.abc import Callable, Iterable
from dataclasses import asdict, dataclass, field
from itertools import islice
from pathlib import Path
from typing import Any

from attacks import every_attack, evidence
from attacks.course import copied, prepared
from attacks.harness import attempt_of, run
from attacks.hub import Hub
from attacks.kit import EXERCISES, PLAIN, Attack, Attempt
from attacks.session import Session
from rich.progress import track

from course_utils._drawing import COLOURS, canvas
from course_utils.bench.meter import SANDBOXED, Cost, measure

__all__ = ["Crowd", "Report", "crowd", "growth"]

HOSTILE = 20
"""One submission in so many."""
HONEST = "honest"
WRONG = {"double": "return x + 1", "mean": "return sum(numbers)", "vowels": "return word.count('a')"}
GROWTH = 1.1
"""Memory is flat if at the end it is at most so many times what it was when a fifth was graded."""


@dataclass
class Report:
    """What came of the class."""

    submissions: int
    hostile: list[str] = field(default_factory=list)
    kinds: dict[str, float | None] = field(default_factory=dict)
    """What one of each kind gets when it is graded by itself."""
    seconds: float = 0
    growth: dict[str, float] = field(default_factory=dict)
    """Of the processes that live as long as the run: memory near its end, as a multiple of that at its fifth."""
    memory: list[tuple[float, dict[str, float]]] = field(default_factory=list)
    faults: list[str] = field(default_factory=list)


class Crowd(Session):
    """A class that `course autograde` grades while its memory is watched."""

    cost: Cost

    def _grade(self) -> None:
        words = [sys.executable, "-m", "course_utils.cli", "autograde", self.lesson]
        self.cost = measure(words, self.klass.course, self.klass.environment())

    def suspects(self) -> list[Attempt]:
        return [attempt for attempt in self.attempts if attempt.attack.theme != HONEST]


def crowd(submissions: int, seed: int, folder: Path, say: Callable[[str], None]) -> Report:
    """Grades such a class in that folder, and each kind of submission by itself."""
    rng = random.Random(seed)
    klass = prepared(folder / "class", stock=False)
    hostile = list(islice(_hostile(rng), submissions // HOSTILE))
    members = hostile + [_honest(number, rng) for number in range(submissions - len(hostile))]
    rng.shuffle(members)
    report = Report(submissions, [attack.name for attack in hostile])

    say(f"{submissions} submissions, {len(hostile)} of them hostile, are graded together …")
    with Hub(klass.token("hub")) as hub, evidence.adopted_orphans():
        together = copied(klass, folder / "together")
        attempts = [attempt_of(member, together, hub) for member in members]
        session = Crowd(together, attempts)
        reached = [line for attempt in session.suspects() for line in hub.heard(attempt.marker)]
    report.seconds, report.memory = session.cost.wall_s, session.cost.history
    report.growth = growth(session.cost.history)
    report.faults += _harm(session, reached)

    one_of = {member.says: member for member in members}
    say(f"… in {report.seconds:.0f} s. One of each of {len(one_of)} kinds is graded by itself …")
    for kind, member in track(one_of.items(), "kinds", transient=True):
        (alone,) = run([member], klass, folder / "alone")
        report.kinds[kind] = alone.score
    for member in members:
        score, _ = session.scores.get(member.student, (None, []))
        right = member.is_right(score) if member.at_most else score == report.kinds[member.says]
        if not right:
            report.faults.append(f"{member.student} got {score}, alone {report.kinds[member.says]}")
    return report


def growth(history: Iterable[tuple[float, dict[str, float]]]) -> dict[str, float]:
    """Median memory in the last tenth but one of the looks over that in the third tenth, by role."""
    looks = list(history)
    tenth = max(1, len(looks) // 10)
    roles = {role for _, memory in looks for role in memory} - {*SANDBOXED, "walls", "other"}
    grown = {}
    for role in sorted(roles):
        early, late = (
            [memory[role] for _, memory in part if role in memory]
            for part in (looks[2 * tenth : 3 * tenth], looks[-2 * tenth : -tenth])
        )
        if early and late:
            grown[role] = round(statistics.median(late) / statistics.median(early), 3)
    return grown


def _hostile(rng: random.Random) -> Iterable[Attack]:
    """Attacks that consist of one notebook, in any order."""
    every = [
        attack for attack in every_attack()
        if attack.lesson == PLAIN and attack.theme != "forge" and not (attack.by_exchange or attack.limit)
    ]  # fmt: skip
    return rng.sample(every, len(every))


def _honest(number: int, rng: random.Random) -> Attack:
    wrong = [name for name in EXERCISES[PLAIN] if rng.random() < 0.4]

    def write(it: Attempt) -> None:
        it.right()
        for name in wrong:
            head = it.find(name).source.split("\n")[0]
            it.solution(name, f"{head}\n    {WRONG[name]}")

    says = f"wrong: {', '.join(wrong) or 'none'}"
    return Attack(f"honest-{number:04}", HONEST, says, write, student=f"h{number:04}")


def _harm(session: Session, reached: list[str]) -> list[str]:
    """What was done to others, to the machine and to the course, in a sentence each."""
    lines = [*session.aborted, *session.neighbours(), *session.strays(), *reached]
    for attempt in session.suspects():
        for what in (
            session.loot_of,
            session.on_page_of,
            session.planted_by,
            session.active_by,
            session.left_by,
        ):
            lines += [f"{attempt.student}: {line}" for line in what(attempt)]
    return lines


def draw(report: Report, path: Path) -> None:
    """Nothing: the memory of the grader's processes while it grades, as a picture."""
    title = f"Memory while {report.submissions} submissions are graded, {len(report.hostile)} of them hostile"
    figure, axes = canvas(title, 8, 3)
    times = [at / 60 for at, _ in report.memory]
    for number, role in enumerate(report.growth):
        axes.plot(
            times, [memory.get(role, 0.0) for _, memory in report.memory], color=COLOURS[number], label=role
        )
    axes.set(xlabel="minutes since the start", ylabel="MiB, with shared pages", ylim=(0, None))
    axes.legend(frameon=False, loc="upper left", bbox_to_anchor=(1, 1))
    figure.savefig(path, metadata={"Date": None})


def main() -> None:
    """Runs it from the command line; the exit status is 1 if there was a fault."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--submissions", type=int, default=500, help="how many are handed in (default 500)")
    parser.add_argument("--seed", type=int, default=1, help="of who hands in what (default 1)")
    parser.add_argument("--json", type=Path, metavar="FILE", help="also write the report there")
    parser.add_argument("--picture", type=Path, metavar="FILE", help="draw the memory there, as SVG or PNG")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="crowd-") as folder:
        report = crowd(options.submissions, options.seed, Path(folder), say=print)
    report.faults += [
        f"{role} grew {times:.2f} times" for role, times in report.growth.items() if times > GROWTH
    ]
    if options.picture:
        draw(report, options.picture)
    facts: dict[str, Any] = asdict(report)
    if options.json:
        options.json.write_text(json.dumps(facts, indent=1) + "\n")
    print(f"memory near the end, as a multiple of that at a fifth: {report.growth}")
    for fault in report.faults:
        print(f"FAULT: {fault}")
    print(f"{len(report.faults)} faults")
    sys.exit(bool(report.faults))


if __name__ == "__main__":
    main()
