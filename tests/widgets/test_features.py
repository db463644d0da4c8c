"""FeatureDashboard: its state, pages, searches, steering, what it says where no widget can run, what it refuses."""

import contextlib
import json
import re
import shutil
import subprocess
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
import traitlets

from course_utils._latents import BANDS, LatentTable, continuations
from course_utils.widgets import features
from course_utils.widgets.features import FeatureDashboard

FOLDER = Path(features.__file__).parent
WIDGET = "application/vnd.jupyter.widget-view+json"
WORDS = ["<s>", "a", " cat", " Cat", "cats", "\n", "<b>", " dog", " the", " of", " end", "."]
needs_node = pytest.mark.skipif(shutil.which("node") is None, reason="needs Node.js; runs wherever `node` is")


class Tokenizer:
    eos_token_id = 10

    def batch_decode(self, rows: Any, **kwargs: Any) -> list[str]:
        return ["".join(WORDS[int(token)] for token in row) for row in rows]


class Model:
    """Predicts from the current token alone: logits are its embedding, after the hook, times W_U (the identity)."""

    def __init__(self) -> None:
        self.tokenizer, self.W_U, self.chunks, self._hook = Tokenizer(), torch.eye(12), [], None

    def to_tokens(self, prompt: str) -> torch.Tensor:
        return torch.tensor([[0, *[WORDS.index(word) for word in re.findall(r" ?\w+|.", prompt)]]])

    @contextlib.contextmanager
    def hooks(self, fwd_hooks: list[Any]) -> Any:
        self._hook = fwd_hooks[0]
        yield
        self._hook = None

    def original_model(self, tokens: torch.Tensor, past_key_values: Any, **kwargs: Any) -> SimpleNamespace:
        name, hook = self._hook
        resid = hook(torch.eye(12)[(tokens + 1) % 12], SimpleNamespace(name=name))  # t is followed by t + 1
        self.chunks.append((name, tokens.shape[1], resid - torch.eye(12)[(tokens + 1) % 12]))
        return SimpleNamespace(past_key_values=(past_key_values or 0) + tokens.shape[1], logits=resid[:, -1:])


def some_bank() -> SimpleNamespace:
    """Three documents. Latent 0 fires on "cat" (token 2), 1 everywhere a little, 2 once, 3 never."""
    rng = np.random.default_rng(0)
    tokens = rng.integers(1, 10, 300).astype(np.uint16)
    entries = [(t, 0, 2 + rng.random()) for t in np.flatnonzero(tokens == 2)]
    entries += [(t, 1, rng.random() + 0.01) for t in range(0, 300, 2)] + [(77, 2, 5.0)]
    where, latent, value = map(np.array, zip(*sorted(entries), strict=True))
    return SimpleNamespace(
        tokens=tokens, documents=np.repeat([0, 1, 2], 100), kept=np.arange(300) % 100 > 0,
        start=np.searchsorted(where, np.arange(301)), latent=latent.astype(np.uint16), value=value.astype(np.float16),
        sources=("one", "two", "<three>"), scale=2.0, hook_name="blocks.1.hook_resid_pre",
    )  # fmt: skip


SAE = SimpleNamespace(
    W_dec=torch.nn.Parameter(torch.eye(12)[[3, 3, 7, 1]] + 0.1 * torch.eye(12)[[0, 5, 0, 0]])
)


@pytest.fixture
def view() -> FeatureDashboard:
    return FeatureDashboard(some_bank(), SAE, Model(), latent=0, notes={0: "cats"}, prompt="a cat")


# ---- state ----


def test_everything_that_the_view_renders_is_synced(view: FeatureDashboard) -> None:
    script = (FOLDER / "features.js").read_text()
    used = set(re.findall(r'model\.get\("(\w+)"\)', script)) | set(re.findall(r"change:(\w+)", script))
    assert {"page", "latent", "hits", "steering"} <= used <= set(view.keys), used - set(view.keys)


@pytest.mark.parametrize(("name", "value"), [("latent", 4), ("latent", -1), ("band", 5), ("strength", 4.5)])
def test_the_state_cannot_leave_what_exists(view: FeatureDashboard, name: str, value: float) -> None:
    before = getattr(view, name)
    with pytest.raises(traitlets.TraitError, match=f"{name}={value} does not exist"):
        setattr(view, name, value)
    assert getattr(view, name) == before


