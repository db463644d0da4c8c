"""A class in a browser, from release to feedback. The tests are one story, told in order."""

import copy
import json
import re
import time
from pathlib import Path

import nbformat
import psutil
import pytest

from course_utils.grading.demo_students import reference, typical_mistakes
from course_utils.grading.lesson import load_lesson

pytestmark = [pytest.mark.hub, pytest.mark.slow]
ROOT = Path(__file__).resolve().parents[2]
LIGHT, LESSON = "00-orientation", "02-attention-and-induction"
GOOD, BAD = "student01", "student02"
PRAISE = "Clear prediction, and you say what would have refuted it."
told = {}


def badly(notebook, lesson):
    """Typical mistakes, some of which only hidden tests see, and the first exercise not even begun."""
    first = lesson.exercises[0].id
    begun = {cell.metadata.get("nbgrader", {}).get("grade_id"): cell.source for cell in notebook.cells}
    done = typical_mistakes(copy.deepcopy(notebook), lesson)
    for cell in done.cells:
        if cell.metadata.get("nbgrader", {}).get("grade_id") == first:
            cell.source = begun[first]
    return done


def button(page, row, column):
    """Presses formgrader's button in a row of its table; the text of the box that says what came of it."""
    page.locator(f"#main-table tr:has(td:has-text('{row}')) td.{column} a").click()
    page.wait_for_selector(".modal.in .close", timeout=300_000)
    text = page.inner_text(".modal.in")
    page.click(".modal.in .close")
    page.wait_for_selector(".modal-backdrop", state="detached")
    return text


def assignments(page, hub, student):
    """The page is JupyterLab with the Assignment List open."""
    page.goto(f"{hub.url}/user/{student}/lab?reset")
    page.wait_for_selector(".jp-LauncherCard")
    page.click(".lm-MenuBar-itemLabel:has-text('Nbgrader')")
    page.click(".lm-Menu-itemLabel:has-text('Assignment List')")
    page.wait_for_selector("#released_assignments_list .list_item, #fetched_assignments_list .list_item")


def press(page, where, assignment, words):
    """Presses a button of the Assignment List."""
    row = page.locator(f"#{where}_assignments_list .list_item").filter(has_text=assignment)
    row.locator(f"button:has-text('{words}')").first.click()


def test_1_an_instructor_releases_two_lessons(people, hub, shot):
    page = people("instructor")
    page.goto(f"{hub.url}/services/agai302/formgrader")
    for lesson in (LIGHT, LESSON):
        assert "Successfully created the student version" in button(page, lesson, "assign")
        assert "Successfully released" in button(page, lesson, "release")
    shot(page, "1-released")
    assert {path.name for path in (hub.course / ".exchange/agai302/outbound").iterdir()} == {LIGHT, LESSON}
    released = (hub.course / f".exchange/agai302/outbound/{LESSON}/{LESSON}.ipynb").read_text()
    assert "BEGIN SOLUTION" not in released and "BEGIN HIDDEN" not in released


@pytest.mark.parametrize("student, work", [(GOOD, reference), (BAD, badly)])
def test_2_students_fetch_solve_and_submit(people, hub, api, shot, student, work):
    page = people(student)
    assignments(page, hub, student)
    for lesson in (LIGHT, LESSON):
        press(page, "released", lesson, "Fetch")
        page.locator("#fetched_assignments_list").get_by_text(lesson).first.wait_for()
    shot(page, f"2-fetched-{student}")
    for name in (LIGHT, LESSON):
        path = f"/user/{student}/api/contents/{name}/{name}.ipynb"
        _, text = api(student, "GET", path)
        notebook = nbformat.from_dict(json.loads(text)["content"])
        done = work(notebook, load_lesson(ROOT, name))
        status, _ = api(
            student, "PUT", path, json.dumps({"type": "notebook", "format": "json", "content": done})
        )
        assert status == 200
    for name in (LIGHT, LESSON):
        press(page, "fetched", name, "Submit")
        page.locator("#submitted_assignments_list").get_by_text(name).first.wait_for()
    shot(page, f"3-submitted-{student}")
    inbound = {
        path.name.split("+")[1] for path in (hub.course / ".exchange/agai302/inbound").glob(f"{student}+*")
    }
    assert inbound == {LIGHT, LESSON}


