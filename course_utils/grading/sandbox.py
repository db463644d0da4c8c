"""Processes shut in by bubblewrap: no network, no environment, nothing writable that outlives them.

>>> with Sandbox("course_utils.grading.worker", ["3"], limits=Limits(), sockets=[end]) as worker:  # doctest: +SKIP
...     worker.kill()

`bubblewrap` says what there is inside. Everything ends with the process.
"""

import contextlib
import json
import os
import re
import secrets
import select
import signal
import socket
import subprocess
import sys
import tempfile
import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import psutil

from course_utils.grading import warm
from course_utils.grading.bubblewrap import HOME, WRITABLE, command, how_to_shut_in, system_call_filter

__all__ = ["Limits", "Sandbox", "how_to_shut_in", "plain_environment"]

LOOK_S = 0.4  # one process can never have more than a notebook may: its own limit is the kernel's
START_S = 20
STEP_MB = 64  # so much more memory at most, and what is shared is counted again
TICKS = os.sysconf("SC_CLK_TCK")  # a second, as /proc counts
WARM_MB = 2688  # what is forked has 2,100 of its parent's, as the kernel counts
MOST_FILES = 100_000
FIRST_USER = 1_900_000_000  # and above are users that nobody is; each process gets one


@dataclass(frozen=True)
class Limits:
    """What one notebook may use."""

    cell_s: float = 120
    """Seconds of one cell."""
    notebook_s: float = 900
    """Seconds of the whole notebook; of processor time, too."""
    memory_mb: int = 6144
    """Of all its processes together."""
    processes: int = 256
    """Processes and threads."""
    file_mb: int = 512
    """Of one file, and of each of the folders that it can write to."""
    output_kb: int = 4096
    """Of the output of one cell."""


