"""The small transformer: right by an independent calculation, and hooked like the bridge."""

import dataclasses
import math

import pytest
import torch

from course_utils import tiny
from course_utils.errors import ModelError
from course_utils.tiny import TinyConfig, TinyTransformer, load_history, load_tiny, save_tiny, tiny_names

SIZES = {"n_layers": 2, "n_heads": 3, "d_model": 10, "d_head": 4, "d_vocab": 11, "n_ctx": 9}


def small(d_mlp: int | None = None, seed: int = 1) -> TinyTransformer:
    return TinyTransformer(TinyConfig(**SIZES, d_mlp=d_mlp, seed=seed)).requires_grad_(False)


def some_tokens(seed: int = 0, length: int = 7) -> torch.Tensor:
    return torch.randint(SIZES["d_vocab"], (3, length), generator=torch.Generator().manual_seed(seed))


def logits_by_loops(model: TinyTransformer, sequence: list[int], temperature: float) -> torch.Tensor:
    """One sequence through the model, a place and a head at a time, from the weights alone."""
    stream = [model.W_E[token] + model.W_pos[place] for place, token in enumerate(sequence)]
    for layer in range(model.cfg.n_layers):
        after = [vector.clone() for vector in stream]
        for head in range(model.cfg.n_heads):
            w_q, w_k, w_v, w_o = (getattr(model, name)[layer, head] for name in ("W_Q", "W_K", "W_V", "W_O"))
            for place in range(len(stream)):
                scores = [
                    float((stream[place] @ w_q) @ (stream[past] @ w_k)) / temperature
                    for past in range(place + 1)
                ]
                weights = [math.exp(score - max(scores)) for score in scores]
                for past, weight in enumerate(weights):
                    after[place] = after[place] + weight / sum(weights) * (stream[past] @ w_v @ w_o)
        stream = after
        if model.cfg.d_mlp is not None:
            w_in, w_out = model.W_in[layer], model.W_out[layer]
            stream = [vector + torch.clamp(vector @ w_in, min=0) @ w_out for vector in stream]
    return torch.stack(stream) @ model.W_U


@pytest.mark.parametrize("d_mlp", [None, 6])
def test_logits_equal_a_calculation_by_loops(d_mlp):
    model, tokens = small(d_mlp), some_tokens()
    root = SIZES["d_head"] ** 0.5
    expected = logits_by_loops(model, tokens[1].tolist(), temperature=root)
    torch.testing.assert_close(model(tokens)[1], expected, atol=1e-5, rtol=1e-5)
    unscaled = logits_by_loops(model, tokens[1].tolist(), temperature=1.0)
    assert (model(tokens)[1] - unscaled).abs().max() > 1e-2, "the comparison would not notice a missing scale"


def test_the_residual_stream_is_the_sum_of_what_is_written_to_it():
    model = small(d_mlp=6)
    logits, cache = model.run_with_cache(some_tokens())
    written = ["hook_embed", "hook_pos_embed"]
    written += [f"blocks.{layer}.hook_{part}" for layer in range(2) for part in ("attn_out", "mlp_out")]
    torch.testing.assert_close(sum(cache[name] for name in written) @ model.W_U, logits, atol=1e-5, rtol=1e-5)
    for missing in written:
        partial = sum(cache[name] for name in written if name != missing) @ model.W_U
        assert (partial - logits).abs().max() > 1e-2, f"leaving out {missing} went unnoticed"


def test_a_later_token_never_changes_an_earlier_logit_and_an_earlier_one_does():
    model, tokens = small(), some_tokens()
    changed = tokens.clone()
    changed[:, 4] = (changed[:, 4] + 1) % SIZES["d_vocab"]
    difference = (model(tokens) - model(changed)).abs().amax(dim=(0, 2))
    assert difference[:4].max() == 0
    assert difference[4:].min() > 1e-4


def test_results_of_the_heads_sum_to_attn_out_and_patterns_to_one():
    _, cache = small().run_with_cache(some_tokens())
    result, attn_out = cache["blocks.1.attn.hook_result"], cache["blocks.1.hook_attn_out"]
    torch.testing.assert_close(result.sum(dim=2), attn_out)
    assert (result[:, :, :2].sum(dim=2) - attn_out).abs().max() > 1e-3
    pattern = cache["pattern", 1]
    torch.testing.assert_close(pattern.sum(-1), torch.ones(pattern.shape[:-1]))
    assert pattern.triu(1).abs().max() == 0


