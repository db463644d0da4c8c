"""What a hostile notebook shows: on nbgrader's two pages, and in the autograded notebook itself.

Every page is parsed, and each of its elements is looked at. The policies are compared word for word; that a browser
keeps to them was tried by hand (docs/security.md).
"""

import base64
import copy
import io
import random
import re
from dataclasses import dataclass, field
from html.parser import HTMLParser
from typing import Any

import matplotlib.figure
import nbformat
import pandas
import pytest
from nbconvert.exporters import HTMLExporter
from nbformat import NotebookNode
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook, new_output, new_raw_cell
from traitlets.config import Config

from course_utils.grading.sanitise import clean_html, clean_output, clean_text, render_markdown, sanitise
from course_utils.grading.templates import ansi2html, protect_pages

MARK = "owned"  # every hostile text carries it where a script would be
HOSTILE = {
    "script": "<script>owned()</script>",
    "script, upper case and split": "<SCRIPT\n>owned()</SCRIPT\n>",
    "script without end": "<b>x</b><script>owned()",
    "script in a script": "<scr<script>owned()</script>ipt>owned()</script>",
    "onerror": "<img src=x onerror=owned()>",
    "onload": "<svg/onload=owned()>",
    "ontoggle": "<details open ontoggle=owned()>x</details>",
    "javascript link": "<a href='javascript:owned()'>x</a>",
    "javascript link, in disguise": "<a href=' &#106;ava&Tab;script&colon;owned()'>x</a>",
    "files prefix that nbconvert takes away": "<a href='files/javascript:owned()'>x</a>",
    "link to the server": "<a href='/formgrader?path=/owned'>x</a>",
    "image from the server": "<img src='/logout?owned'>",
    "image from elsewhere": "<img src='https://owned.example/i.png' srcset='https://owned.example/j.png 2x'>",
    "page in an image address": "<img src='data:text/html;base64,b3duZWQ='>",
    "svg that is no base64": "<img src='data:image/svg+xml,<svg onload=owned()>'>",
    "frame": "<iframe srcdoc='<script>owned()</script>' src='javascript:owned()'></iframe>",
    "object": "<object data='javascript:owned()'></object><embed src='javascript:owned()'>",
    "form": "<form action='https://owned.example'><input formaction='javascript:owned()'></form>",
    "meta refresh": "<meta http-equiv=refresh content='0;url=https://owned.example'>",
    "base": "<base href='https://owned.example/'>",
    "style element": "<style>body { background: url(https://owned.example) }</style>",
    "style attribute": "<p style='position:fixed;top:0;background:url(https://owned.example)'>x</p>",
    "style sheet": "<link rel=stylesheet href='https://owned.example/owned.css'>",
    "the page's own classes": "<div class='navbar-fixed-top owned'>x</div>",
    "the score field's id": "<input id=double-hidden class=score><b id=double-hidden>x</b><a name=double-hidden>x</a>",
    "data for the page's scripts": "<a data-link=owned data-toggle=tooltip>x</a>",
    "maths in foreign elements": "<math><mtext><table><mglyph><style><img src=x onerror=owned()>",
    "noscript": "<noscript><p title='</noscript><img src=x onerror=owned()>'></noscript>",
    "textarea": "<textarea><img title='</textarea><img src=x onerror=owned()>'></textarea>",
    "comment": "<!--><img src=x onerror=owned()>-->",
    "template": "<template><script>owned()</script></template>",
    "attribute without quotes": "<img alt=`><img src=x onerror=owned()>`>",
    "null characters": "<scr\0ipt>owned()</scr\0ipt><img src=x one\0rror=owned()>",
    "end tags of the page": "</pre></div></div></body></html><script>owned()</script>",
}  # fmt: skip
# What students' own HTML may consist of; anything else in a cell is a finding.
FINE = frozenset(
    re.findall(
        r"\w+",
        "b blockquote br caption code col dd del details div dl dt em h1 h2 h3 hr i img li ol p pre span strong sub "
        "summary sup table tbody td th thead tr ul",
    )
)


