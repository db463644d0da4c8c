"""What a gate found: one `Finding` a rule and place, and the ways to show a list of them."""

from dataclasses import asdict, dataclass
from typing import Any, Literal

from rich.box import SIMPLE_HEAD
from rich.table import Table
from rich.text import Text

from course_utils.grading.lesson import Cell, Lesson

__all__ = ["Finding", "Findings", "found"]

Severity = Literal["error", "warning"]


@dataclass(frozen=True)
class Finding:
    """One thing that is off: where, which rule, and one sentence on what is wrong and what to do."""

    lesson: str
    cell: str
    rule: str
    message: str
    severity: Severity = "error"


def found(
    lesson: Lesson, rule: str, message: str, cell: Cell | None = None, severity: Severity = "error"
) -> Finding:
    """A finding about a cell, or about the whole lesson where no cell is given."""
    return Finding(lesson.name, cell.where if cell else "", rule, message, severity)


class Findings(list[Finding]):
    """A list of findings that can show itself.

    >>> Findings([Finding("02-x", "", "points", "…")]).exit_status
    1
    """

    @property
    def errors(self) -> int:
        """How many are errors; the rest are warnings."""
        return sum(finding.severity == "error" for finding in self)

    @property
    def exit_status(self) -> int:
        """0 if nothing but warnings was found, else 1."""
        return int(self.errors > 0)

    def table(self) -> Table:
        """A rich table, errors first."""
        title = f"{self.errors} errors, {len(self) - self.errors} warnings"
        table = Table(title=title, title_justify="left", box=SIMPLE_HEAD, padding=(0, 1, 0, 0))
        table.add_column("cell", overflow="fold", max_width=28)
        table.add_column("rule", no_wrap=True)
        table.add_column("what is wrong", overflow="fold")
        for finding in sorted(self, key=lambda f: f.severity != "error"):
            style = "red" if finding.severity == "error" else "yellow"
            # Text, not markup: messages quote code, in which square brackets mean something else.
            where = Text(f"{finding.lesson[:2]} {finding.cell}" if finding.cell else finding.lesson)
            table.add_row(where, Text(finding.rule, style=style), Text(finding.message))
        return table

    def to_dict(self) -> dict[str, Any]:
        """Plain data, for `--json`."""
        findings = [asdict(finding) for finding in self]
        return {"errors": self.errors, "warnings": len(self) - self.errors, "findings": findings}
