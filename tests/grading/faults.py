"""Kills processes of a running grader at random moments, and says what came of it.

    python tests/grading/faults.py --kills 100 --seed 1

A run grades a class of six with two processes. Now and then something of it is killed: the student's kernel, the
worker beside it, a sandbox, the examiner, one of the two processes, or at last the run itself, which coordinates.
With `--elsewhere` the processes are a Dask cluster's, and its scheduler is killed, too; what ended is started again.
Then `nbgrader autograde` completes what is left. Every rule that was broken is a fault; with none the exit status
is 0.

>>> report = Report()
>>> Round(1, klass, folder, random.Random(1), report).play(["kernel", "coordinator"])      # doctest: +SKIP
>>> report.faults
[]
"""

import argparse
import contextlib
import json
import os
import random
import re
import shutil
import signal
import socket
import sqlite3
import subprocess
import sys
import tempfile
import time
import warnings
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import nbformat
import psutil
from rich.console import Console
from rich.table import Table
from small import LESSON, small_course

from course_utils.grading import many
from course_utils.grading.cluster import Cluster, examine_all
from course_utils.grading.demo_class import api_for
from course_utils.grading.parcel import Parcel

__all__ = ["CLASS", "VICTIMS", "Kill", "Report", "Round", "make_class", "scores", "second_run"]

VICTIMS = ("kernel", "worker", "sandbox", "examiner", "process", "run")
ELSEWHERE = ("process", "scheduler", "run")
LIMIT_S, QUIET_S = 180, 10
Scores = tuple[float | None, ...] | None
TESTS = ("double-visible", "double-hidden", "root-visible", "root-hidden")
SOLVED = {"double": "def double(x):\n    return 2 * x", "root": "def root(x):\n    return x**0.5"}
NOTHING, FULL = (0.0, 0.0, 0.0, 0.0), (1.0, 2.0, 1.0, 2.0)
CLASS: dict[str, tuple[dict[str, str] | None, tuple[float, ...]]] = {
    "adds": ({"double": "def double(x):\n    return x + x"}, FULL),
    "forgets": ({"double": "def double(x):\n    return 2 * abs(x)"}, (1.0, 0.0, 1.0, 2.0)),
    "halves": ({"root": "def root(x):\n    return x / 2"}, (1.0, 2.0, 1.0, 0.0)),
    "leaves": ({"root": "import os\ndef root(x):\n    os._exit(1)"}, (1.0, 2.0, 0.0, 0.0)),
    "returns": ({}, FULL),
    "waits": (None, NOTHING),
}
"""What each student hands in, and the right scores. `returns` has been graded before, with nothing right."""
RESUBMITTED, LEAVES = "returns", "leaves"


@dataclass
class Kill:
    """What was killed, when, and what came of the submission that it was about."""

    run: int
    victim: str
    student: str
    at: float
    moment: str
    outcome: str = ""


@dataclass
class Report:
    """All kills, and each broken rule in a sentence."""

    kills: list[Kill] = field(default_factory=list)
    faults: list[str] = field(default_factory=list)

    def print(self, console: Console) -> None:
        """Nothing: shows what was killed, what came of it, and the faults."""
        table = Table("run", "killed", "of", "at (s)", "while", "outcome", title=f"{len(self.kills)} kills")
        for kill in self.kills:
            table.add_row(
                str(kill.run), kill.victim, kill.student, f"{kill.at:.2f}", kill.moment, kill.outcome
            )
        console.print(table)
        counts = Counter((kill.victim, kill.outcome.partition(":")[0]) for kill in self.kills)
        for (victim, outcome), count in sorted(counts.items()):
            console.print(f"{count:4} x {victim}: {outcome}", highlight=False)
        for fault in self.faults:
            console.print(f"FAULT: {fault}", style="red", highlight=False, soft_wrap=True)
        console.print(f"{len(self.faults)} faults", highlight=False)


# -- the class --


def make_class(folder: Path) -> Path:
    """A course folder with a released lesson and `CLASS`'s submissions; it can be copied."""
    small_course(folder)
    api = api_for(folder)
    _must(api.generate_assignment(LESSON))
    _must(api.release_assignment(LESSON))
    hand_in(folder, RESUBMITTED, None, "2029")
    _must(api.autograde(LESSON, RESUBMITTED))
    for student, (solutions, _) in CLASS.items():
        hand_in(folder, student, solutions, "2030")
    return folder


