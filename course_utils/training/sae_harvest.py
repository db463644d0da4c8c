"""Activations for the sparse autoencoders: SmolLM2's residual stream on every window of `sae_texts`, as shards on disk.

    python -m course_utils.training.sae_harvest              (0.4 M tokens at two layers: 40 minutes of one core)
    python -m course_utils.training.sae_harvest --shuffled   (the twin whose weights were shuffled, middle layer)

A shard is written whole or not at all, so a run that was stopped goes on where it was. Layer L is what block L reads
(`blocks.L.hook_resid_pre`). The Hugging Face model runs underneath with fast attention; the first window is compared
with TransformerLens's hook of that name before anything is kept.
"""

import argparse
import math
import sys
from pathlib import Path
from typing import Any

import numpy as np
import torch
from jaxtyping import Float, Int
from safetensors import safe_open
from safetensors.torch import load_file, save_file
from torch import Tensor
from tqdm import tqdm

from course_utils.models import FOLDER, cache_dir
from course_utils.training.sae_sample import language_model
from course_utils.training.sae_texts import Windows, fetch, make_windows

__all__ = ["LATE", "MIDDLE", "Harvest", "harvest", "load_harvest", "residuals", "shuffled_twin", "windows"]

MIDDLE, LATE = 15, 22
"""The layers that are kept."""
SHARD, BATCH, SEED = 32, 8, 0
TEXTS = Path(__file__).parents[1] / "assets" / "saes" / "texts.safetensors"
N_MIXED, N_KEPT = 8000, 4000
"""Windows that are mixed from the packages' texts, and how many of them are used."""


def windows(folder: Path | None = None) -> Windows:
    """The windows in the cache, made from the texts the first time."""
    folder = folder or cache_dir() / "sae-activations"
    path = folder / "windows.npz"
    if not path.exists():
        from transformers import AutoTokenizer

        folder.mkdir(parents=True, exist_ok=True)
        made = make_windows(fetch(), AutoTokenizer.from_pretrained(cache_dir() / FOLDER), N_MIXED, N_KEPT)
        made = _shipped_first(made)
        np.savez_compressed(path, tokens=made.tokens, source=made.source, held_out=made.held_out)
    stored = np.load(path)
    return Windows(stored["tokens"], stored["source"], stored["held_out"])


def _shipped_first(made: Windows) -> Windows:
    """The same windows; the held-out ones that ship already come first among the held-out, in the order they ship in.

    The order of the mixture hangs on every document of the packages, and an edit to one moves all that follow. The
    shipped banks share one file of texts, so one of them can be made anew only with its texts where they were. Where
    a shipped window is gone, nothing is moved, and all of them have to be made together.
    """
    if not TEXTS.exists():
        return made
    shipped = load_file(TEXTS)["tokens"].numpy().astype(np.uint16)
    held = made.held_out.nonzero()[0]
    row_of = {made.tokens[row].tobytes(): row for row in held}
    if not all(window.tobytes() in row_of for window in shipped):
        print("The packages' texts are others than those that ship: make all four anew, not one.", flush=True)
        return made
    first = [row_of[window.tobytes()] for window in shipped]
    order = np.arange(len(made.tokens))
    order[held] = [*first, *np.setdiff1d(held, first)]
    return Windows(made.tokens[order], made.source[order], made.held_out[order])


def shuffled_twin(model: Any, seed: int = SEED) -> Any:
    """The model itself, after the entries of every weight (embedding and norms too) were shuffled in place.

    What remains is the architecture and every tensor's distribution of values; what training wrote is gone.
    """
    generator = torch.Generator().manual_seed(seed)
    for _, weight in sorted(model.named_parameters()):
        order = torch.randperm(weight.numel(), generator=generator)
        weight.data = weight.data.flatten()[order].view_as(weight)
    return model


def residuals(
    model: Any, tokens: Int[Tensor, "window pos"], layers: tuple[int, ...]
) -> dict[int, Float[Tensor, "window pos d_model"]]:
    """What block L reads, for each L of `layers`; blocks behind the last of them do not run."""
    caught: dict[int, Tensor] = {}
    blocks, depth = model.model.layers, model.config.num_hidden_layers

    def keep(layer: int):
        return lambda module, args, output: caught.update(
            {layer: output if isinstance(output, Tensor) else output[0]}
        )

    handles = [blocks[layer - 1].register_forward_hook(keep(layer)) for layer in layers]
    model.config.num_hidden_layers = max(layers)
    try:
        with torch.inference_mode():
            model.model(tokens, use_cache=False)
    finally:
        model.config.num_hidden_layers = depth
        for handle in handles:
            handle.remove()
    return caught


