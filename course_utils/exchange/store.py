"""Where the exchange keeps everything: a folder laid out as nbgrader's own exchange.

    ROOT/COURSE/outbound/ASSIGNMENT/                                  what was released
    ROOT/COURSE/inbound/STUDENT+ASSIGNMENT+TIME+DIGEST/               what was handed in
    ROOT/COURSE/feedback/HASH.html                                    what was answered
    ROOT/COURSE/.incoming/                                            what is not yet whole

>>> store = Store(Path(".exchange"), "agai302")                       # doctest: +SKIP
>>> receipt, new = store.submit("mia", "02-x", body, received)        # doctest: +SKIP

**Nothing is lost, and nothing counts twice.** A submission is written aside, forced to disk, and gets its name in one
step; only then is there a receipt. Who hands in again what was handed in last gets the receipt of last time: so a
request may be repeated when no answer came, and repeating it never makes a submission later than it was.
"""

import contextlib
import fcntl
import hashlib
import os
import re
import secrets
import shutil
import threading
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from html import unescape
from pathlib import Path
from typing import Any, BinaryIO

from course_utils.errors import ClassError
from course_utils.exchange.frame import CAPS, RESERVED, Caps, Refused, digest_of, sync, unpack

__all__ = ["NAME", "TIME_FORMAT", "Receipt", "Store"]

TIME_FORMAT = "%Y-%m-%d %H:%M:%S.%f UTC"
TIMESTAMP, SECRET = RESERVED
INCOMING = ".incoming"
MOST = 200  # submissions of one student for one assignment
FREE_BYTES = 500_000_000  # the disk is never filled below this
NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.@-]{0,79}")
"""Of students and assignments: what neither a path nor nbgrader's names of submissions could read otherwise."""
POINTS = re.compile(rb'<meta (?=[^>]*name="points")[^>]*?content="([^"<>]{1,200})"')
"""In the head of a feedback page of this course's, before anything that a student wrote."""


@dataclass(frozen=True)
class Receipt:
    """That a submission came: whose, when by the service's clock (UTC), and the digest of all its files."""

    student: str
    assignment: str
    time: str
    digest: str
    """The first 32 hexadecimal digits of the sha256 over names and contents."""
    notebooks: tuple[str, ...]
    feedback: dict[str, str]
    """Notebook -> md5 of its feedback page, for those that have one."""
    points: dict[str, str] = field(default_factory=dict)
    """Notebook -> what its feedback page says of its points, such as `87 of 100`; without a page that says it, none."""


