"""Grades a class: many submissions are examined at once, and one process, this one, writes what comes of them.

>>> with class_grader(Path("."), "02-attention-and-induction") as grader:            # doctest: +SKIP
...     for graded in grader:
...         print(graded.student, graded.outcome)

Each submission is prepared here and packed (`parcel`), examined wherever there is a free process (`cluster`), and
then graded as `nbgrader autograde` would, with the record already there. So whatever stops this, those that it named
are graded, and the others are found by the next run.
"""

import contextlib
import fcntl
import json
import logging
import os
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from course_utils.errors import ClassError, ClusterError
from course_utils.grading.autograde import MANY, OWN, HonestAutograde, Prepared
from course_utils.grading.cluster import Cluster, Forgotten, fitting_jobs
from course_utils.grading.examine_step import Examine
from course_utils.grading.outputs import last_words
from course_utils.grading.parcel import Parcel, pack
from course_utils.grading.record import LIMITS
from course_utils.grading.release import load_settings

__all__ = ["ClassGrader", "Graded", "Outcome", "Which", "class_grader"]

Which = Literal["new", "failed", "graded", "all"]
Outcome = Literal["graded", "looked up", "ended by a limit", "nothing to grade", "not graded"]
LOG = "autograde.log"
"""What nbgrader said, in `.grading/`."""


@dataclass(frozen=True)
class Graded:
    """What came of one submission."""

    student: str
    outcome: Outcome
    reason: str = ""
    """Why it was not graded, or what ended it."""


@dataclass
class _Unit:
    """A submission on its way."""

    folder: str
    student: str
    prepared: Prepared | None = None
    parcels: list[Parcel] = field(default_factory=list)
    assigned: list[Any] = field(default_factory=list)
    """What waits for the record of each parcel."""
    failure: str = ""


class _Plan(HonestAutograde):
    """Finds and prepares submissions; writes nothing."""

    def convert_notebooks(self) -> None:
        """Nothing: `start` has found the submissions by now."""


@contextlib.contextmanager
def class_grader(
    root: Path,
    assignment: str,
    students: Sequence[str] = (),
    *,
    jobs: int | None = None,
    scheduler: str = "",
    cluster: Cluster | None = None,
    which: Which = "new",
    say: Callable[[str], None] = print,
) -> Iterator["ClassGrader"]:
    """A grader of that assignment's submissions, and the processes it needs, which end with the block (a `cluster`
    that is given does not).

    No `students` are all who submitted. `which` says which of their submissions: "new" those that have not been graded
    or have changed since; "failed" those, and what a limit ended; "graded" what was graded and has not changed; or
    "all". Raises `ClassError` if there is nothing to grade, or somebody else is at it.
    """
    plan = _planned(root, assignment)
    chosen = _chosen(plan, assignment, students)
    with _alone(root), contextlib.ExitStack() as stack:
        wanted = [folder for folder in chosen if _belongs(plan, folder, which)]
        if cluster is None and (scheduler or len(wanted) > 1):
            most = jobs or fitting_jobs(Examine(parent=plan, config=plan.config).memory_mb)
            cluster = Cluster(min(most, len(wanted)), scheduler, warm=len(wanted) > MANY, say=say)
            stack.enter_context(cluster)
        yield ClassGrader(plan, wanted, len(chosen) - len(wanted), cluster)


class ClassGrader:
    """Iterate over it to grade: each submission comes out when it is graded, and counts as graded from then on."""

    def __init__(self, plan: _Plan, wanted: Sequence[str], already: int, cluster: Cluster | None) -> None:
        self.plan, self.wanted, self.already, self.cluster = plan, wanted, already, cluster
        self.log = Path(plan.coursedir.root) / OWN / LOG
        self.log.write_text("", encoding="utf-8")

    def __len__(self) -> int:
        return len(self.wanted)

    def __iter__(self) -> Iterator[Graded]:
        units = map(self._unit, self.wanted)
        if self.cluster is None:
            yield from map(self._write, units)
            return
        running: dict[Any, _Unit] = {}
        try:
            yield from self._graded(units, running, self.cluster)
        finally:
            for unit in running.values():
                _clear(unit)

    def _graded(
        self, units: Iterator[_Unit], running: dict[Any, _Unit], cluster: Cluster
    ) -> Iterator[Graded]:
        spare = next(units, None)
        done: list[tuple[_Unit, Any]] = []
        while spare or running or done:
            # First give every process something to do, then write what has come.
            while spare and len(running) < cluster.width:
                if spare.parcels:
                    running[cluster.submit(spare.parcels)] = spare
                else:
                    yield self._write(spare)
                spare = next(units, None)
            for unit, future in done:
                if self._arrived(unit, future, cluster):
                    yield self._write(unit)
                else:
                    running[cluster.submit(unit.parcels)] = unit
            done = [(running.pop(future), future) for future in cluster.finished(running)] if running else []

    def _arrived(self, unit: _Unit, future: Any, cluster: Cluster) -> bool:
        """Whether anything came of a submission that was sent."""
        try:
            for assigned, record in zip(unit.assigned, cluster.records(future), strict=True):
                assigned.record = record
        except Forgotten:
            return False
        except ClusterError:
            raise
        except Exception as error:
            unit.failure = f"{type(error).__name__}: {error}".removeprefix("WorkerDied: ")
        return True

    def _unit(self, folder: str) -> _Unit:
        """The submission, prepared, and packed if it has to be examined."""
        unit = _Unit(folder, self.plan.whose(folder)[1])
        with _said(self.plan.log) as said:
            try:
                unit.prepared = self.plan.prepare(folder)
                step = Examine(parent=self.plan, config=self.plan.config)
                for notebook, resources in unit.prepared.notebooks.values():
                    if (left := step.left_to_examine(notebook, resources)) and self.cluster:
                        unit.parcels.append(pack(*left))
                        unit.assigned.append(resources["course"])
            except Exception as error:
                self.plan.log.exception("%s could not be prepared", folder)
                unit.failure = last_words("".join(said), f"{type(error).__name__}: {error}")
        return unit

    def _write(self, unit: _Unit) -> Graded:
        try:
            return Graded(unit.student, "not graded", unit.failure) if unit.failure else self._grade(unit)
        finally:
            _clear(unit)

    def _grade(self, unit: _Unit) -> Graded:
        """Grades it as `nbgrader autograde` does."""
        from nbgrader.utils import capture_log, temp_attrs

        with temp_attrs(self.plan.coursedir, student_id=unit.student):
            app = HonestAutograde(coursedir=self.plan.coursedir, parent=self.plan.parent)
            app.force, app.create_student, app.ready = True, True, unit.prepared
            said = capture_log(app)
        with self.log.open("a", encoding="utf-8") as log:
            log.write(f"-- {unit.student}\n{said.get('log', '')}{said.get('error', '')}\n")
        if "KeyboardInterrupt" in said.get("error", ""):
            raise KeyboardInterrupt  # nbgrader catches it as if it were a failure
        if not said["success"]:
            return Graded(unit.student, "not graded", last_words(said.get("log", ""), said["error"]))
        return self._what_came(unit)

    def _what_came(self, unit: _Unit) -> Graded:
        assert unit.prepared is not None
        problems = [resources["course"].problem for _, resources in unit.prepared.notebooks.values()]
        if ended := _ended(self.plan, unit.folder):
            return Graded(unit.student, "ended by a limit", ended)
        if all(problems):
            return Graded(unit.student, "nothing to grade", problems[0])
        examined = self.cluster is None or bool(unit.parcels)
        return Graded(unit.student, "graded" if examined else "looked up")


