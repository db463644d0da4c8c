"""Makes `assets/activations/probes.safetensors`: SmolLM2's residual stream on the last token of lesson 04's texts.

    python -m course_utils.training.activations        (33 s of one core)

SmolLM2 reads each text behind its start token, so position 0 is never the one that is kept. The control is the same
architecture with fresh random weights (seed 0), kept at one layer.
"""

import csv
from pathlib import Path
from typing import Any

import torch
from jaxtyping import Float
from safetensors.torch import save
from torch import Tensor

from course_utils.models import load_model

__all__ = ["LAYERS", "UNTRAINED_LAYER", "make"]

LAYERS = (0, 6, 12, 15, 18, 24, 30)
"""Layer L is the residual stream that block L reads; 30 is what the last block writes, before the final norm."""
UNTRAINED_LAYER = 15
SEED = 0
ROOT = Path(__file__).parents[1]


def make() -> dict[str, Tensor]:
    """`{set: [layer text d_model]}` in float16, `{set}/untrained: [text d_model]`, and `{set}/length` in tokens."""
    with (ROOT / "data" / "probe-texts.csv").open(newline="", encoding="utf-8") as file:
        texts: dict[str, list[str]] = {}
        for row in csv.DictReader(file):
            texts.setdefault(row["set"], []).append(row["text"])
    bridge = load_model("smollm2")
    trained = bridge.original_model
    torch.manual_seed(SEED)
    untrained = type(trained)(trained.config).eval().requires_grad_(False)
    out = {}
    for name, lines in texts.items():
        tokens = [bridge.to_tokens(line) for line in lines]  # puts the start token in front
        out[name] = _last_token(trained, tokens, LAYERS)
        out[f"{name}/length"] = torch.tensor([row.shape[1] for row in tokens])
        if len(lines) > 100:  # the transfer sets need no control of their own
            out[f"{name}/untrained"] = _last_token(untrained, tokens, (UNTRAINED_LAYER,))[0]
        print(name, tuple(out[name].shape), "largest entry", float(out[name].abs().max()), flush=True)
    return out


def _last_token(
    model: Any, tokens: list[Tensor], layers: tuple[int, ...]
) -> Float[Tensor, "layer text d_model"]:
    """The residual stream at the last position of each text. Texts of one length go together: no padding, no mask."""
    caught: dict[int, Tensor] = {}
    blocks = model.model.layers

    def before(layer: int):
        return lambda module, args, kwargs: caught.update({layer: (*args, *kwargs.values())[0][:, -1]})

    def after(module, args, output):
        caught[30] = (output if isinstance(output, Tensor) else output[0])[:, -1]

    handles = [blocks[i].register_forward_pre_hook(before(i), with_kwargs=True) for i in layers if i < 30]
    handles += [blocks[29].register_forward_hook(after)] if 30 in layers else []
    out = torch.empty(len(layers), len(tokens), model.config.hidden_size, dtype=torch.float16)
    with torch.inference_mode():
        for length in sorted({row.shape[1] for row in tokens}):
            rows = [index for index, row in enumerate(tokens) if row.shape[1] == length]
            model.model(torch.cat([tokens[index] for index in rows]))
            out[:, rows] = torch.stack([caught[layer] for layer in layers]).half()
    for handle in handles:
        handle.remove()
    return out


if __name__ == "__main__":
    target = ROOT / "assets" / "activations" / "probes.safetensors"
    target.parent.mkdir(exist_ok=True)
    header = {"layers": ",".join(map(str, LAYERS)), "untrained_layer": str(UNTRAINED_LAYER)}
    target.write_bytes(save({k: v.contiguous() for k, v in make().items()}, metadata=header))
    print(f"{target.name}: {target.stat().st_size / 1e6:.1f} MB")
