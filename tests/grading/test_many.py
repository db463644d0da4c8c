"""A class graded at once: the same as one by one, here and on a Dask cluster, whatever of it is started again."""

import contextlib
import dataclasses
import http.client
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest
from faults import CLASS, LEAVES, Dask, hand_in, make_class, scores
from small import LESSON
from typer.testing import CliRunner

from course_utils.cli import app
from course_utils.errors import ClassError, ClusterError
from course_utils.grading import cluster as cluster_module
from course_utils.grading import many, parcel
from course_utils.grading.class_report import ClassReport, automatic_points
from course_utils.grading.cluster import Cluster, WorkerDied
from course_utils.grading.demo_class import api_for
from course_utils.grading.examine import CodeCell, Job, examine
from course_utils.grading.ledger import digest
from course_utils.grading.many import ClassGrader, Graded, class_grader
from course_utils.grading.parcel import examine_parcel, open_record, pack
from course_utils.grading.sandbox import Limits

pytestmark = [pytest.mark.slow, pytest.mark.xdist_group("many")]

STUDENTS = sorted(CLASS)
CELLS = (
    CodeCell("double", "student", "def double(x):\n    return 2 * x + int(open('zero.txt').read())"),
    CodeCell("double-test", "test", "assert double(2) == 4", 1),
)


# -- parcels --


@pytest.fixture
def job(tmp_path: Path) -> Job:
    for folder, name in ((tmp_path / "files", "zero.txt"), (tmp_path / "given", "given/deep.txt")):
        (folder / name).parent.mkdir(parents=True)
        (folder / name).write_text("0")
    return Job(CELLS, ("double",), files=tmp_path / "files", given_files=tmp_path / "given")


def test_what_is_in_a_parcel_is_examined_as_it_would_be_here(job: Job) -> None:
    here, there = examine(job, Limits()), open_record(examine_parcel(pack(job, Limits())))
    assert [cell.verdict for cell in there.cells] == ["", "pass"]
    assert plain(there.to_dict()) == plain(here.to_dict())


def test_a_parcel_has_the_files_of_both_sides_and_no_folder(job: Job) -> None:
    packed = pack(job, Limits())
    assert packed.files == (("zero.txt", b"0"),)
    assert packed.given_files == (("given/deep.txt", b"0"),)
    assert str(job.files) not in repr(packed)


def test_unpacking_changes_no_digest(job: Job, monkeypatch) -> None:
    digests = []
    monkeypatch.setattr(parcel, "examine", lambda job, limits: digests.append(digest(job, limits)) or stop())
    with pytest.raises(InterruptedError):
        examine_parcel(pack(job, Limits()))
    assert digests == [digest(job, Limits())]


def stop() -> None:
    raise InterruptedError


def test_another_environment_is_told_what_to_do(job: Job) -> None:
    packed = dataclasses.replace(pack(job, Limits()), environment="another")
    with pytest.raises(ClusterError, match=r"another Python, other packages.*same requirements\.txt"):
        examine_parcel(packed)


# -- a class --


@pytest.fixture(scope="module")
def klass(tmp_path_factory) -> Path:
    """Submissions that nobody has graded, to be copied."""
    return make_class(tmp_path_factory.mktemp("many") / "class")


@dataclasses.dataclass
class Run:
    """A class after grading, and what came out on the way."""

    folder: Path
    graded: list[Graded]
    grader: ClassGrader

    def outcomes(self) -> dict[str, str]:
        return {one.student: one.outcome for one in self.graded}


def run(folder: Path, *students: str, **options: Any) -> Run:
    with class_grader(folder, LESSON, students, **options) as grader:
        return Run(folder, list(grader), grader)


def copy_of(klass: Path, factory: Any) -> Path:
    return Path(shutil.copytree(klass, factory.mktemp("class") / "class"))


@pytest.fixture(scope="module")
def at_once(klass: Path, tmp_path_factory) -> Run:
    return run(copy_of(klass, tmp_path_factory), jobs=2)


@pytest.fixture(scope="module")
def one_by_one(klass: Path, tmp_path_factory) -> Path:
    """The same class, graded by `nbgrader autograde` as formgrader's button does it, student by student."""
    folder = copy_of(klass, tmp_path_factory)
    shutil.copytree(klass / ".grading", folder / ".grading", dirs_exist_ok=True)
    for student in STUDENTS:
        assert api_for(folder).autograde(LESSON, student)["success"]
    return folder


