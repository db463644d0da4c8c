"""One notebook examined: the student's cells run in one sandbox, the test cells in another.

>>> record = examine(job, Limits())                              # doctest: +SKIP
>>> [(cell.id, cell.verdict) for cell in record.cells]           # doctest: +SKIP
[('double', ''), ('double-hidden', 'pass')]

A pure function of what it is given, apart from the clock: it needs no gradebook and no course folder.
"""

import contextlib
import dataclasses
import functools
import select
import socket
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from course_utils.errors import SandboxError
from course_utils.grading.bubblewrap import SUBMISSION
from course_utils.grading.outputs import OutputBudget, number, printable
from course_utils.grading.record import CellRecord, Kind, Record
from course_utils.grading.sandbox import Limits, Sandbox
from course_utils.grading.wall.channel import Channel

__all__ = ["CodeCell", "ExaminerStopped", "Job", "examine"]

START_S = 120
GRACE_S = 10
EXAMINER_EXTRA_S = 600  # a test's own work counts for the examiner, not for the student
WHY = {
    "memory": "It used more than the {memory_mb:,} MB that one notebook may.",
    "files": "It made more files than one notebook may.",
    "processes": "It started more than the {processes} processes that one notebook may.",
    "time": "It took longer than the {notebook_s:g} seconds that one notebook may.",
}
NAMES = {"memory": "OutOfMemory", "timeout": "Timeout", "crashed": "Crashed", "not run": "NotRun"}


class ExaminerStopped(Exception):
    """The examiner ended before it gave a verdict. Nothing is known about the submission."""


@dataclasses.dataclass(frozen=True)
class CodeCell:
    """A code cell of a rebuilt notebook."""

    id: str
    kind: Kind
    source: str
    points: float = 0.0


@dataclasses.dataclass(frozen=True)
class Job:
    """All that examining one notebook needs."""

    cells: tuple[CodeCell, ...]
    graded: tuple[str, ...] = ()
    """Names that solution cells define: looked up in the student's notebook before anywhere else."""
    imports: dict[str, tuple[str, str]] = dataclasses.field(default_factory=dict)
    """Names that the lesson's own cells import: (module, attribute)."""
    files: Path | None = None
    """Folder with what the student handed in, for the student's notebook."""
    given_files: Path | None = None
    """Folder with what the instructor gave along, for the examiner."""
    seeds: dict[str, str] = dataclasses.field(default_factory=lambda: {"given": "0", "test": "0"})
    sandbox: str = "bubblewrap"


def examine(job: Job, limits: Limits) -> Record:
    """The record of one notebook.

    A notebook whose process ends by itself is examined once more, since something else may have ended it. Raises
    `SandboxError` where no sandbox can be made, and `ExaminerStopped` if the examiner ended, twice each.
    """
    for attempt in (1, 2):
        try:
            record = _Run(job, limits, last=attempt == 2).record()
        except (ExaminerStopped, SandboxError):  # something else may have ended a process while it started
            if attempt == 2:
                raise
            continue
        record.attempts = attempt
        if not any(cell.verdict == "crashed" for cell in record.cells):
            break
    return record