@pytest.mark.parametrize("student, words", [(GOOD, "Success"), (BAD, "failed")])
def test_3_validate_tells_right_from_wrong(people, hub, shot, student, words):
    page = people(student)
    assignments(page, hub, student)
    row = page.locator("#fetched_assignments_list .list_item").filter(has_text=LESSON).first
    row.locator("a.assignment-notebooks-link").click()
    page.locator("#fetched_assignments_list button:visible:has-text('Validate')").first.click()
    box = page.locator(".jp-Dialog")
    box.wait_for(timeout=300_000)
    shot(page, f"4-validated-{student}")
    assert words in box.inner_text()
    box.locator("button.jp-mod-accept").click()


def test_3_the_toolbar_of_a_notebook_validates_too(people, hub, shot):
    page = people(GOOD)
    page.goto(f"{hub.url}/user/{GOOD}/lab/tree/{LIGHT}/{LIGHT}.ipynb")
    page.locator(".jp-NotebookPanel-toolbar .jp-ToolbarButton:has-text('Validate')").first.click()
    box = page.locator(".jp-Dialog", has_text="Validation Results")
    box.wait_for(timeout=300_000)
    shot(page, "4-validated-from-the-toolbar")
    assert "Success" in box.inner_text()
    box.locator("button.jp-mod-accept").click()


def test_4_the_instructor_collects_and_autogrades_with_the_button(people, hub, api, shot):
    page = people("instructor")
    page.goto(f"{hub.url}/services/agai302/formgrader")
    for lesson in (LIGHT, LESSON):
        assert "Successfully collected" in button(page, lesson, "collect")
    assistant = people("ta1")
    assistant.goto(f"{hub.url}/services/agai302/formgrader")
    page.goto(f"{hub.url}/services/agai302/formgrader/manage_submissions/{LIGHT}")
    with page.expect_response(lambda reply: "autograde" in reply.url, timeout=300_000) as graded:
        page.locator(f"#main-table tr:has(td:has-text('{GOOD}')) td.autograde a").click()
        asked = time.monotonic()
        status, _ = api("ta1", "GET", "/services/agai302/formgrader/api/assignments")
        answered = time.monotonic()
    waited, took = answered - asked, time.monotonic() - asked
    print(f"while a submission was graded for {took:.1f} s, a colleague's page answered in {waited:.1f} s")
    assert graded.value.ok and status == 200 and waited < took / 2  # nobody waits for it
    for lesson in (LIGHT, LESSON):
        page.goto(f"{hub.url}/services/agai302/formgrader/manage_submissions/{lesson}")
        for student in (GOOD, BAD):
            told[lesson, student] = button(page, student, "autograde")
            assert "Successfully autograded" in told[lesson, student]
        shot(page, f"5-autograded-{lesson[:2]}")
    records = hub.course / ".grading" / "records" / LESSON
    assert {path.name for path in records.iterdir()} == {GOOD, BAD}  # the honest grader's own


def test_5_the_grades_are_those_of_the_work(people, api, hub):
    people("ta1").goto(f"{hub.url}/services/agai302/formgrader")
    for lesson in (LIGHT, LESSON):
        status, text = api("ta1", "GET", f"/services/agai302/formgrader/api/submissions/{lesson}")
        scores = {s["student"]: s for s in json.loads(text)}
        assert status == 200
        assert scores[GOOD]["code_score"] == scores[GOOD]["max_code_score"] > scores[BAD]["code_score"]


def test_6_a_teaching_assistant_grades_a_written_answer(people, hub, api, shot):
    page = people("ta1")
    page.goto(f"{hub.url}/services/agai302/formgrader")
    _, text = api("ta1", "GET", f"/services/agai302/formgrader/api/submitted_notebooks/{LESSON}/{LESSON}")
    of = {entry["student"]: entry for entry in json.loads(text)}
    assert of[GOOD]["needs_manual_grade"]
    page.goto(f"{hub.url}/services/agai302/formgrader/submissions/{of[GOOD]['id']}")
    field = page.locator("input.score.needs_manual_grade").first
    field.wait_for()
    field.scroll_into_view_if_needed()
    field.fill("7")
    with page.expect_response(
        lambda reply: "/api/grade/" in reply.url and reply.request.method == "PUT"
    ) as saved:
        field.press("Tab")
    assert saved.value.ok
    comment = page.locator("textarea.comment:visible").last
    comment.fill(PRAISE)
    with page.expect_response(
        lambda reply: "/api/comment/" in reply.url and reply.request.method == "PUT"
    ) as saved:
        comment.press("Tab")
    assert saved.value.ok
    comment.scroll_into_view_if_needed()
    shot(page, "6-written-answer")


