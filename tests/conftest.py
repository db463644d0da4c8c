"""One thread of torch for each process of a test: pytest runs two at a time, and a forked one that shares OpenMP's
threads with its parent answers seconds late."""

import os
from collections.abc import Callable

import pytest

os.environ.setdefault("OMP_NUM_THREADS", "1")  # before anything imports torch


@pytest.fixture
def cheapest() -> Callable[[Callable[[], float], float], float]:
    """`cheapest(measure, limit)`: the least cost of at most three measurements, and of no more than are needed to get
    below the limit. What else the machine does only ever adds to a cost, so the least is the nearest to the true one.
    """

    def measured(measure: Callable[[], float], limit: float) -> float:
        costs = []
        while len(costs) < 3 and (not costs or costs[-1] >= limit):
            costs.append(measure())
        print(f"cost {' and '.join(f'{cost:.2f}' for cost in costs)}, limit {limit}")
        return min(costs)

    return measured