class Store:
    """The exchange of one course. `caps` bound one submission; one process at a time may hold a store."""

    def __init__(self, root: Path, course: str, caps: Caps = CAPS, most: int = MOST) -> None:
        self.course = _name(course, "course")
        self.folder, self.caps, self.most = root / course, caps, most
        for name in ("inbound", "outbound", "feedback", INCOMING):
            (self.folder / name).mkdir(mode=0o700, parents=True, exist_ok=True)
        root.chmod(0o700)  # nbgrader's own exchange is open to everybody; nobody has to reach into this one
        self._hold()
        for left in (
            self.folder / INCOMING
        ).iterdir():  # of a service that was killed; nobody got a receipt for it
            shutil.rmtree(left) if left.is_dir() else left.unlink()
        self._locks: dict[tuple[str, str], threading.Lock] = defaultdict(threading.Lock)

    def _hold(self) -> None:
        self._lock = (self.folder / ".held").open("w")
        try:
            fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            raise ClassError(
                f"Another exchange service holds {self.folder}. Stop it first, or give this one another folder."
            ) from None

    def close(self) -> None:
        """Nothing: another process may hold the store."""
        self._lock.close()

    # -- what was released --

    def released(self) -> dict[str, list[str]]:
        """Assignment -> its notebooks, without `.ipynb`."""
        folders = sorted(path for path in (self.folder / "outbound").iterdir() if path.is_dir())
        return {path.name: _notebooks(path) for path in folders if not path.name.startswith(".")}

    def released_folder(self, assignment: str) -> Path:
        """The folder of a released assignment. Raises `Refused` if there is none."""
        folder = self.folder / "outbound" / _name(assignment, "assignment")
        if not folder.is_dir():
            there = ", ".join(self.released()) or "none"
            raise Refused(f"`{assignment}` is not released. Released are: {there}.", 404)
        return folder

    # -- what was handed in --

    def submissions(self, student: str, assignment: str = "*") -> list[Receipt]:
        """The student's receipts, the earliest first."""
        student, found = _name(student, "student"), []
        for path in (self.folder / "inbound").glob(f"{student}+{assignment}+*"):
            parts = path.name.split("+")
            if len(parts) == 4 and parts[0] == student:
                found.append(self._receipt(path, *parts))
        return sorted(found, key=lambda receipt: receipt.time)

    def submit(
        self, student: str, assignment: str, body: BinaryIO, received: datetime
    ) -> tuple[Receipt, bool]:
        """The receipt, and whether it is new: the same files as last time get the receipt of last time.

        `received` is when the last byte of `body`, a frame, came. Raises `Refused`.
        """
        self.released_folder(assignment)
        _name(student, "student")
        with self._aside() as aside:
            digest = digest_of(unpack(body, aside, self.caps, RESERVED))[:32]
            with self._locks[student, assignment]:
                earlier = self.submissions(student, assignment)
                if earlier and earlier[-1].digest == digest:
                    return earlier[-1], False
                if len(earlier) >= self.most:
                    raise Refused(
                        f"You have handed in {assignment} {len(earlier)} times; no more is taken. Ask your instructor.",
                        429,
                    )
                time = received.astimezone(UTC).strftime(TIME_FORMAT)
                (aside / TIMESTAMP).write_text(time)
                (aside / SECRET).write_text(secrets.token_hex(64))
                for name in RESERVED:
                    _sync_file(aside / name)
                sync(aside)
                place = self.folder / "inbound" / f"{student}+{assignment}+{time}+{digest}"
                aside.rename(place)
                sync(place.parent)
        return self._receipt(place, student, assignment, time, digest), True

    @contextlib.contextmanager
    def _aside(self) -> Iterator[Path]:
        """A folder for what is not yet whole; what is still in it afterwards goes."""
        if (free := shutil.disk_usage(self.folder).free) < FREE_BYTES + self.caps.total_bytes:
            raise Refused(
                f"The exchange's disk is full ({free:,} bytes left): nothing is taken before somebody makes room. "
                "Tell your instructor; what you handed in earlier is safe.",
                507,
            )
        aside = self.folder / INCOMING / secrets.token_hex(8)
        aside.mkdir(mode=0o700)
        try:
            yield aside
        finally:
            shutil.rmtree(aside, ignore_errors=True)

    def spool(self) -> Path:
        """A name for a request that is still arriving."""
        return self.folder / INCOMING / f"{secrets.token_hex(8)}.frame"

    def _receipt(self, path: Path, student: str, assignment: str, time: str, digest: str) -> Receipt:
        notebooks = tuple(_notebooks(path))
        found = {name: page for name in notebooks if (page := self._page(path, name)).is_file()}
        feedback, points = {}, {}
        for name, page in found.items():
            text = page.read_bytes()
            feedback[name] = hashlib.md5(text, usedforsecurity=False).hexdigest()
            if said := POINTS.search(text[:2000]):
                points[name] = unescape(said[1].decode(errors="replace"))
        return Receipt(student, assignment, time, digest, notebooks, feedback, points)

    # -- what was answered --

    def feedback(self, student: str, assignment: str, time: str) -> dict[str, Path]:
        """Notebook -> its feedback page, of the submission of that time. Raises `Refused` if there is none."""
        for receipt in self.submissions(student, _name(assignment, "assignment")):
            if receipt.time == time and receipt.feedback:
                path = self.folder / "inbound" / f"{student}+{assignment}+{receipt.time}+{receipt.digest}"
                return {name: self._page(path, name) for name in receipt.feedback}
        raise Refused(f"There is no feedback yet for what you handed in for {assignment} at that time.", 404)

    def _page(self, submission: Path, notebook: str) -> Path:
        """Where nbgrader's `release_feedback` puts the page of this submission: a name that only the secret yields."""
        from nbgrader.utils import notebook_hash

        secret = (submission / SECRET).read_text()
        return self.folder / "feedback" / f"{notebook_hash(secret=secret, notebook_id=notebook)}.html"


def _name(name: Any, what: str) -> str:
    """The name, if a file may bear it. Raises `Refused`."""
    if isinstance(name, str) and NAME.fullmatch(name):
        return name
    raise Refused(
        f"`{str(name)[:80]!a}` cannot be the name of a {what} here: expected at most 80 letters, digits or _ . @ -, "
        "not beginning with one of the last three."
    )


def _notebooks(folder: Path) -> list[str]:
    return sorted(path.stem for path in folder.glob("*.ipynb") if path.is_file())


def _sync_file(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
