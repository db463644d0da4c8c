"""What the student's process says of its outputs, cut to what a notebook may hold. Nothing of it is trusted.

>>> budget = OutputBudget(cell_bytes=1000)
>>> budget.kept({"outputs": [{"output_type": "stream", "name": "stdout", "text": "hi"}, "junk"]})
[{'output_type': 'stream', 'name': 'stdout', 'text': 'hi'}]
"""

import json
import re
from typing import Any

__all__ = ["OutputBudget", "last_words", "number", "printable"]

CELLS = 4  # a notebook's output may be as much as that of so many cells
MOST_MARKUP = 500_000  # characters of HTML and the like in a notebook: cleaning them takes time
LEAST_MARKUP = 250  # what cleaning costs however short it is
MOST_PRINTED = 20_000
MARKUP = ("text/html", "text/markdown", "image/svg+xml")
LEFT_OUT = {"output_type": "stream", "name": "stdout", "text": "[more output was left out]\n"}


class OutputBudget:
    """How much more output one notebook may have; `cell_bytes` is what one cell may."""

    def __init__(self, cell_bytes: int) -> None:
        self.cell_bytes, self.left, self.markup_left = cell_bytes, CELLS * cell_bytes, MOST_MARKUP

    def most(self) -> int:
        """Bytes that the next cell may have."""
        return max(0, min(self.cell_bytes, self.left))

    def kept(self, reply: dict[str, Any]) -> list[dict[str, Any]]:
        """A cell's outputs, up to what the notebook may still have."""
        kept: list[dict[str, Any]] = []
        for output in _outputs(reply):
            data = output.get("data")
            parts = data.items() if isinstance(data, dict) else ()
            markup = sum(max(LEAST_MARKUP, len(str(value))) for kind, value in parts if kind in MARKUP)
            size = len(json.dumps(output))
            if size > self.left or markup > self.markup_left:
                return [*kept, dict(LEFT_OUT)]
            self.left -= size
            self.markup_left -= markup
            kept.append(output)
        return kept

    def printed(self, so_far: str, reply: dict[str, Any]) -> str:
        """What a test and the student's code printed while it ran, as text."""
        texts = [output.get("text") for output in _outputs(reply) if output.get("output_type") == "stream"]
        together = so_far + "".join(text for text in texts if isinstance(text, str))
        return str(printable(together[:MOST_PRINTED]))


def printable(value: Any) -> Any:
    """The value with its texts as UTF-8 can hold them: a student's text may contain half a character."""
    if isinstance(value, list):
        return [printable(item) for item in value]
    return value.encode("utf-8", "replace").decode() if isinstance(value, str) else value


def number(value: Any) -> float:
    """The value if it is a plain number of seconds, else 0."""
    return float(value) if isinstance(value, int | float) and 0 <= value < 1e9 else 0.0


def _outputs(reply: dict[str, Any]) -> list[dict[str, Any]]:
    outputs = reply.get("outputs")
    return [o for o in outputs if isinstance(o, dict)] if isinstance(outputs, list) else []


def last_words(log: str, error: str) -> str:
    """The line of a failed step that says most: the last exception that nbgrader met."""
    lines = f"{log}\n{error}".strip().splitlines()
    exception = re.compile(r"\s{0,4}[A-Za-z_.]+(Error|Exception|Entry|Stopped|TooOld|TooNew)\b")
    errors = [line for line in lines if exception.match(line)]
    telling = [line for line in errors if "NbGraderException" not in line] or errors or lines
    kind, colon, message = telling[-1].partition(": ")
    return f"{kind.strip().rsplit('.', 1)[-1]}{colon}{message}"[:200]
