"""The release: complete, always the same, replaced whole or not at all; and every refusal names its cell."""

import json
from pathlib import Path
from typing import Any

import nbformat
import pytest
from small import LESSON, save, small_course, small_lesson

from course_utils.errors import ClassError, LessonError
from course_utils.grading import release
from course_utils.grading.release import generate, load_settings, write_release


@pytest.fixture
def course(tmp_path: Path) -> Path:
    return small_course(tmp_path / "course")


def released(course: Path) -> Any:
    return nbformat.read(course / "release" / LESSON / f"{LESSON}.ipynb", as_version=4)


def test_the_student_version_keeps_the_visible_and_nothing_else(course: Path) -> None:
    assert write_release(course, LESSON) == "new"
    text = "\n".join(cell.source for cell in released(course).cells)
    assert (
        "visible case of double" in text and "# YOUR CODE HERE" in text and "Why do the two differ?" in text
    )
    for secret in ("hidden case", "return 2 * x", "math.sqrt", "word ratio", "BEGIN", "END"):
        assert secret not in text
    source = nbformat.read(course / "source" / LESSON / f"{LESSON}.ipynb", as_version=4)
    assert "hidden case" in str(source)  # the words looked for are there to be found


def test_the_stub_comes_from_the_courses_settings(course: Path) -> None:
    settings = course / "nbgrader_config.py"
    settings.write_text(settings.read_text() + '\nc.ClearSolutions.code_stub = {"python": "pass  # mine"}\n')
    write_release(course, LESSON)
    assert "pass  # mine" in released(course).cells[3].source


def test_two_runs_give_the_same_bytes(course: Path, tmp_path: Path) -> None:
    first, second = (generate(course, LESSON, tmp_path / name) / f"{LESSON}.ipynb" for name in "ab")
    assert first.read_bytes() == second.read_bytes()


def test_unchanged_is_not_written_and_a_change_of_the_source_is_an_update(course: Path) -> None:
    write_release(course, LESSON)
    path = course / "release" / LESSON / f"{LESSON}.ipynb"
    before = path.stat().st_ino, path.stat().st_mtime_ns
    assert write_release(course, LESSON) == "unchanged"
    assert (path.stat().st_ino, path.stat().st_mtime_ns) == before
    notebook = small_lesson()
    notebook.cells[0].source = "# A renamed lesson"
    save(notebook, course)
    assert write_release(course, LESSON) == "updated"
    assert released(course).cells[0].source == "# A renamed lesson"


def test_a_file_edited_by_hand_or_left_over_is_replaced(course: Path) -> None:
    write_release(course, LESSON)
    (course / "release" / LESSON / "left-over.py").write_text("old")
    assert write_release(course, LESSON) == "updated"
    assert [p.name for p in (course / "release" / LESSON).iterdir()] == [f"{LESSON}.ipynb"]


def test_figures_come_along(course: Path) -> None:
    figures = course / "source" / LESSON / "figures"
    figures.mkdir()
    (figures / "a.svg").write_text("<svg/>")
    write_release(course, LESSON)
    assert (course / "release" / LESSON / "figures" / "a.svg").read_text() == "<svg/>"


def test_only_the_release_folder_changes(course: Path) -> None:
    before = {p for p in course.rglob("*")}
    (course / "gradebook.db").write_text("not nbgrader's business")
    write_release(course, LESSON)
    new = {p.relative_to(course).as_posix() for p in course.rglob("*")} - {
        p.relative_to(course).as_posix() for p in before
    }
    assert new == {"gradebook.db", "release", f"release/{LESSON}", f"release/{LESSON}/{LESSON}.ipynb"}
    assert (course / "gradebook.db").read_text() == "not nbgrader's business"


def test_a_failed_update_leaves_the_old_release(course: Path) -> None:
    write_release(course, LESSON)
    before = released(course)
    (course / "source" / LESSON / f"{LESSON}.ipynb").write_text("{ not json")
    with pytest.raises(LessonError):
        write_release(course, LESSON)
    assert released(course) == before
    assert [p.name for p in (course / "release").iterdir()] == [LESSON]


def test_a_run_stopped_between_the_renames_is_mended_by_the_next(course: Path, monkeypatch) -> None:
    write_release(course, LESSON)
    before = released(course)
    shorter = small_lesson()
    shorter.cells.pop()
    save(shorter, course)
    rename = Path.rename
    monkeypatch.setattr(Path, "rename", lambda a, b: rename(a, b) if b.name.endswith(".old") else 1 / 0)
    with pytest.raises(ZeroDivisionError):
        write_release(course, LESSON)
    assert not (course / "release" / LESSON).exists()
    monkeypatch.undo()
    assert write_release(course, LESSON) == "updated"
    assert len(released(course).cells) == len(before.cells) - 1
    assert [p.name for p in (course / "release").iterdir()] == [LESSON]


