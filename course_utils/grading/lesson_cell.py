"""One cell of a source notebook: its kind, and what students see of it."""

from dataclasses import dataclass
from functools import cached_property
from typing import Any

from course_utils.grading.lesson_source import outside

__all__ = ["Cell"]

CODE_STUB = "# YOUR CODE HERE\nraise NotImplementedError()"
TEXT_STUB = "YOUR ANSWER HERE"
"""nbgrader's own stubs, for a course that sets no others."""


@dataclass(frozen=True)
class Cell:
    """One cell of a source notebook."""

    index: int
    id: str
    cell_type: str
    source: str
    metadata: dict[str, Any]
    code_stub: str = CODE_STUB
    text_stub: str = TEXT_STUB

    @cached_property
    def meta(self) -> dict[str, Any]:
        """Its nbgrader metadata; empty where there is none."""
        meta = self.metadata.get("nbgrader")
        return meta if isinstance(meta, dict) else {}

    @property
    def grade_id(self) -> str:
        return str(self.meta.get("grade_id", ""))

    @property
    def points(self) -> float:
        points = self.meta.get("points", 0)
        return float(points) if isinstance(points, int | float) else 0.0

    @property
    def where(self) -> str:
        """How a message names it: by grade_id or cell id, and by position from 0."""
        return f"{self.grade_id or self.id or 'no id'} [{self.index}]"

    @cached_property
    def kind(self) -> str:
        """One of prose, setup, demo, solution, test, task, answer, untagged, invalid."""
        flags = {flag for flag in ("grade", "solution", "locked", "task") if self.meta.get(flag)}
        demo = "demo" in self.metadata.get("tags", [])
        if self.cell_type == "markdown":
            if not self.meta:
                return "answer" if "answer" in self.metadata.get("tags", []) else "prose"
            if "solution" in flags and "task" not in flags:
                return "answer"
            return "task" if flags == {"task", "locked"} else "invalid"
        if self.cell_type != "code":
            return "invalid"
        kinds = {frozenset({"solution"}): "solution", frozenset({"grade", "locked"}): "test"}
        if flags == {"locked"}:
            return "demo" if demo else "setup"
        if not flags:
            return "untagged"
        # A skipped test cell would count as passed, so graded kinds must not carry the tag.
        return "invalid" if demo else kinds.get(frozenset(flags), "invalid")

    @cached_property
    def released(self) -> str:
        """Its source as students get it."""
        if self.kind == "answer" and self.meta:
            return self.text_stub
        if self.kind == "solution":
            has_region = "BEGIN SOLUTION" in self.source
            return outside(self.source, "solution", self.code_stub) if has_region else self.code_stub
        region = {"task": "scheme", "test": "hidden"}.get(self.kind)
        return outside(self.source, region) if region else self.source
