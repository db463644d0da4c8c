"""Whatever part of the grader dies, and whenever: the run ends, the others are graded, the next run completes it."""

import contextlib
import itertools
import json
import multiprocessing
import os
import pkgutil
import random
import shutil
import signal
import tempfile
import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import psutil
import pytest
from faults import (
    CLASS,
    FULL,
    LEAVES,
    NOTHING,
    VICTIMS,
    Report,
    Round,
    Scores,
    finished,
    hand_in,
    is_victim,
    left_behind,
    make_class,
    scores,
    second_run,
)
from small import LESSON

from course_utils.grading.bubblewrap import how_to_shut_in
from course_utils.grading.cluster import Cluster
from course_utils.grading.demo_class import api_for
from course_utils.grading.examine import CodeCell, Job, examine
from course_utils.grading.many import class_grader
from course_utils.grading.parcel import Parcel
from course_utils.grading.sandbox import Limits

pytestmark = [pytest.mark.slow, pytest.mark.xdist_group("faults")]

GRADER = "course_utils.grading.autograde"
FORCED = "while old results are removed by force"
STEPS = {
    "while the old results are removed": ("os.rmdir", 1),
    FORCED: ("os.rmdir", 1),
    "before the files are taken in": (f"{GRADER}.take_in", 1),
    "before the files are copied": (f"{GRADER}.give_along", 2),
    "before the gradebook has the submission": (f"{GRADER}.HonestAutograde._note_submission", 1),
    "before the notebook is rebuilt": (f"{GRADER}.rebuild", 1),
    "before it is examined": ("course_utils.grading.examine_step.examine", 1),
    "between two scores": ("nbgrader.preprocessors.SaveAutoGrades._add_score", 3),
    "before the graded notebook is written": (f"{GRADER}.HonestAutograde.write_single_notebook", 1),
    "before the record is written": (f"{GRADER}.HonestAutograde._write_record", 1),
    "before it counts as graded": (f"{GRADER}.HonestAutograde.set_permissions", 1),
    "when it counts as graded": ("course_utils.grading.staging.Staged.remove", 1),
}
"""Where the coordinator dies: just before this function is called for the nth time.

All but `FORCED` are of a submission that is newer than what was graded; that one has no time stamp.
"""


@pytest.fixture(scope="module")
def klass(tmp_path_factory) -> Path:
    """A class with its submissions, to be copied."""
    return make_class(tmp_path_factory.mktemp("faults") / "class")


@dataclass
class Stopped:
    """A class whose graders died, each at another step, and then the second run. Dictionaries are by step."""

    ends: dict[str, int | None] = field(default_factory=dict)
    between: dict[str, Scores] = field(default_factory=dict)
    counted: list[str] = field(default_factory=list)
    """Steps after which the submission counted as graded."""
    skipped: list[str] = field(default_factory=list)
    after: dict[str, Scores] = field(default_factory=dict)
    left: list[str] = field(default_factory=list)


@pytest.fixture(scope="module")
def stopped(klass: Path, tmp_path_factory) -> Stopped:
    """Every submission had been graded before (nothing was right), and is a second attempt (all is right)."""
    folder, result = copy_of(klass, tmp_path_factory), Stopped()
    shutil.rmtree(folder / "submitted")
    students = {f"student-{number}": step for number, step in enumerate(STEPS)}
    for student, step in students.items():
        place = hand_in(folder, student, None, "2029")
        (place / f"{LESSON}.ipynb").unlink()  # so that it is quick
        assert api_for(folder).autograde(LESSON, student)["success"]
        assert scores(folder, student) == NOTHING
        hand_in(folder, student, {}, "2030")
        if step == FORCED:
            (place / "timestamp.txt").unlink()
    for student, step in students.items():
        old = finished(folder, student)
        child = multiprocessing.get_context("fork").Process(
            target=grade_and_die, args=(folder, student, step == FORCED, *STEPS[step])
        )
        child.start()
        child.join(60)
        result.ends[step], result.between[step] = child.exitcode, scores(folder, student)
        result.counted += [step] if finished(folder, student) not in (None, old) else []
    skipped, _ = second_run(folder)
    result.skipped = [step for student, step in students.items() if student in skipped]
    result.after = {step: scores(folder, student) for student, step in students.items()}
    result.left = left_behind(folder)
    return result


