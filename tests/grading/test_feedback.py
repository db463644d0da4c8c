"""What a student is told: by the policy cell by cell, then on the pages of a small class graded by nbgrader itself."""

import csv
import io
import os
import sysconfig
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import nbformat
import pytest
from nbformat import NotebookNode
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook, new_output
from small import LESSON, small_lesson
from traitlets.config import Config

from course_utils.grading.feedback import LEVELS, VERDICTS, FeedbackPolicy, verdict_of, visible_half
from course_utils.grading.feedback_summary import comments, exercises

HIDDEN = """### BEGIN HIDDEN TESTS
secret_case = 41
assert double(secret_case) == 82, 'fresh numbers'
### END HIDDEN TESTS"""
VISIBLE = "# The hidden half uses fresh numbers.\nassert double(1) == 2, 'one'"
ERROR = {"ename": "AssertionError", "evalue": "fresh numbers"}
TRACEBACK = [
    "----> 2 assert double(\x1b[31msecret_case) == \x1b[0m82, 'fresh numbers'",
    "AssertionError: fresh numbers",
]
SCHEME = "=== BEGIN MARK SCHEME ===\nFour points for the word ratio.\n=== END MARK SCHEME ==="


def marked(grade_id: str, **flags: Any) -> dict[str, Any]:
    base = {"schema_version": 3, "grade": False, "solution": False, "locked": True, "task": False}
    return {"nbgrader": {**base, "grade_id": grade_id, **flags}}


def a_test(
    source: str, outputs: list[Any], *, course: Any = None, tags: tuple[str, ...] = ()
) -> NotebookNode:
    """A graded test cell of 2 points, as it stands in the autograded notebook."""
    metadata = marked("double-hidden", grade=True, points=2) | {"tags": list(tags)}
    cell = new_code_cell(source, outputs=outputs, execution_count=3, metadata=metadata)
    cell.id = "double-hidden"
    if course:
        cell.metadata["course"] = NotebookNode(course)
    return cell


def failed(**more: Any) -> NotebookNode:
    error = new_output("error", **ERROR, traceback=TRACEBACK)
    return a_test(
        f"{VISIBLE}\n{HIDDEN}", [new_output("stream", name="stdout", text="seen 41"), error], **more
    )


def told(*cells: Any, metadata: Any = None, **traits: Any) -> Any:
    """The notebook of these cells as the policy leaves it."""
    policy = FeedbackPolicy(config=traits.pop("config", Config()), **traits)
    return policy.preprocess(new_notebook(cells=list(cells), metadata=metadata or {}), {})[0]


def words(cell: Any) -> list[str]:
    """What a cell's outputs say, in any template."""
    return [out.text if out.output_type == "stream" else out.data["text/plain"] for out in cell.outputs]


# ---- the policy ----


def test_by_default_the_visible_half_the_verdict_and_the_message() -> None:
    (cell,) = told(failed()).cells
    assert cell.source == VISIBLE
    assert words(cell) == ["Failed. fresh numbers"]
    assert "secret_case" not in nbformat.writes(new_notebook(cells=[cell]))


@pytest.mark.parametrize(
    ("level", "said"),
    [
        ("none", []),
        ("verdict", ["Failed."]),
        ("message", ["Failed. fresh numbers"]),
    ],
)
def test_levels_below_full(level: str, said: list[str]) -> None:
    (cell,) = told(failed(), level=level).cells
    assert words(cell) == said and cell.source == VISIBLE


def test_full_holds_nothing_back() -> None:
    task = new_markdown_cell(f"Why?\n\n{SCHEME}", metadata=marked("written", task=True, points=4))
    cell, task = told(failed(), task, level="full").cells
    assert HIDDEN in cell.source and SCHEME in task.source
    assert [out.output_type for out in cell.outputs] == ["display_data", "stream", "error"]


@pytest.mark.parametrize("level", LEVELS)
def test_a_tag_sets_a_cells_own_level(level: str) -> None:
    tagged = told(failed(tags=(f"feedback-{level}",)), trust_tags=True).cells[0]
    assert tagged == told(failed(tags=(f"feedback-{level}",)), level=level).cells[0]


def test_a_tag_that_may_be_a_students_never_tells_more() -> None:
    (cell,) = told(failed(tags=("feedback-full",)), level="verdict").cells
    assert words(cell) == ["Failed."] and cell.source == VISIBLE
    (cell,) = told(failed(tags=("feedback-none",)), level="verdict").cells
    assert words(cell) == []