def make_bridge(folder):
    """A TransformerLens bridge around a random Llama of the same sizes: the reference for names."""
    from tokenizers import Tokenizer, models
    from transformer_lens.model_bridge import TransformerBridge
    from transformers import LlamaConfig, LlamaForCausalLM, PreTrainedTokenizerFast

    words = Tokenizer(models.WordLevel({f"w{i}": i for i in range(SIZES["d_vocab"])}, unk_token="w0"))
    special = {"bos_token": "w0", "eos_token": "w1", "pad_token": "w2", "unk_token": "w0"}
    PreTrainedTokenizerFast(tokenizer_object=words, **special).save_pretrained(folder)
    config = LlamaConfig(
        vocab_size=SIZES["d_vocab"],
        hidden_size=12,
        head_dim=SIZES["d_head"],
        intermediate_size=6,
        num_hidden_layers=SIZES["n_layers"],
        num_attention_heads=SIZES["n_heads"],
        num_key_value_heads=SIZES["n_heads"],
        architectures=["LlamaForCausalLM"],
    )
    return TransformerBridge.boot_transformers(
        "random-llama",
        hf_model=LlamaForCausalLM(config).eval(),
        tokenizer=PreTrainedTokenizerFast.from_pretrained(folder),
    )


def test_hook_names_shapes_and_weights_are_those_of_the_bridge(tmp_path):
    bridge = make_bridge(tmp_path)
    model = TinyTransformer(TinyConfig(**{**SIZES, "d_model": 12}, d_mlp=6))
    tokens = some_tokens()
    _, theirs = bridge.run_with_cache(tokens)
    _, ours = model.run_with_cache(tokens)
    # Llama has no position vectors, and writes a head's result only when asked.
    extra = {name for name in ours if name not in theirs}
    assert extra == {"hook_pos_embed"} | {f"blocks.{layer}.attn.hook_result" for layer in range(2)}
    assert {n: ours[n].shape for n in ours if n not in extra} == {
        n: theirs[n].shape for n in ours if n not in extra
    }
    for name in ("W_E", "W_Q", "W_K", "W_V", "W_O", "W_in", "W_out", "W_U"):
        assert getattr(model, name).shape == getattr(bridge, name).shape, name
    for name in ("n_layers", "n_heads", "d_model", "d_head", "d_vocab", "d_mlp"):
        assert getattr(model.cfg, name) == getattr(bridge.cfg, name), name
    scores = "blocks.0.attn.hook_attn_scores"
    assert torch.equal(ours[scores][0, 0].triu(1), theirs[scores][0, 0].triu(1)), "masked scores differ"
    assert "blocks.0.hook_no_such_thing" not in theirs, "the bridge's cache would agree with anything"


def test_hook_points_of_the_mlp_exist_only_with_an_mlp():
    names = ("hook_resid_mid", "hook_mlp_out", "mlp.hook_pre", "mlp.hook_post")
    assert all(f"blocks.0.{name}" in small(d_mlp=6).hook_dict for name in names)
    assert not any(f"blocks.0.{name}" in small().hook_dict for name in names)


def test_a_hook_acts_while_it_is_on_and_is_gone_afterwards():
    model, tokens = small(), some_tokens()
    before = model(tokens)
    hooks = [("blocks.0.attn.hook_pattern", lambda pattern, hook: torch.zeros_like(pattern))]
    with model.hooks(fwd_hooks=hooks):
        inside = model(tokens)
    assert (model.run_with_hooks(tokens, fwd_hooks=hooks) - inside).abs().max() == 0
    assert (inside - before).abs().max() > 1e-3
    assert torch.equal(model(tokens), before)


def test_changing_a_hooked_value_in_place_leaves_the_weights_alone():
    model, tokens = small(), some_tokens()
    before = {name: weight.clone() for name, weight in model.state_dict().items()}

    def zero(value, hook):
        value.zero_()

    changed = model.run_with_hooks(tokens, fwd_hooks=[("hook_pos_embed", zero), ("hook_embed", zero)])
    assert changed.abs().max() == 0
    assert all(torch.equal(before[name], weight) for name, weight in model.state_dict().items())


def test_the_cache_answers_to_short_names_and_honours_its_options():
    model, tokens = small(), some_tokens()
    _, cache = model.run_with_cache(tokens, names_filter="blocks.1.attn.hook_z")
    assert list(cache.keys()) == ["blocks.1.attn.hook_z"]
    assert torch.equal(cache["z", 1], cache["blocks.1.attn.hook_z"])
    _, single = model.run_with_cache(tokens[:1], remove_batch_dim=True)
    assert single["resid_post", 1].shape == (7, 10) and not single.has_batch_dim


