"""nbgrader's autograding with nothing of a submission trusted: intake, rebuild, `Examine`, record.

`configure(c)` puts `HonestAutograde` in the place of nbgrader's `Autograde`, so that `nbgrader autograde`,
formgrader's button and nbgrader's Python API all grade through it.

>>> configure(c)                        # in nbgrader_config.py, doctest: +SKIP
"""

import contextlib
import fnmatch
import glob
import hashlib
import hmac
import json
import os
import secrets
import shutil
import tempfile
from pathlib import Path
from typing import Any

import nbformat
from nbgrader.api import Gradebook, MissingEntry
from nbgrader.converters import Autograde
from nbgrader.converters.base import NbGraderException

from course_utils.grading.examine_step import Assigned, Examine
from course_utils.grading.intake import Intake, read_notebook, take_in
from course_utils.grading.ledger import Ledger
from course_utils.grading.rebuild import rebuild
from course_utils.grading.skeleton import read_gradebook, skeleton
from course_utils.grading.staging import give_along, let_read, own_prefix, read_timestamp, remove_stale
from course_utils.grading.warm import is_ready, warm_parent

__all__ = ["HonestAutograde", "install"]

OWN = ".grading"
MANY = 3
EXAMINE = "course_utils.grading.examine_step.Examine"
ACTIVE = ("*config*.py", "*config*.json", "*.htm*", "*.xht*", "*.xml", "*.svg*", "*.js", "*.pdf")
"""Not copied to where formgrader serves files to a TA, and where settings are looked for."""


def install() -> None:
    """Nothing: nbgrader's commands, its API and formgrader grade through `HonestAutograde` from now on."""
    import nbgrader.apps.api
    import nbgrader.apps.autogradeapp
    from nbgrader.apps.api import NbGraderAPI
    from nbgrader.coursedir import CourseDirectory

    # A time stamp that is none ends nbgrader's commands and formgrader's pages for everybody; a pipe hangs them.
    CourseDirectory.get_existing_timestamp = lambda self, folder: read_timestamp(Path(folder))[0]
    NbGraderAPI.get_submitted_timestamp = lambda self, assignment, student: read_timestamp(
        Path(self.coursedir.format_path(self.coursedir.submitted_directory, student, assignment))
    )[0]
    nbgrader.apps.api.Autograde = HonestAutograde
    nbgrader.apps.autogradeapp.Autograde = HonestAutograde


