"""What is looked for on the machine after a class was graded: changed files, files with a marker, left processes.

>>> before = snapshot(folder)                        # doctest: +SKIP
>>> changed(before, snapshot(folder))                # doctest: +SKIP
['source/01-plain/01-plain.ipynb']
"""

import contextlib
import ctypes
import hashlib
import json
import os
import sysconfig
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psutil

from attacks.course import REPOSITORY

__all__ = [
    "adopted_orphans",
    "changed",
    "children",
    "free_outputs",
    "marked_files",
    "outside",
    "readable",
    "snapshot",
    "still_running",
]

MOST = 16 << 20  # bytes of a file that are read


def snapshot(folder: Path) -> dict[str, str]:
    """What is in each file, link and folder below `folder`, as a digest."""
    return {str(path.relative_to(folder)): _digest(path) for path in _below(folder)}


def changed(before: dict[str, str], after: dict[str, str]) -> list[str]:
    """The paths that were made, changed or removed."""
    return sorted(path for path in before.keys() | after.keys() if before.get(path) != after.get(path))


def readable(path: Path) -> str:
    """The text of a file, as far as it is looked at; "" if it is no regular file."""
    if path.is_symlink() or not path.is_file():
        return ""
    with path.open("rb") as file:
        return file.read(MOST).decode(errors="replace")


def marked_files(folder: Path, marker: str) -> list[Path]:
    """The paths below `folder` that carry the marker, in their name or inside."""
    return [path for path in _below(folder) if marker in path.name or marker in readable(path)]


def outside(marker: str) -> list[Path]:
    """What carries the marker in its name where any process of the machine might write."""
    libraries = {Path(sysconfig.get_path(name)) for name in ("purelib", "scripts", "data")}
    places = [Path("/dev/shm"), Path("/tmp"), Path("/var/tmp"), *libraries, REPOSITORY]
    places += [REPOSITORY / "course_utils", REPOSITORY / "course_utils" / "__pycache__"]
    return [path for place in places for path in place.glob(f"*{marker}*")]


def free_outputs(notebook: Path) -> str:
    """All that is in the outputs of a graded notebook's cells, the test cells aside."""
    try:
        cells = json.loads(readable(notebook) or "{}").get("cells", [])
        free = [c for c in cells if not c.get("metadata", {}).get("nbgrader", {}).get("grade")]
        return json.dumps([cell.get("outputs") for cell in free])
    except (ValueError, AttributeError):
        return readable(notebook)


def _below(folder: Path) -> Iterator[Path]:
    for where, folders, files in os.walk(folder):
        yield from (Path(where) / name for name in folders + files)


def _digest(path: Path) -> str:
    if path.is_symlink():
        return f"-> {os.readlink(path)}"
    if not path.is_file():
        return "folder" if path.is_dir() else "special"
    size = path.stat().st_size
    return f"{size} bytes" if size > MOST else hashlib.sha256(path.read_bytes()).hexdigest()


# -- processes --


@contextlib.contextmanager
def adopted_orphans() -> Iterator[None]:
    """Nothing: meanwhile, whatever is started below this process stays below it, detached or not."""
    become_subreaper, prctl = 36, ctypes.CDLL(None).prctl
    prctl(become_subreaper, 1)
    try:
        yield
    finally:
        prctl(become_subreaper, 0)


def children() -> set[int]:
    """The processes below this one."""
    return {process.pid for process in psutil.Process().children(recursive=True)}


def still_running(before: set[int], wait: float) -> list[str]:
    """The command lines of processes below this one that were not there before; they are killed.

    They have `wait` seconds to end by themselves.
    """
    end = time.monotonic() + wait
    while (found := _new(before)) and time.monotonic() < end:
        time.sleep(0.1)
    said = [" ".join(_ask(process.cmdline) or [_ask(process.name)])[:2000] for process in found]
    for _ in range(50):  # a fork bomb makes new ones meanwhile
        if not (found := _new(before)):
            break
        for process in found:
            _ask(process.kill)
        psutil.wait_procs(found, timeout=0.2)
    return said


def _new(before: set[int]) -> list[psutil.Process]:
    """New processes below this one that live; adopted ones that have ended are let go."""
    found = [process for process in psutil.Process().children(recursive=True) if process.pid not in before]
    dead = [process for process in found if _ask(process.status) in (psutil.STATUS_ZOMBIE, None)]
    for process in dead:
        with contextlib.suppress(ChildProcessError):
            os.waitpid(process.pid, os.WNOHANG)
    return [process for process in found if process not in dead]


def _ask(question: Any) -> Any:
    """The answer of a process; None if it has ended."""
    try:
        return question()
    except psutil.Error:
        return None
