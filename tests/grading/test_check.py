"""`course check`: the clean lesson passes, and each way to break it gives exactly that rule's finding."""

import io
import json

import pytest
from rich.console import Console

from course_utils.grading.check import check_lessons
from course_utils.grading.check_prose import without_code
from course_utils.grading.findings import Finding, Findings
from course_utils.grading.release import write_release

LENGTH = {"words", "cells"}  # the fixture is much shorter than a lesson


def rules(course, *, release=False, severity="error"):
    """Which rules the lesson breaks, once for each finding, without those about length."""
    findings = check_lessons(course.write().root, [course.name], release=release)
    return [f.rule for f in findings if f.severity == severity and f.rule not in LENGTH]


def test_the_clean_lesson_has_no_finding_but_its_length(course):
    findings = check_lessons(course.write().root, release=False)
    assert {f.rule for f in findings} == LENGTH
    assert {f.severity for f in findings} == {"warning"}
    assert findings.exit_status == 0


# How to break each rule: (the only rule then found, what to do to the course).
def _meta(id, **change):
    return lambda c: c.cell(id)["metadata"]["nbgrader"].update(change)


def _put(id, source):
    return lambda c: c.put(id, source)


def _swap(id, old, new):
    return lambda c: c.swap(id, old, new)


def _set(id, **change):
    return lambda c: c.cell(id).update(change)


def _file(name):
    def write(c):
        (c.folder / name).parent.mkdir(parents=True, exist_ok=True)
        (c.folder / name).write_text("x")

    return write


def _add(after, cell_type, id, source, **flags):
    return lambda c: c.insert_after(after, c.make(cell_type, id, source, **flags))


def _drop(id):
    return lambda c: c.notebook["cells"].remove(c.cell(id))


def _free_answer(source, id="written_why-answer"):
    change = {"source": source, "metadata": {"tags": ["answer"]}, "id": id}
    return lambda c: c.cell("written_why-answer").update(change)


CLASS_STUB = 'class double:\n    """Doubles."""\n    def __call__(self, x) -> float:\n        return 2 * x'
LONG = "\n".join(f"a{n} = {n}" for n in range(26))
OUTPUT = [{"output_type": "stream", "name": "stdout", "text": "1"}]
HIDDEN = "### BEGIN HIDDEN TESTS\nassert double(5) == 10, 'five'\n### END HIDDEN TESTS"

