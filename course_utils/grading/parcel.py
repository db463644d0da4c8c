"""One notebook to examine, with everything that takes, as plain bytes: any process that has the course can do it.

>>> record = open_record(examine_parcel(pack(job, Limits())))    # doctest: +SKIP
>>> record.cells[0].verdict                                      # doctest: +SKIP
'pass'

What goes out holds no name of a student, no place in a gradebook and no secret of the course; what comes back is text.
"""

import json
import tempfile
from dataclasses import asdict, dataclass, replace
from pathlib import Path

from course_utils.errors import ClusterError
from course_utils.grading.examine import Job, examine
from course_utils.grading.ledger import environment
from course_utils.grading.record import Record
from course_utils.grading.sandbox import Limits
from course_utils.grading.staging import let_read, own_prefix, remove_stale

__all__ = ["Parcel", "examine_parcel", "open_record", "pack"]

Files = tuple[tuple[str, bytes], ...]


@dataclass(frozen=True)
class Parcel:
    """A job whose folders are in it."""

    job: Job
    """Without its folders."""
    limits: Limits
    files: Files | None
    given_files: Files | None
    environment: str
    """That of the sender: a record made with other packages would not be the same record."""


def pack(job: Job, limits: Limits) -> Parcel:
    """The job with the contents of its folders."""
    bare = replace(job, files=None, given_files=None)
    return Parcel(bare, limits, _packed(job.files), _packed(job.given_files), environment())


def examine_parcel(parcel: Parcel) -> str:
    """The record as JSON, for `open_record`. Raises as `examine` does, and `ClusterError` in another environment."""
    if parcel.environment != environment():
        raise ClusterError(
            "This worker has another Python, other packages or another version of the course than the machine that "
            "sent it a submission, and could come to other verdicts. Install the same requirements.txt and the same "
            "course on both, and start the worker again."
        )
    remove_stale()
    with tempfile.TemporaryDirectory(prefix=own_prefix()) as folder:
        job = replace(
            parcel.job,
            files=_unpacked(parcel.files, Path(folder, "files")),
            given_files=_unpacked(parcel.given_files, Path(folder, "given")),
        )
        return json.dumps(asdict(examine(job, parcel.limits)))


def open_record(text: str) -> Record:
    """The record that `examine_parcel` made."""
    return Record.from_dict(json.loads(text))


def _packed(folder: Path | None) -> Files | None:
    if folder is None:
        return None
    found = sorted(path for path in folder.rglob("*") if path.is_file())
    return tuple((path.relative_to(folder).as_posix(), path.read_bytes()) for path in found)


def _unpacked(files: Files | None, folder: Path) -> Path | None:
    if files is None:
        return None
    folder.mkdir()
    for name, content in files:
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
    let_read(folder)
    return folder
