"""How long a large class would take on many cores, from durations that were measured on few.

>>> simulate([10.0], 0.1, students=20, cores=2)
100.2
>>> simulate([1.0], 1.0, students=50, cores=64)   # one process writes: more cores than it can feed do not help
51.0

One process prepares submissions and writes what comes of them, one after the other; each core examines one at a time.
"""

import heapq
import random
from collections.abc import Sequence

__all__ = ["simulate"]


def simulate(
    examining_s: Sequence[float], coordinating_s: float, *, students: int, cores: int, seed: int = 0
) -> float:
    """Seconds from the first submission to the last grade.

    `examining_s` are measured durations, drawn from with replacement; `coordinating_s` is what the process that writes
    needs for each submission, half of it before and half after it is examined.
    """
    draw = random.Random(seed)
    left, now, running = students, 0.0, []  # type: int, float, list[float]
    while left or running:
        # As the grader does: first give every core something to do, then write what has come.
        if left and len(running) < cores:
            now += coordinating_s / 2
            heapq.heappush(running, now + draw.choice(examining_s))
            left -= 1
        else:
            now = max(now, heapq.heappop(running)) + coordinating_s / 2
    return now
