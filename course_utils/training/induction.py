"""Trains `induction-2l` and its one-layer twin `induction-1l` on random tokens that repeat.

A sequence is the start token 0, then distinct random tokens; from some place on, the last `period` of them
come again and again. Nothing but the repetition can be predicted, so the loss on repeated tokens is a measure
of induction. Two attention layers learn it (Olsson et al. 2022); one layer cannot build the circuit.
"""

import dataclasses
import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import torch
import typer
from jaxtyping import Int
from torch import Tensor
from torch.nn.functional import cross_entropy
from tqdm import tqdm

from course_utils.tiny import TinyConfig, TinyTransformer, save_tiny

__all__ = ["TrainingConfig", "sizes", "train"]

_ASSETS = Path(__file__).parents[1] / "assets"
_COMMAND = "python -m course_utils.training.induction"


@dataclass(frozen=True)
class TrainingConfig:
    """How an induction model is trained; the defaults made the shipped weights.

    Raises `ValueError` for a period that does not fit twice into the longest input.
    """

    seed: int = 0
    """Seed of the starting weights; the data use the next whole number."""
    steps: int = 1200
    """Optimiser steps."""
    batch: int = 64
    """Sequences in a step."""
    learning_rate: float = 5e-3
    """AdamW's peak rate: reached linearly after `warm_up` steps, then falling linearly to 0."""
    warm_up: int = 50
    """Steps until the peak rate."""
    weight_decay: float = 0.5
    """Decay of every weight but those of layer 0 that decide where its heads look (W_pos, W_Q, W_K). Strong
    decay makes a few sharp previous-token heads cheaper than many vague ones."""
    shortest_period: int = 4
    """Fewest tokens before the sequence repeats."""
    longest_period: int = 24
    """Most tokens before the sequence repeats, and the period on which the models are measured."""
    prefix_share: float = 0.5
    """Share of sequences with unrepeated tokens, as many as may fit, before the repetition starts. Without
    them the previous token is never needed late in a sequence, and late positions are not learned."""
    measure_every: int = 20
    """Steps between two points of the history."""

    def __post_init__(self) -> None:
        if not 2 <= self.shortest_period <= self.longest_period <= 24:
            raise ValueError(
                f"TrainingConfig: the periods must satisfy 2 <= shortest <= longest <= 24, got "
                f"{self.shortest_period} and {self.longest_period}. The models read 1 + 2 * 24 tokens."
            )


def sizes(n_layers: int, seed: int = 0) -> TinyConfig:
    """The sizes of the shipped models: `sizes(2)` for induction-2l, `sizes(1)` for its twin."""
    return TinyConfig(n_layers, n_heads=4, d_model=64, d_head=16, d_vocab=64, n_ctx=49, seed=seed)


def train(n_layers: int, config: TrainingConfig) -> tuple[TinyTransformer, list[dict[str, Any]]]:
    """A trained model, and its history: one dictionary for each measured step.

    >>> model, history = train(2, TrainingConfig(steps=40))
    >>> history[-1]["step"], history[-1]["loss_second_half"]   # nats

    The same configuration gives bitwise the same weights on the same machine: it runs on one thread.
    """
    with _one_thread():
        model = TinyTransformer(sizes(n_layers, config.seed))
        data = torch.Generator().manual_seed(config.seed + 1)
        optimiser = _optimiser(model, config)
        history = [{"step": 0, **_measure(model, config)}]
        for step in _progress(config.steps, f"induction-{n_layers}l"):
            for group in optimiser.param_groups:
                group["lr"] = config.learning_rate * _schedule(step, config)
            tokens = _sample(data, model.cfg, config)
            loss = cross_entropy(model(tokens)[:, :-1].flatten(0, 1), tokens[:, 1:].flatten())
            optimiser.zero_grad()
            loss.backward()
            torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
            optimiser.step()
            if (step + 1) % config.measure_every == 0 or step + 1 == config.steps:
                history.append({"step": step + 1, **_measure(model, config)})
    return model.eval().requires_grad_(False), history


