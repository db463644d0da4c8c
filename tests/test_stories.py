"""Stories: the score has its known values, the figures say what they show, wrong input is refused."""

import numpy as np
import pytest

from course_utils import stories
from course_utils.stories import Story, duel, prediction_panels, prediction_score


def test_the_score_is_1_when_all_is_right_and_0_for_the_mean():
    actual = np.array([1.0, 0.0, 1.0, 1.0])
    assert prediction_score(actual, actual) == 1
    assert prediction_score(np.full(4, 0.75), actual) == 0
    assert prediction_score(1 - actual, actual) == pytest.approx(1 - 4 / 0.75)
    assert prediction_score([1, 0, 1, 0], actual) == pytest.approx(1 - 1 / 0.75)


def test_nothing_to_predict_is_an_error():
    with pytest.raises(ValueError, match="all 3 events had the same effect"):
        prediction_score([1, 0, 1], [1, 1, 1])


def test_predictions_of_another_length_are_refused():
    with pytest.raises(ValueError, match="predicted"):
        prediction_score([1, 0], [1, 0, 1])


def test_the_duel_tells_evidence_score_and_mistakes():
    actual = np.array([1.0, 0.0, 1.0, 0.0])
    good = Story("Good", [("word 1", (0, 0)), ((0, 0), (2, 0)), ((2, 0), "answer")], {"looks": 0.2}, actual)
    bad = Story("Bad", [("word 1", (1, 1)), ((1, 1), "answer")], {"looks": 1.0}, 1 - actual)
    figure, told = duel([bad, good], actual, "Only one predicts", size=(3, 2))
    assert "Bad: looks 1.00, and a prediction score of −3.00 (4 of 4 interventions wrong)" in told
    assert "Good: looks 0.20, and a prediction score of 1.00 (0 of 4 interventions wrong)" in told
    texts = {text.get_text() for axes in figure.axes for text in axes.texts}
    assert {"L2H0", "L1H1", "answer", "word 1"} <= texts


def test_the_panels_share_their_axes_and_tell_the_scores():
    figure, told = prediction_panels({"one": [0, 1, 2], "none": [1, 1, 1]}, [0, 1, 2], "One predicts", "loss")
    assert told == "Prediction score on 3 interventions: one 1.00 and none 0.00."
    assert len({axes.get_xlim() for axes in figure.axes}) == 1


def test_all_lists_what_exists():
    assert all(hasattr(stories, name) for name in stories.__all__)
