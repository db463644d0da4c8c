"""TraceViewer: its state, what it says, its fallback, its JavaScript, and what it refuses."""

import copy
import json
import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
import traitlets

from course_utils.incidents import plant
from course_utils.widgets import trace
from course_utils.widgets.trace import TraceViewer

FOLDER = Path(trace.__file__).parent
WIDGET = "application/vnd.jupyter.widget-view+json"
needs_node = pytest.mark.skipif(
    shutil.which("node") is None, reason="needs Node.js to run JavaScript; runs wherever `node` is"
)


@pytest.fixture
def spans() -> list[dict[str, Any]]:
    return copy.deepcopy(plant(seed=3, incident="swallowed error").spans)


@pytest.fixture
def view(spans: list[dict[str, Any]]) -> TraceViewer:
    failed = next(span for span in spans if span["status"] == "ERROR")
    return TraceViewer(spans, "A run", {failed["span_id"]: "<b>nobody noticed</b>"})


def test_everything_that_the_view_renders_is_synced(view: TraceViewer) -> None:
    script = (FOLDER / "trace.js").read_text()
    used = set(re.findall(r'model\.get\("(\w+)"\)', script))
    assert used == {"title", "spans", "selected"} <= set(view.keys)
    fields = set(re.findall(r"\b(?:span|other)\.(\w+)", script))
    assert fields == set(view.spans[0]), "the script reads what Python sends, and all of it"


def test_spans_stand_below_their_parent_in_the_order_in_which_they_began(view: TraceViewer) -> None:
    assert [span["depth"] for span in view.spans] == [0, 1, 1, 1, 1, 1]
    begins = [span["begin"] for span in view.spans]
    assert begins == sorted(begins) and begins[0] == 0 and view.spans[0]["name"] == "invoke_agent desk"
    assert view.selected == view.spans[0]["id"]


def test_the_order_in_which_spans_come_does_not_matter_and_doubles_are_shown_once(
    spans: list[dict[str, Any]],
) -> None:
    assert TraceViewer(spans[::-1] + spans[:2]).spans == TraceViewer(spans).spans


def test_an_orphan_is_shown_and_said(spans: list[dict[str, Any]]) -> None:
    spans[0]["parent_id"] = "f" * 16
    view = TraceViewer(spans)
    orphan = next(span for span in view.spans if span["orphan"])
    view.selected = orphan["id"]
    assert orphan["depth"] == 0 and "an orphan" in view.summary and len(view.spans) == len(spans)


def test_the_summary_follows_the_chosen_span(view: TraceViewer) -> None:
    assert "line 1 of 6, the root" in view.summary and "no error" in view.summary
    view.selected = next(span["id"] for span in view.spans if span["failed"])
    assert "inside invoke_agent desk" in view.summary and "ended in an error" in view.summary
    assert view.summary.endswith("Note: “<b>nobody noticed</b>”.")


def test_the_selection_cannot_leave_what_exists(view: TraceViewer) -> None:
    before = view.selected
    with pytest.raises(traitlets.TraitError, match="does not exist"):
        view.selected = "0" * 16
    assert view.selected == before


def test_json_is_laid_out_and_what_a_model_said_is_unwrapped(view: TraceViewer) -> None:
    shown = {key: text for span in view.spans for key, text in span["attributes"]}
    assert shown["gen_ai.tool.call.arguments"].startswith("{\n")
    assert shown["gen_ai.output.messages"] == plant(seed=3, incident="swallowed error").answer


def test_the_bundle_holds_the_widget_and_a_figure(view: TraceViewer) -> None:
    data, _ = view._repr_mimebundle_()
    assert data[WIDGET]["model_id"] == view.model_id
    assert data["text/html"].startswith("<figure") and "<b>nobody" not in data["text/html"]
    assert view.summary in data["text/plain"] and "6 spans" in data["text/plain"]


def test_lines_can_have_the_focus_and_arrow_keys_move_it() -> None:
    script = (FOLDER / "trace.js").read_text()
    item = script[script.index('node("li"') : script.index("const name")]
    assert "tabindex: -1" in item and 'role: "treeitem"' in item and 'role: "status"' in script
    assert 'addEventListener("keydown"' in script and "ArrowDown" in script


@needs_node
def test_both_languages_say_the_same_of_every_span(view: TraceViewer, tmp_path: Path) -> None:
    module = tmp_path / "say.mjs"
    call = "console.log(JSON.stringify(given.map((_, i) => sentence(given, i))));"
    module.write_text(f"{TraceViewer._esm}\nconst given = {json.dumps(view.spans)};\n{call}")
    run = subprocess.run(["node", str(module)], capture_output=True, text=True, timeout=60, check=True)
    told = []
    for span in view.spans:
        view.selected = span["id"]
        told.append(view.summary)
    assert json.loads(run.stdout) == told


WRONG = {
    "no spans": (lambda spans: TraceViewer([]), "non-empty list"),
    "a tree": (lambda spans: TraceViewer([{"name": "x"}]), r"spans\[0\] lacks trace_id"),
    "one span": (lambda spans: TraceViewer(spans[0]), "non-empty list"),
    "a note for no span": (lambda spans: TraceViewer(spans, notes={"12": "here"}), "not in this trace"),
}


@pytest.mark.parametrize("name", WRONG)
def test_wrong_input_gets_one_error_that_says_what_came(name: str, spans: list[dict[str, Any]]) -> None:
    call, message = WRONG[name]
    with pytest.raises(ValueError, match=message):
        call(spans)
