"""Reading lessons: names, kinds of cells, exercises, and what students see."""

import json

import pytest

from course_utils.errors import LessonError
from course_utils.grading.lesson import UnknownLesson, find_lessons, load_lesson
from course_utils.grading.lesson_source import inside, names_of, outside, top_level_names


def test_each_cell_of_the_clean_lesson_has_its_kind(course):
    lesson = load_lesson(course.write().root, course.name)
    prose, test = "prose", "test"
    kinds = [cell.kind for cell in lesson.cells]
    assert kinds[:8] == [prose, "setup", prose, prose, "solution", "demo", test, test]
    assert kinds[8:] == [prose, "solution", test, "task", "answer"]


@pytest.mark.parametrize(
    ("id", "metadata", "kind"),
    [
        ("setup", {}, "untagged"),
        ("setup", {"tags": ["demo"]}, "untagged"),
        ("double-visible", {"tags": ["demo"]}, "invalid"),
    ],
)
def test_a_cell_with_other_metadata_is_of_another_kind(course, id, metadata, kind):
    keep = course.cell(id)["metadata"] if kind == "invalid" else {}
    course.cell(id)["metadata"] = {**keep, **metadata}
    index = course.notebook["cells"].index(course.cell(id))
    assert load_lesson(course.write().root, course.name).cells[index].kind == kind


def test_an_exercise_has_card_tests_points_and_graded_names(course):
    course.swap("double", "def double", "factor: int = 2\n\n\ndef double")
    double, quiz = load_lesson(course.write().root, course.name).exercises
    assert double.graded_names == ("factor", "double")
    assert (double.points, [cell.grade_id for cell in double.tests]) == (
        70,
        ["double-visible", "double-second"],
    )
    assert double.card is not None and double.card.source.startswith("### Double a number")
    assert not double.is_quiz
    assert quiz.is_quiz and quiz.choices == ("A", "B", "C") and quiz.letter == "B"


def test_a_test_belongs_to_the_longest_id_that_it_continues(course):
    stub = "def double_x(x: int) -> int:\n    return x"
    course.insert_after("double", course.make("code", "double-x", stub, solution=True))
    course.insert_after(
        "try_it", course.make("code", "double-x-hidden", "", grade=True, locked=True, points=1)
    )
    lesson = load_lesson(course.write().root, course.name)
    tests = {exercise.id: [cell.grade_id for cell in exercise.tests] for exercise in lesson.exercises}
    assert tests["double-x"] == ["double-x-hidden"]
    assert "double-x-hidden" not in tests["double"]


def test_the_released_form_has_no_secret_and_keeps_the_rest(course):
    lesson = load_lesson(course.write().root, course.name)
    released = "\n".join(cell.released for cell in lesson.cells)
    for secret in ("scale * x", "fresh = ", "Strong", "Twice means two", 'quiz_1 = "B"'):
        assert secret not in released
    for kept in ('"""Returns twice `x`."""', "assert double(1) == 2", "Why does adding", 'quiz_1 = ""'):
        assert kept in released


def test_the_stub_is_the_courses_or_nbgraders(course):
    course.stub = "...  # YOUR CODE HERE"
    double = load_lesson(course.write().root, course.name).exercises[0]
    assert double.solution.released.endswith("\n    ...  # YOUR CODE HERE")
    (course.root / "nbgrader_config.py").unlink()
    double = load_lesson(course.root, course.name).exercises[0]
    assert double.solution.released.endswith("\n    # YOUR CODE HERE\n    raise NotImplementedError()")


def test_regions_keep_the_indentation_of_their_marker():
    source = "def f():\n    ### BEGIN SOLUTION\n    return 1\n    ### END SOLUTION\nx = 1"
    assert inside(source, "solution") == ["    return 1"]
    assert outside(source, "solution", "pass") == "def f():\n    pass\nx = 1"
    assert outside(source, "hidden") == source


@pytest.mark.parametrize(
    ("source", "free"),
    [
        ("x + 1", {"x"}),
        ("x = 1\nx + 1", set()),
        ("import math\n[math.pi * y for y in data]", {"data"}),
        ("def f(a, b=c):\n    return a + d + len(a)", {"c", "d"}),
        ("def f():\n    return g()\ndef g():\n    return h", {"h"}),
        ("class A(Base):\n    size = n\n    def m(self):\n        return super().m()", {"Base", "n"}),
        ("with open(p) as f, g() as h:\n    f, h", {"p", "g"}),
        ("try:\n    1\nexcept E as e:\n    print(e)", {"E"}),
        ("(n := 3) + n", set()),
        ("lambda x: x + k", {"k"}),
        ("%magic", set()),
    ],
)
def test_free_names_are_those_that_come_from_elsewhere(source, free):
    assert names_of(source).free == free


def test_top_level_names_are_those_that_statements_bind():
    source = "import math\na, b = 1, 2\nc: int = 3\nclass D:\n    e = 1\ndef f():\n    g = 1"
    assert top_level_names(source) == ("a", "b", "c", "D", "f")


def test_lessons_go_by_name_or_number(course):
    course.write()
    (course.root / "source" / "11-other").mkdir()
    for asked in ("02", "2", "02-doubling"):
        assert [folder.name for folder in find_lessons(course.root, [asked])] == ["02-doubling"]
    assert [folder.name for folder in find_lessons(course.root)] == ["02-doubling", "11-other"]


def test_an_unknown_lesson_gives_one_error_that_lists_what_exists(course):
    with pytest.raises(UnknownLesson, match=r"'7' is no lesson.*02-doubling"):
        find_lessons(course.write().root, ["7"])


@pytest.mark.parametrize("text", ["{", json.dumps({"cells": [1]}), json.dumps([])])
def test_a_file_that_is_no_notebook_gives_a_lesson_error(course, text):
    course.write()
    (course.folder / f"{course.name}.ipynb").write_text(text)
    with pytest.raises(LessonError, match="is not a notebook"):
        load_lesson(course.root, course.name)


def test_a_lesson_without_its_notebook_gives_a_lesson_error(course):
    with pytest.raises(LessonError, match="does not exist"):
        load_lesson(course.root, course.name)
