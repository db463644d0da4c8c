"""Wilson's interval and the AUC against values worked out by hand, and what they refuse."""

import pytest
import torch

from course_utils.errors import CourseError
from course_utils.rates import auc, wilson


def test_wilson_at_known_points():
    assert wilson(5, 10) == pytest.approx((0.2366, 0.7634), abs=1e-4)
    low, high = wilson(0, 256)
    assert low == 0 and high == pytest.approx(3.8415 / (256 + 3.8415), abs=1e-4)  # z² / (n + z²)


@pytest.mark.parametrize(("hits", "n"), [(3, 2), (-1, 5), (0, 0)])
def test_wilson_refuses_what_is_no_rate(hits, n):
    with pytest.raises(CourseError, match="0 <= hits <= n"):
        wilson(hits, n)


def test_auc_counts_pairs():
    scores, bad = torch.tensor([1.0, 3.0, 2.0, 2.0]), torch.tensor([False, True, True, False])
    pairs = [(b > g) + (b == g) / 2 for b in (3.0, 2.0) for g in (1.0, 2.0)]
    assert auc(scores, bad) == sum(pairs) / 4
    assert auc(-scores, bad) == 1 - sum(pairs) / 4


def test_auc_needs_both_kinds():
    with pytest.raises(CourseError, match="0 bad and 3 good"):
        auc(torch.zeros(3), torch.zeros(3, dtype=torch.bool))
