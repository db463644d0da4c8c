"""Formgrader's pages of written answers, from a real Jupyter server: what they show, to whom, and what they save."""

import json
import re
from pathlib import Path

import pytest
from formgrader_server import Person, formgrader
from small import LESSON
from test_sanitise import Page
from written_class import ANSWERS, HOSTILE, written_class

from course_utils.grading import written_pages
from course_utils.grading.demo_class import api_for
from course_utils.grading.second_reader import Sample, report_on
from course_utils.grading.written import WrittenExercise, find_marks, written_exercises

pytestmark = [pytest.mark.slow, pytest.mark.xdist_group("written")]
WHY, HOW = f"{LESSON}/{LESSON}/written_why", f"{LESSON}/{LESSON}/written_how"


@pytest.fixture(scope="module")
def course(tmp_path_factory) -> Path:
    return written_class(tmp_path_factory.mktemp("written") / "class")


@pytest.fixture(scope="module")
def url(course, tmp_path_factory):
    with formgrader(course, tmp_path_factory.mktemp("server")) as address:
        yield address


@pytest.fixture(scope="module")
def ta(url) -> Person:
    return Person(url).sign_in()


def page_of(ta: Person, path: str) -> Page:
    status, text, _ = ta.ask("GET", f"/formgrader/{path}")
    assert status == 200, text
    return Page(text)


def marks_of(course: Path, name: str = "written_why") -> dict:
    with api_for(course).gradebook as gradebook:
        (exercise,) = [one for one in written_exercises(gradebook, LESSON) if one.name == name]
        return {mark.student: mark for mark in find_marks(gradebook, exercise)}


def test_nbgraders_own_pages_link_to_ours(ta):
    for page in ("gradebook", f"gradebook/{LESSON}", f"gradebook/{LESSON}/{LESSON}"):
        assert "/formgrader/written" in [a["href"] for a in page_of(ta, page).all("a")]
    assert page_of(ta, "manage_assignments").all("script")  # the pages that are not ours still work


def test_nbgraders_own_pages_do_not_act_on_what_an_address_says(ta):
    for words in ("%22;owned();%22", "%3C%2Fscript%3E%3Cscript%3Eowned()%3C%2Fscript%3E"):
        for path in ("gradebook/{}", "gradebook/{}/{}", "manage_submissions/{}", "manage_students/{}"):
            page = page_of(ta, path.format(words, words))
            assert "owned()" in page.text + page.code["script"]  # it was repeated
            assert '";owned()' not in page.code["script"] and "owned()" not in page.code["script"].split("\n")


def test_the_index_leads_to_each_exercise_and_says_how_many_wait(ta):
    page = page_of(ta, "written")
    links = [a["href"] for a in page.all("a") if "/written/" in a["href"]]
    assert links == [f"/formgrader/written/{WHY}", f"/formgrader/written/{HOW}"]
    assert f"written_why47{len(ANSWERS)}" in "".join(page.text.split())
    for path in ("written/none", f"written/{LESSON}/{LESSON}/double-hidden", "written/..%2F..%2Fx/x/x"):
        assert ta.ask("GET", f"/formgrader/{path}")[0] == 404


def test_answers_stand_beside_the_scheme_grouped_and_without_names(ta, course):
    _, text, _ = ta.ask("GET", f"/formgrader/written/{WHY}")
    page = Page(text)
    assert "Four points for the word ratio." in page.text and "MARK SCHEME" not in text
    assert "3 identical answers" in " ".join(page.text.split())
    assert "2 empty answers" in " ".join(page.text.split())
    marks = [div for div in page.all("div") if div.get("class") == "mark"]
    assert len(marks) == len(ANSWERS) and {mark["data-waits"] for mark in marks} == {"true"}
    assert text.count("growth") == 1  # a group's answer is there once
    assert "Last" not in text and not set(re.findall(r"\w+", text.lower())) & set(ANSWERS)
    assert "<Last>, Ada" in page_of(ta, f"written/{WHY}?names=1").text


def test_a_hostile_answer_is_text_and_the_policy_lets_nothing_else_act(ta):
    _, text, headers = ta.ask("GET", f"/formgrader/written/{WHY}")
    page = Page(text)
    policies = headers.get_all("Content-Security-Policy")
    (ours,) = [policy for policy in policies if "script-src" in policy]
    nonce = re.search(r"'nonce-([\w-]{20,})'", ours)[1]
    assert ours == written_pages.POLICY.format(nonce)
    assert "unsafe" not in ours
    for tag in ("script", "link", "style"):
        assert {element["nonce"] for element in page.all(tag)} <= {nonce}
    assert "owned" not in page.code["script"] + page.code["style"]
    assert all(
        address.startswith("/formgrader/")
        for address in (s.get("src", "/formgrader/") for s in page.all("script"))
    )
    for _, attributes, _ in page.elements:
        assert not [
            name
            for name in attributes
            if name.startswith("on") or (name in ("srcdoc", "style") and "owned" in attributes[name])
        ]
    assert not page.all("iframe") and "forged" in page.text and "{{ 7 * 7 }}" in page.text
    assert len([d for d in page.all("div") if d.get("class") == "mark"]) == len(ANSWERS)  # none forged
    assert "owned()" in HOSTILE
    again = ta.ask("GET", f"/formgrader/written/{WHY}")[2].get_all("Content-Security-Policy")
    assert nonce not in " ".join(again)