def test_another_latent_brings_its_page(view: FeatureDashboard) -> None:
    assert (view.page["latent"], view.page["note"]) == (0, "cats")
    view.latent = 2
    assert (view.page["latent"], view.page["note"], view.page["fires"]) == (2, "", 1)
    json.dumps(view.page)  # plain data only: it has to travel


# ---- pages ----


def test_the_page_counts_what_the_bank_holds(view: FeatureDashboard) -> None:
    bank = some_bank()
    value = bank.value[bank.latent == 0].astype(float)
    page = view.page
    assert (page["fires"], page["of"], page["largest"]) == (len(value), 297, pytest.approx(value.max()))
    assert sum(page["counts"]) == len(value) and page["edges"][-1] == pytest.approx(value.max())
    assert page["limits"] == pytest.approx(np.quantile(value, [0.25, 0.5, 0.75]), abs=1e-3)


def test_the_strongest_examples_are_the_strongest_without_overlap(view: FeatureDashboard) -> None:
    peaks = [example["values"][example["peak"]] for example in view.page["bands"][0]]
    assert peaks == sorted(peaks, reverse=True) and peaks[0] == pytest.approx(view.page["largest"], abs=1e-3)
    assert all(example["tokens"][example["peak"]] == " cat" for example in view.page["bands"][0])


def test_examples_of_a_quarter_lie_in_it_and_in_one_document(view: FeatureDashboard) -> None:
    view.latent = 1
    low, *_, high = [0.0, *view.page["limits"], view.page["largest"]]
    limits = [low, *view.page["limits"], high]
    for band in range(1, 5):
        for example in view.page["bands"][band]:
            peak = example["values"][example["peak"]]
            assert limits[4 - band] - 1e-2 <= peak <= limits[5 - band] + 1e-2
    tokens = some_bank().tokens
    for example in view.page["bands"][0]:
        document = ["one", "two", "<three>"].index(example["source"])
        text = "".join(WORDS[t] for t in tokens[100 * document : 100 * document + 100])
        assert "".join(example["tokens"]) in text and len(example["tokens"]) <= 22


def test_promoted_tokens_come_from_the_directions_and_the_unembedding(view: FeatureDashboard) -> None:
    assert view.page["promoted"][0] == [" Cat", pytest.approx(1.0)]
    view.latent = 2
    assert view.page["promoted"][0] == [" dog", pytest.approx(1.0)]
    assert view.page["suppressed"][0][1] <= view.page["suppressed"][-1][1]


def test_the_nearest_direction_is_named_with_its_cosine(view: FeatureDashboard) -> None:
    assert view.page["near"][0][:2] == [1, pytest.approx(1 / 1.01, abs=1e-4)]
    assert [row[0] for row in view.page["near"]] == [1, 2, 3]


def test_a_latent_that_never_fires_has_a_page_too(view: FeatureDashboard) -> None:
    view.latent = 3
    assert view.summary == "Latent 3 never fires on 297 tokens." and view.page["bands"] == [[]] * 5
    assert "<figure" in view._repr_mimebundle_()[0]["text/html"]


# ---- searching ----


def test_a_number_finds_the_latent(view: FeatureDashboard) -> None:
    for query in ("2", " #2 "):
        view.query = query
        assert [hit["latent"] for hit in view.hits] == [2] and view.answered == query


def test_a_word_finds_what_fires_on_it_and_what_writes_it(view: FeatureDashboard) -> None:
    view.query = "cat"  # " cat" and " Cat" are the same word
    fires = [hit for hit in view.hits if hit["kind"] == "fires"]
    writes = [hit for hit in view.hits if hit["kind"] == "writes"]
    assert fires[0]["latent"] == 0 and fires[0]["note"] == "cats" and fires[0]["score"] > 0.6
    assert writes[0]["latent"] in (0, 1) and writes[0]["score"] == pytest.approx(1.0)


@pytest.mark.parametrize("query", ["", "  ", "zebra", "99"])
def test_what_is_not_there_is_not_found(view: FeatureDashboard, query: str) -> None:
    view.query = "cat"
    view.query = query
    assert view.hits == [] and view.answered == query


# ---- steering ----


