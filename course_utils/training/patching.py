"""Makes `assets/head-patching.json`: the effect of all 270 heads of SmolLM2, swept twice, fast and head by head.

    python -m course_utils.training.patching        (4 minutes of one core; most of it is the slow way)

Both ways denoise the first eight indirect-object pairs, ten layers by turns, so that other work on the machine slows
both alike. The slow way is what a first patching script does: one full forward pass for each head, hooks and all
logits included.
"""

import argparse
import json
import time
from functools import partial
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from course_utils.models import load_model
from course_utils.prompts import load_pairs
from course_utils.sweeps import sweep_heads

__all__ = ["compare"]

FILE = Path(__file__).parents[1] / "assets" / "head-patching.json"


def compare(model: Any, layers: range) -> dict[str, Any]:
    """Effects [layer head] in nats, processor and wall seconds of both ways, and their largest difference in nats."""
    pairs = load_pairs("indirect-object")[:8]
    clean, corrupted = (
        model.to_tokens([getattr(pair, side) for pair in pairs]) for side in ("clean", "corrupted")
    )
    right, wrong = (
        torch.tensor([model.to_single_token(getattr(pair, side)) for pair in pairs])
        for side in ("right", "wrong")
    )
    rows, spent = torch.arange(len(pairs)), {"fast": [0.0, 0.0], "slow": [0.0, 0.0]}
    effects: list[list[float]] = []
    gaps, ends = [], {}
    sweep_heads(model, clean, corrupted, [29], progress=False)  # the first run of anything is slow
    with torch.inference_mode():
        _, cache = model.run_with_cache(clean, names_filter=lambda name: name.endswith("hook_z"))
        for chunk in (layers[start : start + 10] for start in range(0, len(layers), 10)):
            with _watch(spent["fast"]):
                sweep = sweep_heads(model, clean, corrupted, chunk, progress=False)
                fast = sweep.difference(right, wrong)
            slow = torch.zeros_like(fast)
            with _watch(spent["slow"]):
                for row, layer in enumerate(chunk):
                    name = f"blocks.{layer}.attn.hook_z"
                    for head in range(model.cfg.n_heads):
                        swap = partial(_swap, cached=cache[name], head=head)
                        logits = model.run_with_hooks(corrupted, fwd_hooks=[(name, swap)])[:, -1]
                        slow[row, head] = logits[rows, right] - logits[rows, wrong]
            ends = {of: float(sweep.difference(right, wrong, of).mean()) for of in ("clean", "corrupted")}
            effects += (fast.mean(-1) - ends["corrupted"]).tolist()
            gaps.append(float((fast - slow).abs().max()))
            print(f"to layer {chunk[-1]}: {spent}, largest difference {max(gaps):.1e} nats", flush=True)
    return {
        "effect_nats": [[round(value, 5) for value in row] for row in effects],
        "clean_nats": round(ends["clean"], 5),
        "corrupted_nats": round(ends["corrupted"], 5),
        "largest_difference_nats": max(gaps),
        "processor_s": {name: round(value[0], 1) for name, value in spent.items()},
        "wall_s": {name: round(value[1], 1) for name, value in spent.items()},
    }


def _swap(z: Tensor, hook: Any, cached: Tensor, head: int) -> Tensor:
    z = z.clone()
    z[:, :, head] = cached[:, :, head]
    return z


class _watch:
    """Adds the processor and wall seconds spent inside to a list of two numbers."""

    def __init__(self, total: list[float]) -> None:
        self.total = total

    def __enter__(self) -> None:
        self.started = time.process_time(), time.perf_counter()

    def __exit__(self, *error: object) -> None:
        self.total[0] += time.process_time() - self.started[0]
        self.total[1] += time.perf_counter() - self.started[1]


if __name__ == "__main__":
    about = "Sweep all heads of SmolLM2 in both ways and write assets/head-patching.json (six minutes)."
    argparse.ArgumentParser(prog="course_utils.training.patching", description=about).parse_args()
    FILE.write_text(json.dumps(compare(load_model("smollm2"), range(30)), indent=1) + "\n", encoding="utf-8")
