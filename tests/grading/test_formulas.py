"""Formulas as pictures: those of the lessons can all be drawn, and what a hostile one may cost is bounded."""

import base64
import re
import time
import xml.etree.ElementTree as xml
from pathlib import Path

import nbformat
import pytest

from course_utils.grading import sanitise
from course_utils.grading.formulas import MOST, picture
from course_utils.grading.sanitise import render_markdown

SOURCES = sorted((Path(__file__).resolve().parents[2] / "source").glob("*/*.ipynb"))


def drawn(tex):
    """The picture's root element."""
    data = re.search(r'base64,([^"]+)"', picture(tex) or "")
    return xml.fromstring(base64.b64decode(data[1]))


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: path.stem[:2])
def test_every_formula_of_a_lesson_is_drawn(path):
    for cell in nbformat.read(path, as_version=4).cells:
        if cell.cell_type == "markdown":
            shown = re.sub(r"<code.*?</code>", "", render_markdown(cell.source), flags=re.DOTALL)
            assert not re.search(r"\\$\w*[\\^_]", re.sub(r"<[^>]*>", "", shown)), cell.source[:200]


def test_a_picture_has_paths_only_and_says_its_tex():
    root = drawn(r"\frac{1}{2} \le \lVert x \rVert")
    assert {part.tag.partition("}")[2] for part in root.iter()} == {"svg", "path"}
    assert re.fullmatch(r"[MLQCZ\d. -]+", root[0].get("d"))
    assert 'alt="$a &lt; \\text{&quot;}$"' in picture(r'a < \text{"}')


def test_its_middle_is_the_same_above_and_below_the_line():
    for tex in ("x", "x_{i_j}", "x^{y^z}", r"\frac{a}{b}"):
        _, top, _, height = map(float, drawn(tex).get("viewBox").split())
        assert top + height / 2 == pytest.approx(-0.27 * 15, abs=0.1)  # of half an x


@pytest.mark.parametrize(
    "tex",
    [
        "", "{", r"\begin{a}x\end{a}", r"\hspace{1e9}x", r"\hspace{9999}x", "{" * 299, r"\frac{" * 49,
        "x" * (MOST + 1), r"\input{/etc/passwd}",
    ],
)  # fmt: skip
def test_what_cannot_be_drawn_stays_as_it_was_typed(tex):
    assert picture(tex) is None
    if tex:
        assert "<img" not in render_markdown(f"so ${tex}$")


@pytest.mark.parametrize("part", ["x'", "a_b^c", r"\left(x\right)", r"\sqrt{x}", r"\overline{"])
def test_one_formula_costs_little(part):
    picture("x")
    tex = part * (MOST // len(part))
    started = time.process_time()
    picture(tex)
    assert time.process_time() - started < 5


def test_a_text_full_of_formulas_ends_in_time(monkeypatch):
    monkeypatch.setattr(sanitise, "FORMULAS_S", 0.2)
    shown = render_markdown(" ".join(f"$x_{{{n}}}$" for n in range(1000)))
    assert "$x_{999}$" in re.sub(r"<[^>]*>", "", shown) and shown.count("<img") < 999
