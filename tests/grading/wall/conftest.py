"""A notebook whose student's process and examiner can be asked."""

from collections.abc import Iterator

import pytest
from both_sides import BothSides


@pytest.fixture
def sides() -> Iterator[BothSides]:
    """Both sides, with the graded names and imports of `both_sides`."""
    with BothSides() as both:
        yield both