def hand_in(folder: Path, student: str, solutions: dict[str, str] | None, year: str) -> Path:
    """The folder with what `nbgrader collect` would leave. `solutions` stand in for `SOLVED`; None is the stub."""
    notebook = nbformat.read(folder / "release" / LESSON / f"{LESSON}.ipynb", as_version=4)
    for cell in notebook.cells if solutions is not None else []:
        name = cell.metadata.get("nbgrader", {}).get("grade_id")
        cell.source = (SOLVED | (solutions or {})).get(name, cell.source)
    place = folder / "submitted" / student / LESSON
    place.mkdir(parents=True, exist_ok=True)
    nbformat.write(notebook, place / f"{LESSON}.ipynb")
    (place / "timestamp.txt").write_text(f"{year}-01-01 12:00:00.000000 UTC")
    return place


def scores(folder: Path, student: str) -> Scores:
    """The automatic scores in the gradebook, in the order of `TESTS`; None without a submission."""
    from nbgrader.api import MissingEntry

    with api_for(folder).gradebook as gradebook:
        try:
            submission = gradebook.find_submission(LESSON, student)
        except MissingEntry:
            return None
        found = {grade.name: grade.auto_score for nb in submission.notebooks for grade in nb.grades}
    return tuple(found.get(name) for name in TESTS)


def finished(folder: Path, student: str) -> int | None:
    """When the submission's grading was finished (the graded notebook's time, ns); None if it is not."""
    graded = folder / "autograded" / student / LESSON / f"{LESSON}.ipynb"
    if (folder / ".grading" / "unfinished" / LESSON / student).exists() or not graded.exists():
        return None
    return graded.stat().st_mtime_ns


def _must(result: dict[str, Any]) -> None:
    if not result["success"]:
        raise RuntimeError(f"nbgrader could not make the class: {result}")


# -- a run, in a process of its own --


def examine_and_say(folder: Path, parcels: list[Parcel]) -> list[str]:
    """As `examine_all`; meanwhile a file says which process is at which submission."""
    note = folder / "doing" / str(os.getpid())
    note.write_text((folder / "seeds" / parcels[0].job.seeds["given"]).read_text())
    try:
        return examine_all(parcels)
    finally:
        note.unlink()


class NotingCluster(Cluster):
    """Two processes that say what they are at."""

    def __init__(self, folder: Path, scheduler: str) -> None:
        super().__init__(2, scheduler, say=lambda text: print(text, file=sys.stderr))
        self.folder = folder

    def submit(self, parcels: Sequence[Parcel]) -> Any:
        return self.send(examine_and_say, self.folder, list(parcels))


def grade_class(folder: Path, scheduler: str = "") -> None:
    """Nothing: grades the class, a line of JSON (student, reason, time of the graded notebook) for each."""
    prepare = many.ClassGrader._unit

    def and_note(self: many.ClassGrader, place: str) -> Any:
        unit = prepare(self, place)
        for parcel in unit.parcels:
            (folder / "seeds" / parcel.job.seeds["given"]).write_text(unit.student)
        return unit

    many.ClassGrader._unit = and_note  # type: ignore[method-assign]
    with (
        NotingCluster(folder, scheduler) as cluster,
        many.class_grader(folder, LESSON, cluster=cluster) as grader,
    ):
        for one in grader:
            reason = one.reason if one.outcome == "not graded" else None
            print(json.dumps([one.student, reason, finished(folder, one.student)]), flush=True)


def second_run(folder: Path) -> tuple[set[str], str]:
    """(who was skipped, what was printed) of `nbgrader autograde`; raises if it fails."""
    command = [sys.executable, "-m", "nbgrader", "autograde", LESSON]
    environment = os.environ | {"TMPDIR": str(folder / "tmp"), "OMP_NUM_THREADS": "1"}
    done = subprocess.run(
        command, cwd=folder, env=environment, text=True, timeout=LIMIT_S,
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
    )  # fmt: skip
    if done.returncode:
        raise RuntimeError(f"The second run failed:\n{done.stdout[-2000:]}")
    return set(re.findall(r"Skipping existing assignment: .*/autograded/([^/]+)/", done.stdout)), done.stdout


