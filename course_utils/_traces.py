"""A trace laid out in lines, as the waterfall and the trace viewer draw it. Lessons use those two."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from course_utils import telemetry

__all__ = ["SPAN_KEYS", "Line", "as_spans", "lay_out", "say_value"]

SPAN_KEYS = ("trace_id", "span_id", "parent_id", "name", "start", "end", "status", "attributes", "events")


@dataclass(frozen=True)
class Line:
    """One span where it stands in the picture."""

    span: Mapping[str, Any]
    depth: int
    begin_ms: float
    """From the start of the trace."""
    length_ms: float
    orphan: bool
    """Its parent is not among the spans."""


def as_spans(spans: Any) -> list[Mapping[str, Any]]:
    """The spans if they are a non-empty list of plain spans, else an error that says what came."""
    if not isinstance(spans, Sequence) or isinstance(spans, str) or not spans:
        raise ValueError(
            f"spans should be a non-empty list of spans, such as `finished()` gives; got {spans!r:.80}."
        )
    for number, span in enumerate(spans):
        missing = [key for key in SPAN_KEYS if not isinstance(span, Mapping) or key not in span]
        if missing:
            raise ValueError(
                f"spans[{number}] lacks {', '.join(missing)}: a span is a dictionary as `telemetry.plain` makes it."
            )
    return list(spans)


def lay_out(spans: Sequence[Mapping[str, Any]]) -> list[Line]:
    """A line for each span, once: parents above their children, both in the order in which they began."""
    first = min(span["start"] for span in spans)
    waiting = sorted({span["span_id"]: span for span in reversed(spans)}.values(), key=lambda s: s["start"])
    known = {span["span_id"] for span in waiting}
    lines: list[Line] = []

    def put(span: Mapping[str, Any], depth: int, orphan: bool) -> None:
        begin, length = (span["start"] - first) / 1e6, (span["end"] - span["start"]) / 1e6
        lines.append(Line(span, depth, begin, length, orphan))
        for child in [
            other for other in waiting if other["parent_id"] == span["span_id"] != other["span_id"]
        ]:
            put(child, depth + 1, False)

    for span in waiting:
        if span["parent_id"] not in known:
            put(span, 0, span["parent_id"] is not None)
    return lines


def say_value(value: Any) -> str:
    """An attribute's value as text to read: JSON on lines of its own, what a model said without its wrapping."""
    text = str(value)
    if isinstance(value, str) and value[:1] in "[{":
        try:
            if '"parts"' in value:
                return telemetry.text_of({"attributes": {telemetry.MESSAGES: value}})
            return json.dumps(json.loads(value), indent=1, ensure_ascii=False)
        except (ValueError, TypeError, KeyError, AttributeError):
            return text
    return text
