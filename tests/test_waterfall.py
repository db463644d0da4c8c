"""The waterfall: every span drawn once, in its place, failures marked without colour, and said in words."""

import copy

import pytest

from course_utils.incidents import plant
from course_utils.waterfall import PATTERN, waterfall


def test_every_span_is_a_bar_under_its_name_and_a_failure_is_hatched() -> None:
    case = plant(3, "swallowed error")
    figure, told = waterfall(case.spans, "A claim", notes={case.where: "look here"})
    (axes,) = figure.axes
    names = [label.get_text().strip() for label in axes.get_yticklabels()]
    assert names[0] == "invoke_agent desk" and sorted(names) == sorted(span["name"] for span in case.spans)
    assert [bar.get_hatch() for bar in axes.patches].count(PATTERN) == 1
    assert "error: look here" in [text.get_text() for text in axes.texts]
    assert told.startswith("6 spans in") and told.endswith("execute_tool departure with an error.")
    assert figure.get_suptitle() == "A claim"


def test_several_traces_share_one_axis() -> None:
    figure, told = waterfall({"one": plant(1).spans, "two": plant(2).spans}, "Two")
    assert len(figure.axes) == 2 and figure.axes[0].get_xlim() == figure.axes[1].get_xlim()
    assert told.startswith("One: ") and "; two: " in told


def test_order_and_doubles_do_not_matter_and_an_orphan_is_named() -> None:
    spans = copy.deepcopy(plant(1).spans)
    assert waterfall(spans[::-1] + spans[:2], "x")[1] == waterfall(spans, "x")[1]
    figure, _ = waterfall(spans[:-1], "no root came")
    assert all("(orphan)" in label.get_text() for label in figure.axes[0].get_yticklabels())


@pytest.mark.parametrize("spans", [[], "spans", [{"name": "x"}], None])
def test_what_is_no_trace_is_refused(spans: object) -> None:
    with pytest.raises(ValueError, match="span"):
        waterfall(spans, "x")