def test_the_seed_decides_the_weights_and_the_global_generator_is_left_alone():
    torch.manual_seed(5)
    expected = torch.rand(3)
    torch.manual_seed(5)
    first, again, other = small(seed=1), small(seed=1), small(seed=2)
    assert torch.equal(torch.rand(3), expected)
    assert all(torch.equal(a, b) for a, b in zip(first.parameters(), again.parameters(), strict=True))
    assert not any(torch.equal(a, b) for a, b in zip(first.parameters(), other.parameters(), strict=True))


@pytest.mark.parametrize(
    ("tokens", "error", "says"),
    [
        ([[1, 2]], TypeError, "list"),
        (torch.zeros(1, 3), TypeError, "float32"),
        (torch.zeros(3, dtype=torch.long), ValueError, r"tokens\[None\]"),
        (torch.zeros(1, 0, dtype=torch.long), ValueError, r"\(1, 0\)"),
        (torch.zeros(1, 10, dtype=torch.long), ValueError, "10 tokens .* n_ctx = 9"),
        (torch.tensor([[1, 11]]), ValueError, "d_vocab - 1 = 10.* 1 to 11"),
        (torch.tensor([[-1, 3]]), ValueError, "-1 to 3"),
    ],
)
def test_wrong_tokens_are_refused_with_both_numbers(tokens, error, says):
    with pytest.raises(error, match=says):
        small()(tokens)


def test_the_longest_input_and_the_last_token_id_are_accepted():
    tokens = torch.full((1, SIZES["n_ctx"]), SIZES["d_vocab"] - 1)
    assert small()(tokens).shape == (1, SIZES["n_ctx"], SIZES["d_vocab"])
    assert torch.equal(small()(tokens.int()), small()(tokens))


@pytest.mark.parametrize(
    ("field", "value"), [("n_layers", 0), ("d_head", 4.0), ("d_mlp", -1), ("n_ctx", True), ("seed", -1)]
)
def test_a_size_that_is_no_count_is_refused_by_name(field, value):
    with pytest.raises(ValueError, match=f"{field} must be a whole number.*{value!r}"):
        TinyConfig(**{**SIZES, field: value})


def test_the_configuration_cannot_be_changed_afterwards():
    with pytest.raises(dataclasses.FrozenInstanceError):
        small().cfg.n_heads = 5  # type: ignore[misc]


def test_what_is_saved_comes_back_frozen_and_equal(tmp_path, monkeypatch):
    monkeypatch.setattr(tiny, "_ASSETS", tmp_path)
    model = TinyTransformer(TinyConfig(**SIZES, d_mlp=6, seed=3))
    save_tiny(model, tmp_path / "mine.safetensors", {"licence": "MIT"})
    assert tiny_names() == ["mine"]
    loaded = load_tiny("mine")
    assert loaded.cfg == model.cfg and not loaded.training
    assert not any(weight.requires_grad for weight in loaded.parameters())
    assert torch.equal(loaded(some_tokens()), model(some_tokens()))
    assert not torch.equal(loaded(some_tokens()), small(d_mlp=6, seed=4)(some_tokens()))


def test_the_same_weights_make_the_same_bytes_readable_by_everybody(tmp_path):
    def written(model: TinyTransformer) -> bytes:
        save_tiny(model, tmp_path / "again.safetensors")
        return (tmp_path / "again.safetensors").read_bytes()

    assert len({written(small(seed=1)) for _ in range(8)}) == 1
    assert written(small(seed=1)) != written(small(seed=2))
    (tmp_path / "plain").write_text("as any file")
    assert (tmp_path / "again.safetensors").stat().st_mode == (tmp_path / "plain").stat().st_mode


def test_an_unknown_name_is_refused_with_the_names_that_exist():
    with pytest.raises(ModelError, match=r"'induction-9l'.*induction-1l, induction-2l"):
        load_tiny("induction-9l")
    with pytest.raises(ModelError, match="no small model"):
        load_tiny("../assets/induction-2l")


def test_all_lists_what_exists():
    assert all(hasattr(tiny, name) for name in tiny.__all__)


def test_history_is_of_the_shipped_models_and_ends_where_the_card_says():
    history = load_history("induction-2l")
    assert [point["step"] for point in history] == sorted({point["step"] for point in history})
    assert history[0]["loss_second_half"] > 4 > 0.1 > history[-1]["loss_second_half"]


def test_history_of_an_unknown_model_lists_what_there_is():
    with pytest.raises(ModelError, match=r"induction-3l.*induction-2l"):
        load_history("induction-3l")
