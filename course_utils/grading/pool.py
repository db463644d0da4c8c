"""Processes that grade submissions, a few at once; one that dies takes at most its own submission with it.

>>> with grading_pool(folder, jobs=2) as pool:                                      # doctest: +SKIP
...     reasons = dict(pool.grade("02-x", ["reference", "untouched"]))
"""

import contextlib
import multiprocessing
import os
import threading
from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from pathlib import Path
from typing import Any

from course_utils.grading.demo_class import LOG, StepFailed, api_for, log_step
from course_utils.grading.warm import warm_parent

__all__ = ["Pool", "grade_one", "grading_pool"]

Results = list[dict[str, Any]]
DIED = "the process that graded it died (out of memory?)"


def grade_one(folder: Path, lesson: str, student: str) -> Results:
    """What nbgrader says of autograding one submission and, if that succeeds, of making its feedback."""
    api = api_for(folder)
    graded = api.autograde(lesson, student)
    return [graded, api.generate_feedback(lesson, student)] if graded["success"] else [graded]


class Pool:
    """`jobs` processes that run `work` (as a rule `grade_one`) on one submission each."""

    def __init__(
        self, folder: Path, jobs: int, work: Callable[[Path, str, str], Results] = grade_one
    ) -> None:
        self.folder, self.jobs, self.work = folder, jobs, work
        self.workers = self._workers(jobs)
        for _ in range(jobs):
            self.workers.submit(os.getpid)  # start now, so that importing nbgrader overlaps with the release

    def grade(self, lesson: str, students: list[str]) -> Iterator[tuple[str, str | None]]:
        """Each student when graded, with the reason if that failed."""
        waiting = deque(students)
        suspects: list[str] = []
        running: dict[Future[Results], str] = {}
        while waiting or running:
            while waiting and len(running) < self.jobs:  # no more, so that a death has few suspects
                student = waiting.popleft()
                running[self._submit(lesson, student)] = student
            for future in wait(running, return_when=FIRST_COMPLETED).done:
                student = running.pop(future)
                if isinstance(future.exception(), BrokenProcessPool):
                    suspects.append(student)  # it, or a neighbour, killed its process
                else:
                    yield student, self._failure(future)
        for student in suspects:
            with self._workers(1) as alone:  # so that the one that kills its process is told from the others
                yield student, self._failure(alone.submit(self.work, self.folder, lesson, student))

    def _submit(self, lesson: str, student: str) -> Future[Results]:
        try:
            return self.workers.submit(self.work, self.folder, lesson, student)
        except BrokenProcessPool:
            self.workers = self._workers(self.jobs)
            return self.workers.submit(self.work, self.folder, lesson, student)

    def _workers(self, jobs: int) -> ProcessPoolExecutor:
        # "spawn": a forked child would inherit the progress bar's thread and open databases.
        spawn = multiprocessing.get_context("spawn")
        return ProcessPoolExecutor(jobs, mp_context=spawn, initializer=_begin_worker, initargs=(self.folder,))

    def _failure(self, future: Future[Results]) -> str | None:
        try:
            for result in future.result():
                log_step(self.folder, result)
        except StepFailed as error:
            return str(error)
        except BrokenProcessPool:
            return DIED
        return None


@contextlib.contextmanager
def grading_pool(folder: Path, jobs: int) -> Iterator[Pool]:
    """A pool whose processes end with the block, and a warm parent for their sandboxes."""
    with warm_parent():
        pool = Pool(folder, jobs)
        try:
            yield pool
        finally:
            pool.workers.shutdown(cancel_futures=True)


def _begin_worker(folder: Path) -> None:
    """Sends what nbgrader or a kernel prints to the log; imports nbgrader while others work."""
    threading.Thread(target=_end_with_parent, daemon=True).start()
    log = os.open(folder / LOG, os.O_WRONLY | os.O_APPEND | os.O_CREAT)
    os.dup2(log, 1)
    os.dup2(log, 2)
    # One core for each kernel: with a thread for every core in each, two kernels at once fight for the cores.
    os.environ["OMP_NUM_THREADS"] = "1"
    import nbgrader.apps.api  # noqa: F401


def _end_with_parent() -> None:
    """Never returns: ends this process when the one that made the pool has gone, however that ended."""
    parent = multiprocessing.parent_process()
    assert parent is not None
    parent.join()
    os._exit(1)
