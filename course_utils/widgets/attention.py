"""All heads of a model on one prompt, to click through; a picture of one where nothing can be clicked."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import traitlets
from jaxtyping import Float

from course_utils import plots
from course_utils._drawing import as_pattern
from course_utils.widgets._view import View, script

__all__ = ["AttentionExplorer"]

MAX_TOKENS = 128  # beyond that, neither the text nor the heat map can be read
SCALE = 65535  # weights travel as 16-bit fixed point: half the bytes of float32, exact to five decimals


class AttentionExplorer(View):
    """A view of every attention pattern of one prompt: choose a head and a token, read what it attends to.

    >>> patterns = [cache[f"blocks.{layer}.attn.hook_pattern"][0] for layer in range(model.cfg.n_layers)]
    >>> view = AttentionExplorer(patterns, model.to_str_tokens(prompt), head=(18, 6))
    >>> view                              # as the last line of a cell
    >>> view.layer, view.head             # in a later cell: the head that was clicked

    Shapes: `patterns` is [layer head query key] with weights in [0, 1] (array, tensor, or a list of tensors,
    one per layer); `tokens` has one string per position, at most 128. Rows need not sum to 1, so a pattern
    with a key masked out can be shown too. `titles` maps heads to short notes: {(18, 6): "induction"}.

    State (read it, or set it to move the view): `layer`, `head`, `position` (the token chosen), `direction`:
    "query" shows the keys that the token attends to, "key" the queries that attend to it. `summary` says it.

    Raises ValueError where patterns and tokens do not fit each other, weights lie outside [0, 1], or a head
    does not exist; TraitError where the state is set to what does not exist.
    """

    _esm = script(__file__)
    _css = Path(__file__).with_suffix(".css")

    _weights = traitlets.Bytes().tag(sync=True)
    n_layers = traitlets.Int(read_only=True).tag(sync=True)
    n_heads = traitlets.Int(read_only=True).tag(sync=True)
    tokens = traitlets.List(traitlets.Unicode(), read_only=True).tag(sync=True)
    titles = traitlets.Dict(read_only=True).tag(sync=True)  # "L18H6" to its note: JSON has no tuple keys
    layer = traitlets.Int(0).tag(sync=True)
    head = traitlets.Int(0).tag(sync=True)
    position = traitlets.Int(0).tag(sync=True)
    direction = traitlets.Enum(["query", "key"], "query").tag(sync=True)

    def __init__(
        self,
        patterns: Float[Any, "layer head query key"],
        tokens: Sequence[str],
        titles: Mapping[tuple[int, int], str] | None = None,
        head: tuple[int, int] = (0, 0),
    ) -> None:
        weights = as_pattern(patterns, ("layer", "head", "query", "key"), tokens, "patterns")
        if len(tokens) > MAX_TOKENS:
            raise ValueError(
                f"{len(tokens)} tokens are too many to read; show at most {MAX_TOKENS}, for example "
                f"patterns[..., :{MAX_TOKENS}, :{MAX_TOKENS}] and tokens[:{MAX_TOKENS}]."
            )
        self._patterns = weights.astype(np.float32)
        for place in [head, *(titles or {})]:
            _check_head(place, *weights.shape[:2])
        self.set_trait("n_layers", weights.shape[0])
        self.set_trait("n_heads", weights.shape[1])
        self.set_trait("tokens", list(tokens))
        self.set_trait("titles", {f"L{i}H{j}": str(note) for (i, j), note in (titles or {}).items()})
        fixed = np.round(weights * SCALE).astype("<u2").tobytes()
        super().__init__(_weights=fixed, layer=head[0], head=head[1], position=len(tokens) - 1)

    @traitlets.validate("layer", "head", "position")
    def _in_range(self, proposal: Any) -> int:
        """The proposed value, or an error if there is no such layer, head or token."""
        name, value = proposal["trait"].name, proposal["value"]
        count = {"layer": self.n_layers, "head": self.n_heads, "position": len(self.tokens)}[name]
        if not 0 <= value < count:
            raise traitlets.TraitError(
                f"{name}={value} does not exist: there are {count}, numbered 0 to {count - 1}."
            )
        return value

    @property
    def summary(self) -> str:
        """The sentence that the view reads out: the chosen token's largest weights in the chosen head."""
        pattern = self._patterns[self.layer, self.head]
        weights = pattern[self.position] if self.direction == "query" else pattern[:, self.position]
        largest = [int(place) for place in np.argsort(-weights, kind="stable")[:3] if weights[place] >= 0.005]
        verb = "attends to" if self.direction == "query" else "is attended to by"
        told = ", ".join(f"{self.tokens[place]!r} ({place}) {weights[place]:.2f}" for place in largest)
        chosen = f"{self.tokens[self.position]!r} ({self.position})"
        return f"L{self.layer}H{self.head}: {chosen} {verb} {told or 'no token with 0.01 or more'}."

    def picture(self) -> plots.Picture:
        """The chosen head as a figure with its summary, for `plots.show` and for pages without widgets."""
        name = f"L{self.layer}H{self.head}"
        note = self.titles.get(name)
        title = f"Attention pattern of {name}" + (f": {note}" if note else "")
        figure, summary = plots.attention(self._patterns[self.layer, self.head], self.tokens, title)
        return figure, f"{self.summary} {summary}"


def _check_head(place: Any, n_layers: int, n_heads: int) -> None:
    """Nothing, or an error if `place` is not the (layer, head) of a head that exists."""
    if not (isinstance(place, tuple) and len(place) == 2):
        raise ValueError(f"a head is named by a pair (layer, head), such as (18, 6); got {place!r}.")
    if not (0 <= place[0] < n_layers and 0 <= place[1] < n_heads):
        raise ValueError(
            f"head L{place[0]}H{place[1]} does not exist: patterns has {n_layers} layers and {n_heads} "
            "heads, both numbered from 0."
        )
