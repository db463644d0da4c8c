"""The start of a command that runs as somebody who is not root, though the interpreter may be root's own."""

import os
import shutil
import sys
from collections.abc import Sequence
from pathlib import Path

from course_utils.grading.bubblewrap import PACKAGE, _programs
from course_utils.models import cache_dir

__all__ = ["USER", "as_ordinary_user"]

USER = 12345


def as_ordinary_user(
    user: int = USER, rights: Sequence[str] = (), walls: Sequence[str] = ("--bind", "/", "/")
) -> list[str]:
    """What root puts before a command to run it as `user`; nothing for anybody else.

    `rights` are further options of setpriv(1), `walls` options of bubblewrap that say what there is. Where root's
    home or /tmp hides the interpreter, the package or the models, they are put back to be read.
    """
    if os.geteuid() != 0:
        return []
    bwrap = shutil.which("bwrap") or next(iter(_programs()))
    hidden = [Path("/root")]
    words = [bwrap, *walls, "--dev-bind", "/dev", "/dev"]
    places = dict.fromkeys([Path(sys.prefix), Path(sys.base_prefix), PACKAGE, cache_dir()])
    if any(Path("/root") in place.parents for place in places):
        words += ["--perms", "0755", "--tmpfs", "/root"]
    if "/tmp" in walls:
        hidden.append(Path("/tmp"))
    for place in places:
        for cover in hidden:
            if cover in place.parents:
                made = [parent for parent in reversed(place.parents) if cover in parent.parents]
                words += [word for parent in made for word in ("--perms", "0755", "--dir", str(parent))]
                words += ["--ro-bind", str(place), str(place)]
    return [*words, "setpriv", "--reuid", str(user), "--regid", str(user), "--clear-groups", *rights, "--"]
