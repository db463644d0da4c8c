"""Skeleton and rebuild: the lesson is the instructor's whatever comes back, and no text of the student's is lost."""

import base64
import copy
import json
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import nbformat
import pytest
from nbformat.v4 import new_code_cell, new_markdown_cell
from nbgrader.nbgraderformat import MetadataValidator
from nbgrader.utils import compute_checksum
from small import LESSON, small_course

from course_utils.errors import ClassError
from course_utils.grading import skeleton as skeleton_module
from course_utils.grading.rebuild import Rebuilt, rebuild
from course_utils.grading.skeleton import SourceCell, read_gradebook, skeleton

PNG = base64.b64encode(b"\x89PNG\r\n\x1a\n and so on").decode()
ANSWER = "cell-12"


@cache
def lesson() -> tuple[str, dict[str, SourceCell], dict[str, Any]]:
    """The small lesson as nbgrader releases it, as text, and what its gradebook then knows."""
    from nbgrader.api import Gradebook
    from nbgrader.apps.api import NbGraderAPI

    from course_utils.grading.release import load_settings

    with TemporaryDirectory() as folder:
        course = small_course(Path(folder) / "course")
        api = NbGraderAPI(config=load_settings(course))
        made = api.generate_assignment(LESSON)
        assert made["success"], made["log"]
        with Gradebook(api.coursedir.db_url, "agai302") as gradebook:
            cells, kernelspec = read_gradebook(gradebook, LESSON, LESSON)
            with pytest.raises(ClassError, match="generate_assignment 09-other"):
                read_gradebook(gradebook, "09-other", "09-other")
        return (course / "release" / LESSON / f"{LESSON}.ipynb").read_text(), cells, kernelspec


def skeleton_of(text: str, cells: dict[str, SourceCell], kernelspec: Any = None) -> Any:
    """The skeleton of a release that is given as text."""
    with TemporaryDirectory() as folder:
        path = Path(folder) / "01-small" / "01-small.ipynb"
        path.parent.mkdir()
        path.write_text(text)
        return skeleton(path, cells, kernelspec)


@pytest.fixture
def given() -> Any:
    """The small lesson's skeleton."""
    return skeleton_of(*lesson())


@pytest.fixture
def submitted() -> dict[str, Any]:
    """The small lesson as a student gets it."""
    return json.loads(lesson()[0])


def find(notebook: Any, name: str) -> Any:
    """The one cell with that grade_id or cell id."""
    cells = [
        c for c in notebook["cells"] if name in (c["metadata"].get("nbgrader", {}).get("grade_id"), c["id"])
    ]
    assert len(cells) == 1, f"{name}: {len(cells)} cells"
    return cells[0]


def names(notebook: Any) -> list[str]:
    """grade_ids, ids of prose, and the sources of free cells, in order."""
    return [
        c.metadata.get("nbgrader", {}).get("grade_id") or (c.source if c.id.startswith("free-") else c.id)
        for c in notebook.cells
    ]


def mark(name: str, **flags: Any) -> dict[str, Any]:
    base = {"schema_version": 3, "grade": False, "solution": False, "locked": False, "task": False}
    return {"nbgrader": {**base, "grade_id": name, **flags}}


def put(submitted: dict[str, Any], where: str, *new: Any) -> None:
    """Puts cells behind the one that has this grade_id or id."""
    at = submitted["cells"].index(find(submitted, where)) + 1
    submitted["cells"][at:at] = new


def assert_sound(rebuilt: Rebuilt, given: Any) -> None:
    """Valid for both formats, in UTF-8, and what is the instructor's is the instructor's."""
    notebook = rebuilt.notebook
    nbformat.validate(notebook)
    MetadataValidator().validate_nb(notebook)
    nbformat.writes(notebook).encode("utf-8")
    assert (
        all(note.endswith(".") and note.isprintable() for note in rebuilt.notes) and len(rebuilt.notes) <= 21
    )
    assert notebook.metadata == {k: v for k, v in given.metadata.items() if k != "course"}
    own = [c for c in notebook.cells if not c.id.startswith("free-")]
    assert [c.id for c in own] == [c.id for c in given.cells]
    for cell, wanted in zip(own, given.cells, strict=True):
        marks = wanted.metadata.get("nbgrader", {})
        is_answer = marks.get("solution") if marks else True
        skip = ("source", "attachments") if is_answer else ()
        assert {k: v for k, v in cell.items() if k not in skip} == {
            k: v for k, v in wanted.items() if k not in skip
        }
    for cell in notebook.cells:
        assert cell.metadata == {} or not cell.id.startswith("free-")
        assert cell.cell_type == "markdown" or (cell.outputs, cell.execution_count) == ([], None)


