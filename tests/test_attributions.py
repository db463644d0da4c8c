"""Attributions: the gradient against finite differences, and that shuffled weights are used and not kept."""

from typing import Any

import pytest
import torch

from course_utils.attributions import (
    SENTENCES,
    block_weights,
    gradient_norm,
    gradient_times_input,
    word_length,
)
from course_utils.models import load_model, model_problem

pytestmark = [
    pytest.mark.model,
    pytest.mark.skipif(model_problem() is not None, reason="needs SmolLM2: run `course fetch-models`"),
]


@pytest.fixture(scope="module")
def smollm2() -> Any:
    return load_model("smollm2")


def test_gradient_times_input_is_the_slope_of_the_logit_when_one_token_fades(smollm2: Any) -> None:
    tokens = smollm2.to_tokens(SENTENCES[0])
    found = gradient_times_input(smollm2, block_weights(smollm2), tokens)
    answer = smollm2(tokens)[0, -1].argmax()

    def logit(place: int, scale: float) -> float:
        def fade(embedded: torch.Tensor, hook: Any) -> torch.Tensor:
            embedded = embedded.clone()
            embedded[:, place] *= scale
            return embedded

        return float(smollm2.run_with_hooks(tokens, fwd_hooks=[("hook_embed", fade)])[0, -1, answer])

    for place in (1, 4):
        slope = (logit(place, 1.02) - logit(place, 0.98)) / 0.04
        assert found[place] == pytest.approx(slope, abs=0.05, rel=0.05)


def test_other_weights_are_used_and_the_model_is_left_as_it_was(smollm2: Any) -> None:
    tokens, weights = smollm2.to_tokens(SENTENCES[1]), block_weights(smollm2)
    assert len(weights) == 210 and sum(w.numel() for w in weights.values()) == 106_168_320
    before = smollm2(tokens)
    own = gradient_norm(smollm2, weights, tokens)
    other = gradient_norm(smollm2, {name: w * 0.5 for name, w in weights.items()}, tokens)
    assert own.shape == (tokens.shape[1],) and not torch.allclose(own, other, rtol=0.05)
    assert torch.equal(smollm2(tokens), before)
    assert all(p.grad is None for p in smollm2.parameters())


def test_word_length_counts_letters_and_reads_no_weight(smollm2: Any) -> None:
    lengths = word_length(smollm2, {}, smollm2.to_tokens("The capital of France is"))
    assert lengths.tolist() == [0, 3, 7, 2, 6, 2]
