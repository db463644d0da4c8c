"""The teaching assistant's pages of written answers in a browser: by keyboard, for axe-core, with a hostile answer."""

import sys
from pathlib import Path

import pytest
from test_pages import SCHEMES, violations

sys.path.append(str(Path(__file__).resolve().parents[1] / "grading"))
from formgrader_server import TOKEN, formgrader
from small import LESSON
from written_class import ANSWERS, written_class

from course_utils.grading.demo_class import api_for
from course_utils.grading.second_reader import Sample, report_on
from course_utils.grading.written import find_marks, written_exercises

pytestmark = [pytest.mark.hub, pytest.mark.slow, pytest.mark.xdist_group("hub")]
WHY, HOW = f"written/{LESSON}/{LESSON}/written_why", f"written/{LESSON}/{LESSON}/written_how"
SECOND = f"second/{LESSON}/{LESSON}/written_why"


@pytest.fixture(scope="module")
def course(tmp_path_factory):
    return written_class(tmp_path_factory.mktemp("written") / "class")


@pytest.fixture(scope="module")
def url(course, tmp_path_factory):
    with formgrader(course, tmp_path_factory.mktemp("server")) as address:
        yield address


@pytest.fixture(autouse=True)
def unmarked(course):
    """Nobody has points or a comment, and no sample is drawn."""
    with api_for(course).gradebook as gradebook:
        for name in ("written_why", "written_how"):
            for student in ANSWERS:
                grade = gradebook.find_grade(name, LESSON, LESSON, student)
                grade.manual_score, grade.needs_manual_grade = None, True
                gradebook.find_comment(name, LESSON, LESSON, student).manual_comment = None
        gradebook.db.commit()
    (course / ".grading" / "second-reader" / f"{LESSON}.json").unlink(missing_ok=True)


def marks(course, name="written_why"):
    """By student: (points, comment)."""
    with api_for(course).gradebook as gradebook:
        (exercise,) = [one for one in written_exercises(gradebook, LESSON) if one.name == name]
        return {mark.student: (mark.points, mark.comment) for mark in find_marks(gradebook, exercise)}


@pytest.fixture
def opened(browser, url):
    """`opened(path)`: that page of formgrader, for somebody who is signed in. What it says is in `page.said`."""
    contexts = []

    def open_(path, scheme="light", width=1280, bypass=False):
        context = browser.new_context(
            color_scheme=scheme, viewport={"width": width, "height": 800}, bypass_csp=bypass
        )
        contexts.append(context)
        page = context.new_page()
        page.set_default_timeout(10_000)
        page.said = []
        page.goto(f"{url}/tree?token={TOKEN}")
        page.on("console", lambda message: page.said.append(message.text))
        page.on("pageerror", lambda error: page.said.append(str(error)))
        page.goto(f"{url}/formgrader/{path}")
        return page

    yield open_
    for context in contexts:
        context.close()


def focus(page):
    """The id of what has the keyboard."""
    return page.evaluate("document.activeElement.id")


def of(page, course, student):
    """The mark of that student's answer on the page."""
    with api_for(course).gradebook as gradebook:
        number = gradebook.find_submission_notebook(LESSON, LESSON, student).id
    return page.locator(f"[data-submission='{number}']")


def saved(mark):
    mark.locator(".said", has_text="Saved.").wait_for()


@SCHEMES
@pytest.mark.parametrize("name", ["written", WHY, f"{WHY}?names=1", SECOND])
def test_axe(course, opened, shot, name, scheme):
    report_on(course, LESSON, most=10, seed=0, fresh=False)
    page = opened(name, scheme, bypass=True)
    for details in page.locator("details").all():
        details.evaluate("it => { it.open = true }")
    shot(page, f"written-{name.partition('/')[0]}-{name[-7:].strip('/')}-{scheme}")
    assert violations(page) == []
    assert page.locator("h1").count() == 1


