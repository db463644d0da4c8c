"""Many short trials from one prepared state: fork, run, send back JSON. A crash or hang costs one trial."""

import contextlib
import ctypes
import json
import os
import selectors
import signal
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

__all__ = ["Outcome", "die_with_parent", "run_forked"]

PR_SET_PDEATHSIG = 1


@dataclass(frozen=True)
class Outcome:
    """What a trial sent back, or how it ended without sending anything."""

    value: Any
    ended: str | None
    """None, or `timeout: …`, `crashed: …`, `raised …`."""
    seconds: float


@dataclass
class _Running:
    index: int
    pid: int
    started: float
    deadline: float
    data: bytes = b""


def die_with_parent() -> None:
    """Ask Linux to kill this process when its parent ends, so that a killed audit leaves nothing behind."""
    # Elsewhere than on Linux orphans end when their trial does.
    with contextlib.suppress(OSError, AttributeError):
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)


def run_forked(
    trials: Sequence[Callable[[], Any]], *, limit_s: float, jobs: int = 1
) -> Iterator[tuple[int, Outcome]]:
    """Each trial's index and outcome as it ends, at most `jobs` at a time, each in a fork of this process.

        >>> [outcome.value for _, outcome in run_forked([lambda: 1 + 1], limit_s=5)]
        [2]

    A trial returns something that JSON can hold. `limit_s` is wall-clock seconds a trial.
    """
    selector = selectors.DefaultSelector()
    waiting = list(enumerate(trials))[::-1]
    running: dict[int, _Running] = {}
    try:
        while waiting or running:
            while waiting and len(running) < jobs:
                index, trial = waiting.pop()
                fd, pid = _start(trial)
                now = time.monotonic()
                running[fd] = _Running(index, pid, now, now + limit_s)
                selector.register(fd, selectors.EVENT_READ)
            yield from _collect(selector, running)
    finally:
        for run in running.values():
            _kill(run.pid)
        selector.close()


def _start(trial: Callable[[], Any]) -> tuple[int, int]:
    """The read end of a pipe and the id of the child that will write its result there."""
    read, write = os.pipe()
    pid = os.fork()
    if pid:
        os.close(write)
        return read, pid
    status = 1
    try:
        os.close(read)
        os.setpgid(0, 0)
        die_with_parent()
        data = _result(trial)
        while data:
            data = data[os.write(write, data) :]
        status = 0
    finally:
        # Never back into the parent's code, whatever the trial raised.
        os._exit(status)


def _result(trial: Callable[[], Any]) -> bytes:
    try:
        return json.dumps({"value": trial(), "ended": None}).encode()
    except BaseException as error:  # also SystemExit: a trial reports, it never leaves
        return json.dumps({"value": None, "ended": f"raised {type(error).__name__}: {error}"}).encode()


def _collect(selector: selectors.BaseSelector, running: dict[int, _Running]) -> Iterator[tuple[int, Outcome]]:
    now = time.monotonic()
    wait = max(0.0, min(run.deadline for run in running.values()) - now)
    ended = []
    for key, _ in selector.select(wait):
        chunk = os.read(key.fd, 1 << 16)
        running[key.fd].data += chunk
        if not chunk:
            ended.append(key.fd)
    now = time.monotonic()
    late = [fd for fd, run in running.items() if fd not in ended and run.deadline <= now]
    for fd in ended + late:
        run = running.pop(fd)
        selector.unregister(fd)
        os.close(fd)
        yield run.index, _outcome(run, now - run.started, timeout=fd in late)


def _outcome(run: _Running, seconds: float, *, timeout: bool) -> Outcome:
    if timeout:
        _kill(run.pid)
        return Outcome(None, f"timeout: no end after {seconds:.0f} s", seconds)
    _, status = os.waitpid(run.pid, 0)
    code = os.waitstatus_to_exitcode(status)
    try:
        return Outcome(**json.loads(run.data), seconds=seconds)
    except ValueError:
        how = f"exit status {code}" if code >= 0 else f"signal {signal.Signals(-code).name}"
        return Outcome(None, f"crashed: {how}", seconds)


def _kill(pid: int) -> None:
    """Kill a child and what it started, and take its exit status."""
    for kill in (os.killpg, os.kill):
        with contextlib.suppress(ProcessLookupError, PermissionError):
            kill(pid, signal.SIGKILL)
    with contextlib.suppress(ChildProcessError):
        os.waitpid(pid, 0)