class Dask:
    """A scheduler and workers as a cluster's owner would start them, in processes of their own."""

    def __init__(self, temporary: Path | None = None) -> None:
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self.port = free.getsockname()[1]
        self.address = f"tcp://127.0.0.1:{self.port}"
        self.processes: list[subprocess.Popen[bytes]] = []
        self.workers: list[subprocess.Popen[bytes]] = []
        self.environment = os.environ | ({"TMPDIR": str(temporary)} if temporary else {})

    def __enter__(self) -> "Dask":
        self.folder = tempfile.mkdtemp()
        self.environment["DASK_TEMPORARY_DIRECTORY"] = self.folder
        self.scheduler = self.start_scheduler()
        return self

    def start_scheduler(self) -> "subprocess.Popen[bytes]":
        process = self._start("scheduler", "--host", "127.0.0.1", "--port", str(self.port), "--no-dashboard")
        deadline = time.monotonic() + 60
        while time.monotonic() < deadline:
            with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", self.port), 1):
                return process
            time.sleep(0.1)
        raise TimeoutError("the scheduler did not start")

    def start_worker(self) -> None:
        words = ("--nworkers", "1", "--nthreads", "1", "--no-dashboard", "--local-directory", self.folder)
        self.workers.append(self._start("worker", self.address, *words))

    def mend(self) -> None:
        """Nothing: what has ended is started again, as a service manager would."""
        if self.scheduler.poll() is not None:
            self.scheduler = self.start_scheduler()
        ended = [worker for worker in self.workers if worker.poll() is not None]
        for worker in ended:
            self.workers.remove(worker)
            self.start_worker()

    def _start(self, *words: str) -> "subprocess.Popen[bytes]":
        process = subprocess.Popen(
            [sys.executable, "-m", "dask", *words], start_new_session=True, cwd=self.folder, env=self.environment,
            stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
        )  # fmt: skip
        self.processes.append(process)
        return process

    def __exit__(self, *error: object) -> None:
        for process in self.processes:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            process.wait()
        shutil.rmtree(self.folder, ignore_errors=True)


# -- one class, its kills and its second run --


