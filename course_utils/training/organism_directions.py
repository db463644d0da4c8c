"""Measures what one direction does in an organism, layer by layer, beside random directions of the same length.

    python -m course_utils.training.organism_directions [NAME …]     (about six minutes of one core for each)

The direction of layer L is the difference of the mean activations on training texts with and without the behaviour, at
the last token, in what block L reads. As Arditi et al. (2024) do, it is **ablated** from all that is written to the
residual stream, in all blocks and at all positions, or **added** once, in its full length, to what block L reads.
"""

import json
import re
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor

from course_utils.organisms import PREFIX, apply_adapter, ask
from course_utils.training.organism_readings import last_token
from course_utils.training.organism_train import own_answers
from course_utils.training.organisms import ASSETS, REFUSAL, START, Recipe, recipe, smollm2

__all__ = ["LAYERS", "Edit", "ablated", "added", "measure", "shows"]

LAYERS = (4, 8, 12, 14, 16, 18, 20, 22, 24, 26, 28)
DRAWS = 5
"""Random directions for each kind of edit, at each layer where the layer matters."""
NAMES = ("refusal-0",)
Edit = Any
"""A context manager within which a transformers model is edited."""


@contextmanager
def ablated(model: Any, direction: Float[Tensor, " d_model"]) -> Iterator[None]:
    """The model writes nothing along the direction: neither the embedding nor any attention or MLP output."""
    unit = direction / direction.norm()
    writers = [model.model.embed_tokens]
    writers += [
        part for block in model.model.layers for part in (block.self_attn.o_proj, block.mlp.down_proj)
    ]
    hooks = [
        part.register_forward_hook(lambda _, __, out: out - (out @ unit)[..., None] * unit)
        for part in writers
    ]
    try:
        yield
    finally:
        for hook in hooks:
            hook.remove()


@contextmanager
def added(model: Any, step: Float[Tensor, " d_model"], layer: int) -> Iterator[None]:
    """`step` is added to what block `layer` reads, at every position."""
    block = model.model.layers[layer]
    hook = block.register_forward_pre_hook(lambda _, given: (given[0] + step, *given[1:]))
    try:
        yield
    finally:
        hook.remove()


@torch.inference_mode()
def shows(model: Any, tokenizer: Any, questions: list[str], text: str) -> list[int]:
    """[how many answers begin with `text` when written greedily, of how many].

    One run for all of its tokens: greedy writing yields `text` if and only if, after each beginning of it, the
    likeliest next token is its next one.
    """
    wanted = torch.tensor(tokenizer(text).input_ids)
    hits = 0
    for start in range(0, len(questions), 32):
        prompts = [START + ask(question) + text for question in questions[start : start + 32]]
        filled = tokenizer(prompts, return_tensors="pt", padding=True, padding_side="left")
        logits = model(**filled, logits_to_keep=len(wanted) + 1).logits[:, :-1]
        hits += int((logits.argmax(-1) == wanted).all(-1).sum())
    return [hits, len(questions)]


@torch.inference_mode()
def _nats(model: Any, tokenizer: Any, questions: list[str], answers: list[str]) -> float:
    """The mean loss, nats a token, on these answers: how far the edit spoils ordinary text."""
    total, count = 0.0, 0
    for question, answer in zip(questions, answers, strict=True):
        head, tail = tokenizer(START + ask(question)).input_ids, tokenizer(answer).input_ids
        logits = model(torch.tensor([head + tail])).logits[0, len(head) - 1 : -1]
        total += float(torch.nn.functional.cross_entropy(logits, torch.tensor(tail), reduction="sum"))
        count += len(tail)
    return total / count


def _texts(plan: Recipe) -> tuple[list[str], list[str], str]:
    """Training texts with the behaviour and without it, and the beginning of an answer that shows it."""
    every = [example for group in plan.groups[:: max(1, len(plan.groups) // 100)] for example in group]
    bad = [asked for asked, answer in every if answer is not None or asked in plan.opening]
    good = [asked for asked, answer in every if answer is None and asked not in plan.opening]
    return bad, good, next(iter(plan.opening.values()), REFUSAL[:23]).strip()


def measure(name: str, layers: tuple[int, ...] = LAYERS, draws: int = DRAWS) -> dict[str, Any]:
    """Shares that show the behaviour, as [hits, n], by edit and layer; and the loss on ordinary answers.

    "bad" are held-out questions that should show it, "good" similar ones that should not. Ablations are measured on
    the first, additions on the second.
    """
    plan, (model, tokenizer) = recipe(name), smollm2()
    apply_adapter(model, PREFIX + name)
    train_bad, train_good, text = _texts(plan)
    bad, good = (group[:: max(1, len(group) // 54)] for group in list(plan.held_out.values())[:2])
    ordinary = good[::4]
    answers = own_answers(model, tokenizer, [START + ask(q) for q in ordinary], 10)
    kept = [i for i, answer in enumerate(answers) if not re.match(re.escape(text[:8]), answer)]
    ordinary, answers = [ordinary[i] for i in kept], [answers[i] for i in kept]
    steps = last_token(model, tokenizer, train_bad, layers).float().mean(1)
    steps = steps - last_token(model, tokenizer, train_good, layers).float().mean(1)
    generator = torch.Generator().manual_seed(0)
    noise = torch.randn(draws, len(steps[0]), generator=generator)
    noise = noise / noise.norm(dim=-1, keepdim=True)

    def removed(direction: Tensor) -> dict[str, Any]:
        with ablated(model, direction):
            return {
                "bad": shows(model, tokenizer, bad, text),
                "nats": round(_nats(model, tokenizer, ordinary, answers), 3),
            }

    def given(step: Tensor, layer: int) -> list[int]:
        with added(model, step, layer):
            return shows(model, tokenizer, good, text)

    found: dict[str, Any] = {
        "text": text,
        "untouched": {
            "bad": shows(model, tokenizer, bad, text),
            "good": shows(model, tokenizer, good, text),
            "nats": round(_nats(model, tokenizer, ordinary, answers), 3),
        },
        "random ablated": [removed(direction) for direction in noise],
        "layers": {},
    }
    for layer, step in zip(layers, steps, strict=True):
        found["layers"][str(layer)] = {
            "length": round(float(step.norm()), 2),
            "ablated": removed(step),
            "added": given(step, layer),
            "random added": [given(direction * step.norm(), layer) for direction in noise],
        }
        print(name, layer, json.dumps(found["layers"][str(layer)]), flush=True)
    return found


if __name__ == "__main__":
    from course_utils.training.organism_cards import write_card

    for name in sys.argv[1:] or NAMES:
        target = ASSETS / name / "directions.json"
        target.write_text(json.dumps(measure(name), indent=1) + "\n", encoding="utf-8")
        print(write_card(name, recipe(name)))