def plain(record: dict[str, Any]) -> dict[str, Any]:
    """What two runs of one thing have in common: all but times."""
    cells = [{key: value for key, value in cell.items() if key != "seconds"} for cell in record["cells"]]
    return {key: value for key, value in record.items() if key not in ("used", "cells")} | {"cells": cells}


def record_of(folder: Path, student: str) -> dict[str, Any]:
    path = folder / ".grading" / "records" / LESSON / student / f"{LESSON}.json"
    return plain(json.loads(path.read_text(encoding="utf-8")))


def test_everybody_comes_out_once_with_the_right_scores(at_once: Run) -> None:
    assert sorted(one.student for one in at_once.graded) == STUDENTS
    assert {name: scores(at_once.folder, name) for name in STUDENTS} == {n: CLASS[n][1] for n in STUDENTS}


def test_each_outcome_is_named(at_once: Run) -> None:
    expected = dict.fromkeys(STUDENTS, "graded") | {LEAVES: "ended by a limit"}
    assert at_once.outcomes() == expected
    reasons = {one.student: one.reason for one in at_once.graded if one.reason}
    assert list(reasons) == [LEAVES] and reasons[LEAVES].startswith("root-visible: ")


@pytest.mark.parametrize("student", STUDENTS)
def test_records_and_scores_are_those_of_nbgrader_autograde(
    at_once: Run, one_by_one: Path, student: str
) -> None:
    assert record_of(at_once.folder, student) == record_of(one_by_one, student)
    assert scores(at_once.folder, student) == scores(one_by_one, student)


def test_what_is_graded_is_left_alone_and_by_force_looked_up(at_once: Run, tmp_path_factory) -> None:
    folder = copy_of(at_once.folder, tmp_path_factory)
    again = run(folder)
    assert (again.graded, again.grader.already) == ([], len(CLASS))
    forced = run(folder, *[name for name in STUDENTS if name != LEAVES], which="all")
    assert set(forced.outcomes().values()) == {"looked up"}


def test_what_a_limit_ended_is_tried_again_when_asked(at_once: Run, tmp_path_factory) -> None:
    folder = copy_of(at_once.folder, tmp_path_factory)
    assert run(folder, which="failed").outcomes() == {LEAVES: "ended by a limit"}
    hand_in(folder, LEAVES, {}, "2031")
    mended = run(folder, which="failed")
    assert (mended.outcomes(), mended.grader.already) == ({LEAVES: "graded"}, len(CLASS) - 1)


def test_what_cannot_be_graded_is_told_and_the_rest_is_graded(
    klass: Path, tmp_path_factory, monkeypatch
) -> None:
    folder = copy_of(klass, tmp_path_factory)
    prepare = many._Plan.prepare

    def stumble(self: Any, submission: str) -> Any:
        if "forgets" in submission:
            raise OSError("the disk is full")
        return prepare(self, submission)

    monkeypatch.setattr(many._Plan, "prepare", stumble)
    got = run(folder, "adds", "forgets")
    assert got.outcomes() == {"adds": "graded", "forgets": "not graded"}
    assert [one.reason for one in got.graded if one.reason] == ["OSError: the disk is full"]
    assert scores(folder, "forgets") is None
    monkeypatch.undo()
    assert run(folder, "adds", "forgets").outcomes() == {"forgets": "graded"}


def test_two_at_once_are_refused_with_the_first_one_s_number(klass: Path, tmp_path_factory) -> None:
    folder = copy_of(klass, tmp_path_factory)
    first = class_grader(folder, LESSON)
    with (
        first,
        pytest.raises(ClassError, match=f"graded already, by process {os.getpid()}"),
        class_grader(folder, LESSON),
    ):
        pass
    with class_grader(folder, LESSON) as grader:
        assert len(grader) == len(CLASS)


def test_strangers_and_unknown_assignments_are_named(klass: Path) -> None:
    with pytest.raises(ClassError, match=r"no submission of 01-small by zoe\. 6 have submitted: adds"):
        run(klass, "zoe")
    with (
        pytest.raises(ClassError, match=r"no assignment 09-x; it has: 01-small"),
        class_grader(klass, "09-x"),
    ):
        pass


