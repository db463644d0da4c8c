"""What grading again would change, told before anything is saved: after a test was mended, say.

>>> with class_grader(Path("."), "02-x", which="graded") as grader:                   # doctest: +SKIP
...     seen = list(preview := Preview(grader))
>>> preview.changes                                                                   # doctest: +SKIP
[Change(student='ada', cell='mean-hidden', before=0.0, after=2.0, most=2.0, by_hand=None)]

What is examined on the way is kept in the ledger, so that grading again, then, is a look-up.
"""

import copy
import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

from nbgrader.api import MissingEntry
from nbgrader.utils import determine_grade, is_grade
from rich.console import Group
from rich.markup import escape
from rich.table import Table

from course_utils.grading.examine_step import Examine
from course_utils.grading.many import ClassGrader, Graded

__all__ = ["Change", "Preview", "RegradeReport"]


@dataclass(frozen=True)
class Change:
    """An automatic score that would be another one."""

    student: str
    cell: str
    before: float | None
    after: float | None
    most: float
    by_hand: float | None
    """A person's score, which stays and counts."""


class Preview(ClassGrader):
    """Iterate over it: each submission comes out when it has been compared; the gradebook is only read."""

    def __init__(self, grader: ClassGrader) -> None:
        super().__init__(grader.plan, grader.wanted, grader.already, grader.cluster)
        self.changes: list[Change] = []
        self.others: list[str] = []
        """Students whose results would be others: a score, a verdict or a message."""

    def _grade(self, unit: Any) -> Graded:
        step = Examine(parent=self.plan, config=self.plan.config)
        changes: list[Change] = []
        other = False
        for notebook, resources in unit.prepared.notebooks.values():
            graded, resources = step.preprocess(copy.deepcopy(notebook), resources)
            changes += self._compared(graded, resources)
            other = other or self._is_other(resources)
        self.changes += changes
        if changes or other:
            self.others.append(unit.student)
        return Graded(unit.student, "graded" if unit.parcels else "looked up")

    def _compared(self, graded: Any, resources: Any) -> list[Change]:
        where = resources["nbgrader"]
        with self.plan.parent.gradebook as gradebook:
            try:
                found = gradebook.find_submission_notebook(
                    where["notebook"], where["assignment"], where["student"]
                )
                known = {grade.name: (grade.auto_score, grade.manual_score) for grade in found.grades}
            except MissingEntry:
                known = {}
        changes = []
        for cell in graded.cells:
            if is_grade(cell) and cell.cell_type == "code":
                name = cell.metadata.nbgrader.grade_id
                after, most = determine_grade(cell)
                before, by_hand = known.get(name, (None, None))
                if after != before:
                    changes.append(Change(where["student"], name, before, after, most, by_hand))
        return changes

    def _is_other(self, resources: Any) -> bool:
        """Whether a verdict or a message is another than what was graded last."""
        where, record = resources["nbgrader"], resources["course"].record
        path = self.plan.record_path(where["assignment"], where["student"], where["notebook"])
        try:
            last = json.loads(path.read_text(encoding="utf-8"))["cells"]
        except (OSError, ValueError, KeyError):
            return True
        now = [(cell["id"], cell["verdict"], cell["message"]) for cell in record.to_dict()["cells"]]
        return now != [(cell["id"], cell["verdict"], cell["message"]) for cell in last]


@dataclass(frozen=True)
class RegradeReport:
    """All that a regrade would change."""

    assignment: str
    looked_at: int
    changes: Sequence[Change]
    others: Sequence[str] = field(default_factory=tuple)
    failed: Sequence[Graded] = field(default_factory=tuple)

    def to_dict(self) -> dict[str, Any]:
        """The report as plain data, for `--json`."""
        rows = {name: [asdict(row) for row in getattr(self, name)] for name in ("changes", "failed")}
        return {
            "assignment": self.assignment,
            "looked_at": self.looked_at,
            "others": list(self.others),
            **rows,
        }

    def table(self) -> Group:
        """Every score that would change, and by how much."""
        title = f"{self.assignment}: {len(self.changes)} scores of {self.looked_at} submissions would change"
        table = Table("student", "test", "now", "then", "of", "", title=title, title_justify="left")
        for one in self.changes:
            by_hand = f"a person gave {one.by_hand:g}: that stays" if one.by_hand is not None else ""
            numbers = ("–" if n is None else f"{n:g}" for n in (one.before, one.after, one.most))
            table.add_row(escape(one.student), escape(one.cell), *numbers, by_hand)
        words = len(set(self.others) - {one.student for one in self.changes})
        lines = [f"{words} submissions keep their scores and get another message."] if words else []
        lines += [f"[red]{escape(one.student)}: {escape(one.reason)}[/]" for one in self.failed]
        return Group(*([table] if self.changes else [title]), *lines)
