"""The planted circuits: they are where they say they are, they do what their kind says, and decoys do nothing."""

from itertools import combinations

import pytest
import torch
from torch import Tensor

from course_utils import planted
from course_utils.planted import KINDS, Box, build_planted

SEEDS = [0, 7, 2**40 + 5]
each_kind = pytest.mark.parametrize("kind", KINDS)
each_seed = pytest.mark.parametrize("seed", SEEDS)


def recovery(box: Box, heads: set, base: Tensor, donor: Tensor, how: str = "resample") -> float:
    """Metric with `heads` at their values on `donor` (or 0, or the mean), 0 = corrupted run and 1 = clean run."""
    _, cache = box.model.run_with_cache(donor)
    reference = {"resample": lambda z: z, "mean": lambda z: z.mean(0, keepdim=True), "zero": lambda z: 0 * z}[
        how
    ]

    def swap(z: Tensor, hook) -> Tensor:
        here = [head for layer, head in heads if layer == hook.layer()]
        z = z.clone()
        z[:, :, here] = reference(cache[hook.name])[:, :, here].expand(len(z), -1, -1, -1)
        return z

    hooks = [(f"blocks.{layer}.attn.hook_z", swap) for layer in range(box.model.cfg.n_layers)]
    value = box.metric(box.model.run_with_hooks(base, fwd_hooks=hooks)).mean()
    return round((float(value) + 6) / 12, 3)


def everything(box: Box) -> set:
    return set(box.circuit.roles)


@each_kind
@each_seed
def test_clean_prompts_get_a_sure_yes_and_corrupted_ones_a_sure_no(kind, seed):
    box = build_planted(kind, seed)
    assert torch.allclose(box.metric(box.model(box.clean)), torch.full((32,), 6.0), atol=1e-3)
    assert torch.allclose(box.metric(box.model(box.corrupted)), torch.full((32,), -6.0), atol=1e-3)
    differ = (box.clean != box.corrupted).any(0).nonzero()[:, 0].tolist()
    assert tuple(differ) == box.circuit.sources


@each_kind
@each_seed
def test_every_minimal_set_is_enough_and_no_part_of_it_is(kind, seed):
    box = build_planted(kind, seed)
    for way in box.circuit.minimal:
        assert way <= box.circuit.nodes
        for how in ("resample", "mean"):
            assert recovery(box, everything(box) - way, box.clean, box.corrupted, how) == 1
            assert all(
                recovery(box, everything(box) - (way - {head}), box.clean, box.corrupted, how) == 0
                for head in way
            )


@each_kind
def test_the_minimal_sets_are_all_there_are(kind):
    box = build_planted(kind, 11)
    enough = [
        frozenset(some)
        for size in range(len(box.circuit.nodes) + 1)
        for some in combinations(sorted(box.circuit.nodes), size)
        if recovery(box, everything(box) - set(some), box.clean, box.corrupted) == 1
    ]
    smallest = {way for way in enough if not any(other < way for other in enough)}
    assert smallest == set(box.circuit.minimal)


@each_kind
def test_decoys_change_nothing_together_or_alone_under_any_ablation(kind):
    box = build_planted(kind, 7)
    decoys = {place for place, role in box.circuit.roles.items() if role.startswith("decoy")}
    assert len(decoys) >= 11 and not decoys & box.circuit.nodes
    for some in [decoys, *({head} for head in decoys)]:
        for how in ("resample", "mean", "zero"):
            assert recovery(box, some, box.clean, box.corrupted, how) == 1


@each_kind
def test_some_decoy_looks_at_the_source_and_what_it_writes_tells_the_bit(kind):
    box = build_planted(kind, 3)
    lures = [place for place, role in box.circuit.roles.items() if "source's bit" in role]
    assert lures
    for layer, head in lures:
        _, cache = box.model.run_with_cache(torch.cat([box.clean, box.corrupted]))
        looks = cache["pattern", layer][:, head, -1, list(box.circuit.sources)].sum(-1)
        assert looks.min() > 0.99
        written = torch.einsum("bd,dm->bm", cache["z", layer][:, -1, head], box.model.W_O[layer, head])
        step = written[:32].mean(0) - written[32:].mean(0)
        assert (written[:32] @ step).min() > (written[32:] @ step).max()


@each_seed
def test_and_and_or_are_told_apart_by_noising_and_denoising_one_carrier(seed):
    for kind, noising, denoising in [("and", 0, 0), ("or", 1, 1)]:
        box = build_planted(kind, seed)
        carriers = [place for place, role in box.circuit.roles.items() if role.startswith("carrier")]
        for carrier in carriers:
            assert recovery(box, {carrier}, box.clean, box.corrupted) == noising
            assert recovery(box, {carrier}, box.corrupted, box.clean) == denoising
        assert recovery(box, set(carriers), box.clean, box.corrupted) == 0
        for bits, answer in [((1, 0), kind == "or"), ((0, 1), kind == "or")]:
            assert (box.metric(box.model(box.prompts(16, bits))) > 0).all() == answer


