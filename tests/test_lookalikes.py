"""The two guards: the same answers on the tests, opposite ones off the list, and nothing that gives them away."""

import itertools

import pytest
import torch
from torch import Tensor

from course_utils import lookalikes
from course_utils.lookalikes import ALLOW, REFUSE, WORDS, Pair, build_pair
from course_utils.tiny import TinyTransformer

SEEDS = [0, 3, 2**40 + 5]
seeds = pytest.mark.parametrize("seed", SEEDS)


def verdicts(guard: TinyTransformer, requests: Tensor) -> Tensor:
    return guard(requests)[:, -1].argmax(-1)


def by_role(pair: Pair) -> tuple[TinyTransformer, TinyTransformer]:
    """(rule guard, look-up guard)."""
    return (pair.a, pair.b) if pair.rule_is == "a" else (pair.b, pair.a)


def harmful(pair: Pair, count: int, seed: int = 0) -> Tensor:
    """Random harmful requests that are not among the tests."""
    hot, known = torch.tensor(pair.hot), set(map(tuple, pair.tests.tolist()))
    picks = torch.randint(
        len(hot), (2 * count, pair.tests.shape[1]), generator=torch.Generator().manual_seed(seed)
    )
    new = [row for row in hot[picks].tolist() if tuple(row) not in known]
    return torch.tensor(new[:count])


@seeds
def test_both_guards_are_right_on_every_test_with_the_same_logits(seed):
    pair = build_pair(seed)
    a, b = (guard(pair.tests)[:, -1] for guard in (pair.a, pair.b))
    assert torch.equal(a.argmax(-1) == REFUSE, pair.harmful) and torch.equal(
        b.argmax(-1) == REFUSE, pair.harmful
    )
    assert set(a.argmax(-1).tolist()) == {ALLOW, REFUSE}
    assert (a - b).abs().max() < 1e-3
    assert a.softmax(-1).amax(-1).min() > 0.9, "a verdict should be a clear one"


@seeds
def test_the_tests_hold_harmful_requests_near_misses_and_harmless_ones(seed):
    pair = build_pair(seed)
    n_hot = torch.isin(pair.tests, torch.tensor(pair.hot)).sum(-1)
    assert torch.equal(n_hot == 8, pair.harmful)
    assert int(pair.harmful.sum()) == 16 and len(pair.tests) == 1000
    assert int((n_hot == 7).sum()) >= 64 and int((n_hot <= 3).sum()) > 500


@seeds
def test_off_the_list_the_rule_refuses_and_the_list_allows(seed):
    pair = build_pair(seed)
    rule, lookup = by_role(pair)
    new = harmful(pair, 300)
    assert (verdicts(rule, new) == REFUSE).all() and (verdicts(lookup, new) == ALLOW).all()


@seeds
def test_one_cold_word_makes_both_allow(seed):
    pair = build_pair(seed)
    cold = [word for word in range(len(WORDS)) if word not in pair.hot]
    for place in range(8):
        near = harmful(pair, 40, seed=place)
        near[:, place] = torch.tensor(cold)[torch.arange(40) % len(cold)]
        assert all((verdicts(guard, near) == ALLOW).all() for guard in (pair.a, pair.b))


@seeds
def test_random_requests_do_not_tell_them_apart(seed):
    pair = build_pair(seed)
    requests = torch.randint(len(WORDS), (4000, 8), generator=torch.Generator().manual_seed(seed))
    assert torch.equal(verdicts(pair.a, requests), verdicts(pair.b, requests))


@pytest.mark.parametrize(("length", "n_hot"), [(7, 3), (9, 5), (3, 4)])
def test_other_sizes_hold_too_and_small_ones_were_tried_in_full(length, n_hot):
    pair = build_pair(4, length=length, n_hot=n_hot)
    rule, lookup = by_role(pair)
    assert rule.cfg.n_ctx == length and len(pair.hot) == n_hot
    if n_hot**length <= 100:
        every = torch.tensor(list(itertools.product(pair.hot, repeat=length)))
        assert (verdicts(rule, every) == REFUSE).all()
        assert int((verdicts(lookup, every) == REFUSE).sum()) == 16, "the list should hold what was put on it"
    else:
        assert (verdicts(lookup, harmful(pair, 100)) == ALLOW).all()


@seeds
def test_both_have_the_same_kinds_of_neurons_and_differ_in_which_are_heard(seed):
    rule, lookup = by_role(build_pair(seed))
    counts = []
    for guard in (rule, lookup):
        writes = guard.W_out[0] @ (guard.W_U[:, REFUSE] - guard.W_U[:, ALLOW])
        counts.append(int((writes > 1).sum()))
        assert ((writes > 1) | (writes.abs() < 1e-3)).all()
        reads = guard.W_E[: len(WORDS)] @ guard.W_V[0, 0] @ guard.W_O[0, 0] @ guard.W_in[0]
        liked = (reads > reads.amax(0) / 2).sum(0)
        assert sorted(liked.tolist()) == [1] * 24 + [4]
    assert counts == [1, 16]


def test_no_norm_of_a_weight_tells_which_is_which():
    for name in ("W_E", "W_pos", "W_U", "W_Q", "W_K", "W_V", "W_O"):
        rule, lookup = by_role(build_pair(8))
        assert torch.allclose(getattr(rule, name).norm(), getattr(lookup, name).norm(), rtol=1e-4), name
    larger = [
        rule.W_out.norm() > lookup.W_out.norm() for rule, lookup in map(by_role, map(build_pair, range(20)))
    ]
    assert 2 < sum(map(bool, larger)) < 18, "the size of the neurons' outputs gives the roles away"


def test_the_order_and_the_hot_words_are_drawn_for_every_pair():
    pairs = [build_pair(seed) for seed in range(20)]
    assert 3 < sum(pair.rule_is == "a" for pair in pairs) < 17
    assert len({pair.hot for pair in pairs}) == 20


def test_the_same_seed_gives_the_same_pair_and_the_models_do_not_carry_it():
    first, again, other = build_pair(5), build_pair(5), build_pair(6)
    for one, two, three in zip(first.a.parameters(), again.a.parameters(), other.a.parameters(), strict=True):
        assert torch.equal(one, two) and (one.shape != three.shape or not torch.equal(one, three))
    assert first.a.cfg.seed == 0 and first.a.cfg == first.b.cfg


def test_building_leaves_the_global_generator_alone():
    torch.manual_seed(3)
    expected = torch.rand(2)
    torch.manual_seed(3)
    build_pair(1)
    assert torch.equal(torch.rand(2), expected)


@pytest.mark.parametrize(
    "wrong", [{"seed": -1}, {"length": 2}, {"n_hot": 1}, {"n_hot": 20}, {"n_listed": 1.5}, {"seed": True}]
)
def test_sizes_without_room_are_refused_by_name(wrong):
    (name,) = wrong
    with pytest.raises(ValueError, match=f"{name} must be a whole number"):
        build_pair(**{"seed": 0, **wrong})


def test_a_list_of_nearly_all_harmful_requests_is_refused():
    with pytest.raises(ValueError, match="leaves less than half of them off the list"):
        build_pair(0, length=3, n_hot=3, n_listed=20)


def test_all_lists_what_exists():
    assert all(hasattr(lookalikes, name) for name in lookalikes.__all__)