def harvest(
    layers: tuple[int, ...], folder: Path, shuffled: bool = False, n_windows: int | None = None
) -> Path:
    """The folder with one shard for every `SHARD` windows: `L15` and so on, `[window pos d_model]` in float16."""
    texts, model = windows(), language_model()
    if shuffled:
        shuffled_twin(model)
    else:
        difference = _difference_from_hooks(
            model, torch.from_numpy(texts.tokens[:2].astype(np.int64)), layers
        )
        print(
            f"largest difference from TransformerLens's hooks: {difference:.1e} of the median norm",
            flush=True,
        )
        assert difference < 1e-3
    folder.mkdir(parents=True, exist_ok=True)
    n_shards = math.ceil((n_windows or len(texts.tokens)) / SHARD)
    left = [i for i in range(n_shards) if not (folder / f"{i:05d}.safetensors").exists()]
    # one shard is 32 windows of 128 tokens, so the bar counts tokens
    bar = tqdm(total=len(left) * SHARD * 128, unit="tok", unit_scale=True, mininterval=5, file=sys.stderr)
    for index in left:
        rows = torch.from_numpy(texts.tokens[index * SHARD : (index + 1) * SHARD].astype(np.int64))
        parts = [
            residuals(model, rows[start : start + BATCH], layers) for start in range(0, len(rows), BATCH)
        ]
        shard = {f"L{layer}": torch.cat([part[layer] for part in parts]).half() for layer in layers}
        partial = folder / f"{index:05d}.part"
        save_file(shard, partial)
        partial.rename(folder / f"{index:05d}.safetensors")
        bar.update(rows.numel())
    return folder


def _difference_from_hooks(model: Any, tokens: Int[Tensor, "window pos"], layers: tuple[int, ...]) -> float:
    from course_utils.models import load_model

    names = [f"blocks.{layer}.hook_resid_pre" for layer in layers]
    bridge = load_model("smollm2")
    with torch.inference_mode():
        _, cache = bridge.run_with_cache(tokens, names_filter=lambda name: name in names)
    ours = residuals(model, tokens, layers)
    gaps = [
        (ours[layer] - cache[name])[:, 1:].norm(dim=-1).max() / cache[name][:, 1:].norm(dim=-1).median()
        for layer, name in zip(layers, names, strict=True)
    ]
    return float(max(gaps))


class Harvest:
    """The activations of one layer, without position 0 and without attention sinks."""

    def __init__(self, shards: list[Path], layer: int, texts: Windows) -> None:
        parts, place, self.n_read, self.n_dropped = [], [], 0, 0
        median = load_file(shards[0])[f"L{layer}"][:, 1:].float().norm(dim=-1).median()
        self.cut = 2 * float(median)
        """Tokens with a larger norm were dropped: twice the median."""
        for path in shards:
            resid = load_file(path)[f"L{layer}"]
            first = int(path.stem) * SHARD
            norm = resid.float().norm(dim=-1)
            keep = norm < self.cut
            self.n_read, self.n_dropped = (
                self.n_read + norm[:, 1:].numel(),
                self.n_dropped + int((~keep[:, 1:]).sum()),
            )
            keep[:, 0] = False
            window, pos = keep.nonzero(as_tuple=True)
            parts.append(resid[window, pos])
            place.append(torch.stack([window + first, pos], dim=1))
        self.resid: Float[Tensor, "token d_model"] = torch.cat(parts)
        """float16."""
        self.place: Int[Tensor, "token 2"] = torch.cat(place)
        """Window and position of each row."""
        held = torch.from_numpy(texts.held_out)[self.place[:, 0]]
        self.train, self.held_out = (~held).nonzero()[:, 0], held.nonzero()[:, 0]


def load_harvest(folder: Path, layer: int, n_shards: int | None = None) -> Harvest:
    """The first `n_shards` shards (all without it) that hold this layer."""
    found = sorted(folder.glob("*.safetensors"))
    return Harvest([path for path in found if _has(path, layer)][:n_shards], layer, windows())


def _has(path: Path, layer: int) -> bool:
    with safe_open(path, framework="pt") as file:
        return f"L{layer}" in file.keys()  # noqa: SIM118 (not a dict)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description="Harvest SmolLM2's residual stream.")
    parser.add_argument(
        "--shuffled", action="store_true", help="the twin with shuffled weights, middle layer"
    )
    parser.add_argument("--windows", type=int, help="only the first so many windows of 128 tokens")
    parser.add_argument("--middle-only", action="store_true", help="leave the late layer out")
    options = parser.parse_args()
    root = cache_dir() / "sae-activations"
    chosen = (MIDDLE,) if options.shuffled or options.middle_only else (MIDDLE, LATE)
    harvest(chosen, root / ("shuffled" if options.shuffled else "real"), options.shuffled, options.windows)