BREAKS = {
    "old minor format": ("nbformat", lambda c: c.notebook.update(nbformat_minor=4)),
    "field that nbformat refuses": ("nbformat", _set("setup", colour="red")),
    "other kernel": ("kernelspec", lambda c: c.notebook["metadata"]["kernelspec"].update(name="ir")),
    "text twin": ("stray-file", _file("02-doubling.py")),
    "merge leftover": ("stray-file", _file("02-doubling.ipynb.orig")),
    "hidden file": ("stray-file", _file(".hidden")),
    "checkpoint": ("stray-file", _file(".ipynb_checkpoints/02-doubling-checkpoint.ipynb")),
    "csv among figures": ("stray-file", _file("figures/key.csv")),
    "double grade_id": ("grade-id", _meta("double-second", grade_id="double-visible")),
    "outputs": ("outputs", _set("setup", outputs=OUTPUT)),
    "execution count": ("outputs", _set("setup", execution_count=3)),
    "attachment": ("attachments", _set("section", attachments={"a.png": {"image/png": "AA=="}})),
    "widget state": ("widget-state", lambda c: c.notebook["metadata"].update(widgets={})),
    "old schema": ("metadata", _meta("setup", schema_version=2)),
    "flag that is text": ("metadata", _meta("setup", grade="")),
    "empty grade_id": ("metadata", _meta("setup", grade_id="")),
    "unknown key": ("metadata", _meta("setup", remark="x")),
    "untagged code": ("untagged-code", _add("section", "code", "loose", "a = 1")),
    "demo tag without lock": ("untagged-code", _add("section", "code", "loose", "a = 1", tags=("demo",))),
    "graded solution cell": (
        "cell-kind",
        _add("section", "code", "odd", "a = 1", solution=True, grade=True, points=0),
    ),
    "locked prose": ("cell-kind", _add("section", "markdown", "odd", "Text.", locked=True)),
    "solution region in setup": ("markers", _put("setup", "scale = 2\n### BEGIN SOLUTION\n### END SOLUTION")),
    "misspelt marker": ("markers", _swap("double-visible", "### BEGIN HIDDEN TESTS", "# BEGIN HIDDEN TESTS")),
    "unclosed region": ("markers", _swap("double", "    ### END SOLUTION", "    # over")),
    "magic": ("syntax", _put("setup", "%matplotlib inline\nscale = 2")),
    "region that empties a block": (
        "syntax",
        _swap(
            "double-second",
            "### BEGIN HIDDEN TESTS\nassert",
            "if True:\n    ### BEGIN HIDDEN TESTS\n    assert",
        ),
    ),
    "install": ("installs", _put("setup", "scale = 2\nimport os\nos.system('pip install -q x')")),
    "install by list": ("installs", _put("setup", "scale = 2\ncommand = ['pip', 'install', 'x']")),
    "too long": ("code-length", _put("setup", f"scale = 2\n{LONG}")),
    "99 points": ("points", _meta("double-visible", points=29)),
    "101 points": ("points", _meta("quiz_1-hidden", points=11)),
    "orphan test": (
        "test-id",
        _add("double-second", "code", "other-hidden", "assert True, 'm'", grade=True, locked=True, points=0),
    ),
    "id that is not bound": ("exercise-name", _swap("double", "def double", "def twice")),
    "no card": ("card", _swap("card", "### Double", "Double")),
    "card without minutes": ("card", _swap("card", "*5 minutes · difficulty 1 of 3", "*difficulty 1 of 3")),
    "difficulty 4": ("card", _swap("card", "difficulty 1", "difficulty 4")),
    "argument without annotation": ("signature", _swap("double", "x: float", "x")),
    "result without annotation": ("signature", _swap("double", " -> float", "")),
    "method without annotation": ("signature", _put("double", CLASS_STUB)),
    "signature inside the region": (
        "signature",
        _put("double", "### BEGIN SOLUTION\ndef double(x): return scale * x\n### END SOLUTION"),
    ),
    "no docstring": ("docstring", _swap("double", '    """Returns twice `x`."""\n', "")),
    "long docstring": ("docstring", _swap("double", "`x`.", "`x`.\n\n    And more.")),
    "no try-it": ("try-it", _drop("try_it")),
    "try-it after the tests": ("try-it", lambda c: c.notebook["cells"].insert(8, c.notebook["cells"].pop(5))),
    "two choices": ("quiz", _swap("quiz_card", "\n- **C.** Five", "")),
    "letter that is no choice": ("quiz", _swap("quiz_1", '"B"', '"D"')),
    "quiz heading": ("quiz", _swap("quiz_card", "### Quiz 1:", "### Question:")),
    "quiz without stub": ("quiz", _swap("quiz_1", 'quiz_1 = ""\n', "")),
    "free answer that holds an answer": ("answer-cell", _free_answer("Twice means two of it.\n" * 3)),
    "free answer of another task": ("answer-cell", _free_answer("*Here.*", id="other-answer")),
    "silent assert": (
        "assert-message",
        _swap("double-second", ', "double(0) should be 0: nothing to add"', ""),
    ),
    "silent hidden assert": (
        "assert-message",
        _swap("double-second", ', "double(-2) should keep the sign"', ""),
    ),
    "unannounced hidden half": (
        "hidden-announced",
        _swap("double-second", "# The hidden tests add", "# Also"),
    ),
    "ends in a graded value": ("last-expression", _swap("double-second", 'sign"', 'sign"\ndouble(2)')),
    "visible part ends in one": (
        "last-expression",
        _swap("double-second", "### BEGIN", "double(1)\n### BEGIN"),
    ),
    "ends in checks.call": (
        "last-expression",
        _put("double-second", f"# hidden\n{HIDDEN}\nfrom course_utils import checks\nchecks.call(double, 2)"),
    ),
    "warns": (
        "stderr",
        _swap("double-second", "### BEGIN", "import warnings\nwarnings.warn('x')\n### BEGIN"),
    ),
    "prints to stderr": (
        "stderr",
        _swap("double-second", "### BEGIN", "import sys\nprint(1, file=sys.stderr)\n### BEGIN"),
    ),
    "test that does not import": (
        "self-contained",
        _swap("double-visible", "import os, random", "import os"),
    ),
    "test that uses another exercise": (
        "self-contained",
        _swap("quiz_1-hidden", "letter = quiz_1", "double(1)\nletter = quiz_1"),
    ),
    "visible test that needs a hidden name": (
        "self-contained",
        _swap("double-second", "assert double(0)", "assert fresh and double(0)"),
    ),
    "test that uses a demo name": (
        "demo-name",
        _swap("double-second", "double(0) ==", "picture and double(0) =="),
    ),
    "setup that uses a demo name": (
        "demo-name",
        _add("try_it", "code", "late", "copy = picture", locked=True),
    ),
    "solution that uses a demo name": (
        "demo-name",
        _swap("quiz_1", 'quiz_1 = "B"', 'quiz_1 = "B"\nother = picture'),
    ),
    "no mark scheme": ("mark-scheme", _put("written_why", "### Say why\nWhy?")),
    "points that do not add up": ("mark-scheme-points", _swap("written_why", "(8 points)", "(9 points)")),
    "no weak example": ("mark-scheme-examples", _swap("written_why", "Weak", "Another")),
    "no answer cell": ("answer-cell", _drop("written_why-answer")),
    "answer that nbgrader refuses": ("answer-cell", _meta("written_why-answer", grade=False)),
    "prose between task and answer": ("answer-cell", _add("written_why", "markdown", "between", "Text.")),
    "second H1": ("title", _put("section", "# Doubling again\n## Now")),
    "first cell is code": ("title", _swap("title", "# Doubling", "**Doubling**")),
    "no objectives": ("objectives", _swap("title", "- double a number\n- say why it worked", "To double.")),
    "no minutes": ("minutes", _swap("title", "20 minutes", "a while")),
    "skipped level": ("heading-level", _put("section", "## Doubling\n#### Deep")),
    "fold without summary": ("hints", _swap("card", "<summary>Hint: two</summary>", "")),
    "three hints": (
        "hints",
        _swap("card", "</details>", "</details>\n" + "<details><summary>Hint</summary>x</details>\n" * 2),
    ),
    "folded solution": ("folded-solution", _swap("card", "Hint: two", "Solution")),
    "image without alt": ("alt-text", _put("section", "## D\n![](figures/a.png)")),
    "img without alt": ("alt-text", _put("section", '## D\n<img src="figures/a.png">')),
    "img with empty alt": ("alt-text", _put("section", '## D\n<img alt="" src="figures/a.png">')),
    "script": ("script", _put("section", "## D\n<script>1</script>")),
}


