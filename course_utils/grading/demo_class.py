"""The class folder of `course demo`, and nbgrader in it.

>>> folder = fresh_folder(Path("."), Path("demo-class"), lessons)         # doctest: +SKIP
>>> log_step(folder, api_for(folder).release_assignment("02-x"))          # doctest: +SKIP
"""

import contextlib
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from course_utils.errors import ClassError
from course_utils.grading.lesson import Lesson
from course_utils.grading.outputs import last_words
from course_utils.grading.release import SETTINGS, load_settings

__all__ = [
    "LOG",
    "MARKER",
    "StepFailed",
    "api_for",
    "catch",
    "for_class",
    "fresh_folder",
    "log_step",
    "may_be_emptied",
    "start",
]

MARKER = ".made-by-course-demo"
LOG = "demo.log"
# Appended to the copy of the course's settings: whatever they say, this class stays inside its own folder.
OWN_SETTINGS = """
# Added by `course demo`: this class keeps its gradebook, exchange and caches in its own folder.
from pathlib import Path as _Path
_class = _Path(__file__).resolve().parent
c.CourseDirectory.root = str(_class)
c.CourseDirectory.db_url = {gradebook} or f"sqlite:///{{_class / 'gradebook.db'}}"
c.Exchange.root = str(_class / ".exchange")
c.Exchange.cache = str(_class / ".cache")
"""


class StepFailed(Exception):
    """One nbgrader step failed; the message is its reason in a line."""


def fresh_folder(root: Path, into: Path, lessons: list[Lesson], gradebook: str = "") -> Path:
    """`into`, emptied if an earlier demo made it, with these lessons' sources and settings of its own.

    `gradebook` is the address of an empty database, if it is not to be a file in there. Raises `ClassError` if `into`
    or the database holds anything else, or cannot be made.
    """
    if gradebook:
        _must_be_empty(gradebook)
    settings = load_settings(root) and (root / SETTINGS).read_text(encoding="utf-8")
    folder = into.resolve()
    if not may_be_emptied(folder, MARKER):
        raise ClassError(
            f"The demo makes its class folder afresh, but {into} exists and was not made by it (it has no "
            f"{MARKER}), so it may hold somebody's work. Name another with --into, or move this one away."
        )
    try:
        _empty(folder)
        (folder / SETTINGS).write_text(
            settings + OWN_SETTINGS.format(gradebook=repr(gradebook)), encoding="utf-8"
        )
        for lesson in lessons:
            shutil.copytree(lesson.source_dir, folder / "source" / lesson.name)
        (folder / ".exchange").mkdir()
        (folder / ".exchange").chmod(0o777)  # as nbgrader wants it
    except OSError as error:
        raise ClassError(
            f"The class folder {into} could not be made ({error}). Name another with --into."
        ) from None
    return folder


def _must_be_empty(gradebook: str) -> None:
    from nbgrader.api import Gradebook
    from sqlalchemy.engine import make_url
    from sqlalchemy.exc import SQLAlchemyError

    try:
        shown = make_url(gradebook).render_as_string(hide_password=True)
        with Gradebook(gradebook) as opened:
            there = sorted(found.name for found in opened.assignments)
    except (SQLAlchemyError, ImportError) as error:
        raise ClassError(
            f"The gradebook {gradebook.split('@')[-1]} cannot be opened ({str(error).splitlines()[0]}). An address "
            "looks like postgresql+psycopg://user:password@host/database, and the database must be there."
        ) from None
    if there:
        raise ClassError(
            f"The gradebook {shown} holds assignments ({', '.join(there)}), so it may be a real class's. Make an empty "
            "database for the demo."
        )


def may_be_emptied(folder: Path, marker: str) -> bool:
    """Whether nothing is there, or only what the command made that leaves a file `marker`."""
    if not folder.exists():
        return True
    return folder.is_dir() and ((folder / marker).is_file() or not any(folder.iterdir()))


def _empty(folder: Path) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    # The marker goes first and stays last, so that a folder whose making was stopped can be made again.
    (folder / MARKER).write_text("`course demo` made this folder and empties it each time it runs.\n")
    for path in folder.iterdir():
        if path.name != MARKER:
            shutil.rmtree(path) if path.is_dir() and not path.is_symlink() else path.unlink()


def api_for(folder: Path, student: str | None = None) -> Any:
    """nbgrader on the class folder, as its instructor or as one of its students."""
    from nbgrader.apps.api import NbGraderAPI

    settings = load_settings(folder)
    if student:
        home = folder / "students" / student
        settings.CourseDirectory.student_id = student
        settings.Exchange.assignment_dir, settings.Exchange.cache = str(home), str(home / ".cache")
    return NbGraderAPI(config=settings)


def start(folder: Path, step: Any) -> None:
    """Nothing: runs a step that nbgrader's API has no function for; raises what `log_step` raises."""
    from nbgrader.utils import capture_log

    log_step(folder, capture_log(step))


def log_step(folder: Path, result: dict[str, Any]) -> None:
    """Nothing: adds what nbgrader logged to the class's log; raises `StepFailed` if it was a failure."""
    with (folder / LOG).open("a", encoding="utf-8") as log:
        log.write(result.get("log", "") + result.get("error", ""))
    if "KeyboardInterrupt" in result.get("error", ""):
        raise KeyboardInterrupt  # nbgrader catches it as if it were a failure
    if not result["success"]:
        raise StepFailed(last_words(result.get("log", ""), result["error"]))


def for_class(folder: Path, result: dict[str, Any], lesson: str, what: str) -> None:
    """`log_step` for a step that concerns everybody: its failure is a `ClassError`, which ends the demo."""
    try:
        log_step(folder, result)
    except StepFailed as error:
        raise ClassError(
            f"{lesson} could not {what}: {error}. nbgrader's log is in {folder / LOG}."
        ) from None


@contextlib.contextmanager
def catch(failed: dict[str, str], student: str) -> Iterator[None]:
    """Nothing: turns a step's failure into the student's reason, so that the class goes on."""
    try:
        yield
    except StepFailed as error:
        failed[student] = str(error)
