"""Figures: what came in is drawn, each can be read without seeing it, wrong input says what is wrong."""

import inspect
import re
from html.parser import HTMLParser

import matplotlib.colors
import matplotlib.pyplot as plt
import numpy as np
import pytest
import torch

from course_utils import plots

PATTERN = np.array([[1, 0, 0, 0], [0.3, 0.7, 0, 0], [0.1, 0.8, 0.1, 0], [0.2, 0.2, 0.1, 0.5]])
TOKENS = ["<s>", " a", "$x$", "\n"]


def pictures() -> dict[str, plots.Picture]:
    grid, step = np.array([[0.1, 0.9], [0.2, 0.3]]), np.arange(6.0)
    return {
        "attention": plots.attention(PATTERN, TOKENS, "Claim"),
        "head_grid": plots.head_grid(grid, "Claim", "score (0 to 1)"),
        "lines": plots.lines(step, {"one": step, "two": -step}, "Claim", "step", "loss (nats)"),
        "loss_by_position": plots.loss_by_position({"S": [9, 8, 7, 9, 2, 1]}, 4, "Claim"),
        "bars": plots.bars({"one": 1.5, "two": 2.5}, "Claim", "loss (nats)"),
        "matrix": plots.matrix(grid, ["a", "b"], ["c", "d"], "Claim", "score (0 to 1)"),
    }


@pytest.fixture
def displayed(monkeypatch: pytest.MonkeyPatch) -> list[dict[str, str]]:
    """What `show` hands to the notebook."""
    bundles: list[dict[str, str]] = []
    monkeypatch.setattr(plots, "display", lambda data, raw: bundles.append(data))
    return bundles


class Tags(HTMLParser):
    def __init__(self, text: str) -> None:
        super().__init__()
        self.found: list[tuple[str, dict[str, str | None]]] = []
        self.text = ""
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found.append((tag, dict(attrs)))

    def handle_data(self, data: str) -> None:
        self.text += data


# ---- every figure ----


def test_every_public_figure_function_is_among_the_pictures() -> None:
    functions = {
        name: getattr(plots, name) for name in plots.__all__ if inspect.isfunction(getattr(plots, name))
    }
    returning = {name for name, one in functions.items() if one.__annotations__["return"] == plots.Picture}
    assert returning == set(pictures()) and all(one.__doc__ for one in functions.values())


def unlabelled(figure: plots.Figure) -> list[str]:
    """What a reader would miss: title, axis label (the names of bars are one), a colour bar's label."""
    main, *others = figure.axes
    named = main.get_xlabel() or any(t.get_text().isalpha() for t in main.get_xticklabels())
    parts = {"title": figure.get_suptitle(), "x": named, "y": main.get_ylabel()}
    parts |= {f"colour {i}": other.get_ylabel() for i, other in enumerate(others)}
    return [name for name, text in parts.items() if not text]


def test_every_figure_has_a_title_axis_labels_and_a_one_sentence_summary_with_numbers() -> None:
    for name, (figure, summary) in pictures().items():
        assert not unlabelled(figure), name
        assert summary.endswith(".") and summary[0].isupper() and re.search(r"\d", summary), name
        assert "\n" not in summary and not re.search(r"[a-z0-9]\. [A-Z]", summary), f"{name}: one sentence"


def test_a_figure_without_labels_is_found_out() -> None:
    figure, _ = plots.bars({"one": 1.0}, "Claim", ylabel="")
    assert unlabelled(figure) == ["y"]


def test_no_figure_is_left_with_pyplot_to_be_shown_a_second_time() -> None:
    plt.close("all")
    pictures()
    assert plt.get_fignums() == []
    plt.figure()  # the twin: a figure that pyplot does know is seen
    assert plt.get_fignums() != []
    plt.close("all")


def test_arrays_tensors_and_lists_give_the_same_words() -> None:
    kinds = [
        PATTERN,
        torch.tensor(PATTERN, requires_grad=True),
        PATTERN.tolist(),
        list(torch.tensor(PATTERN)),
    ]
    assert len({plots.attention(kind, TOKENS, "Claim")[1] for kind in kinds}) == 1
    assert plots.attention(np.eye(4), TOKENS, "Claim")[1] != plots.attention(PATTERN, TOKENS, "Claim")[1]


