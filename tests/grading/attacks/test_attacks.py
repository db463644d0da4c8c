"""Every hostile notebook gets the score that it must get, and does nothing else."""

import dataclasses
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from postgres import postgres

from attacks import every_attack
from attacks.course import FULL, Class, prepared
from attacks.harness import Result, batches, run
from attacks.kit import Attack, Attempt
from course_utils.grading.warm import VARIABLE

pytestmark = pytest.mark.slow

ATTACKS = every_attack()
BATCHES = dict(enumerate(batches(ATTACKS)))
JOBS = (0, 2)
"""Every second class is graded by `course autograde`, two submissions at once; the others by `nbgrader autograde`."""


def _case(number: int, attack: Attack) -> Any:
    marks = [pytest.mark.xdist_group(f"attacks-{number}")]
    marks += [pytest.mark.xfail(strict=True, reason=attack.limit)] if attack.limit else []
    return pytest.param(number, attack, id=attack.name, marks=marks)


CASES = [_case(number, attack) for number, batch in BATCHES.items() for attack in batch]
# What the harness must see: an attack that succeeds against stock nbgrader, and the part of the result that says so.
SEEN = {
    "read-own-notebook": "loot",
    "read-feedback-page": "page",
    "reach-tcp": "reached",
    "tamper-release": "planted",
    "inject-script": "active",
    "reach-staying-process": "left",
    "tamper-neighbours-grade": "neighbours",
    "deny-schema-version": "aborted",
}


@pytest.fixture(scope="session")
def ours(tmp_path_factory: pytest.TempPathFactory) -> Class:
    return prepared(tmp_path_factory.mktemp("attacked") / "ours", stock=False)


@pytest.fixture(scope="session")
def on_postgresql(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Class]:
    with postgres() as databases:
        yield prepared(tmp_path_factory.mktemp("attacked") / "ours", stock=False, databases=databases)


@pytest.fixture(scope="session")
def stock(tmp_path_factory: pytest.TempPathFactory) -> Class:
    return prepared(tmp_path_factory.mktemp("attacked") / "stock", stock=True)


@pytest.fixture(scope="session")
def graded() -> dict[int, dict[str, Result]]:
    """The results of the batches that were graded already."""
    return {}


def test_there_are_enough_and_no_two_have_one_name() -> None:
    assert len(ATTACKS) >= 64
    assert (
        len({attack.name for attack in ATTACKS})
        == len({attack.student for attack in ATTACKS})
        == len(ATTACKS)
    )


@pytest.mark.parametrize(("number", "attack"), CASES)
def test_attack(
    number: int, attack: Attack, ours: Class, warm: Path, graded: dict[int, dict[str, Result]],
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    monkeypatch.setenv(VARIABLE, str(warm))  # as in any class: one that is graded alone is started cold
    if number not in graded:
        klass = dataclasses.replace(ours, jobs=JOBS[number % len(JOBS)])
        graded[number] = {r.attack: r for r in run(BATCHES[number], klass, klass.folder.parent)}
    _holds(attack, graded[number][attack.name])


def _in_what_was_forked(it: Attempt) -> None:
    it.right("import sys; assert 'transformer_lens' in sys.modules")


@pytest.mark.parametrize("jobs", JOBS)
def test_what_is_attacked_was_forked(
    jobs: int, ours: Class, warm: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One that is started cold has imported only what the notebook did, and none does that."""
    monkeypatch.setenv(VARIABLE, str(warm))
    attack = Attack("forked", "warm", "is right where it was forked", _in_what_was_forked, student="forked")
    (result,) = run([attack], dataclasses.replace(ours, jobs=jobs), ours.folder.parent)
    assert (result.score, result.wrongs()) == (FULL, {})


@pytest.mark.xdist_group("postgres")
def test_the_gradebook_on_a_server_is_as_safe(on_postgresql: Class) -> None:
    attacks = [attack for attack in ATTACKS if attack.theme == "tamper"]
    for attack, result in zip(attacks, run(attacks, on_postgresql, on_postgresql.folder.parent), strict=True):
        _holds(attack, result)


def _holds(attack: Attack, result: Result) -> None:
    assert result.wrongs() == {}, attack.name
    assert attack.is_right(result.score), (attack.name, result.score, attack.earns)


@pytest.mark.xdist_group("attacks-on-stock")
@pytest.mark.parametrize(("name", "part"), SEEN.items())
def test_the_harness_sees_an_attack_that_succeeds(name: str, part: str, stock: Class) -> None:
    (attack,) = (attack for attack in ATTACKS if attack.name == name)
    (result,) = run([attack], stock, stock.folder.parent)
    assert part in result.wrongs()


@pytest.mark.xdist_group("attacks-on-stock")
def test_the_harness_sees_points_that_were_not_earned(stock: Class) -> None:
    (attack,) = (attack for attack in ATTACKS if attack.name == "spoof-displayhook")
    (result,) = run([attack], stock, stock.folder.parent)
    assert (attack.earns, result.score) == (0, 8)