def built(given: Any, submitted: Any) -> Rebuilt:
    before = copy.deepcopy(given)
    rebuilt = rebuild(given, submitted)
    assert given == before, "the skeleton was changed"
    assert_sound(rebuilt, given)
    return rebuilt


# -- the skeleton --


def test_the_skeleton_has_what_the_release_hides(given: Any) -> None:
    for name, secret in {"double-hidden": "hidden case of double", "written_why": "word ratio"}.items():
        assert secret in find(given, name).source and secret not in lesson()[0]
    assert "return 2 * x" not in json.dumps(given)


def test_the_skeleton_is_what_nbgrader_checks_submissions_against(given: Any) -> None:
    nbformat.validate(given)
    MetadataValidator().validate_nb(given)
    marked = [c for c in given.cells if "nbgrader" in c.metadata]
    assert {c.metadata.nbgrader.grade_id: compute_checksum(c) for c in marked} == {
        name: cell.checksum for name, cell in lesson()[1].items()
    }
    points = {c.metadata.nbgrader.grade_id: c.metadata.nbgrader.get("points") for c in marked}
    assert points["double-hidden"] == 2 and points["written_why"] == 4 and points["double"] is None
    assert given.metadata.kernelspec.name == "python3" and find(given, "draw").metadata.tags == ["demo"]


def test_a_release_edited_by_hand_is_overruled_by_the_gradebook(submitted: dict[str, Any]) -> None:
    find(submitted, "double-hidden")["source"] = "pass"
    find(submitted, "double-visible")["metadata"]["nbgrader"].update(points=99, grade=False)
    find(submitted, "root").update(cell_type="markdown")
    for key in ("outputs", "execution_count"):
        del find(submitted, "root")[key]
    submitted["metadata"]["kernelspec"] = {"name": "other", "display_name": "Other"}
    edited, clean = skeleton_of(json.dumps(submitted), *lesson()[1:]), skeleton_of(*lesson())
    assert edited.cells == clean.cells and edited.metadata.kernelspec == clean.metadata.kernelspec


def test_cells_that_the_release_lacks_are_put_back_where_the_gradebook_has_them(
    submitted: dict[str, Any],
) -> None:
    gone = ("setup", "double-visible", "double-hidden", "written_why")
    submitted["cells"] = [
        c for c in submitted["cells"] if c["metadata"].get("nbgrader", {}).get("grade_id") not in gone
    ]
    put_back = skeleton_of(json.dumps(submitted), *lesson()[1:])
    order = [n for n in names(put_back) if not n.startswith("cell-")]
    assert order == list(lesson()[1])
    assert find(put_back, "double-hidden").source == lesson()[1]["double-hidden"].source
    MetadataValidator().validate_nb(put_back)
    nbformat.validate(put_back)


def test_a_cell_that_the_gradebook_does_not_know_is_an_ordinary_one(
    submitted: dict[str, Any], caplog
) -> None:
    put(
        submitted,
        "double",
        new_code_cell("y = 1", id="new", metadata=mark("new", grade=True, locked=True, points=1)),
    )
    put(submitted, "new", new_code_cell("z", id="copy", metadata=mark("root", solution=True)))
    made = skeleton_of(json.dumps(submitted), lesson()[1])
    assert find(made, "new").metadata == {} and "no cell 'new'" in caplog.text
    MetadataValidator().validate_nb(made)  # the second `root` is an ordinary cell too


def test_a_release_without_ids_gets_the_same_ones_each_time(submitted: dict[str, Any]) -> None:
    for cell in submitted["cells"]:
        del cell["id"]
    submitted["nbformat_minor"] = 4
    one, two = (skeleton_of(json.dumps(submitted), lesson()[1]) for _ in range(2))
    assert nbformat.writes(one) == nbformat.writes(two)
    nbformat.validate(one)


def test_without_a_release_the_message_says_what_to_run(tmp_path: Path) -> None:
    path = tmp_path / "02-x" / "02-x.ipynb"
    with pytest.raises(ClassError, match=r"no release .*nbgrader generate_assignment 02-x"):
        skeleton(path, {})
    path.parent.mkdir()
    for text in (
        "{ not json",
        "[]",
        '{"nbformat": 4, "nbformat_minor": 5, "metadata": {}, "cells": [3]}',
        "{}",
    ):
        path.write_text(text)
        with pytest.raises(ClassError, match=r"no valid notebook .*nbgrader generate_assignment 02-x"):
            skeleton(path, {})


