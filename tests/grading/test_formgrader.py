"""Formgrader's button: it grades in another process, and outlives what kills that process."""

import asyncio
import json
import os
import signal
import sys
import time
from pathlib import Path

import pytest
from small import LESSON, small_course

from course_utils.grading import formgrader
from course_utils.grading.demo_class import api_for

pytestmark = pytest.mark.slow


@pytest.fixture
def api(tmp_path):
    course = small_course(tmp_path / "course")
    made = api_for(course)
    assert made.generate_assignment(LESSON)["success"]
    there = course / "submitted" / "mia" / LESSON
    there.mkdir(parents=True)
    (there / f"{LESSON}.ipynb").write_bytes((course / "release" / LESSON / f"{LESSON}.ipynb").read_bytes())
    yield made
    while formgrader._workers:
        formgrader._workers.pop().shutdown()


async def grade_and_tick(config):
    """(nbgrader's answer, the longest time in which nothing else in this process could run)."""
    longest, last, task = (
        0.0,
        time.monotonic(),
        asyncio.create_task(formgrader.grade_apart(config, LESSON, "mia")),
    )
    while not task.done():
        await asyncio.sleep(0.02)
        longest, last = max(longest, time.monotonic() - last), time.monotonic()
    return task.result(), longest


def test_while_it_grades_this_process_goes_on(api):
    started = time.monotonic()
    answer, longest = asyncio.run(grade_and_tick(api.config))
    took = time.monotonic() - started
    assert answer["success"], answer
    assert longest < took / 3, (longest, took)
    assert api.get_submission(LESSON, "mia")["autograded"]
    records = list((Path(api.coursedir.root) / ".grading" / "records").rglob("*.json"))
    assert json.loads(records[0].read_text())  # by the honest grader


def test_a_grader_that_is_killed_is_said_and_the_next_one_grades(api):
    async def killed():
        task = asyncio.create_task(formgrader.grade_apart(api.config, LESSON, "mia"))
        await asyncio.sleep(1)
        (worker,) = formgrader._workers[0]._processes
        os.kill(worker, signal.SIGKILL)
        return await task

    answer = asyncio.run(killed())
    assert not answer["success"] and "died" in answer["error"]
    answer, _ = asyncio.run(grade_and_tick(api.config))
    assert answer["success"], answer


def test_a_course_without_formgrader_is_left_alone(monkeypatch):
    monkeypatch.delitem(sys.modules, formgrader.HANDLERS, raising=False)
    formgrader.install()
    assert formgrader.HANDLERS not in sys.modules
