"""Two hosts on one machine: network namespaces with a wire to this one, a Dask worker in each.

>>> with dask_hosts(2) as scheduler:                                       # doctest: +SKIP
...     measure(["course", "autograde", "02", "--scheduler", scheduler], folder)

What is in a namespace sees no other network than the wire. Each host is given one core, its own.
"""

import contextlib
import os
import subprocess
import sys
import time
from collections.abc import Iterator

from course_utils.errors import ClassError

__all__ = ["dask_hosts", "host", "why_no_hosts"]

NET = "10.213.77"
PORT = 8786
START_S = 60


def why_no_hosts() -> str:
    """Why this process cannot make network namespaces; empty if it can."""
    if os.geteuid() != 0:
        return "only root may make network namespaces"
    try:
        tried = _ip("netns", "add", "bench-probe", check=False)
    except FileNotFoundError:
        return "there is no `ip` (apt-get install iproute2)"
    if tried.returncode:
        return tried.stderr.strip() or "`ip netns add` failed"
    _ip("netns", "del", "bench-probe")
    return ""


@contextlib.contextmanager
def dask_hosts(count: int) -> Iterator[str]:
    """The address of a scheduler here that workers on `count` hosts have joined; all of it ends with the block.

    Raises `ClassError` if they do not join in a minute.
    """
    with contextlib.ExitStack() as stack:
        stack.callback(_ip, "link", "del", "bench0", check=False)
        _ip("link", "add", "bench0", "type", "bridge")
        _ip("addr", "add", f"{NET}.1/24", "dev", "bench0")
        _ip("link", "set", "bench0", "up")
        address = f"tcp://{NET}.1:{PORT}"
        _start(stack, ["scheduler", "--host", f"{NET}.1", "--port", str(PORT), "--no-dashboard"])
        cores = sorted(os.sched_getaffinity(0))
        for number in range(count):
            name = f"bench{number + 1}"
            stack.enter_context(host(name, f"{NET}.{number + 2}/24"))
            _ip("link", "set", name, "master", "bench0", "up")
            inside = ["ip", "netns", "exec", name, "taskset", "-c", str(cores[number % len(cores)])]
            worker = [
                "worker",
                address,
                "--nworkers",
                "1",
                "--nthreads",
                "1",
                "--no-dashboard",
                "--memory-limit",
                "0",
            ]
            _start(stack, worker, inside)
        _wait(address, count)
        yield address


@contextlib.contextmanager
def host(name: str, address: str) -> Iterator[None]:
    """A network namespace of that name, with `address` on its `eth0`; the wire's other end here has its name, too.

    Raises `ClassError` if it cannot be made.
    """
    try:
        _ip("netns", "add", name)
        _ip("link", "add", name, "type", "veth", "peer", "name", "eth0", "netns", name)
        _ip("-n", name, "addr", "add", address, "dev", "eth0")
        for device in ("eth0", "lo"):
            _ip("-n", name, "link", "set", device, "up")
        yield
    finally:
        _ip("netns", "del", name, check=False)


def _start(stack: contextlib.ExitStack, words: list[str], inside: list[str] | None = None) -> None:
    process = subprocess.Popen(
        [*(inside or []), sys.executable, "-m", "distributed.cli.dask_" + words[0], *words[1:]],
        stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
    )  # fmt: skip

    def end() -> None:
        process.terminate()
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(20)
        process.kill()
        process.wait()

    stack.callback(end)


def _wait(address: str, count: int) -> None:
    from distributed import Client

    deadline = time.monotonic() + START_S
    while True:
        with contextlib.suppress(OSError, TimeoutError), Client(address, timeout=5) as client:
            client.wait_for_workers(count, timeout=max(1.0, deadline - time.monotonic()))
            return
        if time.monotonic() > deadline:
            raise ClassError(f"{count} Dask workers did not join {address} in {START_S} s.")
        time.sleep(0.5)


def _ip(*words: str, check: bool = True) -> "subprocess.CompletedProcess[str]":
    done = subprocess.run(["ip", *words], capture_output=True, text=True)
    if check and done.returncode:
        raise ClassError(f"`ip {' '.join(words)}` failed: {done.stderr.strip()}")
    return done