def test_steering_continues_both_texts_and_reports_progress(view: FeatureDashboard) -> None:
    seen: list[Any] = []
    view.observe(lambda change: seen.append(change["new"]), "steering")
    view.strength = 2.0
    text = view.steer()
    assert [now["state"] for now in seen[:2]] == ["running", "running"] and seen[-1]["state"] == "done"
    assert [now["done"] for now in seen[1:4]] == [1, 2, 3]
    assert (
        view.steering["plain"].startswith(" Catcats")
        and text == view.steering["text"] != view.steering["plain"]
    )
    assert (view.steering["latent"], view.steering["strength"]) == (0, 2.0)


def test_the_step_is_strength_times_largest_times_direction_off_the_start_token(
    view: FeatureDashboard,
) -> None:
    view.strength = 0.5
    view.steer()
    name, length, added = view._model.chunks[0]
    assert (name, length) == ("blocks.1.hook_resid_pre", 3)
    want = 0.5 * view.page["largest"] * 2.0 * SAE.W_dec[0].detach()  # bank.scale is 2
    assert added[0].abs().max() == 0 and added[1, 0].abs().max() == 0
    assert torch.allclose(added[1, 1], want, atol=1e-5) and torch.allclose(added[1, 2], want, atol=1e-5)
    _, length, added = view._model.chunks[1]  # one new token, not at position 0
    assert length == 1 and torch.allclose(added[1, 0], want, atol=1e-5)


def test_both_texts_stop_at_the_end_token() -> None:
    *_, last = continuations(Model(), "a", "site", torch.zeros(12), 24)
    assert last == (9, last[1], last[1]) and last[1].endswith(" of end")


def test_an_error_of_the_model_is_shown_and_the_button_comes_back(view: FeatureDashboard) -> None:
    view.prompt = "unknown"
    assert view.steer() == "" and view.steering["state"] == "failed"
    assert view.steering["note"].startswith("The model stopped: ValueError")
    view.prompt = " "
    view.steer()
    assert "beginning of a text" in view.steering["note"]


def test_the_buttons_message_steers_and_others_do_not(view: FeatureDashboard) -> None:
    view._on_message(view, {"do": "something else"}, [])
    view._on_message(view, "steer", [])
    assert view.steering["state"] == "idle"
    view._on_message(view, {"do": "steer"}, [])
    assert view.steering["state"] == "done"


@pytest.mark.model
@pytest.mark.slow
def test_without_a_step_both_texts_are_the_models_own() -> None:
    from course_utils import load_model

    model = load_model("smollm2")
    *_, (_, plain, text) = continuations(
        model, "The capital of France is", "blocks.15.hook_resid_pre", torch.zeros(576), 6
    )
    whole = model.generate("The capital of France is", max_new_tokens=6, do_sample=False, verbose=False)
    assert plain == text and whole == "The capital of France is" + plain
    hooks = [point for point in model.hook_dict.values() if point.fwd_hooks]
    assert hooks == []


# ---- where no widget can run ----


def test_the_bundle_holds_the_widget_a_figure_and_the_examples_as_text(view: FeatureDashboard) -> None:
    data, _ = view._repr_mimebundle_()
    assert data[WIDGET]["model_id"] == view.model_id and data["text/plain"] == view.summary
    page = data["text/html"]
    assert page.startswith("<figure") and "Latent 0: cats" in re.findall(r'alt="([^"]*)"', page)[0]
    assert page.count("border-bottom") >= len(view.page["bands"][0]) and "&#x27; Cat&#x27; +1.00" in page
    view.band = 3
    assert f"Examples ({BANDS[3]})" in view._repr_mimebundle_()[0]["text/html"]


def test_text_of_the_bank_cannot_become_html(view: FeatureDashboard) -> None:
    view.latent = 1
    page = view._repr_mimebundle_()[0]["text/html"]
    assert "<b>" not in page.replace("<b>Examples", "").replace("<b>Logits", "") and "<three>" not in page


# ---- the JavaScript ----

