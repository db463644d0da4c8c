"""A trace to walk through, span by span, with everything that was recorded; a figure where nothing can be clicked."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import traitlets

from course_utils import plots
from course_utils._drawing import say_number
from course_utils._traces import as_spans, lay_out, say_value
from course_utils.waterfall import waterfall
from course_utils.widgets._view import View, script

__all__ = ["TraceViewer"]


class TraceViewer(View):
    """A view of one trace: its spans as a tree over time, and what the chosen span recorded.

    >>> view = TraceViewer(spans, title="A run of the desk")
    >>> view.selected = view.spans[2]["id"]     # or click; the up and down arrow keys work
    >>> view.summary
    'execute_tool fare: line 3 of 6, inside invoke_agent desk, 112 ms, no error, 4 attributes, 1 event.'

    `spans` are dictionaries as `telemetry.plain` makes them, in any order; a span that came twice is shown once.
    `notes` maps span ids to a few words. State, to read or set: `selected`, the id of a span. Texts are shown as they
    were recorded, secrets included. Raises ValueError where spans are none, TraitError for an id that does not exist.
    """

    _esm = script(__file__)
    _css = Path(__file__).with_suffix(".css")

    title = traitlets.Unicode(read_only=True).tag(sync=True)
    spans = traitlets.List(traitlets.Dict(), read_only=True).tag(sync=True)
    selected = traitlets.Unicode().tag(sync=True)

    def __init__(
        self,
        spans: Sequence[Mapping[str, Any]],
        title: str = "Trace",
        notes: Mapping[str, str] | None = None,
    ) -> None:
        self._given, self._notes = as_spans(spans), dict(notes or {})
        lines = lay_out(self._given)
        if unknown := set(self._notes) - {line.span["span_id"] for line in lines}:
            raise ValueError(f"notes name spans that are not in this trace: {sorted(unknown)}.")
        self.set_trait("title", title)
        self.set_trait(
            "spans",
            [
                {
                    "id": line.span["span_id"],
                    "name": line.span["name"],
                    "depth": line.depth,
                    "begin": line.begin_ms,
                    "length": line.length_ms,
                    "failed": line.span["status"] == "ERROR",
                    "orphan": line.orphan,
                    "note": self._notes.get(line.span["span_id"], ""),
                    "attributes": [[key, say_value(value)] for key, value in line.span["attributes"].items()],
                    "events": [
                        [
                            event["name"],
                            "\n".join(f"{k}: {say_value(v)}" for k, v in event["attributes"].items()),
                        ]
                        for event in line.span["events"]
                    ],
                }
                for line in lines
            ],
        )
        super().__init__(selected=self.spans[0]["id"])

    @traitlets.validate("selected")
    def _exists(self, proposal: Any) -> Any:
        """The proposed id, or an error if no span has it."""
        if proposal["value"] not in [span["id"] for span in self.spans]:
            raise traitlets.TraitError(f"selected={proposal['value']!r} does not exist in this trace.")
        return proposal["value"]

    @property
    def summary(self) -> str:
        """The sentence that the view reads out: where the chosen span stands, how long it took, what it holds."""
        place = next(i for i, span in enumerate(self.spans) if span["id"] == self.selected)
        span = self.spans[place]
        above = [other["name"] for other in self.spans[:place] if other["depth"] == span["depth"] - 1]
        inside = f"inside {above[-1]}" if span["depth"] else "an orphan" if span["orphan"] else "the root"
        counts = f"{_count(span['attributes'], 'attribute')}, {_count(span['events'], 'event')}"
        note = f" Note: “{span['note']}”." if span["note"] else ""
        return (
            f"{span['name']}: line {place + 1} of {len(self.spans)}, {inside}, {say_number(span['length'])} ms, "
            f"{'ended in an error' if span['failed'] else 'no error'}, {counts}.{note}"
        )

    def picture(self) -> plots.Picture:
        """The whole trace as a figure with the summary, for pages without widgets."""
        figure, told = waterfall(self._given, self.title, self._notes)
        return figure, f"{told} {self.summary}"


def _count(things: Sequence[Any], name: str) -> str:
    return f"{len(things)} {name}" + ("" if len(things) == 1 else "s")
