"""nbgrader's autograding with nothing of a submission trusted: intake, rebuild, `Examine`, record.

`configure(c)` puts `HonestAutograde` in the place of nbgrader's `Autograde`, so that `nbgrader autograde`,
formgrader's button and nbgrader's Python API all grade through it.

>>> configure(c)                        # in nbgrader_config.py, doctest: +SKIP
"""

import contextlib
import fnmatch
import functools
import glob
import hashlib
import hmac
import json
import os
import re
import secrets
import shutil
import tempfile
import warnings
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import nbformat
from nbgrader.api import Gradebook, MissingEntry
from nbgrader.converters import Autograde
from nbgrader.converters.base import NbGraderException

from course_utils.grading import formgrader, gradebooks
from course_utils.grading.examine_step import Assigned, Examine, lesson_names
from course_utils.grading.intake import read_notebook, take_in
from course_utils.grading.ledger import Ledger
from course_utils.grading.rebuild import rebuild
from course_utils.grading.skeleton import read_gradebook, skeleton
from course_utils.grading.staging import (
    Staged,
    give_along,
    let_read,
    own_prefix,
    read_timestamp,
    remove_stale,
)
from course_utils.grading.warm import is_there, warm_parent

__all__ = ["HonestAutograde", "Prepared", "install"]

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
    from sqlalchemy.exc import SAWarning

    # nbgrader looks for a new submission's neighbours before it adds it: it is stored, three warnings notwithstanding.
    warnings.filterwarnings("ignore", "Object of type .* not in session", SAWarning)
    # A time stamp that is none ends nbgrader's commands and formgrader's pages for everybody; a pipe hangs them.
    CourseDirectory.get_existing_timestamp = lambda self, folder: read_timestamp(Path(folder))[0]
    NbGraderAPI.get_submitted_timestamp = lambda self, assignment, student: read_timestamp(
        Path(self.coursedir.format_path(self.coursedir.submitted_directory, student, assignment))
    )[0]
    nbgrader.apps.api.Autograde = HonestAutograde
    nbgrader.apps.autogradeapp.Autograde = HonestAutograde
    gradebooks.install()
    formgrader.install()


@dataclass(frozen=True)
class _Given:
    """What the lesson gives to every submission of a notebook."""

    skeleton: Any
    graded: tuple[str, ...]
    imports: dict[str, tuple[str, str]]


@dataclass(frozen=True)
class Prepared:
    """A submission that can be examined. Nothing of it has been written to the class yet."""

    staged: Staged
    notebooks: dict[str, tuple[Any, Any]]
    """By the name of each notebook's file: the notebook, rebuilt and sanitised, and its resources."""


