"""Training is repeatable, and the shipped weights are what their cards say."""

import dataclasses
import json
import re
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from torch import Tensor

from course_utils.tiny import TinyTransformer, load_tiny, tiny_names
from course_utils.training import induction
from course_utils.training.induction import TrainingConfig, sizes, train

ASSETS = Path(induction.__file__).parents[1] / "assets"
NAMES = ("induction-1l", "induction-2l")
N = 24  # tokens in one half


def card_figures(name: str) -> dict[str, float]:
    """The numbers in the card's tables: losses, and "L0H1 previous", "L0H1 early", "L0H1 induction"."""
    text = (ASSETS / f"{name}.md").read_text(encoding="utf-8")
    figures = {"first": float(re.search(r"\| loss, first half.*\| ([\d.]+) \|", text)[1])}
    figures["second"] = float(re.search(r"\| loss, second half.*\| ([\d.]+) \|", text)[1])
    for head, previous, early, copied in re.findall(r"\| (L\dH\d)" + r" \| ([\d.]+)" * 3 + r" \|", text):
        figures |= {f"{head} previous": float(previous), f"{head} induction": float(copied)}
        figures[f"{head} early"] = float(early)
    return figures


def measured(model: TinyTransformer, seed: int = 31, batch: int = 128) -> dict[str, float]:
    """The same figures again, from sequences and sums of this test's own."""
    generator = torch.Generator().manual_seed(seed)
    once = torch.stack([torch.randperm(63, generator=generator)[:N] + 1 for _ in range(batch)])
    tokens = torch.cat([torch.zeros(batch, 1, dtype=torch.long), once, once], dim=1)
    logits, cache = model.run_with_cache(tokens)
    chosen = logits.softmax(-1)[:, :-1].gather(-1, tokens[:, 1:, None])[..., 0]
    figures = {"first": float(-chosen[:, :N].log().mean()), "second": float(-chosen[:, N + 1 :].log().mean())}
    for layer in range(model.cfg.n_layers):
        for head in range(model.cfg.n_heads):
            pattern = cache["pattern", layer][:, head].mean(0)
            previous = [float(pattern[query, query - 1]) for query in range(2, 2 * N + 1)]
            copied = [float(pattern[query, query - N + 1]) for query in range(N + 1, 2 * N + 1)]
            figures[f"L{layer}H{head} previous"] = sum(previous) / len(previous)
            figures[f"L{layer}H{head} early"] = sum(previous[: N - 1]) / (N - 1)
            figures[f"L{layer}H{head} induction"] = sum(copied) / len(copied)
    return figures


def disagreements(ours: dict[str, float], theirs: dict[str, float]) -> list[str]:
    """Figures further apart than sampling explains: 0.05 nats for a loss, 0.03 for a score."""
    rows = ours.keys() | theirs.keys()
    inf = float("inf")
    return [
        row
        for row in rows
        if not abs(ours.get(row, inf) - theirs.get(row, -inf)) < (0.03 if "L" in row else 0.05)
    ]


def weights(model: TinyTransformer) -> Tensor:
    return torch.cat([weight.flatten() for weight in model.parameters()])


@pytest.mark.parametrize("n_layers", [1, 2])
def test_the_same_seed_trains_bitwise_the_same_weights(n_layers):
    config = TrainingConfig(steps=6, measure_every=3)
    first, history = train(n_layers, config)
    torch.manual_seed(77)  # the state of the global generator must not matter
    torch.rand(5)
    again, same_history = train(n_layers, config)
    assert torch.equal(weights(first), weights(again)) and history == same_history
    other, _ = train(n_layers, dataclasses.replace(config, seed=1))
    assert not torch.equal(weights(first), weights(other))


def test_training_leaves_the_number_of_threads_as_it_was():
    before = torch.get_num_threads()
    torch.set_num_threads(2)
    try:
        train(1, TrainingConfig(steps=1))
        assert torch.get_num_threads() == 2
    finally:
        torch.set_num_threads(before)


def test_a_short_run_lowers_the_loss_and_one_with_a_rate_near_zero_does_not():
    easy = {
        "shortest_period": 4,
        "longest_period": 4,
        "prefix_share": 0.0,
    }  # look three back: learned at once
    config = TrainingConfig(steps=80, batch=32, warm_up=5, **easy)
    _, history = train(2, config)
    assert history[-1]["loss_second_half"] < history[0]["loss_second_half"] - 1
    _, still = train(2, dataclasses.replace(config, learning_rate=1e-12))
    assert abs(still[-1]["loss_second_half"] - still[0]["loss_second_half"]) < 0.01


def repeats_from(row: list[int]) -> tuple[int, int]:
    """(prefix, period) of a sequence without its start token, from the first token that recurs."""
    for place, token in enumerate(row):
        if token in row[:place]:
            return row.index(token), place - row.index(token)
    raise AssertionError("nothing recurs")