@pytest.mark.parametrize("how", BREAKS)
def test_one_break_gives_exactly_its_finding(course, how):
    rule, break_it = BREAKS[how]
    break_it(course)
    assert rules(course) == [rule]


def test_two_cells_with_one_id_are_found(course):
    course.cell("section")["id"] = "title"
    assert rules(course) == ["cell-id"]


def test_points_below_zero_are_bad_metadata_and_break_the_sum(course):
    course.cell("double-visible")["metadata"]["nbgrader"]["points"] = -1
    assert sorted(rules(course)) == ["metadata", "points"]


def test_an_exercise_without_hidden_half(course):
    for id in ("double-visible", "double-second"):
        course.put(id, "assert double(1) == 2, 'why'")
    assert rules(course) == ["hidden-tests"]


def test_a_notebook_that_is_not_json_is_one_finding(course):
    course.write()
    (course.folder / f"{course.name}.ipynb").write_text("{")
    assert [f.rule for f in check_lessons(course.root)] == ["json"]


def test_source_holds_lessons_only(course):
    course.write()
    (course.root / "source" / "notes.txt").write_text("x")
    assert [f.rule for f in check_lessons(course.root, release=False) if f.severity == "error"] == [
        "stray-file"
    ]


@pytest.mark.parametrize(
    ("rule", "break_it"),
    [
        ("code-length", _put("setup", "scale = 2\n" + "\n".join(LONG.split("\n")[:20]))),
        ("setup-uses-graded", _add("try_it", "code", "late", "two = double(1)", locked=True)),
    ],
)
def test_warnings_do_not_change_the_exit_status(course, rule, break_it):
    break_it(course)
    assert rules(course, severity="warning") == [rule]
    assert check_lessons(course.root, release=False).exit_status == 0