def test_axe_with_marks_and_what_went_wrong(course, opened):
    page = opened(WHY, "dark", bypass=True)
    mark = of(page, course, "eva")
    mark.locator(".points").fill("3")
    mark.locator(".comment").fill("Say **what** grows.")
    mark.locator(".points").focus()
    saved(mark)
    mark.locator(".points").fill("30")
    mark.locator(".comment").focus()
    assert "from 0 to 4" in mark.locator(".said").inner_text()
    assert violations(page) == []


def test_a_class_is_marked_with_the_keyboard_alone(course, opened):
    page = opened(WHY)
    assert page.locator("#progress").inner_text() == "0 of 7 marked, 7 wait."
    page.keyboard.press("Control+Period")
    while focus(page).startswith("g"):  # several identical answers
        page.keyboard.press("Control+Period")
    first = focus(page)
    page.keyboard.type("2,5")
    page.keyboard.press("Tab")
    assert focus(page) == first.replace("points", "comment")
    page.keyboard.type("Say what grows.")
    page.keyboard.press("Control+Period")
    page.locator("#given button", has_text="Say what grows.").wait_for()
    second = focus(page)
    assert second != first and second.endswith("-points")
    page.keyboard.press("Control+Comma")
    assert focus(page) != second  # the first no longer waits, so the keyboard goes round
    # A group or a single answer: whatever comes, to the end.
    for _ in range(10):
        page.keyboard.press("Control+Period")
        if not focus(page).endswith("-points"):
            break
        page.keyboard.type("1")
        page.keyboard.press("Tab")
        page.keyboard.press("Control+Shift+Digit1")
        if focus(page).startswith("g"):
            page.keyboard.press("Tab")
            page.keyboard.press("Enter")
            page.locator(".mark.all .said", has_text="answers.").last.wait_for()
        page.wait_for_load_state("networkidle")
    page.locator("#progress", has_text="All 7 marked.").wait_for()
    assert focus(page) == "after"
    given = marks(course)
    assert sorted(points for points, _ in given.values()) == [1] * 6 + [2.5]
    assert {comment for _, comment in given.values()} == {"Say what grows."}
    page.keyboard.press("Enter")
    page.wait_for_url(f"**/{HOW}")


def test_the_next_answer_begins_at_the_top_of_the_window(course, opened):
    page = opened(WHY)
    page.locator(".text").first.evaluate("it => { it.style.height = '2000px' }")
    for _ in range(3):
        page.keyboard.press("Control+Period")
        box = page.locator(".answer:focus-within").bounding_box()
        bar = page.locator("header").bounding_box()
        end = page.evaluate("innerHeight + scrollY >= document.documentElement.scrollHeight - 1")
        assert bar["y"] + bar["height"] <= box["y"] + 1 and (box["y"] < 100 or end)


def test_a_group_gets_one_mark_and_those_who_have_one_keep_it(course, opened):
    page = opened(WHY)
    group = page.locator(".answer", has_text="3 identical answers")
    group.locator("summary").click()
    own = of(page, course, "bea")
    own.locator(".points").fill("4")
    own.locator(".comment").focus()
    saved(own)
    give = group.locator(".give")
    assert give.inner_text() == "Give this to the 2 that wait"
    give.click()
    assert "points first" in group.locator(".mark.all .said").inner_text()
    group.locator(".mark.all .comment").fill("Why <b>growth</b>?")
    group.locator(".mark.all .points").press_sequentially("3")
    assert group.locator(".mark.all .said").inner_text() == "Not given yet."
    group.locator(".mark.all .points").press("Enter")
    group.locator(".said", has_text="Saved for 2 answers.").wait_for()
    page.keyboard.press("Tab")
    assert group.locator(".mark.all .said").inner_text() == "Saved for 2 answers."
    given = marks(course)
    assert given["ada"] == given["gus"] == (3, "Why <b>growth</b>?") and given["bea"] == (4, "")
    assert {points for who, (points, _) in given.items() if who not in ("ada", "bea", "gus")} == {None}
    page.reload()
    assert page.locator("#given button").inner_text() == "Why <b>growth</b>?"