class Sandbox:
    """One process and all that it starts, shut in until the block ends. `module` is run as `__main__`.

    `sockets` are inherited under their own numbers; `folders` maps folders outside to where they can be read
    inside; `environment` is all that it gets besides a few plain settings. `over` says which limit ended it.
    """

    def __init__(
        self,
        module: str,
        arguments: Sequence[str],
        *,
        limits: Limits,
        sockets: Sequence[socket.socket],
        folders: Mapping[Path, str] | None = None,
        environment: Mapping[str, str] | None = None,
        kind: str = "bubblewrap",
    ) -> None:
        self.limits, self.over, self.said = limits, "", b""
        self.peak_mb = self.cpu_s = 0.0
        self.counted = self.counted_at = 0  # bytes of memory, and the bound when they were counted
        start = how_to_shut_in(kind)
        self.scratch = None if start else tempfile.TemporaryDirectory(prefix="unprotected-")
        self.home = Path(self.scratch.name if self.scratch else HOME)
        self.work = self.home / "work"
        self.inner: int | None = None  # the process that the warm parent forked into these walls
        values = plain_environment(self.home) | dict(environment or {})
        own = self._own_limits(start)
        self.errors, errors = os.pipe()
        with system_call_filter(bool(start)) as rules:
            walls = command(start, folders or {}, values, limits.file_mb, rules) if start else []
            if start and limits.memory_mb >= WARM_MB and warm.is_there():
                self._fork(walls, rules, errors, module, arguments, own, values, sockets)
            if self.inner is None:
                inner = [sys.executable, "-I", "-m", "course_utils.grading.confine", own, module]
                self.process = subprocess.Popen(
                    [*walls, *inner, *arguments],
                    stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=errors, start_new_session=True,
                    env={} if start else values, pass_fds=[*(end.fileno() for end in sockets), *rules],
                    cwd=None if start else self.home,
                )  # fmt: skip
        os.close(errors)
        self.done = threading.Event()
        self.watcher = threading.Thread(target=self._watch, daemon=True)
        self.watcher.start()
        threading.Thread(target=self._listen, daemon=True).start()

    def _fork(
        self, walls: Sequence[str], rules: Sequence[int], errors: int, module: str, arguments: Sequence[str],
        own: str, values: Mapping[str, str], sockets: Sequence[socket.socket],
    ) -> None:  # fmt: skip
        """The walls stand around a shell that waits, and the warm parent has forked into them, if it could."""
        (told, tell), (until, alive) = os.pipe(), os.pipe()
        try:
            self.process = subprocess.Popen(
                [*walls, "/bin/sh", "-c", "echo; read nothing"],
                stdin=until, stdout=tell, stderr=errors, env={}, pass_fds=rules, start_new_session=True,
            )  # fmt: skip
            os.close(tell)
            with contextlib.suppress(psutil.Error, IndexError):  # the shell has ended: somebody killed it
                if select.select([told], [], [], START_S)[0] and os.read(told, 1):
                    shell = psutil.Process(self.process.pid).children(recursive=True)[-1].pid
                    self.inner = warm.fork_into(
                        shell, module, arguments, limits=own, environment={**values, "PWD": HOME}, cwd=HOME,
                        stderr=errors, alive=alive, sockets=[end.fileno() for end in sockets], rules=rules,
                    )  # fmt: skip
        finally:
            for end in (told, until, alive):
                os.close(end)
        if self.inner is None:
            self._end()
            self.process.wait()
            for filter_ in rules:
                os.lseek(filter_, 0, os.SEEK_SET)  # to be read once more

    def __enter__(self) -> "Sandbox":
        return self

    def __exit__(self, *_: object) -> None:
        self.kill()
        if self.scratch:
            self.scratch.cleanup()

    def kill(self) -> None:
        """Nothing: the process and everything that it started have ended."""
        self.done.set()
        if self.scratch:  # nothing shuts it in, so what it started has to be looked for
            for child in self._inside(_everybody()):
                with contextlib.suppress(ProcessLookupError):
                    os.kill(child, signal.SIGKILL)
        self._end()
        self.process.wait()
        self.watcher.join()

    @property
    def complaint(self) -> str:
        """The last line that it wrote to stderr."""
        lines = self.said.decode("utf-8", "replace").strip().splitlines()
        return lines[-1][:300] if lines else f"exit status {self.process.poll()}"

    def _own_limits(self, start: Sequence[str]) -> str:
        as_root = bool(start) and os.geteuid() == 0 and "--unshare-user" not in start
        # Without a user or namespace of its own, the limit on processes would count the instructor's too.
        limits = {
            "memory_mb": self.limits.memory_mb,
            "file_mb": self.limits.file_mb,
            "cpu_s": int(self.limits.notebook_s) + 5,  # after the watch, which can say why
            "processes": self.limits.processes if start else None,
            "user": FIRST_USER + secrets.randbelow(1 << 27) if as_root else None,
        }
        return json.dumps(limits)

    def _watch(self) -> None:
        """Ends it when all its processes together use too much: limits of the kernel count each by itself."""
        while not self.done.wait(LOOK_S) and self.process.poll() is None:
            seen, files = _everybody(), 0
            pids = self._inside(seen)
            count, cpu = sum(seen[pid].threads for pid in pids), sum(seen[pid].cpu_s for pid in pids)
            memory = self._memory(pids)
            if pids and not self.scratch:
                in_files, files = _in_files(pids[-1])
                memory += in_files
            self.peak_mb, self.cpu_s = max(self.peak_mb, memory / 2**20), max(self.cpu_s, cpu)
            for what, used_now, most in (
                ("memory", memory / 2**20, self.limits.memory_mb),
                ("processes", count, 2 * self.limits.processes),
                ("files", files, MOST_FILES),
                ("time", cpu, self.limits.notebook_s),
            ):
                if used_now > most:
                    self.over = self.over or what
                    self._end()
        if not self.done.is_set():  # it ended by itself: a half-started bubblewrap would wait for ever
            with contextlib.suppress(ProcessLookupError):
                os.killpg(self.process.pid, signal.SIGKILL)

    def _inside(self, seen: Mapping[int, "_Process"]) -> list[int]:
        """All in these walls. What the warm parent forked into them comes last, and is nobody's child in here."""
        children: dict[int, list[int]] = {}
        for pid, process in seen.items():
            children.setdefault(process.parent, []).append(pid)
        inside = list(children.get(self.process.pid, ()))
        for pid in inside:
            inside += children.get(pid, ())
        if self.inner is not None and self.inner in seen:
            later = [self.inner]
            for pid in later:
                later += children.get(pid, ())
            inside += later
        return inside

    def _memory(self, pids: Sequence[int]) -> int:
        """Bytes of memory that are in no file, of all these processes; what they share counts once.

        To count what is shared takes the kernel tens of milliseconds, so it is asked when there can be more than there
        was: `most` is at least as much, and known at once.
        """
        most = sum(_at_most(pid) for pid in pids)
        if not self.counted or most > min(self.counted_at + (STEP_MB << 20), self.limits.memory_mb << 20):
            self.counted_at, self.counted = most, sum(map(_own_memory, pids))
        return self.counted

    def _end(self) -> None:
        if self.process.poll() is None:  # after that its number may be somebody else's
            with contextlib.suppress(ProcessLookupError):
                os.killpg(self.process.pid, signal.SIGKILL)

    def _listen(self) -> None:
        with contextlib.suppress(OSError):
            while chunk := os.read(self.errors, 1 << 16):
                self.said = (self.said + chunk)[-4000:]
        os.close(self.errors)


