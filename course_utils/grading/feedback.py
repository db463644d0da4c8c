"""What is told about each test: its visible half, a verdict in words and the assertion's message.

>>> visible_half("assert a\\n### BEGIN HIDDEN\\nassert b\\n### END HIDDEN", "BEGIN HIDDEN", "END HIDDEN")
'assert a'

`FeedbackPolicy` is a step of `GenerateFeedback.preprocessors`. It works on the notebooks of this course's grader,
whose test cells carry a verdict, and on those of stock nbgrader, where it reads the verdict from the outputs.
"""

from typing import Any

from nbconvert.filters import strip_ansi
from nbconvert.preprocessors import Preprocessor
from nbformat import NotebookNode
from nbgrader.preprocessors import ClearHiddenTests, ClearMarkScheme
from nbgrader.utils import determine_grade, is_grade, is_solution
from traitlets import Bool, Enum, Unicode
from traitlets.config import Config

from course_utils.grading.sanitise import clean_text

__all__ = [
    "LEVELS",
    "VERDICTS",
    "FeedbackPolicy",
    "decision",
    "hidden_half",
    "notes",
    "verdict_of",
    "visible_half",
]

LEVELS = ("none", "verdict", "message", "full")
VERDICTS = {
    "pass": "Passed",
    "fail": "Failed",
    "partial": "Part of the points",
    "timeout": "Out of time",
    "memory": "Out of memory",
    "crashed": "The notebook crashed here",
    "not run": "Not run",
}
# What an error's name says where no verdict is given: nbgrader's (it interrupts a cell that takes too long), and ours.
ERRORS = {
    "KeyboardInterrupt": "timeout", "MemoryError": "memory", "DeadKernelError": "crashed",
    "Timeout": "timeout", "OutOfMemory": "memory", "Crashed": "crashed", "NotRun": "not run",
}  # fmt: skip
STDERR = "Something was written to stderr, which nbgrader counts as a failure."
MOST = 2_000  # characters of a message
MOST_LINE = 300  # characters of one in a line


def visible_half(source: str, begin: str, end: str) -> str:
    """The lines of `source` outside regions that a line with `begin` opens and a line with `end` closes.

    A region that is not closed reaches to the end.
    """
    return _half(source, begin, end, hidden=False)


def hidden_half(source: str, begin: str, end: str) -> str:
    """The lines of `source` that `visible_half` leaves out, without those that open and close.

    >>> hidden_half("Why?\\nBEGIN\\nOne point for a reason.\\nEND", "BEGIN", "END")
    'One point for a reason.'
    """
    return _half(source, begin, end, hidden=True)


def _half(source: str, begin: str, end: str, hidden: bool) -> str:
    lines, inside = [], False
    for line in source.split("\n"):
        if begin in line or end in line:
            inside = begin in line
        elif inside == hidden:
            lines.append(line)
    return "\n".join(lines).strip("\n")


def verdict_of(cell: Any) -> tuple[str, str]:
    """A test cell's verdict (a key of `VERDICTS`) and message, as the grader wrote them or as its outputs say.

    >>> from nbformat.v4 import new_code_cell, new_output
    >>> error = new_output("error", ename="AssertionError", evalue="one too many")
    >>> verdict_of(new_code_cell("assert x == 1", outputs=[error]))
    ('fail', 'one too many')
    """
    written = cell.metadata.get("course", {})
    if isinstance(written, dict) and str(written.get("verdict")) in VERDICTS:
        return written["verdict"], str(written.get("message") or "")
    for output in cell.outputs:
        if output.output_type == "error":
            named = [] if output.ename in ("AssertionError", *ERRORS) else [output.ename]
            return ERRORS.get(output.ename, "fail"), ": ".join(filter(None, [*named, output.evalue]))
        if output.output_type == "stream" and output.name == "stderr":
            return "fail", STDERR
    if cell.execution_count is None and not cell.outputs:
        return "not run", ""
    return _by_points(cell), ""


def _by_points(cell: Any) -> str:
    """The verdict by the points that nbgrader gives for the outputs."""
    try:
        score, most = determine_grade(cell)
    except (KeyError, ValueError):  # no points in the metadata, or a result that is no number of points
        return "partial" if any(out.output_type == "execute_result" for out in cell.outputs) else "pass"
    return "pass" if score == most else "partial" if score else "fail"


def decision(cell: Any) -> tuple[str, str]:
    """What the examiner decided about a code cell and why: (a verdict, one line of plain text), ("", "") for nothing.

    >>> from nbformat.v4 import new_code_cell, new_output
    >>> test = {"nbgrader": {"grade": True, "solution": False, "points": 2}}
    >>> error = new_output("error", ename="AssertionError", evalue="root(9) is 3:\\nis it rounded?")
    >>> decision(new_code_cell("assert root(9) == 3", metadata=test, outputs=[error]))
    ('fail', 'Failed: root(9) is 3: is it rounded?')
    """
    if _is_test(cell):
        verdict, message = verdict_of(cell)
        word = VERDICTS[verdict]
    else:
        raised = [output for output in cell.get("outputs", []) if output.output_type == "error"]
        if not raised:
            return "", ""
        name, message = clean_text(raised[-1].ename)[:100], raised[-1].evalue
        verdict = ERRORS.get(name, "fail")
        word = VERDICTS[verdict] if verdict != "fail" else f"This cell raised {name}"
    line = " ".join(strip_ansi(clean_text(message)).split())
    line = line if len(line) <= MOST_LINE else line[: MOST_LINE - 1] + "…"
    return verdict.replace(" ", "-"), f"{word}: {line}" if line else f"{word}."


