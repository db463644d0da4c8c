"""From what an audit's trials did to what is off: pure, so that each verdict can be tested by itself."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from course_utils.grading.lesson import Exercise, Lesson

__all__ = ["LEAST_RIGHT", "LEAST_WRONG", "ExerciseRow", "Problem", "judge"]

LEAST_WRONG, LEAST_RIGHT = 4, 2
Event = dict[str, Any]


@dataclass(frozen=True)
class Problem:
    """One thing that is off, with the message that came."""

    lesson: str
    exercise: str
    message: str

    def __str__(self) -> str:
        return (
            f"{self.lesson} {self.exercise}: {self.message}"
            if self.exercise
            else f"{self.lesson}: {self.message}"
        )


@dataclass(frozen=True)
class ExerciseRow:
    """An exercise's line of the report."""

    lesson: str
    exercise: str
    points: float
    reference_full: int
    """Seeds on which the reference earned full marks."""
    seeds: int
    untouched: float | None
    """Points of the untouched stub; None if it was not tried."""
    wrong_failed: int
    wrong: int
    right_passed: int
    right: int
    callables: int
    seconds: float

    def texts(self) -> tuple[str, ...]:
        """The cells of a table's row."""
        return (
            self.lesson,
            self.exercise,
            f"{self.points:g}",
            f"{self.reference_full}/{self.seeds}",
            "—" if self.untouched is None else f"{self.untouched:g}",
            f"{self.wrong_failed}/{self.wrong}",
            f"{self.right_passed}/{self.right}",
            str(self.callables),
            f"{self.seconds:.1f}",
        )


def judge(
    lesson: Lesson, events: Sequence[Event], *, exercise: str | None = None, seeds: int = 3
) -> tuple[list[ExerciseRow], list[Problem]]:
    """Rows and problems of a lesson from its worker's events."""
    problems = [
        Problem(lesson.name, e.get("exercise") or "", e["message"]) for e in events if e["event"] == "problem"
    ]
    wanted = [e for e in lesson.exercises if exercise in (None, e.id)]
    if exercise is None:
        problems += [Problem(lesson.name, "", text) for text in _stray_answers(lesson)]
    rows = []
    for chosen in wanted:
        trials = [e for e in events if e["event"] == "trial" and e["exercise"] == chosen.id]
        reference = _reference(chosen, events)
        took = [e["seconds"] for e in events if e["event"] == "exercise" and e["exercise"] == chosen.id]
        if trials or any(reference.values()):
            draws = [e for e in events if e["event"] == "draws" and e["exercise"] == chosen.id]
            texts = [*_by_seed(reference), *_problems(chosen, trials), *_luck(draws)]
        else:
            texts = ["was not run"]
        if trials and len(reference.keys() - {0}) < seeds:
            texts.append(f"the reference ran on {len(reference.keys() - {0})} of {seeds} seeds")
        problems += [Problem(lesson.name, chosen.id, text) for text in texts]
        rows.append(_row(lesson, chosen, trials, reference, seeds, sum(took)))
    return rows, problems


def _stray_answers(lesson: Lesson) -> Iterator[str]:
    expected = {f"{e.id}.py" for e in lesson.exercises if not e.is_quiz} | {"__init__.py"}
    for path in sorted(lesson.answers_dir.glob("*.py")):
        if path.name not in expected:
            yield f"{path.name} holds answers of no exercise of this lesson; rename or remove it"


def _row(
    lesson: Lesson,
    exercise: Exercise,
    trials: list[Event],
    reference: dict[int, str],
    seeds: int,
    seconds: float,
) -> ExerciseRow:
    of_kind = {
        kind: [t for t in trials if t["kind"] == kind] for kind in ("untouched", "wrong", "right", "callable")
    }
    untouched = [_earned(t) for t in of_kind["untouched"]]
    answers = {kind: [t["label"] for t in of_kind[kind] if t["seed"] == 0] for kind in ("wrong", "right")}
    missed = {(t["kind"], t["label"]) for kind in answers for t in of_kind[kind] if _off(t, exercise)}
    as_wanted = {kind: sum((kind, label) not in missed for label in answers[kind]) for kind in answers}
    return ExerciseRow(
        lesson.name,
        exercise.id,
        exercise.points,
        sum(not text for seed, text in reference.items() if seed),
        seeds,
        untouched[0] if untouched else None,
        as_wanted["wrong"],
        len(answers["wrong"]),
        as_wanted["right"],
        len(answers["right"]),
        len(of_kind["callable"]),
        seconds,
    )


def _earned(trial: Event) -> float:
    return sum(test["points"] for test in trial["tests"])


def _full(trial: Event, exercise: Exercise) -> bool:
    """Whether every test of the exercise ran and passed."""
    return len(trial["tests"]) == len(exercise.tests) and all(test["passed"] for test in trial["tests"])


def _message(trial: Event) -> str:
    """Why a trial failed: how its process died, what the answer raised, or the first failing message."""
    if trial["ended"] or trial["broken"]:
        return trial["ended"] or trial["broken"]
    return next((test["message"] for test in trial["tests"] if not test["passed"]), "")


def _shown(trial: Event) -> str:
    test = next((t for t in trial["tests"] if not t["passed"]), None)
    named = f"{test['cell']}: {test['type']}: " if test and not trial["ended"] else ""
    return named + (_message(trial) or "no message")


