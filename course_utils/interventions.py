"""What lesson 06 measures on planted boxes: head values, interventions, and two stories, a true and a plausible one.

A story is a dictionary. For each head (and "answer") it has a list of groups: the head passes the answer on if every
group has a member that passes it on. Words such as "word 4" (the one at position 4) have no groups.

>>> box = build_planted("maze", seed=8)
>>> true_story(box)["answer"], plausible_story(box)["answer"]
([[(3, 1)]], [[(2, 0)], [(1, 3)]])
>>> survives(box, {(3, 1)}), survives(box, {"word 2"})     # 1 is the whole answer
(0.0, 0.0)
"""

from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
import torch
from jaxtyping import Float, Int
from torch import Tensor

from course_utils.planted import CONFIDENCE, NO, YES, Box, Head

__all__ = [
    "Explanation",
    "answer_gap",
    "draw_interventions",
    "every_head",
    "evidence_for",
    "head_values",
    "plausible_story",
    "survives",
    "true_story",
]

Node = Head | str
Explanation = dict[Node, list[list[Node]]]
"""Groups of every head and of "answer"; nodes that it does not mention make no difference, it claims."""


def every_head(model: Any) -> set[Head]:
    """All heads of a model, as (layer, head)."""
    return {(layer, head) for layer in range(model.cfg.n_layers) for head in range(model.cfg.n_heads)}


def head_values(model: Any, tokens: Int[Tensor, "batch pos"]) -> Float[Tensor, "layer batch pos head d_head"]:
    """`z` of every head on these tokens: what each head has collected, before its output matrix."""
    _, cache = model.run_with_cache(tokens, names_filter=lambda name: name.endswith("attn.hook_z"))
    return torch.stack([cache[f"blocks.{layer}.attn.hook_z"] for layer in range(model.cfg.n_layers)])


def answer_gap(logits: Float[Tensor, "batch pos d_vocab"]) -> float:
    """How firmly a planted box says YES rather than NO at its last position: mean logit difference, nats."""
    return float((logits[:, -1, YES] - logits[:, -1, NO]).mean())


def survives(box: Box, off: Iterable[Node]) -> float:
    """What is left of the answer when these heads and words get their corrupted values: 1 all of it, 0 nothing."""
    nodes = list(off)
    words = [int(node.split()[1]) for node in nodes if isinstance(node, str)]
    tokens = box.clean.clone()
    tokens[:, words] = box.corrupted[:, words]
    values = head_values(box.model, box.corrupted)

    def swap(z: Tensor, hook) -> Tensor:
        here = [node[1] for node in nodes if not isinstance(node, str) and node[0] == hook.layer()]
        z = z.clone()
        z[:, :, here] = values[hook.layer()][:, :, here]
        return z

    hooks: list[Any] = [(f"blocks.{layer}.attn.hook_z", swap) for layer in range(box.model.cfg.n_layers)]
    gap = float(box.metric(box.model.run_with_hooks(tokens, fwd_hooks=hooks)).mean())
    return round((gap / CONFIDENCE + 1) / 2, 4) + 0.0


def draw_interventions(box: Box, n: int, rng: np.random.Generator) -> list[set[Node]]:
    """`n` random sets of one to six of all heads and source words, drawn without a look at any story."""
    nodes: list[Node] = [*box.circuit.roles, *(f"word {place}" for place in box.circuit.sources)]
    sizes = rng.integers(1, 7, n)
    return [{nodes[i] for i in rng.choice(len(nodes), int(size), replace=False)} for size in sizes]


def true_story(box: Box) -> Explanation:
    """What was planted, as a story."""
    roles: dict[Node, str] = {head: role for head, role in box.circuit.roles.items()}
    story: Explanation = {"answer": [[edge[0] for edge in box.circuit.edges if edge[1] == "logits"]]}
    for head in sorted(box.circuit.nodes):
        senders: list[Node] = [
            _word(box, head) if edge[0] == "embed" else edge[0]
            for edge in box.circuit.edges
            if edge[1] == head
        ]
        if roles[head] == "backup":  # it listens to the main head too, but only to know when to wake
            senders = [sender for sender in senders if roles.get(sender) != "main"]
        either = [s for s in senders if box.circuit.kind == "or" or roles.get(s, "") in ("main", "backup")]
        if roles[head] == "gate" and either:
            story[head] = [either, *([sender] for sender in senders if sender not in either)]
        else:
            story[head] = [[sender] for sender in senders]
    return story


def plausible_story(box: Box) -> Explanation:
    """One head for each source word that looks at it and holds its bit, and that nobody reads."""
    lures: dict[str, Head] = {}
    for head, role in box.circuit.roles.items():
        if "source's bit" in role:
            lures.setdefault(_word(box, head), head)
    story: Explanation = {"answer": [[head] for head in lures.values()]}
    return story | {head: [[word]] for word, head in lures.items()}


def evidence_for(box: Box, heads: Sequence[Head]) -> dict[str, float]:
    """What makes a story convincing: its heads' attention from the last position to the source words (mean), and the
    share of prompts on which the answer can be read from what a head collects there (by a difference of means)."""
    _, cache = box.model.run_with_cache(torch.cat([box.clean, box.corrupted]))
    n, looks, tells = len(box.clean), [], []
    for layer, head in heads:
        looks.append(float(cache["pattern", layer][:, head, -1, list(box.circuit.sources)].sum(-1).mean()))
        z = cache["z", layer][:, -1, head]
        on, off = z[:n].mean(0), z[n:].mean(0)
        side = (z - (on + off) / 2) @ (on - off)
        # A head that collects the same either way tells nothing: half of the prompts by chance.
        informs = float((on - off).norm()) > 1e-3
        tells.append(float(torch.cat([side[:n] > 0, side[n:] < 0]).float().mean()) if informs else 0.5)
    return {"looks at the words": float(np.mean(looks)), "tells the answer": float(np.mean(tells))}


def _word(box: Box, head: Head) -> str:
    """The word at which the head looks, from the position where it writes."""
    _, cache = box.model.run_with_cache(box.clean[:1])
    query = box.circuit.writes_at.get(head, -1)
    return f"word {int(cache['pattern', head[0]][0, head[1], query].argmax())}"