class _Run:
    """One examination: two sandboxes, and which cell's turn it is."""

    def __init__(self, job: Job, limits: Limits, *, last: bool) -> None:
        self.job, self.limits, self.last = job, limits, last
        self.deadline = 0.0
        self.ended: tuple[str, str] | None = None  # (verdict, message), once the student's process has gone
        self.waiting = 0  # given cells that the examiner has not answered yet
        self.turn = 0
        self.outputs = OutputBudget(limits.output_kb << 10)

    def record(self) -> Record:
        started = time.monotonic()
        with self._processes():
            self.deadline = time.monotonic() + self.limits.notebook_s
            cells = [self._cell(cell) for cell in self.job.cells]
            used = {"cpu_s": round(self.worker.cpu_s, 2), "peak_mb": round(self.worker.peak_mb)}
        used["seconds"] = round(time.monotonic() - started, 2)
        return Record(
            cells=cells, seeds=self.job.seeds, limits=dataclasses.asdict(self.limits), used=used,
            sandbox=self.job.sandbox,
        )  # fmt: skip

    @contextlib.contextmanager
    def _processes(self) -> Iterator[None]:
        """Both sandboxes, started and told what they need."""
        kind, ends = self.job.sandbox, [*socket.socketpair(), *socket.socketpair(), *socket.socketpair()]
        near, far, near_examiner, far_examiner, students, examiners = ends
        generous = dataclasses.replace(self.limits, notebook_s=self.limits.notebook_s + EXAMINER_EXTRA_S)
        fonts = list_of_fonts()
        wanted = [(self.job.files, SUBMISSION), (fonts, f"/fonts/{fonts.name}" if fonts else "")]
        folders = {path: place for path, place in wanted if path}
        given = {self.job.given_files: SUBMISSION} if self.job.given_files else {}
        with contextlib.ExitStack() as stack:
            for end in ends:
                stack.callback(end.close)
            numbers = [str(end.fileno()) for end in (far, students, far_examiner, examiners)]
            self.worker = stack.enter_context(
                Sandbox("course_utils.grading.worker", numbers[:2], limits=self.limits,
                        sockets=[far, students], folders=folders, kind=kind)
            )  # fmt: skip
            self.examiner = stack.enter_context(
                Sandbox("course_utils.grading.examiner", numbers[2:], limits=generous,
                        sockets=[far_examiner, examiners], folders=given, kind=kind)
            )  # fmt: skip
            for end in (far, students, far_examiner, examiners):
                end.close()
            self.to_worker, self.to_examiner = (
                Channel(near, cap=(14 * self.limits.output_kb) << 10),
                Channel(near_examiner),
            )
            self._start(folders, fonts)
            yield

    def _start(self, folders: dict[Path, str], fonts: Path | None) -> None:
        shut_in = self.job.sandbox != "none"
        inside: dict[Path | None, str | None] = {None: None}
        inside |= {path: place if shut_in else str(path) for path, place in folders.items()}
        start = {
            "files": inside[self.job.files], "fonts": inside[fonts], "work": str(self.worker.work),
            "seed": self.job.seeds["given"],
        }  # fmt: skip
        names: dict[str, Any] = {
            "graded": list(self.job.graded),
            "imports": self.job.imports,
            "seeds": self.job.seeds,
        }
        given = SUBMISSION if shut_in else str(self.job.given_files)
        names["files"] = given if self.job.given_files else None
        try:
            self.to_worker.send(start, timeout=GRACE_S)
            self.to_examiner.send({"do": "start", **names}, timeout=GRACE_S)
            self.to_worker.receive(START_S)
            self.to_examiner.receive(START_S)
            if any(box.process.poll() is not None for box in (self.worker, self.examiner)):
                raise ConnectionError  # what is inside may have survived, but nobody watches it any more
        except (ConnectionError, TimeoutError):
            time.sleep(0.2)  # for the last words
            said = (
                self.worker.complaint if self.worker.process.poll() is not None else self.examiner.complaint
            )
            raise SandboxError(
                f"A sandbox for submissions could not be started: {said}. Try `course doctor`; if memory is "
                "short, grade fewer submissions at once."
            ) from None

    # -- cells --

    def _cell(self, cell: CodeCell) -> CellRecord:
        if cell.kind == "skipped":
            return CellRecord(cell.id, cell.kind)
        if cell.kind == "given" and self.ended is None:
            self._send_examiner({"do": "given", "source": cell.source, "name": cell.id})
            self.waiting += 1
        if self.ended is None and time.monotonic() > self.deadline:
            self._end("timeout", WHY["time"])
        if self.ended is not None:
            return self._not_run(cell)
        if cell.kind != "test":
            return self._run(cell)
        try:
            return self._test(cell)
        except ExaminerStopped:
            if not self.last:
                raise
            # It happened twice, with this submission's answers: they are what it met.
            self._end("crashed", "What the answers returned ended the process that examines them.")
            return self._stopped(cell)

    def _not_run(self, cell: CodeCell) -> CellRecord:
        if cell.kind != "test":
            return CellRecord(cell.id, cell.kind)
        assert self.ended is not None
        message = f"Not run, because the notebook stopped at an earlier cell. {self.ended[1]}"
        return CellRecord(cell.id, cell.kind, "not run", "NotRun", message, [message])

    def _stopped(self, cell: CodeCell) -> CellRecord:
        """The test in which everything ended."""
        assert self.ended is not None
        verdict, message = self.ended
        return CellRecord(cell.id, "test", verdict, NAMES[verdict], message, [message])  # type: ignore[arg-type]

    def _run(self, cell: CodeCell) -> CellRecord:
        seconds = self._seconds()
        with self._worker_may_go():
            job = {"do": "run", "source": cell.source, "seconds": seconds, "most": self.outputs.most()}
            self.to_worker.send(job, timeout=GRACE_S)
            reply, _ = self.to_worker.receive(seconds + 2 * GRACE_S)
            self._heed(reply, seconds)
            return self._ran(cell, reply, seconds)
        return self._ran(cell, {}, seconds)

    def _ran(self, cell: CodeCell, reply: dict[str, Any], seconds: float) -> CellRecord:
        record = CellRecord(
            cell.id, cell.kind, outputs=self.outputs.kept(reply), seconds=number(reply.get("seconds"))
        )
        if self.ended is not None:
            record.verdict, record.message = self.ended  # type: ignore[assignment]
        elif reply.get("ended") == "timeout":
            record.verdict = "timeout"
            record.message = (
                f"This cell was stopped after {seconds:g} seconds. Is there a loop that never ends?"
            )
        record.error = NAMES.get(record.verdict, "")
        return record

    def _test(self, cell: CodeCell) -> CellRecord:
        self.turn += 1
        seconds, said = self._seconds(), {}  # type: float, dict[str, Any]
        reply: dict[str, Any] | None = None
        with self._worker_may_go():
            job = {"do": "serve", "turn": self.turn, "seconds": seconds + 1, "most": self.outputs.most()}
            self.to_worker.send(job, timeout=GRACE_S)
        self._send_examiner({
            "do": "test", "source": cell.source, "name": cell.id, "points": cell.points, "seconds": seconds,
            "turn": self.turn,
        })  # fmt: skip
        until = time.monotonic() + seconds + GRACE_S + (START_S if self.waiting else 0)
        while reply is None:
            left = until - time.monotonic()
            if left <= 0:  # busy with what it cannot interrupt, such as a sum of what an answer returned
                self._end("timeout", "The test could not be finished in time with what the answers returned.")
                return self._stopped(cell)
            listening = [self.to_examiner.end] + ([self.to_worker.end] if not (said or self.ended) else [])
            ready, _, _ = select.select(listening, [], [], min(left, 1.0))
            if self.to_worker.end in ready:
                said = self._hear_worker(seconds)
            if self.to_examiner.end in ready:
                reply = self._verdict()
        if reply.get("verdict") == "crashed" and not said:
            self._end("crashed", "The notebook's process sent what no notebook sends.")
        if not said and self.ended is None:
            said = self._hear_worker(seconds)
        return self._judged(cell, reply, said)

    def _judged(self, cell: CodeCell, reply: dict[str, Any], said: dict[str, Any]) -> CellRecord:
        fields = {f.name for f in dataclasses.fields(CellRecord)} - {"id", "kind", "outputs"}
        known = {k: printable(v) for k, v in reply.items() if k in fields}
        record = CellRecord(cell.id, cell.kind, **known)
        record.printed = self.outputs.printed(record.printed, said)
        if record.verdict == "crashed" and self.ended is not None:
            verdict, record.message = self.ended
            record.verdict, record.error, record.trace = verdict, NAMES[verdict], [record.message]  # type: ignore[assignment]
        return record

    # -- the two processes --

    def _seconds(self) -> float:
        return round(max(0.1, min(self.limits.cell_s, self.deadline - time.monotonic())), 1)

    def _hear_worker(self, seconds: float) -> dict[str, Any]:
        with self._worker_may_go():
            reply, _ = self.to_worker.receive(seconds + 2 * GRACE_S)
            self._heed(reply, seconds)
            return reply
        return {}

    def _heed(self, reply: dict[str, Any], seconds: float) -> None:
        if reply.get("ended") == "died":
            self._end("crashed", "The notebook's process ended by itself.")
        elif reply.get("ended") == "stuck":
            self._end("timeout", f"It did not stop after {seconds:g} seconds, when it was asked to.")

    @contextlib.contextmanager
    def _worker_may_go(self) -> Iterator[None]:
        """Turns the end or silence of the student's processes into how the notebook ended."""
        try:
            yield
        except TimeoutError:
            self._end("timeout", "It did not stop when it was asked to.")
        except ConnectionError as error:
            time.sleep(0.05)
            self._end("crashed", f"The notebook's process ended, or sent what no notebook sends ({error}).")

    def _end(self, verdict: str, message: str) -> None:
        over = self.worker.over
        if over:
            verdict, message = {"memory": "memory", "time": "timeout"}.get(over, "crashed"), WHY[over]
        self.ended = self.ended or (verdict, message.format(**dataclasses.asdict(self.limits)))
        self.worker.kill()

    def _send_examiner(self, message: dict[str, Any]) -> None:
        try:
            self.to_examiner.send(message, timeout=START_S)
        except (ConnectionError, TimeoutError):
            raise self._examiner_gone() from None

    def _verdict(self) -> dict[str, Any] | None:
        """The examiner's answer, if it is about the test and not about a given cell before it."""
        try:
            reply, _ = self.to_examiner.receive(GRACE_S)
        except (ConnectionError, TimeoutError):
            raise self._examiner_gone() from None
        if self.waiting:
            self.waiting -= 1
            return None
        return reply

    def _examiner_gone(self) -> ExaminerStopped:
        return ExaminerStopped(f"The examiner ended without a verdict ({self.examiner.complaint}).")


@functools.cache
def list_of_fonts() -> Path | None:
    """matplotlib's list of fonts, which takes seconds to make and is the same for everybody."""
    try:
        import matplotlib
        import matplotlib.font_manager  # makes it if there is none
    except ImportError:
        return None
    return max(Path(matplotlib.get_cachedir()).glob("fontlist-*.json"), default=None)
