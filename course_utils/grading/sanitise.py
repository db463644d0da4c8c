"""Notebook output and markdown that can neither run a script nor change the page around it.

>>> clean_html("<b onclick='steal()'>bold</b><script>steal()</script>")
'<b>bold</b>'
>>> clean_text("\\x1b[31mred\\x1b[0m \\x1b]0;title\\x07plain")
'\\x1b[31mred\\x1b[0m plain'

`Sanitise` is run twice: at the end of autograding, so that nothing harmful is written, and before a page is made
of a notebook, for notebooks that came another way. `course_utils.grading.templates` has the pages themselves.
"""

import base64
import binascii
import html
import re
import time
from collections.abc import Iterator
from typing import Any

from bleach.html5lib_shim import Filter
from bleach.sanitizer import Cleaner
from nbconvert.filters.markdown_mistune import IPythonRenderer, MarkdownWithMath
from nbconvert.preprocessors import Preprocessor
from nbformat import NotebookNode
from pygments.token import STANDARD_TYPES
from traitlets import Bool

from course_utils.grading.formulas import picture

__all__ = ["Sanitise", "clean_html", "clean_output", "clean_text", "render_markdown", "sanitise"]

TAGS = (
    "a abbr b blockquote br caption cite code col colgroup dd del details dfn div dl dt em figcaption figure h1 h2 "
    "h3 h4 h5 h6 hr i img ins kbd li mark ol p pre q s samp small span strong sub summary sup table tbody td tfoot "
    "th thead tr u ul var"
)
# Any other class could borrow the page's own look or its scripts' handles; ids could too, and are not kept.
CLASSES = {"dataframe", "highlight", "math", *STANDARD_TYPES.values()} - {""}
NUMBERS = {"colspan", "rowspan", "width", "height", "start", "border"}
IMAGES = {"png": b"\x89PNG\r\n\x1a\n", "jpeg": b"\xff\xd8\xff", "gif": b"GIF8"}
# Characters that are taken. The parsers of HTML and markdown need time with the square of what a hostile text nests:
# at these lengths at most about 4 seconds.
MOST_HTML, MOST_MARKDOWN = 50_000, 20_000
MOST_TEXT, MOST_IMAGE = 1_000_000, 10_000_000
FORMULAS_S = 2  # for the formulas of one text; what comes after stays as it was typed

# Colours: a code below 256, or an extended colour with all its numbers (nbconvert fails on one without).
_CODE = r"(?:[34]8;5;\d{1,3}|[34]8;2;\d{1,3};\d{1,3};\d{1,3}|(?![34]8)\d{1,3})"
_CONTROLS = re.compile(
    rf"(?P<colour>\x1b\[(?:{_CODE}(?:;{_CODE})*)?m)"
    r"|\x1b[\]PX^_][^\x07\x1b]*(?:\x07|\x1b\\)?"  # strings to the terminal: titles, links, clipboard
    r"|\x1b\[[0-?]*[ -/]*[@-~]?|\x1b[ -/]*[0-~]?"  # the other sequences, whole or cut off
    r"|[\x00-\x08\x0b-\x1f\x7f-\x9f]"
)


def clean_text(text: Any) -> str:
    r"""The text without control characters and escape sequences, except tabs, line ends and colours.

    >>> clean_text("10%\r100%\n\x1b[2Jdone")
    '100%\ndone'

    Of a line that was written over (a progress bar) the last state stays.
    """
    lines = _joined(text).replace("\r\n", "\n").split("\n")
    final = "\n".join(line.rstrip("\r").rsplit("\r", 1)[-1] for line in lines)
    return _CONTROLS.sub(lambda found: found["colour"] or "", final)


def clean_html(text: Any) -> str:
    """The HTML with known tags and attributes only: no scripts, styles, ids, foreign classes, links or addresses.

    >>> clean_html('<a href="https://example.org">see</a> <img src="https://example.org/i.png" alt="?">')
    'see (https://example.org) [?]'

    A link is shown, not followed: on a server that grades, opening an address can be enough to change something.
    """
    source = re.sub(r"<(script|style)\b.*?(</\1\s*>|\Z)", "", _joined(text), flags=re.IGNORECASE | re.DOTALL)
    try:
        return _CLEANER.clean(source)
    except Exception:  # whatever a parser does with what somebody wrote, the page must come out
        return f"<pre>{html.escape(source)}</pre>"