# -- what an honest student does --


def test_an_untouched_submission_is_the_skeleton(given: Any, submitted: dict[str, Any]) -> None:
    rebuilt = built(given, submitted)
    assert rebuilt.notes == () and rebuilt.notebook.cells == given.cells


def test_solutions_and_written_answers_are_put_in(given: Any, submitted: dict[str, Any]) -> None:
    find(submitted, "double")["source"] = ["def double(x):\n", "    return x + x"]
    find(submitted, ANSWER)["source"] = "Their ratio."
    rebuilt = built(given, submitted)
    assert find(rebuilt.notebook, "double").source == "def double(x):\n    return x + x"
    assert find(rebuilt.notebook, ANSWER).source == "Their ratio." and rebuilt.notes == ()
    assert find(rebuilt.notebook, ANSWER).metadata.tags == ["answer"]


def test_a_graded_answer_is_put_in_too(given: Any, submitted: dict[str, Any]) -> None:
    for notebook in (given, submitted):
        new = new_markdown_cell("Stub", id="why", metadata=mark("why", grade=True, solution=True, points=3))
        put(notebook, "root", new)
    find(submitted, "why")["source"] = "Because."
    assert find(built(given, submitted).notebook, "why").source == "Because."


def test_free_cells_stay_behind_what_they_followed_without_tags(
    given: Any, submitted: dict[str, Any]
) -> None:
    submitted["cells"].insert(0, new_code_cell("first"))
    put(submitted, ANSWER, new_markdown_cell("last"))
    put(
        submitted,
        "cell-2",
        new_code_cell("helper", metadata={"tags": ["demo"]}),
        {"cell_type": "raw", "source": "r"},
    )
    rebuilt = built(given, submitted)
    order = names(rebuilt.notebook)
    assert order[0] == "first" and order[-1] == "last" and rebuilt.notes == ()
    assert order[order.index("cell-2") :][:4] == ["cell-2", "helper", "r", "double"]
    assert [c.cell_type for c in rebuilt.notebook.cells if c.source in ("helper", "r")] == [
        "code",
        "markdown",
    ]


def test_prose_is_the_students_to_edit_and_put_back_when_deleted(
    given: Any, submitted: dict[str, Any]
) -> None:
    find(submitted, "cell-2")["source"] = "my notes"
    submitted["cells"].remove(find(submitted, "cell-0"))
    rebuilt = built(given, submitted)
    assert find(rebuilt.notebook, "cell-2").source == "my notes" and rebuilt.notes == ()
    assert find(rebuilt.notebook, "cell-0").source == "# A small lesson"


def test_prose_turned_into_code_stays_a_free_cell(given: Any, submitted: dict[str, Any]) -> None:
    find(submitted, "cell-2").update(cell_type="code", source="x = 1")
    order = names(built(given, submitted).notebook)
    assert order[order.index("cell-2") + 1] == "x = 1"


def test_a_second_cell_with_the_same_id_is_free(given: Any, submitted: dict[str, Any]) -> None:
    put(submitted, ANSWER, {**find(submitted, ANSWER), "source": "one more thing"})
    find_first = next(c for c in submitted["cells"] if c["id"] == ANSWER)
    find_first["source"] = "the answer"
    rebuilt = built(given, submitted)
    assert names(rebuilt.notebook)[-2:] == [ANSWER, "one more thing"]
    assert find(rebuilt.notebook, ANSWER).source == "the answer"


def test_pasted_images_come_along_and_nothing_else_does(given: Any, submitted: dict[str, Any]) -> None:
    good = {"a drawing.png": {"image/png": PNG}}
    bad: dict[str, Any] = {
        "x.svg": {"image/svg+xml": "<svg onload=alert(1)>"},
        "y.png": {"image/png": base64.b64encode(b"<script>").decode()},
        "z.png": {"image/png": PNG[:8] + '"><script x=""' + PNG[8:]},
        "w.png": {"image/png": PNG[:8] + "<!-->" + PNG[8:]},
        '"><script>.png': {"image/png": PNG},
        "both.png": {"image/png": PNG, "text/html": "<b>"},
        "list.png": {"image/png": [PNG]},
        "none.png": None,
        "large.png": {"image/png": PNG + "A" * 4_000_000},
    }
    find(submitted, ANSWER)["attachments"] = good | bad
    put(submitted, "cell-0", {"cell_type": "markdown", "source": "free", "attachments": good})
    rebuilt = built(given, submitted)
    assert find(rebuilt.notebook, ANSWER).attachments == good
    assert [c.attachments for c in rebuilt.notebook.cells if c.source == "free"] == [good]
    assert [n for n in rebuilt.notes if "Attachments" in n and n.endswith(f"{len(bad)}.")]