@dataclass
class Page(HTMLParser):
    """A parsed page: its elements in order (name, attributes, names of the elements around), its text, its scripts."""

    source: str
    elements: list[tuple[str, dict[str, str], tuple[str, ...]]] = field(default_factory=list)
    text: str = ""
    code: dict[str, str] = field(default_factory=lambda: {"script": "", "style": ""})

    def __post_init__(self) -> None:
        HTMLParser.__init__(self)
        self.around: list[str] = []
        self.feed(self.source)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, {name: value or "" for name, value in attrs}, tuple(self.around)))
        if tag not in ("img", "br", "hr", "input", "meta", "link", "col"):
            self.around.append(tag)

    def handle_endtag(self, tag: str) -> None:
        if tag in self.around:
            while self.around.pop() != tag:
                pass

    def handle_data(self, data: str) -> None:
        if self.around and self.around[-1] in self.code:
            self.code[self.around[-1]] += data
        else:
            self.text += data

    def all(self, tag: str) -> list[dict[str, str]]:
        return [attributes for name, attributes, _ in self.elements if name == tag]


def harmful(page: Page) -> list[str]:
    """What in a piece of HTML could act, load, look like the page or be taken for a part of it."""
    found = []
    for tag, attributes, _ in page.elements:
        if tag not in FINE:
            found.append(f"<{tag}>")
        for name, value in attributes.items():
            known = name in (
                "alt",
                "title",
                "open",
                "colspan",
                "rowspan",
                "border",
                "width",
                "height",
                "start",
            )
            image = name == "src" and re.fullmatch(
                r"data:image/(png|jpeg|gif|svg\+xml);base64,[\w+/=]+", value
            )
            style = name == "class" and re.fullmatch(r"dataframe|highlight|\w{1,3}|(ansi-[a-z-]+ ?)+", value)
            if not (known or image or style):
                found.append(f"<{tag} {name}={value!r}>")
    return found + [f"code: {text}" for text in page.code.values() if text.strip()]


def png() -> bytes:
    figure, file = matplotlib.figure.Figure(figsize=(1, 1)), io.BytesIO()
    figure.subplots().plot([1, 2, 4])
    figure.savefig(file, format="png")
    return file.getvalue()


def display(data: dict[str, Any], **more: Any) -> NotebookNode:
    return new_output("display_data", data, **more)


# ---- HTML and text ----


@pytest.mark.parametrize("name", HOSTILE)
def test_hostile_html_keeps_nothing_that_acts(name: str) -> None:
    clean = clean_html(HOSTILE[name])
    assert harmful(Page(clean)) == []
    assert clean_html(clean) == clean, "cleaning twice must change nothing more"
    assert harmful(Page(render_markdown(HOSTILE[name]))) == []
    assert harmful(Page(render_markdown(f"- a list\n\n> {HOSTILE[name]}\n\nand `code`"))) == []


def test_the_check_itself_sees_what_is_hostile() -> None:
    innocent = {"comment", "noscript", "null characters"}  # to this parser, which is no browser
    missed = {name for name, text in HOSTILE.items() if not harmful(Page(text))}
    assert missed <= innocent


def test_a_pandas_table_keeps_its_cells_and_its_look() -> None:
    frame = pandas.DataFrame({"layer": [0, 1], "score <b>": [0.25, -0.5]}, index=["a", "b"])
    page = Page(clean_html(frame.to_html(notebook=True)))
    assert page.all("table") == [{"border": "1", "class": "dataframe"}]
    assert page.text.split() == ["layer", "score", "<b>", "a", "0", "0.25", "b", "1", "-0.50"]
    assert [tag for tag, _, _ in page.elements].count("th") == 5


