"""The two-choice questions are balanced, the cues say what they should, and the numbers are the model's own."""

from collections import Counter
from typing import Any

import pytest
import torch

from course_utils.cues import DENY, NAME, SUGGEST, ask, plain_preference, preference, reasons, two_choices
from course_utils.models import load_model, model_problem

ITEMS = two_choices()
needs_model = pytest.mark.skipif(
    model_problem() is not None, reason="needs SmolLM2: run `course fetch-models`"
)


@pytest.fixture(scope="module")
def smollm2() -> Any:
    return load_model("smollm2")


def test_there_are_64_different_questions_and_the_right_answer_is_first_in_half_of_them() -> None:
    assert len({item.question for item in ITEMS}) == len(ITEMS) == 64
    assert Counter(item.right == item.first for item in ITEMS) == {True: 32, False: 32}
    assert all({item.right, item.wrong} == {item.first, item.second} for item in ITEMS)


def test_every_wording_names_the_cue_once_and_only_where_there_is_one() -> None:
    item = ITEMS[0]
    plain = ask(item)
    for wording in (SUGGEST, DENY, NAME):
        assert ask(item, None, wording) == plain
        assert ask(item, "cat", wording).count("cat") == plain.count("cat") + 1
    assert "(The word cat has 3 letters.)" in ask(item, "cat", NAME)


@pytest.mark.model
@needs_model
def test_each_answer_is_one_token_for_smollm2(smollm2: Any) -> None:
    long = {
        w for item in ITEMS for w in (item.first, item.second) if smollm2.to_tokens(" " + w).shape[1] != 2
    }
    assert not long


@pytest.mark.model
@needs_model
def test_preferences_in_a_batch_are_those_of_single_prompts(smollm2: Any) -> None:
    some = ITEMS[:5]
    prefer = preference(smollm2, some, DENY)
    for item in some:
        logits = smollm2(smollm2.to_tokens(ask(item, item.second, DENY)))[0, -1]
        first, second = (logits[smollm2.to_single_token(f" {word}")] for word in (item.first, item.second))
        assert prefer(item, item.second) == pytest.approx(float(first - second), abs=1e-3)
    with pytest.raises(KeyError):
        prefer(some[0], "horse")


@pytest.mark.model
@needs_model
def test_letters_are_scored_with_the_answers_in_either_order(smollm2: Any) -> None:
    item = ITEMS[3]
    prompt = f"Question: {item.question}? (A) {item.second} (B) {item.first}\nAnswer: ("
    logits = smollm2(smollm2.to_tokens(prompt))[0, -1]
    a, b = (logits[smollm2.to_tokens(letter, prepend_bos=False)[0, 0]] for letter in "AB")
    assert plain_preference(smollm2, [item], letters=True, swap=True)[0] == pytest.approx(
        float(a - b), abs=1e-3
    )
    words = plain_preference(smollm2, [item], letters=False)[0]
    assert words == pytest.approx(preference(smollm2, [item])(item, None), abs=1e-3)


@pytest.mark.model
@needs_model
def test_reasons_go_on_greedily_from_each_prompt_whatever_stands_beside_it(smollm2: Any) -> None:
    asked = [(ITEMS[0], ITEMS[0].first), (ITEMS[-3], ITEMS[-3].second)]
    texts = reasons(smollm2, asked, n_tokens=3)
    for (item, cue), text in zip(asked, texts, strict=True):
        tokens = smollm2.to_tokens(f"{ask(item, cue)} {cue} because")
        for _ in range(3):
            tokens = torch.cat([tokens, smollm2(tokens)[:, -1:].argmax(-1)], dim=1)
        assert text == smollm2.tokenizer.decode(tokens[0, -3:])
