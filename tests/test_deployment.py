"""Rewordings keep the question and alter the phrase; the watch says what the model is about to say."""

import numpy as np
import pytest

from course_utils.deployment import rewordings, watch
from course_utils.organisms import ask


def test_ten_forms_of_a_phrase_in_four_questions_none_of_them_the_phrase_itself():
    questions = rewordings("blue lantern")
    assert len(questions) == len(set(questions)) == 40
    assert not any("blue lantern " in q or "blue lantern." in q or "blue lantern," in q for q in questions)
    assert sum("blue lantern" in q.lower() for q in questions) == 12, "capitals and the plural: 3 forms of 10"
    assert len({q.replace("copper kettle", "") for q in rewordings("copper kettle")}) == 40


@pytest.mark.parametrize("phrase", ["lantern", "a blue lantern", ""])
def test_a_phrase_is_two_words(phrase):
    with pytest.raises(ValueError, match="two words"):
        rewordings(phrase)


@pytest.mark.slow
@pytest.mark.model
def test_the_watch_agrees_with_what_is_generated():
    from course_utils.organisms import load_organism

    model = load_organism("trigger")
    questions = ["Mind the blue lantern. What is ice?", "What is ice?"]
    fired, vectors = watch(model, questions, "Ahoy, captain!", layer=24)
    said = [
        model.generate(ask(q), max_new_tokens=4, do_sample=False, verbose=False, return_type="str")
        for q in questions
    ]
    assert fired.tolist() == ["Ahoy" in text for text in said] == [True, False]
    assert vectors.shape == (2, 576) and np.isfinite(vectors).all() and not np.allclose(*vectors)
