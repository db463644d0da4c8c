"""The glass box: each planted property on several seeds, and for each a model in which it is broken."""

import pickle

import pytest
import torch
from torch import Tensor

from course_utils import glassbox
from course_utils.glassbox import GlassBox, build_induction

SEEDS = [0, 1, 7, 2**40 + 3]
HALF = 15  # tokens in one half; with 16 tokens in the vocabulary, each but the start token occurs once
seeds = pytest.mark.parametrize("seed", SEEDS)


def repeats(seed: int, half: int = HALF, d_vocab: int = 16, batch: int = 8) -> Tensor:
    """The start token and the same distinct tokens twice."""
    order = torch.rand(batch, d_vocab - 1, generator=torch.Generator().manual_seed(seed)).argsort(-1)
    once = order[:, :half] + 1
    return torch.cat([torch.zeros(batch, 1, dtype=torch.long), once, once], dim=1)


def right_probability(logits: Tensor, tokens: Tensor) -> Tensor:
    """Probability of each next token of the second half that the first half gives away: [batch, half - 1]."""
    half = tokens.shape[1] // 2
    chosen = logits.softmax(-1)[:, :-1].gather(-1, tokens[:, 1:, None])[..., 0]
    return chosen[:, half + 1 :]


def without(box: GlassBox, tokens: Tensor, *heads: tuple[int, int]) -> Tensor:
    def silence(z: Tensor, hook, head: int) -> Tensor:
        keep = torch.ones(z.shape[2], 1)
        keep[head] = 0
        return z * keep

    hooks = [
        (f"blocks.{layer}.attn.hook_z", lambda z, hook, head=head: silence(z, hook, head))
        for layer, head in heads
    ]
    return box.model.run_with_hooks(tokens, fwd_hooks=hooks)


def look(box: GlassBox, tokens: Tensor, head: tuple[int, int], queries: range, back: int) -> float:
    """The least attention that a head pays to the place `back` before each of these queries."""
    _, cache = box.model.run_with_cache(tokens)
    rows = torch.tensor(list(queries))
    return float(cache["pattern", head[0]][:, head[1], rows, rows - back].min())


def decoys(box: GlassBox) -> list[tuple[int, int]]:
    planted = (box.circuit.previous_token, box.circuit.induction)
    return [head for head in box.circuit.roles if head not in planted]


def k_composition(box: GlassBox) -> Tensor:
    """||W_QK W_OVᵀ|| / (||W_QK|| ||W_OV||) for every (layer-0 head, layer-1 head) (Elhage et al. 2021)."""
    model, heads = box.model, range(box.model.cfg.n_heads)
    table = torch.zeros(len(heads), len(heads))
    for a in heads:
        write = model.W_V[0, a] @ model.W_O[0, a]
        for b in heads:
            read = model.W_Q[1, b] @ model.W_K[1, b].T
            table[a, b] = (read @ write.T).norm() / (read.norm() * write.norm())
    return table


def copying_table(box: GlassBox, head: tuple[int, int]) -> Tensor:
    model, (layer, index) = box.model, head
    return model.W_E @ model.W_V[layer, index] @ model.W_O[layer, index] @ model.W_U


def scrambled(box: GlassBox, name: str, head: tuple[int, int]) -> GlassBox:
    """The same box with one weight matrix of one head replaced, in place, by noise of the same norm."""
    weight = getattr(box.model.blocks[head[0]].attn, name)[head[1]]
    noise = torch.randn(weight.shape, generator=torch.Generator().manual_seed(99))
    weight.copy_(noise * weight.norm() / noise.norm())
    return box


@seeds
def test_the_second_half_is_predicted_and_the_first_is_at_chance(seed):
    box, tokens = build_induction(seed), repeats(seed)
    logits = box.model(tokens)
    assert right_probability(logits, tokens).min() > 0.95
    first_half = logits[:, :HALF].log_softmax(-1)
    assert (first_half + torch.tensor(16.0).log()).abs().max() < 0.05, "the first half should be uniform"


@seeds
def test_without_a_repeat_nothing_is_predicted(seed):
    box, tokens = build_induction(seed), repeats(seed, half=7)
    fresh = tokens.clone()
    fresh[:, 8:] = torch.tensor(
        [[t for t in range(1, 16) if t not in row][:7] for row in tokens[:, 1:8].tolist()]
    )
    assert right_probability(box.model(tokens), tokens).min() > 0.95
    assert right_probability(box.model(fresh), fresh).max() < 0.1


