"""What the feature dashboard shows of one latent, worked out from a bank of activations. Lessons use the widget."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import cached_property, lru_cache
from typing import Any

import numpy as np
import torch

__all__ = ["BANDS", "LatentTable", "continuations"]

BEFORE, AFTER = 14, 7  # tokens shown around a firing token
N_TOP, N_BAND, N_BINS, N_TOKENS, N_NEAR = 8, 6, 24, 8, 6
BANDS = ("top", "75–100 %", "50–75 %", "25–50 %", "0–25 %")
"""The examples on show: the strongest, and a random few from each quarter of all firings, by rank of activation."""
FIELDS = ("tokens", "documents", "kept", "start", "latent", "value")


class LatentTable:
    """Pages about latents: `table.page(7)` is plain data for the view, `table.find("Father")` a search.

    `bank` holds activations on text, sorted by token: tokens, documents and kept [token], start [token + 1], latent and
    value [entry]. `directions` is [latent d_model], `unembed` [d_model d_vocab], `words` gives the text of token ids.
    """

    def __init__(
        self, bank: Any, directions: Any, unembed: Any, words: Callable[[Sequence[int]], list[str]]
    ) -> None:
        missing = [name for name in FIELDS if not hasattr(bank, name)]
        if missing:
            raise ValueError(f"bank has no {', '.join(missing)}; pass what load_bank(...) returns.")
        self.tokens, self.documents, self.kept, self.start, latent, value = (
            np.asarray(getattr(bank, name)) for name in FIELDS
        )
        self.directions = torch.as_tensor(directions).detach().float()
        self.unembed = torch.as_tensor(unembed).detach().float()
        if self.directions.ndim != 2 or self.directions.shape[1] != self.unembed.shape[0]:
            raise ValueError(
                f"directions should be [latent d_model] and unembed [d_model d_vocab]; they have shapes "
                f"{tuple(self.directions.shape)} and {tuple(self.unembed.shape)}."
            )
        if len(latent) and int(latent.max()) >= len(self.directions):
            raise ValueError(
                f"the bank knows latent {int(latent.max())}, but there are {len(self.directions)} directions: "
                "do bank and SAE belong together?"
            )
        where = np.repeat(np.arange(len(self.tokens)), np.diff(self.start))
        order = np.argsort(latent, kind="stable")
        self._where, self._value = where[order], value[order].astype(np.float32)
        self._first = np.searchsorted(latent[order], np.arange(len(self.directions) + 1))
        self._words = lru_cache(maxsize=None)(lambda token: words([token])[0])
        self._sources: Sequence[str] = tuple(getattr(bank, "sources", ()))
        self.page = lru_cache(maxsize=256)(self._page)  # type: ignore[method-assign]

    def __len__(self) -> int:
        return len(self.directions)

    def firings(self, latent: int) -> tuple[np.ndarray, np.ndarray]:
        """Where the latent fires (places in `tokens`, ascending) and how strongly."""
        here = slice(self._first[latent], self._first[latent + 1])
        return self._where[here], self._value[here]

    def largest(self, latent: int) -> float:
        """The latent's largest activation in the bank; 0 if it never fires."""
        return float(self.firings(latent)[1].max(initial=0.0))

    def _page(self, latent: int) -> dict[str, Any]:
        where, value = self.firings(latent)
        counts, edges = np.histogram(value, bins=N_BINS, range=(0.0, float(value.max(initial=1e-6))))
        order = np.argsort(-value, kind="stable")
        logits = (self.directions[latent] @ self.unembed).numpy()
        ranked = np.argsort(-logits, kind="stable")
        return {
            "latent": latent,
            "fires": len(where),
            "of": int(self.kept.sum()),
            "largest": float(value.max(initial=0.0)),
            "counts": counts.tolist(),
            "edges": edges.tolist(),
            "limits": np.quantile(value, [0.25, 0.5, 0.75]).tolist() if len(value) else [],
            "bands": [self._examples(latent, band, order) for band in range(len(BANDS))],
            "promoted": self._scored(ranked[:N_TOKENS], logits),
            "suppressed": self._scored(ranked[: -N_TOKENS - 1 : -1], logits),
            "near": self._near(latent),
        }

    def _scored(self, tokens: np.ndarray, logits: np.ndarray) -> list[list[Any]]:
        return [[self._words(int(token)), float(logits[token])] for token in tokens]

    def _examples(self, latent: int, band: int, order: np.ndarray) -> list[dict[str, Any]]:
        """The strongest firings, or a few drawn from one quarter; no two windows overlap."""
        where, _ = self.firings(latent)
        if band:
            low, high = (len(order) * quarter // 4 for quarter in (band - 1, band))
            order = np.random.default_rng([latent, band]).permutation(order[low:high])
        taken: list[int] = []
        for entry in order:
            place = int(where[entry])
            if all(abs(place - other) > BEFORE for other in taken):
                taken.append(place)
            if len(taken) == (N_BAND if band else N_TOP):
                break
        windows = [self._window(latent, place) for place in taken]
        return sorted(windows, key=lambda window: -window["values"][window["peak"]])

    def _window(self, latent: int, place: int) -> dict[str, Any]:
        same = np.flatnonzero(
            self.documents[max(0, place - BEFORE) : place + AFTER + 1] == self.documents[place]
        )
        low = max(0, place - BEFORE) + int(same[0])
        high = max(0, place - BEFORE) + int(same[-1]) + 1
        where, value = self.firings(latent)
        inside = (where >= low) & (where < high)
        values = np.zeros(high - low)
        values[where[inside] - low] = value[inside]
        document = int(self.documents[place])
        return {
            "tokens": [self._words(int(token)) for token in self.tokens[low:high]],
            "values": values.round(3).tolist(),
            "peak": place - low,
            "source": self._sources[document] if document < len(self._sources) else f"text {document}",
            "cut": [bool(low and self.documents[low - 1] == document), self._goes_on(high, document)],
        }

    def _goes_on(self, place: int, document: int) -> bool:
        return bool(place < len(self.documents) and self.documents[place] == document)

    def _near(self, latent: int) -> list[list[Any]]:
        unit = self._unit
        cosines = (unit @ unit[latent]).numpy().copy()
        cosines[latent] = -np.inf
        order = np.argsort(-cosines, kind="stable")[: min(N_NEAR, len(self) - 1)]
        return [[int(other), float(cosines[other]), self.preview(int(other))] for other in order]

    @cached_property
    def _unit(self) -> torch.Tensor:
        return self.directions / self.directions.norm(dim=1, keepdim=True).clamp_min(1e-12)

    def preview(self, latent: int) -> str:
        """The token on which the latent is strongest; empty if it never fires."""
        where, value = self.firings(latent)
        return self._words(int(self.tokens[where[value.argmax()]])) if len(value) else ""

    def find(self, query: str, count: int = 6) -> list[dict[str, Any]]:
        """Latents for a number ("812", "#812") or a text: first those that fire on it, then those that write it.

        "Fires" is ranked by F1 (does it fire on this token, and on little else), "writes" by the logit it adds.
        """
        text = query.strip()
        number = text.removeprefix("#")
        if number.isdecimal() and int(number) < len(self):
            return [self._hit(int(number), "number", None)]
        matching = self._matching(text)
        if not text or not len(matching):
            return []
        fires = self._ranked_by_f1(np.isin(self.tokens, matching))
        writes = (self.directions @ self.unembed[:, torch.as_tensor(matching.astype(np.int64))]).amax(dim=1)
        best = torch.argsort(-writes, stable=True)[:count].tolist()
        hits = [self._hit(latent, "fires", score) for latent, score in fires[:count]]
        return hits + [self._hit(latent, "writes", float(writes[latent])) for latent in best]

    def _hit(self, latent: int, kind: str, score: float | None) -> dict[str, Any]:
        return {"latent": latent, "kind": kind, "score": score, "preview": self.preview(latent)}

    def _matching(self, text: str) -> np.ndarray:
        """Token ids of the bank whose text is the query, blanks and case aside; without one, those that start so."""
        names = self._names
        exact = [token for token, name in names.items() if name == text.lower()]
        return np.array(
            exact or [token for token, name in names.items() if text and name.startswith(text.lower())]
        )

    @cached_property
    def _names(self) -> Mapping[int, str]:
        return {int(token): self._words(int(token)).strip().lower() for token in np.unique(self.tokens)}

    def _ranked_by_f1(self, matches: np.ndarray) -> list[tuple[int, float]]:
        fired = np.diff(self._first)
        on = np.add.reduceat(np.append(matches[self._where], False).astype(int), self._first[:-1]) * (
            fired > 0
        )
        f1 = 2 * on / np.maximum(fired + (matches & self.kept).sum(), 1)
        order = np.argsort(-f1, kind="stable")
        return [(int(latent), float(f1[latent])) for latent in order if on[latent]][:24]


def continuations(
    model: Any, prompt: str, site: str, step: torch.Tensor, n_new: int
) -> Iterator[tuple[int, str, str]]:
    """Greedy continuations of `prompt` without and with `step` at `site`, after each new token: (n, plain, steered).

    Both run as one batch with a key/value cache; the step is added to the second row, but not on the start token.
    """
    tokens = model.to_tokens(prompt).repeat(2, 1)
    seen, end = 0, model.tokenizer.eos_token_id

    def add(resid: torch.Tensor, hook: Any) -> torch.Tensor:
        nonlocal seen
        out, first = resid.clone(), int(seen == 0)  # with a cache, later calls see new tokens only
        out[1, first:] += step
        seen += resid.shape[1]
        return out

    given, past, done = tokens.shape[1], None, torch.zeros(2, dtype=torch.bool)
    for count in range(1, n_new + 1):
        with torch.inference_mode(), model.hooks(fwd_hooks=[(site, add)]):
            new = tokens if past is None else tokens[:, -1:]
            out = model.original_model(new, past_key_values=past, use_cache=True, logits_to_keep=1)
        past, chosen = out.past_key_values, out.logits[:, -1].argmax(dim=-1)
        done |= chosen == end
        tokens = torch.cat([tokens, torch.where(done, end, chosen)[:, None]], dim=1)
        plain, steered = model.tokenizer.batch_decode(tokens[:, given:], skip_special_tokens=True)
        yield count, plain, steered
        if done.all():
            return
