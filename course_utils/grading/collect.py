"""nbgrader's collecting of submissions, which follows no link: what a student points at stays where it is.

>>> c.ExchangeFactory.collect = "course_utils.grading.collect.HonestCollect"     # doctest: +SKIP
"""

import tempfile
from pathlib import Path
from typing import Any

from nbgrader.exchange.default import ExchangeCollect

from course_utils.grading.intake import take_in

__all__ = ["HonestCollect"]


class HonestCollect(ExchangeCollect):
    """nbgrader's step, given a copy of each submission that holds regular files only."""

    def do_copy(self, src: str, dest: str, log: Any = None) -> None:
        """Nothing: `dest` is a copy of the submission `src`, without what intake leaves out."""
        with tempfile.TemporaryDirectory(prefix="collected-") as aside:
            taken = take_in(Path(src), Path(aside) / "files")
            for note in taken.notes:
                self.log.warning("%s: %s", Path(src).name, note)
            super().do_copy(str(taken.folder), dest, log)