def test_every_field_has_a_label(ta):
    page = page_of(ta, f"written/{WHY}")
    named = {label["for"] for label in page.all("label")}
    fields = [a["id"] for tag in ("input", "textarea") for a in page.all(tag)]
    assert len(fields) == 2 * (len(ANSWERS) + 2) == len(set(fields)) and set(fields) == named
    ids = [attributes["id"] for _, attributes, _ in page.elements if "id" in attributes]
    assert len(ids) == len(set(ids))
    for _, attributes, _ in page.elements:
        assert set(attributes.get("aria-describedby", "").split()) <= set(ids)


def test_marks_are_saved_through_nbgraders_api_and_not_without_the_token(ta, course):
    page = page_of(ta, f"written/{WHY}")
    mark = marks_of(course)["eva"]
    (found,) = [d for d in page.all("div") if d.get("data-submission") == mark.submission]
    assert (found["data-grade"], found["data-comment"], found["data-extra"]) == (
        mark.grade,
        mark.comment_id,
        "",
    )
    new = {"manual_score": 3, "extra_credit": None}
    assert ta.ask("PUT", f"/formgrader/api/grade/{mark.grade}", new, xsrf=False)[0] == 403
    assert marks_of(course)["eva"].points is None
    assert ta.ask("PUT", f"/formgrader/api/grade/{mark.grade}", new)[0] == 200
    assert (
        ta.ask(
            "PUT", f"/formgrader/api/comment/{mark.comment_id}", {"manual_comment": "Which <i>ratio</i>?"}
        )[0]
        == 200
    )
    after = marks_of(course)["eva"]
    assert (after.points, after.comment, after.waits) == (3, "Which <i>ratio</i>?", False)
    page = page_of(ta, f"written/{WHY}")
    (found,) = [d for d in page.all("div") if d.get("data-submission") == mark.submission]
    assert found["data-waits"] == "false"
    assert page.text.count("Which <i>ratio</i>?") == 2  # in its field, and offered for others
    assert "3" in [field.get("value") for field in page.all("input")]


def test_nothing_is_saved_over_what_somebody_else_saved_meanwhile(ta, course):
    mark = marks_of(course)["gus"]
    grade, comment = f"/formgrader/api/grade/{mark.grade}", f"/formgrader/api/comment/{mark.comment_id}"
    (found,) = [
        d for d in page_of(ta, f"written/{WHY}").all("div") if d.get("data-submission") == mark.submission
    ]
    assert found["data-manual"] == "null"
    assert ta.ask("PUT", grade, {"manual_score": 2, "expected": None})[0] == 200
    status, text, _ = ta.ask("PUT", grade, {"manual_score": 3, "expected": None})
    assert (status, json.loads(text)) == (409, {"now": 2, "waits": False}) and marks_of(course)[
        "gus"
    ].points == 2
    assert ta.ask("PUT", grade, {"manual_score": 2, "expected": None})[0] == 200  # both gave the same
    assert ta.ask("PUT", grade, {"manual_score": 3, "expected": 2})[0] == 200
    with api_for(course).gradebook as gradebook:  # another process
        gradebook.find_grade_by_id(mark.grade).manual_score = 1
        gradebook.db.commit()
    assert ta.ask("PUT", grade, {"manual_score": 4, "expected": 3})[0] == 409
    assert ta.ask("PUT", comment, {"manual_comment": "Why?", "expected": ""})[0] == 200
    status, text, _ = ta.ask("PUT", comment, {"manual_comment": "How?", "expected": " "})
    assert (status, json.loads(text)) == (409, {"now": "Why?"})
    assert ta.ask("PUT", comment, {"manual_comment": "How?", "expected": "Why?\r\n"})[0] == 200
    assert (marks_of(course)["gus"].points, marks_of(course)["gus"].comment) == (1, "How?")
    for path in (grade, comment):
        assert ta.ask("PUT", path[:-4] + "none", {"expected": None})[0] == 404
        assert ta.ask("PUT", path, {"expected": "x"}, xsrf=False)[0] == 403
        assert (
            ta.ask("PUT", path, {"manual_score": None, "manual_comment": None})[0] == 200
        )  # nbgrader's own page


