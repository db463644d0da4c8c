"""Rules about the markdown of a lesson: title, headings, hints, images, length."""

import re
from collections.abc import Iterator

from course_utils.grading.findings import Finding, found
from course_utils.grading.lesson import Lesson

__all__ = ["PROSE_RULES", "without_code"]

HEADING = re.compile(r"(?m)^(#{1,6})\s+\S")
SUMMARY = re.compile(r"<summary[^>]*>(.*?)</summary>", re.S | re.I)
NO_ALT = re.compile(r"!\[\s*\]|<img\b(?![^>]*\balt\s*=\s*[\"']?\s*[^\s\"'>])[^>]*>", re.I)


def without_code(markdown: str) -> str:
    """The text without fenced blocks and code spans, in which `#` and `<` mean nothing to a reader.

    >>> without_code("a `# b` c")
    'a  c'
    """
    text = re.sub(r"(?ms)^\s*(```|~~~).*?^\s*\1[^\n]*$", "", markdown)
    return re.sub(r"`[^`\n]*`", "", text)


def first_cell(lesson: Lesson) -> Iterator[Finding]:
    """The first cell holds the only H1, the objectives and the minutes."""
    cell = lesson.cells[0] if lesson.cells else None
    text = without_code(cell.source) if cell and cell.cell_type == "markdown" else ""
    if not re.match(r"\s*# \S", text):
        yield found(
            lesson, "title", "The first cell must be markdown that starts with the lesson's H1.", cell
        )
    if len(re.findall(r"(?m)^\s*[-*\d.]+ +\S", text)) < 2 or not re.search(
        r"objective|you will|you can|be able to", text, re.I
    ):
        yield found(
            lesson,
            "objectives",
            "The first cell must list objectives (the word, and two or more list items).",
            cell,
        )
    if not re.search(r"\bminutes\b", text):
        yield found(lesson, "minutes", "The first cell must say how many minutes the lesson takes.", cell)


def headings(lesson: Lesson) -> Iterator[Finding]:
    """One H1 and no skipped level, so that screen readers and the table of contents work."""
    previous = 0
    for cell in lesson.cells:
        if cell.cell_type != "markdown":
            continue
        for number, heading in enumerate(HEADING.finditer(without_code(cell.released))):
            level = len(heading.group(1))
            if level == 1 and (cell.index or number):
                yield found(lesson, "title", "A second H1; sections are H2, exercises H3.", cell)
            elif level > previous + 1 and previous:
                yield found(
                    lesson, "heading-level", f"An H{level} follows an H{previous}; do not skip a level.", cell
                )
            previous = level


def folds(lesson: Lesson) -> Iterator[Finding]:
    """At most two hints an exercise, each with a summary, and no solution in a fold."""
    for cell in lesson.cells:
        if cell.cell_type != "markdown":
            continue
        text = without_code(cell.released)
        summaries = SUMMARY.findall(text)
        if len(re.findall(r"<details\b", text, re.I)) != len(summaries):
            yield found(lesson, "hints", "Every <details> needs a <summary> of its own.", cell)
        for summary in summaries:
            if re.search(r"solution|answer", summary, re.I):
                yield found(
                    lesson,
                    "folded-solution",
                    f"The fold {summary.strip()!r} gives the solution away; remove it.",
                    cell,
                )
    for exercise in lesson.exercises:
        start = exercise.card.index if exercise.card else exercise.solution.index
        stop = max((c.index for c in exercise.follow), default=exercise.solution.index)
        span = [c for c in lesson.cells[start:stop] if c.cell_type == "markdown"]
        hints = sum(len(re.findall(r"<details\b", without_code(c.source), re.I)) for c in span)
        if hints > 2:
            yield found(lesson, "hints", f"{hints} hints; an exercise has at most two.", exercise.card)


def media(lesson: Lesson) -> Iterator[Finding]:
    """Images have alt text; markdown runs no script."""
    for cell in lesson.cells:
        if cell.cell_type != "markdown":
            continue
        text = without_code(cell.released)
        if NO_ALT.search(text):
            yield found(
                lesson, "alt-text", "An image has no alt text; say in one sentence what it shows.", cell
            )
        if re.search(r"<script\b", text, re.I):
            yield found(lesson, "script", "Markdown holds a <script>; use a widget of course_utils.", cell)


def length(lesson: Lesson) -> Iterator[Finding]:
    """1,500-3,500 words and 30-70 cells; the orientation is shorter."""
    if lesson.name.startswith("00"):
        return
    prose = " ".join(without_code(c.released) for c in lesson.cells if c.cell_type == "markdown")
    words = len(re.findall(r"[^\W_][\w'’-]*", re.sub(r"<[^>]*>", " ", prose)))
    if not 1500 <= words <= 3500:
        yield found(lesson, "words", f"{words} words of prose; aim for 1,500 to 3,500.", severity="warning")
    if not 30 <= len(lesson.cells) <= 70:
        yield found(lesson, "cells", f"{len(lesson.cells)} cells; aim for 30 to 70.", severity="warning")


PROSE_RULES = (first_cell, headings, folds, media, length)