def _off(trial: Event, exercise: Exercise) -> str:
    """What is off about an answer's trial; empty if it passes, or fails as it should."""
    on_seed = f", seed {trial['seed']}" if trial["seed"] else ""
    what = f"{trial['kind']} answer ({trial['label']}{on_seed})"
    if trial["kind"] == "right":
        return "" if _full(trial, exercise) else f"{what} fails: {_shown(trial)}"
    if trial["broken"]:
        return f"{what}: {trial['broken']}"
    if _full(trial, exercise):
        return f"{what} passes every test"
    if not trial["ended"] and not trial["tests"]:
        return f"{what} met no test"
    if trial["expect"] is not None and trial["expect"].lower() not in _message(trial).lower():
        return f"{what} should fail with {trial['expect']!r}, but got {_shown(trial)}"
    if trial["expect"] is None and trial["ended"]:
        return f"{what}: {trial['ended']}"
    return ""


def _reference(exercise: Exercise, events: Sequence[Event]) -> dict[int, str]:
    """What is off with the reference on each seed, or empty text; seed 0 is the run that trials fork from."""
    ids = {cell.grade_id for cell in exercise.tests}
    runs = [event for event in events if event["event"] == "seed"]
    base = [event["test"] for event in events if event["event"] == "base" and event["test"]["cell"] in ids]
    if base:
        runs.append({"seed": 0, "tests": base, "ended": None})
    texts = {}
    for run in runs:
        tests = [test for test in run["tests"] or [] if test["cell"] in ids]
        trial = {"tests": tests, "ended": run["ended"], "broken": None}
        texts[run["seed"]] = "" if _full(trial, exercise) and not run["ended"] else _shown(trial)
    return texts


def _by_seed(reference: dict[int, str]) -> Iterator[str]:
    """One line for each way in which the reference fails."""
    for text in dict.fromkeys(filter(None, reference.values())):
        seeds = [str(seed) for seed in sorted(reference) if reference[seed] == text]
        yield f"the reference on seed {', '.join(seeds)}: {text}"


def _problems(exercise: Exercise, trials: list[Event]) -> Iterator[str]:
    count = {kind: sum(t["kind"] == kind and t["seed"] == 0 for t in trials) for kind in ("wrong", "right")}
    if exercise.is_quiz and len(exercise.choices) < 3:
        yield f"the quiz card lists {len(exercise.choices)} choices, so its wrong letters were not all tried"
    if not exercise.is_quiz:
        for kind, least in (("wrong", LEAST_WRONG), ("right", LEAST_RIGHT)):
            if count[kind] < least:
                yield f"{count[kind]} {kind} answers; at least {least} are asked for"
    told = set()
    for trial in sorted(trials, key=lambda trial: trial["seed"]):
        if trial.get("differs"):
            yield f"{trial['kind']} answer ({trial['label']}): {trial['differs']}"
        if trial["kind"] in ("wrong", "right"):
            text = _off(trial, exercise)
            if text and (trial["kind"], trial["label"]) not in told:  # once, for the first seed
                told.add((trial["kind"], trial["label"]))
                yield text
        elif trial["kind"] == "callable" and _full(trial, exercise):
            yield f"{trial['label']} passes every test: the lab wing holds a graded answer"
        elif trial["kind"] == "untouched" and not trial["ended"]:
            for test in trial["tests"]:
                if test["passed"] or test["points"]:
                    yield f"the untouched stub earns {test['points']:g} points in {test['cell']}"
        elif trial["kind"] == "untouched":
            yield f"the untouched stub: {trial['ended']}"
    if exercise.is_quiz:
        yield from _same_words(trials)


def _luck(draws: list[Event]) -> Iterator[str]:
    """A test that passes on some draws of its numbers only is none: for a right answer it passes on all of them, for a
    wrong one on none, or (a weak visible one) on all.
    """
    for kind, label in dict.fromkeys((event["kind"], event["label"]) for event in draws):
        own = [event for event in draws if (event["kind"], event["label"]) == (kind, label)]
        what = f"{kind} answer ({label})"
        yield from dict.fromkeys(
            f"{what}: further draws: {event['ended']}" for event in own if event["ended"]
        )
        tests = [test for event in own for results in event["tests"] or [] for test in results]
        for cell in dict.fromkeys(test["cell"] for test in tests):
            results = [test for test in tests if test["cell"] == cell]
            missed = [test["message"] for test in results if not test["passed"]]
            if missed and (kind == "right" or len(missed) < len(results)):
                passed = len(results) - len(missed)
                yield f"{what} passes {cell} on {passed} of {len(results)} draws; else: {missed[0]}"


def _same_words(trials: list[Event]) -> Iterator[str]:
    """A quiz explains each wrong choice by itself, so no two letters may get the same message."""
    seen: dict[str, str] = {}
    for trial in trials:
        if trial["kind"] != "wrong" or trial["label"] == "''":
            continue
        message = _message(trial)
        if not message:
            yield f"choice {trial['label']} gets no message; say why it is wrong"
        elif message in seen:
            yield f"choices {seen[message]} and {trial['label']} get the same message; explain each choice"
        seen.setdefault(message, trial["label"])