def test_input_is_not_modified() -> None:
    before = PATTERN.copy()
    plots.attention(PATTERN, TOKENS, "Claim")
    assert (before == PATTERN).all()


# ---- show ----


def test_show_displays_one_image_with_alt_text_and_the_summary_as_caption(
    displayed: list[dict[str, str]],
) -> None:
    plots.show(plots.attention(PATTERN, TOKENS, "A <claim> & more"))
    (bundle,) = displayed
    page = Tags(bundle["text/html"])
    assert [tag for tag, _ in page.found] == ["figure", "img", "figcaption"]
    image = page.found[1][1]
    assert str(image["src"]).startswith("data:image/png;base64,iVBOR")
    assert "A <claim> & more" in str(image["alt"]) and "query token" in str(image["alt"])
    assert "attention weight" in str(image["alt"])
    assert page.text.strip() == bundle["text/plain"] and "0.80" in page.text


def test_show_closes_a_figure_that_pyplot_knows(displayed: list[dict[str, str]]) -> None:
    figure = plt.figure()
    plots.show((figure, "One point."))
    assert not plt.fignum_exists(figure.number)


@pytest.mark.parametrize("wrong", [None, "text", (1, 2), (plt.Figure(),)])
def test_show_says_how_to_call_it(wrong: object) -> None:
    with pytest.raises(TypeError, match=r"plots\.show\(plots\.attention"):
        plots.show(wrong)  # type: ignore[arg-type]


def test_use_style_changes_what_pyplot_draws() -> None:
    with plt.rc_context():
        plt.rcdefaults()
        assert plt.rcParams["axes.prop_cycle"].by_key()["color"][0] != plots.COLOURS[0]
        plots.use_style()
        assert plt.rcParams["axes.prop_cycle"].by_key()["color"] == plots.COLOURS


# ---- colours mean what style says ----


def image_of(picture: plots.Picture) -> plt.cm.ScalarMappable:
    return picture[0].axes[0].images[0]


def test_probabilities_are_drawn_on_zero_to_one_with_viridis() -> None:
    image = image_of(plots.attention(PATTERN * 0.5, TOKENS, "Claim"))
    assert (image.get_clim(), image.get_cmap().name) == ((0, 1), "viridis")


def test_signed_values_are_drawn_symmetric_about_zero() -> None:
    image = image_of(plots.head_grid([[-3.0, 1.0]], "Claim", "effect (nats)", signed=True))
    assert (image.get_clim(), image.get_cmap().name) == ((-3, 3), "RdBu_r")
    image = image_of(plots.head_grid([[3.0, 1.0]], "Claim", "effect (nats)"))
    assert (image.get_clim(), image.get_cmap().name) == ((0, 3), "viridis")


def test_masked_cells_are_blank_only_where_the_whole_future_is_zero() -> None:
    causal = image_of(plots.attention(PATTERN, TOKENS, "Claim")).get_array()
    assert np.ma.getmaskarray(causal).sum() == 6
    both = PATTERN.copy()
    both[0] = [0.9, 0, 0, 0.1]
    assert np.ma.getmaskarray(image_of(plots.attention(both, TOKENS, "Claim")).get_array()).sum() == 0


def test_lines_differ_by_more_than_colour() -> None:
    x = np.arange(3.0)
    figure, _ = plots.lines(x, {f"n{i}": x + i for i in range(10)}, "Claim", "x", "y")
    drawn = [line for line in figure.axes[0].lines if len(line.get_xdata()) == 3]
    looks = [(matplotlib.colors.to_hex(line.get_color()), line.get_linestyle()) for line in drawn]
    assert len(set(looks)) == 10
    assert all(len({style for colour, style in looks if colour == one}) == 2 for one, _ in looks)


def test_bars_are_told_apart_by_the_axis_and_not_by_colour() -> None:
    figure, _ = plots.bars({f"n{i}": i + 1.0 for i in range(8)}, "Claim", "y")
    assert len({matplotlib.colors.to_hex(bar.get_facecolor()) for bar in figure.axes[0].patches}) == 1
    assert [label.get_text() for label in figure.axes[0].get_xticklabels()] == [f"n{i}" for i in range(8)]