class HonestAutograde(Autograde):
    """nbgrader's `Autograde`; for a course without `Examine` in its preprocessors it changes nothing."""

    ready: Prepared | None = None
    """What somebody else has prepared already: the one submission that this is about."""
    _prepared: Prepared | None = None

    @functools.cached_property
    def _given(self) -> dict[tuple[str, str], _Given]:
        """By (assignment, notebook): read from gradebook and release once."""
        return {}

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
        self.force = forced or interrupted or self._is_newly_stamped(assignment_id, student_id)
        marker.parent.mkdir(parents=True, exist_ok=True)
        marker.touch()  # before old results are removed
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
        dest = Path(self._format_dest(assignment_id, student_id))
        self._clear()
        self._note_submission(assignment_id, student_id)
        self._prepared = self.ready or self.prepare(self._format_source(assignment_id, student_id))
        dest.mkdir(parents=True, exist_ok=True)
        left_out = shutil.ignore_patterns("*.ipynb", *ACTIVE)
        shutil.copytree(self._prepared.staged.files, dest, ignore=left_out, dirs_exist_ok=True)

    def convert_notebooks(self) -> None:
        """Grades each submission; leaves no copy behind."""
        remove_stale()
        with warm_parent() if self._is_many() else contextlib.nullcontext():
            try:
                super().convert_notebooks()
            finally:
                self._clear()

    def convert_single_notebook(self, notebook_filename: str) -> None:
        """Has one notebook examined, and writes grades, graded notebook and record."""
        if not self.honest:
            super().convert_single_notebook(notebook_filename)
            return
        assert self._prepared is not None
        notebook, resources = self._prepared.notebooks[notebook_filename]
        where = resources["nbgrader"]
        for note in notebook.metadata["course"]["notes"]:
            self.log.warning("%s, %s.ipynb: %s", where["student"], where["notebook"], note)
        try:
            self._sanitizing = False
            self._init_preprocessors()
            output, resources = self.exporter.from_notebook_node(notebook, resources)
        finally:
            self._sanitizing = True  # else nbgrader would look for the next submission in autograded/
        self.write_single_notebook(output, resources)
        self._write_record(where, resources["course"])  # the exporter works on a copy
        if resources["course"].problem:
            self._give_zeros(where)

    def whose(self, submission: str) -> tuple[str, str]:
        """(assignment, student) of a submission folder."""
        pattern = self._format_source("(?P<assignment>.*)", "(?P<student>.*)", escape=True)
        found = re.match(pattern, submission)
        assert found is not None, f"{submission} does not match {pattern}"
        return found["assignment"], found["student"]

    def is_wanted(self, submission: str) -> bool:
        """Whether `init_destination` would say so; nothing is changed."""
        assignment, student = self.whose(submission)
        if student in self.coursedir.student_id_exclude.split(","):
            return False
        dest = Path(self._format_dest(assignment, student))
        graded = all((dest / Path(name).name).exists() for name in self.assignments[submission])
        again = bool(self.force) or self._is_newly_stamped(assignment, student)  # type: ignore[has-type]
        return again or not graded or self._unfinished(assignment, student).exists()

    def prepare(self, submission: str) -> Prepared:
        """That submission folder, ready to be examined."""
        prepared = Prepared(self._stage(*self.whose(submission)), {})
        try:
            for name in sorted(self.assignments[submission]):
                prepared.notebooks[name] = self._rebuilt(name, prepared.staged)
        except BaseException:
            prepared.staged.remove()
            raise
        return prepared

    def _clear(self) -> None:
        if self._prepared is not None:
            self._prepared.staged.remove()

    def _stage(self, assignment_id: str, student_id: str) -> Staged:
        """Copies of what was handed in and of what was given along, for both sandboxes."""
        source = Path(self._format_source(assignment_id, student_id))
        folder = Path(tempfile.mkdtemp(prefix=own_prefix()))
        try:
            staged = Staged(folder, take_in(source, folder / "files"))
            keep = self.exclude_overwriting.get(assignment_id, [])
            for place in (staged.files, staged.given):
                place.mkdir(exist_ok=True)
                give_along(self._given_files(assignment_id), place, keep, self.coursedir.ignore)
                let_read(place)
        except BaseException:
            shutil.rmtree(folder, ignore_errors=True)
            raise
        return staged

    def _rebuilt(self, notebook_filename: str, staged: Staged) -> tuple[Any, Any]:
        """The notebook rebuilt and sanitised, and its resources with what `Examine` has to know."""
        resources = self.init_single_notebook_resources(notebook_filename)
        where = resources["nbgrader"]
        given = self._what_is_given(where["assignment"], where["notebook"])
        path = staged.files / Path(notebook_filename).name
        missing = (
            f"The submission has no notebook {path.name}. Hand it in under the name it was fetched with."
        )
        submitted, problem = read_notebook(path) if path.is_file() else (None, missing)
        rebuilt = rebuild(given.skeleton, submitted)
        notebook = rebuilt.notebook
        notes = [*([problem] if problem else []), *staged.intake.notes, *rebuilt.notes]
        notebook.metadata["course"] = {"notes": notes}
        seeds = self._seeds(where, notebook, staged.intake.digest)
        ledger = Ledger(Path(self.coursedir.root) / OWN / "ledger")
        resources["course"] = Assigned(given.graded, given.imports, staged, seeds, problem or "", ledger)
        self._init_preprocessors()
        output, resources = self.exporter.from_notebook_node(notebook, resources)
        return nbformat.reads(output, as_version=4), resources

    def set_permissions(self, assignment_id: str, student_id: str) -> None:
        """The last step: from here on the submission counts as graded."""
        super().set_permissions(assignment_id, student_id)
        dest = Path(self._format_dest(assignment_id, student_id))
        if self.honest and all((dest / f"{name}.ipynb").exists() for name in self._lesson_notebooks("*")):
            self._unfinished(assignment_id, student_id).unlink(missing_ok=True)

    # -- what is there --

    def _is_many(self) -> bool:
        """Whether a warm parent, which costs as much as two submissions, pays."""
        return self.honest and len(self.assignments) > MANY and not is_there()

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

    def _what_is_given(self, assignment_id: str, notebook: str) -> _Given:
        if (assignment_id, notebook) in self._given:
            return self._given[assignment_id, notebook]
        release = self.coursedir.format_path(self.coursedir.release_directory, ".", assignment_id)
        with Gradebook(self.coursedir.db_url, self.coursedir.course_id) as gradebook:
            cells, kernel = read_gradebook(gradebook, notebook, assignment_id)
        made = skeleton(Path(release) / f"{notebook}.ipynb", cells, kernel)
        return self._given.setdefault((assignment_id, notebook), _Given(made, *lesson_names(made)))

    def _note_submission(self, assignment_id: str, student_id: str) -> None:
        source = Path(self._format_source(assignment_id, student_id))
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

    def record_path(self, assignment_id: str, student_id: str, notebook: str) -> Path:
        """The file with the record of what was graded last."""
        return Path(self.coursedir.root) / OWN / "records" / assignment_id / student_id / f"{notebook}.json"

    def _seeds(self, where: dict[str, Any], notebook: Any, files: str) -> dict[str, str]:
        """Inputs are fresh for every attempt, and the same when it is graded again. Nobody outside can tell them."""
        words = [where["student"], where["assignment"], where["notebook"], files]
        attempt = "\0".join([*words, nbformat.writes(notebook)]).encode("utf-8", "replace")
        secret = _secret(Path(self.coursedir.root) / OWN)
        return {
            "given": hashlib.sha256(attempt).hexdigest(),
            "test": hmac.new(secret, attempt, "sha256").hexdigest(),
        }

    def _write_record(self, where: dict[str, Any], assigned: Assigned) -> None:
        record = assigned.record
        if record is None:
            return
        record.digests = {"files": assigned.staged.intake.digest, "seed": record.seeds.get("given", "")}
        path = self.record_path(where["assignment"], where["student"], where["notebook"])
        path.parent.mkdir(parents=True, exist_ok=True)
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