# -- what goes wrong --


def test_a_missing_solution_counts_as_unsolved(given: Any, submitted: dict[str, Any]) -> None:
    submitted["cells"].remove(find(submitted, "double"))
    submitted["cells"].remove(find(submitted, ANSWER))
    rebuilt = built(given, submitted)
    assert rebuilt.notes == (
        "The cell `double` is missing; it counts as unsolved.",
        f"The cell `{ANSWER}` is missing; it counts as unsolved.",
    )
    assert find(rebuilt.notebook, "double").source == find(given, "double").source


def test_the_last_copy_of_a_solution_counts_and_the_others_stay(
    given: Any, submitted: dict[str, Any]
) -> None:
    stub = find(submitted, "double")
    put(submitted, "double-visible", {**stub, "source": "second"}, {**stub, "source": "third"})
    stub["source"] = "first"
    rebuilt = built(given, submitted)
    order = names(rebuilt.notebook)
    assert order[order.index("cell-2") :][:5] == ["cell-2", "first", "double", "double-visible", "second"]
    assert find(rebuilt.notebook, "double").source == "third"
    assert rebuilt.notes[0] == "The cell `double` was there 3 times; the last one counts."


def test_a_solution_of_the_wrong_type_is_taken_as_the_right_one(
    given: Any, submitted: dict[str, Any]
) -> None:
    find(submitted, "double").update(cell_type="markdown", source="double = 1")
    find(submitted, ANSWER).update(cell_type="code", source="In words")
    rebuilt = built(given, submitted)
    assert find(rebuilt.notebook, "double").source == "double = 1"
    assert find(rebuilt.notebook, ANSWER).source == "In words"
    assert (
        rebuilt.notes[0] == "The cell `double` came as markdown and was taken as code."
        and len(rebuilt.notes) == 2
    )


def test_a_solution_without_its_metadata_is_known_by_its_cell_id(
    given: Any, submitted: dict[str, Any]
) -> None:
    find(submitted, "double").update(metadata={}, source="mine")
    rebuilt = built(given, submitted)
    assert find(rebuilt.notebook, "double").source == "mine"
    assert rebuilt.notes == (
        "The cell `double` had lost its nbgrader metadata; it was recognised by its cell id.",
    )


def test_given_cells_are_always_the_lessons(given: Any, submitted: dict[str, Any]) -> None:
    find(submitted, "double-hidden")["source"] = "pass"
    find(submitted, "setup").update(cell_type="markdown")
    find(submitted, "draw")["metadata"]["tags"] = []
    submitted["cells"].remove(find(submitted, "root-visible"))
    for cell in submitted["cells"]:
        cell["metadata"].get("nbgrader", {}).update(points=1e9, grade=False, locked=False)
    rebuilt = built(given, submitted)
    assert rebuilt.notebook.cells == given.cells
    assert rebuilt.notes == (
        "The cell `setup` was edited, but is a given cell; the released one stands.",
        "The cell `double-hidden` was edited, but is a given cell; the released one stands.",
        "The cell `root-visible` was missing and was put back.",
    )


def test_an_answer_written_into_the_task_is_not_lost(given: Any, submitted: dict[str, Any]) -> None:
    find(submitted, "written_why")["source"] += "\n\nMy answer."
    rebuilt = built(given, submitted)
    assert (
        names(rebuilt.notebook)[-2].endswith("My answer.")
        and "My answer" not in find(given, "written_why").source
    )
    assert find(rebuilt.notebook, "written_why").source == find(given, "written_why").source


def test_a_changed_copy_of_a_test_stays_as_the_students_own(given: Any, submitted: dict[str, Any]) -> None:
    test = find(submitted, "double-visible")
    put(submitted, "double-visible", {**test, "source": "print('trying')"}, dict(test))
    rebuilt = built(given, submitted)
    order = names(rebuilt.notebook)
    assert order[order.index("double-visible") :][:3] == [
        "double-visible",
        "print('trying')",
        "double-hidden",
    ]
    assert rebuilt.notes == ("The cell `double-visible` was there 3 times; it runs once, as released.",)