def test_maths_and_code_in_markdown_survive() -> None:
    page = Page(
        render_markdown(
            "If $x<y$ and **bold**:\n\n$$a_1 < b_1 \\\\ c$$\n\n```python\nx = 1 < 2  # <b>\n```\n"
        )
    )
    (formula,) = page.all("img")
    assert formula["alt"] == "$x<y$" and formula["class"] == "math"
    assert "$$a_1 < b_1 \\\\ c$$" in page.text  # two lines, which cannot be drawn
    assert "x = 1 < 2  # <b>" in page.text
    assert {"class": "highlight"} in page.all("div") and {"class": "o"} in page.all("span")


def test_markdown_keeps_tables_lists_folds_and_shows_addresses() -> None:
    source = "# T\n\n- a\n- b\n\n| a | b |\n|---|---|\n| 1 | 2 |\n\n<details><summary>Hint</summary>Think</details>\n\n"
    page = Page(render_markdown(source + "[paper](https://example.org/a?b=1&c=2) <https://example.org>"))
    tags = {tag for tag, _, _ in page.elements}
    assert {"h1", "ul", "li", "table", "td", "details", "summary"} <= tags and "a" not in tags
    assert "paper (https://example.org/a?b=1&c=2) https://example.org" in page.text


@pytest.mark.parametrize(
    "source",
    [
        "![x](attachment:none.png)",
        "> " * 3000,
        "[" * 30_000,
        "<div>" * 3000,
        "\\begin{a}" * 2000,
        "\\\\[" * 6000,
    ],
)
def test_no_markdown_stops_the_page(source: str) -> None:
    assert isinstance(render_markdown(source), str)


@pytest.mark.parametrize(
    ("text", "clean"),
    [
        ("\x1b[31mred\x1b[0m \x1b[1;38;5;28mgreen\x1b[m", "\x1b[31mred\x1b[0m \x1b[1;38;5;28mgreen\x1b[m"),
        ("\x1b[2J\x1b[Hclear", "clear"),
        ("\x1b]0;title\x07x\x1b]8;;http://e.org\x1b\\link\x1b]8;;\x1b\\", "xlink"),
        ("\x1b]52;c;b3duZWQ=\x07clipboard", "clipboard"),
        ("\x1bPq#0\x1b\\sixel \x1b(0line \x1bc", "sixel line "),
        ("\x9b31mC1 \x85 \x90", "31mC1  "),
        ("bell\x07 back\x08\x08 null\x00 delete\x7f", "bell back null delete"),
        ("10%\r50%\r100%\nnext\r\nlast\r", "100%\nnext\nlast"),
        ("\x1b[38mcut \x1b[48;5mcut \x1b[999999mcut \x1b[38;2;1;2mcut", "cut cut cut cut"),
        ("cut off \x1b[", "cut off "),
        ("tab\tline\n", "tab\tline\n"),
    ],
)
def test_text_keeps_colours_and_loses_other_control(text: str, clean: str) -> None:
    assert clean_text(text) == clean
    assert clean_text(clean) == clean


def test_no_text_breaks_the_page_filter() -> None:
    draw = random.Random(0)
    for _ in range(2000):
        text = "".join(draw.choices("\x1b[]m;0123458\x07\\<&a", k=20))
        assert harmful(Page(ansi2html(text))) == []


def test_a_short_colour_code_breaks_nbconverts_own_filter() -> None:
    from nbconvert.filters import ansi2html as theirs

    with pytest.raises(
        IndexError
    ):  # so that one print stopped the feedback; if this passes, nbconvert was mended
        theirs("\x1b[38mx")
    assert theirs(clean_text("\x1b[38mx")) == "x"


# ---- outputs ----


def test_legitimate_images_stay_as_they_are() -> None:
    picture = base64.b64encode(png()).decode()
    wrapped = display(
        {"image/png": base64.encodebytes(png()).decode(), "text/plain": "<Figure>"},
        metadata={"image/png": {"width": 200, "height": 100}},
    )
    assert clean_output(wrapped) == display(
        {"image/png": picture, "text/plain": "<Figure>"},
        metadata={"image/png": {"width": 200, "height": 100}},
    )


