"""The process in which one lesson is audited: it runs the reference cell by cell and forks a trial of every
answer.

Started by `course_utils.grading.audit` as `python -m course_utils.grading.audit_worker FD`, in a throw-away
directory, with one thread for every maths library (their thread pools do not survive a fork). The job comes
as JSON on stdin; what happens goes out as JSON lines on the file descriptor FD; stdout is swallowed.
"""

import contextlib
import gc
import json
import os
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from course_utils.grading.audit_answers import Answer, AnswersError, quiz_answers, read_answers
from course_utils.grading.audit_cells import TestResult, fresh_namespace, run_test
from course_utils.grading.audit_fork import die_with_parent, run_forked
from course_utils.grading.audit_lab import lab_callables
from course_utils.grading.audit_wall import across
from course_utils.grading.lesson import Cell, Exercise, Lesson, load_lesson
from course_utils.grading.lesson_source import names_of
from course_utils.grading.run_cell import run_source

__all__ = ["main"]

Emit = Callable[..., None]
COMPANY = 16  # callables of the lab that are looked at in one fork
DRAWS = 10  # of one answer's tests, in one fork


@dataclass(frozen=True)
class _Trial:
    """Something that is tried against an exercise's tests, in a fork."""

    kind: str
    label: str
    run: Callable[[], Any] = dict
    expect: str | None = None
    seed: int = 0