def test_training_sequences_repeat_as_described():
    config = TrainingConfig(batch=256)
    tokens = induction._sample(torch.Generator().manual_seed(0), sizes(2), config)
    assert tokens.shape == (256, 49)
    assert (tokens[:, 0] == 0).all() and (tokens[:, 1:] > 0).all() and tokens.max() < 64
    found = [repeats_from(row) for row in tokens[:, 1:].tolist()]
    for row, (prefix, period) in zip(tokens[:, 1:].tolist(), found, strict=True):
        assert row[prefix : -period or None] == row[prefix + period :]
        assert len(set(row[: prefix + period])) == prefix + period
    periods, share = {period for _, period in found}, sum(prefix > 0 for prefix, _ in found) / 256
    assert periods == set(range(4, 25))
    assert 0.3 < share < 0.6
    none = induction._sample(torch.Generator().manual_seed(0), sizes(2), TrainingConfig(prefix_share=0.0))
    assert all(repeats_from(row)[0] == 0 for row in none[:, 1:].tolist())


@pytest.mark.parametrize(
    "wrong", [{"longest_period": 25}, {"shortest_period": 1}, {"shortest_period": 24, "longest_period": 23}]
)
def test_periods_that_do_not_fit_are_refused(wrong):
    with pytest.raises(ValueError, match="periods must satisfy"):
        TrainingConfig(**wrong)


@pytest.mark.parametrize("name", NAMES)
def test_the_shipped_weights_have_the_figures_of_their_card(name):
    model, card = load_tiny(name), card_figures(name)
    assert len(card) == 2 + 3 * 4 * model.cfg.n_layers
    assert disagreements(measured(model), card) == []
    untrained = TinyTransformer(model.cfg).requires_grad_(False)
    assert {"first", "second"} & set(disagreements(measured(untrained), card)), "any weights would pass"


def test_two_layers_solve_the_task_with_clear_heads_and_one_layer_does_not():
    two, one = measured(load_tiny("induction-2l")), measured(load_tiny("induction-1l"))
    assert two["second"] < 0.1 and two["first"] > 4
    assert one["second"] > 2
    assert max(two[f"L0H{head} previous"] for head in range(4)) > 0.6
    assert max(two[f"L1H{head} induction"] for head in range(4)) > 0.6
    assert max(value for row, value in one.items() if row.endswith("induction")) < 0.2


def falls_off_a_cliff(points: list[dict], share_of_steps: float = 0.2) -> bool:
    """Whether the second half's loss goes from a plateau to almost nothing within this share of the training.

    The plateau lies above the loss of knowing which tokens are due but not their order, the floor far below.
    """
    window = share_of_steps * points[-1]["step"]
    knows_which = float(torch.arange(1.0, N).log().mean())  # N - 1 tokens to come, then N - 2, ... then 1
    plateau = [point["step"] for point in points if point["loss_second_half"] > knows_which]
    floor = [point["step"] for point in points if point["loss_second_half"] < 0.2 * knows_which]
    return bool(plateau and floor) and min(floor) - max(plateau) <= window


def test_the_history_shows_a_cliff_for_two_layers_only():
    history = json.loads((ASSETS / "induction-history.json").read_text(encoding="utf-8"))
    assert set(history) == set(NAMES)
    steps = {name: [point["step"] for point in points] for name, points in history.items()}
    assert steps[NAMES[0]] == steps[NAMES[1]] == sorted(steps[NAMES[0]]) and steps[NAMES[0]][0] == 0
    for name, points in history.items():
        last = {"first": points[-1]["loss_first_half"], "second": points[-1]["loss_second_half"]}
        card = {row: value for row, value in card_figures(name).items() if row in last}
        assert disagreements(last, card) == []
        assert len(points[-1]["induction"]) == load_tiny(name).cfg.n_layers
    assert falls_off_a_cliff(history["induction-2l"])
    assert not falls_off_a_cliff(history["induction-1l"])
    slope = [{"step": step, "loss_second_half": 4 - step / 300} for step in range(0, 1201, 20)]
    assert not falls_off_a_cliff(slope), "a steady fall is no cliff"


def test_every_asset_is_small_and_has_a_card_with_command_and_licence():
    assert set(NAMES) <= set(tiny_names())
    for name in NAMES:
        assert (ASSETS / f"{name}.safetensors").stat().st_size < 700_000
        card = (ASSETS / f"{name}.md").read_text(encoding="utf-8")
        assert "`python -m course_utils.training.induction`" in card and "**Licence.** MIT" in card
        assert f"{sum(w.numel() for w in load_tiny(name).parameters())} parameters" in card
    assert (ASSETS / "induction-history.json").stat().st_size < 100_000


@pytest.mark.slow
def test_the_command_writes_everything_and_records_how_it_was_called(tmp_path):
    command = [sys.executable, "-m", "course_utils.training.induction"]
    done = subprocess.run(
        [*command, "--output", tmp_path, "--steps", "2", "--seed", "3"],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert "step/s" not in done.stderr, "the progress bar is for terminals only"
    written = {path.name for path in tmp_path.iterdir()}
    assert written == {f"{name}.{end}" for name in NAMES for end in ("md", "safetensors")} | {
        "induction-history.json"
    }
    assert "--seed 3 --steps 2`" in (tmp_path / "induction-2l.md").read_text(encoding="utf-8")
    refused = subprocess.run([*command, "--steps", "0"], capture_output=True, text=True, check=False)
    assert refused.returncode == 2 and "--steps" in refused.stderr


def test_all_lists_what_exists():
    assert all(hasattr(induction, name) for name in induction.__all__)
