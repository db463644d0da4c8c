"""A class with a hostile submission is graded as its members would be, each alone."""

from pathlib import Path

import pytest
from crowd import crowd, growth


def test_growth_is_told_from_what_comes_and_goes() -> None:
    looks = [
        (float(at), {"coordinator": 100.0 + at, "warm parent": 500.0, "worker": 10.0 * at})
        for at in range(100)
    ]
    assert growth(looks) == {"coordinator": 1.482, "warm parent": 1.0}


@pytest.mark.slow
def test_one_in_twenty_changes_nothing_for_the_others(tmp_path: Path) -> None:
    report = crowd(submissions=20, seed=1, folder=tmp_path, say=print)
    assert len(report.hostile) == 1 and len(report.kinds) > 4
    assert report.faults == []
