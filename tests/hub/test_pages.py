"""Pages for everybody: axe-core finds nothing serious on those that students and staff read, light and dark."""

import base64
import json
import os
import sys
from pathlib import Path

import nbformat
import pytest
from nbformat.v4 import new_code_cell, new_markdown_cell

sys.path.append(str(Path(__file__).resolve().parents[1] / "grading"))
from faults import hand_in
from small import LESSON, small_course
from test_sanitise import HOSTILE, png

from course_utils.grading.demo_class import api_for
from course_utils.grading.many import class_grader
from course_utils.grading.report_page import write_report

pytestmark = [pytest.mark.hub, pytest.mark.slow, pytest.mark.xdist_group("hub")]
AXE = Path(sys.prefix) / "axe" / "node_modules" / "axe-core" / "axe.min.js"
SCHEMES = pytest.mark.parametrize("scheme", ["light", "dark"])
COMMENT = "# Look again\nThe *sign* is lost: see `abs`.\n\n| x | yours |\n|---|---|\n| -3 | 6 |"
# What a notebook shows of every kind, then what somebody writes who wants the page to act.
SHOWS = f"""
import sys
from IPython.display import HTML, Image, display
display(Image(data=__import__("base64").b64decode({base64.b64encode(png()).decode()!r})))
display(HTML("<table class='dataframe'><tr>" + "<th>a column</th>" * 40 + "</tr></table>"))
print("\\x1b[31mred \\x1b[32mgreen \\x1b[33myellow \\x1b[34mblue \\x1b[35mmagenta \\x1b[36mcyan\\x1b[0m", "x" * 500)
print("careful", file=sys.stderr)
for text in {list(HOSTILE.values())!r}:
    display(HTML(text))
"""


def violations(page):
    """What axe-core finds that is serious or critical: rule, elements, what is wrong."""
    page.evaluate(AXE.read_text())
    found = page.evaluate("axe.run()")
    assert found["passes"], "axe looked at nothing"
    return [
        (one["id"], one["impact"], node["html"][:200], node["failureSummary"])
        for one in found["violations"]
        if one["impact"] in ("serious", "critical")
        for node in one["nodes"]
    ]


@pytest.fixture(scope="module")
def klass(tmp_path_factory):
    """Graded submissions: one right, one that ends its kernel, one hostile with comments, one as it was fetched."""
    folder = small_course(tmp_path_factory.mktemp("pages") / "class")
    api = api_for(folder)
    assert api.generate_assignment(LESSON)["success"]
    hand_in(folder, "right", {}, "2030")
    hand_in(folder, "leaves", {"root": "import os\ndef root(x):\n    os._exit(1)"}, "2030")
    hand_in(folder, "untouched", None, "2030")
    path = (
        hand_in(folder, "hostile", {"double": "def double(x):\n    return 2 * abs(x)"}, "2030")
        / f"{LESSON}.ipynb"
    )
    notebook = nbformat.read(path, as_version=4)
    notebook.cells[2:2] = [
        new_code_cell(SHOWS),
        new_markdown_cell("# Mine\n" + "\n\n".join(HOSTILE.values())),
    ]
    notebook.cells[-1].source = "The ratio.\n\n" + "\n\n".join(HOSTILE.values())
    nbformat.write(notebook, path)
    with class_grader(folder, LESSON) as grader:
        outcomes = {one.student: one.outcome for one in grader}
    assert outcomes.pop("leaves") == "ended by a limit" and set(outcomes.values()) == {"graded"}
    with api.gradebook as gradebook:
        graded = gradebook.find_submission_notebook(LESSON, LESSON, "hostile")
        for comment in graded.comments:
            comment.manual_comment = COMMENT
        gradebook.db.commit()
    for student in ("right", "leaves", "untouched", "hostile"):
        assert api.generate_feedback(LESSON, student)["success"]
    write_report(folder, [], folder / "report")
    return folder


@pytest.fixture
def opened(browser):
    """`opened(path, scheme)`: a page of a file. What it says in its console is in `page.said`."""
    pages = []

    def open_(path, scheme):
        page = browser.new_context(color_scheme=scheme, bypass_csp=True).new_page()
        pages.append(page)
        page.said = []
        page.on("console", lambda message: page.said.append(message.text))
        page.on("pageerror", lambda error: page.said.append(str(error)))
        page.goto(path.as_uri())
        return page

    yield open_
    for page in pages:
        page.context.close()


