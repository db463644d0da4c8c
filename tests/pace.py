"""How slow this machine is, for the few tests that limit seconds.

>>> PACE                                                    # doctest: +SKIP
2.3
"""

import time

__all__ = ["PACE"]

REFERENCE_S = 0.035
"""The loop below on the machine for which the limits were written."""


def _pace(tries: int = 5) -> float:
    """Seconds of CPU of a plain loop, best of some, over the reference; from 1 (that machine or faster) to 4."""
    taken = []
    for _ in range(tries):
        started, total = time.process_time(), 0
        for number in range(1_000_000):
            total += number
        taken.append(time.process_time() - started)
    return min(max(min(taken) / REFERENCE_S, 1), 4)


PACE = _pace()