def test_a_damaged_notebook_is_named_and_ends_no_page(ta, course):
    path = course / "autograded" / "fay" / LESSON / f"{LESSON}.ipynb"
    whole = path.read_text()
    submission = marks_of(course)["fay"].submission
    try:
        path.write_text("{")
        page = page_of(ta, f"written/{WHY}")
        path.unlink()
        status, text, _ = ta.ask("GET", f"/formgrader/submissions/{submission}/")
        assert status == 404 and "is missing. Autograde this submission again." in text
    finally:
        path.write_text(whole)
    assert "1 not shown, since the graded notebook is missing or damaged (fay)" in " ".join(page.text.split())
    assert len([d for d in page.all("div") if d.get("class") == "mark"]) == len(ANSWERS) - 1
    assert "not shown" not in page_of(ta, f"written/{WHY}").text


def test_a_damaged_file_of_the_second_reader_is_said_and_the_first_one_goes_on(ta, course):
    path = course / ".grading" / "second-reader" / f"{LESSON}.json"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text('{"seed": 0, "answers": {"written_why": 3}, "marks": {}}')
    try:
        page = page_of(ta, "written")
        assert page.text.count("cannot be read") == 1 and f"/formgrader/written/{WHY}" in str(page.all("a"))
        status, text, _ = ta.ask("GET", f"/formgrader/second/{WHY}")
        assert status == 409 and "back-up" in text
    finally:
        path.unlink()


def test_a_scheme_that_another_process_wrote_is_shown(ta, course):
    def said():
        return page_of(ta, f"written/{WHY}").text

    assert "Four points for the word ratio." in said()
    with api_for(course).gradebook as gradebook:
        cell = gradebook.find_source_cell("written_why", LESSON, LESSON)
        before, cell.source = cell.source, cell.source.replace("Four points", "All points")
        gradebook.db.commit()
        assert "All points for the word ratio." in said()
        cell.source = before
        gradebook.db.commit()


def test_who_is_not_signed_in_sees_nothing_and_saves_nothing(url, course):
    stranger = Person(url)
    for path in ("written", f"written/{WHY}", f"second/{WHY}"):
        _, text, _ = stranger.ask("GET", f"/formgrader/{path}")
        assert "growth" not in text and "written_why" not in text.replace(
            path.replace("/", "%2F"), ""
        ).replace(path, "")
    assert stranger.ask("PUT", f"/formgrader/api/second/{WHY}", {"points": 1})[0] == 403


def test_a_second_reader_sees_no_first_mark_and_changes_no_score(ta, course):
    assert ta.ask("GET", f"/formgrader/second/{WHY}")[0] == 404  # nothing drawn yet
    mark, said = marks_of(course)["eva"], {"manual_comment": "Which ratio?"}
    assert ta.ask("PUT", f"/formgrader/api/grade/{mark.grade}", {"manual_score": 3})[0] == 200
    assert ta.ask("PUT", f"/formgrader/api/comment/{mark.comment_id}", said)[0] == 200
    first = marks_of(course)["eva"]
    report = report_on(course, LESSON, most=10, seed=0, fresh=False)
    assert report.drawn and [one.sampled for one in report.exercises] == [
        3,
        0,
    ]  # no empty one, no second of the same
    status, text, _ = ta.ask("GET", f"/formgrader/second/{WHY}")
    assert status == 200 and "Which" not in text and first.grade not in text and "Show names" not in text
    assert 'class="mark"' in text and Page(text).all("input")[0]["value"] == ""

    def put(points, submission=first.submission, **more):
        return ta.ask(
            "PUT", f"/formgrader/api/second/{WHY}", {"submission": submission, "points": points}, **more
        )

    assert put(2, xsrf=False)[0] == 403
    for wrong in (5, -1, "2", True, [1]):
        assert put(wrong)[0] == 400, wrong
    empty = marks_of(course)["dot"].submission
    assert put(2, empty)[0] == put(2, "none")[0] == put(2, None)[0] == put(2, ["x"])[0] == 404
    assert put(2)[0] == 200
    before, after = first, marks_of(course)["eva"]
    assert before == after and after.points == 3
    (row, _) = report_on(course, LESSON, most=10, seed=0, fresh=False).exercises
    assert (row.n, row.exact, row.difference, row.shift) == (1, 0.0, 1.0, -1.0) and "too few" in row.notes[-1]
    assert "2" in [field["value"] for field in page_of(ta, f"second/{WHY}").all("input")]
    assert "1 of 3 read" in page_of(ta, "written").text
    saved = Sample.read(course, LESSON).marks["written_why"][first.submission]
    assert saved.points == 2 and saved.reader
    assert put(None)[0] == 200 and not Sample.read(course, LESSON).marks["written_why"]


def test_numbers_that_json_has_no_word_for_are_no_points():
    exercise = WrittenExercise("a", "a", "w", 4.0, "1", "")
    for value in json.loads("[NaN, Infinity, -Infinity]"):
        assert not written_pages._is_between(value, exercise.points)
    assert written_pages._is_between(4, exercise.points) and written_pages._is_between(0.5, exercise.points)