HARNESS = """
const listeners = {};
class Node {
  constructor(tag) {
    Object.assign(this, { tag, children: [], attributes: {}, on: {}, own: "", value: "", dataset: {} });
    this.style = { setProperty: (name, value) => { this.style[name] = value; } };
    this.classList = { toggle: (name, on) => { this.attributes["is " + name] = Boolean(on); } };
  }
  get textContent() { return this.own + this.children.map((c) => c.textContent ?? c).join(""); }
  set textContent(text) { this.own = String(text); this.children = []; }
  get id() { return this.attributes.id; }
  append(...parts) { this.children.push(...parts); }
  replaceChildren(...parts) { this.children = parts; this.own = ""; }
  setAttribute(name, value) {
    this.attributes[name] = String(value);
    if (name.startsWith("data-")) this.dataset[name.slice(5)] = String(value);
    if (name === "hidden") this.hidden = true;
  }
  removeAttribute(name) { delete this.attributes[name]; }
  addEventListener(name, action) { (this.on[name] ??= []).push(action); }
  fire(name, event = {}) {
    const whole = { preventDefault() {}, stopPropagation() {}, target: this, ...event };
    for (const action of this.on[name] ?? []) action(whole);
  }
  focus() {} scrollIntoView() {}
  closest(selector) { return (this.attributes.class || "").split(" ").includes(selector.slice(1)) ? this : null; }
  all(test) { return [...(test(this) ? [this] : []), ...this.children.flatMap((c) => (c.all ? c.all(test) : []))]; }
}
globalThis.document = { createElementNS: (_, tag) => new Node(tag) };
const fire = (name) => Object.entries(listeners).forEach(([names, act]) => names.split(" ").includes(name) && act());
const sent = [];
const model = {
  get: (name) => STATE[name],
  set: (name, value) => { STATE[name] = value; fire(`change:${name}`); },
  save_changes: () => { if (STATE.dead) throw new Error("no kernel"); },
  send: (message) => { if (STATE.dead) throw new Error("no kernel"); sent.push(message); },
  on: (names, act) => { listeners[names] = act; }, off: () => {},
};
const el = new Node("div");
const leave = view.render({ model, el });
const found = (name) => el.all((n) => (n.attributes.class || "").split(" ").includes(name));
const one = (name) => found(name)[0];
const input = (box) => one(box).all((n) => n.tag === "input")[0];
const told = {};
told.first = [one("feat-status").textContent, one("feat-name").textContent, found("feat-example").length];
told.marks = found("feat-token").slice(0, 2).map((n) => [n.textContent, n.style["--feat-share"], n.attributes.title]);
found("feat-step")[1].fire("click");
told.step = [STATE.latent, one("feat-main").attributes["aria-busy"], one("feat-status").textContent];
STATE.page = OTHER; fire("change:page");
told.other = [one("feat-status").textContent, one("feat-main").attributes["aria-busy"]];
const radios = one("feat-switch").all((n) => n.tag === "input");
radios[0].fire("keydown", { key: "ArrowRight" });
told.band = [STATE.band, radios.map((r) => r.checked)];
input("feat-strength").fire("keydown", { key: "ArrowLeft" });
input("feat-strength").fire("keydown", { key: "PageUp" });
told.strength = [STATE.strength, one("feat-strength").all((n) => n.tag === "output")[0].textContent];
input("feat-strength").fire("keydown", { key: "End" });
told.end = STATE.strength;
input("feat-prompt").value = "the dog";
input("feat-prompt").fire("keydown", { key: "Enter" });
told.press = [sent, STATE.prompt, one("feat-go").disabled, one("feat-said").textContent];
const RUNNING = { state: "running", done: 6, of: 24, latent: 1, strength: 4, note: "" };
STATE.steering = { ...RUNNING, prompt: "the dog", plain: " cat the", text: " cat of" };
fire("change:steering");
told.running = [one("feat-go").disabled, one("feat-bar").attributes["aria-valuenow"], one("feat-said").textContent];
told.pair = found("feat-text").map((n) => n.children.map((c) => c.textContent));
STATE.steering = { ...STATE.steering, state: "done" }; fire("change:steering");
told.done = [one("feat-go").disabled, one("feat-pair").hidden];
const box = input("feat-search");
document.activeElement = box;
box.value = "cat"; STATE.query = STATE.answered = "cat"; STATE.hits = HITS; fire("change:hits");
told.hits = [box.attributes["aria-expanded"], found("feat-hit").map((n) => n.attributes["data-latent"])];
box.fire("keydown", { key: "ArrowDown" }); box.fire("keydown", { key: "ArrowDown" });
told.active = box.attributes["aria-activedescendant"] === found("feat-hit")[1].id;
box.fire("keydown", { key: "Enter" });
told.chosen = [STATE.latent, one("feat-popup").hidden];
box.value = "99"; box.fire("keydown", { key: "Enter" });
told.absent = STATE.latent;
STATE.dead = true; found("feat-step")[0].fire("click");
told.dead = one("feat-status").textContent;
leave();
console.log(JSON.stringify(told));
"""


