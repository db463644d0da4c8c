"""Makes `assets/head-study.json`: what each head of SmolLM2 does to the indirect-object answer, and four circuits.

    python -m course_utils.training.head_study        (about six minutes of one core)

Sixteen prompts of `prompts.TEMPLATES`, two of each template. On the first eight heads are chosen; on the last eight
they are tried. Ablation: a head's output is replaced, position by position, by its mean over the template's six
*neutral* prompts (three other names, none twice). Position 0 is the same in all prompts, so nothing changes there.
"""

import argparse
import json
import random
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from course_utils.models import load_model
from course_utils.prompts import PromptPair, load_pairs

__all__ = ["Ablator", "Head", "main"]

Head = tuple[int, int]
OUTPUT = Path(__file__).parents[1] / "assets" / "head-study.json"
N_LAYERS, N_HEADS, D_HEAD = 30, 9, 64
EVERY = [(layer, head) for layer in range(N_LAYERS) for head in range(N_HEADS)]
FLOOR, CANDIDATES, LARGE, N_EVENTS, SEED = 0.85, 20, 60, 40, 0


class Ablator:
    """The answers of SmolLM2 on some prompts with any heads mean-ablated, several choices of heads in one batch."""

    def __init__(self, bridge: Any, pairs: Sequence[PromptPair]) -> None:
        self.model = bridge.original_model.model
        self.tokens = bridge.to_tokens([pair.clean for pair in pairs])
        right, wrong = (
            torch.tensor([bridge.to_single_token(getattr(pair, side)) for pair in pairs])
            for side in ("right", "wrong")
        )
        unembed = bridge.original_model.lm_head.weight
        self.direction = unembed[right] - unembed[wrong]
        means = {}
        for template in {pair.template for pair in pairs}:
            neutral = [pair.neutral for pair in load_pairs(template=template)]
            means[template] = self._outputs(bridge.to_tokens(neutral)).mean(1)
        self.reference = torch.stack(
            [means[pair.template] for pair in pairs], 1
        )  # layer batch pos head*d_head
        self.whole = float(self.difference([EVERY])[0])
        self.empty = float(self.difference([()])[0])

    def _outputs(self, tokens: Tensor) -> Tensor:
        caught: list[Tensor] = []
        handles = [
            block.self_attn.o_proj.register_forward_pre_hook(lambda module, args: caught.append(args[0]))
            for block in self.model.layers
        ]
        self.model(tokens)
        for handle in handles:
            handle.remove()
        return torch.stack(caught)

    def difference(self, kept: Sequence[Iterable[Head]]) -> Float[Tensor, " choice"]:
        """Mean logit difference (nats) for each choice of heads to keep; all others are ablated."""
        keep = torch.zeros(len(kept), N_LAYERS, N_HEADS, dtype=torch.bool)
        for row, heads in enumerate(kept):
            for layer, head in heads:
                keep[row, layer, head] = True
        return torch.cat([self._run(some) for some in keep.split(6)])

    def _run(self, keep: Bool[Tensor, "choice layer head"]) -> Float[Tensor, " choice"]:
        batch, n = len(self.tokens), len(keep)

        def swap(layer: int):
            mask = keep[:, layer].repeat_interleave(D_HEAD, -1).repeat_interleave(batch, 0)[:, None]
            mean = self.reference[layer].repeat(n, 1, 1)
            return lambda module, args: (torch.where(mask, args[0], mean),)

        handles = [
            block.self_attn.o_proj.register_forward_pre_hook(swap(i))
            for i, block in enumerate(self.model.layers)
        ]
        last = self.model(self.tokens.repeat(n, 1)).last_hidden_state[:, -1]
        for handle in handles:
            handle.remove()
        return (last.view(n, batch, -1) * self.direction).sum(-1).mean(-1)

    def faithfulness(self, kept: Sequence[Iterable[Head]]) -> list[float]:
        """(difference − with no head) / (with all heads − with no head), for each choice."""
        values = (self.difference(kept) - self.empty) / (self.whole - self.empty)
        return [round(float(value), 4) for value in values]


