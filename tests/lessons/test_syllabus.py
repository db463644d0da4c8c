"""Everything that the lesson page asks for is assessed: the table in docs/syllabus.md, held against the lessons."""

import re
from pathlib import Path

import pytest

from course_utils.grading.lesson import lesson_names, load_lesson
from course_utils.grading.lesson_source import inside

ROOT = Path(__file__).resolve().parents[2]
ENTRY = re.compile(r"(\d\d) (\w+)")


def table(text: str) -> list[dict[str, str]]:
    """The rows of the one table of the page, by column."""
    lines = [line.strip().strip("|") for line in text.splitlines() if line.startswith("|")]
    header, _, *rows = ([cell.strip() for cell in line.split("|")] for line in lines)
    return [dict(zip(header, row, strict=True)) for row in rows]


def problems(rows: list[dict[str, str]], lessons: dict) -> list[str]:
    """What the rows promise and the lessons do not keep, one sentence each."""
    found = []
    for row in rows:
        about, written = row["asked for"], ""
        for column in ("coding exercises", "written answers"):
            entries = ENTRY.findall(row[column])
            if not entries or ", ".join(" ".join(entry) for entry in entries) != row[column]:
                found.append(
                    f"{about}: {column} should be a list such as '01 logit_lens', not {row[column]!r}"
                )
            for number, name in entries:
                lesson = lessons.get(number)
                if lesson is None:
                    found.append(f"{about}: lesson {number} is missing in source/, so {name} is not assessed")
                elif column == "coding exercises":
                    exercise = next((one for one in lesson.exercises if one.id == name), None)
                    if exercise is None or not any(inside(cell.source, "hidden") for cell in exercise.tests):
                        found.append(f"{about}: lesson {number} has no exercise {name} with hidden tests")
                else:
                    task = next((cell for cell in lesson.of_kind("task") if cell.grade_id == name), None)
                    if task is None or not inside(task.source, "scheme"):
                        found.append(
                            f"{about}: lesson {number} has no written answer {name} with a mark scheme"
                        )
                    else:
                        written += task.released.lower()
        silent = [word for word in row["words"].split(", ") if word.lower() not in written]
        if written and silent:
            found.append(f"{about}: no written task of {row['written answers']} mentions {', '.join(silent)}")
    return found


@pytest.fixture(scope="module")
def lessons():
    return {name[:2]: load_lesson(ROOT, name) for name in lesson_names(ROOT)}


@pytest.fixture(scope="module")
def rows():
    return table((ROOT / "docs" / "syllabus.md").read_text(encoding="utf-8"))


def test_every_row_of_the_syllabus_is_coded_and_written(rows, lessons):
    assert not (missing := problems(rows, lessons)), "\n".join(missing)


def test_the_table_has_a_row_for_everything_that_the_page_asks_for(rows):
    asked = " ".join(row["asked for"] for row in rows)
    assert len(rows) == len({row["asked for"] for row in rows}) == 12
    for subject in (
        "define interpretability", "behavioural", "features", "circuits", "induction", "factual", "refusal",
        "sparse autoencoders", "hidden goals", "hallucination", "deployment", "limits", "explainability",
        "observable traces", "controls",
    ):  # fmt: skip
        assert subject in asked, subject


@pytest.mark.parametrize(
    "column, value, complaint",
    [
        ("coding exercises", "02 no_such_exercise", "lesson 02 has no exercise no_such_exercise"),
        ("coding exercises", "77 head_scores", "lesson 77 is missing"),
        ("coding exercises", "", "should be a list"),
        ("coding exercises", "02: head_scores", "should be a list"),
        ("coding exercises", "02 written_induction", "has no exercise written_induction"),
        ("written answers", "02 head_scores", "has no written answer head_scores"),
        ("words", "induction, cabbage", "mentions cabbage"),
    ],
)
def test_a_promise_that_is_not_kept_is_named(rows, lessons, column, value, complaint):
    row = next(row for row in rows if row["asked for"].startswith("induction"))
    assert problems([row], lessons) == []
    (found,) = problems([row | {column: value}], lessons)[:1]
    assert complaint in found and found.startswith("induction heads")