def test_moved_cells_stand_where_the_lesson_has_them(given: Any, submitted: dict[str, Any]) -> None:
    moved = find(submitted, "root-hidden")
    submitted["cells"].remove(moved)
    submitted["cells"].insert(1, moved)
    rebuilt = built(given, submitted)
    assert rebuilt.notebook.cells == given.cells
    assert rebuilt.notes == ("The cell `root-hidden` was moved; it stands where the lesson has it.",)


def test_unknown_grade_ids_are_free_cells_and_named_safely(given: Any, submitted: dict[str, Any]) -> None:
    put(
        submitted,
        "double",
        new_code_cell("y", metadata=mark("<script>\u202e" + "a" * 200, grade=True, points=9)),
    )
    rebuilt = built(given, submitted)
    assert "y" in names(rebuilt.notebook) and len(rebuilt.notes) == 1
    assert "`?script??aaa" in rebuilt.notes[0] and len(rebuilt.notes[0]) < 150


def test_many_notes_are_cut_short(given: Any, submitted: dict[str, Any]) -> None:
    put(submitted, "double", *(new_code_cell("y", metadata=mark(f"n{i}")) for i in range(30)))
    assert built(given, submitted).notes[-1] == "… and 10 more notes."


def test_notebooks_without_cell_ids_lose_nothing(given: Any, submitted: dict[str, Any]) -> None:
    find(submitted, ANSWER)["source"] = "Their ratio."
    find(submitted, "cell-2")["source"] = "edited prose"
    for cell in submitted["cells"]:
        del cell["id"]
    rebuilt = built(given, submitted)
    assert find(rebuilt.notebook, ANSWER).source == "Their ratio." and rebuilt.notes == ()
    order = names(rebuilt.notebook)
    assert order.count("edited prose") == 1 and len(order) == len(given.cells) + 1


def test_what_utf8_cannot_hold_is_replaced(given: Any, submitted: dict[str, Any]) -> None:
    find(submitted, "double")["source"] = 'x = "\ud800\x00\x1b[31m"\r\ny = "\U0001f600"\t\n'
    assert find(built(given, submitted).notebook, "double").source == (
        'x = "\ufffd\ufffd\ufffd[31m"\ny = "\U0001f600"\t\n'
    )


@pytest.mark.parametrize(
    "nothing", [None, {}, [], "text", 3, {"cells": None}, {"cells": {}}, {"cells": [1, None]}]
)
def test_with_nothing_to_use_the_stubs_stand(given: Any, nothing: Any) -> None:
    rebuilt = built(given, nothing)
    assert rebuilt.notebook.cells == given.cells and len(rebuilt.notes) == 1


JUNK: list[Any] = [
    None,
    0,
    -1.5,
    True,
    "x",
    [],
    {},
    [None],
    {"a": 1},
    ["x", 3],
    {"nbgrader": 3},
    "\ud800",
    10**30,
]


@pytest.mark.parametrize("key", ["cell_type", "id", "metadata", "source", "attachments", "outputs"])
def test_no_value_in_a_cell_can_raise(given: Any, submitted: dict[str, Any], key: str) -> None:
    for junk in JUNK:
        broken = copy.deepcopy(submitted)
        for cell in broken["cells"]:
            cell[key] = junk
        built(given, broken)
        for cell in (damaged := copy.deepcopy(submitted))["cells"]:
            cell["metadata"]["nbgrader"] = {"grade_id": junk} if key == "id" else junk
        built(given, damaged)


def test_same_input_same_bytes(given: Any, submitted: dict[str, Any]) -> None:
    put(submitted, "double", new_code_cell("a"), new_code_cell("a"), new_markdown_cell("a"))
    one, two = (nbformat.writes(rebuild(given, copy.deepcopy(submitted)).notebook) for _ in range(2))
    assert one == two and one.count('"id": "free-') == 3


def test_the_checks_here_can_fail(given: Any, monkeypatch) -> None:
    cell = find(given, "double-hidden")
    cell.source = "pass"
    with pytest.raises(AssertionError):
        assert_sound(Rebuilt(skeleton_of(*lesson()), ()), given)
    monkeypatch.setattr(skeleton_module, "digest_of", lambda source: "other")
    assert "was edited" in rebuild(skeleton_of(*lesson()), json.loads(lesson()[0])).notes[0]