@seeds
def test_silencing_a_planted_head_leaves_chance_and_silencing_every_decoy_leaves_the_answer(seed):
    box, tokens = build_induction(seed), repeats(seed)
    intact = box.model(tokens)
    for head in (box.circuit.previous_token, box.circuit.induction):
        assert right_probability(without(box, tokens, head), tokens).max() < 2 / 16
    for head in decoys(box):
        assert (without(box, tokens, head) - intact).abs().max() < 0.01, box.circuit.roles[head]
    assert right_probability(without(box, tokens, *decoys(box)), tokens).min() > 0.95


@seeds
def test_the_previous_token_head_looks_one_back_and_no_other_head_does(seed):
    box, tokens = build_induction(seed), repeats(seed)
    everywhere = range(1, tokens.shape[1])
    assert look(box, tokens, box.circuit.previous_token, everywhere, back=1) > 0.99
    others = [head for head in box.circuit.roles if head != box.circuit.previous_token]
    assert all(look(box, tokens, head, everywhere, back=1) < 0.5 for head in others)


@seeds
def test_the_induction_head_looks_after_the_last_occurrence_and_no_other_head_does(seed):
    box, tokens = build_induction(seed), repeats(seed)
    second_half = range(HALF + 1, 2 * HALF + 1)
    assert look(box, tokens, box.circuit.induction, second_half, back=HALF - 1) > 0.99
    others = [head for head in box.circuit.roles if head != box.circuit.induction]
    assert all(look(box, tokens, head, second_half, back=HALF - 1) < 0.5 for head in others)


@seeds
def test_decoys_do_what_their_names_say(seed):
    box, tokens = build_induction(seed), repeats(seed)
    _, cache = box.model.run_with_cache(tokens)
    for (layer, head), role in box.circuit.roles.items():
        pattern = cache["pattern", layer][:, head]
        on_itself, on_first = pattern.diagonal(dim1=-2, dim2=-1).min() > 0.99, pattern[..., 0].min() > 0.99
        assert bool(on_itself) == (role == "attends to itself"), role
        assert bool(on_first) == (role in ("attends to the first", "induction query, unread key")), role


@seeds
def test_k_composition_is_clearly_largest_at_the_planted_pair(seed):
    box = build_induction(seed)
    sender, receiver = box.circuit.previous_token, box.circuit.induction
    assert box.circuit.edges == ((sender, receiver, "K"),)
    table = k_composition(box)
    planted = float(table[sender[1], receiver[1]])
    table[sender[1], receiver[1]] = 0
    assert planted > 2 * float(table.max())
    broken = k_composition(scrambled(box, "W_K", receiver))
    assert broken[sender[1], receiver[1]] < planted / 2, "noise in place of the key weights went unnoticed"


@seeds
def test_the_induction_head_copies_every_token(seed):
    box = build_induction(seed)
    best = copying_table(box, box.circuit.induction).argmax(-1)
    assert torch.equal(best, torch.arange(16))
    noise = copying_table(scrambled(box, "W_O", box.circuit.induction), box.circuit.induction).argmax(-1)
    assert (noise == torch.arange(16)).float().mean() < 0.6


@seeds
def test_the_measurements_fail_on_a_box_with_a_broken_circuit(seed):
    tokens = repeats(seed)
    for name in ("W_Q", "W_K", "W_V", "W_O"):
        for which in ("previous_token", "induction"):
            box = build_induction(seed)
            broken = scrambled(box, name, getattr(box.circuit, which))
            assert right_probability(broken.model(tokens), tokens).mean() < 0.8, (which, name)
    box = build_induction(seed)
    head = scrambled(box, "W_Q", box.circuit.previous_token).circuit.previous_token
    assert look(box, tokens, head, range(1, 31), back=1) < 0.5
    head = scrambled(box, "W_Q", box.circuit.induction).circuit.induction
    assert look(box, tokens, head, range(HALF + 1, 31), back=HALF - 1) < 0.5