def test_the_command_shows_the_class_and_writes_its_table(klass: Path, tmp_path_factory, monkeypatch) -> None:
    folder = copy_of(klass, tmp_path_factory)
    words = ["autograde", "01", "--root", str(folder), "--json", str(folder / "table.json"), "--jobs", "1"]
    done = CliRunner().invoke(app, [*words, "-s", "adds", "-s", "waits"])
    assert done.exit_code == 0
    assert "1/2 adds: graded" in done.stdout and "2 submissions in" in done.stdout
    assert "mean 3, median 3 of 6" in done.stdout or "mean 3.0, median 3 of 6" in done.stdout
    table = json.loads((folder / "table.json").read_text())
    assert table["counts"] == {"graded": 2}
    assert [(row["student"], row["points"]) for row in table["submissions"]] == [
        ("adds", 6.0),
        ("waits", 0.0),
    ]
    assert automatic_points(folder, LESSON)["adds"] == (6.0, 6.0)


def test_the_exit_status_is_1_if_somebody_could_not_be_graded() -> None:
    good = Graded("ada", "graded")
    assert ClassReport("02-x", (good, Graded("ben", "ended by a limit", "too long"))).exit_status == 0
    assert ClassReport("02-x", (good, Graded("ben", "not graded", "why"))).exit_status == 1


# -- processes --


def test_the_processes_of_this_machine_answer_nobody_without_the_key() -> None:
    with Cluster(1) as cluster:
        assert cluster.send(os.getpid).result() != os.getpid()
        address = cluster.client.scheduler.address
        assert address.startswith("tls://127.0.0.1:")
        with dask_cluster(workers=0) as anybody_s:
            letting_in = [
                tried for tried in (address.replace("tls", "tcp"), address, anybody_s) if lets_in(tried)
            ]
        assert letting_in == [anybody_s]
        assert not pages_about_workers()
        with dask_cluster(workers=0):
            assert pages_about_workers()


def pages_about_workers() -> list[int]:
    """Ports of this process, and of all that it started, where anybody can read what a scheduler's workers do."""
    family = [psutil.Process(), *psutil.Process().children(recursive=True)]
    connections = [one for process in family for one in process.net_connections("tcp")]
    return [
        one.laddr.port for one in connections if one.status == psutil.CONN_LISTEN and tells(one.laddr.port)
    ]


def tells(port: int) -> bool:
    with contextlib.suppress(OSError, http.client.HTTPException):
        asked = http.client.HTTPConnection("127.0.0.1", port, timeout=5)
        asked.request("GET", "/info/main/workers.html")
        return asked.getresponse().status == 200
    return False


def lets_in(address: str) -> bool:
    """Whether a process without the key can use that scheduler."""
    program = f"from distributed import Client; Client({address!r}, timeout=5); print('in')"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=60)
    return done.stdout == "in\n"


def test_a_scheduler_that_is_not_there_is_told_at_once() -> None:
    with pytest.raises(
        ClusterError, match=r"no Dask scheduler at tcp://127\.0\.0\.1:1 .*dask worker ADDRESS"
    ):
        Cluster(1, "tcp://127.0.0.1:1").__enter__()


def test_nobody_waits_for_ever_for_a_worker(monkeypatch) -> None:
    monkeypatch.setattr(cluster_module, "PATIENCE_S", 2)
    said: list[str] = []
    with dask_cluster(workers=0) as address, pytest.raises(ClusterError, match="No worker has joined"):
        Cluster(1, address, say=said.append).__enter__()
    assert said == [f"Waiting for a worker to join {address}"]


def test_nor_for_a_process_of_this_machine(monkeypatch) -> None:
    monkeypatch.setattr(cluster_module, "PATIENCE_S", 2)
    monkeypatch.setattr(Cluster, "_threads", lambda self: [])
    with Cluster(1) as cluster, pytest.raises(ClusterError, match="No process that examines has started"):
        cluster.finished([cluster.send(time.sleep, 60)])


@contextlib.contextmanager
def dask_cluster(workers: int = 1) -> Iterator[str]:
    """The address of a scheduler in a process of its own, with workers in theirs."""
    with Dask() as dask:
        for _ in range(workers):
            dask.start_worker()
        yield dask.address


def test_a_cluster_elsewhere_grades_the_same(klass: Path, one_by_one: Path, tmp_path_factory) -> None:
    folder = copy_of(klass, tmp_path_factory)
    with dask_cluster() as address:
        got = run(folder, "adds", "forgets", scheduler=address)
    assert set(got.outcomes().values()) == {"graded"}
    for student in ("adds", "forgets"):
        assert record_of(folder, student) == record_of(one_by_one, student)


