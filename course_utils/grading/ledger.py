"""Records of examined notebooks, kept under a digest of all that they depend on: the same thing again is a look-up.

>>> ledger = Ledger(Path(".grading/ledger"))                     # doctest: +SKIP
>>> ledger.find(digest(job, Limits())) or examine(job, Limits()) # doctest: +SKIP

The digest covers the rebuilt notebook with its tests, seeds and limits, all files on both sides, Python, the
installed packages, and this package with its assets. What the machine may have decided, such as a time limit,
is never kept. The folder may be deleted at any time.
"""

import contextlib
import dataclasses
import functools
import gzip
import json
import os
import site
import sys
from hashlib import sha256
from importlib import metadata
from pathlib import Path
from typing import Any

from course_utils.grading.examine import Job
from course_utils.grading.record import Record
from course_utils.grading.sandbox import Limits

__all__ = ["Ledger", "digest", "environment"]

CERTAIN = {"", "pass", "fail", "partial"}
PACKAGE = Path(__file__).resolve().parents[1]


class Ledger:
    """A folder of records."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def find(self, name: str) -> Record | None:
        """The record that was kept under that digest; None if there is none, or the file is damaged."""
        with contextlib.suppress(OSError, EOFError, ValueError, TypeError):
            return Record.from_dict(json.loads(gzip.decompress(self._path(name).read_bytes())))
        return None

    def keep(self, name: str, record: Record) -> bool:
        """Whether the record was kept: not one that could come out otherwise on a quieter machine."""
        if record.sandbox == "none" or not {cell.verdict for cell in record.cells} <= CERTAIN:
            return False
        path = self._path(name)
        path.parent.mkdir(parents=True, exist_ok=True)
        fresh = path.with_suffix(f".{os.getpid()}")
        fresh.write_bytes(gzip.compress(json.dumps(dataclasses.asdict(record)).encode(), 1, mtime=0))
        fresh.replace(path)
        return True

    def _path(self, name: str) -> Path:
        return self.folder / name[:2] / f"{name}.json.gz"


def digest(job: Job, limits: Limits) -> str:
    """One sha256 over all that the record of this job can depend on, the clock apart."""
    parts: dict[str, Any] = {field.name: getattr(job, field.name) for field in dataclasses.fields(job)}
    parts["cells"] = [dataclasses.asdict(cell) for cell in job.cells]
    parts |= {name: _files(parts[name]) for name in ("files", "given_files")}
    parts |= {"limits": dataclasses.asdict(limits), "environment": environment()}
    return sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()


@functools.cache
def environment() -> str:
    """One sha256 over Python, the installed packages, and this package's own code and assets."""
    # Not those of `sys.path`, on which the working directory may be, with what happens to lie in it.
    places = [*site.getsitepackages(), *([site.getusersitepackages()] if site.ENABLE_USER_SITE else [])]
    packages = sorted(f"{found.name} {found.version}" for found in metadata.distributions(path=places))
    parts = [sys.version, packages, _files(PACKAGE)]
    return sha256(json.dumps(parts).encode()).hexdigest()


def _files(folder: Path | None) -> list[tuple[str, str]] | None:
    """(relative path, sha256) of every file in a folder, compiled Python apart."""
    if folder is None:
        return None
    found = sorted(path for path in folder.rglob("*") if path.is_file() and "__pycache__" not in path.parts)
    return [(path.relative_to(folder).as_posix(), sha256(path.read_bytes()).hexdigest()) for path in found]
