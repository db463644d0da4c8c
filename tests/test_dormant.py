"""Directions of which it is known what they do; the effects are computed here by another route than in the lesson."""

import pytest
import torch

from course_utils.dormant import DormantNet, plant_directions

SEEDS = range(6)


def effect(net: DormantNet, part: torch.Tensor) -> float:
    along = torch.outer((net.source - net.base) @ part, part) / (part @ part)
    moved, whole = (net.logit(x).mean() - net.logit(net.base).mean() for x in (net.base + along, net.source))
    return float(moved / whole)


def read_part(net: DormantNet, v: torch.Tensor) -> torch.Tensor:
    return net.W_out @ torch.linalg.lstsq(net.W_out, v[:, None]).solution[:, 0]


@pytest.mark.parametrize("seed", SEEDS)
def test_each_direction_does_what_its_name_says(seed: int) -> None:
    net = plant_directions(seed)
    whole = {name: effect(net, v) for name, v in net.directions.items()}
    assert whole["true"] == pytest.approx(1, abs=0.02) and whole["unread"] == pytest.approx(0, abs=0.02)
    assert whole["illusion"] > 0.9 and whole["blend"] > 0.9 and abs(whole["random"]) < 0.6
    assert effect(net, read_part(net, net.directions["illusion"])) == pytest.approx(0, abs=0.02)
    assert effect(net, read_part(net, net.directions["blend"])) == pytest.approx(1, abs=0.02)


@pytest.mark.parametrize("seed", SEEDS)
def test_the_dormant_part_is_read_and_never_varies(seed: int) -> None:
    net = plant_directions(seed)
    dormant = read_part(net, net.directions["illusion"])
    dormant = dormant / dormant.norm()
    assert (torch.cat([net.base, net.source]) @ dormant).std() < 1e-3
    assert (net.logit(net.base + 2 * dormant) - net.logit(net.base)).mean() > 0.5
    assert ((net.source - net.base) @ net.directions["unread"]).mean() > 5


def test_activations_are_positive_and_the_feature_is_worth_the_same_in_either_direction() -> None:
    for seed in SEEDS:
        net = plant_directions(seed)
        assert net.base.min() > 0 and net.source.min() > 0
        assert net.logit(net.base).mean() == pytest.approx(-net.logit(net.source).mean().item(), abs=0.1)
        assert all(v.norm() == pytest.approx(1, abs=1e-4) for v in net.directions.values())


def test_the_same_seed_gives_the_same_network_and_another_seed_other_directions() -> None:
    one, same, other = plant_directions(1), plant_directions(1), plant_directions(2)
    assert torch.equal(one.W_out, same.W_out) and torch.equal(one.base, same.base)
    assert abs(one.directions["true"] @ other.directions["true"]) < 0.9


@pytest.mark.parametrize(("d_mlp", "d_model"), [(8, 8), (8, 9), (8, 2)])
def test_sizes_without_room_are_refused(d_mlp: int, d_model: int) -> None:
    with pytest.raises(ValueError, match="d_model must be at least 3 and below d_mlp"):
        plant_directions(0, d_mlp, d_model)