def test_what_a_passing_test_printed_is_shown_and_what_it_wrote_elsewhere_is_not() -> None:
    outputs = [
        new_output("stream", name="stdout", text="Right: B. Rows are queries."),
        new_output("display_data", {"text/html": "<b>secret_case</b>"}),
    ]
    assert words(told(a_test(HIDDEN, outputs)).cells[0]) == ["Passed.", "Right: B. Rows are queries."]
    assert words(told(a_test(HIDDEN, outputs), level="verdict").cells[0]) == ["Passed."]


def test_a_wholly_hidden_test_says_so() -> None:
    assert told(a_test(HIDDEN, [])).cells[0].source == "# Hidden tests."
    assert told(a_test(f"# Fresh inputs.\n{HIDDEN}", [])).cells[0].source == "# Fresh inputs."


def test_an_open_region_reaches_to_the_end() -> None:
    assert visible_half("a\n### BEGIN HIDDEN TESTS\nb", "BEGIN HIDDEN TESTS", "END HIDDEN TESTS") == "a"
    assert visible_half("x\nBEGIN\ny\nBEGIN\nz\nEND\nw", "BEGIN", "END") == "x\nw"


def test_configured_delimiters_are_respected() -> None:
    config = Config()
    config.ClearHiddenTests.begin_test_delimeter, config.ClearHiddenTests.end_test_delimeter = "VVV", "AAA"
    config.ClearMarkScheme.begin_mark_scheme_delimeter, config.ClearMarkScheme.end_mark_scheme_delimeter = (
        "MMM",
        "WWW",
    )
    test = a_test("visible = 1\n# VVV\nassert secret_case\n# AAA", [])
    task = new_markdown_cell("Why?\nMMM\nratio\nWWW", metadata=marked("w", task=True, points=1))
    test, task = told(test, task, config=config).cells
    assert (test.source, task.source) == ("visible = 1", "Why?")


def test_no_mark_scheme() -> None:
    task = new_markdown_cell(
        f"Why?\n\n{SCHEME}\n\nWrite below.", metadata=marked("written", task=True, points=4)
    )
    assert told(task).cells[0].source == "Why?\n\n\nWrite below."


def test_the_students_own_cells_stay_as_they_are() -> None:
    error = new_output(
        "error", ename="ZeroDivisionError", evalue="division by zero", traceback=["----> 1 1/0"]
    )
    answer = new_code_cell(
        "# BEGIN HIDDEN TESTS is a text\n1/0", outputs=[error], metadata=marked("a", solution=True)
    )
    free = new_code_cell("1/0", outputs=[error])
    manual = new_code_cell("1/0", outputs=[error], metadata=marked("m", solution=True, grade=True, points=3))
    cells = told(answer, free, manual, failed()).cells
    assert cells[:3] == [answer, free, manual]
    assert all(cell.outputs == [error] for cell in cells[:3])


def test_a_traceback_through_a_hidden_test_is_cut_in_any_cell() -> None:
    error = new_output("error", ename="TypeError", evalue="no", traceback=TRACEBACK)
    free = new_code_cell("helper()", outputs=[error])
    assert told(failed(), free).cells[1].outputs[0].traceback == ["TypeError: no"]


@pytest.mark.parametrize(("verdict", "word"), VERDICTS.items())
def test_the_graders_verdict_goes_before_the_outputs(verdict: str, word: str) -> None:
    cell = failed(course={"verdict": verdict, "message": "so it says"})
    told_ = words(told(cell).cells[0])
    assert told_[0] == f"{word}. so it says"
    assert told_[1:] == (["seen 41"] if verdict in ("pass", "partial") else [])


@pytest.mark.parametrize(
    ("outputs", "verdict"),
    [
        ([], ("pass", "")),
        ([new_output("stream", name="stdout", text="hi")], ("pass", "")),
        ([new_output("execute_result", {"text/plain": "1.5"})], ("partial", "")),
        ([new_output("execute_result", {"text/plain": "2"})], ("pass", "")),
        ([new_output("execute_result", {"text/plain": "0"})], ("fail", "")),
        ([new_output("error", ename="AssertionError", evalue="", traceback=[])], ("fail", "")),
        ([new_output("error", ename="NameError", evalue="x", traceback=[])], ("fail", "NameError: x")),
        ([new_output("error", ename="KeyboardInterrupt", evalue="", traceback=[])], ("timeout", "")),
        ([new_output("error", ename="MemoryError", evalue="", traceback=[])], ("memory", "")),
    ],
)
def test_without_a_verdict_the_outputs_say_it(outputs: list[Any], verdict: tuple[str, str]) -> None:
    assert verdict_of(a_test("assert 1", outputs)) == verdict


