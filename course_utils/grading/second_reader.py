"""A second reader's marks for a sample of written answers, and how far the two readers agree.

>>> weighted_kappa([0, 5, 10, 10], [0, 5, 10, 10])
1.0
>>> sample = Sample.drawn({"written_why": ["a", "b", "c"]}, most=2, seed=0)
>>> len(sample.answers["written_why"])
2

The second reader's marks lie in `.grading/second-reader/LESSON.json`, so that the gradebook's score stays the first
reader's.
"""

import json
import random
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from rich.console import Group
from rich.table import Table

from course_utils.errors import ClassError
from course_utils.grading.autograde import OWN

__all__ = ["Agreement", "AgreementReport", "Sample", "Second", "agreement", "report_on", "weighted_kappa"]

ENOUGH = 10
"""Answers that both have read, below which figures say little."""
RELIABLE = 50
"""Answers below which kappa can easily be a tenth or two off."""
FORMATS = ("{:.0%}", "{:.2f}", "{:+.2f}", "{:.2f}")


@dataclass(frozen=True)
class Second:
    """One mark of the second reader."""

    points: float
    reader: str
    answer: str
    """The digest of the text that was read."""


@dataclass(frozen=True)
class Sample:
    """The answers that a second person reads, and the marks they have got."""

    seed: int
    answers: dict[str, list[str]]
    """Ids of submitted notebooks, by exercise."""
    marks: dict[str, dict[str, Second]] = field(default_factory=dict)
    """By exercise and submitted notebook."""

    @classmethod
    def drawn(cls, answers: Mapping[str, Sequence[str]], most: int, seed: int) -> "Sample":
        """At most `most` of each exercise's answers: any set of them is as likely as any other."""
        draw = random.Random(seed)
        return cls(
            seed,
            {name: draw.sample(sorted(ids), min(most, len(ids))) for name, ids in sorted(answers.items())},
        )

    @classmethod
    def read(cls, root: Path, assignment: str) -> "Sample | None":
        """The sample of the assignment, or None if none has been drawn. Raises `ClassError` if its file is damaged."""
        path = _path(root, assignment)
        try:
            data = json.loads(path.read_text(encoding="utf-8"))
            answers = {name: [str(one) for one in ids] for name, ids in data["answers"].items()}
            marks = {
                name: {
                    one: Second(float(m["points"]), str(m["reader"]), str(m["answer"]))
                    for one, m in of.items()
                }
                for name, of in data["marks"].items()
            }
            return cls(int(data["seed"]), answers, marks)
        except FileNotFoundError:
            return None
        except (OSError, ValueError, TypeError, KeyError, AttributeError) as error:
            raise ClassError(
                f"The second reader's marks in {path} cannot be read ({type(error).__name__}). Put the file back "
                "from a back-up, or move it away and draw a new sample."
            ) from None

    def write(self, root: Path, assignment: str) -> None:
        """Nothing: the file is replaced, whole."""
        path = _path(root, assignment)
        path.parent.mkdir(parents=True, exist_ok=True)
        fresh = path.with_suffix(".new")
        fresh.write_text(json.dumps(asdict(self), indent=1) + "\n", encoding="utf-8")
        fresh.replace(path)

    def mark(self, exercise: str, submission: str, points: float | None, reader: str, answer: str) -> None:
        """Nothing: the answer has these points from now on; None takes them back. Raises `KeyError` for an answer that
        is not in the sample."""
        if submission not in self.answers.get(exercise, []):
            raise KeyError(submission)
        of = self.marks.setdefault(exercise, {})
        if points is None:
            of.pop(submission, None)
        else:
            of[submission] = Second(points, reader, answer)


def _path(root: Path, assignment: str) -> Path:
    return root / OWN / "second-reader" / f"{assignment}.json"


@dataclass(frozen=True)
class Agreement:
    """How far two readers agree on one exercise."""

    exercise: str
    points: float
    """What the exercise is worth."""
    sampled: int
    n: int
    """Answers that both have read."""
    exact: float | None
    """The share of them with the same points."""
    difference: float | None
    """The mean absolute difference, in points."""
    shift: float | None
    """The mean of second minus first, in points: above 0, the second reader is the milder one."""
    kappa: float | None
    """`weighted_kappa`."""
    notes: tuple[str, ...] = ()


def weighted_kappa(first: Sequence[float], second: Sequence[float]) -> float | None:
    """Cohen's kappa with quadratic weights: 1 is agreement, 0 what chance would give, below 0 worse than that.

    1 − Σ w o / Σ w e with w = (x − y)², o the pairs of marks as they are, e every mark of the one reader with every
    mark of the other (Cohen 1968). No categories are needed: it is exact for any numbers. None if it is not defined,
    since all marks are the same.
    """
    x, y = np.asarray(first, float), np.asarray(second, float)
    by_chance = ((x[:, None] - y[None, :]) ** 2).mean() if len(x) else 0.0
    return float(1 - ((x - y) ** 2).mean() / by_chance) if by_chance > 0 else None


