"""ThresholdExplorer: its state, what it counts and says, its fallback, its JavaScript, and what it refuses."""

import re
from pathlib import Path

import numpy as np
import pytest
import traitlets

from course_utils.widgets import threshold
from course_utils.widgets.threshold import POINTS, ThresholdExplorer

FOLDER = Path(threshold.__file__).parent
WIDGET = "application/vnd.jupyter.widget-view+json"
SCORES = [0.0, 1.0, 2.0, 3.0, 4.0, 6.0]
BAD = np.array([False, False, False, True, False, True])


@pytest.fixture
def view() -> ThresholdExplorer:
    return ThresholdExplorer(SCORES, BAD)


def test_everything_that_the_view_renders_is_synced(view: ThresholdExplorer) -> None:
    used = set(re.findall(r'model\.get\("(\w+)"\)', (FOLDER / "threshold.js").read_text()))
    assert used == {"thresholds", "recall", "false_alarms", "place", "rate", "miss_price"} <= set(view.keys)


def test_an_alarm_is_a_score_above_the_threshold(view: ThresholdExplorer) -> None:
    assert view.thresholds[0] == 0 and view.thresholds[-1] == 6 and len(view.thresholds) == POINTS
    at_3 = view.thresholds.index(3.0)  # the bad text that scores 3 itself rings no alarm
    assert (view.recall[at_3], view.false_alarms[at_3]) == (0.5, 0.25)
    assert (view.recall[-1], view.false_alarms[-1]) == (0, 0)


def test_cost_is_false_alarms_and_misses_at_their_price(view: ThresholdExplorer) -> None:
    view.rate, view.miss_price, view.place = 100, 7, view.thresholds.index(3.0)
    assert view.costs()[view.place] == pytest.approx(900 * 0.25 + 7 * 100 * 0.5)
    assert view.costs()[-1] == 7 * 100
    assert "50.0 caught, 225.0 false alarms, 0.18 of alarms are real; cost 575." in view.summary
    view.place = POINTS - 1
    assert "no alarm at all" in view.summary


def test_a_dearer_miss_moves_the_cheapest_threshold_down() -> None:
    rng = np.random.default_rng(0)
    bad = np.arange(4000) % 2 == 0
    view = ThresholdExplorer(rng.normal(size=4000) + 2 * bad, bad)
    best = {}
    for view.miss_price in (1, 100):
        best[view.miss_price] = int(np.argmin(view.costs()))
    assert best[100] < best[1]


@pytest.mark.parametrize(("name", "value"), [("place", POINTS), ("rate", 0), ("miss_price", 1001)])
def test_the_state_cannot_leave_what_exists(view: ThresholdExplorer, name: str, value: int) -> None:
    before = getattr(view, name)
    with pytest.raises(traitlets.TraitError, match="does not exist"):
        setattr(view, name, value)
    assert getattr(view, name) == before


def test_the_bundle_holds_the_widget_and_a_figure(view: ThresholdExplorer) -> None:
    data, _ = view._repr_mimebundle_()
    assert data[WIDGET]["model_id"] == view.model_id
    assert data["text/html"].startswith("<figure") and data["text/plain"] == view.summary


def test_the_controls_are_native() -> None:
    script = (FOLDER / "threshold.js").read_text()
    assert 'type: "range"' in script and 'role: "status"' in script


WRONG = {
    "labels as numbers": ((SCORES, [0, 0, 0, 1, 0, 1]), "True or False"),
    "other length": ((SCORES, BAD[:3]), "each of the 6 scores"),
    "one kind": ((SCORES, np.ones(6, bool)), "bad and good"),
    "constant": (([1.0] * 6, BAD), "no threshold can separate"),
}


@pytest.mark.parametrize("name", WRONG)
def test_wrong_input_gets_one_error_that_says_what_came(name: str) -> None:
    arguments, message = WRONG[name]
    with pytest.raises(ValueError, match=message):
        ThresholdExplorer(*arguments)