def test_a_bar_too_low_to_be_seen_has_its_number() -> None:
    figure, _ = plots.bars({"all": 1.0, "none": 0.0, "less": -0.5}, "Claim", "y")
    assert [text.get_text() for text in figure.axes[0].texts] == ["0.00"]
    figure, _ = plots.bars({"none": 0.0}, "Claim", "y", points={"none": [0.0]})
    assert not figure.axes[0].texts  # its point shows it


def test_figures_that_are_compared_can_share_an_axis() -> None:
    figure, _ = plots.lines([0, 1], {"a": [0.5, 0.9]}, "Claim", "x", "accuracy", ylim=(0.3, 1.0))
    assert figure.axes[0].get_ylim() == (0.3, 1.0)
    figure, _ = plots.lines([0, 1], {"a": [0.5, 0.9]}, "Claim", "x", "accuracy")
    assert figure.axes[0].get_ylim() != (0.3, 1.0)


def test_layers_are_sampled_from_viridis_in_order() -> None:
    x = np.arange(3.0)
    figure, _ = plots.lines(x, {f"layer {i}": x + i for i in range(3)}, "Claim", "x", "y", layers=True)
    first, _, last = (line.get_color() for line in figure.axes[0].lines)
    assert first == matplotlib.colormaps["viridis"](0.0) and sum(last[:3]) > sum(first[:3])


# ---- the words and the marks ----


def test_the_summary_names_the_largest_weight_that_is_not_on_the_first_token() -> None:
    assert "0.80, from query '$x$' (2) to key ' a' (1)" in plots.attention(PATTERN, TOKENS, "Claim")[1]
    assert "1.00" in plots.attention([[1.0]], ["<s>"], "Claim")[1]  # one token: there is no other


def test_tokens_are_written_visibly_and_never_as_formulas() -> None:
    axes = plots.attention(PATTERN, TOKENS, "Claim")[0].axes[0]
    labels = axes.get_yticklabels()
    assert [label.get_text() for label in labels] == ["<s>", "·a", "$x$", "↵"]
    assert not any(label.get_parse_math() for label in [*labels, *axes.get_xticklabels()])


def written(picture: plots.Picture) -> list[str]:
    return [text.get_text() for text in picture[0].axes[0].texts]


def test_marked_heads_are_named_in_the_grid_and_in_words() -> None:
    scores = np.zeros((3, 2))
    scores[2, 1], scores[1, 0] = 0.9, 0.4
    picture = plots.head_grid(scores, "Claim", "score", mark=[(2, 1)])
    assert written(picture) == ["L2H1"] and "L2H1 0.90" in picture[1]
    assert written(plots.head_grid(scores, "Claim", "score"))[:2] == ["L2H1", "L1H0"]
    assert written(plots.head_grid(scores, "Claim", "score", mark=[])) == []


def test_rounding_below_zero_is_drawn_as_zero_and_more_than_that_is_refused() -> None:
    assert image_of(plots.head_grid([[-4e-8, 1.0]], "Claim", "part")).get_clim() == (0, 1)
    with pytest.raises(ValueError, match="signed=True"):
        plots.head_grid([[-1e-5, 1.0]], "Claim", "part")


def test_signed_grids_mark_the_largest_in_size() -> None:
    picture = plots.head_grid([[0.1, -5.0], [2.0, 1.0]], "Claim", "effect", signed=True)
    assert written(picture)[0] == "L0H1" and "−5.00" in picture[1]


def test_the_repeat_is_marked_between_the_last_position_before_it_and_its_first() -> None:
    figure, summary = plots.loss_by_position({"S": [9, 8, 7, 9, 2, 1]}, repeat_start=4, title="Claim")
    assert 3.5 in [line.get_xdata()[0] for line in figure.axes[0].lines]
    assert "7.00 nats just before" in summary and "1.00 at its end" in summary


def test_bars_show_intervals_points_and_baseline() -> None:
    values = {"a": 1.0, "b": 2.0}
    figure, summary = plots.bars(
        values, "Claim", "y", errors={"a": (0.5, 1.5)}, points={"b": [1, 2, 3]}, baseline=0.25
    )
    dots = max((np.asarray(c.get_offsets()) for c in figure.axes[0].collections), key=len)
    assert (
        sorted(dots[:, 1]) == [1, 2, 3] and "a 1.00 [0.50, 1.50]" in summary and "baseline: 0.25" in summary
    )
    bare, words = plots.bars(values, "Claim", "y")
    assert len(bare.axes[0].collections) == 0 and "[" not in words and "baseline" not in words