def agreement(
    exercise: str,
    points: float,
    sampled: int,
    pairs: Sequence[tuple[float, float]],
    notes: Sequence[str] = (),
) -> Agreement:
    """The figures for (first, second) pairs of points, with a warning where there are too few."""
    notes = list(notes)
    if len(pairs) < ENOUGH:
        notes.append(f"too few: {len(pairs)} read by both, and below {ENOUGH} no figure says much")
    elif len(pairs) < RELIABLE:
        notes.append(f"{len(pairs)} answers: kappa is rough")
    if not pairs:
        return Agreement(exercise, points, sampled, 0, None, None, None, None, tuple(notes))
    first, second = np.array(pairs, float).T
    kappa = weighted_kappa(first.tolist(), second.tolist()) if len(pairs) > 1 else None
    if kappa is None and len(pairs) > 1:
        notes.append("no kappa, since all marks are the same")
    gap = second - first
    return Agreement(
        exercise, points, sampled, len(pairs), float((np.abs(gap) < 1e-9).mean()), float(np.abs(gap).mean()),
        float(gap.mean()), kappa, tuple(notes),
    )  # fmt: skip


@dataclass(frozen=True)
class AgreementReport:
    """The agreement on each written exercise of an assignment."""

    assignment: str
    seed: int
    drawn: bool
    """Whether the sample was drawn just now."""
    exercises: tuple[Agreement, ...]

    def to_dict(self) -> dict[str, Any]:
        """The report as plain data, for `--json`."""
        return asdict(self)

    def table(self) -> Group:
        """A row for each exercise, then what the columns mean."""
        title = f"{self.assignment}: first and second reader"
        heads = ("exercise", "of", "sample", "n", "exact", "|difference|", "second − first", "kappa", "")
        table = Table(*heads, title=title, title_justify="left")
        for one in self.exercises:
            figures = [
                "–" if value is None else how.format(value)
                for value, how in zip((one.exact, one.difference, one.shift, one.kappa), FORMATS, strict=True)
            ]
            table.add_row(
                one.exercise, f"{one.points:g}", str(one.sampled), str(one.n), *figures, "; ".join(one.notes)
            )
        means = (
            "n: answers that both have read. exact: the share with the same points. |difference|, second − first:\n"
            "means, in points. kappa: Cohen's, with quadratic weights (1 is agreement, 0 what chance would give)."
        )
        drawn = f"The sample was drawn just now (seed {self.seed}). " if self.drawn else ""
        where = f"{drawn}The second reader marks it in formgrader: Manual Grading, Written answers, Second reader."
        waits = any(one.n < one.sampled for one in self.exercises)
        return Group(table, means, *([where] if self.drawn or waits else []))


def report_on(root: Path, assignment: str, *, most: int, seed: int, fresh: bool) -> AgreementReport:
    """The agreement so far; where no sample has been drawn, or another is wanted (`fresh`), it is drawn now.

    Drawn are answers with something in them, of identical ones one. Raises `ClassError` if there is nothing to draw
    from, or if marks of a second reader would be lost.
    """
    from nbgrader.api import MissingEntry
    from nbgrader.apps.api import NbGraderAPI

    from course_utils.grading.release import load_settings
    from course_utils.grading.written import find_marks, group_answers, read_answers, written_exercises

    api = NbGraderAPI(config=load_settings(root))
    with api.gradebook as gradebook:
        try:
            exercises = written_exercises(gradebook, assignment)
        except MissingEntry:
            raise ClassError(
                f"The gradebook has no assignment {assignment}. First: nbgrader generate_assignment {assignment}"
            ) from None
        if not exercises:
            raise ClassError(
                f"{assignment} has no exercise that a person marks, so there is nothing to read."
            )
        marks = {one.key: find_marks(gradebook, one) for one in exercises}
    answers = {one.key: read_answers(api.coursedir, one, marks[one.key]) for one in exercises}
    base = Path(api.coursedir.root)
    sample = Sample.read(base, assignment)
    if drawn := sample is None or fresh:
        if sample is not None and any(sample.marks.values()):
            raise ClassError(
                f"A second reader has marked answers of {assignment} already; another sample would lose the marks. If "
                f"that is wanted, move {_path(base, assignment)} away first."
            )
        among = {
            name: [group[0].mark.submission for group in group_answers(found) if group[0].text]
            for name, found in answers.items()
        }
        if not any(among.values()):
            raise ClassError(
                f"Nobody has answered a written exercise of {assignment} yet, or nothing has been autograded. First: "
                f"course autograde {assignment}"
            )
        sample = Sample.drawn(among, most, seed)
        sample.write(base, assignment)
    rows = tuple(_row(one, sample, {a.mark.submission: a for a in answers[one.key]}) for one in exercises)
    return AgreementReport(assignment, sample.seed, drawn, rows)


def _row(exercise: Any, sample: Sample, answers: Mapping[str, Any]) -> Agreement:
    """The agreement on one exercise; a mark for another text than is there now does not count."""
    pairs, changed, waits = [], 0, 0
    for submission, second in sample.marks.get(exercise.key, {}).items():
        answer = answers.get(submission)
        if answer is None or answer.digest != second.answer:
            changed += 1
        elif answer.mark.waits or answer.mark.points is None:
            waits += 1
        else:
            pairs.append((answer.mark.points, second.points))
    sampled = len(sample.answers.get(exercise.key, []))
    notes = [f"{changed} changed since the second reader read them: to be read again"] if changed else []
    notes += [f"{waits} wait for the first reader"] if waits else []
    return agreement(exercise.key, exercise.points, sampled, pairs, notes)