def test_stderr_fails_as_in_nbgrader_and_a_cell_that_did_not_run_is_named() -> None:
    verdict, message = verdict_of(a_test("1", [new_output("stream", name="stderr", text="warning")]))
    assert verdict == "fail" and "stderr" in message
    cell = a_test("1", [])
    cell.execution_count = None
    assert verdict_of(cell) == ("not run", "")


def test_messages_are_plain_text_of_bounded_length() -> None:
    cell = failed(course={"verdict": "fail", "message": "\x1b[31mred\x1b]0;t\x07\r" + "x" * 9000})
    (output,) = told(cell).cells[0].outputs
    assert output.metadata.feedback.message == "x" * 2000
    cell = failed(course={"verdict": "fail", "message": "\x1b[31mred\x1b[0m <b>"})
    assert words(told(cell).cells[0]) == ["Failed. red <b>"]


def test_odd_metadata_is_no_reason_to_stop() -> None:
    for course in (
        "pass",
        {"verdict": "<script>"},
        {"verdict": ["pass"]},
        {"verdict": "fail", "message": None},
    ):
        cell = failed()
        cell.metadata["course"] = course
        assert words(told(cell).cells[0])[0].startswith("Failed.")
    assert told(failed(), metadata={"course": {"notes": ["a\x1b[2J", 3]}}).metadata.notes == ["a"]
    assert told(failed(), metadata={"course": "x", "notes": ["forged"]}).metadata.notes == []


# ---- what stands on top of the page ----


def seen(*, verdict: str = "", score: float = 0, waits: bool = False, grade_id: str = "double-hidden") -> Any:
    """A test of 2 points as `KeepGrades` and the policy leave it."""
    cell = a_test("assert 1", [], course={"verdict": verdict, "message": "why"} if verdict else None)
    cell.metadata["nbgrader"] |= {"grade_id": grade_id, "score": score, "waits": waits}
    return told(cell, level="message" if verdict else "none").cells[0]


@pytest.mark.parametrize(
    ("parts", "word"),
    [
        ([seen(verdict="pass", score=2), seen(verdict="pass", score=2)], "Passed"),
        ([seen(verdict="pass", score=2), seen(verdict="fail")], "Partly"),
        ([seen(verdict="fail"), seen(verdict="fail")], "Not yet"),
        ([seen(verdict="pass", score=2), seen(verdict="timeout")], "Out of time"),
        ([seen(verdict="memory"), seen(verdict="not run")], "Out of memory"),
        ([seen(verdict="not run"), seen(verdict="crashed")], "Crashed"),
        ([seen(verdict="not run"), seen(verdict="not run")], "Not run"),
        ([seen(verdict="pass", score=2), seen(waits=True)], "Not graded yet"),
        ([seen(score=2), seen(score=1)], "Partly"),  # nothing is told but the points
    ],
)
def test_an_exercise_in_a_word(parts: list[Any], word: str) -> None:
    (one,) = exercises(new_notebook(cells=parts))
    assert (one.word, one.points) == (word, 4)


def test_a_written_answer_is_graded_and_not_passed() -> None:
    metadata = marked("why", task=True, points=4)
    task = new_markdown_cell("### Why?", metadata=metadata)
    for waits, word in ((True, "Not graded yet"), (False, "Graded")):
        task.metadata.nbgrader |= {"score": 4, "waits": waits}
        (one,) = exercises(new_notebook(cells=[task]))
        assert (one.title, one.word, one.missed) == ("Why?", word, [])


def test_what_is_not_told_is_not_on_top_either() -> None:
    (one,) = exercises(new_notebook(cells=[seen(verdict="fail"), seen()]))
    assert [(part.word, part.message) for part in one.missed] == [("Failed", "why")]
    (one,) = exercises(new_notebook(cells=[seen(), seen()]))
    assert one.missed == []