class Round:
    """A copy of the class, graded under fire, then completed."""

    def __init__(
        self,
        number: int,
        klass: Path,
        folder: Path,
        rng: random.Random,
        report: Report,
        elsewhere: bool = False,
    ) -> None:
        self.number, self.rng, self.report, self.elsewhere = number, rng, report, elsewhere
        self.dask: Dask | None = None
        self.folder = Path(shutil.copytree(klass, folder))
        for name in ("doing", "seeds", "tmp"):
            (self.folder / name).mkdir()
        self.kills: list[Kill] = []
        self.seen: set[psutil.Process] = set()

    def play(self, victims: list[str]) -> None:
        """Nothing: `report` has the kills and faults of this round."""
        before = {student: scores(self.folder, student) for student in CLASS}
        with contextlib.ExitStack() as stack:
            if self.elsewhere:
                self.dask = stack.enter_context(Dask(self.folder / "tmp"))
                self.dask.start_worker()
                self.dask.start_worker()
            self._first(victims)
        self._end_what_is_left("first")
        self._judge_first(before)
        self._judge_second()
        self.report.kills += self.kills

    def _first(self, victims: list[str]) -> None:
        address = [self.dask.address] if self.dask else []
        with (self.folder / "rows").open("w") as rows, (self.folder / "errors").open("w") as errors:
            self.started = time.time()
            self.run = psutil.Popen(
                [sys.executable, __file__, "--grade", str(self.folder), *address], stdout=rows, stderr=errors,
                env=os.environ | {"TMPDIR": str(self.folder / "tmp")}, start_new_session=True,
            )  # fmt: skip
        for victim in victims:
            self._strike(victim)
        self._await_end()

    def fault(self, what: str) -> None:
        self.report.faults.append(f"run {self.number}: {what}")

    def _await_end(self) -> None:
        with contextlib.suppress(psutil.TimeoutExpired):
            while self.run.poll() is None and time.time() < self.started + LIMIT_S:
                self._processes()
                time.sleep(0.2)
        if self.run.poll() is None:
            self.fault(f"the run did not end in {LIMIT_S} s")
            self.run.kill()

    def _end_what_is_left(self, which: str) -> None:
        deadline = time.time() + QUIET_S
        while (left := self._left()) and time.time() < deadline:
            time.sleep(0.1)
        for process in left:
            with contextlib.suppress(psutil.Error):
                self.fault(f"{which} run: a process was left: {' '.join(process.cmdline())[-120:]}")
                process.kill()

    def _left(self) -> list[psutil.Process]:
        """Processes of this round that still run: seen before, or with its folder in the command line."""
        ours = {p for p in psutil.process_iter() if any(str(self.folder) in word for word in _words(p))}
        return [p for p in self.seen | ours if _runs(p) and p.pid != self.run.pid]

    # -- victims --

    def _processes(self) -> list[psutil.Process]:
        found: list[psutil.Process] = []
        if self.dask:
            self.dask.mend()
        for pid in [self.run.pid, *(process.pid for process in (self.dask.processes if self.dask else []))]:
            with contextlib.suppress(psutil.NoSuchProcess):
                found += psutil.Process(pid).children(recursive=True)
        self.seen.update(found)
        return found

    def _strike(self, victim: str) -> None:
        """Kills one such process of a submission that was spared so far, at a random moment."""
        time.sleep(self.rng.uniform(0, 1.5))
        while self.run.poll() is None:
            hit = {kill.student for kill in self.kills}
            found = [(p, s) for p, s in self._of_kind(victim) if not s or s not in hit]
            if found:
                process, student = self.rng.choice(found)
                moment = self._moment(student)
                with contextlib.suppress(psutil.NoSuchProcess):
                    process.kill()
                    at = time.time() - self.started
                    self.kills.append(Kill(self.number, victim, student, at, moment))
                    return
            time.sleep(self.rng.uniform(0, 0.25))

    def _of_kind(self, victim: str) -> list[tuple[psutil.Process, str]]:
        """(process, student) for each process of that kind that is about a submission now."""
        processes, doing = self._processes(), self._doing()
        if victim == "run":
            return [(self.run, "")] if doing else []
        if victim == "scheduler" and self.dask:
            return [(psutil.Process(self.dask.scheduler.pid), "")] if doing else []
        found = []
        for process in processes:
            with contextlib.suppress(psutil.Error, OSError):
                if is_victim(process, victim) and not _is_starting(process):
                    found += [(process, doing[pid]) for pid in self._above(process) if pid in doing]
        return found

    def _above(self, process: psutil.Process) -> list[int]:
        """The process and its parents; of one that was forked into a sandbox, also those of the shell in there."""
        inside = os.readlink(f"/proc/{process.pid}/ns/pid")
        family = [process]
        for other in self._processes():
            with contextlib.suppress(OSError, psutil.Error):
                if other.name() == "sh" and os.readlink(f"/proc/{other.pid}/ns/pid") == inside:
                    family.append(other)
        return [p.pid for one in family for p in (one, *one.parents())]

    def _doing(self) -> dict[int, str]:
        """The student that each of the processes is at."""
        doing = {}
        for note in (self.folder / "doing").iterdir():
            with contextlib.suppress(FileNotFoundError):
                doing[int(note.name)] = note.read_text()
        return {pid: student for pid, student in doing.items() if student}

    def _moment(self, student: str) -> str:
        """How far the submission is, told by its files."""
        if not student:
            return f"{len((self.folder / 'rows').read_text().splitlines())} of {len(CLASS)} done"
        graded = self.folder / "autograded" / student / LESSON / f"{LESSON}.ipynb"
        fresh = graded.exists() and graded.stat().st_mtime > self.started
        return "recorded" if fresh else "examining"

    # -- what came of it --

    def _judge_first(self, before: dict[str, Scores]) -> None:
        """The table has everybody once; those that were spared are graded, and right."""
        rows = [json.loads(line) for line in (self.folder / "rows").read_text().splitlines()]
        names, hit = [row[0] for row in rows], {kill.student: kill for kill in self.kills}
        stopped = any(kill.victim == "run" for kill in self.kills)
        if (
            len(set(names)) < len(names)
            or not (stopped or set(names) == set(CLASS))
            or (self.run.poll() and not stopped)
        ):
            self.fault(f"the table has {names}, the exit status is {self.run.poll()}: {self._errors()}")
        for student, reason, when in rows:
            outcome = self._outcome(student, reason, when, before[student], hit.get(student))
            if student in hit:
                hit[student].outcome = outcome
        for kill in self.kills:
            kill.outcome = kill.outcome or (
                "not in the table"
                if kill.student
                else f"stopped after {len(rows)} rows"
                if kill.victim == "run"
                else "waited for"
            )

    def _outcome(
        self, student: str, reason: str | None, when: int | None, before: Scores, hit: Kill | None
    ) -> str:
        """What a row of the table says, in words; it must be true, and a failure must have a cause."""
        now, right = scores(self.folder, student), CLASS[student][1]
        if reason is None:
            if now != right or when is None or when != finished(self.folder, student):
                self.fault(f"{student}'s row says graded, but: {now}, not {right}, or graded once more")
            return "graded right" if now == right else f"WRONG: {now}"
        if hit is None or student != LEAVES:  # which ends one of its two attempts itself
            self.fault(f"{student}, hit by {hit.victim if hit else 'nothing'}, has a row that says: {reason}")
        if now not in (before, right, None, (None,) * len(TESTS)):
            self.fault(f"{student} has neither old nor new scores, nor none: {now}")
        return f"reported: {reason}"

    def _errors(self) -> str:
        return (self.folder / "errors").read_text()[-500:]

    def _judge_second(self) -> None:
        """It grades what is left and nothing else; then all is right and nothing lies about."""
        times = {student: finished(self.folder, student) or 0 for student in CLASS}
        done = {student: when for student, when in times.items() if when / 1e9 > self.started}
        skipped, _ = second_run(self.folder)
        if skipped != set(done):
            self.fault(f"finished: {sorted(done)}; skipped by the second run: {sorted(skipped)}")
        for student, (_, right) in CLASS.items():
            now, when = scores(self.folder, student), finished(self.folder, student)
            if now != right or not when:
                self.fault(f"after the second run {student} has {now}, not {right}")
            if student in done and when != done[student]:
                self.fault(f"{student} was graded twice")
        self._end_what_is_left("second")
        for sentence in left_behind(self.folder):
            self.fault(sentence)