@pytest.mark.parametrize(
    "output",
    [
        display({"application/javascript": "owned()"}),
        display({"application/vnd.jupyter.widget-view+json": {"model_id": "owned"}}),
        display({"application/json": {"owned": 1}, "text/x-owned": "owned", "text/vnd.mermaid": "owned"}),
        display({"image/png": "b3duZWQ="}),
        display({"image/png": '" onerror="owned()'}),
        display({"image/jpeg": base64.b64encode(png()).decode()}),
        display({"application/pdf": "owned", "image/bmp": "owned"}),
        NotebookNode(output_type="owned", data={"text/plain": "owned"}),
        NotebookNode(output_type="display_data", data="owned", metadata={}),
    ],
)
def test_what_no_page_needs_is_left_out(output: NotebookNode) -> None:
    assert clean_output(output) is None


def test_a_drawing_becomes_an_image_in_html() -> None:
    svg = "<svg xmlns='http://www.w3.org/2000/svg'><script>owned()</script></svg>"
    output = clean_output(display({"image/svg+xml": svg}))
    assert output is not None and list(output.data) == ["text/html"]
    (image,) = Page(output.data["text/html"]).all("img")
    kind, _, data = image["src"].partition(";base64,")
    assert kind == "data:image/svg+xml" and base64.b64decode(data).decode() == svg


def test_markdown_latex_and_foreign_fields_of_outputs() -> None:
    markdown = clean_output(display({"text/markdown": "**md** $x<y$ " + HOSTILE["onerror"]}))
    assert markdown is not None and list(markdown.data) == ["text/html"]
    page = Page(markdown.data["text/html"])
    assert "md $x<y$" in page.text and harmful(page) == []
    latex = clean_output(
        display({"text/latex": r"$\frac{a}{b} \href{javascript:owned()}{x} \csname href\endcsname$"})
    )
    assert latex is not None
    assert latex.data["text/latex"] == r"$\frac{a}{b} href{javascript:owned()}{x} csname href\endcsname$"
    forged = display(
        {"text/html": "<p>x</p>"}, metadata={"text/html": {"isolated": True}, "filenames": {"a": "b"}}
    )
    forged["svg_filename"] = "owned"
    assert clean_output(forged) == display({"text/html": "<p>x</p>"})
    width = display(
        {"image/png": base64.b64encode(png()).decode()}, metadata={"image/png": {"width": "1 onerror=o"}}
    )
    assert clean_output(width).metadata == {}  # type: ignore[union-attr]


def test_what_is_too_long_is_left_out_with_a_word() -> None:
    output = clean_output(display({"text/html": "<b>" * 30_000}))
    assert output is not None and output.data == {"text/plain": "(text/html of 90000 characters left out)"}


def hostile_notebook() -> NotebookNode:
    """A graded notebook in which everything that a student can write is hostile."""
    test = {"grade": True, "solution": False, "locked": True, "task": False, "schema_version": 3, "points": 2}
    test |= {"score": 1.0}  # as GetGrades writes it
    every = "\n\n".join(HOSTILE.values())
    outputs = [display({"text/html": text}) for text in HOSTILE.values()]
    outputs += [
        display({"text/markdown": every}),
        display({"image/svg+xml": "<svg onload='owned()'/>"}),
        display({"application/javascript": "owned()"}),
        display({"text/html": HOSTILE["script"]}, metadata={"text/html": {"isolated": True}}),
        display({"application/vnd.jupyter.widget-view+json": {"model_id": "m"}}),
        new_output("stream", name="stdout", text=every + "\x1b[38m"),
        new_output("error", ename=every, evalue=every, traceback=[every, "\x1b[48;5m"]),
        new_output("execute_result", {"text/plain": every}, execution_count=1),
    ]
    cells = [
        new_markdown_cell(every),
        new_raw_cell(every, metadata={"raw_mimetype": "text/html"}),
        new_code_cell(
            "print()", outputs=outputs, metadata={"tags": ["x navbar-fixed-top", "fine"], "alt": '"owned'}
        ),
        new_code_cell("assert 1", metadata={"nbgrader": {**test, "grade_id": "double-hidden"}}),
    ]
    widgets = {"application/vnd.jupyter.widget-state+json": {"state": {"m": every}}}
    language = {"name": 'python navbar-fixed-top "owned', "pygments_lexer": "none navbar-fixed-top"}
    return new_notebook(cells=cells, metadata={"widgets": widgets, "language_info": language, "title": every})