def test_an_exercise_is_called_as_its_card_and_leads_to_its_answer() -> None:
    card = new_markdown_cell("Text.\n\n```\n# no heading\n```\n\n### Double the `x` #\n\nMore.")
    given = new_code_cell("import math", metadata=marked("setup"))
    answer = new_code_cell("x", metadata=marked("double", solution=True))
    other = seen(grade_id="halve-tests")
    found = exercises(new_notebook(cells=[card, given, answer, seen(), other]))
    assert [(one.title, one.link) for one in found] == [("Double the x", "double"), ("halve", "halve-tests")]


def test_comments_that_nobody_wrote_are_not_on_top() -> None:
    answers = [new_code_cell("x", metadata=marked(name, solution=True)) for name in ("a", "b", "c")]
    answers[0].metadata.nbgrader |= {"comment": "Well done.", "automatic_comment": False}
    answers[1].metadata.nbgrader |= {"comment": "No response.", "automatic_comment": True}
    answers[2].metadata.nbgrader |= {"comment": None, "automatic_comment": True}
    assert comments(new_notebook(cells=[new_markdown_cell("## One"), *answers])) == [
        ("a", "One", "Well done.")
    ]


# ---- a class, graded by nbgrader as it comes ----

SETTINGS = """
from pathlib import Path
from course_utils.grading.templates import protect_pages
c = get_config()
c.CourseDirectory.root = str(Path(__file__).parent)
c.CourseDirectory.course_id = "small"
c.ExportApp.plugin_class = "course_utils.grading.export.SafeCsvExport"
protect_pages(c)
"""
FREE = r"""
from IPython.display import HTML, Javascript, SVG, display
display(HTML("<p onclick='owned()'>hello</p><script>owned()</script>"), Javascript("owned()"))
display(SVG("<svg xmlns='http://www.w3.org/2000/svg' onload='owned()'></svg>"))
print("\x1b[38mplain\x1b]0;title\x07 <script>owned()</script>")
"""
WRONG = {"double": "def double(x):\n    return x + 1", "root": "def root(x):\n    return 1 / 0"}
RIGHT = {
    "double": "def double(x):\n    print('doubling', x)\n    return 2 * x",
    "root": "def root(x):\n    return x**0.5",
}
ANSWER = (
    "The ratio $x<y$.\n\n<script>owned()</script><img src=x onerror='owned()'> [plot](/formgrader?path=/x)"
)


class Found(HTMLParser):
    """What a page has: its elements by name, its text outside styles, the words of its verdicts."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.text, self.verdicts, self.inside = "", list[str](), ""
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))
        self.inside = (dict(attrs).get("class") or "").partition(" ")[0] if tag == "span" else tag

    def handle_endtag(self, tag: str) -> None:
        self.inside = ""

    def handle_data(self, data: str) -> None:
        if self.inside == "verdict":
            self.verdicts.append(data)
        if self.inside not in ("style", "script"):
            self.text += data


@pytest.fixture(scope="module")
def graded(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The course folder of a class of two, with feedback and grades.csv."""
    root = tmp_path_factory.mktemp("class")
    with pytest.MonkeyPatch.context() as patch:  # nbgrader calls `alembic` by its bare name
        patch.setenv("PATH", os.pathsep.join([sysconfig.get_path("scripts"), os.environ["PATH"]]))
        run_class(root)
    return root


def run_class(root: Path) -> None:
    from nbgrader.api import Gradebook
    from nbgrader.apps.api import NbGraderAPI

    from course_utils.grading.export import SafeCsvExport
    from course_utils.grading.release import load_settings

    (root / "nbgrader_config.py").write_text(SETTINGS)
    (root / "source" / LESSON).mkdir(parents=True)
    nbformat.write(small_lesson(), root / "source" / LESSON / f"{LESSON}.ipynb")
    api = NbGraderAPI(config=load_settings(root))
    assert (result := api.generate_assignment(LESSON))["success"], result
    submit(root, "mallory", WRONG, FREE, ANSWER)
    submit(root, "ada", RIGHT, "1 / 0", "It is the ratio.")
    with Gradebook(api.coursedir.db_url, "small") as gradebook:
        gradebook.add_student("mallory", first_name="=1+1", last_name="<b>", email="@sum")
        for student in ("mallory", "ada"):
            assert (result := api.autograde(LESSON, student))["success"], result
            assert (result := api.generate_feedback(LESSON, student))["success"], result
        SafeCsvExport(to=str(root / "grades.csv")).export(gradebook)


