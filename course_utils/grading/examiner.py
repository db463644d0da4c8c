"""The process that runs test cells. It has no file of the submission and no way out but two sockets.

Started by `examine` inside a sandbox as `python -I -m course_utils.grading.examiner CONTROL STUDENT`, the
numbers of two inherited sockets: the coordinator's and the one to the student's process. Jobs come as frames:

    {"do": "start", "graded": [...], "imports": {...}, "files": "…", "seeds": {"given": "…", "test": "…"}}
    {"do": "given", "source": "…", "name": "…"}
    {"do": "test", "source": "…", "name": "…", "points": 3, "seconds": 60, "turn": 1}

Each job gets one answer, in order.
"""

import contextlib
import dataclasses
import importlib
import os
import random
import signal
import sys
import time
from collections.abc import Iterator
from typing import Any

from course_utils.grading.namespace import Namespace
from course_utils.grading.run_cell import TestRun, names_made_by, run_source, run_test
from course_utils.grading.wall.channel import Channel, Closed
from course_utils.grading.wall.student import OutOfTime, Student, Unreachable

__all__ = ["Examiner", "main"]


class Examiner:
    """One notebook's test cells, run one after the other in one namespace."""

    def __init__(self, student: Student, job: dict[str, Any]) -> None:
        self.student, self.seeds = student, job["seeds"]
        student.modules |= {module.split(".")[0] for module, _ in job["imports"].values()}
        imports = {name: (module, attribute) for name, (module, attribute) in job["imports"].items()}
        self.names = Namespace(student, job["graded"], imports)

    def given(self, source: str, name: str) -> dict[str, Any]:
        """Whether a given cell (imports, models, data) ran, after running it as the student's process does too."""
        os.environ["COURSE_SEED"] = self.seeds["given"]
        with self.names.only_trusted():
            try:
                run_source(source, self.names, f"<{name}>")
            except BaseException as error:  # a given cell may need a name of the student's; then so do tests
                return {"error": f"{type(error).__name__}: {error}"[:2000]}
        return {"error": None}

    def test(self, source: str, name: str, points: float, seconds: float, turn: int) -> dict[str, Any]:
        """The verdict of one test cell, as plain data."""
        started = time.monotonic()
        self._seed(name)
        self.names.belong_to_tests(names_made_by(source))
        self.student.begin(turn, seconds)
        with _asks(self.student):
            try:
                with _alarm(seconds):
                    run = run_test(
                        source,
                        self.names,
                        points,
                        filename=f"<{name}>",
                        students=self.names.graded,
                    )
            except OutOfTime as error:
                run = TestRun("timeout", "Timeout", str(error) or "Out of time.")
        self.student.peer.deadline = time.monotonic() + 2
        with contextlib.suppress(Unreachable, OutOfTime):
            self.student.end()
        return dataclasses.asdict(run) | {"seconds": round(time.monotonic() - started, 3)}

    def _seed(self, name: str) -> None:
        """Fresh numbers for every attempt, the same when it is graded again."""
        os.environ["COURSE_SEED"] = self.seeds["test"]
        seed = f"{self.seeds['test']}/{name}"
        random.seed(seed)
        number = random.getrandbits(32)
        if "numpy" in sys.modules:
            sys.modules["numpy"].random.seed(number)
        if "torch" in sys.modules:
            sys.modules["torch"].manual_seed(number)


@contextlib.contextmanager
def _alarm(seconds: float) -> Iterator[None]:
    """Raises `OutOfTime` in trusted code too: a test may loop over what a student returned."""

    def ring(*_: object) -> None:
        raise OutOfTime("This test took longer than it may.")

    signal.signal(signal.SIGALRM, ring)
    signal.setitimer(signal.ITIMER_REAL, seconds + 0.5, 1.0)  # again, should something swallow the first
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)


@contextlib.contextmanager
def _asks(student: Student) -> Iterator[None]:
    """`checks` asks the student's process whether a model was left as it was."""
    checks: Any = sys.modules.get("course_utils.checks")
    if checks is None and "torch" in sys.modules:
        checks = importlib.import_module("course_utils.checks")
    if checks is None:
        yield
        return
    checks.elsewhere = lambda model: student.model_state(model) if student.knows(model) else None
    try:
        yield
    finally:
        checks.elsewhere = None


def main() -> None:
    """Answer jobs until the coordinator closes its socket."""
    control = Channel.of_descriptor(int(sys.argv[1]))
    student = Student(Channel.of_descriptor(int(sys.argv[2])))
    # Prints of trusted cells have no reader.
    null = os.open(os.devnull, os.O_WRONLY)
    os.dup2(null, 1)
    examiner: Examiner | None = None
    with contextlib.suppress(Closed):
        while True:
            job, _ = control.receive()
            what = job.pop("do")
            if what == "start":
                if job["files"]:
                    os.chdir(job["files"])
                    sys.path.append(job["files"])
                examiner = Examiner(student, job)
                control.send({"ready": True})
            elif examiner is not None:
                control.send(getattr(examiner, what)(**job))


if __name__ == "__main__":
    main()
