"""A student's process (forked) and the examiner that asks it, over a real socket; or a raw peer in its place.

>>> with BothSides() as sides:
...     sides.run("def double(x): return 2 * x")
...     sides.test("assert double(21) == 42")["verdict"]
'pass'
"""

import contextlib
import itertools
import os
import signal
import socket
import textwrap
import threading
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any

from course_utils.grading.examiner import Examiner
from course_utils.grading.wall.agent import Agent
from course_utils.grading.wall.channel import Channel
from course_utils.grading.wall.student import Student

__all__ = ["GRADED", "IMPORTS", "BothSides", "hostile"]

GRADED = [
    "answer",
    "double",
    "f",
    "g",
    "gen",
    "make",
    "run",
    "Point",
    "Stack",
    "abs",
    "isinstance",
    "len",
    "sum",
]
IMPORTS = {
    "np": ("numpy", ""), "torch": ("torch", ""), "F": ("torch.nn.functional", ""), "isclose": ("math", "isclose"),
    "checks": ("course_utils", "checks"), "* of math": ("math", "*"),
}  # fmt: skip

SEEDS = {"given": "given-seed", "test": "test-seed"}


class BothSides:
    """One notebook: `run` cells of the student's, `given` cells on both sides, `test` cells here.

    Sources may be indented.
    """

    def __init__(
        self, graded: Iterable[str] = GRADED, imports: Mapping[str, tuple[str, str]] = IMPORTS
    ) -> None:
        ends = [*socket.socketpair(), *socket.socketpair()]
        self.control, ours = Channel(ends[0]), Channel(ends[2])
        self.pid = os.fork()
        if self.pid == 0:
            for end in (ends[0], ends[2]):
                end.close()
            _be_the_student(Channel(ends[1]), Channel(ends[3]))
        for end in (ends[1], ends[3]):
            end.close()
        self.student = Student(ours)
        job = {"graded": list(graded), "imports": dict(imports), "seeds": SEEDS}
        self.examiner = Examiner(self.student, job)
        self.turns = itertools.count(1)

    def __enter__(self) -> "BothSides":
        self.before = os.environ.get("COURSE_SEED")
        return self

    def __exit__(self, *_: object) -> None:
        os.environ.pop("COURSE_SEED", None)
        if self.before is not None:
            os.environ["COURSE_SEED"] = self.before
        self.control.close()
        self.student.peer.channel.close()
        with contextlib.suppress(ProcessLookupError):
            os.kill(self.pid, signal.SIGKILL)
        os.waitpid(self.pid, 0)

    def run(self, source: str) -> None:
        """Nothing: a cell of the student's has run."""
        self._tell({"run": textwrap.dedent(source)})
        reply, _ = self.control.receive(60)
        assert reply["error"] is None, reply["error"]

    def given(self, source: str) -> None:
        """Nothing: a given cell has run on both sides."""
        self.run(source)
        said = self.examiner.given(textwrap.dedent(source), "given")
        assert said["error"] is None, said["error"]

    def test(self, source: str, points: float = 4, seconds: float = 60) -> dict[str, Any]:
        """What the examiner says of a test cell."""
        turn = next(self.turns)
        self._tell({"serve": turn})
        return self.examiner.test(textwrap.dedent(source), f"test-{turn}", points, seconds, turn)

    def passes(self, source: str) -> None:
        """Nothing: the test cell passed."""
        said = self.test(source)
        assert said["verdict"] == "pass", said

    def fails(self, source: str, message: str = "") -> dict[str, Any]:
        """What the examiner says of a test cell that failed with that in its message."""
        said = self.test(source)
        assert said["verdict"] == "fail" and message in said["message"], said
        return said

    def _tell(self, what: dict[str, Any]) -> None:
        self.control.send(what, timeout=60)


def _be_the_student(control: Channel, examiner: Channel) -> None:
    """The forked process: runs what it is told to, in one namespace, and never returns."""
    names: dict[str, Any] = {"__name__": "__main__"}
    agent = Agent(names, examiner)
    try:
        while True:
            what, _ = control.receive()
            if "serve" in what:
                agent.serve(what["serve"])
                continue
            error = None
            try:
                exec(what["run"], names)
            except BaseException as raised:
                error = repr(raised)
            control.send({"error": error})
    finally:
        os._exit(0)


@contextlib.contextmanager
def hostile(act: Callable[[Channel], None], seconds: float = 1.5) -> Iterator[Student]:
    """The examiner's side of turn 1, whose other side is whatever `act` does with its channel."""
    near, far = socket.socketpair()

    def run() -> None:
        with contextlib.suppress(OSError):
            act(Channel(far))

    thread = threading.Thread(target=run, daemon=True)
    thread.start()
    student = Student(Channel(near))
    student.begin(1, seconds)
    try:
        yield student
    finally:
        near.close()
        with contextlib.suppress(OSError):
            far.shutdown(socket.SHUT_RDWR)
        thread.join(5)
        far.close()