def _attention(bridge: Any, pairs: Sequence[PromptPair]) -> dict[str, Float[Tensor, "layer head"]]:
    """Mean attention to what each part of the story should look at. Names stand at 2, 4 and 10, the end is 14."""
    tokens = bridge.to_tokens([pair.clean for pair in pairs])
    _, cache = bridge.run_with_cache(tokens, names_filter=lambda name: name.endswith("hook_pattern"))
    pattern = torch.stack([cache[f"blocks.{layer}.attn.hook_pattern"] for layer in range(N_LAYERS)])
    receiver = torch.where(tokens[:, 2] == tokens[:, 10], 4, 2)
    rows = torch.arange(len(pairs))
    places = {
        "end to receiver": (14, receiver),
        "end to second giver": (14, torch.full_like(receiver, 10)),
        "second giver to first": (10, 6 - receiver),
    }
    return {
        name: torch.stack([pattern[:, b, :, query, keys[b]] for b in rows]).mean(0)
        for name, (query, keys) in places.items()
    }


def _top(scores: Float[Tensor, "layer head"], count: int) -> list[Head]:
    return [divmod(int(i), N_HEADS) for i in scores.flatten().argsort(descending=True)[:count]]


def _prune(study: Ablator, heads: list[Head]) -> list[Head]:
    """Weakest first, every head goes whose loss leaves a faithfulness of at least `FLOOR`."""
    for head in reversed(list(heads)):
        left = [other for other in heads if other != head]
        if study.faithfulness([left])[0] >= FLOOR:
            heads = left
    return heads


def main() -> None:
    """Nothing: writes the study."""
    about = (
        "Study the heads of SmolLM2's indirect-object circuit and write assets/head-study.json (six minutes)."
    )
    argparse.ArgumentParser(prog="course_utils.training.head_study", description=about).parse_args()
    bridge = load_model("smollm2")
    pairs = load_pairs("indirect-object")
    chosen_on, tried_on = Ablator(bridge, pairs[:8]), Ablator(bridge, pairs[8:16])
    effects = chosen_on.difference([[h for h in EVERY if h != one] for one in EVERY]).view(N_LAYERS, N_HEADS)
    effects = chosen_on.whole - effects
    print("effects", _top(effects, 8), flush=True)
    tidy = _prune(chosen_on, _top(effects, CANDIDATES))
    print("tidy", tidy, flush=True)
    attention = _attention(bridge, pairs[:8])
    shares = dict(zip(attention, (3, 2, 2), strict=True))
    plausible = sorted({head for name, count in shares.items() for head in _top(attention[name], count)})
    draw = random.Random(SEED)
    circuits = {
        "tidy": tidy,
        "large": _top(effects.abs(), LARGE),
        "plausible": plausible,
        "random": [(layer, draw.randrange(N_HEADS)) for layer, _ in tidy],
    }
    # What may be ablated: the heads with the largest effects, and those of the plausible story.
    pool = sorted({*_top(effects.abs(), 40), *plausible})
    events = [sorted(draw.sample(pool, draw.randint(1, 4))) for _ in range(N_EVENTS)]
    record: dict[str, Any] = {}
    for name, heads in {"model": EVERY, **circuits}.items():
        intact = tried_on.faithfulness([heads])[0]
        hit = tried_on.faithfulness([[h for h in heads if h not in event] for event in events])
        record[name] = {"faithfulness": intact, "lost": [round(intact - value, 4) for value in hit]}
        if name in ("model", "tidy"):
            alone = tried_on.faithfulness([[h for h in heads if h != one] for one in tidy])
            record[name]["alone"] = [round(intact - value, 4) for value in alone]
        print(name, len(heads), intact, flush=True)
    study = {
        "nats": {
            "chosen on": [chosen_on.whole, chosen_on.empty],
            "tried on": [tried_on.whole, tried_on.empty],
        },
        "effects": effects.tolist(),
        "attention": {name: values.tolist() for name, values in attention.items()},
        "circuits": circuits,
        "events": events,
        "record": record,
    }
    text = json.dumps(study, default=list, indent=None)
    OUTPUT.write_text(json.dumps(json.loads(text, parse_float=lambda x: round(float(x), 4))) + "\n")


if __name__ == "__main__":
    main()