def left_behind(folder: Path) -> list[str]:
    """What grading should not have left: copies, markers, half-written files, a damaged gradebook."""
    patterns = ["tmp/*", "*-journal"]
    patterns += [f".grading/{own}" for own in ("secret.*", "unfinished/*/*", "records/*/*/*.new")]
    found = [f"left behind: {p.relative_to(folder)}" for pattern in patterns for p in folder.glob(pattern)]
    with contextlib.closing(sqlite3.connect(folder / "gradebook.db")) as gradebook:
        said = gradebook.execute("PRAGMA integrity_check").fetchone()[0]
    return found if said == "ok" else [*found, f"the gradebook is damaged: {said}"]


def is_victim(process: psutil.Process, victim: str) -> bool:
    if victim == "process":
        return "spawn_main" in " ".join(process.cmdline())
    return process.name() == {"sandbox": "bwrap"}.get(victim, victim)


def _is_starting(process: psutil.Process) -> bool:
    """Whether it is a bubblewrap in its first moments: killed there, it may leave what it has just forked, because the
    child asks for its parent's death signal only afterwards (docs/security.md)."""
    return process.name() == "bwrap" and time.time() - process.create_time() < 0.5


def _words(process: psutil.Process) -> list[str]:
    with contextlib.suppress(psutil.Error):
        return process.cmdline()
    return []


def _runs(process: psutil.Process) -> bool:
    with contextlib.suppress(psutil.Error):
        return process.is_running() and process.status() != psutil.STATUS_ZOMBIE
    return False


def kill_at_random(
    folder: Path,
    kills: int,
    seed: int,
    per_run: int = 4,
    say: Callable[[str], None] = print,
    elsewhere: bool = False,
) -> Report:
    """What came of at least so many kills, `per_run` in each run; classes are made in `folder`."""
    rng, report, number = random.Random(seed), Report(), 0
    klass, kinds = make_class(folder / "class"), ELSEWHERE if elsewhere else VICTIMS
    while len(report.kills) < kills and number < 2 * kills:
        number += 1
        count = min(per_run, kills - len(report.kills))
        # After "run" there is nothing left to kill.
        victims = [*rng.choices(kinds[:-1], k=count - 1), rng.choice(kinds)]
        Round(number, klass, folder / str(number), rng, report, elsewhere).play(victims)
        shutil.rmtree(folder / str(number))
        say(f"run {number}: {len(report.kills)} kills, {len(report.faults)} faults")
    return report


def main() -> int:
    """The exit status: 0 if no rule was broken."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--kills", type=int, default=20, help="how many processes to kill (%(default)s)")
    parser.add_argument("--per-run", type=int, default=4, help="of them in one run (%(default)s)")
    parser.add_argument("--seed", type=int, default=1, help="of what is killed and when (%(default)s)")
    parser.add_argument(
        "--elsewhere", action="store_true", help="processes of a Dask cluster, its scheduler too"
    )
    parser.add_argument("--grade", nargs="+", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.grade:
        grade_class(Path(options.grade[0]), *options.grade[1:])
        return 0
    warnings.filterwarnings("ignore", message="Object of type .* not in session")
    console = Console(width=None if sys.stdout.isatty() else 140)
    with tempfile.TemporaryDirectory(prefix="faults-") as folder:
        say = Console(stderr=True).print
        report = kill_at_random(
            Path(folder), options.kills, options.seed, options.per_run, say, options.elsewhere
        )
    report.print(console)
    return 1 if report.faults else 0


if __name__ == "__main__":
    sys.exit(main())
