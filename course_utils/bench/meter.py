"""What a command costs: time on the clock, work of the processors, by whom, and the memory of its processes.

>>> cost = measure([sys.executable, "-c", "sum(range(10**7))"], Path("."))          # doctest: +SKIP
>>> cost.wall_s, cost.busy_s                                                         # doctest: +SKIP
"""

import contextlib
import os
import re
import subprocess
import tempfile
import threading
import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import psutil

from course_utils.errors import ClassError

__all__ = ["SANDBOXED", "Cost", "Memory", "measure"]

LOOK_S = 0.1
SHARE = 0.02  # of one core, at most, for each of the two: looking at processes, and weighing their memory
SANDBOXED = ("worker", "kernel", "examiner")
"""Names that processes in sandboxes bear."""
MEBI = 1024  # KiB
WARM = "course_utils.grading.warm"


@dataclass
class Memory:
    """MiB of one process when its private part was largest: `shared` are pages that others have mapped too."""

    private: float = 0.0
    shared: float = 0.0


@dataclass
class Cost:
    """Of one command with all that it started."""

    wall_s: float = 0.0
    busy_s: float = 0.0
    """Seconds of processors, of the whole machine meanwhile: on a quiet machine, the command's."""
    by_role: dict[str, float] = field(default_factory=dict)
    """CPU seconds of its processes, by what they do, as far as they were seen: their last moments may lack."""
    memory: dict[str, Memory] = field(default_factory=dict)
    """Of the largest process of each role."""
    pss_mb: float = 0.0
    """Most of all its processes together, shared pages counted once (MiB)."""
    history: list[tuple[float, dict[str, float]]] = field(default_factory=list)
    """At each look, seconds since the start, and the memory of each role's processes (MiB, with shared pages)."""


def measure(command: Sequence[str], folder: Path, environment: Mapping[str, str] | None = None) -> Cost:
    """The cost of the command, run in that folder. Raises `ClassError` with its last words if it fails."""
    before, started = _busy(), time.time()
    with tempfile.TemporaryFile() as log:
        process = subprocess.Popen(
            command, cwd=folder, env={**os.environ, **(environment or {})}, stdout=log, stderr=subprocess.STDOUT,
            stdin=subprocess.DEVNULL,
        )  # fmt: skip
        watch = _Watch(process.pid, started)
        status = process.wait()
        cost = watch.end()
        cost.wall_s, cost.busy_s = time.time() - started, _busy() - before
        log.seek(0)
        words = log.read().decode("utf-8", "replace").strip().splitlines()
    if status not in (0, 1):  # 1 of some: a submission could not be graded, which is the class's
        raise ClassError(
            f"{' '.join(map(str, command[:5]))} … ended with status {status}: {(words or ['nothing'])[-1]}"
        )
    return cost


class _Watch:
    """Looks at the command's processes until `end`."""

    def __init__(self, pid: int, started: float) -> None:
        self.pid, self.started, self.cost = pid, started, Cost()
        self.times: dict[tuple[int, float], tuple[str, float]] = {}
        self.done = threading.Event()
        self.thread = threading.Thread(target=self._run, daemon=True)
        self.thread.start()

    def end(self) -> Cost:
        self.done.set()
        self.thread.join()
        for role, seconds in self.times.values():
            self.cost.by_role[role] = self.cost.by_role.get(role, 0.0) + seconds
        return self.cost

    def _run(self) -> None:
        pause = next_weighing = 0.0
        while not self.done.wait(max(LOOK_S, pause)):
            began = time.thread_time()
            found = self._processes()
            for process, role in found:
                with contextlib.suppress(psutil.Error):
                    times = process.cpu_times()
                    self.times[process.pid, process.create_time()] = role, times.user + times.system
            pause = (time.thread_time() - began) / SHARE
            if time.monotonic() > next_weighing:
                began = time.thread_time()
                self._weigh_all(found)
                next_weighing = time.monotonic() + (time.thread_time() - began) / SHARE

    def _weigh_all(self, processes: Iterable[tuple[psutil.Process, str]]) -> None:
        pss, resident = 0.0, dict[str, float]()
        for process, role in processes:
            with contextlib.suppress(OSError):
                one, divided = _weigh(process.pid)
                pss += divided
                resident[role] = resident.get(role, 0.0) + one.private + one.shared
                if one.private > self.cost.memory.setdefault(role, Memory()).private:
                    self.cost.memory[role] = one
        self.cost.history.append((round(time.time() - self.started, 2), resident))
        self.cost.pss_mb = max(self.cost.pss_mb, pss)

    def _processes(self) -> list[tuple[psutil.Process, str]]:
        """Its family; and what was forked into sandboxes, which is in no family."""
        found: dict[int, tuple[psutil.Process, str]] = {}
        with contextlib.suppress(psutil.Error):
            root = psutil.Process(self.pid)
            found[root.pid] = root, "coordinator"
            for child in root.children(recursive=True):
                with contextlib.suppress(psutil.Error):
                    found[child.pid] = child, _role(child)
        for process in psutil.process_iter(["name", "create_time"]):
            known, name = process.pid in found, process.info["name"]
            if not known and name in SANDBOXED and process.info["create_time"] >= self.started - 1:
                found[process.pid] = process, name
        return list(found.values())


def _weigh(pid: int) -> tuple[Memory, float]:
    """(memory of a process, the same with shared pages divided among those that have them), in MiB."""
    text = Path(f"/proc/{pid}/smaps_rollup").read_text()
    kib = {name: int(size) for name, size in re.findall(r"^(\w+):\s+(\d+) kB", text, re.MULTILINE)}
    private, shared = (
        (kib.get(f"{kind}_Clean", 0) + kib.get(f"{kind}_Dirty", 0)) / MEBI for kind in ("Private", "Shared")
    )
    return Memory(private, shared), kib.get("Pss", 0) / MEBI


def _role(process: psutil.Process) -> str:
    name = process.name()
    if name in SANDBOXED:
        return name
    words = " ".join(process.cmdline())
    if WARM in words and (parent := process.parent()) and WARM in " ".join(parent.cmdline()):
        return "walls"  # what waits for a process that the warm parent forked
    for mark, role in (
        (WARM, "warm parent"),
        ("multiprocessing", "processes that examine"),
        ("ipykernel", "kernel"),
        ("bwrap", "walls"),
    ):
        if mark in words:
            return role
    return "other"


def _busy() -> float:
    times = psutil.cpu_times()
    return (
        times.user + times.nice + times.system + getattr(times, "irq", 0.0) + getattr(times, "softirq", 0.0)
    )
