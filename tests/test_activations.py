"""The cached activations: what is there, that sets are balanced and split by group, and that they are SmolLM2's own."""

from collections import Counter

import pytest
import torch

from course_utils.activations import as_numbers, load_probe_set, probe_set_names
from course_utils.models import model_problem
from course_utils.training.probe_texts import rows

LARGE = ["entities", "sentiment", "syntax", "truth"]


def test_the_six_sets_are_there_with_one_activation_for_each_text() -> None:
    assert probe_set_names() == [
        "entities",
        "sentiment",
        "sentiment-implicit",
        "syntax",
        "truth",
        "truth-common",
    ]
    for name in probe_set_names():
        data = load_probe_set(name)
        count = 160 if name in LARGE else 40
        assert data.resid.shape == (7, count, 576) and data.resid.dtype == torch.float32
        assert (
            len(data.texts)
            == len(data.labels)
            == len(data.groups)
            == len(data.topics)
            == len(data.lengths)
            == count
        )
        assert torch.isfinite(data.resid).all() and (data.untrained is not None) == (name in LARGE)


def test_the_texts_on_disk_are_the_ones_that_the_script_makes() -> None:
    made = list(rows())
    stored = [
        (name, text, int(label), group, topic)
        for name in dict.fromkeys(row[0] for row in made)
        for data in [load_probe_set(name)]
        for text, label, group, topic in zip(data.texts, data.labels, data.groups, data.topics, strict=True)
    ]
    assert stored == made and len({row[1] for row in made}) == len(made)  # and no text occurs twice


@pytest.mark.parametrize("name", LARGE)
def test_labels_are_balanced_in_every_template_and_no_text_ends_in_a_full_stop(name: str) -> None:
    data = load_probe_set(name)
    counted = Counter(zip(data.topics, data.labels.tolist(), strict=True))
    assert all(counted[topic, 0] == counted[topic, 1] > 0 for topic in data.topics)
    assert not any(text.endswith((".", ":", ";")) for text in data.texts)


def test_no_capital_of_one_group_occurs_in_another() -> None:
    data, seen = load_probe_set("truth"), {}
    for text, group in zip(data.texts, data.groups, strict=True):
        for word in text.replace("The capital", "").replace("capital", "").split():
            if word[0].isupper():
                assert seen.setdefault(word, group) == group, word


def test_layers_are_scaled_by_one_number_each_and_a_transfer_set_by_that_of_its_set() -> None:
    data, other = load_probe_set("truth"), load_probe_set("truth-common")
    assert torch.allclose(data.resid.square().mean(dim=(1, 2)), torch.ones(7), atol=1e-4)
    assert torch.equal(data.scale, other.scale) and data.scale.shape == (7,)
    assert torch.equal(data.at(15), data.resid[3])


def test_wrong_names_and_layers_say_what_there_is() -> None:
    with pytest.raises(ValueError, match=r"no probe set called 'truths'.*truth-common"):
        load_probe_set("truths")
    with pytest.raises(ValueError, match=r"Layer 7 of 'truth' was not kept.*\[0, 6, 12"):
        load_probe_set("truth").at(7)


def test_as_numbers_counts_in_order_of_appearance() -> None:
    assert as_numbers(["b", "a", "b", "c"]).tolist() == [0, 1, 0, 2]


@pytest.mark.model
@pytest.mark.skipif(bool(model_problem()), reason="needs SmolLM2: `course fetch-models`")
def test_they_are_what_smollm2_holds_on_the_last_token() -> None:
    from course_utils import load_model

    model, data = load_model("smollm2"), load_probe_set("syntax")
    names = {"blocks.15.hook_resid_pre": 3, "blocks.29.hook_resid_post": 6}
    _, cache = model.run_with_cache(data.texts[5], names_filter=lambda name: name in names)
    for name, place in names.items():
        own, kept = cache[name][0], data.resid[place, 5] * data.scale[place]
        assert (own[-1] - kept).norm() / kept.norm() < 2e-3  # float16
        assert (own[-2] - kept).norm() / kept.norm() > 0.1  # the twin: the token before is another
    assert cache["blocks.15.hook_resid_pre"].shape[1] == data.lengths[5]
