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

__all__ = ["check_release", "leaks"]

LEAST_LEAK = 20  # characters; shorter lines occur by chance


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
    lines: list[str] = []
    for cell in lesson.cells:
        for region in ("solution", "hidden", "scheme"):
            lines += inside(cell.source, region)
        if (cell.kind == "answer" and cell.meta) or (
            cell.kind == "solution" and "BEGIN SOLUTION" not in cell.source
        ):
            lines += cell.source.split("\n")
    visible = "\n".join(cell.released for cell in lesson.cells)
    return {s for s in map(str.strip, lines) if len(s) >= LEAST_LEAK and s not in visible}


def leaks(lesson: Lesson) -> Iterator[Finding]:
    """One finding for each file of the release that holds a secret line, be it in metadata."""
    secrets = _secrets(lesson)
    for path in sorted(lesson.release_dir.rglob("*")):
        if not path.is_file():
            continue
        text = path.read_text(encoding="utf-8", errors="replace")
        if path.suffix in (".ipynb", ".json"):
            text = _strings(text)
        if hits := sorted(secret for secret in secrets if secret in text):
            name = path.relative_to(lesson.release_dir).as_posix()
            what = f"{len(hits)} line(s) of the instructor's half, such as {hits[0][:60]!r}"
            message = f"{name} gives away {what}; remove them."
            yield found(lesson, "leak", message)


def _strings(text: str) -> str:
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