class _ShownLinks(Filter):
    """The stream of tags with each link's address behind its text, and words for an image that may not stay."""

    def __iter__(self) -> Iterator[dict[str, Any]]:
        text = address = ""
        for token in super().__iter__():
            if token.get("name") == "a":
                if address and address not in text:
                    yield {"type": "Characters", "data": f" ({address})"}
                started = token["type"] == "StartTag"
                text, address = "", html.unescape(token["data"].get((None, "href"), "")) if started else ""
                continue
            if token.get("name") == "img" and (None, "src") not in token["data"]:
                yield {"type": "Characters", "data": f"[{token['data'].get((None, 'alt')) or 'image'}]"}
                continue
            if token["type"] == "Characters":
                text += token["data"]
            elif token["type"] == "Entity":
                text += html.unescape(f"&{token['name']};")
            yield token


def _may_stay(tag: str, name: str, value: str) -> bool:
    if name == "class":
        return all(word in CLASSES or re.fullmatch(r"(hl|ansi)-[\w-]+", word) for word in value.split())
    if name == "src":
        return tag == "img" and _is_image_address(value)
    if name == "href":
        return tag == "a" and value.startswith(("https://", "http://", "mailto:"))
    if name in NUMBERS:
        return re.fullmatch(r"\d{1,4}", value) is not None
    return (
        name in ("alt", "title") or (tag == "th" and name == "scope") or (tag == "details" and name == "open")
    )


_CLEANER = Cleaner(
    tags=TAGS.split(),
    attributes=_may_stay,
    protocols=["data", "http", "https", "mailto"],
    strip=True,
    filters=[_ShownLinks],
)


def _is_image_address(address: str) -> bool:
    kind, _, data = address.removeprefix("data:image/").partition(";base64,")
    if kind == "svg+xml":  # as an image it runs no script and loads nothing
        return re.fullmatch(r"[A-Za-z0-9+/]*={0,2}", data) is not None
    return _image(kind, data) is not None


def _image(kind: str, data: Any) -> str | None:
    """The base64 text of an image that is of the kind it claims, else None."""
    try:
        content = base64.b64decode("".join(_joined(data).split()), validate=True)
    except (binascii.Error, ValueError):
        return None
    return base64.b64encode(content).decode() if kind in IMAGES and content.startswith(IMAGES[kind]) else None


def _joined(value: Any) -> str:
    """A notebook's multi-line text as one string; "" for what is no text."""
    if isinstance(value, list):
        return "".join(part for part in value if isinstance(part, str))
    return value if isinstance(value, str) else ""


class _Renderer(IPythonRenderer):
    """nbconvert's markdown with formulas as pictures, where an attachment that is not there is no reason to stop."""

    until = 0.0
    """How long formulas are drawn."""

    def image(self, text: str, url: str, title: str | None = None) -> str:
        missing = url.startswith("attachment:") and url.removeprefix("attachment:") not in self.attachments
        return html.escape(text) if missing else super().image(text, url, title)

    def inline_math(self, body: str) -> str:
        return self._drawn(body, "$") or super().inline_math(body)

    def block_math(self, body: str) -> str:
        return self._drawn(body, "$$") or super().block_math(body)

    def _drawn(self, body: str, mark: str) -> str | None:
        return picture(body, mark) if time.monotonic() < self.until else None


def render_markdown(source: str, attachments: dict[str, Any] | None = None, draw: bool = True) -> str:
    """Clean HTML of markdown as nbconvert renders it; the source as it is, where that is not possible in good time.

    Formulas become pictures if `draw`, those that can be drawn.
    """
    if len(source) > MOST_MARKDOWN:
        return f"<pre>{html.escape(source)}</pre>"
    renderer = _Renderer(escape=False, exclude_anchor_links=True, attachments=attachments or {})
    if draw and re.search(r"\$|\\[(\[]", source):
        picture("x")  # so that loading matplotlib is on nobody's clock
        renderer.until = time.monotonic() + FORMULAS_S
    try:
        return clean_html(MarkdownWithMath(renderer=renderer).render(source))
    except Exception:  # as in clean_html
        return f"<pre>{html.escape(source)}</pre>"


def clean_output(output: Any) -> NotebookNode | None:
    """A harmless output made of what may stay of one, or None if nothing may.

    >>> clean_output({"output_type": "stream", "name": "stdout", "text": "\\x1b[2Jhi", "transient": {}}).text
    'hi'
    """
    kind = output.get("output_type")
    if kind == "stream":
        name = output.get("name") if output.get("name") in ("stdout", "stderr") else "stdout"
        return NotebookNode(output_type=kind, name=name, text=clean_text(output.get("text")))
    if kind == "error":
        ename, evalue = clean_text(output.get("ename")), clean_text(output.get("evalue"))
        lines = output.get("traceback")
        traceback = [clean_text(line) for line in lines] if isinstance(lines, list) else []
        return NotebookNode(output_type=kind, ename=ename, evalue=evalue, traceback=traceback)
    data = _clean_data(output.get("data"))
    if kind not in ("execute_result", "display_data") or not data:
        return None
    clean = NotebookNode(output_type=kind, data=data, metadata=_sizes(output.get("metadata"), data))
    if kind == "execute_result":
        clean.execution_count = _count(output.get("execution_count"))
    return clean


