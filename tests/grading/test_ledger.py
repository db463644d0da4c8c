"""What was examined before, and has not changed, is looked up; whatever may change a verdict changes the digest."""

import dataclasses
from pathlib import Path
from typing import Any

import pytest
from small import LESSON
from test_autograde import FULL, RIGHT, Room, make_room

from course_utils.grading import examine_step, ledger
from course_utils.grading.examine import CodeCell, Job
from course_utils.grading.ledger import Ledger, digest
from course_utils.grading.record import CellRecord, Record
from course_utils.grading.sandbox import Limits

CELLS = (CodeCell("f", "student", "f = 1"), CodeCell("f-hidden", "test", "assert f == 1", 4.0))


@pytest.fixture
def job(tmp_path: Path) -> Job:
    for side in ("theirs", "ours"):
        (tmp_path / side / "deep").mkdir(parents=True)
        (tmp_path / side / "deep" / "data.csv").write_text("1")
    return Job(CELLS, ("f",), {"np": ("numpy", "")}, tmp_path / "theirs", tmp_path / "ours")


def with_source(source: str) -> tuple[CodeCell, ...]:
    return (CELLS[0], dataclasses.replace(CELLS[1], source=source))


@pytest.mark.parametrize(
    "change",
    [
        {"cells": with_source("assert f == 2")}, {"cells": CELLS[::-1]}, {"cells": CELLS[:1]},
        {"cells": (CELLS[0], dataclasses.replace(CELLS[1], points=5.0))},
        {"cells": (CELLS[0], dataclasses.replace(CELLS[1], kind="given"))},
        {"cells": (dataclasses.replace(CELLS[0], id="g"), CELLS[1])},
        {"graded": ("f", "g")}, {"imports": {"np": ("numpy.linalg", "")}}, {"given_files": None},
        {"seeds": {"given": "0", "test": "1"}}, {"sandbox": "none"},
    ],
)  # fmt: skip
def test_a_digest_of_all_that_the_job_holds(job: Job, change: dict[str, Any]) -> None:
    assert digest(dataclasses.replace(job, **change), Limits()) != digest(job, Limits())


@pytest.mark.parametrize("limit", [field.name for field in dataclasses.fields(Limits)])
def test_limits_are_in_the_digest(job: Job, limit: str) -> None:
    other = dataclasses.replace(Limits(), **{limit: 7})
    assert digest(job, other) != digest(job, Limits())


@pytest.mark.parametrize("side", ["theirs", "ours"])
def test_files_are_in_the_digest_by_content_and_place(job: Job, side: str, tmp_path: Path) -> None:
    seen = {digest(job, Limits())}
    file = tmp_path / side / "deep" / "data.csv"
    for change in (
        lambda: file.write_text("2"),
        lambda: file.rename(file.with_name("other.csv")),
        lambda: (tmp_path / side / "more.csv").touch(),
    ):
        change()
        seen.add(digest(job, Limits()))
    assert len(seen) == 4


def test_the_same_files_elsewhere_have_the_same_digest(job: Job, tmp_path: Path) -> None:
    before = digest(job, Limits())
    (tmp_path / "theirs").rename(tmp_path / "moved")
    assert digest(dataclasses.replace(job, files=tmp_path / "moved"), Limits()) == before