def test_6_and_reads_an_exercise_of_the_whole_class_on_one_page(people, hub, api, shot):
    page = people("ta1")
    page.goto(f"{hub.url}/services/agai302/formgrader/gradebook")
    page.click("a:has-text('Written answers')")
    page.click("a:has-text('written_induction')")
    address = f"/services/agai302/formgrader/api/submitted_notebooks/{LESSON}/{LESSON}"
    before = {entry["student"]: entry for entry in json.loads(api("ta1", "GET", address)[1])}
    mark = page.locator(f"[data-submission='{before[GOOD]['id']}']")
    assert (before[GOOD]["task_score"], mark.locator(".points").input_value()) == (7, "7")
    assert mark.locator(".comment").input_value() == PRAISE
    assert PRAISE in page.locator("#given button").all_inner_texts()
    page.click("summary:has-text('by itself')")  # the demo's students write the same
    mark.locator(".points").fill("8")
    mark.locator(".points").press("Enter")
    mark.locator(".said", has_text="Saved.").wait_for()
    shot(page, "6-written-answers")
    after = {entry["student"]: entry for entry in json.loads(api("ta1", "GET", address)[1])}
    assert after[GOOD]["task_score"] == 8 and after[BAD] == before[BAD]


def test_7_feedback_goes_back_to_its_student(people, hub, api, shot):
    page = people("instructor")
    page.goto(f"{hub.url}/services/agai302/formgrader")
    assert "Successfully generated feedback" in button(page, LESSON, "generate-feedback")
    assert "Successfully released feedback" in button(page, LESSON, "release-feedback")
    for student in (GOOD, BAD):
        page = people(student)
        assignments(page, hub, student)
        press(page, "submitted", LESSON, "Fetch Feedback")
        page.locator("#submitted_assignments_list").get_by_text("View Feedback").first.wait_for()
        shot(page, f"7-feedback-{student}")
        _, text = api(student, "GET", f"/user/{student}/api/contents/{LESSON}/feedback")
        (when,) = [entry["path"] for entry in json.loads(text)["content"]]
        status, told[student] = api(student, "GET", f"/user/{student}/files/{when}/{LESSON}.html")
        assert status == 200
        page.goto(f"{hub.url}/user/{student}/files/{when}/{LESSON}.html")
        shot(page, f"8-reading-{student}")
        page.goto(f"{hub.url}/user/{student}/lab?reset")
    assert PRAISE in told[GOOD] and PRAISE not in told[BAD]
    assert "BEGIN HIDDEN" not in told[GOOD] and "MARK SCHEME" not in told[GOOD]


def test_8_ones_own_page_shows_receipts_and_feedback(people, hub, shot):
    page = people(GOOD)
    page.goto(f"{hub.url}/services/exchange/")
    row = page.locator(f"tr:has-text('{LESSON}')")
    assert "ready" in row.inner_text() and "UTC" in row.inner_text()
    assert BAD not in page.content() and " of 100" in row.inner_text()
    shot(page, "9-my-work")
    row.locator("a").click()
    page.wait_for_selector("h1:has-text('Feedback on')")
    assert PRAISE in page.content()
    others = people(BAD)
    assert others.goto(page.url).status == 404 and PRAISE not in others.content()
    others.goto(f"{hub.url}/user/{BAD}/lab?reset")
    page.goto(f"{hub.url}/user/{GOOD}/lab?reset")