def test_a_whole_notebook_is_harmless_valid_and_stays_so() -> None:
    notebook = hostile_notebook()
    notebook.cells[2]["execution_count"] = "<script>owned()</script>"
    sources = [cell.source for cell in notebook.cells]
    clean = sanitise(notebook)
    nbformat.validate(clean)
    assert sanitise(copy.deepcopy(clean)) == clean
    assert [cell.source for cell in clean.cells] == sources
    assert clean.cells[2].metadata == {"tags": ["fine"]} and clean.cells[2].execution_count is None
    for output in clean.cells[2].outputs:
        assert harmful(Page(output.get("data", {}).get("text/html", ""))) == []


# ---- the pages ----


def page_of(template: str, notebook: NotebookNode, student: str = "ada", **exporter: Any) -> Page:
    """nbgrader's page of a notebook, as `GenerateFeedback` or formgrader makes it."""
    from nbgrader.converters import generate_feedback

    c = Config()
    protect_pages(c)
    c.HTMLExporter.update({"template_name": template, **exporter})
    if template == "feedback":  # what GenerateFeedback adds
        folder = generate_feedback.os.path.dirname(generate_feedback.__file__)
        css = "../server_extensions/formgrader/static/node_modules/bootstrap/dist/css"
        c.HTMLExporter.extra_template_paths = [generate_feedback.os.path.join(folder, css)]
    resources = {
        "nbgrader": {"notebook": "01-small", "score": 1, "max_score": 3, "late_penalty": 0},
        **{
            "notebook_id": "01-small",
            "assignment_id": "01-small",
            "submission_id": "5",
            "base_url": "/user/ta",
        },
        **{"index": 0, "total": 1, "student": student, "first_name": student, "last_name": student},
        "notebook_path": "autograded/ada/01-small/01-small.ipynb",
    }
    return Page(HTMLExporter(config=c).from_notebook_node(notebook, resources=resources)[0])


def policy_of(page: Page) -> dict[str, str]:
    """The page's Content-Security-Policy, by directive; it must be the first thing in the head."""
    tag, attributes, around = next(element for element in page.elements if "head" in element[2])
    assert (tag, attributes.get("http-equiv"), around[-1]) == ("meta", "Content-Security-Policy", "head")
    return dict(part.strip().partition(" ")[::2] for part in attributes["content"].split(";"))


@pytest.mark.parametrize("template", ["feedback", "formgrade"])
def test_a_hostile_notebook_leaves_the_page_as_it_is(template: str) -> None:
    plain = page_of(template, new_notebook(cells=[new_code_cell("1")]))
    page = page_of(template, hostile_notebook(), student="<script>owned()</script>'\"")
    assert MARK not in page.code["script"] + page.code["style"]
    for tag in ("script", "style", "link", "meta", "title", "head", "body"):
        assert len(page.all(tag)) == len(plain.all(tag)), tag
    for tag, attributes, _ in page.elements:
        assert tag not in ("iframe", "object", "embed", "form", "base", "svg", "math", "template", "noscript")
        assert not [name for name in attributes if name.startswith("on") or name in ("srcset", "srcdoc")]
        assert attributes.get("src", "data:image/").startswith(("data:image/", "/user/ta/formgrader/static/"))
        assert MARK not in attributes.get("href", "")
        if template == "feedback":
            assert "style" not in attributes
    assert "navbar-fixed-top" not in " ".join(attributes.get("class", "") for attributes in page.all("div"))
    named = [(tag, a) for tag, a, _ in page.elements if "double-hidden" in (a.get("id"), a.get("name"))]
    assert [tag for tag, _ in named] == (["div"] if template == "feedback" else ["input"])
    assert "owned()" in page.text, "hostile text must still be there, as text"