# Each of these is one message: what was expected, what came, what to do.


def refusal(course: Path) -> str:
    with pytest.raises(LessonError) as caught:
        write_release(course, LESSON)
    assert caught.value.__suppress_context__ or caught.value.__context__ is None  # no inner traceback
    return str(caught.value)


def test_unknown_lesson(course: Path) -> None:
    with pytest.raises(LessonError, match=r"no lesson '99-nothing'.*there are: 01-small"):
        generate(course, "99-nothing", course / "elsewhere")
    for name in ("..", "", "."):
        with pytest.raises(LessonError, match="no lesson"):
            generate(course, name, course / "elsewhere")


def test_folder_without_a_notebook(course: Path) -> None:
    (course / "source" / LESSON / f"{LESSON}.ipynb").unlink()
    assert "has no notebook; expected source/01-small/01-small.ipynb" in refusal(course)


@pytest.mark.parametrize(
    ("text", "said"),
    [("{ not json", "is not JSON"), ("[1]", "not a notebook"), ('{"a": 1}', "not a notebook")],
)
def test_not_a_notebook(course: Path, text: str, said: str) -> None:
    (course / "source" / LESSON / f"{LESSON}.ipynb").write_text(text)
    message = refusal(course)
    assert said in message and "save it again" in message.lower()


def edited(course: Path, edit) -> str:
    """What is said about the small lesson after `edit` of its JSON."""
    path = course / "source" / LESSON / f"{LESSON}.ipynb"
    raw = json.loads(path.read_text())
    edit(raw)
    path.write_text(json.dumps(raw))
    return refusal(course)


def test_format_errors_name_the_cell(course: Path) -> None:
    assert "cell 2" in edited(course, lambda raw: raw["cells"][2].pop("source"))


def test_a_cell_type_that_does_not_exist(course: Path) -> None:
    assert "cell 4" in edited(course, lambda raw: raw["cells"][4].update(cell_type="poem"))


def test_missing_and_repeated_cell_ids(course: Path) -> None:
    assert "cell 3 has no id" in edited(course, lambda raw: raw["cells"][3].pop("id"))
    assert "cell 5 has the id of cell 3, 'x'" in edited(
        course, lambda raw: [raw["cells"][i].update(id="x") for i in (3, 5)]
    )


def test_missing_kernelspec(course: Path) -> None:
    assert "names no kernel" in edited(course, lambda raw: raw["metadata"].pop("kernelspec"))


def meta(raw: dict, index: int) -> dict:
    return raw["cells"][index]["metadata"]["nbgrader"]


@pytest.mark.parametrize(
    ("edit", "said"),
    [
        (lambda raw: meta(raw, 4).pop("points"), ["cell 4 (double-visible)", "does not have points"]),
        (lambda raw: meta(raw, 4).update(points="many"), ["cell 4 (double-visible)", "'many'"]),
        (lambda raw: meta(raw, 4).update(schema_version=1), ["cell 4 (double-visible)", "schema version"]),
        (
            lambda raw: meta(raw, 3).update(solution=False, locked=True),
            ["cell 3 (double)", "non-solution cell"],
        ),
        (
            lambda raw: raw["cells"][3].update(source="### BEGIN SOLUTION\nx = 1"),
            ["cell 3 (double)", "no end solution"],
        ),
        (
            lambda raw: raw["cells"][5].update(source="### BEGIN HIDDEN TESTS\nx = 1"),
            ["cell 5 (double-hidden)", "No end hidden tests"],
        ),
        (lambda raw: meta(raw, 9).update(grade_id="double"), ["Duplicate grade id: double"]),
    ],
)
def test_what_nbgrader_refuses_is_one_line_that_names_the_cell(course: Path, edit, said: list[str]) -> None:
    message = edited(course, edit)
    assert all(part in message for part in [*said, "nbgrader cannot make", "Mend source/01-small"])
    assert "\n" not in message and "Traceback" not in message


def test_a_folder_that_is_no_course(tmp_path: Path) -> None:
    with pytest.raises(ClassError, match=r"has no nbgrader_config.py.*--root"):
        generate(tmp_path, LESSON, tmp_path)


def test_settings_that_do_not_run(course: Path) -> None:
    (course / "nbgrader_config.py").write_text("c = get_config()\nc.A.b = 1 / 0\n")
    with pytest.raises(ClassError, match="ZeroDivisionError"):
        load_settings(course)


def test_every_public_name_is_there() -> None:
    assert all(hasattr(release, name) for name in release.__all__)
