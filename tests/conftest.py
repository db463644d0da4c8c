"""One thread of torch for each process of a test: pytest runs two at a time, and a forked one that shares OpenMP's
threads with its parent answers seconds late."""

import mmap
import os
import time
from collections.abc import Callable

import pytest

os.environ.setdefault("OMP_NUM_THREADS", "1")  # before anything imports torch

PACE_S = 0.22
"""CPU seconds that the work of `slowness` takes on a machine for which the limits of the tests are meant."""


@pytest.fixture
def cheapest(slowness: Callable[[], float]) -> Callable[[Callable[[], float], float], float]:
    """`cheapest(measure, limit)`: the least cost of at most three measurements, and of no more than are needed to get
    below the limit, in CPU seconds of a machine that is not slow. What else the machine does only ever adds to a
    cost, so the least is the nearest to the true one. A slower machine's seconds count for less: the same work costs
    the same number anywhere, and who has a machine half as fast waits twice as long for everything.
    """

    def measured(measure: Callable[[], float], limit: float) -> float:
        costs = []
        while len(costs) < 3 and (not costs or costs[-1] >= limit):
            before = slowness()
            seconds = measure()
            slower = max(before, slowness())
            costs.append(seconds / slower)
            print(f"{seconds:.2f} s on a machine {slower:.2f} times slower: {costs[-1]:.2f}, limit {limit}")
        return min(costs)

    return measured


@pytest.fixture(scope="session")
def slowness() -> Callable[[], float]:
    """`slowness()`: how many times slower than the limits assume this machine is now, at least 1. It measures a loop of
    Python, products of matrices, and pages of memory touched for the first time, in about equal parts.
    """
    import numpy as np

    matrix = np.ones((800, 800), dtype=np.float32)

    def measured() -> float:
        started = time.process_time()
        sum(number * number for number in range(2_000_000))
        for _ in range(8):
            matrix @ matrix
        with mmap.mmap(-1, 1 << 27) as pages:
            for at in range(0, 1 << 27, mmap.PAGESIZE):
                pages[at] = 1
        return max(1.0, (time.process_time() - started) / PACE_S)

    return measured