def test_8_the_instructor_makes_the_report_in_a_terminal_and_opens_it(people, hub, shot):
    page = people("instructor")
    page.goto(f"{hub.url}/services/agai302/lab?reset")
    page.click(".jp-LauncherCard:has-text('Terminal')")
    page.wait_for_selector(".jp-Terminal .xterm-helper-textarea", state="attached")
    page.locator(".jp-Terminal .xterm-screen").click()
    page.keyboard.type("course report\n")
    report, until = hub.course / "report", time.monotonic() + 120
    while not (report / f"{LESSON}.html").is_file() and time.monotonic() < until:
        time.sleep(0.5)
    assert (report / f"{LESSON}.html").is_file(), page.locator(".jp-Terminal").inner_text()
    page.dblclick(".jp-DirListing-item:has-text('report')")
    page.click(".jp-DirListing-item:has-text('index.html')", button="right")
    with page.expect_popup() as opened:
        page.click(".lm-Menu-itemLabel:has-text('Open in New Browser Tab')")
    tab = opened.value
    tab.wait_for_selector("h1:has-text('Course report')")
    shot(tab, "9-report-of-the-course")
    tab.click(f"a:has-text('{LESSON}')")
    tab.wait_for_selector(f"h1:has-text('{LESSON}')")
    shot(tab, "9-report")
    said = tab.inner_text("main")
    assert "2 of 2 students have submitted" in said and "wait" in said
    tab.close()
    page.goto(f"{hub.url}/services/agai302/formgrader")


@pytest.mark.parametrize(
    "path",
    [
        "/services/agai302/", "/services/agai302/formgrader", "/services/agai302/formgrader/api/students",
        "/services/agai302/formgrader/written", f"/services/agai302/formgrader/second/{LESSON}/{LESSON}/x",
        "/services/agai302/api/contents/source", "/services/agai302/files/gradebook.db",
        "/services/agai302/files/.exchange/agai302", f"/user/{BAD}/api/contents", f"/user/{BAD}/lab",
        "/hub/api/users", "/hub/api/groups", "/hub/admin",
    ],
)  # fmt: skip
def test_9_a_student_is_refused(people, hub, shot, path):
    page = people(GOOD)
    reply = page.goto(hub.url + path)
    shot(page, "10-refused" + re.sub(r"\W", "-", path))
    status, text = reply.status, page.content()
    page.goto(f"{hub.url}/user/{GOOD}/lab?reset")
    assert status in (403, 404), (status, path)
    assert "gradebook" not in text.replace(path, "") or status == 403


def test_10_the_roles_see_different_menus(people, hub):
    seen = {}
    for name in ("instructor", "ta1", GOOD):
        page = people(name)
        page.goto(f"{hub.url}/user/{name}/lab?reset")
        page.wait_for_selector(".jp-LauncherCard")
        page.click(".lm-MenuBar-itemLabel:has-text('Nbgrader')")
        seen[name] = page.inner_text(".lm-Menu-content")
        page.keyboard.press("Escape")
    assert all("Assignment List" in text for text in seen.values())
    assert "Create assignment" in seen["instructor"] and "Create assignment" not in seen["ta1"] + seen[GOOD]
    assert (
        "Course List" in seen["instructor"]
        and "Course List" in seen["ta1"]
        and "Course List" not in seen[GOOD]
    )


def test_10_no_kernel_listens_where_others_could_listen_in(people, hub, api):
    people(GOOD).goto(f"{hub.url}/user/{GOOD}/lab?reset")
    status, text = api(GOOD, "POST", f"/user/{GOOD}/api/kernels", "{}")
    number = json.loads(text)["id"]
    until, kernels = time.monotonic() + 60, []
    while not kernels and time.monotonic() < until:
        kernels = [p for p in psutil.process_iter(["cmdline"]) if number in " ".join(p.info["cmdline"] or [])]
        time.sleep(1)
    assert status == 201 and kernels
    time.sleep(3)
    own = {kernel.pid for kernel in kernels}
    listening = [
        c for c in psutil.net_connections(kind="inet") if c.status == psutil.CONN_LISTEN and c.pid in own
    ]
    # On TCP it would be six. The one left is ipykernel's box for what forked children print: it takes, with a secret,
    # and gives nothing.
    assert len(listening) <= 1
    api(GOOD, "DELETE", f"/user/{GOOD}/api/kernels/{number}")


def test_11_nothing_in_the_log_is_a_fault_of_ours(hub):
    traces = re.findall(r"^ *Traceback .*\n(?:^ .*\n)+", hub.log(), re.MULTILINE)
    gone = "tornado.iostream.StreamClosedError"  # a browser that left before the answer came
    assert not [trace for trace in traces if gone not in trace.splitlines()[-1]]