def _sample(generator: torch.Generator, cfg: TinyConfig, config: TrainingConfig) -> Int[Tensor, "batch pos"]:
    """Start token, perhaps a prefix, then a repeating block; all tokens of prefix and block are distinct."""
    tokens = torch.rand(config.batch, cfg.d_vocab - 1, generator=generator).argsort(-1) + 1
    shape, length = (config.batch, 1), cfg.n_ctx - 1
    period = torch.randint(config.shortest_period, config.longest_period + 1, shape, generator=generator)
    room = length - 2 * period + 1
    prefix = (torch.rand(shape, generator=generator) * room).long()
    prefix = prefix * (torch.rand(shape, generator=generator) < config.prefix_share)
    place = torch.arange(length)
    source = torch.where(place < prefix, place, prefix + (place - prefix) % period)
    return torch.cat([torch.zeros(shape, dtype=torch.long), tokens.gather(1, source)], dim=1)


def _measure(
    model: TinyTransformer,
    config: TrainingConfig,
    seed: int = 12345,
    batch: int = 64,
    last: int | None = None,
) -> dict[str, Any]:
    """Losses in nats and head scores [layer][head] on sequences that repeat once, with the longest period.

    The first token of the second half is left out: that the repetition starts there cannot be known. `last`
    is the last query of the previous-token score, by default the end of the sequence.
    """
    n, generator = config.longest_period, torch.Generator().manual_seed(seed)
    once = torch.rand(batch, model.cfg.d_vocab - 1, generator=generator).argsort(-1)[:, :n] + 1
    tokens = torch.cat([torch.zeros(batch, 1, dtype=torch.long), once, once], dim=1)
    with torch.no_grad():
        logits, cache = model.run_with_cache(tokens)
    loss = cross_entropy(logits[:, :-1].transpose(1, 2), tokens[:, 1:], reduction="none")
    late, second = torch.arange(2, (last or 2 * n) + 1), torch.arange(n + 1, 2 * n + 1)
    patterns = torch.stack([cache["pattern", layer] for layer in range(model.cfg.n_layers)])
    return {
        "loss_first_half": round(loss[:, :n].mean().item(), 4),
        "loss_second_half": round(loss[:, n + 1 :].mean().item(), 4),
        "previous_token": _rounded(patterns[..., late, late - 1].mean(dim=(1, 3))),
        "induction": _rounded(patterns[..., second, second - n + 1].mean(dim=(1, 3))),
    }


def _rounded(scores: Tensor) -> list[list[float]]:
    return [[round(score, 3) for score in layer] for layer in scores.tolist()]


def _optimiser(model: TinyTransformer, config: TrainingConfig) -> torch.optim.AdamW:
    free = {"W_pos", "blocks.0.attn.W_Q", "blocks.0.attn.W_K"}
    groups: list[dict[str, Any]] = [
        {"params": [w for name, w in model.named_parameters() if name in free], "weight_decay": 0.0},
        {"params": [w for name, w in model.named_parameters() if name not in free]},
    ]
    return torch.optim.AdamW(
        groups, lr=config.learning_rate, betas=(0.9, 0.99), weight_decay=config.weight_decay
    )


def _schedule(step: int, config: TrainingConfig) -> float:
    return min(1.0, (step + 1) / config.warm_up) * (1 - step / config.steps)


def _progress(steps: int, name: str) -> Iterator[int]:
    return iter(tqdm(range(steps), desc=name, unit="step", disable=None))  # None: silent unless a terminal


@contextmanager
def _one_thread() -> Iterator[None]:
    """Sums are split between threads, and a different split rounds differently."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(before)


def _card(name: str, model: TinyTransformer, config: TrainingConfig, command: str) -> str:
    """The text of the card, with every figure measured on fresh sequences."""
    cfg, n = model.cfg, config.longest_period
    figures = _measure(model, config, seed=config.seed + 2, batch=512)
    early = _measure(model, config, seed=config.seed + 2, batch=512, last=n)["previous_token"]
    rows = "\n".join(
        f"| L{layer}H{head} | {figures['previous_token'][layer][head]:.3f} "
        f"| {early[layer][head]:.3f} | {figures['induction'][layer][head]:.3f} |"
        for layer in range(cfg.n_layers)
        for head in range(cfg.n_heads)
    )
    recipe = "\n".join(f"| {key} | {value} |" for key, value in dataclasses.asdict(config).items())
    return _CARD.format(
        name=name,
        layers=cfg.n_layers,
        cfg=cfg,
        parameters=sum(weight.numel() for weight in model.parameters()),
        n=n,
        command=command,
        rows=rows,
        recipe=recipe,
        torch=torch.__version__.split("+")[0],
        any_token=_guess([cfg.d_vocab - 1] * n),
        unseen=_guess([cfg.d_vocab - 1 - seen for seen in range(n)]),
        due=_guess([n - repeated for repeated in range(1, n)]),
        **figures,
    )


def _guess(choices: list[int]) -> float:
    """The mean loss, in nats, of guessing evenly among so many tokens at each place."""
    return torch.tensor(choices).float().log().mean().item()


_CARD = """\
# {name}

