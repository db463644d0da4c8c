"""What a submission holds, copied aside and capped: the one place that reads what students wrote to disk.

>>> taken = take_in(Path("submitted/mia/02-x"), Path("/tmp/mia"))         # doctest: +SKIP
>>> taken.notes                                                           # doctest: +SKIP
('`data.csv` was left out: it is a link.',)
>>> notebook, problem = read_notebook(taken.folder / "02-x.ipynb")        # doctest: +SKIP

A submission is a folder that somebody else made: any name in it may be a link to the gradebook, a pipe that
never ends or a file of a terabyte. So each entry is opened relative to its open folder, never through a link
and never waiting, and what it is is asked of the open file. Nothing that a student can do raises.

**Hard links** are taken like any file, with a note. Linux lets only the owner of a file, or somebody who may
read and write it, make one (`fs.protected_hardlinks`, on by default), so a hard link shows its maker nothing
new; and backups and deduplication leave hard links in honest class folders.
"""

import heapq
import json
import os
import stat
from collections.abc import Sequence
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path, PurePosixPath
from typing import Any

from course_utils.errors import ClassError

__all__ = ["CAPS", "Caps", "Intake", "at_most", "read_notebook", "take_in"]

OPEN = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
DEPTH = 10
BRACKETS = 1_000_000  # 20 MB of nothing but `{}` would become half a gigabyte of objects
SAVE_AGAIN = "Open it in JupyterLab, save it and submit it again."
KINDS = {
    stat.S_IFLNK: "a link",
    stat.S_IFIFO: "a named pipe",
    stat.S_IFSOCK: "a socket",
    stat.S_IFCHR: "a device",
    stat.S_IFBLK: "a device",
}


@dataclass(frozen=True)
class Caps:
    """How much of one submission is read."""

    files: int = 500
    """Files, folders and whatever else has a name, together."""
    file_bytes: int = 50_000_000
    total_bytes: int = 200_000_000
    notebook_bytes: int = 20_000_000
    cells: int = 2_000
    source_chars: int = 1_000_000
    """Characters in the source of one cell."""


CAPS = Caps()


@dataclass(frozen=True)
class Intake:
    """A submission's regular files, in a folder of our own, and what was left out."""

    folder: Path
    digests: dict[str, str]
    """Relative POSIX path -> sha256 of the file, in hex."""
    notes: tuple[str, ...]

    @property
    def digest(self) -> str:
        """One sha256 over all paths and files; `timestamp.txt`, which nbgrader adds, is one of them."""
        lines = "".join(f"{digest}  {path}\n" for path, digest in sorted(self.digests.items()))
        return sha256(lines.encode()).hexdigest()


def take_in(submitted: Path, into: Path, caps: Caps = CAPS) -> Intake:
    """What a submission folder holds, copied into `into`: regular files only, links never followed.

    Notebooks come first, then other files, then folders, so that what is over a cap displaces no notebook.
    Raises `ClassError` if `into` is not empty, and `OSError` only for a fault of the disk itself.
    """
    into.mkdir(parents=True, exist_ok=True)
    if any(into.iterdir()):
        raise ClassError(
            f"Expected an empty folder to copy a submission to, but {into} holds files. Empty it."
        )
    copier = _Copier(into, caps)
    try:
        folder = os.open(submitted, OPEN | os.O_DIRECTORY)
    except OSError as error:
        came = "a link" if submitted.is_symlink() else error.strerror
        copier.notes.append(f"Nothing was read: expected a submission folder, and it is not one ({came}).")
    else:
        copier.take_folder(folder, PurePosixPath())
    return Intake(into, copier.digests, at_most(copier.notes))


def at_most(notes: Sequence[str], most: int = 20) -> tuple[str, ...]:
    """The first notes, and how many more there were.

    >>> at_most(["a", "b", "c"], most=1)
    ('a', '… and 2 more notes.')
    """
    more = len(notes) - most
    return (*notes[:most], f"… and {more} more note{'s' * (more > 1)}.") if more > 0 else tuple(notes)


