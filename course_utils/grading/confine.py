"""The first thing that runs inside a sandbox: take on its limits, give up root, then become the program.

Started as `python -I -m course_utils.grading.confine LIMITS MODULE ARGUMENT…`, with LIMITS as JSON.
"""

import json
import os
import resource
import runpy
import sys

__all__ = ["main"]

MB = 1 << 20


def main() -> None:
    """Limit this process and all that it starts, then run the module."""
    limits = json.loads(sys.argv[1])
    _set(resource.RLIMIT_CORE, 0)
    _set(resource.RLIMIT_DATA, limits["memory_mb"] * MB)
    _set(resource.RLIMIT_FSIZE, limits["file_mb"] * MB)
    _set(resource.RLIMIT_CPU, limits["cpu_s"])
    _set(resource.RLIMIT_NOFILE, 512)
    if limits["user"] is not None:  # root gives up its rights, for ever
        os.setgroups([])
        os.setresgid(*[limits["user"]] * 3)
        os.setresuid(*[limits["user"]] * 3)
    if limits["processes"] is not None:
        _set(resource.RLIMIT_NPROC, limits["processes"])
    sys.argv = sys.argv[2:]
    runpy.run_module(sys.argv[0], run_name="__main__", alter_sys=True)


def _set(what: int, most: int) -> None:
    _, hard = resource.getrlimit(what)
    most = most if hard == resource.RLIM_INFINITY else min(most, hard)
    resource.setrlimit(what, (most, most))


if __name__ == "__main__":
    main()