class Audit:
    """One lesson's audit: the state that the reference has built so far, and the trials forked from it."""

    def __init__(self, lesson: Lesson, job: dict[str, Any], emit: Emit) -> None:
        self.lesson, self.job, self.emit = lesson, job, emit
        self.namespace = fresh_namespace()
        self.wanted = [e for e in lesson.exercises if job["exercise"] in (None, e.id)]
        self.plan = _plan(lesson, job["exercise"])
        self.lab: list[tuple[str, Any]] = []

    def run(self) -> None:
        """Run the plan; at each wanted exercise first try everything against its tests."""
        if self.job["lab"]:
            self.lab = lab_callables(self.job["lab"], lambda text: self.emit("problem", message=text))
        by_id = {exercise.solution.index: exercise for exercise in self.wanted}
        seeded, cost_s = False, 0.0
        for position, cell in enumerate(self.plan):
            self.emit("cell", cell=cell.where)
            if cell.kind in ("solution", "test") and not seeded:
                seeded = True
                self._freeze()
                self._seeds(self.plan[position:])
            if cell.index in by_id:
                self._freeze()
                self._trials(by_id[cell.index])
            started = time.process_time()
            if not self._step(cell):
                return
            if cell.kind != "setup":
                cost_s += time.process_time() - started
        self.emit("cost", seconds=cost_s)

    def _step(self, cell: Cell) -> bool:
        """Run one cell of the reference; False if the lesson cannot go on."""
        if cell.kind == "test":
            self.emit("base", test=run_test(cell, self.namespace))
            return True
        try:
            run_source(cell.source, self.namespace, f"<{cell.where}>")
        except BaseException as error:
            what = (
                f"{cell.kind} cell {cell.where} raises {type(error).__name__}: {error}; the rest did not run"
            )
            self.emit("problem", message=what)
            return False
        _one_thread()
        return True

    def _freeze(self) -> None:
        # Collected objects are not copied into every fork by the garbage collector's own writes.
        gc.collect()
        gc.freeze()

    def _fork(self, trials: Sequence[Callable[[], Any]], limit_s: float) -> Iterator[tuple[int, Any]]:
        return run_forked(trials, limit_s=limit_s, jobs=self.job["jobs"])

    def _seeds(self, cells: list[Cell]) -> None:
        """The reference once for each seed, from the state after the opening setup cells."""
        seeds = list(range(1, self.job["seeds"] + 1))
        limit_s = self.job["time_limit_s"] * max(1, sum(cell.kind != "setup" for cell in cells))
        trials = [lambda seed=seed: self._reference(cells, seed) for seed in seeds]
        for index, outcome in self._fork(trials, limit_s):
            self.emit("seed", seed=seeds[index], tests=outcome.value, ended=outcome.ended)

    def _reference(self, cells: list[Cell], seed: int) -> list[TestResult]:
        os.environ["COURSE_SEED"] = str(seed)
        return across(cells, self.namespace, self.lesson)

    def _trials(self, exercise: Exercise) -> None:
        started = time.monotonic()
        specs = [_Trial("untouched", "the stub as released", partial(self._stub, exercise))]
        seeds = 1 if exercise.is_quiz else self.job["seeds"]
        answers = self._answers(exercise)
        for answer in answers:
            for seed in range(seeds):
                run = partial(self._answer, exercise, answer, seed)
                specs.append(_Trial(answer.kind, answer.label, run, answer.expect, seed))
        specs += self._lab_specs(exercise)
        ended = set[str]()  # or broken: more draws would say the same
        for index, outcome in self._fork([spec.run for spec in specs], self.job["time_limit_s"]):
            self._emit_trial(exercise, specs[index], outcome.value, outcome.ended)
            if outcome.ended or outcome.value["broken"]:
                ended.add(specs[index].label)
        if not exercise.is_quiz:
            self._draws(exercise, [answer for answer in answers if answer.label not in ended])
        self.emit("exercise", exercise=exercise.id, seconds=time.monotonic() - started)

    def _draws(self, exercise: Exercise, answers: Sequence[Answer]) -> None:
        """The reference and every answer on many more draws, in one process: how often does each test pass?"""
        solution = exercise.solution
        reference = Answer("right", "reference", None, solution.source)
        first, end = self.job["seeds"] + 1, self.job["seeds"] + 1 + self.job["draws"]
        parts = [range(start, min(start + DRAWS, end)) for start in range(first, end, DRAWS)]
        tried = [(answer, seeds) for answer in (reference, *answers) for seeds in parts]
        forks = [partial(self._drawn, exercise, answer, seeds) for answer, seeds in tried]
        for index, outcome in self._fork(forks, self.job["time_limit_s"] * DRAWS):
            about = {"kind": tried[index][0].kind, "label": tried[index][0].label}
            self.emit("draws", exercise=exercise.id, tests=outcome.value, ended=outcome.ended, **about)

    def _emit_trial(self, exercise: Exercise, trial: _Trial, value: Any, ended: str | None) -> None:
        about = {"kind": trial.kind, "label": trial.label, "expect": trial.expect, "seed": trial.seed}
        what = value or {"tests": [], "broken": None, "differs": None}
        self.emit("trial", exercise=exercise.id, ended=ended, **about, **what)

    def _lab_specs(self, exercise: Exercise) -> list[_Trial]:
        """The lab's callables that are to be tried by themselves, after a look at all of them, many in one fork.

        A fork copies the page tables of a process that holds SmolLM2, which costs more than nearly every callable
        needs to fail. One that passes in company, or company that ends badly, is tried again one by one.
        """
        tried = [] if exercise.is_quiz else [
            (name, path, value) for name in _tested_names(exercise) for path, value in self.lab
        ]  # fmt: skip
        batches = [tried[start : start + COMPANY] for start in range(0, len(tried), COMPANY)]
        again: list[tuple[str, str, Any]] = []
        looks = [partial(self._look, exercise, batch) for batch in batches]
        for index, outcome in self._fork(looks, self.job["time_limit_s"]):
            for position, (name, path, value) in enumerate(batches[index]):
                tests = outcome.value[position] if outcome.value else []
                if outcome.ended or all(test["passed"] for test in tests):
                    again.append((name, path, value))
                else:
                    what = {"tests": tests, "broken": None, "differs": None}
                    self._emit_trial(exercise, _Trial("callable", f"{path} as {name}"), what, None)
        return [
            _Trial("callable", f"{path} as {name}", partial(self._callable, exercise, name, value))
            for name, path, value in again
        ]

    def _answers(self, exercise: Exercise) -> list[Answer]:
        if exercise.is_quiz:
            return quiz_answers(exercise)
        try:
            return read_answers(self.lesson.answers_dir / f"{exercise.id}.py")
        except AnswersError as error:
            self.emit("problem", exercise=exercise.id, message=str(error))
            return []

    # Each of the following runs in a fork.

    def _stub(self, exercise: Exercise) -> dict[str, Any]:
        # A stub may raise at its top level; nbgrader goes on to the tests, and so do we.
        with contextlib.suppress(BaseException):
            run_source(exercise.solution.released, self.namespace, "<stub>")
        return self._both(exercise, stop=False)

    def _answer(self, exercise: Exercise, answer: Answer, seed: int) -> dict[str, Any]:
        os.environ["COURSE_SEED"] = str(seed)
        try:
            run_source(answer.preamble, self.namespace, answer.filename)
            run_source(answer.source, self.namespace, answer.filename, answer.line)
        except BaseException as error:
            return _broken(f"the answer itself raises {type(error).__name__}: {error}")
        if exercise.id not in names_of(answer.source).bound:
            return _broken(f"the answer does not define {exercise.id}")
        return self._both(exercise, validate=seed == 0)

    def _drawn(self, exercise: Exercise, answer: Answer, seeds: Sequence[int]) -> list[list[TestResult]]:
        """All tests of the answer on each seed, in this process, one seed after the other."""
        before, found = dict(self.namespace), []
        for seed in seeds:
            os.environ["COURSE_SEED"] = str(seed)
            self.namespace.clear()
            self.namespace.update(before)
            run_source(answer.preamble, self.namespace, answer.filename)
            run_source(answer.source, self.namespace, answer.filename, answer.line)
            found.append(self._in_process(exercise, stop=False))
        return found

    def _look(self, exercise: Exercise, batch: Sequence[tuple[str, str, Any]]) -> list[list[TestResult]]:
        """The tests of each callable of the batch, in this process, one after the other."""
        found = []
        for name, _, value in batch:
            run_source(exercise.solution.source, self.namespace, "<reference>")
            self.namespace[name] = value
            found.append(self._in_process(exercise, stop=True))
        return found

    def _callable(self, exercise: Exercise, name: str, value: Any) -> dict[str, Any]:
        run_source(exercise.solution.source, self.namespace, "<reference>")
        self.namespace[name] = value
        tests = across(exercise.follow, self.namespace, self.lesson, stop=True)
        return {"tests": tests, "broken": None, "differs": None}

    def _both(self, exercise: Exercise, *, stop: bool = True, validate: bool = True) -> dict[str, Any]:
        """The exercise's tests as the grader runs them; and whether stock nbgrader would give other points."""
        tests = across(exercise.follow, self.namespace, self.lesson, stop=stop)
        stock = self._in_process(exercise, stop=stop) if validate and self.job["validate"] else []
        differs = next((_difference(ours, theirs) for ours, theirs in zip(tests, stock, strict=False)
                        if ours["points"] != theirs["points"]), None)  # fmt: skip
        return {"tests": tests, "broken": None, "differs": differs}

    def _in_process(self, exercise: Exercise, *, stop: bool) -> list[TestResult]:
        """The exercise's tests in the answer's own process, up to the first that fails if `stop`."""
        results: list[TestResult] = []
        for cell in exercise.follow:
            if cell.kind == "setup":
                run_source(cell.source, self.namespace, f"<{cell.where}>")
            elif cell.kind == "test":
                results.append(run_test(cell, self.namespace))
                if stop and not results[-1]["passed"]:
                    break
        return results


