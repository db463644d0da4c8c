"""Trains, measures and writes the sparse autoencoders in `assets/saes`, after `sae_harvest` has run.

    python -m course_utils.training.saes                (all four and the rehearsal; the cards say how long)
    python -m course_utils.training.saes narrow late    (these only)

Everything in a card is measured on held-out documents, with the float16 weights as they are shipped.
"""

import argparse
import json
import time
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import safetensors.numpy
import torch
from jaxtyping import Float, Int
from torch import Tensor

from course_utils.models import cache_dir
from course_utils.training.sae_harvest import (
    LATE,
    MIDDLE,
    Harvest,
    load_harvest,
    residuals,
    shuffled_twin,
    windows,
)
from course_utils.training.sae_sample import language_model
from course_utils.training.sae_texts import SOURCES, WIDTH, Windows
from course_utils.training.sae_train import TrainConfig, to_saelens, train

__all__ = ["REHEARSAL", "SPECS", "Spec", "cross_entropies", "make", "make_rehearsal", "reconstruction"]

FOLDER = Path(__file__).parents[1] / "assets" / "saes"
CE_WINDOWS = 8
"""Held-out windows on which cross-entropies are measured: each takes about four seconds."""


@dataclass(frozen=True)
class Spec:
    """One of the shipped autoencoders."""

    layer: int
    config: TrainConfig
    bank_windows: int
    """Held-out windows whose activations are shipped."""
    shuffled: bool = False
    """Whether it belongs to the twin with shuffled weights."""
    about: str = ""


SPECS = {
    "middle": Spec(MIDDLE, TrainConfig(steps=1000), 512, about="The autoencoder of lessons 07 and 08."),
    "narrow": Spec(
        MIDDLE,
        TrainConfig(d_sae=1152, steps=1000),
        512,
        about="A quarter of the width, same tokens: compare for splitting.",
    ),
    "late": Spec(
        LATE, TrainConfig(steps=1000), 384, about="Late in the model, where the next token takes shape."
    ),
    "shuffled": Spec(
        MIDDLE,
        TrainConfig(steps=1000),
        256,
        shuffled=True,
        about="The control: a model without anything that training wrote.",
    ),
}


REHEARSAL = TrainConfig(d_sae=512, k=16, steps=500, batch=256, dead_after=20_000)
"""A small run on `rehearsal.safetensors`, whose curve is stored so that a test can repeat its beginning."""


def reconstruction(sae: Any, resid: Float[Tensor, "token d_model"]) -> dict[str, Any]:
    """Figures of the reconstruction: `explained_variance`, `cosine`, `l0`, `alive`, and `density` for each latent."""
    mean = resid.float().mean(0)
    error = spread = cosine = 0.0
    fired = torch.zeros(sae.cfg.d_sae, dtype=torch.long)
    for part in resid.split(4096):
        x = part.float()
        latents = sae.encode(x)
        out = sae.decode(latents)
        error += float((out - x).square().sum())
        spread += float((x - mean).square().sum())
        cosine += float(torch.cosine_similarity(out, x, dim=1).sum())
        fired += (latents > 0).sum(0)
    return {
        "explained_variance": 1 - error / spread,
        "cosine": cosine / len(resid),
        "l0": int(fired.sum()) / len(resid),
        "dead": int((fired == 0).sum()),
        "dense": int((fired > 0.1 * len(resid)).sum()),
        "density": fired / len(resid),
    }


def cross_entropies(
    model: Any,
    sae: Any,
    tokens: Int[Tensor, "window pos"],
    layer: int,
    cut: float,
    mean: Float[Tensor, " d_model"],
) -> dict[str, float]:
    """Mean cross-entropy of the next token in nats, "clean" and with the stream replaced by "sae", "zero" or "mean".

    Position 0 and attention sinks (norm above `cut`) stay as they are in all four.
    """
    sums = dict.fromkeys(("clean", "sae", "zero", "mean"), 0.0)
    count = 0
    for part in tokens.split(16):
        stream = residuals(model, part, (layer,))[layer].clone()
        replace = stream.norm(dim=-1) < cut
        replace[:, 0] = False
        for name in sums:
            changed = stream.clone()
            if name == "sae":
                changed[replace] = sae(stream[replace])
            elif name != "clean":
                changed[replace] = mean if name == "mean" else 0.0
            logits = _from_layer(model, changed, layer)[:, :-1]
            loss = torch.nn.functional.cross_entropy(
                logits.flatten(0, 1), part[:, 1:].flatten(), reduction="sum"
            )
            sums[name] += float(loss)
        count += part[:, 1:].numel()
    return {name: total / count for name, total in sums.items()}


def _from_layer(model: Any, stream: Float[Tensor, "window pos d_model"], layer: int) -> Tensor:
    """The logits when block `layer` reads this stream."""
    blocks, depth = model.model.layers, model.config.num_hidden_layers
    model.model.layers, model.config.num_hidden_layers = blocks[layer:], depth - layer
    try:
        with torch.inference_mode():
            return model(inputs_embeds=stream, use_cache=False).logits
    finally:
        model.model.layers, model.config.num_hidden_layers = blocks, depth