class HonestAutograde(Autograde):
    """nbgrader's `Autograde`; for a course without `Examine` in its preprocessors it changes nothing."""

    _folder: tempfile.TemporaryDirectory | None = None
    _staging: Path
    _intake: Intake

    @property
    def honest(self) -> bool:
        """Whether this course is configured for honest grading."""
        return any(step in (EXAMINE, Examine) for step in self.autograde_preprocessors)

    def init_notebooks(self) -> None:
        """Finds what to grade: every notebook of the assignment, for every student who submitted anything."""
        if not self.honest or not (names := self._lesson_notebooks(self.coursedir.notebook_id)):
            super().init_notebooks()
            return
        folders = self._submissions()
        if not folders:
            super().init_notebooks()  # says what it looked for, and what is there
        self.assignments = {str(f): [str(f / f"{name}.ipynb") for name in names] for f in folders}

    def init_destination(self, assignment_id: str, student_id: str) -> bool:
        """Whether the submission is to be graded: not yet, not wholly, or resubmitted since."""
        if not self.honest:
            return super().init_destination(assignment_id, student_id)
        marker = self._unfinished(assignment_id, student_id)
        forced = bool(self.force)  # type: ignore[has-type]
        interrupted = marker.exists()
        marker.parent.mkdir(parents=True, exist_ok=True)
        marker.touch()  # before old results are removed
        self.force = forced or interrupted or self._is_newly_stamped(assignment_id, student_id)
        try:
            wanted = super().init_destination(assignment_id, student_id)
        finally:
            self.force = forced
        if wanted and interrupted:
            self.log.warning(
                "Grading of %s of %s was interrupted; it is graded again", assignment_id, student_id
            )
        if not wanted and not interrupted:
            marker.unlink()
        return wanted

    def _is_newly_stamped(self, assignment_id: str, student_id: str) -> bool:
        """Whether what is there now has another time stamp than what was graded, be it an earlier one."""
        places = (
            self._format_source(assignment_id, student_id),
            self._format_dest(assignment_id, student_id),
        )
        now, then = (read_timestamp(Path(place))[0] for place in places)
        return now != then

    def init_assignment(self, assignment_id: str, student_id: str) -> None:
        """Takes in the submission's files and prepares the gradebook."""
        if not self.honest:
            super().init_assignment(assignment_id, student_id)
            return
        source = Path(self._format_source(assignment_id, student_id))
        dest = Path(self._format_dest(assignment_id, student_id))
        self._folder = tempfile.TemporaryDirectory(prefix=own_prefix())
        self._staging = Path(self._folder.name)
        self._intake = take_in(source, self._staging / "files")
        given = self._given_files(assignment_id)
        for folder in (self._staging / "files", self._staging / "given"):
            folder.mkdir(exist_ok=True)
            give_along(given, folder, self.exclude_overwriting.get(assignment_id, []), self.coursedir.ignore)
            let_read(folder)
        dest.mkdir(parents=True, exist_ok=True)
        left_out = shutil.ignore_patterns("*.ipynb", *ACTIVE)
        shutil.copytree(self._staging / "files", dest, ignore=left_out, dirs_exist_ok=True)
        self._note_submission(assignment_id, student_id, source)

    def convert_notebooks(self) -> None:
        """Grades each submission; leaves no copy behind."""
        remove_stale()
        with warm_parent() if self._is_many() else contextlib.nullcontext():
            try:
                super().convert_notebooks()
            finally:
                if self._folder:
                    self._folder.cleanup()

    def convert_single_notebook(self, notebook_filename: str) -> None:
        """Rebuilds one notebook, has it examined, and writes grades, graded notebook and record."""
        if not self.honest:
            super().convert_single_notebook(notebook_filename)
            return
        resources = self.init_single_notebook_resources(notebook_filename)
        where = resources["nbgrader"]
        given = self._skeleton(where["assignment"], where["notebook"])
        path = self._staging / "files" / Path(notebook_filename).name
        missing = (
            f"The submission has no notebook {path.name}. Hand it in under the name it was fetched with."
        )
        submitted, problem = read_notebook(path) if path.is_file() else (None, missing)
        rebuilt = rebuild(given, submitted)
        notes = [*([problem] if problem else []), *self._intake.notes, *rebuilt.notes]
        for note in notes:
            self.log.warning("%s, %s: %s", where["student"], path.name, note)
        notebook = rebuilt.notebook
        notebook.metadata["course"] = {"notes": notes}
        resources["course"] = Assigned(
            given,
            self._staging / "files",
            self._staging / "given",
            self._seeds(where, notebook),
            problem or "",
            Ledger(Path(self.coursedir.root) / OWN / "ledger"),
        )
        output = ""
        try:
            for self._sanitizing in (True, False):
                self._init_preprocessors()
                output, resources = self.exporter.from_notebook_node(notebook, resources)
                notebook = nbformat.reads(output, as_version=4)
        finally:
            self._sanitizing = True  # else nbgrader would look for the next submission in autograded/
        self.write_single_notebook(output, resources)
        self._write_record(where, resources["course"].record)
        if problem:
            self._give_zeros(where)

    def set_permissions(self, assignment_id: str, student_id: str) -> None:
        """The last step: from here on the submission counts as graded."""
        super().set_permissions(assignment_id, student_id)
        dest = Path(self._format_dest(assignment_id, student_id))
        if self.honest and all((dest / f"{name}.ipynb").exists() for name in self._lesson_notebooks("*")):
            self._unfinished(assignment_id, student_id).unlink(missing_ok=True)

    # -- what is there --

    def _is_many(self) -> bool:
        """Whether a warm parent, which costs as much as two submissions, pays."""
        return self.honest and len(self.assignments) > MANY and not is_ready()

    def _submissions(self) -> list[Path]:
        """The submission folders that the command is about; links are none."""
        pattern = self._format_source(self.coursedir.assignment_id, self.coursedir.student_id)
        folders = [Path(path) for path in sorted(glob.glob(pattern)) if os.path.isdir(path)]
        links = [folder for folder in folders if folder.is_symlink() or folder.parent.is_symlink()]
        for link in links:
            self.log.warning("%s is a link, or lies in one, and no submission; it is left alone", link)
        return [folder for folder in folders if folder not in links]

    def _lesson_notebooks(self, pattern: str) -> list[str]:
        with Gradebook(self.coursedir.db_url, self.coursedir.course_id) as gradebook:
            try:
                notebooks = gradebook.find_assignment(self.coursedir.assignment_id).notebooks
                return sorted(fnmatch.filter([n.name for n in notebooks], pattern))
            except MissingEntry:
                return []

    def _given_files(self, assignment_id: str) -> Path:
        return Path(self.coursedir.format_path(self.coursedir.source_directory, ".", assignment_id))

    def _skeleton(self, assignment_id: str, notebook: str) -> Any:
        release = self.coursedir.format_path(self.coursedir.release_directory, ".", assignment_id)
        with Gradebook(self.coursedir.db_url, self.coursedir.course_id) as gradebook:
            cells, kernel = read_gradebook(gradebook, notebook, assignment_id)
        return skeleton(Path(release) / f"{notebook}.ipynb", cells, kernel)

    def _note_submission(self, assignment_id: str, student_id: str, source: Path) -> None:
        timestamp, problem = read_timestamp(source)
        with Gradebook(self.coursedir.db_url, self.coursedir.course_id) as gradebook:
            if self.create_student:
                gradebook.update_or_create_student(student_id)
            try:
                gradebook.find_student(student_id)
                gradebook.find_assignment(assignment_id)
            except MissingEntry as error:
                raise NbGraderException(f"{error}: is it in the gradebook?") from None
            known = {"timestamp": timestamp} if timestamp or problem else {}
            submission = gradebook.update_or_create_submission(assignment_id, student_id, **known)
            if timestamp and submission.total_seconds_late > 0:
                self.log.warning("%s is %s seconds late", submission, submission.total_seconds_late)
        if problem:
            self.log.warning("%s: %s", source, problem)

    # -- what is kept --

    def _give_zeros(self, where: dict[str, Any]) -> None:
        """What a person would grade gets 0 too, where there is nothing to grade."""
        names = (where["notebook"], where["assignment"], where["student"])
        with Gradebook(self.coursedir.db_url, self.coursedir.course_id) as gradebook:
            for grade in gradebook.find_submission_notebook(*names).grades:
                grade.auto_score, grade.needs_manual_grade = 0, grade.manual_score is not None
            gradebook.db.commit()

    def _unfinished(self, assignment_id: str, student_id: str) -> Path:
        return Path(self.coursedir.root) / OWN / "unfinished" / assignment_id / student_id

    def _seeds(self, where: dict[str, Any], notebook: Any) -> dict[str, str]:
        """Inputs are fresh for every attempt, and the same when it is graded again. Nobody outside can tell them."""
        words = [where["student"], where["assignment"], where["notebook"], self._intake.digest]
        attempt = "\0".join([*words, nbformat.writes(notebook)]).encode("utf-8", "replace")
        secret = _secret(Path(self.coursedir.root) / OWN)
        return {
            "given": hashlib.sha256(attempt).hexdigest(),
            "test": hmac.new(secret, attempt, "sha256").hexdigest(),
        }

    def _write_record(self, where: dict[str, Any], record: Any) -> None:
        if record is None:
            return
        record.digests = {"files": self._intake.digest, "seed": record.seeds.get("given", "")}
        folder = Path(self.coursedir.root) / OWN / "records" / where["assignment"] / where["student"]
        folder.mkdir(parents=True, exist_ok=True)
        path = folder / f"{where['notebook']}.json"
        fresh = path.with_suffix(".new")
        fresh.write_text(json.dumps(record.to_dict(), indent=1) + "\n", encoding="utf-8")
        fresh.replace(path)


def _secret(folder: Path) -> bytes:
    """The course's own secret, made once."""
    path = folder / "secret"
    if not path.exists():
        folder.mkdir(parents=True, exist_ok=True)
        fresh = folder / f"secret.{os.getpid()}"
        fresh.touch(mode=0o600)
        fresh.write_bytes(secrets.token_bytes(32))
        with contextlib.suppress(FileExistsError):
            os.link(fresh, path)  # the first of several processes wins
        fresh.unlink()
    return path.read_bytes()
