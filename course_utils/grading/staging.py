"""Copies of what was handed in, and the files that an instructor gave along, for the processes that need them.

>>> with tempfile.TemporaryDirectory(prefix=own_prefix()) as folder:     # doctest: +SKIP
...     give_along(Path("source/02-x"), Path(folder), keep=[], ignored=["*.pyc"])
"""

import contextlib
import os
import re
import shutil
import socket
import stat
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil

from course_utils.grading.intake import Intake

__all__ = ["TIMESTAMP", "Staged", "give_along", "let_read", "own_prefix", "read_timestamp", "remove_stale"]

TIMESTAMP = "timestamp.txt"


@dataclass(frozen=True)
class Staged:
    """What the two sandboxes of one submission may read, in a folder of this process."""

    folder: Path
    intake: Intake

    @property
    def files(self) -> Path:
        """What was handed in, with what was given along over it."""
        return self.folder / "files"

    @property
    def given(self) -> Path:
        """What was given along."""
        return self.folder / "given"

    def remove(self) -> None:
        """Nothing: the copies are gone."""
        shutil.rmtree(self.folder, ignore_errors=True)


def own_prefix() -> str:
    """The start of the names of this process's copies."""
    return f"{_prefix()}{os.getpid()}-"


def _prefix() -> str:
    # /tmp may be shared by hosts, on which numbers of processes differ.
    return f"submission-{socket.gethostname()}-"


def remove_stale() -> None:
    """Removes copies whose grader was killed before it could."""
    for folder in Path(tempfile.gettempdir()).glob(f"{_prefix()}*"):
        with contextlib.suppress(OSError, ValueError):
            own = folder.lstat().st_uid == os.geteuid()
            if own and not _runs(int(folder.name.removeprefix(_prefix()).split("-")[0])):
                shutil.rmtree(folder)


def _runs(number: int) -> bool:
    try:
        return psutil.Process(number).status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


def give_along(source: Path, into: Path, keep: list[str], ignored: list[str]) -> None:
    """The instructor's files over the student's: no notebooks, nothing that the release leaves out, and not those
    that students may edit."""
    # Importing nbgrader takes seconds, which a process that only examines does not have to wait.
    from nbgrader.utils import find_all_files

    for path in map(Path, sorted(find_all_files(str(source), [*ignored, "*.ipynb"]))):
        place = path.relative_to(source)
        if str(place) in keep and (into / place).exists():
            continue
        for folder in (into / parent for parent in place.parents):
            if folder.is_file():  # the student's, where the instructor has a folder
                folder.unlink()
        if (into / place).is_dir():
            shutil.rmtree(into / place)
        (into / place.parent).mkdir(parents=True, exist_ok=True)
        shutil.copyfile(path, into / place)


def let_read(folder: Path) -> None:
    """The sandboxed process is another user; the folder around this one keeps everybody else out."""
    for place, _, files in os.walk(folder):
        os.chmod(place, 0o755)
        for name in files:
            os.chmod(os.path.join(place, name), 0o644)


def read_timestamp(folder: Path) -> tuple[Any, str]:
    """(when the submission was handed in, what is wrong with its time stamp)."""
    from nbgrader.utils import parse_utc

    path = folder / TIMESTAMP
    if not os.path.lexists(path):
        return None, ""
    with contextlib.suppress(OSError, ValueError, TypeError, OverflowError):
        descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
        try:
            if stat.S_ISREG(os.fstat(descriptor).st_mode):
                text = os.read(descriptor, 200).decode().strip()
                if re.fullmatch(r"[\d\s:.,+A-Za-z/_-]+", text):
                    return parse_utc(text), ""
        finally:
            os.close(descriptor)
    return None, f"{TIMESTAMP} holds no time; the submission counts as handed in without one."
