"""Whatever part of the grader dies, and whenever: the run ends, the others are graded, the next run completes it."""

import importlib
import json
import multiprocessing
import os
import random
import shutil
import signal
import tempfile
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest
from faults import (
    CLASS,
    FULL,
    VICTIMS,
    Report,
    Round,
    finished,
    grade_and_say,
    hand_in,
    is_victim,
    make_class,
    scores,
    second_run,
)
from small import LESSON

from course_utils.grading.demo_class import api_for
from course_utils.grading.examine import CodeCell, Job, examine
from course_utils.grading.pool import Pool
from course_utils.grading.sandbox import Limits

pytestmark = [pytest.mark.slow, pytest.mark.xdist_group("faults")]

GRADER = "course_utils.grading.autograde"
STEPS = {
    "while the old results are removed": ("os.rmdir", 1),
    "before the files are taken in": (f"{GRADER}.take_in", 1),
    "before the files are copied": (f"{GRADER}._copy", 2),
    "before the gradebook has the submission": (f"{GRADER}.HonestAutograde._note_submission", 1),
    "before the notebook is rebuilt": (f"{GRADER}.rebuild", 1),
    "before it is examined": ("course_utils.grading.examine_step.examine", 1),
    "between two scores": ("nbgrader.preprocessors.SaveAutoGrades._add_score", 3),
    "before the graded notebook is written": (f"{GRADER}.HonestAutograde.write_single_notebook", 1),
    "before the record is written": (f"{GRADER}.HonestAutograde._write_record", 1),
    "before it counts as graded": (f"{GRADER}.HonestAutograde.set_permissions", 1),
    "when it counts as graded": ("tempfile.TemporaryDirectory.cleanup", 1),
}
"""Where the coordinator dies: just before this function is called for the nth time."""


@pytest.fixture(scope="module")
def klass(tmp_path_factory) -> Path:
    """A class with its submissions, to be copied."""
    return make_class(tmp_path_factory.mktemp("faults") / "class")


def _die_at(where: str, count: int) -> None:
    """Makes this process kill itself just before a function is called for the nth time."""
    parts = where.split(".")
    for length in range(len(parts) - 1, 0, -1):
        try:
            owner: Any = importlib.import_module(".".join(parts[:length]))
            break
        except ImportError:
            continue
    for name in parts[length:-1]:
        owner = getattr(owner, name)
    real, calls = getattr(owner, parts[-1]), iter(range(1, count + 1))

    def fake(*args: Any, **kwargs: Any) -> Any:
        if next(calls) == count:
            os.kill(os.getpid(), signal.SIGKILL)
        return real(*args, **kwargs)

    setattr(owner, parts[-1], fake)


def _grade_and_die(folder: Path, student: str, where: str, count: int) -> None:
    tempfile.tempdir = str(folder / "tmp")
    api = api_for(folder)
    api.coursedir.assignment_id = LESSON
    _die_at(where, count)
    api.autograde(LESSON, student, force=False)


@pytest.fixture(scope="module")
def stopped(klass: Path, tmp_path_factory) -> dict[str, Any]:
    """A class whose graders died, each at another step; then the second run."""
    folder = Path(shutil.copytree(klass, tmp_path_factory.mktemp("steps") / "class"))
    (folder / "tmp").mkdir()
    shutil.rmtree(folder / "submitted")
    students = {f"student-{i}": step for i, step in enumerate(STEPS)}
    api = api_for(folder)
    for student in students:
        hand_in(folder, student, None, "2029")
        assert api.autograde(LESSON, student)["success"]
        hand_in(folder, student, {}, "2030")
    ends, between = {}, {}
    for student, step in students.items():
        child = multiprocessing.get_context("fork").Process(
            target=_grade_and_die, args=(folder, student, *STEPS[step])
        )
        child.start()
        child.join(60)
        ends[step], between[step] = child.exitcode, (scores(folder, student), finished(folder, student))
    skipped, said = second_run(folder)
    after = {step: scores(folder, student) for student, step in students.items()}
    return {"ends": ends, "between": between, "after": after, "said": said, "folder": folder,
            "skipped": [step for student, step in students.items() if student in skipped]}  # fmt: skip


def test_every_step_is_reached(stopped: dict[str, Any]) -> None:
    assert stopped["ends"] == dict.fromkeys(STEPS, -signal.SIGKILL)


@pytest.mark.parametrize("step", STEPS)
def test_a_second_run_completes_what_a_dead_coordinator_left(stopped: dict[str, Any], step: str) -> None:
    assert stopped["after"][step] == FULL
