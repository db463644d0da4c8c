"""One latent of a sparse autoencoder at a time: where it fires, what it writes, and what it does to text."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import traitlets

from course_utils import plots
from course_utils._drawing import figure_html, say_number
from course_utils._latents import BANDS, LatentTable, continuations
from course_utils._latents_page import page_html, page_picture
from course_utils.widgets._view import View, script

__all__ = ["FeatureDashboard"]

N_NEW = 24  # tokens of a continuation
STRONGEST = 4.0  # times the latent's largest activation
IDLE = {
    "state": "idle", "done": 0, "of": N_NEW, "prompt": "", "plain": "", "text": "",
    "latent": -1, "strength": 0.0, "note": "",
}  # fmt: skip


class FeatureDashboard(View):
    """A page for every latent: activation histogram, examples from all quarters, tokens written, neighbours, steering.

    >>> view = FeatureDashboard(load_bank("middle"), load_sae("middle"), smollm2, latent=812)
    >>> view                                  # as the last line of a cell
    >>> view.latent, view.summary             # in a later cell: what was looked at last

    `bank` is what `load_bank` returns, `sae` a SAELens SAE (or anything with `W_dec` [latent d_model]) that belongs to
    it, `model` the model that it was trained on. `notes` maps latents to descriptions: {812: "numbers in words"}.

    State (read it, or set it): `latent`, `band` (which examples: 0 the strongest, 1 to 4 quarters of all firings from
    the strongest down), `query` (a search: number or token text; `hits` holds the answer), `prompt`, `strength` (times
    the latent's largest activation). `steer()` does what the button does. `summary` says the page in one sentence.

    Raises ValueError where bank, SAE and model do not fit each other; TraitError where the state is set to what does
    not exist.
    """

    _esm = script(__file__)
    _css = Path(__file__).with_suffix(".css")

    n_latents = traitlets.Int(read_only=True).tag(sync=True)
    bands = traitlets.List(traitlets.Unicode(), list(BANDS), read_only=True).tag(sync=True)
    title = traitlets.Unicode("").tag(sync=True)
    latent = traitlets.Int(0).tag(sync=True)
    band = traitlets.Int(0).tag(sync=True)
    page = traitlets.Dict(read_only=True).tag(sync=True)
    query = traitlets.Unicode("").tag(sync=True)
    hits = traitlets.List(traitlets.Dict(), read_only=True).tag(sync=True)
    answered = traitlets.Unicode("", read_only=True).tag(sync=True)  # the query that `hits` belongs to
    prompt = traitlets.Unicode("").tag(sync=True)
    strength = traitlets.Float(1.0).tag(sync=True)
    strongest = traitlets.Float(STRONGEST, read_only=True).tag(sync=True)
    steering = traitlets.Dict(dict(IDLE), read_only=True).tag(sync=True)

    def __init__(
        self,
        bank: Any,
        sae: Any,
        model: Any,
        latent: int = 0,
        notes: Mapping[int, str] | None = None,
        prompt: str = "I went for a walk and",
        title: str = "",
    ) -> None:
        tokenizer = model.tokenizer
        self._table = LatentTable(
            bank, sae.W_dec, model.W_U, lambda ids: tokenizer.batch_decode([[i] for i in ids])
        )
        self._model, self._scale, self._site = model, float(getattr(bank, "scale", 1.0)), _site_of(bank, sae)
        unknown = [i for i in notes or {} if not 0 <= i < len(self._table)]
        if unknown:
            raise ValueError(f"notes has {unknown}, but latents are numbered 0 to {len(self._table) - 1}.")
        self._notes = {int(i): str(note) for i, note in (notes or {}).items()}
        self.set_trait("n_latents", len(self._table))
        super().__init__(latent=latent, prompt=prompt, title=title)
        self._turn_page()
        self.observe(self._turn_page, "latent")
        self.observe(self._search, "query")
        self.on_msg(self._on_message)

    @traitlets.validate("latent", "band", "strength")
    def _in_range(self, proposal: Any) -> Any:
        """The proposed value, or an error if there is no such latent or band, or the strength is off the scale."""
        name, value = proposal["trait"].name, proposal["value"]
        if name == "strength":
            low, high, what = -STRONGEST, STRONGEST, "runs"
        else:
            low, high, what = 0, {"latent": self.n_latents, "band": len(BANDS)}[name] - 1, "is numbered"
        if not low <= value <= high:
            raise traitlets.TraitError(f"{name}={value} does not exist: it {what} from {low:g} to {high:g}.")
        return value

    def _turn_page(self, change: Any = None) -> None:
        self.set_trait("page", {**self._table.page(self.latent), "note": self._notes.get(self.latent, "")})

    def _search(self, change: Any = None) -> None:
        hits = self._table.find(self.query)
        with self.hold_sync():
            self.set_trait("hits", [{**hit, "note": self._notes.get(hit["latent"], "")} for hit in hits])
            self.set_trait("answered", self.query)

    def _on_message(self, _: Any, content: Any, buffers: Any) -> None:
        if isinstance(content, dict) and content.get("do") == "steer":
            self.steer()

    def steer(self) -> str:
        """The model's continuation of `prompt` with the latent's direction added; the view shows it token by token.

        Adds `strength` times the latent's largest activation times its decoder direction to every token but the start
        token, while the text is written. Errors are shown in the view, not raised: a button has nobody to catch them.
        """
        about = {**IDLE, "prompt": self.prompt, "latent": self.latent, "strength": self.strength}
        if not self.prompt.strip():
            return self._say({**about, "state": "failed", "note": "Write the beginning of a text first."})
        size = self.strength * self._table.largest(self.latent) * self._scale
        step = size * self._table.directions[self.latent]
        self._say({**about, "state": "running"})
        try:
            for done, plain, text in continuations(self._model, self.prompt, self._site, step, N_NEW):
                about |= {"done": done, "plain": plain, "text": text}
                self._say({**about, "state": "running"})
        except Exception as error:
            problem = f"The model stopped: {type(error).__name__}: {str(error)[:200]}"
            return self._say({**about, "state": "failed", "note": problem})
        return self._say({**about, "state": "done"})

    def _say(self, steering: dict[str, Any]) -> str:
        self.set_trait("steering", steering)
        return str(steering["text"])

    @property
    def summary(self) -> str:
        """The sentence that the view reads out: how often, on what, and what it writes."""
        page = self.page
        name = f"Latent {page['latent']}" + (f" ({page['note']})" if page["note"] else "")
        if not page["fires"]:
            return f"{name} never fires on {page['of']:,} tokens."
        share = say_number(100 * page["fires"] / page["of"])
        on, writes = self._table.preview(page["latent"]), page["promoted"][0][0]
        return (
            f"{name} fires on {share} % of {page['of']:,} tokens, up to {say_number(page['largest'])}, "
            f"most strongly on {on!r}; it raises the logit of {writes!r} most."
        )

    def picture(self) -> plots.Picture:
        """The histogram of the latent as a figure with the summary, for `plots.show` and pages without widgets."""
        return page_picture(self.page), self.summary

    def _still(self) -> tuple[str, str]:
        """The figure with the examples as text below it."""
        return figure_html(self.picture()) + page_html(self.page, self.band), self.summary


def _site_of(bank: Any, sae: Any) -> str:
    """The hook name where the SAE reads and writes."""
    for owner in (bank, getattr(getattr(sae, "cfg", None), "metadata", None)):
        name = getattr(owner, "hook_name", None)
        if isinstance(name, str):
            return name
    raise ValueError(
        "neither bank nor SAE says its hook name, so the dashboard cannot steer; set bank.hook_name."
    )
