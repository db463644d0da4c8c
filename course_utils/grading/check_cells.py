"""Rules about the notebook as a file: format, metadata, cell kinds, and what must not ship in it."""

import ast
import math
import re
import warnings
from collections import Counter
from collections.abc import Iterator
from typing import Any

from course_utils.grading.findings import Finding, found
from course_utils.grading.lesson import Cell, Lesson
from course_utils.grading.lesson_source import REGIONS, parses

__all__ = ["CELL_RULES"]

INSTALLS = re.compile(
    r"\b(pip3?|conda|mamba|apt|apt-get|npm)\W+(?:-\S+\W+)*install\b|\buv\W+(pip|add)\b|\bensurepip\b"
)
MAY_HOLD = {"solution": ("solution", "answer"), "hidden": ("test",), "scheme": ("task",)}
META_KEYS = {
    "schema_version",
    "grade",
    "solution",
    "locked",
    "task",
    "points",
    "grade_id",
    "cell_type",
    "checksum",
}


def notebook_format(lesson: Lesson) -> Iterator[Finding]:
    """nbformat 4.5, valid by nbformat's own schema, made for the kernel python3."""
    import nbformat

    book = lesson.notebook
    version = (book.get("nbformat"), book.get("nbformat_minor"))
    if version != (4, 5):
        yield found(
            lesson,
            "nbformat",
            f"The notebook is format {version[0]}.{version[1]}; save it as 4.5 (cells with ids).",
        )
    else:
        try:
            with warnings.catch_warnings(action="ignore"):  # twin ids have a rule of their own
                nbformat.validate(nbformat.from_dict(book))
        except nbformat.ValidationError as error:
            yield found(lesson, "nbformat", f"nbformat refuses the notebook: {str(error).splitlines()[0]}")
    kernel = book.get("metadata", {}).get("kernelspec", {}).get("name")
    if kernel != "python3":
        yield found(
            lesson, "kernelspec", f"The kernel is {kernel!r}; set metadata.kernelspec.name to 'python3'."
        )


def stray_files(lesson: Lesson) -> Iterator[Finding]:
    """nbgrader copies every file of the folder into the release, hidden ones too."""
    allowed = re.compile(rf"{re.escape(lesson.name)}\.ipynb|figures/[^/]+\.(png|svg)")
    for path in sorted(lesson.source_dir.rglob("*")):
        name = path.relative_to(lesson.source_dir).as_posix()
        if not path.is_dir() and not allowed.fullmatch(name):
            yield found(
                lesson,
                "stray-file",
                f"{name} would ship with the release; move it out of source/{lesson.name}/.",
            )


def unique_ids(lesson: Lesson) -> Iterator[Finding]:
    """Cell ids and grade_ids name cells in records and feedback, so each names one."""
    for rule, ids in (
        ("cell-id", [c.id for c in lesson.cells]),
        ("grade-id", [c.grade_id for c in lesson.cells if c.grade_id]),
    ):
        for name, count in Counter(ids).items():
            if count > 1:
                yield found(
                    lesson,
                    rule,
                    f"{count} cells have the {rule.replace('-', ' ')} {name!r}; give each its own.",
                )


def leftovers(lesson: Lesson) -> Iterator[Finding]:
    """Outputs, execution counts, widget state and attachments can hold answers."""
    if "widgets" in lesson.notebook.get("metadata", {}):
        yield found(
            lesson, "widget-state", "The notebook holds widget state; clear it (nbstripout --keep-id)."
        )
    for cell, raw in zip(lesson.cells, lesson.notebook["cells"], strict=True):
        if raw.get("outputs") or raw.get("execution_count") is not None:
            yield found(lesson, "outputs", "The cell holds outputs or an execution count; clear them.", cell)
        if raw.get("attachments"):
            yield found(
                lesson, "attachments", "The cell holds an attachment; put the image into figures/.", cell
            )


def metadata(lesson: Lesson) -> Iterator[Finding]:
    """nbgrader metadata as schema 3 wants it, and graded cells with the flags of their kind."""
    for cell in lesson.cells:
        if "nbgrader" in cell.metadata:
            for problem in _metadata_problems(cell):
                yield found(lesson, "metadata", problem, cell)


