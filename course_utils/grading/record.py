"""What came of examining one notebook, cell by cell: plain data that a file can hold.

>>> Record(cells=[CellRecord("double-hidden", "test", verdict="pass")]).to_dict()["cells"][0]["verdict"]
'pass'
"""

from dataclasses import asdict, dataclass, field
from typing import Any, Literal

__all__ = ["LIMITS", "CellRecord", "Kind", "Record", "Verdict"]

Verdict = Literal["", "pass", "fail", "partial", "timeout", "memory", "crashed", "not run"]
LIMITS = ("timeout", "memory", "crashed")
"""Verdicts of a cell that ended its notebook."""
Kind = Literal["test", "given", "student", "skipped"]


@dataclass
class CellRecord:
    """One code cell. Only test cells have a verdict other than "" or, for a cell of the student's, how it ended."""

    id: str
    kind: Kind
    verdict: Verdict = ""
    error: str = ""
    """The type of the exception that failed a test, or `Timeout`, `OutOfMemory`, `Crashed`, `NotRun`."""
    message: str = ""
    """For the student."""
    trace: list[str] = field(default_factory=list)
    """For teaching assistants: it quotes the hidden test."""
    student_trace: str = ""
    shown: str = ""
    printed: str = ""
    outputs: list[dict[str, Any]] = field(default_factory=list)
    seconds: float = 0.0


@dataclass
class Record:
    """One notebook. `cells` are its code cells, in order."""

    cells: list[CellRecord] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    digests: dict[str, str] = field(default_factory=dict)
    seeds: dict[str, str] = field(default_factory=dict)
    limits: dict[str, float] = field(default_factory=dict)
    used: dict[str, float] = field(default_factory=dict)
    """`seconds`, `cpu_s` and `peak_mb` of the student's processes together."""
    sandbox: str = ""
    attempts: int = 1

    @classmethod
    def from_dict(cls, data: dict[str, Any]) -> "Record":
        """The record whose fields are these; raises `TypeError` for others."""
        return cls(**data | {"cells": [CellRecord(**cell) for cell in data["cells"]]})

    def to_dict(self) -> dict[str, Any]:
        """Plain data, for a JSON file. Outputs are left out: they are in the graded notebook."""
        data = asdict(self)
        for cell in data["cells"]:
            del cell["outputs"]
        return data