def submit(root: Path, student: str, answers: dict[str, str], free: str, written: str) -> None:
    notebook = nbformat.read(root / "release" / LESSON / f"{LESSON}.ipynb", as_version=4)
    for cell in notebook.cells:
        cell.source = answers.get(cell.metadata.get("nbgrader", {}).get("grade_id", ""), cell.source)
    notebook.cells[-1].source = written
    notebook.cells.insert(2, new_code_cell(free))
    (root / "submitted" / student / LESSON).mkdir(parents=True)
    nbformat.write(notebook, root / "submitted" / student / LESSON / f"{LESSON}.ipynb")


@pytest.mark.slow
@pytest.mark.xdist_group("feedback-class")
class TestClass:
    def page(self, graded: Path, student: str) -> Found:
        return Found((graded / "feedback" / student / LESSON / f"{LESSON}.html").read_text(encoding="utf-8"))

    def test_hidden_tests_and_mark_schemes_are_on_no_page(self, graded: Path) -> None:
        autograded = (graded / "autograded" / "ada" / LESSON / f"{LESSON}.ipynb").read_text()
        for secret in ("double(-3)", "root(9)", "HIDDEN TESTS"):
            assert secret in autograded, "or this test would prove nothing"
            for student in ("ada", "mallory"):
                page = graded / "feedback" / student / LESSON / f"{LESSON}.html"
                assert secret not in page.read_text(), "not even in an attribute"
        assert "word ratio" not in self.page(graded, "mallory").text
        assert "MARK SCHEME" not in self.page(graded, "mallory").text

    def test_verdicts_and_messages(self, graded: Path) -> None:
        wrong, right = self.page(graded, "mallory"), self.page(graded, "ada")
        # Two exercises and a written answer on top, then the answer and four tests.
        assert wrong.verdicts == ["Not yet"] * 2 + ["Not graded yet"] + ["Failed"] * 4 + ["Not graded yet"]
        assert right.verdicts == ["Passed"] * 2 + ["Not graded yet"] + ["Passed"] * 4 + ["Not graded yet"]
        assert "Failed: hidden case of double" in wrong.text
        assert "Failed: ZeroDivisionError: division by zero" in wrong.text
        assert "doubling 2" in right.text and "ZeroDivisionError: division by zero" in right.text
        assert "6 of 10 points so far" in right.text and "0 of 2 points" in wrong.text
        assert "1 answer (4 points) waits for a teaching assistant; until then it counts 0." in right.text
        points = [about["content"] for tag, about in right.elements if about.get("name") == "points"]
        assert points == ["6 of 10 so far"]  # what the exchange's page tells of it
        assert "2 of 2 exercises passed." in right.text and "0 of 2 exercises passed." in wrong.text

    def test_the_students_code_and_markup_do_not_act(self, graded: Path) -> None:
        page = self.page(graded, "mallory")
        tags = {tag for tag, _ in page.elements}
        assert not tags & {"script", "iframe", "object", "form", "svg", "link", "base"}
        assert not [name for _, attributes in page.elements for name in attributes if name.startswith("on")]
        links = {attributes["href"] for tag, attributes in page.elements if tag == "a"}
        assert links and all((link or "").startswith("#") for link in links)
        assert "hello" in page.text and "plain <script>owned()</script>" in page.text
        assert "$x<y$" in [attributes.get("alt") for tag, attributes in page.elements if tag == "img"]
        policy = page.elements[2][1]
        assert policy["http-equiv"] == "Content-Security-Policy" and "default-src 'none'" in (
            policy["content"] or ""
        )

    def test_every_link_leads_somewhere(self, graded: Path) -> None:
        elements = self.page(graded, "ada").elements
        places = {attributes.get("id") for _, attributes in elements}
        links = [attributes["href"] for tag, attributes in elements if tag == "a"]
        assert links and {(link or "")[1:] for link in links} <= places

    def test_the_grades(self, graded: Path) -> None:
        rows = list(csv.DictReader(io.StringIO((graded / "grades.csv").read_text(encoding="utf-8"))))
        by_student = {row["student_id"]: row for row in rows}
        assert {name: row["score"] for name, row in by_student.items()} == {"ada": "6.0", "mallory": "0.0"}
        assert by_student["mallory"]["first_name"] == "'=1+1" and by_student["mallory"]["email"] == "'@sum"
        assert by_student["mallory"]["last_name"] == "<b>" and by_student["ada"]["max_score"] == "10.0"
