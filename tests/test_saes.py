"""The shipped autoencoders load in stock SAELens, agree with their banks and cards, and training can be repeated."""

import json
import re
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

from course_utils import saes
from course_utils.errors import CourseError
from course_utils.saes import load_bank, load_sae, sae_names
from course_utils.training.sae_train import TrainConfig, Weights, _gradients, to_saelens, train
from course_utils.training.saes import REHEARSAL, SPECS

ASSETS = Path(saes.__file__).parent / "assets" / "saes"
NAMES = tuple(sae_names())


def test_the_autoencoders_are_there_and_small():
    assert {"middle", "narrow"} <= set(sae_names()) <= set(SPECS)
    assert sum(path.stat().st_size for path in ASSETS.rglob("*") if path.is_file()) < 80e6


@pytest.mark.parametrize("name", NAMES)
def test_stock_saelens_loads_them(name):
    from sae_lens import SAE, TopKSAE

    sae = SAE.load_from_disk(ASSETS / name, dtype="float32")
    assert isinstance(sae, TopKSAE) and sae.cfg.d_in == 576
    spec = SPECS[name]
    assert sae.cfg.metadata.hook_name == f"blocks.{spec.layer}.hook_resid_pre"
    assert (sae.cfg.d_sae, sae.cfg.k) == (spec.config.d_sae, spec.config.k)
    assert torch.allclose(sae.W_dec.norm(dim=1), torch.ones(sae.cfg.d_sae), atol=2e-3)
    stored = load_file(ASSETS / name / "sae_weights.safetensors")
    assert all(weight.dtype == torch.float16 for weight in stored.values())


@pytest.mark.parametrize("name", NAMES)
def test_a_bank_is_consistent(name):
    bank, sae = load_bank(name), load_sae(name)
    assert len(bank.tokens) == len(bank.documents) == len(bank.kept) == len(bank.start) - 1
    assert len(bank.latent) == len(bank.value) == bank.start[-1] and (bank.value > 0).all()
    counts = bank.start.diff()
    assert (counts[~bank.kept] == 0).all() and counts.max() <= sae.cfg.k
    assert (counts[bank.kept] > 0).float().mean() > 0.99
    assert not bank.kept.view(-1, 128)[:, 0].any(), "start tokens are left out"
    assert (bank.documents.diff() >= 0).all() and len(bank.sources) == bank.documents[-1] + 1
    assert torch.equal(bank.tokens, load_bank("middle").tokens[: len(bank.tokens)]) or name in (
        "middle",
        "narrow",
    )
    busiest = int(bank.density().argmax())
    token, value = bank.of(busiest)
    inside = (bank.latent == busiest).nonzero()[:, 0]
    assert torch.equal(token, bank.token_of[inside]) and torch.equal(value, bank.value[inside])
    assert abs(float(bank.density().sum()) - float(counts.sum() / bank.kept.sum())) < 1e-3
    with pytest.raises(CourseError, match="there is no latent"):
        bank.of(bank.d_sae)


@pytest.mark.parametrize("load", [load_sae, load_bank])
def test_another_name_is_refused_with_the_names_there_are(load):
    with pytest.raises(CourseError, match=", ".join(NAMES)):
        load("medium")


@pytest.mark.parametrize("load", [load_sae, load_bank])
def test_a_course_without_autoencoders_says_what_to_do(load, monkeypatch, tmp_path):
    monkeypatch.setattr(saes, "_FOLDER", tmp_path)
    with pytest.raises(CourseError, match="git checkout course_utils/assets/saes") as caught:
        load("a bank that nobody loaded before")
    assert str(tmp_path) in str(caught.value) and "The course has: ." not in str(caught.value)


def test_a_part_of_a_bank_knows_nothing_of_the_rest():
    bank = load_bank("narrow")
    even = bank.documents % 2 == 0
    part, rest = bank.only(even), bank.only(~even)
    for latent in bank.density().topk(3).indices.tolist():
        where, value = bank.of(latent)
        inside, kept_value = part.of(latent)
        assert torch.equal(inside, where[even[where]]) and torch.equal(kept_value, value[even[where]])
        assert len(inside) and len(inside) + len(rest.of(latent)[0]) == len(where)
    assert torch.equal(part.token_of, bank.token_of[even[bank.token_of]])
    assert torch.equal(part.tokens, bank.tokens) and not part.kept[~even].any()
    assert part.kept.sum() + rest.kept.sum() == bank.kept.sum()
    with pytest.raises(CourseError, match="a boolean for each"):
        bank.only(even[:5])


@pytest.mark.parametrize("name", NAMES)
def test_a_card_names_text_licence_command_and_figures(name):
    card = (ASSETS / f"{name}.md").read_text(encoding="utf-8")
    for part in (
        "**Text.**",
        "WordNet 3.0 licence",
        f"`python -m course_utils.training.saes {name}`",
        "| seed | 0 |",
    ):
        assert part in card
    wanted = ["L0: latents active on a token", "explained variance: .*"]
    if not SPECS[name].shuffled:  # the shuffled twin predicts nothing that could be recovered
        wanted += ["CE loss recovered, zero ablation", "CE loss recovered, mean ablation"]
    row = r"\| {} \| ([\d.-]+) \|"
    l0, *shares = (float(re.search(row.format(what), card)[1]) for what in wanted)
    assert 0.9 * SPECS[name].config.k <= l0 <= SPECS[name].config.k
    assert all(0 < share < 1 for share in shares)


