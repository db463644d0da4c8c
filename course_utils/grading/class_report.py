"""What came of grading a class: counts, scores, and the submissions that somebody should look at.

>>> ClassReport("02-x", (Graded("ada", "graded"),)).exit_status
0
"""

import statistics
from collections import Counter
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from rich.console import Group
from rich.markup import escape
from rich.table import Table

from course_utils.grading.many import Graded
from course_utils.grading.release import load_settings

__all__ = ["ClassReport", "automatic_points"]

MEANS = {
    "graded": "examined and graded",
    "looked up": "nothing it depends on has changed since it was examined",
    "ended by a limit": "graded up to where time, memory or its own end stopped it; --retry-failed tries again",
    "nothing to grade": "there is no notebook that can be read: 0 points",
    "not graded": "the next run tries again; what nbgrader said is in .grading/autograde.log",
}


@dataclass(frozen=True)
class ClassReport:
    """The outcomes of one run."""

    assignment: str
    graded: tuple[Graded, ...]
    already: int = 0
    """Submissions that had been graded before and have not changed."""
    points: Mapping[str, tuple[float, float]] = field(default_factory=dict)
    """(automatic points, most) of each student in the gradebook."""
    seconds: float = field(default=0.0, compare=False)

    @property
    def exit_status(self) -> int:
        """0 if every submission has its grades, else 1."""
        return int(any(one.outcome == "not graded" for one in self.graded))

    def to_dict(self) -> dict[str, Any]:
        """The report as plain data, for `--json`."""
        rows = [
            {**asdict(one), **dict(zip(("points", "most"), self.points.get(one.student, ()), strict=False))}
            for one in self.graded
        ]
        counts = dict(Counter(one.outcome for one in self.graded))
        head = {"assignment": self.assignment, "seconds": round(self.seconds, 1), "already": self.already}
        return {**head, "counts": counts, "submissions": rows}

    def table(self) -> Group:
        """Counts by outcome, what to look at, and how the class did."""
        counts = Counter(one.outcome for one in self.graded)
        title = f"{self.assignment}: {len(self.graded)} submissions in {self.seconds:.0f} s"
        table = Table("", "", "which means", title=title, title_justify="left", show_header=False)
        for outcome, means in MEANS.items():
            if count := counts[outcome]:  # type: ignore[index]
                table.add_row(str(count), outcome, means, style="red" if outcome == "not graded" else None)
        if self.already:
            table.add_row(str(self.already), "graded before", "left as they are; --force grades them again")
        return Group(table, *self._to_look_at(), *self._scores())

    def _to_look_at(self) -> list[Table]:
        odd = [one for one in self.graded if one.reason]
        if not odd:
            return []
        table = Table("student", "outcome", "why", title="To look at", title_justify="left")
        for one in odd:
            table.add_row(escape(one.student), one.outcome, escape(one.reason))
        return [table]

    def _scores(self) -> list[str]:
        got = [self.points[one.student] for one in self.graded if one.student in self.points]
        if not got:
            return []
        scores, most = [score for score, _ in got], max(most for _, most in got)
        middle = f"mean {statistics.fmean(scores):.1f}, median {statistics.median(scores):g} of {most:g}"
        ends = f"all points: {sum(score == most for score in scores)}; none: {sum(score == 0 for score in scores)}"
        return [f"Automatic points: {middle}. {ends}."]


def automatic_points(root: Path, assignment: str) -> dict[str, tuple[float, float]]:
    """(automatic points, most) by student, from the course's gradebook."""
    from nbgrader.apps.api import NbGraderAPI

    with NbGraderAPI(config=load_settings(root)).gradebook as gradebook:
        rows = gradebook.submission_dicts(assignment)
    return {row["student"]: (row["code_score"], row["max_code_score"]) for row in rows}
