"""nbgrader's feedback page and grading page, under a policy that lets nothing act that a student wrote.

>>> protect_pages(c)     # doctest: +SKIP

`c` is the object of an `nbgrader_config.py`. `feedback/` and `formgrade/` stand in for nbgrader's templates of these
names. The filters take the place of nbconvert's, so that all that a person wrote comes through `clean_html`, whatever
template asks for it.
"""

import html
import re
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from jinja2 import pass_context
from nbconvert import filters
from pygments.formatters import HtmlFormatter

from course_utils.grading.feedback import decision, notes
from course_utils.grading.feedback_summary import comments, exercises
from course_utils.grading.sanitise import clean_html, clean_text, render_markdown

__all__ = [
    "ansi2html",
    "clean_html",
    "comments",
    "decision",
    "exercises",
    "highlight_code",
    "highlight_css",
    "lower_headings",
    "markdown2html",
    "notes",
    "protect_pages",
]

MOST_CODE = 200_000  # characters that are highlighted


def protect_pages(c: Any) -> None:
    """Nothing: both pages of this course are sanitised and carry a Content-Security-Policy.

    nbgrader looks for each file of a page's template in these folders in turn, so that ours stand in for its own.
    """
    spec = find_spec("nbgrader")
    assert spec is not None and spec.origin is not None
    theirs = Path(spec.origin).parent / "server_extensions" / "formgrader" / "templates"
    c.HTMLExporter.extra_template_basedirs = [str(Path(__file__).parent), str(theirs)]
    c.HTMLExporter.extra_template_paths = [str(theirs)]  # where `formgrade/index.html.j2` is nbgrader's own
    c.HTMLExporter.preprocessors = ["course_utils.grading.sanitise.Sanitise"]
    c.HTMLExporter.filters = {name: f"{__name__}.{name}" for name in FILTERS}
    c.HTMLExporter.sanitize_html = True
    c.GenerateFeedback.preprocessors = [
        "course_utils.grading.feedback.FeedbackPolicy",
        "course_utils.grading.feedback_summary.KeepGrades",
    ]


FILTERS = (
    "ansi2html", "clean_html", "comments", "decision", "exercises", "highlight_code", "highlight_css",
    "lower_headings", "markdown2html", "notes",
)  # fmt: skip


@pass_context
def markdown2html(context: Any, source: str) -> str:
    """Clean HTML of markdown, with the attachments of the cell that it stands in."""
    return render_markdown(source, context.get("cell", {}).get("attachments"))


@pass_context
def highlight_code(context: Any, source: str, language: str | None = None, metadata: Any = None) -> str:
    """Clean HTML of code, highlighted as the notebook's language."""
    if len(source) > MOST_CODE:
        return f"<pre>{html.escape(source)}</pre>"
    about = context["nb"].metadata.get("language_info", {})
    lexer = about.get("pygments_lexer", about.get("name")) if isinstance(about, dict) else None
    return clean_html(filters.Highlight2HTML(pygments_lexer=str(lexer or ""))(source, language, metadata))


def ansi2html(text: str) -> str:
    """Clean HTML of coloured text; of its colours those that need no style of their own."""
    return clean_html(filters.ansi2html(clean_text(text)))


def highlight_css(style: str) -> str:
    """The rules for highlighted code in one of pygments' styles."""
    return HtmlFormatter(style=style).get_style_defs(".highlight")


def lower_headings(text: str, levels: int = 1) -> str:
    """Clean HTML with its headings so many levels lower, for a page that has headings of its own.

    >>> lower_headings("<h1>Lesson</h1><h6>x</h6>")
    '<h2>Lesson</h2><h6>x</h6>'
    """
    return re.sub(r"<(/?)h([1-6])\b", lambda found: f"<{found[1]}h{min(6, int(found[2]) + levels)}", text)