def test_a_scheduler_that_is_started_again_is_waited_for_and_loses_nobody(
    klass: Path, tmp_path_factory
) -> None:
    folder, said = copy_of(klass, tmp_path_factory), []
    with Dask() as dask:
        dask.start_worker()
        with class_grader(folder, LESSON, scheduler=dask.address, say=said.append) as grader:
            graded = []
            for one in grader:
                graded.append(one)
                if len(graded) == 2:
                    os.killpg(dask.scheduler.pid, signal.SIGKILL)
                    dask.scheduler.wait()
                    dask.scheduler = dask.start_scheduler()
                    dask.start_worker()
    assert {one.student: one.reason for one in graded if one.outcome == "not graded"} == {}
    assert sorted(one.student for one in graded) == STUDENTS
    assert {name: scores(folder, name) for name in STUDENTS} == {n: CLASS[n][1] for n in STUDENTS}


def test_a_worker_in_another_environment_ends_the_run_with_a_message(
    klass: Path, tmp_path_factory, monkeypatch
) -> None:
    folder = copy_of(klass, tmp_path_factory)
    monkeypatch.setattr(parcel, "environment", lambda: "this machine's")
    with pytest.raises(ClusterError, match="another version of the course"):
        run(folder, "adds", "halves", jobs=1)
    assert scores(folder, "adds") is None


def test_what_died_is_told_in_words() -> None:
    from distributed.scheduler import KilledWorker

    class Killed:
        status = "error"

        def result(self, timeout: float) -> list[str]:
            raise KilledWorker("task", None, 2)  # type: ignore[call-arg]

    with pytest.raises(WorkerDied, match=r"died, 3 times \(out of memory\?\)"):
        Cluster(1).records(Killed())


# -- grading again --


@pytest.fixture(scope="module")
def mended(at_once: Run, tmp_path_factory) -> Path:
    """The class after its instructor made a hidden test milder: what `forgets` does is right now."""
    folder = copy_of(at_once.folder, tmp_path_factory)
    path = folder / "source" / LESSON / f"{LESSON}.ipynb"
    assert path.read_text().count("double(-3) == -6") == 1
    path.write_text(path.read_text().replace("double(-3) == -6", "abs(double(-3)) == 6"))
    assert api_for(folder).generate_assignment(LESSON)["success"]
    return folder


def regrade(folder: Path, *words: str) -> tuple[int, dict[str, Any], str]:
    table = folder / "regrade.json"
    done = CliRunner().invoke(app, ["regrade", "01", "--root", str(folder), "--json", str(table), *words])
    assert table.exists(), done.output
    return done.exit_code, json.loads(table.read_text()), done.stdout


def test_a_regrade_says_what_would_change_and_saves_nothing(mended: Path) -> None:
    before = {name: scores(mended, name) for name in STUDENTS}
    status, table, text = regrade(mended, "--dry-run")
    assert status == 1 and "1 scores of 6 submissions would change" in text
    assert table["changes"] == [
        {
            "student": "forgets",
            "cell": "double-hidden",
            "before": 0.0,
            "after": 2.0,
            "most": 2.0,
            "by_hand": None,
        }
    ]
    assert table["others"] == ["forgets", "waits"]  # whose test stops with another error now
    assert "1 submissions keep their scores and get another message" in text
    assert {name: scores(mended, name) for name in STUDENTS} == before


def test_a_regrade_saves_just_that_and_leaves_a_person_s_score(mended: Path, tmp_path_factory) -> None:
    folder = copy_of(mended, tmp_path_factory)
    with api_for(folder).gradebook as gradebook:
        grade = gradebook.find_grade("double-hidden", LESSON, LESSON, "forgets")
        grade.manual_score = 1.0
        gradebook.db.commit()
    when = {name: graded_at(folder, name) for name in STUDENTS}
    status, table, text = regrade(folder, "--yes")
    assert status == 0 and "Saved for 2 submissions" in text
    assert [row["by_hand"] for row in table["changes"]] == [1.0]
    assert scores(folder, "forgets") == (1.0, 2.0, 1.0, 2.0)
    with api_for(folder).gradebook as gradebook:
        assert gradebook.find_grade("double-hidden", LESSON, LESSON, "forgets").manual_score == 1.0
    assert [name for name in STUDENTS if graded_at(folder, name) != when[name]] == ["forgets", "waits"]
    assert regrade(folder)[0] == 0


def graded_at(folder: Path, student: str) -> int:
    return (folder / "autograded" / student / LESSON / f"{LESSON}.ipynb").stat().st_mtime_ns