class _Copier:
    """One copy under way: what was taken so far, and what was not."""

    def __init__(self, into: Path, caps: Caps) -> None:
        self.into, self.caps = into, caps
        self.digests: dict[str, str] = {}
        self.notes: list[str] = []
        self.seen = self.bytes = 0

    def take_folder(self, folder: int, path: PurePosixPath) -> None:
        """Takes what an open folder holds, and closes it."""
        try:
            for name in _names(folder, self.caps.files + 1):
                self.seen += 1
                if self.seen > self.caps.files:
                    return self._note_full()
                self._take(folder, path / name)
        finally:
            os.close(folder)

    def _take(self, folder: int, path: PurePosixPath) -> None:
        if not path.name.isprintable():  # nor is a name with bytes that are not UTF-8
            return self._leave(path, "its name is not printable text")
        try:
            mode = os.stat(path.name, dir_fd=folder, follow_symlinks=False).st_mode
            if kind := KINDS.get(stat.S_IFMT(mode)):  # opening a device may already do something
                return self._leave(path, f"it is {kind}")
            opened = os.open(path.name, OPEN, dir_fd=folder)
        except OSError as error:
            return self._leave(path, f"it could not be opened ({error.strerror})")
        status = os.fstat(opened)  # of what is open: the name may mean something else by now
        if not stat.S_ISDIR(status.st_mode):
            return self._take_file(opened, status, path)
        if len(path.parts) <= DEPTH:
            return self.take_folder(opened, path)
        os.close(opened)
        self._leave(path, f"it lies more than {DEPTH} folders deep")

    def _take_file(self, opened: int, status: os.stat_result, path: PurePosixPath) -> None:
        caps, room = self.caps, self.caps.total_bytes - self.bytes
        with open(opened, "rb", buffering=0) as file:
            if not stat.S_ISREG(status.st_mode):
                return self._leave(path, "it is not a regular file")
            if status.st_size > caps.file_bytes:
                return self._leave(
                    path, f"it has {status.st_size:,} bytes, and at most {caps.file_bytes:,} are taken"
                )
            copied = (
                _copy(file, self.into / path, min(caps.file_bytes, room)) if status.st_size <= room else None
            )
        if copied is None:
            return self._leave(path, f"all files together would be over {caps.total_bytes:,} bytes")
        self.digests[path.as_posix()], size = copied
        self.bytes += size
        if status.st_nlink > 1:
            self.notes.append(f"`{_shown(path)}` has a second name elsewhere (a hard link); it was taken.")

    def _leave(self, path: PurePosixPath, why: str) -> None:
        self.notes.append(f"`{_shown(path)}` was left out: {why}.")

    def _note_full(self) -> None:
        note = f"The submission holds more than {self.caps.files} files and folders; the rest was left out."
        if note not in self.notes:
            self.notes.append(note)


def _names(folder: int, most: int) -> list[str]:
    """The first names in a folder, by `_rank`; a folder of a million costs time but no memory."""
    with os.scandir(folder) as entries:
        return [rank[-1] for rank in heapq.nsmallest(most, map(_rank, entries))]


def _rank(entry: os.DirEntry[str]) -> tuple[bool, bool, str]:
    try:
        is_folder = entry.is_dir(follow_symlinks=False)
    except OSError:
        is_folder = False
    return is_folder, not entry.name.endswith(".ipynb"), entry.name


def _copy(file: Any, target: Path, room: int) -> tuple[str, int] | None:
    """The digest and size of what was copied; None, and no copy, if it was more than there is room for."""
    target.parent.mkdir(parents=True, exist_ok=True)
    digest, size = sha256(), 0
    with target.open("xb") as copy:
        while chunk := file.read(1 << 20):
            size += len(chunk)
            if size > room:  # it grew since its size was asked
                target.unlink()
                return None
            digest.update(chunk)
            copy.write(chunk)
    return digest.hexdigest(), size


def _shown(path: PurePosixPath) -> str:
    """A path as a note may show it: printable, without backticks, and not too long."""
    text = "".join(c if c.isprintable() and c != "`" else "?" for c in path.as_posix())
    return text if len(text) <= 80 else f"{text[:40]}…{text[-39:]}"


class _Unreadable(Exception):
    """Why a notebook can't be read, in words that follow its name."""