def test_what_is_typed_is_saved_when_the_page_is_left(course, opened):
    page = opened(WHY)
    mark = of(page, course, "eva")
    mark.locator(".comment").press_sequentially("Half a thou")
    page.keyboard.press("Control+Shift+Period")
    page.wait_for_url(f"**/{HOW}")
    page.wait_for_load_state("networkidle")
    assert marks(course)["eva"] == (None, "Half a thou")
    page.go_back()
    of(page, course, "eva").locator(".points").press_sequentially("2")
    page.goto("about:blank")  # another address is typed, or the window is closed
    page.wait_for_timeout(500)
    assert marks(course)["eva"] == (2, "Half a thou")


def test_a_number_that_may_not_be_is_said_and_the_wheel_changes_none(course, opened):
    page = opened(WHY)
    mark = of(page, course, "eva")
    field = mark.locator(".points")
    for wrong in ("5", "-1", "two", "1e1", "0x1", "."):
        field.fill(wrong)
        mark.locator(".comment").focus()
        assert "from 0 to 4" in mark.locator(".said.wrong").inner_text(), wrong
        assert field.get_attribute("aria-invalid") == "true"
    assert marks(course)["eva"] == (None, "")
    field.fill("3")
    field.press("Enter")
    saved(mark)
    field.hover()
    page.mouse.wheel(0, 300)
    page.keyboard.press("ArrowUp")
    mark.locator(".comment").focus()
    assert field.input_value() == "3" and marks(course)["eva"][0] == 3


def test_what_could_not_be_saved_is_said_and_can_be_tried_again(course, opened):
    page = opened(WHY)
    mark = of(page, course, "eva")
    page.route("**/api/grade/*", lambda route: route.abort())
    mark.locator(".points").fill("3")
    mark.locator(".points").press("Enter")
    mark.locator(".said.wrong", has_text="Not saved (points)").wait_for()
    mark.locator(".comment").fill("Which one grows?")
    mark.locator(".points").focus()
    page.locator("#given button").wait_for()  # the comment was saved
    assert "Not saved (points)" in mark.locator(".said.wrong").inner_text()
    assert page.locator("#progress").inner_text() == "0 of 7 marked, 7 wait."
    page.unroute("**/api/grade/*")
    mark.locator(".points").press("Enter")
    saved(mark)
    assert marks(course)["eva"] == (3, "Which one grows?")


def test_two_who_mark_the_same_answer_are_asked_whose_mark_stays(course, opened):
    first, second = of(opened(WHY), course, "eva"), of(page := opened(WHY, bypass=True), course, "eva")
    first.locator(".points").fill("3")
    first.locator(".comment").fill("Which one grows?")
    first.locator(".points").focus()
    saved(first)
    second.locator(".points").fill("2")
    second.locator(".comment").fill("Say why.")
    second.locator(".points").focus()
    second.locator(".meanwhile", has_text="Meanwhile it has 3 points.").wait_for()
    second.locator(".meanwhile", has_text="Meanwhile it has “Which one grows?”").wait_for()
    assert "Not saved" in second.locator(".said.wrong").inner_text() and violations(page) == []
    second.locator(".points").press("Enter")  # tried again it is asked again
    assert marks(course)["eva"] == (3, "Which one grows?")
    assert second.locator(".points").input_value() == "2"
    second.locator("[data-what='points'] button", has_text="Keep that").click()
    assert second.locator(".points").input_value() == "3"
    second.locator("[data-what='comment'] button", has_text="Save mine").click()
    saved(second)
    assert marks(course)["eva"] == (3, "Say why.") and second.locator(".meanwhile").count() == 0
    assert page.locator("#progress").inner_text() == "1 of 7 marked, 6 wait."
    first.locator(".points").fill("4")
    first.locator(".points").press("Enter")
    first.locator(".meanwhile", has_text="Say why.").wait_for()  # its points were saved: those it knew
    first.locator("button", has_text="Keep that").click()
    assert marks(course)["eva"] == (4, "Say why.")
    second.locator(".points").fill("1")
    page.keyboard.press("Control+Shift+Period")  # to the next exercise
    second.locator(".meanwhile", has_text="4 points").wait_for()
    second.locator(".meanwhile button", has_text="Save mine").click()
    saved(second)
    second.locator(".comment").fill("Which, and why?")
    page.click("#after")
    page.wait_for_url(f"**/{HOW}")
    assert marks(course)["eva"] == (1, "Which, and why?")


