"""What counts as a written answer, which of them are the same, and the examiner's decision in one line."""

from pathlib import Path

import pytest
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook, new_output
from small import LESSON
from test_sanitise import page_of
from written_class import written_class

from course_utils.grading.demo_class import api_for
from course_utils.grading.feedback import decision, hidden_half, visible_half
from course_utils.grading.written import (
    comments_given,
    count_answers,
    find_marks,
    group_answers,
    read_answers,
    written_exercises,
)


def test_the_hidden_half_is_what_the_visible_half_is_not() -> None:
    source = (
        "Why?\n=== BEGIN MARK SCHEME ===\na\nb\n=== END MARK SCHEME ===\nmore\n=== BEGIN MARK SCHEME ===\nc"
    )
    assert hidden_half(source, "BEGIN MARK", "END MARK") == "a\nb\nc"
    assert visible_half(source, "BEGIN MARK", "END MARK") == "Why?\nmore"
    assert hidden_half("Why?", "BEGIN", "END") == ""


@pytest.mark.slow
def test_what_a_class_answered(tmp_path: Path) -> None:
    course = written_class(tmp_path / "class")
    api = api_for(course)
    with api.gradebook as gradebook:
        why, how = written_exercises(gradebook, LESSON)
        marks = find_marks(gradebook, why)
        assert count_answers(gradebook)[why.cell] == (7, 7)
    assert (why.name, why.points, why.question) == ("written_why", 4, "Why do the two differ?")
    groups = group_answers(read_answers(api.coursedir, why, marks))
    students = [{answer.mark.student for answer in group} for group in groups]
    assert sorted(map(len, students)) == [1, 1, 2, 3]
    assert {"ada", "bea", "gus"} in students and students[-1] == {"cid", "dot"}  # the empty ones come last
    (eva,) = [group[0] for group in groups if group[0].mark.student == "eva"]
    assert (
        "by halves" in eva.text and "steps" in eva.html
    )  # a cell of one's own behind the answer belongs to it
    assert not "".join(answer.text for answer in read_answers(api.coursedir, how, marks))

    path = course / "autograded" / "eva" / LESSON / f"{LESSON}.ipynb"
    path.write_text(path.read_text().replace("by halves", "by thirds, they say"))
    assert any("by thirds" in answer.text for answer in read_answers(api.coursedir, why, marks))
    whole = path.read_text()
    others = {
        a.mark.student: a.number for a in read_answers(api.coursedir, why, marks) if a.mark.student != "eva"
    }
    for damage in ("", "{", "[]", '{"cells": [{}]}', whole[:-400], whole.replace("written_why", "another")):
        path.write_text(damage)
        found = {answer.mark.student: answer.number for answer in read_answers(api.coursedir, why, marks)}
        assert found == others, damage[:40]  # formgrader counts a damaged one, too
    path.unlink()
    assert len(read_answers(api.coursedir, why, marks)) == 6

    said = {
        "ada": (3, False, "Say what grows. "),
        "bea": (3, False, "Say what grows."),
        "cid": (0, False, "Empty."),
    }
    with api.gradebook as gradebook:
        for student, (points, waits, comment) in {**said, "eva": (2, True, None)}.items():
            grade = gradebook.find_grade("written_why", LESSON, LESSON, student)
            grade.manual_score, grade.needs_manual_grade, grade.extra_credit = points, waits, 1
            gradebook.find_comment("written_why", LESSON, LESSON, student).manual_comment = comment
        gradebook.db.commit()
        now = {mark.student: mark for mark in find_marks(gradebook, why)}
        assert count_answers(gradebook)[why.cell] == (7, 4)
    assert comments_given(now.values()) == ["Say what grows.", "Empty."]  # the most used first
    assert (now["ada"].points, now["ada"].extra, now["ada"].waits) == (3, 1, False)
    assert now["eva"].again and not now["ada"].again and now["gus"].points is None


TEST = {
    "nbgrader": {
        "grade": True,
        "solution": False,
        "locked": True,
        "task": False,
        "grade_id": "t",
        "points": 2,
    }
}


@pytest.mark.parametrize(
    ("course", "outputs", "line"),
    [
        ({"verdict": "fail", "message": "root(9) should\nbe 3"}, [], ("fail", "Failed: root(9) should be 3")),
        ({"verdict": "pass", "message": ""}, [], ("pass", "Passed.")),
        ({"verdict": "partial", "message": "1 of 2"}, [], ("partial", "Part of the points: 1 of 2")),
        ({"verdict": "not run", "message": ""}, [], ("not-run", "Not run.")),
        ({"verdict": "timeout", "message": "Stopped."}, [], ("timeout", "Out of time: Stopped.")),
        ({}, [new_output("error", ename="NameError", evalue="x")], ("fail", "Failed: NameError: x")),
    ],
)
def test_a_tests_verdict_and_why(course, outputs, line) -> None:
    assert decision(new_code_cell("assert 1", metadata={**TEST, "course": course}, outputs=outputs)) == line


def test_a_students_own_cell_is_only_said_to_have_failed() -> None:
    def said(name, text):
        return decision(new_code_cell("x", outputs=[new_output("error", ename=name, evalue=text)]))

    assert said("NameError", "\x1b[31mx\x1b[0m is not defined") == (
        "fail",
        "This cell raised NameError: x is not defined",
    )
    assert said("Timeout", "Stopped.") == ("timeout", "Out of time: Stopped.")
    assert len(said("E", "y" * 5000)[1]) < 400
    assert decision(new_code_cell("x")) == decision(new_markdown_cell("x")) == ("", "")


def test_the_line_stands_on_the_grading_page_as_text() -> None:
    course = {"verdict": "fail", "message": "<b onclick=x>no</b>"}
    marks = {"nbgrader": {**TEST["nbgrader"], "score": 0.0}}
    cell = new_code_cell("assert 1", metadata={**marks, "course": course})
    fake = new_markdown_cell("<p class='decision pass'>Passed.</p>")
    about = {"course": {"notes": ["A <i>test</i> was missing."]}}
    page = page_of("formgrade", new_notebook(cells=[fake, cell], metadata=about))
    assert "A <i>test</i> was missing." in page.text
    noted, line = [p for p in page.all("p") if "decision" in p.get("class", "")]
    assert noted["class"] == "decision partial"
    assert line["class"] == "decision fail" and "Failed: <b onclick=x>no</b>" in page.text
    assert "/user/ta/formgrader/written/01-small" in [a.get("href") for a in page.all("a")]
    feedback = page_of("feedback", new_notebook(cells=[cell]))
    assert not [p for p in feedback.all("p") if "decision" in p.get("class", "")]
