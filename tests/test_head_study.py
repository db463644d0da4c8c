"""The head study: its asset is whole, and the numbers that the lesson's prose leans on are in it."""

import numpy as np
import pytest

from course_utils import head_study
from course_utils.head_study import load_head_study
from course_utils.prompts import load_pairs
from course_utils.stories import prediction_score

CIRCUITS = {"tidy": 7, "large": 60, "plausible": 7, "random": 7}


@pytest.fixture(scope="module")
def study():
    return load_head_study()


def test_every_circuit_has_its_heads_and_its_record(study):
    assert study.effects.shape == (30, 9) and len(study.events) == 40
    for name, size in CIRCUITS.items():
        assert len(set(study.circuits[name])) == len(study.circuits[name]) <= size + 2
        assert study.lost[name].shape == (40,) and np.isfinite(study.lost[name]).all()
    assert all(0 <= layer < 30 and 0 <= head < 9 for event in study.events for layer, head in event)
    assert study.alone["model"].shape == study.alone["tidy"].shape == (len(study.circuits["tidy"]),)


def test_what_the_lesson_says_about_them(study):
    assert 0.8 < study.faithfulness["tidy"] < 1.3 and abs(study.faithfulness["random"]) < 0.4
    assert np.abs(study.alone["model"] - study.alone["tidy"]).max() > 0.3, (
        "faithful, and wrong about its own heads"
    )
    scores = {name: prediction_score(study.lost[name], study.lost["model"]) for name in CIRCUITS}
    assert (
        scores["large"] > scores["tidy"]
        and scores["large"] > max(scores["plausible"], scores["random"]) + 0.2
    )


@pytest.mark.model
@pytest.mark.slow
def test_the_reference_leaves_position_0_as_it_is():
    from course_utils import load_model

    model = load_model("smollm2")
    sentences = head_study.prepare(model, load_pairs("indirect-object")[:2])
    assert sentences.reference.shape == (30, 2, 15, 9, 64)
    logits, cache = model.run_with_cache(sentences.tokens)
    assert np.allclose(cache["blocks.7.attn.hook_z"][:, 0], sentences.reference[7][:, 0], atol=1e-4)
    assert sentences.difference(logits) > 1