@needs_node
def test_the_view_does_by_keyboard_what_it_does_by_mouse_and_says_what_python_says(
    view: FeatureDashboard, tmp_path: Path
) -> None:
    names = set(re.findall(r'model\.get\("(\w+)"\)', (FOLDER / "features.js").read_text()))
    state = {name: getattr(view, name) for name in names}
    first = view.summary
    view.query = "cat"
    hits = view.hits
    view.latent = 1
    script = tmp_path / "run.mjs"
    source = FeatureDashboard._esm.replace("export default", "const view =")
    given = [
        f"const {name} = {json.dumps(value)};"
        for name, value in (("STATE", state), ("OTHER", view.page), ("HITS", hits))
    ]
    script.write_text("\n".join([*given, source, HARNESS]))
    ran = subprocess.run(["node", str(script)], capture_output=True, text=True, timeout=60)
    assert ran.returncode == 0, ran.stderr
    told = json.loads(ran.stdout)
    assert told["first"] == [first, "Latent 0", len(state["page"]["bands"][0])]
    assert told["marks"][0][0] == " cat" and 0.5 < float(told["marks"][0][1]) <= 1
    assert told["step"] == [1, "true", first]  # the old page, marked as busy, until the kernel answers
    assert told["other"] == [view.summary, "false"]
    assert told["band"] == [1, [False, True, False, False, False]]
    assert told["strength"] == [1.75, "1.75 × its largest activation"] and told["end"] == 4
    assert told["press"] == [[{"do": "steer"}], "the dog", True, "Asking the model …"]
    assert told["running"] == [True, "6", "Writing, token 6 of 24"] and told["done"] == [False, False]
    assert told["pair"] == [["the dog cat ", "the"], ["the dog cat ", "of"]]
    assert told["hits"] == ["true", [str(hit["latent"]) for hit in hits]] and told["active"]
    assert told["chosen"] == [hits[1]["latent"], True]
    assert told["absent"] == hits[1]["latent"] and told["dead"].startswith("No answer from the kernel")


def test_strength_of_firing_is_not_told_by_colour_alone() -> None:
    sheet = (FOLDER / "features.css").read_text()
    rule = re.search(r"\.feat-token \{.*?\}", sheet, re.S)
    assert rule and "border-bottom: calc(" in rule[0] and "--feat-share" in rule[0]


# ---- wrong input ----

WRONG = {
    "no bank": (lambda: FeatureDashboard(SimpleNamespace(), SAE, Model()), "no tokens, documents"),
    "directions turned": (
        lambda: FeatureDashboard(some_bank(), SimpleNamespace(W_dec=torch.ones(12, 4)), Model()),
        r"\(12, 4\) and \(12, 12\)",
    ),
    "another SAE": (
        lambda: FeatureDashboard(some_bank(), SimpleNamespace(W_dec=SAE.W_dec[:2]), Model()),
        "latent 2, but there are 2 directions",
    ),
    "a note for no latent": (
        lambda: FeatureDashboard(some_bank(), SAE, Model(), notes={9: "x"}),
        r"notes has \[9\]",
    ),
    "no site": (
        lambda: FeatureDashboard(SimpleNamespace(**{**vars(some_bank()), "hook_name": None}), SAE, Model()),
        "says its hook name",
    ),
}


@pytest.mark.parametrize("name", WRONG)
def test_wrong_input_gets_one_error_that_says_what_came(name: str) -> None:
    call, message = WRONG[name]
    with pytest.raises(ValueError, match=message):
        call()


def test_a_table_knows_its_size() -> None:
    table = LatentTable(some_bank(), SAE.W_dec, torch.eye(12), lambda ids: [WORDS[i] for i in ids])
    assert len(table) == 4 and table.largest(3) == 0 and table.preview(2) == WORDS[some_bank().tokens[77]]