def test_a_member_of_a_group_that_a_colleague_has_marked_is_asked_about(course, opened):
    page, colleague = opened(WHY), opened(WHY)
    colleague.locator(".answer", has_text="3 identical answers").locator("summary").click()
    theirs = of(colleague, course, "bea")
    theirs.locator(".points").fill("4")
    theirs.locator(".points").press("Enter")
    saved(theirs)
    group = page.locator(".answer", has_text="3 identical answers")
    group.locator(".mark.all .points").fill("1")
    group.locator(".mark.all .points").press("Enter")
    group.locator(".said", has_text="Saved for 2 answers. Not saved for 1").wait_for()
    assert of(page, course, "bea").locator(".meanwhile").is_visible()
    assert {who: marks(course)[who][0] for who in ("ada", "bea", "gus")} == {"ada": 1, "bea": 4, "gus": 1}


def test_a_hostile_answer_acts_nowhere_and_nothing_is_asked_of_others(course, opened, url):
    for path in ("written", WHY, f"{WHY}?names=1"):
        page = opened("written")
        asked = []
        page.on("request", lambda request, asked=asked: asked.append(request.url))
        page.goto(f"{url}/formgrader/{path}")
        page.wait_for_load_state("networkidle")
        assert page.said == [] and all(address.startswith(url) for address in asked), (page.said, asked)
        assert not page.evaluate("Object.keys(window).some(name => name.includes('owned'))")
        assert page.locator("body").is_visible()


def test_a_second_reader_marks_blindly_and_changes_no_score(course, opened):
    report_on(course, LESSON, most=10, seed=0, fresh=False)
    page = opened(SECOND)
    assert page.locator(".comment, #given").count() == 0 and "Last" not in page.content()
    for points in "123":
        page.keyboard.press("Control+Period")
        page.keyboard.type(points)
        page.keyboard.press("Enter")
        page.locator("#progress", has_text="All 3" if points == "3" else f"{points} of 3 marked").wait_for()
    assert {points for points, _ in marks(course).values()} == {None}
    second = Sample.read(course, LESSON).marks["written_why"]
    assert sorted(mark.points for mark in second.values()) == [1, 2, 3]
    (row, _) = report_on(course, LESSON, most=10, seed=0, fresh=False).exercises
    assert row.n == 0 and "3 wait for the first reader" in row.notes


def test_every_field_is_reached_by_tab_and_seen(opened):
    page = opened(WHY)
    wanted = [it.get_attribute("id") for it in page.locator(".answer > .mark :is(input, textarea)").all()]
    script = "(it => [it.id, it.tagName, getComputedStyle(it).outlineStyle])(document.activeElement)"
    reached = []
    for _ in range(80):
        page.keyboard.press("Tab")
        name, tag, outline = page.evaluate(script)
        if tag == "BODY":
            break
        assert outline == "solid", (name, tag)
        reached.append(name)
    assert [name for name in reached if name in wanted] == wanted


def test_a_narrow_page_is_not_scrolled_sideways(course, opened):
    report_on(course, LESSON, most=10, seed=0, fresh=False)
    for path in (WHY, SECOND, "written"):
        page = opened(path, width=400)
        assert page.evaluate("document.documentElement.scrollWidth") <= 400, path
