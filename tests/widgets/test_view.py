"""What all views share: one module with their own script, elements that keep their keys, tokens as in Python."""

import json
import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest

from course_utils import widgets
from course_utils._drawing import visible
from course_utils.widgets import _view

FOLDER = Path(_view.__file__).parent
SHARED = (FOLDER / "_view.js").read_text(encoding="utf-8")
VIEWS = {name: getattr(widgets, name) for name in widgets.__all__}
UNSAFE = re.compile(r"innerHTML|outerHTML|insertAdjacentHTML|document\.write|DOMParser|\beval\(|new Function")
OUTSIDE = re.compile(r"https?:|\bimport\b|@import|url\(|\bfetch\(|XMLHttpRequest")
NAMESPACE = re.compile(r'"http://www\.w3\.org/(2000/svg|1999/xhtml)"')  # a name, not an address

needs_node = pytest.mark.skipif(shutil.which("node") is None, reason="needs Node.js; runs wherever `node` is")
every_view = pytest.mark.parametrize("name", VIEWS)


def files(name: str) -> tuple[str, str]:
    """A view's own script and its style sheet."""
    own = FOLDER / f"{VIEWS[name].__module__.rpartition('.')[2]}.js"
    return own.read_text(encoding="utf-8"), own.with_suffix(".css").read_text(encoding="utf-8")


def run(folder: Path, source: str, *options: str) -> subprocess.CompletedProcess[str]:
    """That module in Node.js."""
    module = folder / "view.mjs"  # .mjs: read as a module
    module.write_text(source, encoding="utf-8")
    return subprocess.run(["node", *options, str(module)], capture_output=True, text=True, timeout=60)


def value(folder: Path, expression: str) -> Any:
    """What that expression gives after the shared script."""
    done = run(folder, f"{SHARED}\nconsole.log(JSON.stringify({expression}));")
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


@every_view
def test_the_browser_gets_the_shared_script_and_then_the_views_own(name: str) -> None:
    sent = VIEWS[name]._esm
    assert sent == SHARED + files(name)[0] and sent.rstrip().endswith("export default { render };")


@needs_node
@every_view
def test_both_parse_as_one_module(name: str, tmp_path: Path) -> None:
    assert run(tmp_path, VIEWS[name]._esm, "--check").returncode == 0
    for broken in ("\nexport {", "\nconst node = null;"):  # a name that is there already is a mistake too
        assert run(tmp_path, VIEWS[name]._esm + broken, "--check").returncode != 0


@every_view
def test_text_enters_as_text_and_nothing_is_loaded_from_outside(name: str) -> None:
    script, sheet = files(name)
    both = NAMESPACE.sub("", SHARED + script + sheet)
    assert not UNSAFE.search(both) and not OUTSIDE.search(both)
    assert "createElement" not in script and "data-lm" not in script, "elements come from `node` and `draw`"


@pytest.mark.parametrize(
    ("pattern", "bad"),
    [(UNSAFE, "box.innerHTML = token"), (OUTSIDE, 'import d3 from "x"'), (OUTSIDE, "url(x.png)")],
)
def test_unsafe_or_outside_code_would_be_found(pattern: re.Pattern[str], bad: str) -> None:
    assert pattern.search(bad)


DOCUMENT = """
globalThis.document = { createElementNS: (space, tag) => ({
  seen: [space.split("/").pop(), tag], setAttribute(name, value) { this[name] = String(value); },
}) };
"""


@needs_node
def test_what_can_have_the_focus_keeps_its_keys_and_nothing_else_does(tmp_path: Path) -> None:
    made = """[node("input"), node("button"), node("select"), node("li", "item", { tabindex: -1 }),
      draw("svg", "", { tabindex: 0 }), node("span"), draw("rect", "box", { x: 1 }, "text")]"""
    told = value(tmp_path, f"(() => {{ {DOCUMENT} return {made}; }})()")
    assert [each.get("data-lm-suppress-shortcuts") for each in told] == ["true"] * 5 + [None] * 2
    assert [each["seen"][0] for each in told] == ["xhtml"] * 4 + ["svg", "xhtml", "svg"]
    assert told[-1] == {"seen": ["svg", "rect"], "class": "box", "x": "1", "textContent": "text"}


@needs_node
def test_tokens_are_shown_and_quoted_as_in_python(tmp_path: Path) -> None:
    tokens = [" cat", "\n", "\t", "\r", "  ", "<b>x</b>", "“é”"]
    told = value(tmp_path, f"{json.dumps(tokens)}.map((token) => [visible(token), quoted(token)])")
    assert told == [[visible(token), repr(token)] for token in tokens]
    assert value(tmp_path, 'visible("")') == "∅"


@needs_node
def test_keys_stop_at_the_ends_and_up_is_more_on_a_slider_only(tmp_path: Path) -> None:
    keys = ["ArrowUp", "ArrowRight", "PageDown", "Home", "End", "x"]
    for slider, wanted in (("false", [0, 2, 6, 0, 9, None]), ("true", [2, 2, 0, 0, 9, None])):
        assert value(tmp_path, f"{json.dumps(keys)}.map((key) => moved(key, 1, 10, 5, {slider}))") == wanted


@needs_node
def test_the_same_sentence_is_not_said_twice(tmp_path: Path) -> None:
    region = "{ said: [], get textContent() { return this.said.at(-1); }, set textContent(t) { this.said.push(t); } }"
    told = value(tmp_path, f'((r) => (say(r, "a"), say(r, "a"), say(r, "b"), r.said))({region})')
    assert told == ["a", "b"]