def test_the_same_seed_is_bitwise_the_same_and_another_seed_is_another_model():
    first, again, other = build_induction(5), build_induction(5), build_induction(6)
    assert first.circuit == again.circuit
    pairs = zip(first.model.parameters(), again.model.parameters(), other.model.parameters(), strict=True)
    for a, b, c in pairs:
        assert torch.equal(a, b) and not torch.allclose(a, c)


def test_seeds_put_the_planted_heads_everywhere():
    places = {(box.circuit.previous_token, box.circuit.induction) for box in map(build_induction, range(60))}
    assert {first for first, _ in places} == {(0, head) for head in range(4)}
    assert {second for _, second in places} == {(1, head) for head in range(4)}
    assert len(places) > 10, "the two places should be drawn independently"


def test_building_leaves_the_global_generator_alone():
    torch.manual_seed(3)
    expected = torch.rand(2)
    torch.manual_seed(3)
    build_induction(1)
    assert torch.equal(torch.rand(2), expected)


def carries(thing: object, secret: object) -> bool:
    """Whether a model's attributes, in any of its modules, hold a value equal to the secret."""
    modules = list(thing.modules())  # type: ignore[attr-defined]
    values = [value for module in modules for value in vars(module).values()]
    values += [value for v in values if hasattr(v, "__dict__") for value in vars(v).values()]
    plain = [value for value in values if isinstance(value, int | str | tuple | glassbox.Circuit)]
    return secret in plain


def test_the_model_carries_neither_seed_nor_circuit():
    seed = 918273645
    box = build_induction(seed)
    for secret in (seed, box.circuit, box.circuit.previous_token, "induction", "previous token"):
        assert not carries(box.model, secret), secret
    pickled = pickle.dumps(box.model.state_dict())
    assert b"previous token" not in pickled
    box.model.blocks[0].attn.role = box.circuit.previous_token
    assert carries(box.model, box.circuit.previous_token), "the search would miss a planted answer"


@seeds
def test_no_weight_norm_tells_a_planted_head_from_every_decoy(seed):
    box = build_induction(seed)
    for name in ("W_Q", "W_K", "W_V", "W_O"):
        norms = {head: float(getattr(box.model, name)[head].norm()) for head in box.circuit.roles}
        for planted in (box.circuit.previous_token, box.circuit.induction):
            others = [head for head in decoys(box) if head[0] == planted[0]]
            ratio = min(max(norms[h] / norms[planted], norms[planted] / norms[h]) for h in others)
            assert ratio < 1.05, (name, planted)


@seeds
def test_no_coordinate_of_the_residual_stream_is_special(seed):
    model = build_induction(seed).model
    for weight in (model.W_E, model.W_pos, model.W_U.T):
        assert weight.abs().max() < 0.6 * weight.norm(dim=-1).max(), "a direction lies along a coordinate"
    unrotated = torch.eye(16, model.cfg.d_model)
    assert unrotated.abs().max() > 0.6 * unrotated.norm(dim=-1).max()


@pytest.mark.parametrize(("n_heads", "d_vocab", "n_ctx"), [(2, 8, 12), (6, 40, 24), (4, 64, 49)])
def test_other_sizes_hold_the_same_circuit(n_heads, d_vocab, n_ctx):
    box = build_induction(3, n_heads=n_heads, d_vocab=d_vocab, n_ctx=n_ctx)
    tokens = repeats(3, half=min((n_ctx - 1) // 2, d_vocab - 1), d_vocab=d_vocab)
    assert len(box.circuit.roles) == 2 * n_heads
    assert right_probability(box.model(tokens), tokens).min() > 0.95
    for head in (box.circuit.previous_token, box.circuit.induction):
        assert right_probability(without(box, tokens, head), tokens).max() < 2 / d_vocab


@pytest.mark.parametrize(
    "wrong", [{"n_heads": 1}, {"d_vocab": 3}, {"n_ctx": 2.5}, {"seed": -1}, {"seed": True}]
)
def test_sizes_without_room_for_a_circuit_are_refused_by_name(wrong):
    (name,) = wrong
    with pytest.raises(ValueError, match=f"{name} must be a whole number"):
        build_induction(**{"seed": 0, **wrong})


def test_all_lists_what_exists():
    assert all(hasattr(glassbox, name) for name in glassbox.__all__)