def _clean_data(data: Any) -> NotebookNode:
    """What may stay of a display's data. Markdown, GIF and SVG become HTML, so that no viewer can do more with them."""
    clean = NotebookNode()
    for mime, value in data.items() if isinstance(data, dict) else ():
        text = _joined(value)
        if _is_too_long(mime, text):
            clean.setdefault("text/plain", f"({mime} of {len(text)} characters left out)")
        elif mime == "text/plain":
            clean[mime] = clean_text(text)
        elif mime == "text/latex":
            clean[mime] = _LATEX_WITH_EFFECTS.sub("", clean_text(text))
        elif mime == "text/html":
            clean[mime] = clean_html(text)
        elif mime in ("image/png", "image/jpeg"):
            image = _image(mime.removeprefix("image/"), text)
            clean |= {mime: image} if image else {}
        elif mime in ("image/gif", "image/svg+xml", "text/markdown"):
            clean.setdefault("text/html", _as_html(mime, text))
    return clean


def _is_too_long(mime: str, text: str) -> bool:
    if mime == "text/html":  # images inside cost nothing
        return len(re.sub(r"base64,[A-Za-z0-9+/=]+", "", text)) > MOST_HTML or len(text) > MOST_IMAGE
    return len(text) > (MOST_IMAGE if mime.startswith("image/") else MOST_TEXT)


_LATEX_WITH_EFFECTS = re.compile(
    r"\\(?=(href|url|style|class|cssId|require|includegraphics|csname|unicode|html\w*|data)\b)"
)


def _as_html(mime: str, text: str) -> str:
    if mime == "text/markdown":
        return render_markdown(text, draw=False)
    data = base64.b64encode(text.encode()).decode() if mime == "image/svg+xml" else "".join(text.split())
    return clean_html(f'<img alt="Figure" src="data:{mime};base64,{data}">')


def _sizes(metadata: Any, data: dict[str, Any]) -> NotebookNode:
    """Width and height of the images in `data`, where they are plain numbers."""
    sizes = NotebookNode()
    for mime in data:
        about = metadata.get(mime) if isinstance(metadata, dict) else None
        about = about if mime.startswith("image/") and isinstance(about, dict) else {}
        kept = {side: _count(about.get(side)) for side in ("width", "height") if _count(about.get(side))}
        if kept:
            sizes[mime] = NotebookNode(kept)
    return sizes


def _count(value: Any) -> int | None:
    return value if type(value) is int and 0 <= value < 100_000 else None


def sanitise(notebook: Any) -> Any:
    """The same notebook, its outputs and what a page shows of its metadata made harmless in place.

    Sources stay as they are: a student's answer is shown as it was written, and the filters see to the pages.
    """
    notebook.metadata.pop("widgets", None)
    for cell in notebook.cells:
        for name in ("alt", "transient"):
            cell.metadata.pop(name, None)
        if isinstance(tags := cell.metadata.get("tags"), list):
            cell.metadata["tags"] = [tag for tag in tags if re.fullmatch(r"[\w:.-]+", str(tag))]
        if "attachments" in cell:
            cell.attachments = _attachments(cell.attachments)
        if cell.cell_type == "code":
            cell.execution_count = _count(cell.get("execution_count"))
            cell.outputs = [clean for output in cell.outputs if (clean := clean_output(output))]
    return notebook


def _attachments(attachments: Any) -> NotebookNode:
    kept = NotebookNode()
    for name, bundle in attachments.items() if isinstance(attachments, dict) else ():
        data = _clean_data(bundle)
        images = NotebookNode({mime: data[mime] for mime in ("image/png", "image/jpeg") if mime in data})
        kept |= {name: images} if images else {}
    return kept


class Sanitise(Preprocessor):
    """`sanitise` as a step of `Autograde.autograde_preprocessors` and `HTMLExporter.preprocessors`."""

    enabled = Bool(True, help="Whether outputs are made harmless.").tag(config=True)

    def preprocess(self, nb: Any, resources: Any) -> tuple[Any, Any]:
        """The notebook, made harmless, and the resources as they came."""
        return sanitise(nb), resources