def make(
    name: str,
    folder: Path = FOLDER,
    n_shards: int | None = None,
    steps: int | None = None,
    quick: bool = False,
) -> None:
    """Trains one autoencoder and writes weights, bank, training curve and card into `folder`; no card if `quick`."""
    spec = SPECS[name]
    config = TrainConfig(**{**asdict(spec.config), **({"steps": steps} if steps else {})})
    began = time.process_time()
    source = cache_dir() / "sae-activations" / ("shuffled" if spec.shuffled else "real")
    data = load_harvest(source, spec.layer, n_shards)
    print(f"{name}: {len(data.train):,} tokens to train on, {len(data.held_out):,} held out", flush=True)
    weights, history = train(data.resid, config, data.train)
    sae = to_saelens(
        weights, f"blocks.{spec.layer}.hook_resid_pre", name=name, shuffled_weights=spec.shuffled
    )
    target = folder / name
    sae.half().save_model(target)
    sae = sae.float()
    figures = reconstruction(sae, data.resid[data.held_out])
    density = figures.pop("density")
    texts = windows()
    held = torch.from_numpy(np.unique(data.place[data.held_out, 0].numpy()))
    _write_texts(folder, texts)
    _write_bank(target, sae, data, held[: spec.bank_windows])
    if quick:
        return print(f"{name}: {figures}", flush=True)
    model = shuffled_twin(language_model()) if spec.shuffled else language_model()
    rows = torch.from_numpy(texts.tokens.astype(np.int64))[held]
    mean = data.resid[data.train].float().mean(0)
    losses = cross_entropies(model, sae, rows[:CE_WINDOWS], spec.layer, data.cut, mean)
    curve = {"config": asdict(config), "history": history}
    (target / "history.json").write_text(json.dumps(curve) + "\n", encoding="utf-8")
    minutes = (time.process_time() - began) / 60
    card = _card(name, spec, config, data, figures, losses, density, len(held), minutes)
    (folder / f"{name}.md").write_text(card, encoding="utf-8")
    print(f"{name}: {figures} {losses} {minutes:.1f} minutes", flush=True)


def make_rehearsal(folder: Path = FOLDER, n_tokens: int = 3000) -> None:
    """Writes a few tokens' activations, and the training curve of `REHEARSAL` on them."""
    data = load_harvest(cache_dir() / "sae-activations" / "real", MIDDLE, n_shards=2)
    resid = data.resid[data.train[:n_tokens]].contiguous()
    _, history = train(resid, REHEARSAL)
    arrays: dict[str, np.ndarray] = {"resid": resid.numpy()}
    safetensors.numpy.save_file(arrays, folder / "rehearsal.safetensors")
    curve = {"config": asdict(REHEARSAL), "history": history}
    (folder / "rehearsal.json").write_text(json.dumps(curve) + "\n", encoding="utf-8")
    (folder / "rehearsal.md").write_text(_REHEARSAL_CARD.format(n=n_tokens, layer=MIDDLE), encoding="utf-8")


_REHEARSAL_CARD = """# rehearsal

Activations of `blocks.{layer}.hook_resid_pre` of SmolLM2-135M-Instruct on {n} tokens of the texts of `middle.md`,
without position 0 and attention sinks, in float16, and the curve of a small training run on them (`rehearsal.json`).

**For** the tests: a few hundred steps are repeated and must follow the stored curve. No figures are claimed.

**Made by** `python -m course_utils.training.saes rehearsal` after `python -m course_utils.training.sae_harvest`.

**Licence.** MIT, as the course. No text is included.
"""


def _write_texts(folder: Path, texts: Windows) -> None:
    """The held-out windows in their order: what is harvested first comes first, so every bank has the first of them."""
    most = max(spec.bank_windows for spec in SPECS.values())
    held = texts.held_out.nonzero()[0][:most]
    arrays: dict[str, np.ndarray] = {
        "tokens": texts.tokens[held].astype(np.uint16),
        "source": texts.source[held].astype(np.uint8),
    }
    safetensors.numpy.save_file(arrays, folder / "texts.safetensors", {"sources": ",".join(SOURCES)})


def _write_bank(target: Path, sae: Any, data: Harvest, chosen: Int[Tensor, " window"]) -> None:
    """Activations on the chosen windows: entries per token, and latent and value of each, strongest first."""
    row_of = {int(window): row for row, window in enumerate(chosen)}
    inside = torch.isin(data.place[:, 0], chosen)
    resid, place = data.resid[inside], data.place[inside]
    kept = np.zeros(len(chosen) * WIDTH, dtype=np.uint8)
    at = np.array([row_of[int(window)] * WIDTH + int(pos) for window, pos in place])
    kept[at] = 1
    count = np.zeros(len(kept), dtype=np.uint8)
    latents, values = [], []
    for part in resid.split(4096):
        value, latent = sae.encode(part.float()).topk(sae.cfg.k, dim=1)
        latents.append(latent[value > 0])
        values.append(value[value > 0])
        count[at[: len(part)]], at = (value > 0).sum(1).numpy(), at[len(part) :]
    arrays: dict[str, np.ndarray] = {
        "kept": kept,
        "count": count,
        "latent": torch.cat(latents).numpy().astype(np.uint16),
        "value": torch.cat(values).numpy().astype(np.float16),
    }
    safetensors.numpy.save_file(arrays, target / "bank.safetensors")


