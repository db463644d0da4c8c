"""The glass box of lesson 04: both features can be read, one is used, and a broken twin of each claim fails."""

import pytest
import torch

from course_utils.used_features import HOOK, TwoFeatures, build_two_features

SEEDS = [0, 1, 7, 2**40 + 3]
seeds = pytest.mark.parametrize("seed", SEEDS)


def gap(box: TwoFeatures, step: torch.Tensor | None = None, hook: str = HOOK) -> torch.Tensor:
    """The logit difference of the two answers, with `step` added on the last token."""

    def push(resid, hook):
        return torch.cat([resid[:, :-1], resid[:, -1:] + step], dim=1)

    hooks = [] if step is None else [(hook, push)]
    logits = box.model.run_with_hooks(box.tokens, fwd_hooks=hooks)[:, -1]
    return logits[:, 3] - logits[:, 2]


@seeds
def test_the_answer_is_the_used_property_and_nothing_else(seed: int) -> None:
    box = build_two_features(seed)
    assert torch.allclose(gap(box), (box.used * 2.0 - 1) * 6, atol=1e-3)
    assert not torch.allclose(gap(box), (box.unused * 2.0 - 1) * 6, atol=1)


@seeds
def test_both_properties_lie_on_the_last_token_with_the_same_strength(seed: int) -> None:
    box = build_two_features(seed)
    _, cache = box.model.run_with_cache(box.tokens)
    last = cache[HOOK][:, -1]
    units = box.directions / box.directions.norm(dim=1, keepdim=True)
    assert torch.allclose(box.directions.norm(dim=1), torch.full((2,), 2.0), atol=1e-4)
    for unit, truth in zip(units, (box.used, box.unused), strict=True):
        assert torch.allclose(last @ unit, truth * 2.0 - 1, atol=1e-3)
    assert (
        cache["resid_pre", 0][:, -1] @ units.T
    ).abs().max() < 1e-4  # not there before the head has written


@seeds
def test_a_push_along_the_used_feature_moves_the_answer_and_along_the_unused_one_does_not(seed: int) -> None:
    box = build_two_features(seed)
    used, unused = (gap(box, step) - gap(box) for step in box.directions)
    assert torch.allclose(used, torch.full_like(used, 12.0), atol=1e-3)
    assert unused.abs().max() < 1e-3


@seeds
def test_every_pair_of_values_is_equally_frequent_and_words_differ_otherwise(seed: int) -> None:
    box = build_two_features(seed, n_words=16)
    assert torch.bincount(2 * box.used + box.unused).tolist() == [4, 4, 4, 4]
    _, cache = box.model.run_with_cache(box.tokens)
    assert torch.linalg.matrix_rank(cache[HOOK][:, -1]) > 10


def test_the_same_seed_gives_the_same_weights_and_another_seed_others() -> None:
    one, again, other = (build_two_features(seed).model.state_dict() for seed in (5, 5, 6))
    assert all(torch.equal(one[key], again[key]) for key in one)
    assert not torch.equal(one["W_E"], other["W_E"])


def test_the_model_can_be_rebuilt_from_configuration_and_weights_and_tells_no_seed() -> None:
    box = build_two_features(9)
    twin = type(box.model)(box.model.cfg)
    twin.load_state_dict(box.model.state_dict())
    assert torch.equal(twin(box.tokens), box.model(box.tokens)) and box.model.cfg.seed == 0


@pytest.mark.parametrize("count", [4, 10])
def test_a_number_of_words_that_cannot_be_quartered_is_refused(count: int) -> None:
    with pytest.raises(ValueError, match=f"got {count}"):
        build_two_features(0, n_words=count)