def copy_of(klass: Path, factory: Any) -> Path:
    folder = Path(shutil.copytree(klass, factory.mktemp("steps") / "class"))
    (folder / "tmp").mkdir()
    return folder


def grade_and_die(folder: Path, student: str, force: bool, where: str, count: int) -> None:
    """Nothing: grades as `nbgrader autograde` does, up to the nth call of a function."""
    tempfile.tempdir = str(folder / "tmp")
    api = api_for(folder)
    die_at(where, count)
    api.autograde(LESSON, student, force=force)


def die_at(where: str, count: int) -> None:
    """Nothing: this process kills itself just before the nth call of that function."""
    name, calls = where.rpartition(".")[2], itertools.count(1)
    owner = pkgutil.resolve_name(where.rpartition(".")[0])
    real = getattr(owner, name)

    def fake(*args: Any, **kwargs: Any) -> Any:
        if next(calls) == count:
            os.kill(os.getpid(), signal.SIGKILL)
        return real(*args, **kwargs)

    setattr(owner, name, fake)


def test_the_coordinator_dies_at_every_step(stopped: Stopped) -> None:
    assert stopped.ends == dict.fromkeys(STEPS, -signal.SIGKILL)


@pytest.mark.parametrize("step", STEPS)
def test_a_second_run_completes_what_a_dead_coordinator_left(stopped: Stopped, step: str) -> None:
    assert stopped.after[step] == FULL


def test_only_the_last_step_counts_as_graded(stopped: Stopped) -> None:
    last = [step for step in STEPS if step == "when it counts as graded"]
    assert (stopped.counted, stopped.skipped) == (last, last)


@pytest.mark.parametrize("step", STEPS)
def test_a_dead_coordinator_leaves_old_scores_or_new_ones_but_no_mixture(stopped: Stopped, step: str) -> None:
    assert stopped.between[step] in (NOTHING, FULL)


def test_the_second_run_tidies_up(stopped: Stopped) -> None:
    assert stopped.left == []


# -- random deaths --


@pytest.fixture(scope="module")
def fire(klass: Path, tmp_path_factory) -> tuple[Report, Path]:
    """Twelve random kills in three runs, and the folder of the last run."""
    rng, report = random.Random(20), Report()
    orders = [["kernel", "process", "sandbox", "run"]]
    orders += [[*rng.sample(VICTIMS[:-1], 4)] for _ in range(2)]
    for number, order in enumerate(orders):
        folder = tmp_path_factory.mktemp("fire") / "class"
        Round(number, klass, folder, rng, report).play(order)
    return report, folder


def test_random_deaths_break_no_rule(fire: tuple[Report, Path]) -> None:
    assert fire[0].faults == []
    assert len(fire[0].kills) == 12


def test_random_deaths_in_a_cluster_elsewhere_break_no_rule(klass: Path, tmp_path_factory) -> None:
    report = Report()
    folder = tmp_path_factory.mktemp("elsewhere") / "class"
    Round(1, klass, folder, random.Random(4), report, elsewhere=True).play(["process", "scheduler", "run"])
    assert report.faults == []
    assert [kill.victim for kill in report.kills] == ["process", "scheduler", "run"]


def test_a_submission_that_ends_its_own_process_has_crashed_twice(fire: tuple[Report, Path]) -> None:
    record = json.loads((fire[1] / ".grading" / "records" / LESSON / LEAVES / f"{LESSON}.json").read_text())
    verdicts = {cell["id"]: cell["verdict"] for cell in record["cells"] if cell["kind"] == "test"}
    assert record["attempts"] == 2
    assert verdicts == {
        "double-visible": "pass", "double-hidden": "pass", "root-visible": "crashed", "root-hidden": "not run",
    }  # fmt: skip