def _recovered(losses: dict[str, float], ablation: str) -> float:
    return (losses[ablation] - losses["sae"]) / (losses[ablation] - losses["clean"])


def _card(
    name: str,
    spec: Spec,
    config: TrainConfig,
    data: Harvest,
    figures: dict[str, Any],
    losses: dict[str, float],
    density: Float[Tensor, " latent"],
    n_held: int,
    minutes: float,
) -> str:
    model = "SmolLM2-135M-Instruct"
    if spec.shuffled:
        model += ", the entries of every weight shuffled (seed 0)"
    shares = np.bincount(windows().source[np.unique(data.place[:, 0].numpy())], minlength=len(SOURCES))
    texts = "\n".join(
        f"| {kind} | {source.package or '-'} | {source.licence} | {share / shares.sum():.0%} |"
        for (kind, source), share in zip(SOURCES.items(), shares, strict=True)
        if share
    )
    settings = "\n".join(f"| {key} | {value:.4g} |" for key, value in asdict(config).items())
    n, n_windows = len(data.held_out), int(shares.sum())
    epochs, dropped = config.steps * config.batch / len(data.train), data.n_dropped / data.n_read
    recovered = "".join(
        f"| CE loss recovered, {ablation} ablation | {_recovered(losses, ablation):.3f} |\n"
        for ablation in ("zero", "mean")
    )
    if spec.shuffled:
        recovered = "\nThis model is worse than guessing (10.8 nats), so there is no loss to recover.\n"
    harvester = "python -m course_utils.training.sae_harvest" + " --shuffled" * spec.shuffled
    return f"""# {name}

A TopK sparse autoencoder of `blocks.{spec.layer}.hook_resid_pre` of {model}: {config.d_sae} latents,
{config.k} of them active on a token. {spec.about} `load_sae("{name}")` loads it, and so does SAELens
(`SAE.load_from_disk`). float16; it reads the residual stream as it is, and decoder rows have length one.

**Text.** {len(data.train):,} tokens to train on, each seen {epochs:.1f} times. Position 0 and tokens with a norm
above {data.cut:.0f} (twice the median: attention sinks, {dropped:.2%} of the tokens) are left out. Whole
documents are held out.

| kind | package | licence | share |
|---|---|---|---|
{texts}

**Made by** `{harvester}`, stopped after {n_windows} windows of {WIDTH} tokens, then
`python -m course_utils.training.saes {name}` ({minutes:.1f} minutes of one core).

**On held-out documents** ({n:,} tokens; cross-entropy on {min(CE_WINDOWS, n_held)} windows of {WIDTH} tokens):

| measure | value |
|---|---|
| L0: latents active on a token | {figures["l0"]:.1f} |
| explained variance: 1 - squared error / squared deviation from the mean | {figures["explained_variance"]:.3f} |
| cosine of activation and reconstruction, mean | {figures["cosine"]:.3f} |
| latents that never fired in {n:,} tokens | {figures["dead"]} |
| latents active on more than a tenth of the tokens | {figures["dense"]} |
| median density of a latent | {float(density.median()):.5f} |
| cross-entropy, model as it is (nats) | {losses["clean"]:.3f} |
| with the reconstruction in place | {losses["sae"]:.3f} |
| with the stream set to zero | {losses["zero"]:.3f} |
| with the stream set to its mean | {losses["mean"]:.3f} |
{recovered}
Position 0 and attention sinks stay as they are in all four cross-entropies.

| setting | value |
|---|---|
{settings}

`bank.safetensors` holds the activations on {min(spec.bank_windows, n_held)} held-out windows,
`../texts.safetensors` their tokens, `history.json` the training curve.

**What it is not.** One run from one seed, on far fewer tokens than published autoencoders see, of a small model. A
latent that looks like a concept is a hypothesis (lesson 08).

**Licence.** Weights MIT, as the course. The texts of the bank keep the licences above.
"""


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description="Train and measure the shipped sparse autoencoders.")
    parser.add_argument("names", nargs="*", help=f"which: {', '.join(SPECS)} (default: all)")
    parser.add_argument("--shards", type=int, help="use only the first shards of the harvest")
    parser.add_argument("--steps", type=int, help="instead of the setting")
    parser.add_argument("--quick", action="store_true", help="no cross-entropies and no card")
    options = parser.parse_args()
    for wanted in options.names or [*SPECS, "rehearsal"]:
        if wanted == "rehearsal":
            make_rehearsal()
            continue
        make(wanted, FOLDER, options.shards, options.steps, options.quick)