def test_what_looks_like_markup_inside_code_does_not_count(course):
    course.put("section", "## D\nUse `<script>` or\n```\n# comment\n#### x\n![](a.png)\n```\nas you like.")
    assert rules(course) == []
    assert "comment" not in without_code("a\n```\n# comment\n```\nb")


def test_a_free_answer_cell_is_as_good(course):
    _free_answer("*Your answer replaces this line.*")(course)
    assert rules(course) == []


def test_a_quiz_may_ask_with_an_ellipsis(course):
    course.stub = "...  # YOUR CODE HERE"
    course.put("quiz_1", 'quiz_1 = (\n    ### BEGIN SOLUTION\n    "B"\n    ### END SOLUTION\n)')
    assert rules(course) == []
    course.stub = "raise NotImplementedError"
    assert rules(course) == ["syntax", "quiz"]


def test_a_last_call_of_a_checks_helper_may_use_a_graded_name(course):
    ending = "from course_utils import checks\nchecks.close(double(2), 4, 'twice two')"
    course.swap("double-second", "### BEGIN", f"{ending}\n### BEGIN")
    assert rules(course) == []


@pytest.fixture
def released(course):
    """The clean lesson with its release."""
    write_release(course.write().root, course.name)
    return course


def test_a_fresh_release_is_clean(released):
    assert rules(released, release=True) == []


def test_a_missing_release_is_found(course):
    assert rules(course, release=True) == ["release-missing"]


@pytest.mark.parametrize("change", ["source", "release", "file"])
def test_a_release_that_is_not_what_the_source_makes_is_found(released, change):
    if change == "source":
        released.swap("section", "Doubling", "Doubling numbers")
    elif change == "release":
        path = released.root / "release" / released.name / f"{released.name}.ipynb"
        path.write_text(path.read_text().replace("assert double(1) == 2", "assert double(1) == 3"))
    else:
        (released.root / "release" / released.name / "more.txt").write_text("x")
    assert rules(released, release=True) == ["release-differs"]


def test_nbgraders_refusal_is_a_finding(released):
    released.cell("written_why-answer")["metadata"]["nbgrader"]["grade"] = False
    assert rules(released, release=True) == ["answer-cell", "release-failed"]


SECRETS = {
    "solution": "    return scale * x  # the reference multiplies by scale",
    "hidden test": 'assert double(-2) == -4, "double(-2) should keep the sign"',
    "mark scheme": 'Strong: "x + x is two counts of x, as 3 + 3 is two threes."',
    "model answer": "Twice means two of it, always.",
}


@pytest.mark.parametrize("secret", SECRETS)
def test_a_secret_line_in_the_release_is_a_leak(released, secret):
    folder = released.root / "release" / released.name
    (folder / "notes.md").write_text(f"By the way:\n{SECRETS[secret]}\n")
    findings = check_lessons(released.root, [released.name])
    assert [f.rule for f in findings if f.severity == "error"] == ["release-differs", "leak"]


def test_a_secret_hidden_in_a_notebooks_metadata_is_a_leak(released):
    path = released.root / "release" / released.name / f"{released.name}.ipynb"
    notebook = json.loads(path.read_text())
    notebook["metadata"]["note"] = {"deep": [SECRETS["hidden test"]]}
    path.write_text(json.dumps(notebook))
    assert "leak" in rules(released, release=True)


def test_findings_show_themselves_as_table_and_as_data():
    error = Finding("02-x", "cell [3]", "syntax", "use x[0], not [bold]")
    findings = Findings([error, Finding("02-x", "", "words", "few", "warning")])
    console = Console(width=100, record=True, file=io.StringIO())
    console.print(findings.table())
    assert "x[0], not [bold]" in console.export_text()
    data = json.loads(json.dumps(findings.to_dict()))
    assert (data["errors"], data["warnings"], len(data["findings"])) == (1, 1, 2)
    assert findings.exit_status == 1 and Findings(findings[1:]).exit_status == 0