class FeedbackPolicy(Preprocessor):
    """A graded notebook with what a student may see: no hidden test, no traceback through one, no mark scheme.

    Levels: "none" shows a test's visible half; "verdict" adds the verdict; "message" the assertion's message and
    what a passing test printed; "full" holds nothing back, neither hidden tests nor mark schemes. A cell's tag, such
    as `feedback-verdict`, sets its own level. The student's cells keep what they printed and raised.
    """

    enabled = Bool(True, help="Whether a student sees less than the whole graded notebook.").tag(config=True)
    level = Enum(LEVELS, "message", help="How much a student is told about each test.").tag(config=True)
    trust_tags = Bool(
        False,
        help="Whether a cell's tag may tell more than `level`. Stock nbgrader leaves a student's tags in the graded "
        "notebook, so that only a course whose grader takes them from the release can say yes.",
    ).tag(config=True)
    hidden_text = Unicode("# Hidden tests.", help="Stands for a test that is wholly hidden.").tag(config=True)

    def preprocess(self, nb: Any, resources: Any) -> tuple[Any, Any]:
        """The notebook for its student, and the resources as they came."""
        # Only what is set for these two: an exporter's settings for all its steps would draw a warning each time.
        config = Config({step: self.config[step] for step in ("ClearHiddenTests", "ClearMarkScheme")})
        tests, scheme = ClearHiddenTests(config=config), ClearMarkScheme(config=config)
        self._marks = (tests.begin_test_delimeter, tests.end_test_delimeter)
        self._scheme = (scheme.begin_mark_scheme_delimeter, scheme.end_mark_scheme_delimeter)
        secret = self._hidden_lines(nb)
        for cell in nb.cells:
            level = self._level_of(cell)
            if _is_test(cell):
                cell.outputs = _told(cell, level)
            elif self.level != "full":
                _hide_traceback(cell, secret)
            if level != "full" and not is_solution(cell):
                self._clear_source(cell)
        nb.metadata["notes"] = notes(nb)
        return nb, resources

    def _level_of(self, cell: Any) -> str:
        tags = cell.metadata.get("tags", [])
        chosen = [level for level in LEVELS if f"feedback-{level}" in tags]
        if not chosen:
            return self.level
        return chosen[0] if self.trust_tags else min(chosen[0], self.level, key=LEVELS.index)

    def _clear_source(self, cell: Any) -> None:
        before = cell.source
        for begin, end in (self._marks, self._scheme):
            cell.source = visible_half(cell.source, begin, end)
        if cell.cell_type == "code" and before.strip() and not cell.source.strip():
            cell.source = self.hidden_text

    def _hidden_lines(self, nb: Any) -> set[str]:
        """Lines of hidden tests that stand nowhere in the open."""
        every = {line.strip() for cell in nb.cells for line in cell.source.split("\n")}
        shown = {
            line.strip()
            for cell in nb.cells
            for line in (cell.source if is_solution(cell) else visible_half(cell.source, *self._marks)).split(
                "\n"
            )
        }
        return {line for line in every - shown if len(line) > 8}


def _is_test(cell: Any) -> bool:
    return cell.cell_type == "code" and is_grade(cell) and not is_solution(cell)


def _hide_traceback(cell: Any, secret: set[str]) -> None:
    """Nothing: an error whose traceback quotes a hidden line keeps its name and message only."""
    for output in cell.get("outputs", []):
        if output.output_type == "error":
            text = strip_ansi("\n".join(output.traceback))
            if any(line in text for line in secret):
                output.traceback = [f"{output.ename}: {output.evalue}"]


def _told(cell: Any, level: str) -> list[NotebookNode]:
    """The outputs that a test cell gets: the verdict, then what may be seen of its own."""
    if level == "none":
        return []
    verdict, message = verdict_of(cell)
    message = strip_ansi(clean_text(message)).strip() if level != "verdict" else ""
    told = [_verdict_output(verdict, message[:MOST])]
    if level == "full":
        return told + cell.outputs
    if level == "message" and verdict in ("pass", "partial"):
        told += [out for out in cell.outputs if out.output_type == "stream" and out.name == "stdout"]
    return told


def _verdict_output(verdict: str, message: str) -> NotebookNode:
    """Text for any template; ours finds the parts in the metadata."""
    word = VERDICTS[verdict]
    parts = NotebookNode(verdict=verdict.replace(" ", "-"), word=word, message=message)
    data = NotebookNode({"text/plain": f"{word}. {message}" if message else f"{word}."})
    return NotebookNode(output_type="display_data", data=data, metadata=NotebookNode(feedback=parts))


def notes(nb: Any) -> list[str]:
    """What the grader noted about a graded notebook: cells that were missing, doubled or moved."""
    course = nb.metadata.get("course", {})
    said = course.get("notes", []) if isinstance(course, dict) else []
    return [clean_text(note) for note in said if isinstance(note, str)] if isinstance(said, list) else []