def _broken(why: str) -> dict[str, Any]:
    return {"tests": [], "broken": why, "differs": None}


def _difference(ours: TestResult, stock: TestResult) -> str:
    """A sentence on a test that gives other points across the wall than in one process."""
    texts = [f"{t['points']:g} ({t['message'] or 'passes'})" for t in (ours, stock)]
    return f"{ours['cell']} gives {texts[0]} in the grader and {texts[1]} in one process"


def _tested_names(exercise: Exercise) -> list[str]:
    """The graded names that the tests use; binding another one could change nothing."""
    used = frozenset[str]().union(*(names_of(cell.source).free for cell in exercise.tests))
    return [name for name in exercise.graded_names if name in used]


def _plan(lesson: Lesson, exercise: str | None) -> list[Cell]:
    """The cells to run: all that count, or for one exercise those that its own cells need, and it.

    Earlier setup and solution cells are cheap and may act by more than names; an earlier test cell is kept
    only if a name that it makes is used.
    """
    cells = lesson.of_kind("setup", "solution", "test")
    if exercise is None:
        return cells
    chosen = next(e for e in lesson.exercises if e.id == exercise)
    own = {chosen.solution.index, *(cell.index for cell in chosen.follow)}
    kept: list[Cell] = []
    needed: set[str] = set()
    for cell in reversed(cells[: cells.index(chosen.tests[-1]) + 1] if chosen.tests else cells):
        names = names_of(cell.source)
        if cell.index in own or cell.kind != "test" or names.bound & needed:
            kept.append(cell)
            needed |= names.free
    return kept[::-1]


def _one_thread() -> None:
    """Keep torch at one thread, should a cell have asked for more."""
    torch = sys.modules.get("torch")
    if torch is not None and torch.get_num_threads() != 1:
        torch.set_num_threads(1)


def main() -> None:
    """Audit the lesson that stdin describes."""
    die_with_parent()
    out = os.fdopen(int(sys.argv[1]), "w", encoding="utf-8")
    job = json.load(sys.stdin)
    sys.path.insert(0, job["root"])
    os.dup2(os.open(os.devnull, os.O_WRONLY), 1)

    def emit(event: str, **what: Any) -> None:
        out.write(json.dumps({"event": event, **what}) + "\n")
        out.flush()

    Audit(load_lesson(Path(job["root"]), job["lesson"]), job, emit).run()
    emit("done")


if __name__ == "__main__":
    main()