def read_notebook(path: Path, caps: Caps = CAPS) -> tuple[dict[str, Any] | None, str | None]:
    """(the notebook's JSON, None), or (None, one sentence on why it can't be read).

    >>> read_notebook(Path("no-such.ipynb"))
    (None, '`no-such.ipynb` is not in the submission. Check the name of the file and submit again.')

    What comes back is a dictionary of format 4 with a list of cells, and neither too many nor too long ones;
    nothing else about it is sure. `NaN` and numbers of more than 18 digits, which only outputs and metadata
    can hold, come back as None.
    """
    try:
        notebook = _parse(_text(path, caps))
        _check(notebook, caps)
    except _Unreadable as why:
        return None, f"`{_shown(PurePosixPath(path.name))}` {why}"
    return notebook, None


def _text(path: Path, caps: Caps) -> str:
    """The text of a file, after every check that can be made before it is parsed."""
    try:
        opened = os.open(path, OPEN)
    except FileNotFoundError:
        raise _Unreadable("is not in the submission. Check the name of the file and submit again.") from None
    except OSError as error:
        raise _Unreadable(f"could not be opened ({error.strerror}). Submit the notebook itself.") from None
    try:
        if not stat.S_ISREG(os.fstat(opened).st_mode):
            raise _Unreadable("is not a file. Submit the notebook itself.")
        with open(opened, "rb", closefd=False) as file:
            content = file.read(caps.notebook_bytes + 1)
    finally:
        os.close(opened)
    if len(content) > caps.notebook_bytes:
        raise _Unreadable(
            f"is larger than {caps.notebook_bytes:,} bytes. Clear all outputs in JupyterLab, save, submit again."
        )
    if not content.strip():
        raise _Unreadable("is empty. Submit the notebook again.")
    if content.count(b"{") + content.count(b"[") > BRACKETS:
        raise _Unreadable(f"has more than {BRACKETS:,} brackets. Clear all outputs, save and submit again.")
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise _Unreadable(
            f"is not UTF-8 text, which a notebook must be (byte {error.start}). {SAVE_AGAIN}"
        ) from None


def _parse(text: str) -> Any:
    try:
        return json.loads(text, object_pairs_hook=_once, parse_int=_small_int, parse_constant=lambda _: None)
    except json.JSONDecodeError as error:
        where = f"line {error.lineno}, column {error.colno}"
        raise _Unreadable(f"is not JSON at {where}: cut short or edited by hand. {SAVE_AGAIN}") from None
    except RecursionError:
        raise _Unreadable(f"is nested deeper than any notebook. {SAVE_AGAIN}") from None


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """A JSON object, unless a key comes twice: then nobody can say which one the student meant."""
    made = dict(pairs)
    if len(made) < len(pairs):
        raise _Unreadable(f"has the same key twice in one place: it was edited by hand. {SAVE_AGAIN}")
    return made


def _small_int(digits: str) -> int | None:
    return int(digits) if len(digits) <= 18 else None


def _check(notebook: Any, caps: Caps) -> None:
    """Raises `_Unreadable` unless this is a format 4 notebook within the caps."""
    if not isinstance(notebook, dict):
        raise _Unreadable(f"is JSON, but not a notebook. {SAVE_AGAIN}")
    version = notebook.get("nbformat")
    if version in (1, 2, 3):
        raise _Unreadable(f"is in the old notebook format {version}; expected format 4. {SAVE_AGAIN}")
    if version != 4:
        raise _Unreadable(f"does not say that it is in notebook format 4. {SAVE_AGAIN}")
    cells = notebook.get("cells")
    if not isinstance(cells, list):
        raise _Unreadable(f"has no list of cells. {SAVE_AGAIN}")
    if len(cells) > caps.cells:
        raise _Unreadable(f"has {len(cells):,} cells, and at most {caps.cells:,} are read. Delete some.")
    for index, cell in enumerate(cells):
        if (size := _source_size(cell)) > caps.source_chars:
            raise _Unreadable(
                f"has {size:,} characters in cell {index}, and at most {caps.source_chars:,} are read. "
                "Put data in a file beside the notebook."
            )


def _source_size(cell: Any) -> int:
    source = cell.get("source") if isinstance(cell, dict) else None
    parts = source if isinstance(source, list) else [source]
    return sum(len(part) for part in parts if isinstance(part, str))