@pytest.mark.model
@pytest.mark.slow
def test_the_bank_is_what_the_model_and_the_autoencoder_give():
    from course_utils.models import load_model

    model, sae, bank = load_model("smollm2"), load_sae("middle"), load_bank("middle")
    tokens = bank.tokens.view(-1, 128)[:2]
    with torch.inference_mode():
        _, cache = model.run_with_cache(tokens, names_filter=bank.hook_name)
        latents = sae.encode(cache[bank.hook_name].flatten(0, 1))
    kept = bank.kept[:256].nonzero()[:, 0]
    stored = torch.zeros(256, bank.d_sae)
    entries = slice(0, int(bank.start[256]))
    stored[bank.token_of[entries], bank.latent[entries]] = bank.value[entries]
    gap = (stored[kept] - latents[kept]).abs().sum(1) / latents[kept].sum(1)
    assert gap.mean() < 0.02, "float16 changes little"


def test_a_few_hundred_steps_follow_the_stored_training_curve():
    resid = load_file(ASSETS / "rehearsal.safetensors")["resid"]
    stored = json.loads((ASSETS / "rehearsal.json").read_text(encoding="utf-8"))
    assert TrainConfig(**stored["config"]) == REHEARSAL
    _, history = train(resid, REHEARSAL, stop_at=200)
    known = {point["step"]: point for point in stored["history"]}
    shared = [point for point in history if point["step"] in known]
    assert len(shared) > 50
    for point in shared:
        assert abs(point["fvu"] - known[point["step"]]["fvu"]) < 0.02, point
    assert history[-1]["fvu"] < 0.7 * history[0]["fvu"]
    _, changed = train(resid, TrainConfig(**{**stored["config"], "learning_rate": 1e-5}), stop_at=200)
    assert abs(changed[-1]["fvu"] - known[shared[-1]["step"]]["fvu"]) > 0.05, "any run would pass"


def weights_and_data(seed: int = 0) -> tuple[Weights, torch.Tensor, torch.Tensor]:
    draw = torch.Generator().manual_seed(seed)
    dec = torch.randn(60, 24, generator=draw)
    dec /= dec.norm(dim=1, keepdim=True)
    bias = torch.randn(60, generator=draw) * 0.1
    bias[:20] -= 2.0  # rarely among the largest: candidates for death
    weights = Weights(dec.clone(), bias, dec, torch.randn(24, generator=draw) * 0.1, 1.0, 5)
    return weights, torch.randn(64, 24, generator=draw), torch.randn(60, generator=draw)


def test_hand_written_gradients_are_those_of_autograd():
    weights, x, _ = weights_and_data()
    config = TrainConfig(d_sae=60, k=5, steps=5, batch=64, dead_after=10)
    silent = torch.zeros(60)
    silent[:20] = 1000
    _gradients(x, weights, silent, config)
    dead = (silent > 10).nonzero()[:, 0]
    assert len(dead) > 3
    enc, b_enc, dec, b_dec = (
        part.detach().clone().requires_grad_(True)
        for part in (weights.enc, weights.b_enc, weights.dec, weights.b_dec)
    )
    pre = (x - b_dec) @ enc.T + b_enc
    value, latent = pre.topk(5, dim=1)
    error = torch.zeros(64, 60).scatter(1, latent, value.relu()) @ dec + b_dec - x
    value, latent = pre[:, dead].topk(min(config.k_aux, len(dead)), dim=1)
    rest = torch.zeros(64, 60).scatter(1, dead[latent], value.relu()) @ dec + error.detach()
    loss = error.square().sum() / (x - x.mean(0)).square().sum()
    (loss + config.aux_weight * rest.square().sum() / error.detach().square().sum()).backward()
    for ours, theirs in zip(
        (weights.enc, weights.b_enc, weights.dec, weights.b_dec), (enc, b_enc, dec, b_dec), strict=True
    ):
        assert torch.allclose(ours.grad, theirs.grad, atol=1e-6)


def test_saelens_reads_raw_activations_as_ours_reads_scaled_ones():
    weights, x, _ = weights_and_data(1)
    weights.scale = 7.0
    sae = to_saelens(weights, "blocks.0.hook_resid_pre")
    value, latent = ((x - weights.b_dec) @ weights.enc.T + weights.b_enc).topk(5, dim=1)
    code = torch.zeros(64, 60).scatter(1, latent, value.relu())
    assert torch.allclose(sae.encode(7.0 * x), 7.0 * code, atol=1e-4)
    assert torch.allclose(sae(7.0 * x), 7.0 * (code @ weights.dec + weights.b_dec), atol=1e-4)


def test_impossible_k_is_refused():
    with pytest.raises(ValueError, match="between 1 and d_sae"):
        TrainConfig(d_sae=8, k=9)


def test_all_lists_what_exists():
    assert all(hasattr(saes, name) for name in saes.__all__)
