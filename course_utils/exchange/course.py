"""The course's side of a served exchange: nbgrader's own steps, on a folder that students cannot reach.

>>> c.ExchangeFactory.release_assignment = "course_utils.exchange.course.PrivateRelease"     # doctest: +SKIP
"""

import os
import secrets
import shutil
from pathlib import Path
from typing import Any

from nbgrader.exchange.default import ExchangeReleaseAssignment

__all__ = ["PrivateRelease"]


class PrivateRelease(ExchangeReleaseAssignment):
    """nbgrader's release into an exchange that stays closed; who fetches gets the old or the new, whole."""

    def ensure_root(self) -> None:
        """Makes the exchange for this account alone; nbgrader's own step would open it to all (mode 777)."""
        Path(self.root).mkdir(mode=0o700, parents=True, exist_ok=True)
        if not os.access(self.root, os.W_OK | os.X_OK):
            self.fail(f"Expected an exchange of this account's, and cannot write to {self.root}.")

    def do_copy(self, src: str, dest: str, log: Any = None) -> None:
        """Copies aside, and gives the copy its name in one step."""
        aside = Path(dest).parent / f".{secrets.token_hex(8)}"
        try:
            super().do_copy(src, str(aside), log)
            aside.rename(dest)
        finally:
            shutil.rmtree(aside, ignore_errors=True)