A transformer with attention only: n_layers {layers}, {cfg.n_heads} heads of width {cfg.d_head}, residual
stream of width {cfg.d_model}, vocabulary of {cfg.d_vocab} made-up tokens, at most {cfg.n_ctx} tokens, learned
positions, no normalisation and no biases. {parameters} parameters. `load_model("{name}")` loads it;
`course_utils/tiny.py` is its code.

**Data.** Random tokens that repeat, made while training by `course_utils/training/induction.py`; no text.
Token 0 starts every sequence. Evaluation: 512 sequences of {n} distinct tokens, twice, from a seed that
training did not use.

**Made by** `{command}`, on one thread with torch {torch}.
The same command gives the same weights, bit for bit, on the same machine with the same versions.

| measure | value |
|---|---|
| loss, first half (nats) | {loss_first_half:.4f} |
| loss, second half without its first token (nats) | {loss_second_half:.4f} |
| guess, first half: any token but the start (nats) | {any_token:.4f} |
| guess, first half: any token not seen yet (nats) | {unseen:.4f} |
| guess, second half: any token of the first half not yet repeated (nats) | {due:.4f} |

The last guess knows which tokens are due but not their order. A loss clearly below it needs the order; a loss
between it and the guesses above does not.

| head | previous-token score | the same, first half only | induction score |
|---|---|---|---|
{rows}

Previous-token score: mean attention to the position before, over queries from position 2: where the
first half alone scores higher, the head does not look one back late in a sequence. Induction score:
mean attention, in the second half, to the position after the first occurrence of the current token.

| setting | value |
|---|---|
{recipe}

**What it is not.** One model from one seed, trained on made-up data to show one mechanism; the recipe was
chosen because it gives heads that are easy to read. Head scores say where heads look, not what they cause.
Nothing here says how such heads arise in a language model.

**Licence.** MIT, as the course. Weights and data are our own.
"""


def _main(
    output: Annotated[Path, typer.Option(help="Folder for weights, cards and history.")] = _ASSETS,
    seed: Annotated[int, typer.Option(min=0, help="Seed of starting weights (data: the next number).")] = 0,
    steps: Annotated[int, typer.Option(min=1, help="Optimiser steps for each model.")] = TrainingConfig.steps,
) -> None:
    """Train induction-2l and induction-1l, under two minutes on one core.

    Writes for each the weights (.safetensors) and a card (.md) with measured figures, and for both
    induction-history.json: losses (nats) and every head's scores against the step.
    """
    output.mkdir(parents=True, exist_ok=True)
    config = TrainingConfig(seed=seed, steps=steps)
    command = _COMMAND + (f" --seed {seed} --steps {steps}" if config != TrainingConfig() else "")
    histories = {}
    for n_layers in (2, 1):
        name = f"induction-{n_layers}l"
        model, histories[name] = train(n_layers, config)
        save_tiny(model, output / f"{name}.safetensors")
        (output / f"{name}.md").write_text(_card(name, model, config, command), encoding="utf-8")
        last = histories[name][-1]
        typer.echo(f"{name}: second half {last['loss_second_half']:.4f} nats, induction {last['induction']}")
    lines = ",\n".join(
        f'"{name}": [\n' + ",\n".join(json.dumps(point) for point in points) + "\n]"
        for name, points in histories.items()
    )
    (output / "induction-history.json").write_text(f"{{\n{lines}\n}}\n", encoding="utf-8")


if __name__ == "__main__":
    typer.run(_main)