def _planned(root: Path, assignment: str) -> _Plan:
    from nbgrader.api import MissingEntry
    from nbgrader.apps.api import NbGraderAPI
    from nbgrader.converters.base import NbGraderException

    api = NbGraderAPI(config=load_settings(root))
    api.coursedir.assignment_id = assignment
    with api.gradebook as gradebook:
        try:
            gradebook.find_assignment(assignment)
        except MissingEntry:
            known = ", ".join(sorted(found.name for found in gradebook.assignments)) or "none"
            raise ClassError(
                f"The gradebook has no assignment {assignment}; it has: {known}. Release it first: nbgrader "
                f"generate_assignment {assignment}"
            ) from None
    plan = _Plan(coursedir=api.coursedir, parent=api)
    if not plan.honest:
        raise ClassError(f"{root / 'nbgrader_config.py'} does not call configure(c): this grader needs it.")
    with _said(plan.log):
        try:
            plan.start()
        except NbGraderException:
            raise ClassError(
                f"Nobody has submitted {assignment}: nothing matches {plan._format_source(assignment, '*')}. Collect "
                f"submissions first: nbgrader collect {assignment}"
            ) from None
    return plan


def _chosen(plan: _Plan, assignment: str, students: Sequence[str]) -> list[str]:
    folders = {plan.whose(folder)[1]: folder for folder in plan.assignments}
    if strangers := [student for student in students if student not in folders]:
        raise ClassError(
            f"There is no submission of {assignment} by {', '.join(strangers)}. {len(folders)} have submitted: "
            f"{', '.join(list(folders)[:20])}{' …' if len(folders) > 20 else ''}"
        )
    return [folders[student] for student in students or folders]


def _belongs(plan: _Plan, folder: str, which: Which) -> bool:
    new = plan.is_wanted(folder)
    return {"all": True, "graded": not new, "new": new, "failed": new or bool(_ended(plan, folder))}[which]


@contextlib.contextmanager
def _alone(root: Path) -> Iterator[None]:
    """One of these at a time in a course: two would do the same work twice."""
    path = root / OWN / "autograde.lock"
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("a+") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            lock.seek(0)
            raise ClassError(
                f"This class is being graded already, by process {lock.read().strip() or '?'}. Wait for it, or end it."
            ) from None
        lock.truncate(0)
        lock.write(f"{os.getpid()}\n")
        lock.flush()
        yield


def _ended(plan: _Plan, folder: str) -> str:
    """What limit ended the submission when it was graded last, in the words of its first test cell; empty if none."""
    for name in plan.assignments[folder]:
        with contextlib.suppress(OSError, ValueError, KeyError):
            record = json.loads(plan.record_path(*plan.whose(folder), Path(name).stem).read_text("utf-8"))
            for cell in record["cells"]:
                if cell["verdict"] in LIMITS:
                    return f"{cell['id']}: {cell['message']}"
    return ""


def _clear(unit: _Unit) -> None:
    if unit.prepared is not None:
        unit.prepared.staged.remove()


@contextlib.contextmanager
def _said(log: logging.Logger) -> Iterator[list[str]]:
    """What is logged in the block, which goes nowhere else."""
    lines: list[str] = []
    handler = logging.Handler()
    handler.emit = lambda record: lines.append(handler.format(record) + "\n")  # type: ignore[method-assign]
    others, log.handlers = log.handlers, [handler]
    propagates, log.propagate = log.propagate, False
    try:
        yield lines
    finally:
        log.handlers, log.propagate = others, propagates