def test_matrix_labels_may_be_anything_that_can_be_written() -> None:
    figure, summary = plots.matrix(np.eye(2), range(2), [(18, 6), None], "Claim", "score")
    shown = [text.get_text() for text in figure.axes[0].get_xticklabels() + figure.axes[0].get_yticklabels()]
    assert shown == ["(18, 6)", "None", "0", "1"] and "row 0, column (18, 6)" in summary


def test_matrix_writes_its_numbers_unless_there_are_too_many() -> None:
    small = plots.matrix([[0.25, 0.5]], ["r"], ["a", "b"], "Claim", "score")
    assert written(small) == ["0.25", "0.50"] and "0.50 at row r, column b" in small[1]
    counts = plots.matrix([[4, 15]], ["r"], ["a", "b"], "Claim", "tokens")
    assert written(counts) == ["4", "15"] and counts[1].startswith("Tokens: largest is 15 at row r")
    names = [str(i) for i in range(20)]
    assert written(plots.matrix(np.ones((20, 20)), names, names, "Claim", "score")) == []


# ---- wrong input ----

LINE = {"title": "Claim", "xlabel": "x", "ylabel": "y"}
WRONG = {
    "a batch axis": (
        lambda: plots.attention(PATTERN[None], TOKENS, "C"),
        r"2 non-empty axes \[query key\].*\(1, 4, 4\)",
    ),
    "other tokens": (lambda: plots.attention(PATTERN, TOKENS[:3], "C"), r"\(4, 4\).*there are 3 tokens"),
    "one string": (lambda: plots.attention(PATTERN, "abcd", "C"), "tokens should be a list of strings"),
    "scores": (lambda: plots.attention(PATTERN * 9 - 3, TOKENS, "C"), r"lie in \[0, 1\].*softmax"),
    "nan": (lambda: plots.attention(PATTERN * np.nan, TOKENS, "C"), "16 values that are nan"),
    "no numbers": (lambda: plots.head_grid([["a"]], "C", "l"), r"numbers with axes \[layer head\]"),
    "empty": (lambda: plots.head_grid(np.zeros((0, 2)), "C", "l"), r"has shape \(0, 2\)"),
    "no such head": (lambda: plots.head_grid([[0.5]], "C", "l", mark=[(3, 0)]), "L3H0.*1 layers and 1 heads"),
    "sign": (lambda: plots.head_grid([[-1.0]], "C", "l"), "signed=True"),
    "limit": (lambda: plots.head_grid([[4.0]], "C", "l", limit=2), "limit=2 would cut off"),
    "lengths": (lambda: plots.lines([1, 2], {"a": [1, 2, 3]}, **LINE), r"series\['a'\].*shape \(2,\)"),
    "no dict": (lambda: plots.lines([1, 2], [1, 2], **LINE), "a dict from a name"),
    "unknown band": (
        lambda: plots.lines([1, 2], {"a": [1, 2]}, bands={"b": (0, 1)}, **LINE),
        r"bands has \['b'\]",
    ),
    "repeat outside": (
        lambda: plots.loss_by_position({"S": [1, 2]}, 9, "C"),
        "repeat_start=9 is outside .* 1 to 2",
    ),
    "distances": (lambda: plots.bars({"a": 5.0}, "C", "y", errors={"a": (0.2, 0.2)}), "Give both ends"),
    "labels": (
        lambda: plots.matrix(np.ones((2, 3)), ["a"] * 3, ["b"] * 2, "C", "l"),
        r"\(2, 3\).*transposed",
    ),
}


@pytest.mark.parametrize("name", WRONG)
def test_wrong_input_gets_one_error_that_says_what_came(name: str) -> None:
    call, message = WRONG[name]
    with pytest.raises(ValueError, match=message) as caught:
        call()
    assert caught.value.__suppress_context__ or caught.value.__context__ is None, (
        "one message, no inner traceback"
    )
