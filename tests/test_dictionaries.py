"""Planted features are what the data is made of, and the wrong dictionary is wrong and reconstructs perfectly."""

import pytest
import torch

from course_utils import dictionaries
from course_utils.dictionaries import mixed_up, plant


def nearest(rows: torch.Tensor, others: torch.Tensor) -> torch.Tensor:
    """For each of `others` the largest |cosine| with a row; both have rows of length one."""
    return (rows @ others.T).abs().max(0).values


def test_samples_are_sums_of_unit_directions():
    truth = plant(3, n_samples=500)
    assert torch.allclose(truth.strengths @ truth.directions, truth.x, atol=1e-5)
    assert torch.allclose(truth.directions.norm(dim=1), torch.ones(32), atol=1e-5)
    assert ((truth.strengths == 0) | (truth.strengths >= 0.5)).all() and truth.strengths.max() <= 1.5


def test_features_are_as_sparse_and_as_far_apart_as_described():
    truth = plant(4)
    assert abs(float((truth.strengths > 0).sum(1).float().mean()) - 3) < 0.15
    overlap = (truth.directions @ truth.directions.T).fill_diagonal_(0).abs().max()
    unordered = torch.nn.functional.normalize(torch.randn(32, 16), dim=1)
    assert overlap < 0.45 < (unordered @ unordered.T).fill_diagonal_(0).abs().max()


def test_the_same_seed_plants_the_same_and_no_student_draws_it_by_chance():
    assert torch.equal(plant(5, n_samples=50).x, plant(5, n_samples=50).x)
    assert not torch.equal(plant(5, n_samples=50).x, plant(6, n_samples=50).x)
    drawn = torch.nn.functional.normalize(
        torch.randn(32, 16, generator=torch.Generator().manual_seed(5)), dim=1
    )
    assert nearest(drawn, plant(5).directions).mean() < 0.75


def test_in_pairs_the_second_never_comes_alone():
    on = plant(7, pairs=0.9).strengths > 0
    leader, follower = on[:, ::2], on[:, 1::2]
    assert not (follower & ~leader).any()
    assert abs(float((follower & leader).sum() / leader.sum()) - 0.9) < 0.03
    free = plant(7).strengths > 0
    assert (free[:, 1::2] & ~free[:, ::2]).any()


def test_the_wrong_dictionary_reconstructs_and_is_none_of_the_features():
    truth = plant(8, n_samples=300)
    rows, code = mixed_up(truth)
    assert torch.allclose(code @ rows, truth.x, atol=1e-4)
    assert torch.allclose(rows.norm(dim=1), torch.ones(32), atol=1e-5)
    assert nearest(rows, truth.directions).max() < 0.85


def test_noise_is_added():
    clean, noisy = plant(9, n_samples=4000), plant(9, n_samples=4000, noise=0.1)
    assert abs(float((noisy.x - clean.x).std()) - 0.1) < 0.005


@pytest.mark.parametrize("wrong", [{"n_features": 7}, {"active": 0}, {"active": 33}])
def test_impossible_sizes_are_refused(wrong):
    with pytest.raises(ValueError, match="must"):
        plant(0, **wrong)


def test_all_lists_what_exists():
    assert all(hasattr(dictionaries, name) for name in dictionaries.__all__)