@pytest.mark.parametrize("template", ["feedback", "formgrade"])
def test_the_filters_alone_let_nothing_act(template: str) -> None:
    plain = page_of(template, new_notebook())
    page = page_of(template, hostile_notebook(), preprocessors=[])
    assert len(page.all("script")) == len(plain.all("script")) and MARK not in page.code["script"]
    assert not [name for _, attributes, _ in page.elements for name in attributes if name.startswith("on")]


def test_the_feedback_page_may_neither_run_nor_load_anything() -> None:
    page = page_of("feedback", hostile_notebook())
    policy = policy_of(page)
    nonce = policy.pop("style-src")
    assert policy == {
        "default-src": "'none'",
        "img-src": "data:",
        "base-uri": "'none'",
        "form-action": "'none'",
    }
    assert re.fullmatch(r"'nonce-[0-9a-f-]{36}'", nonce)
    assert {style["nonce"] for style in page.all("style")} == {nonce[7:-1]}
    assert page.all("script") == [] and page.all("link") == []


def test_the_grading_page_runs_its_own_scripts_only() -> None:
    page = page_of("formgrade", hostile_notebook())
    policy = policy_of(page)
    nonce = policy.pop("script-src")
    assert policy == {
        "default-src": "'none'",
        "style-src": nonce,
        "img-src": "data:",
        "font-src": "'self'",
        "connect-src": "'self'",
        "base-uri": "'none'",
        "form-action": "'none'",
    }
    assert {script["nonce"] for script in page.all("script")} == {nonce[7:-1]}
    theirs = {script["src"].rpartition("/")[2] for script in page.all("script") if "src" in script}
    assert {"jquery.min.js", "backbone-min.js", "formgrade_models.js", "formgrade.js", "utils.js"} <= theirs
    assert 'var submission_id = "5"' in page.code["script"]


def test_each_page_has_a_nonce_of_its_own() -> None:
    policies = [policy_of(page_of("formgrade", new_notebook()))["script-src"] for _ in range(3)]
    assert len(set(policies)) == 3


def test_a_name_cannot_leave_its_place_on_the_grading_page() -> None:
    page = page_of("formgrade", new_notebook(), student="</a><img src=x onerror=owned()>")
    assert page.all("img") == [] and "</a><img src=x onerror=owned()>, </a>" in page.text


@pytest.mark.parametrize("template", ["feedback", "formgrade"])
def test_code_is_highlighted_and_figures_are_shown(template: str) -> None:
    picture = base64.b64encode(png()).decode()
    error = new_output(
        "error", ename="E", evalue="x", traceback=["\x1b[31mE\x1b[0m: 1 < 2 \x1b[38;5;28mgreen\x1b[0m"]
    )
    outputs = [display({"image/png": picture}), error, new_output("stream", name="stdout", text="a < b")]
    page = page_of(template, new_notebook(cells=[new_code_cell("import math  # 1 < 2", outputs=outputs)]))
    assert [
        attributes for _, attributes, around in page.elements if "pre" in around and "style" in attributes
    ] == []
    assert {"class": "kn"} in page.all("span") and {"class": "ansi-red-fg"} in page.all("span")
    assert [image["src"] for image in page.all("img")] == [f"data:image/png;base64,{picture}"]
    assert "# 1 < 2" in page.text and "E: 1 < 2 green" in page.text and "a < b" in page.text