JOB = Job(
    (
        CodeCell("double", "student", "import time\ntime.sleep(0.6)\ndef double(x):\n    return 2 * x"),
        CodeCell("double-test", "test", "assert double(2) == 4", 1),
    ),
    ("double",),
)


def kill_one(victim: str, after: float) -> None:
    """Nothing: ends the first process of that kind among this one's descendants, and no other."""
    deadline, waited = time.monotonic() + 30, False
    while time.monotonic() < deadline:
        for process in psutil.Process().children(recursive=True):
            with contextlib.suppress(psutil.Error):
                if is_victim(process, victim):
                    if waited or not after:
                        process.kill()
                        return
                    time.sleep(after)
                    waited = True
        time.sleep(0.01)


@pytest.mark.parametrize("after", [0, 0.3], ids=["at once", "a little later"])
@pytest.mark.parametrize("victim", ["kernel", "worker", "sandbox", "examiner"])
def test_a_process_that_something_else_ended_costs_no_points(victim: str, after: float) -> None:
    how_to_shut_in()  # its own trial process is no victim
    killer = threading.Thread(target=kill_one, args=(victim, after))
    killer.start()
    record = examine(JOB, Limits())
    killer.join()
    assert [cell.verdict for cell in record.cells] == ["", "pass"]
    assert record.attempts == 2


def test_a_process_that_dies_while_idle_is_replaced(klass: Path, tmp_path_factory) -> None:
    folder = copy_of(klass, tmp_path_factory)
    with Cluster(1) as cluster:
        pid = cluster.send(os.getpid).result()
        os.kill(pid, signal.SIGKILL)
        with class_grader(folder, LESSON, ["adds", "halves"], cluster=cluster) as grader:
            assert [(one.student, one.outcome) for one in grader] == [
                ("adds", "graded"),
                ("halves", "graded"),
            ]
    assert [scores(folder, name) for name in ("adds", "halves")] == [CLASS["adds"][1], CLASS["halves"][1]]


def test_a_process_that_dies_twice_is_replaced_twice() -> None:
    """Dask gives up a worker that is away 15 s after its death; then it may have died again, and be starting."""
    with Cluster(1) as cluster:
        os.kill(cluster.send(os.getpid).result(), signal.SIGKILL)
        given_up = time.monotonic() + 15
        pid = cluster.send(os.getpid).result(timeout=14)
        time.sleep(given_up - 0.3 - time.monotonic())
        os.kill(pid, signal.SIGKILL)
        assert cluster.send(os.getpid).result(timeout=60) != pid


def test_what_kills_every_process_that_examines_it_is_told_from_the_rest(
    klass: Path, tmp_path_factory
) -> None:
    folder = copy_of(klass, tmp_path_factory)
    names = ["adds", "forgets", "halves"]
    with DeadlyCluster(folder) as cluster, class_grader(folder, LESSON, names, cluster=cluster) as grader:
        got = {one.student: (one.outcome, one.reason) for one in grader}
    died = "the process that examined it died, 3 times (out of memory?)"
    assert got == {"adds": ("graded", ""), "forgets": ("not graded", died), "halves": ("graded", "")}
    assert scores(folder, "forgets") is None
    assert (folder / "deaths").read_text() == "x" * 3
    with class_grader(folder, LESSON, names) as grader:  # the next run tries it again, and nothing else
        assert [(one.student, one.outcome) for one in grader] == [("forgets", "graded")]
    assert scores(folder, "forgets") == CLASS["forgets"][1]


class DeadlyCluster(Cluster):
    """In which one submission kills whatever examines it."""

    def __init__(self, folder: Path) -> None:
        super().__init__(2)
        self.folder = folder

    def submit(self, parcels: Sequence[Parcel]) -> Any:
        deadly = any("abs(x)" in cell.source for cell in parcels[0].job.cells)
        return self.send(die, self.folder) if deadly else super().submit(parcels)


def die(folder: Path) -> list[str]:
    with (folder / "deaths").open("a") as deaths:
        deaths.write("x")
    os._exit(9)
