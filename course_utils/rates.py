"""Rates and how far to trust them: Wilson's interval, and the area under the receiver operating characteristic.

>>> wilson(0, 256)
(0.0, 0.0148…)
>>> auc(torch.tensor([0.1, 0.4, 0.9]), torch.tensor([False, False, True]))
1.0
"""

from jaxtyping import Bool, Float
from scipy.stats import binomtest, rankdata
from torch import Tensor

from course_utils.errors import CourseError

__all__ = ["auc", "wilson"]


def wilson(hits: int, n: int) -> tuple[float, float]:
    """The 95 % interval of a rate of which `hits` of `n` were seen (Wilson 1927).

    >>> wilson(5, 10)
    (0.2366…, 0.7634…)

    Raises `CourseError` unless 0 <= hits <= n and n > 0.
    """
    if not 0 <= int(hits) <= int(n) or not n:
        raise CourseError(
            f"wilson() expects 0 <= hits <= n with n > 0; it got {hits} of {n}. Are they swapped?"
        )
    ends = binomtest(int(hits), int(n)).proportion_ci(0.95, method="wilson")
    return float(ends.low), float(ends.high)


def auc(scores: Float[Tensor, " text"], is_bad: Bool[Tensor, " text"]) -> float:
    """The chance that a random bad text scores higher than a random good one: 0.5 is guessing, 1.0 is perfect.

    >>> auc(torch.tensor([1.0, 1.0]), torch.tensor([True, False]))      # ties count half
    0.5

    Raises `CourseError` where there are no bad texts, or no good ones.
    """
    bad = is_bad.bool().numpy()
    n_bad, n_good = int(bad.sum()), int((~bad).sum())
    if not n_bad or not n_good:
        raise CourseError(f"auc() needs texts of both kinds; it got {n_bad} bad and {n_good} good ones.")
    ranks = rankdata(scores.detach().double().numpy())
    return float((ranks[bad].sum() - n_bad * (n_bad + 1) / 2) / (n_bad * n_good))