@each_seed
def test_the_backup_sleeps_until_the_main_head_is_silent(seed):
    box = build_planted("backup", seed)
    home = {role: place for place, role in box.circuit.roles.items()}
    main, backup = home["main"], home["backup"]
    for how in ("resample", "mean", "zero"):
        assert recovery(box, {backup}, box.clean, box.corrupted, how) == 1
        assert recovery(box, {main}, box.clean, box.corrupted, how) == 1
        assert recovery(box, {main, backup}, box.clean, box.corrupted, how) == 0
    _, cache = box.model.run_with_cache(box.clean)
    assert cache["pattern", backup[0]][:, backup[1], -1, 0].min() > 0.99, "it should rest on position 0"


@each_seed
def test_only_zero_ablation_blames_the_head_that_supplies_a_constant(seed):
    box = build_planted("constant", seed)
    (supplier,) = [place for place, role in box.circuit.roles.items() if role == "supplies a constant"]
    assert supplier not in box.circuit.nodes
    found = [recovery(box, {supplier}, box.clean, box.corrupted, how) for how in ("zero", "mean", "resample")]
    assert found == [0, 1, 1]


@each_kind
@each_seed
def test_the_route_is_where_the_residual_stream_carries_the_answer(kind, seed):
    box = build_planted(kind, seed)
    _, clean = box.model.run_with_cache(box.clean)
    for layer, live in enumerate(box.circuit.route):
        name = f"blocks.{layer}.hook_resid_pre" if layer < 4 else "blocks.3.hook_resid_post"

        def denoised(positions: tuple[int, ...], name: str = name) -> float:
            def swap(resid: Tensor, hook) -> Tensor:
                resid = resid.clone()
                resid[:, positions] = clean[hook.name][:, positions]
                return resid

            return float(box.metric(box.model.run_with_hooks(box.corrupted, fwd_hooks=[(name, swap)])).mean())

        others = tuple(p for p in range(8) if p not in live)
        assert denoised(live) > 5.9 and denoised(others) < -5.9
        if kind == "chain":
            assert len(live) == 1


@each_kind
def test_planted_heads_write_at_one_position_only(kind):
    box = build_planted(kind, 5)
    _, one = box.model.run_with_cache(box.clean)
    _, other = box.model.run_with_cache(box.corrupted)
    for layer, head in box.circuit.nodes:
        change = (one["z", layer] - other["z", layer])[:, :, head].abs().amax((0, 2))
        awake = change > 1e-3
        assert awake.nonzero()[:, 0].tolist() in ([], [box.circuit.writes_at[layer, head]])


@each_kind
def test_edges_lead_from_the_embedding_to_the_logits_and_upwards(kind):
    circuit = build_planted(kind, 5).circuit
    assert {e[0] for e in circuit.edges} == {*circuit.nodes, "embed"}
    assert {e[1] for e in circuit.edges} == {*circuit.nodes, "logits"}
    for sender, receiver, into in circuit.edges:
        assert into == ("" if receiver == "logits" else into) and into in ("Q", "V", "")
        if sender != "embed" and receiver != "logits":
            assert sender[0] < receiver[0]


def test_every_seed_is_a_fresh_puzzle():
    circuits = [build_planted("maze", seed).circuit for seed in range(12)]
    assert len({c.nodes for c in circuits}) == 12 and len({c.sources for c in circuits}) > 3


def test_the_same_seed_gives_the_same_box_and_the_model_does_not_carry_it():
    one, again, other = build_planted("or", 5), build_planted("or", 5), build_planted("or", 6)
    for a, b, c in zip(*(box.model.parameters() for box in (one, again, other)), strict=True):
        assert torch.equal(a, b) and not torch.equal(a, c)
    assert torch.equal(one.clean, again.clean) and one.circuit == again.circuit
    assert one.model.cfg.seed == 0 and one.model.cfg == other.model.cfg
    assert not any(hasattr(one.model, name) for name in ("circuit", "seed", "roles", "kind"))


def test_no_single_coordinate_of_the_residual_stream_means_anything():
    box = build_planted("chain", 0)
    assert (box.model.W_U[:, planted.YES].abs() > 1e-4).all()


def test_building_leaves_the_global_generator_alone():
    torch.manual_seed(3)
    expected = torch.rand(2)
    torch.manual_seed(3)
    build_planted("maze", 1).prompts(4, (1, 0))
    assert torch.equal(torch.rand(2), expected)


@pytest.mark.parametrize("n_heads, n_ctx", [(3, 6), (6, 12)])
@each_kind
def test_other_sizes_hold_too(kind, n_heads, n_ctx):
    box = build_planted(kind, 2, n_heads, n_ctx)
    assert box.metric(box.model(box.clean)).min() > 5.9
    assert recovery(box, everything(box) - box.circuit.nodes, box.clean, box.corrupted) == 1


@pytest.mark.parametrize(
    "wrong", [{"seed": -1}, {"n_heads": 2}, {"n_ctx": 5}, {"seed": True}, {"n_ctx": 7.0}]
)
def test_sizes_without_room_are_refused_by_name(wrong):
    (name,) = wrong
    with pytest.raises(ValueError, match=f"{name} must be a whole number"):
        build_planted(**{"kind": "chain", "seed": 0, **wrong})


def test_wrong_kinds_and_bits_are_refused():
    with pytest.raises(ValueError, match="no kind 'xor'"):
        build_planted("xor", 0)
    with pytest.raises(ValueError, match="2 source"):
        build_planted("and", 0).prompts(4, (1,))


def test_all_lists_what_exists():
    assert all(hasattr(planted, name) for name in planted.__all__)
