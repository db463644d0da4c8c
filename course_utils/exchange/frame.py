"""Files on the wire: one line of JSON that announces every file, then their bytes one after the other.

>>> body = pack(Path("02-x"))                                    # doctest: +SKIP
>>> unpack(io.BytesIO(body), Path("/tmp/empty"), CAPS)           # doctest: +SKIP
[Entry(path='02-x.ipynb', size=51230, sha256='5f…')]

A frame can hold nothing but files with plain relative names: no link, no owner, no time. `unpack` writes nothing before
the whole announcement is sound, and believes no size or digest that the bytes do not bear out.
"""

import hashlib
import json
import os
import re
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

from course_utils.errors import ClassError

__all__ = ["CAPS", "RESERVED", "Caps", "Entry", "Refused", "digest_of", "pack", "unpack"]

RESERVED = ("timestamp.txt", "submission_secret.txt")
"""What the exchange itself writes beside a submission."""
HEADER = 1_000_000  # bytes of the announcement
CHUNK = 1 << 20


class Refused(ClassError):
    """A request that the exchange does not grant. `status` is that of its HTTP reply."""

    def __init__(self, message: str, status: int = 400) -> None:
        super().__init__(message)
        self.status = status


@dataclass(frozen=True)
class Caps:
    """How much may be handed in at once."""

    files: int = 500
    file_bytes: int = 50_000_000
    total_bytes: int = 50_000_000

    @property
    def frame_bytes(self) -> int:
        """The longest frame."""
        return self.total_bytes + HEADER


CAPS = Caps()


@dataclass(frozen=True)
class Entry:
    """One announced file."""

    path: str
    size: int
    sha256: str


def digest_of(entries: Iterable[Entry]) -> str:
    """One sha256, in hex, over all names and contents; their order does not matter."""
    lines = sorted(f"{entry.sha256}  {entry.path}\n" for entry in entries)
    return hashlib.sha256("".join(lines).encode()).hexdigest()


def pack(folder: Path, paths: Iterable[Path] | None = None) -> bytes:
    """The frame of these files below `folder`; of all regular files if none are named. Links are left out."""
    chosen = sorted(folder.rglob("*") if paths is None else paths)
    files = [(path, path.read_bytes()) for path in chosen if path.is_file() and not path.is_symlink()]
    entries = [
        {
            "path": path.relative_to(folder).as_posix(),
            "size": len(data),
            "sha256": hashlib.sha256(data).hexdigest(),
        }
        for path, data in files
    ]
    return json.dumps({"files": entries}).encode() + b"\n" + b"".join(data for _, data in files)


def unpack(body: BinaryIO, into: Path, caps: Caps = CAPS, reserved: Iterable[str] = ()) -> list[Entry]:
    """What the frame held, written below the empty folder `into` and forced to disk.

    Raises `Refused` for a frame that is not one, is over a cap, or names a file outside `into` or a `reserved` one.
    """
    entries = _announced(body.readline(HEADER + 1), caps, {name.casefold() for name in reserved})
    for entry in entries:
        _write(body, into / entry.path, entry)
    if body.read(1):
        raise Refused("The submission goes on after its last announced file. Submit again.")
    for folder, _, _ in os.walk(into):
        sync(Path(folder))
    return entries


def sync(folder: Path) -> None:
    """Nothing: the names in the folder are on the disk."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _write(body: BinaryIO, path: Path, entry: Entry) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    digest, left = hashlib.sha256(), entry.size
    with path.open("xb") as file:
        while left and (chunk := body.read(min(CHUNK, left))):
            digest.update(chunk)
            file.write(chunk)
            left -= len(chunk)
        if left or digest.hexdigest() != entry.sha256:
            came = f"{left:,} bytes are missing" if left else "its bytes are not those announced"
            raise Refused(f"`{entry.path}` was damaged on the way ({came}). Submit again.")
        file.flush()
        os.fsync(file.fileno())


def _announced(line: bytes, caps: Caps, reserved: set[str]) -> list[Entry]:
    """The entries of the first line, if every one of them may be written."""
    try:
        files = json.loads(line)["files"]
        entries = [Entry(file["path"], file["size"], file["sha256"]) for file in files]
    except (ValueError, KeyError, TypeError, RecursionError):
        raise Refused(
            "Expected one line of JSON that announces the files, and then the files; something else came. "
            "Submit with nbgrader, from the Assignment List or by `nbgrader submit`."
        ) from None
    if not entries:
        raise Refused("The submission is empty. Submit the folder that you fetched.")
    if len(entries) > caps.files:
        raise Refused(f"{len(entries):,} files came, and at most {caps.files:,} are taken. Remove some.", 413)
    seen: set[str] = set()
    for entry in entries:
        _check(entry, caps, reserved)
        folders = {parent.as_posix() for parent in Path(entry.path).parents}
        if entry.path in seen or folders & seen:
            raise Refused(f"`{entry.path}` is announced twice, or as a file and as a folder. Submit again.")
        seen.add(entry.path)
    if (total := sum(entry.size for entry in entries)) > caps.total_bytes:
        raise Refused(
            f"The files have {total:,} bytes together, and at most {caps.total_bytes:,} are taken. Clear "
            "large outputs, or remove files that are not part of your answer.",
            413,
        )
    return entries


def _check(entry: Entry, caps: Caps, reserved: set[str]) -> None:
    path: Any = entry.path  # as they came: of any type
    size: Any = entry.size
    digest: Any = entry.sha256
    if not isinstance(path, str) or not _is_plain(path):
        shown = "".join(c if c.isprintable() else "?" for c in str(path))[:100]
        raise Refused(
            f"`{shown}` is not a name that can be handed in: expected a plain path below the assignment's folder, "
            "without `..` and not hidden. Rename or remove the file."
        )
    if path.casefold() in reserved:
        raise Refused(
            f"`{path}` is written by the exchange, which alone says when a submission came. Remove that file."
        )
    if (
        type(size) is not int
        or size < 0
        or not isinstance(digest, str)
        or not re.fullmatch("[0-9a-f]{64}", digest)
    ):
        raise Refused(f"`{path}` is announced without a proper size and sha256. Submit with nbgrader.")
    if size > caps.file_bytes:
        raise Refused(f"`{path}` has {size:,} bytes, and at most {caps.file_bytes:,} are taken.", 413)


def _is_plain(path: str) -> bool:
    parts = path.split("/")
    return (
        len(parts) <= 10
        and path.isprintable()
        and "\\" not in path
        and all(part and not part.startswith(".") and len(part.encode()) <= 200 for part in parts)
    )
