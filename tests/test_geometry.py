"""Pictures of feature vectors: what is drawn, what is said, and what is refused."""

import numpy as np
import pytest

from course_utils import geometry

SQUARE = np.array([[0.0, 1.0], [1.0, 0.0], [0.0, -1.0], [-1.0, 0.0]])


def ring(n: int, start: float = 0.3) -> np.ndarray:
    """n unit vectors, evenly spread, the first at an angle of `start`."""
    angles = start + 2 * np.pi * np.arange(n) / n
    return np.stack([np.cos(angles), np.sin(angles)], axis=1)


def test_turned_puts_feature_0_on_top_and_keeps_every_dot_product() -> None:
    vectors = np.random.default_rng(0).normal(size=(6, 2))
    out = geometry.turned(vectors)
    assert np.allclose(out[0], [0, np.linalg.norm(vectors[0])]) and out[1, 0] >= 0
    assert np.allclose(out @ out.T, vectors @ vectors.T)
    assert not np.allclose(out, vectors)  # it did turn


def test_a_zero_vector_in_front_is_left_alone() -> None:
    vectors = np.array([[0.0, 0.0], [1.0, 2.0]])
    assert np.isfinite(geometry.turned(vectors)).all()


def test_the_summary_counts_the_long_vectors_of_each_panel() -> None:
    half = SQUARE * np.array([[1.0], [0.2], [1.0], [0.2]])
    figure, summary = geometry.feature_vectors([SQUARE, half], ["full", "half"], title="A claim")
    assert "4 of 4 (full) and 2 of 4 (half)" in summary
    assert [axes.get_title() for axes in figure.axes] == ["full", "half"]
    assert figure.get_suptitle() == "A claim"


def test_long_vectors_have_their_number_and_short_ones_none() -> None:
    vectors = ring(5) * np.array([1, 1, 1, 1, 0.3])[:, None]
    figure, _ = geometry.feature_vectors([vectors], ["one"], title="t")
    assert [text.get_text() for text in figure.axes[0].texts] == ["0", "1", "2", "3"]


def test_every_vector_is_inside_the_axes() -> None:
    figure, _ = geometry.feature_vectors([3 * ring(5)], ["long"], title="t")
    assert figure.axes[0].get_ylim()[1] > 3


@pytest.mark.parametrize(
    ("W", "panels", "message"),
    [
        (SQUARE, ["one"], "panel feature 2"),
        ([SQUARE], ["one", "two"], "2 names"),
        (np.zeros((1, 4, 3)), ["one"], "two dimensions"),
        ([SQUARE * np.nan], ["one"], "nan"),
    ],
)
def test_wrong_input_gets_one_error_that_says_what_came(W: object, panels: list[str], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        geometry.feature_vectors(W, panels, title="t")
