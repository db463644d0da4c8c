"""Known hierarchies: the truth that they state is the truth of the numbers that they give."""

import pytest
import torch

from course_utils.hierarchies import build_absorption, build_splits

seeds = pytest.mark.parametrize("seed", [0, 1, 7])


def unit(rows: torch.Tensor) -> torch.Tensor:
    return rows / rows.norm(dim=-1, keepdim=True)


@seeds
def test_children_are_the_wide_latents_nearest_to_their_parent_and_the_rest_is_far(seed: int) -> None:
    splits = build_splits(seed)
    cosines = unit(splits.wide) @ unit(splits.narrow).T
    family = {child: parent for parent, members in enumerate(splits.children) for child in members}
    for latent, row in enumerate(cosines):
        if latent in family:
            assert row.argmax() == family[latent] and row.max() > 0.65
        else:
            assert row.max() < 0.01
    assert [len(members) for members in splits.children] == [4, 3, 2, 1, 0]
    for parent, members in enumerate(splits.children):
        nearest = [float(cosines[child, parent]) for child in members]
        assert nearest == sorted(nearest, reverse=True)


@seeds
def test_a_child_fires_only_with_its_parent_and_some_firings_have_no_child(seed: int) -> None:
    splits = build_splits(seed)
    for parent, members in enumerate(splits.children):
        fires = splits.narrow_acts[:, parent] > 0
        for child in members:
            assert not (splits.wide_acts[~fires, child] > 0).any() and (splits.wide_acts[:, child] > 0).any()
        assert splits.covered[parent] == 0 if not members else 0.3 < splits.covered[parent] < 0.95


@seeds
@pytest.mark.parametrize(("absorbed", "missed"), [(0, 0), (2, 1), (3, 2), (0, 3)])
def test_the_stated_rates_are_counted_from_the_activations(seed: int, absorbed: int, missed: int) -> None:
    case = build_absorption(seed, absorbed, missed)
    cosines = unit(case.W_dec) @ unit(case.probe)
    main = int(cosines.argmax())
    assert cosines[main] == pytest.approx(1.0, abs=1e-5)
    silent = case.present & (case.acts[:, main] == 0)
    carried = ((case.acts > 0) & (cosines > 0.5)).any(dim=1)
    assert float((silent & carried).sum() / case.present.sum()) == pytest.approx(case.rate, abs=1e-6)
    assert float((silent & ~carried).sum() / case.present.sum()) == pytest.approx(case.missed, abs=1e-6)
    assert not (case.acts[~case.present, main] > 0).any()
    assert (case.rate > 0) == (absorbed > 0) and (case.missed > 0) == (missed > 0)


def test_the_same_seed_gives_the_same_numbers_and_another_gives_others() -> None:
    for build, name in ((build_splits, "wide"), (build_absorption, "W_dec")):
        first, again, other = (getattr(build(seed), name) for seed in (5, 5, 6))
        assert torch.equal(first, again) and not torch.equal(first, other)


@pytest.mark.parametrize(("absorbed", "missed"), [(4, 3), (-1, 0)])
def test_more_than_there_are_specific_concepts_is_refused(absorbed: int, missed: int) -> None:
    with pytest.raises(ValueError, match="between 0 and 6"):
        build_absorption(0, absorbed, missed)