def _metadata_problems(cell: Cell) -> Iterator[str]:
    meta: dict[str, Any] = cell.meta
    if meta.get("schema_version") != 3:
        yield f"nbgrader schema_version is {meta.get('schema_version')!r}; it must be 3."
    for flag in ("grade", "solution", "locked"):
        if not isinstance(meta.get(flag), bool):
            yield f"nbgrader's {flag!r} is {meta.get(flag)!r}; it must be true or false."
    if not re.fullmatch(r"[A-Za-z0-9_-]+", cell.grade_id):
        yield f"grade_id is {cell.grade_id!r}; use letters, digits, _ and - only, at least one."
    if extra := sorted(set(meta) - META_KEYS):
        yield f"nbgrader does not know the metadata {', '.join(extra)}; remove them."
    points = meta.get("points")
    number = isinstance(points, int | float) and not isinstance(points, bool)
    needs = meta.get("grade") or meta.get("task")
    if (needs or points is not None) and not (number and 0 <= cell.points < math.inf):
        yield f"points is {points!r}; a graded cell needs a number that is 0 or more."


def kinds(lesson: Lesson) -> Iterator[Finding]:
    """Every cell is of a known kind: an untagged code cell would ship its source unlocked and ungraded."""
    for cell in lesson.cells:
        if cell.kind == "untagged":
            message = (
                "Code cell without nbgrader metadata; lock it, and tag it 'demo' if grading may skip it."
            )
            yield found(lesson, "untagged-code", message, cell)
        elif cell.kind == "invalid":
            flags = [f for f in ("grade", "solution", "locked", "task") if cell.meta.get(f)]
            what = f"A {cell.cell_type} cell with flags {flags} and tags {cell.metadata.get('tags', [])}"
            message = f"{what} is of no kind of this course; see course_utils/grading/lesson.py."
            yield found(lesson, "cell-kind", message, cell)


def markers(lesson: Lesson) -> Iterator[Finding]:
    """Region markers come in pairs, exactly spelt, and in the kind of cell that nbgrader strips them from."""
    for cell in lesson.cells:
        for region, pair in REGIONS.items():
            words = [marker.strip("#= ") for marker in pair]
            lines = [line.strip() for line in cell.source.split("\n") if any(word in line for word in words)]
            if lines and cell.kind not in (*MAY_HOLD[region], "untagged", "invalid"):
                yield found(lesson, "markers", f"{lines[0]} does not belong into a {cell.kind} cell.", cell)
            elif lines != list(pair) * (len(lines) // 2):
                yield found(
                    lesson, "markers", f"Markers must be pairs of {pair[0]} … {pair[1]}, spelt so.", cell
                )


def plain_python(lesson: Lesson) -> Iterator[Finding]:
    """Code cells are plain Python, with and without their hidden regions, and install nothing."""
    for cell in lesson.cells:
        if cell.cell_type != "code":
            continue
        if not parses(cell.source):
            yield found(
                lesson,
                "syntax",
                f"Not plain Python ({_why(cell.source)}); magics and ! commands do not run here.",
                cell,
            )
        elif not parses(cell.released):
            yield found(
                lesson,
                "syntax",
                f"Released form is not Python ({_why(cell.released)}); move the markers.",
                cell,
            )
        if hit := INSTALLS.search(cell.source):
            yield found(
                lesson,
                "installs",
                f"{hit.group(0)!r}: a cell never installs; packages belong into requirements.txt.",
                cell,
            )


def _why(source: str) -> str:
    try:
        ast.parse(source)
    except SyntaxError as error:
        return f"line {error.lineno}: {error.msg}"
    except ValueError as error:
        return str(error)
    return ""


def code_length(lesson: Lesson) -> Iterator[Finding]:
    """Students read cells of at most about 20 lines; tests and solutions may have 60."""
    for cell in lesson.cells:
        if cell.cell_type != "code":
            continue
        lines = len(cell.released.strip().split("\n"))
        exempt = cell.kind in ("test", "solution")
        if lines > (60 if exempt else 25):
            yield found(
                lesson,
                "code-length",
                f"{lines} lines as released; at most {60 if exempt else 25}: split it.",
                cell,
            )
        elif lines > 20 and not exempt:
            yield found(
                lesson, "code-length", f"{lines} lines as released; 20 are easier to read.", cell, "warning"
            )


CELL_RULES = (
    notebook_format,
    stray_files,
    unique_ids,
    leftovers,
    metadata,
    kinds,
    markers,
    plain_python,
    code_length,
)