def plain_environment(home: Path = Path(HOME)) -> dict[str, str]:
    """All the environment variables of a process that is shut in."""
    from course_utils.models import cache_dir

    places = os.pathsep.join([str(Path(sys.executable).parent), "/usr/local/bin", "/usr/bin", "/bin"])
    return {
        "PATH": places, "HOME": str(home), "TMPDIR": "/tmp", "IPYTHONDIR": str(home / ".ipython"),
        "LANG": "C.UTF-8", "OMP_NUM_THREADS": "1", "COURSE_CACHE": str(cache_dir()), "HF_HUB_OFFLINE": "1",
        "NBGRADER_EXECUTION": "autograde",
    }  # fmt: skip


def _own_memory(pid: int) -> int:
    """Bytes of memory that are in no file; those shared with other processes count in part."""
    return _bytes_in(f"/proc/{pid}/smaps_rollup", rb"Pss_(?:Anon|Shmem)")


def _at_most(pid: int) -> int:
    """Bytes of memory that are in no file; those shared with other processes count in full."""
    return _bytes_in(f"/proc/{pid}/status", rb"Rss(?:Anon|Shmem)")


def _bytes_in(path: str, names: bytes) -> int:
    """The sum of the lines of those names in a file of /proc; 0 if the process has gone."""
    with contextlib.suppress(OSError):
        return sum(map(int, re.findall(names + rb":\s+(\d+)", Path(path).read_bytes()))) << 10
    return 0


def _in_files(pid: int) -> tuple[int, int]:
    """(bytes, files) in the folders in memory of the sandbox that the process is in."""
    size = files = 0
    for place in WRITABLE:
        with contextlib.suppress(OSError):
            used = os.statvfs(f"/proc/{pid}/root{place}")
            size += (used.f_blocks - used.f_bfree) * used.f_frsize
            files += used.f_files - used.f_ffree
    return size, files


class _Process(NamedTuple):
    parent: int
    cpu_s: float
    threads: int


def _everybody() -> dict[int, _Process]:
    """Every process that is there now, by its number, with one look at each."""
    found = {}
    for name in filter(str.isdigit, os.listdir("/proc")):
        with contextlib.suppress(OSError):  # it has just ended
            # The name of the program, in brackets, may hold anything.
            with open(f"/proc/{name}/stat", "rb", 0) as file:
                fields = file.read().rpartition(b")")[2].split()
            parent, user, system, threads = (int(fields[at]) for at in (1, 11, 12, 17))
            found[int(name)] = _Process(parent, (user + system) / TICKS, threads)
    return found
