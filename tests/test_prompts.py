"""The prompt pairs: complete, one word apart, balanced, and of one length for SmolLM2."""

from collections import Counter

import pytest

from course_utils.models import load_model, model_problem
from course_utils.prompts import NAMES, OTHER_TEMPLATES, TEMPLATES, load_pairs, pair_sets

INDIRECT = [("indirect-object", TEMPLATES), ("indirect-object-other", OTHER_TEMPLATES)]


def test_the_four_sets_are_there() -> None:
    counts = {name: len(load_pairs(name)) for name in pair_sets()}
    assert counts == {"capital": 16, "indirect-object": 48, "indirect-object-other": 36, "landmark": 6}


@pytest.mark.parametrize(("name", "templates"), INDIRECT)
def test_each_indirect_object_pair_is_its_template_with_the_giver_exchanged(
    name: str, templates: tuple[str, ...]
) -> None:
    orders = Counter()
    for pair in load_pairs(name):
        right, wrong = pair.right.strip(), pair.wrong.strip()
        options = {
            order: (
                pair.template.format(first=order[0], second=order[1], giver=wrong),
                pair.template.format(first=order[0], second=order[1], giver=right),
            )
            for order in [(right, wrong), (wrong, right)]
        }
        found = [order for order, texts in options.items() if texts == (pair.clean, pair.corrupted)]
        assert len(found) == 1 and {right, wrong} <= set(NAMES) and right != wrong
        orders[pair.template, found[0] == (wrong, right)] += 1
        others = [word for word in pair.neutral.replace(",", "").split() if word in NAMES]
        assert len(set(others)) == 3 and not {right, wrong} & set(others)
    assert set(orders.values()) == {3} and {t for t, _ in orders} == set(templates)


def test_each_fact_has_a_twin_that_asks_for_the_other_answer() -> None:
    for name in ("capital", "landmark"):
        pairs = load_pairs(name)
        answer = {pair.clean: pair.right for pair in pairs}
        assert all(answer[pair.corrupted] == pair.wrong != pair.right for pair in pairs)


def test_the_first_eight_are_one_for_each_template() -> None:
    assert tuple(pair.template for pair in load_pairs()[:8]) == TEMPLATES


def test_one_template_can_be_asked_for() -> None:
    assert len(load_pairs("indirect-object", TEMPLATES[2])) == 6
    with pytest.raises(ValueError, match="one of its templates"):
        load_pairs("indirect-object", OTHER_TEMPLATES[0])


def test_an_unknown_set_is_refused_with_the_known_ones() -> None:
    with pytest.raises(ValueError, match=r"'ioi'.*capital, indirect-object"):
        load_pairs("ioi")


@pytest.mark.model
@pytest.mark.skipif(model_problem() is not None, reason="needs SmolLM2: run `course fetch-models`")
def test_for_smollm2_pairs_have_one_length_and_differ_only_where_the_card_says() -> None:
    model = load_model("smollm2")
    assert all(len(model.to_tokens(" " + name)[0]) == 2 for name in NAMES)  # the start token and the name
    where = {"indirect-object": {10}, "capital": {4}, "landmark": {2, 3, 4}}
    for name in pair_sets():
        for pair in load_pairs(name):
            clean, corrupted = model.to_tokens(pair.clean)[0], model.to_tokens(pair.corrupted)[0]
            assert clean.shape == corrupted.shape and model.to_single_token(pair.right) >= 0
            differ = set((clean != corrupted).nonzero()[:, 0].tolist())
            assert len(differ) == 1 if name not in where else differ <= where[name] and differ
    assert len({len(model.to_tokens(pair.clean)[0]) for pair in load_pairs()}) == 1
