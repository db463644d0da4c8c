"""`course report`: facts of a class that are known, on pages that are one file each."""

import re
from datetime import datetime
from html.parser import HTMLParser
from pathlib import Path

import pytest
from faults import CLASS, LEAVES, hand_in, make_class
from small import LESSON

from course_utils.errors import ClassError
from course_utils.grading.demo_class import api_for
from course_utils.grading.many import class_grader
from course_utils.grading.report_data import (
    AssignmentFacts,
    ExerciseFacts,
    Handed,
    _facts,
    discrimination,
    read_assignment,
)
from course_utils.grading.report_page import write_report

pytestmark = pytest.mark.xdist_group("report")


def test_discrimination_is_the_correlation_with_the_rest() -> None:
    assert discrimination([0, 1, 2], [0, 2, 4]) == pytest.approx(1)  # the rest is 0, 1, 2
    assert discrimination([2, 1, 0], [2, 2, 2]) == pytest.approx(-1)
    assert discrimination([1, 1, 1], [1, 2, 3]) is None  # all have the same
    assert discrimination([0, 1], [0, 2]) is None  # too few
    assert discrimination([0, 1, 2], [5, 6, 7]) is None  # the rest is the same for all


@pytest.fixture(scope="module")
def klass(tmp_path_factory) -> Path:
    """`CLASS`, graded; `adds` came late, and `<b>zoe</b>` has not submitted."""
    folder = make_class(tmp_path_factory.mktemp("report") / "class")
    hand_in(folder, "adds", CLASS["adds"][0], "2031")
    with class_grader(folder, LESSON) as grader:
        assert len(list(grader)) == len(CLASS)
    with api_for(folder).gradebook as gradebook:
        gradebook.update_or_create_assignment(LESSON, duedate=datetime(2030, 6, 1))
        gradebook.update_or_create_student("<b>zoe</b>")
    return folder


@pytest.fixture(scope="module")
def facts(klass: Path) -> AssignmentFacts:
    with api_for(klass).gradebook as gradebook:
        return read_assignment(gradebook, klass, LESSON)


def exercise(facts: AssignmentFacts, name: str) -> ExerciseFacts:
    return next(one for one in facts.exercises if one.name == name)


@pytest.mark.slow
def test_the_class_is_counted(facts: AssignmentFacts) -> None:
    assert facts.points == 10.0
    assert {one.student: one.total for one in facts.handed} == {n: sum(s) for n, (_, s) in CLASS.items()}
    assert facts.missing == ("<b>zoe</b>",)
    assert [one.student for one in facts.late] == ["adds"]
    assert facts.late[0].late_s == (datetime(2031, 1, 1, 12) - datetime(2030, 6, 1)).total_seconds()
    assert [one.student for one in facts.ended] == [LEAVES]
    assert {one.student for one in facts.waiting} == set(CLASS)


@pytest.mark.slow
def test_exercises_are_measured(facts: AssignmentFacts) -> None:
    root = exercise(facts, "root")  # of 3: 3, 3, 1, 0, 3, 0
    assert (root.points, root.waits) == (3.0, 0)
    assert root.mean == pytest.approx(10 / 18)
    assert (root.all_points, root.none) == (pytest.approx(3 / 6), pytest.approx(2 / 6))
    double = [3, 1, 3, 3, 3, 0]  # adds, forgets, halves, leaves, returns, waits
    both = [6, 4, 4, 3, 6, 0]
    assert exercise(facts, "double").discrimination == pytest.approx(discrimination(double, both))
    assert ("hidden case of double", 2) in exercise(facts, "double").messages
    written = exercise(facts, "written_why")
    assert (written.mean, written.waits) == (None, len(CLASS))


def test_a_message_is_counted_once_for_a_student() -> None:
    both = {"a-visible": "rows sum to 1", "a-hidden": "rows sum to 1", "b-hidden": "else"}
    handed = [Handed(name, None, 0, {}, (), messages=both) for name in ("ada", "tom")]
    facts = _facts("a", [("a-visible", 1.0), ("a-hidden", 2.0)], handed)
    assert facts.messages == (("rows sum to 1", 2),)


class Page(HTMLParser):
    """Tags that are open, and what a page asks for from elsewhere."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.elsewhere: list[str] = []
        self.text = ""
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag not in ("meta", "link", "img", "br"):
            self.open.append(tag)
        self.elsewhere += [tag] if tag in ("script", "link", "img", "iframe") else []
        self.elsewhere += [value for name, value in attrs if name == "src" and value]

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.text += data


@pytest.mark.slow
def test_pages_are_whole_and_ask_for_nothing(klass: Path, tmp_path: Path) -> None:
    pages = write_report(klass, [], tmp_path / "report")
    assert [page.name for page in pages] == ["index.html", f"{LESSON}.html"]
    for path in pages:
        text = path.read_text(encoding="utf-8")
        page = Page(text)
        assert (page.open, page.elsewhere) == ([], [])
        assert "url(" not in text and "http:" not in text and "https:" not in text
        assert "<b>zoe</b>" not in text
    words = re.sub(r"\s+", " ", Page(pages[1].read_text(encoding="utf-8")).text)
    assert "6 of 7 students have submitted" in words and "Have not submitted: 1 <b>zoe</b>" in words
    assert "adds: 214 d 12 h" in words and f"{LEAVES}: crashed" in words
    index = Page(pages[0].read_text(encoding="utf-8")).text
    assert "6 / 7" in index and "root (0.56)" in index


@pytest.mark.slow
def test_an_assignment_can_be_asked_for_by_its_number(klass: Path, tmp_path: Path) -> None:
    pages = write_report(klass, ["1", "01", LESSON], tmp_path / "report")
    assert [page.name for page in pages] == ["index.html", f"{LESSON}.html"]


@pytest.mark.slow
def test_what_is_not_there_is_named(klass: Path, tmp_path: Path) -> None:
    for asked in ("09-x", "9", "small"):
        with pytest.raises(ClassError, match=rf"no assignment {asked}; it has: 01-small"):
            write_report(klass, [asked], tmp_path)
    (tmp_path / "file").write_text("")
    with pytest.raises(ClassError, match=r"could not be written.*--into"):
        write_report(klass, [LESSON], tmp_path / "file" / "report")
