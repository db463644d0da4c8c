"""The released half of a lesson: compared with what nbgrader makes of the source, and searched for leaks."""

import json
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from course_utils.errors import LessonError
from course_utils.grading.findings import Finding, found
from course_utils.grading.lesson import Lesson
from course_utils.grading.lesson_source import inside
from course_utils.grading.release import generate

__all__ = ["check_release", "leaks", "passages", "plain", "strings"]

LEAST_LEAK = 20  # characters; shorter lines occur by chance
LEAST_PASSAGE = 60  # the same for neighbouring lines, in files that are not this lesson's


def check_release(lesson: Lesson) -> Iterator[Finding]:
    """Findings about `release/NN-name`: missing, out of date, or holding what students must not see."""
    folder, again = f"release/{lesson.name}/", f"run `course release {lesson.name}`"
    if not lesson.release_dir.is_dir():
        yield found(lesson, "release-missing", f"{folder} does not exist; {again}.")
        return
    with tempfile.TemporaryDirectory(prefix="compare-") as scratch:
        try:
            fresh = generate(lesson.root, lesson.name, Path(scratch))
        except LessonError as error:
            yield found(lesson, "release-failed", str(error))
        else:
            if difference := _difference(fresh, lesson.release_dir):
                message = f"{folder} is not what source/ makes now ({difference}); {again}."
                yield found(lesson, "release-differs", message)
    yield from leaks(lesson)


def _difference(fresh: Path, committed: Path) -> str | None:
    """Where two release folders differ first, in words; None if they agree."""
    ours, theirs = (
        {p.relative_to(folder).as_posix() for p in folder.rglob("*") if p.is_file()}
        for folder in (fresh, committed)
    )
    if ours != theirs:
        return f"files: {', '.join(sorted(ours ^ theirs))}"
    for name in sorted(ours):
        if not name.endswith(".ipynb"):
            if (fresh / name).read_bytes() != (committed / name).read_bytes():
                return name
            continue
        try:
            old = json.loads((committed / name).read_text(encoding="utf-8"))
        except ValueError:
            return f"{name} is not JSON"
        new = json.loads((fresh / name).read_text(encoding="utf-8"))
        if old != new:
            return f"{name}: {_first_cell(new, old)}"
    return None


def _first_cell(new: dict[str, Any], old: dict[str, Any]) -> str:
    for index, (ours, theirs) in enumerate(zip(new["cells"], old.get("cells", []), strict=False)):
        if ours != theirs:
            return f"cell {index} ({ours.get('id')})"
    return "number of cells" if len(new["cells"]) != len(old.get("cells", [])) else "metadata"


def _secrets(lesson: Lesson) -> set[str]:
    """Lines of solutions, hidden tests, mark schemes and model answers that students see nowhere else."""
    lines = [line for block in _blocks(lesson) for line in block]
    visible = "\n".join(cell.released for cell in lesson.cells)
    return {s for s in map(str.strip, lines) if len(s) >= LEAST_LEAK and s not in visible}


def _blocks(lesson: Lesson) -> Iterator[list[str]]:
    """The lines of each solution, hidden test, mark scheme and model answer."""
    for cell in lesson.cells:
        for region in ("solution", "hidden", "scheme"):
            yield inside(cell.source, region)
        if (cell.kind == "answer" and cell.meta) or (
            cell.kind == "solution" and "BEGIN SOLUTION" not in cell.source
        ):
            yield cell.source.split("\n")


def passages(lesson: Lesson) -> set[str]:
    """Neighbouring lines of the instructor's half, as `plain` text of 60 characters or a little more each.

    For files that are not this lesson's, where a line alone (`with torch.inference_mode():`) is anybody's. Imports
    do not count, nor what the lesson shows its students.
    """
    visible, found_passages = plain("\n".join(cell.released for cell in lesson.cells)), set()
    for block in _blocks(lesson):
        lines = plain("\n".join(block)).split("\n")
        for start in range(len(lines)):
            end = start + 1
            while end < len(lines) and sum(map(len, lines[start:end])) < LEAST_PASSAGE:
                end += 1
            passage = "\n".join(lines[start:end])
            if len(passage) >= LEAST_PASSAGE and passage not in visible:
                found_passages.add(passage)
    return found_passages


def plain(text: str) -> str:
    """The lines that are neither blank nor an import, without the space around them."""
    lines = (line.strip() for line in text.split("\n"))
    return "\n".join(line for line in lines if line and not line.startswith(("import ", "from ")))


def leaks(lesson: Lesson) -> Iterator[Finding]:
    """One finding for each file of the release that holds a secret line, be it in metadata."""
    secrets = _secrets(lesson)
    for path in sorted(lesson.release_dir.rglob("*")):
        if not path.is_file():
            continue
        text = path.read_text(encoding="utf-8", errors="replace")
        if path.suffix in (".ipynb", ".json"):
            text = strings(text)
        if hits := sorted(secret for secret in secrets if secret in text):
            name = path.relative_to(lesson.release_dir).as_posix()
            what = f"{len(hits)} line(s) of the instructor's half, such as {hits[0][:60]!r}"
            message = f"{name} gives away {what}; remove them."
            yield found(lesson, "leak", message)


def strings(text: str) -> str:
    """Every string of a JSON text, unescaped; the text itself if it is not JSON."""
    found_strings: list[str] = []

    def walk(value: Any) -> None:
        if isinstance(value, str):
            found_strings.append(value)
        elif isinstance(value, dict):
            walk([*value.keys(), *value.values()])
        elif isinstance(value, list):
            if value and all(isinstance(v, str) for v in value):
                found_strings.append("".join(value))
            for item in value:
                walk(item)

    try:
        walk(json.loads(text))
    except ValueError:
        return text
    return "\n".join(found_strings)