@pytest.mark.parametrize("what", ["a package's version", "the grader's own code", "an asset"])
def test_the_environment_is_in_the_digest(
    job: Job, what: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    package = tmp_path / "package"
    (package / "assets").mkdir(parents=True)
    (package / "code.py").write_text("a = 1")
    (package / "assets" / "weights").write_bytes(b"1")
    monkeypatch.setattr(ledger, "PACKAGE", package)
    fresh = ledger.environment.__wrapped__
    monkeypatch.setattr(ledger, "environment", fresh)
    before = digest(job, Limits())
    assert digest(job, Limits()) == before
    if what == "a package's version":
        monkeypatch.setattr(ledger.metadata, "distributions", lambda path: [])
    else:
        (package / ("code.py" if "code" in what else "assets/weights")).write_text("2")
    assert digest(job, Limits()) != before


def test_what_lies_in_the_working_directory_is_not_in_the_environment(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is on the path of some processes that grade and not of others."""
    found = tmp_path / "thing-1.0.dist-info"
    found.mkdir()
    (found / "METADATA").write_text("Metadata-Version: 2.1\nName: thing\nVersion: 1.0\n")
    fresh = ledger.environment.__wrapped__
    before = fresh()
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend("")
    assert fresh() == before


def test_a_record_comes_back_as_it_was(tmp_path: Path) -> None:
    said = {"output_type": "stream", "name": "stdout", "text": "a lone \udcff, and NaN: \u2028"}
    cells = [CellRecord("f", "student", outputs=[said]), CellRecord("t", "test", "partial", shown="2.0")]
    record = Record(
        cells, ["a note"], {"files": "ab"}, {"given": "1"}, {"cell_s": 5.0}, {"cpu_s": float("inf")}
    )
    kept = Ledger(tmp_path)
    assert kept.find("abc") is None and kept.keep("abc", record) and kept.find("abc") == record
    assert [path.name for path in tmp_path.rglob("*") if path.is_file()] == ["abc.json.gz"]


@pytest.mark.parametrize("damage", [b"", b"\x1f\x8b", b"{}", "half", "other fields"])
def test_a_damaged_file_is_as_good_as_none(tmp_path: Path, damage: bytes | str) -> None:
    kept = Ledger(tmp_path)
    kept.keep("abc", Record([CellRecord("f", "student")]))
    (file,) = tmp_path.rglob("*.gz")
    if damage == "half":
        damage = file.read_bytes()[:-9]
    elif damage == "other fields":
        damage = ledger.gzip.compress(b'{"cells": [], "marks": 3}')
    assert isinstance(damage, bytes)
    file.write_bytes(damage)
    assert kept.find("abc") is None


@pytest.mark.parametrize("verdict", ["timeout", "memory", "crashed", "not run"])
def test_what_the_machine_may_have_decided_is_not_kept(tmp_path: Path, verdict: Any) -> None:
    kept = Ledger(tmp_path)
    assert not kept.keep("abc", Record([CellRecord("t", "test", verdict)])) and kept.find("abc") is None


def test_what_ran_unprotected_is_not_kept(tmp_path: Path) -> None:
    assert not Ledger(tmp_path).keep("abc", Record([CellRecord("t", "test", "pass")], sandbox="none"))


# -- through nbgrader --


@pytest.fixture(scope="module")
def room(tmp_path_factory: pytest.TempPathFactory) -> Room:
    return make_room(tmp_path_factory.mktemp("room") / "course")


@pytest.fixture
def examined(monkeypatch: pytest.MonkeyPatch) -> list[Job]:
    """The jobs that were really run."""
    jobs: list[Job] = []
    real = examine_step.examine
    monkeypatch.setattr(examine_step, "examine", lambda job, limits: jobs.append(job) or real(job, limits))
    return jobs


def left(room: Room, student: str) -> tuple[Any, ...]:
    """All that grading leaves: record, graded notebook, scores."""
    rows = {name: {k: v for k, v in row.items() if k != "id"} for name, row in room.rows(student).items()}
    return room.record(student), room.graded(student), rows


@pytest.mark.slow
def test_an_unchanged_submission_is_looked_up_and_leaves_the_same(room: Room, examined: list[Job]) -> None:
    room.submit("ada", **RIGHT)
    assert "looked up" not in room.grade("ada")
    first = left(room, "ada")
    said = room.grade("ada")
    assert len(examined) == 1 and "looked up" in said
    assert left(room, "ada") == first and room.scores("ada") == FULL
    # even if all else is lost
    for path in sorted(room.folder("ada").rglob("*"), reverse=True):
        path.unlink() if path.is_file() else path.rmdir()
    room.grade("ada")
    assert len(examined) == 1 and left(room, "ada") == first


@pytest.mark.slow
def test_whoever_changes_an_answer_is_examined_again_and_so_is_a_copy(
    room: Room, examined: list[Job]
) -> None:
    room.submit("bea", **RIGHT)
    room.grade("bea")
    room.submit("bea", **RIGHT | {"double": "def double(x):\n    return x + x"})
    room.grade("bea")
    room.submit("cleo", **RIGHT)  # inputs are fresh for every student
    room.grade("cleo")
    assert len(examined) == 3
    room.submit("bea", **RIGHT)  # back again
    room.grade("bea")
    assert len(examined) == 3 and room.scores("bea") == FULL


@pytest.mark.slow
def test_a_limit_that_was_passed_is_tried_again(room: Room, examined: list[Job]) -> None:
    room.submit("dana", **RIGHT | {"double": "def double(x):\n    while True: pass"})
    for runs in (1, 2):
        room.grade("dana", cell_timeout=2)
        assert len(examined) == runs
    assert room.record("dana")["cells"][1]["verdict"] == "timeout"


@pytest.mark.slow
def test_looking_up_can_be_switched_off(room: Room, examined: list[Job]) -> None:
    room.submit("eva", **RIGHT)
    room.grade("eva")
    room.grade("eva", look_up=False)
    assert len(examined) == 2


@pytest.mark.slow
def test_a_changed_test_concerns_those_who_are_given_it(tmp_path: Path, examined: list[Job]) -> None:
    room = make_room(tmp_path / "course", LESSON, "other")
    room.submit("ada", names=(LESSON, "other"), **RIGHT)
    room.grade("ada")
    assert len(examined) == 2
    path = room.root / "source" / LESSON / "other.ipynb"
    path.write_text(path.read_text().replace("hidden case", "the hidden case"))
    assert room.api().generate_assignment(LESSON, force=True)["success"]
    room.grade("ada")
    assert len(examined) == 3 and room.scores("ada") == FULL
