"""Two hundred students hand in at once, twice, and the exchange is killed meanwhile: nothing lost, nothing twice."""

import random
import shutil
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from exchange_process import Exchange
from small_hub import small_hub

from course_utils.exchange.frame import pack
from course_utils.exchange.students import ask

pytestmark = [pytest.mark.hub, pytest.mark.slow]
STUDENTS, SPREAD_S, LESSON = 200, 25, "02-attention-and-induction"
RELEASE = Path(__file__).resolve().parents[2] / "release" / LESSON
FORMAT = "%Y-%m-%d %H:%M:%S.%f UTC"


def hand_in(exchange, folder, student, attempt, delay_s, sends):
    """(when it began, the receipt, when it was there), for the release with an answer of the student's own."""
    work = folder / f"{student}-{attempt}" / LESSON
    shutil.copytree(RELEASE, work)
    (work / "answer.txt").write_text(f"{student} {attempt}")
    frame = pack(work)
    time.sleep(delay_s)
    began = datetime.now(UTC)
    url = f"{exchange.url}/assignments/{LESSON}/submissions"
    sends.set()
    receipt = ask(url, f"student-{student}", frame).json()
    return began, receipt, datetime.now(UTC)


@pytest.mark.parametrize("attempt", [1, 2])
def test_a_class_hands_in_while_the_exchange_is_killed(attempt, exchange_of_a_class, tmp_path):
    exchange, chance = exchange_of_a_class, random.Random(attempt)
    students = [f"student{n:03}" for n in range(STUDENTS)]
    started, sends = time.monotonic(), threading.Event()
    with ThreadPoolExecutor(STUDENTS) as threads:
        delays = [chance.uniform(0, SPREAD_S) for _ in students]
        # A burst around the moment of the kill, which comes when one of them sends: some are surely under way.
        delays[:40] = [SPREAD_S / 2 + chance.uniform(-0.3, 0.1) for _ in range(40)]
        futures = [
            threads.submit(hand_in, exchange, tmp_path, student, attempt, delay, sends)
            for student, delay in zip(students, delays, strict=True)
        ]
        time.sleep(SPREAD_S / 2 - 0.2 - (time.monotonic() - started))
        sends.clear()
        assert sends.wait(SPREAD_S)
        exchange.kill()
        killed = datetime.now(UTC)
        time.sleep(1)
        exchange.start()
        done = [future.result(120) for future in futures]
    seconds = time.monotonic() - started

    across = sum(began < killed < ended for began, _, ended in done)
    waits = sorted((ended - began).total_seconds() for began, _, ended in done)
    print(
        f"attempt {attempt}: {len(done)} receipts in {seconds:.1f} s; {across} were under way when it was killed; "
        f"wait median {waits[100]:.2f} s, longest {waits[-1]:.2f} s"
    )
    assert seconds < 60 and across > 0
    inbound = exchange.root / "agai302" / "inbound"
    for student, (began, receipt, ended) in zip(students, done, strict=True):
        came = datetime.strptime(receipt["time"], FORMAT).replace(tzinfo=UTC)
        assert began - timedelta(milliseconds=1) <= came <= ended and receipt["student"] == student
        place = inbound / f"{student}+{LESSON}+{receipt['time']}+{receipt['digest']}"
        assert (place / "answer.txt").read_text() == f"{student} {attempt}"
        assert (place / "timestamp.txt").read_text() == receipt["time"]
        for path in RELEASE.iterdir():
            assert (place / path.name).read_bytes() == path.read_bytes()
    assert len(list(inbound.iterdir())) == STUDENTS * attempt
    assert not list((exchange.root / "agai302" / ".incoming").iterdir())


@pytest.fixture(scope="module")
def exchange_of_a_class(tmp_path_factory):
    root = tmp_path_factory.mktemp("class") / "exchange"
    shutil.copytree(RELEASE, root / "agai302" / "outbound" / LESSON)
    with small_hub() as api, Exchange(root, api) as exchange:
        yield exchange