def test_the_check_itself_finds_what_is_wrong(opened, tmp_path):
    (tmp_path / "bad.html").write_text("<p style='color: #999'>grey</p><img src='x'><a href='#x'></a>")
    rules = {rule for rule, *_ in violations(opened(tmp_path / "bad.html", "light"))}
    assert {"color-contrast", "image-alt", "html-has-lang", "document-title", "link-name"} <= rules


@SCHEMES
@pytest.mark.parametrize("student", ["right", "leaves", "untouched", "hostile"])
def test_feedback(klass, opened, shot, student, scheme):
    page = opened(klass / "feedback" / student / LESSON / f"{LESSON}.html", scheme)
    shot(page, f"feedback-{student}-{scheme}")
    assert violations(page) == []
    assert page.locator("h1").count() == 1 or student == "hostile"


@SCHEMES
@pytest.mark.parametrize("name", ["index", LESSON])
def test_report(klass, opened, shot, name, scheme):
    page = opened(klass / "report" / f"{name}.html", scheme)
    shot(page, f"report-{name}-{scheme}")
    assert violations(page) == []


@SCHEMES
def test_signing_in(hub, browser, shot, scheme):
    page = browser.new_context(color_scheme=scheme, bypass_csp=True).new_page()
    page.goto(f"{hub.url}/hub/login")
    assert violations(page) == []
    page.fill("input[name=username]", "student03")
    page.fill("input[name=password]", "not the password")
    page.click("#login_submit")
    page.wait_for_selector(".login_error")
    shot(page, f"login-{scheme}")
    assert violations(page) == []
    page.context.close()


@SCHEMES
def test_my_work(people, hub, shot, scheme):
    page = people("student01")
    page.emulate_media(color_scheme=scheme)
    page.goto(f"{hub.url}/services/exchange/")
    page.wait_for_selector("h1:has-text('My work')")
    shot(page, f"my-work-{scheme}")
    assert violations(page) == []
    page.emulate_media(color_scheme="light")
    page.goto(f"{hub.url}/user/student01/lab?reset")


def test_a_feedback_page_is_read_with_the_keyboard_alone(klass, opened):
    page = opened(klass / "feedback" / "hostile" / LESSON / f"{LESSON}.html", "light")
    page.keyboard.press("Tab")
    skip = page.locator(".skip")
    assert skip.evaluate("it => it === document.activeElement") and skip.bounding_box()["x"] >= 0
    page.keyboard.press("Enter")
    assert page.url.endswith("#notebook")
    page.goto(page.url.partition("#")[0])
    reached, wanted = [], [link.get_attribute("href") for link in page.locator("a").all()]
    for _ in range(3 * len(wanted)):
        page.keyboard.press("Tab")
        focus = (
            "(it => [it.tagName, it.className, it.getAttribute('href'), getComputedStyle(it).outlineStyle])"
        )
        tag, name, address, outline = page.evaluate(f"{focus}(document.activeElement)")
        if tag == "BODY":
            break
        assert outline == "solid" or tag == "DETAILS", name  # without a summary the browser draws its own
        reached.append((name, address))
    assert [address for _, address in reached if address] == wanted
    assert [name for name, _ in reached if "wide" in name], "the wide table cannot be scrolled"


def test_a_narrow_feedback_page_is_not_scrolled_sideways(klass, browser):
    page = browser.new_context(viewport={"width": 320, "height": 700}).new_page()
    for student in ("hostile", "leaves"):
        page.goto((klass / "feedback" / student / LESSON / f"{LESSON}.html").as_uri())
        assert page.evaluate("document.documentElement.scrollWidth") <= 320
    page.context.close()


def test_a_feedback_page_runs_and_loads_nothing(klass, browser):
    page = browser.new_context().new_page()
    asked, refused = [], []
    page.on("request", lambda request: asked.append(request.url))
    page.on("console", lambda message: refused.append(message.text))
    path = klass / "feedback" / "hostile" / LESSON / f"{LESSON}.html"
    page.goto(path.as_uri())
    assert [url for url in asked if not url.startswith("data:")] == [path.as_uri()]
    assert [text for text in refused if "owned" in text] == []
    assert (
        json.loads(
            page.evaluate("JSON.stringify(Object.keys(window).filter(name => name.includes('owned')))")
        )
        == []
    )
    assert os.path.getsize(path) < 2_000_000
    page.context.close()
