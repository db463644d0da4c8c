"""The first thing that runs inside a sandbox: take on its limits, give up root, then become the program.

Started as `python -I -m course_utils.grading.confine LIMITS MODULE ARGUMENT…`, with LIMITS as JSON.
"""

import ctypes
import errno
import json
import os
import resource
import runpy
import sys
from typing import Any

__all__ = ["confine", "drop_bounds", "give_up_rights", "main", "name_process"]

MB = 1 << 20
SET_DUMPABLE, SET_NAME, DROP_BOUND, NO_NEW_PRIVILEGES, SET_FILTER = 4, 15, 24, 38, 22  # of prctl(2)
FILTER, CAPABILITIES_3 = 2, 0x20080522


def main() -> None:
    """Limit this process and all that it starts, then run the module."""
    confine(json.loads(sys.argv[1]))
    sys.argv = sys.argv[2:]
    name_process(sys.argv[0])
    runpy.run_module(sys.argv[0], run_name="__main__", alter_sys=True)


def confine(limits: dict[str, Any]) -> None:
    """Nothing: this process, and what it starts, has these limits, and is no longer root."""
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
    # Who gives up rights may not read its own files in /proc, until it says that there is nothing to hide.
    _must(_libc.prctl(SET_DUMPABLE, 1, 0, 0, 0), "its own files in /proc")


def name_process(module: str) -> None:
    """Nothing: process lists show this process as the last part of the module's name."""
    _must(_libc.prctl(SET_NAME, module.rpartition(".")[2][:15].encode(), 0, 0, 0), "its name")


def drop_bounds() -> None:
    """Nothing: no program that is run from here on can gain a capability. Needs the rights of root."""
    number = 0
    while _libc.prctl(DROP_BOUND, number, 0, 0, 0) == 0:
        number += 1
    if ctypes.get_errno() != errno.EINVAL or number == 0:  # there is no such capability: all are dropped
        _must(1, "capability bounds")


def give_up_rights(rules: bytes) -> None:
    """Nothing: what bubblewrap does to a process that it starts, done by one that entered its walls by itself.

    No capability is left, no program can gain one, and the system-call filter holds. Raises `OSError`.
    """
    header = (ctypes.c_uint32 * 2)(CAPABILITIES_3, 0)
    _must(_libc.capset(header, (ctypes.c_uint32 * 6)()), "capabilities")
    _must(_libc.prctl(NO_NEW_PRIVILEGES, 1, 0, 0, 0), "no new privileges")
    if rules:
        lines = ctypes.create_string_buffer(rules, len(rules))
        program = _Program(len(rules) // 8, ctypes.cast(lines, ctypes.c_void_p))
        _must(_libc.prctl(SET_FILTER, FILTER, ctypes.byref(program), 0, 0), "system-call filter")


class _Program(ctypes.Structure):
    """`struct sock_fprog`: how many instructions of eight bytes, and where they are."""

    _fields_ = [("length", ctypes.c_ushort), ("lines", ctypes.c_void_p)]


_libc = ctypes.CDLL(None, use_errno=True)


def _must(failed: int, what: str) -> None:
    if failed:
        number = ctypes.get_errno()
        raise OSError(number, f"{os.strerror(number)} ({what})")


def _set(what: int, most: int) -> None:
    _, hard = resource.getrlimit(what)
    most = most if hard == resource.RLIM_INFINITY else min(most, hard)
    resource.setrlimit(what, (most, most))


if __name__ == "__main__":
    main()
