"""A parent that has imported what notebooks import, and forks itself into sandboxes: ready in milliseconds.

>>> with warm_parent():                                          # doctest: +SKIP
...     examine(job, Limits())

`Sandbox` makes the walls as always, with nothing inside but a shell that waits. The parent forks, its child enters
the walls (`setns`), forks once more, and what comes of that takes on limits, user, environment and system-call
filter like any other process and becomes the module it is asked for. Imports are memory that all share until they
write to it, so nothing that one of them changes is there for another. Where anything of this fails, a process is
started cold.

The parent has no file, secret or socket of a course. It is reached by a Unix socket in a folder of its own, which
no sandbox has; it forks before it reads, so that not even a strange request can change it. Who asks while it still
imports waits: started cold, a process would import the same, and slow it down.
"""

import contextlib
import ctypes
import fcntl
import gc
import importlib
import json
import os
import random
import re
import runpy
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from course_utils.grading.confine import confine, drop_bounds, give_up_rights, name_process

__all__ = ["NAMESPACES", "VARIABLE", "fork_into", "is_there", "main", "warm_parent"]

VARIABLE = "COURSE_WARM"
"""The environment variable with the socket's path: for this process and the ones that it starts."""
NAMESPACES = ("user", "mnt", "pid", "net", "ipc", "uts", "cgroup")
MODULES = (
    "torch", "transformers", "transformer_lens", "sae_lens", "safetensors.torch", "numpy", "einops", "jaxtyping",
    "matplotlib.figure", "matplotlib.font_manager", "IPython.core.interactiveshell", "ipykernel.kernelapp",
    "jupyter_client.blocking", "scipy.stats", "ipywidgets", "anywidget", "course_utils.models",
    "course_utils.plots", "course_utils.checks", "course_utils.tiny", "course_utils.widgets",
)  # fmt: skip
LIFE_S = 0.5
PATIENCE_S = 120
HUGE, COLLAPSE = 1 << 21, 25  # madvise(2)
PARENT = 0xB702  # ioctl(2) of a namespace: the one around it
_libc = ctypes.CDLL(None, use_errno=True)


@contextlib.contextmanager
def warm_parent(log: int | None = None) -> Iterator[Path]:
    """The socket of a parent that lives as long as the block, and warms up while the block goes on.

    Sandboxes of this process, and of the processes that it starts, use it, and wait until it is warm. `log` is a
    file for what it has to say.
    """
    from course_utils.grading.sandbox import plain_environment
    from course_utils.grading.staging import own_prefix

    with tempfile.TemporaryDirectory(prefix=f"{own_prefix()}warm-") as folder:
        path = Path(folder, "socket")
        places = {"MPLCONFIGDIR": folder, "OPENBLAS_NUM_THREADS": "1"}
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as door:
            door.bind(str(path))
            door.listen(256)
            numbers = [str(path), str(os.getpid()), str(door.fileno())]
            process = subprocess.Popen(
                [sys.executable, "-I", "-m", "course_utils.grading.warm", *numbers],
                env=plain_environment() | places, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL if log is None else log, pass_fds=[door.fileno()],
                start_new_session=True, cwd="/",
            )  # fmt: skip
        before = os.environ.get(VARIABLE)
        os.environ[VARIABLE] = str(path)
        try:
            yield path
        finally:
            os.environ.pop(VARIABLE)
            if before is not None:
                os.environ[VARIABLE] = before
            process.kill()
            process.wait()


# -- for those who ask --


def is_there() -> bool:
    """Whether there is a warm parent to ask. It may have to warm up first."""
    path = os.environ.get(VARIABLE, "")
    return bool(path) and os.path.exists(path)


def fork_into(
    pid: int, module: str, arguments: Sequence[str], *, limits: str, environment: Mapping[str, str], cwd: str,
    stderr: int, alive: int, sockets: Sequence[int], rules: Sequence[int],
) -> int | None:  # fmt: skip
    """The number of a process, forked from the warm parent, that runs the module in the namespaces of process `pid`.

    The descriptors of `sockets` keep their numbers; `rules` holds a system-call filter or nothing; `alive` stays open
    for as long as the process lives. None if there is no parent any more, or it could not.
    """
    request = {
        "module": module, "arguments": list(arguments), "limits": limits, "environment": dict(environment),
        "cwd": cwd, "umask": _umask(), "sockets": list(sockets), "rules": len(rules),
    }  # fmt: skip
    with contextlib.ExitStack() as stack:
        spaces = []
        for name in NAMESPACES:
            with contextlib.suppress(FileNotFoundError):
                spaces.append(os.open(f"/proc/{pid}/ns/{name}", os.O_RDONLY))
                stack.callback(os.close, spaces[-1])
        request["namespaces"] = len(spaces)
        handed = [*spaces, stderr, alive, *rules, *sockets]
        try:
            end = stack.enter_context(socket.socket(socket.AF_UNIX, socket.SOCK_STREAM))
            end.settimeout(PATIENCE_S)
            end.connect(os.environ[VARIABLE])
            text = json.dumps(request).encode()
            socket.send_fds(end, [len(text).to_bytes(4, "big")], handed)
            end.sendall(text)
            said = json.loads(end.makefile("rb").readline() or b"{}")
        except (OSError, ValueError, KeyError):
            return None
    return said.get("pid")


def _umask() -> int:
    now = os.umask(0o022)
    os.umask(now)
    return now


# -- the parent --


def main() -> None:
    """Import, then fork for whoever asks, until the one who started this has gone."""
    path, started_by, door = sys.argv[1], int(sys.argv[2]), socket.socket(fileno=int(sys.argv[3]))
    try:
        _warm_up(started_by)
        _serve_until_gone(door, started_by)
    finally:
        shutil.rmtree(os.path.dirname(path), ignore_errors=True)  # whoever started this was killed


def _warm_up(started_by: int) -> None:
    for name in MODULES:
        _import(name)
        if os.getppid() != started_by:
            sys.exit()
    with contextlib.suppress(Exception):  # without a model in the cache notebooks say so themselves
        importlib.import_module("course_utils.models").prepare_model()
    for name in _imported_by_use():
        _import(name)


def _serve_until_gone(door: socket.socket, started_by: int) -> None:
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)
    gc.collect()
    gc.freeze()
    _collapse()
    assert threading.active_count() == 1, "what is forked would have one thread of several"
    door.settimeout(LIFE_S)
    while os.getppid() == started_by:
        with contextlib.suppress(TimeoutError):
            end, _ = door.accept()
            if os.fork() == 0:
                door.close()
                _serve(end)
            end.close()


def _collapse() -> None:
    """Nothing: what has been imported lies in pages of 2 MiB where it can. To fork, and to end, then takes a third of
    the time, since both go through all pages. Linux before 6.1 leaves them as they are.
    """
    maps = Path("/proc/self/maps").read_text()
    for start, end in re.findall(r"^(\w+)-(\w+) rw-p \w+ 00:00 0 *(?:\[heap\])?$", maps, re.MULTILINE):
        for at in range(-(-int(start, 16) // HUGE) * HUGE, int(end, 16) - HUGE + 1, HUGE):
            _libc.madvise(ctypes.c_void_p(at), ctypes.c_size_t(HUGE), COLLAPSE)


def _import(name: str) -> None:
    with contextlib.suppress(Exception):
        importlib.import_module(name)


def _imported_by_use() -> list[str]:
    """Modules that a library imports when it is used first: a child uses them, and says which these were."""
    reader, writer = os.pipe()
    pid = os.fork()
    if pid == 0:
        with contextlib.suppress(Exception), os.fdopen(writer, "w") as out:
            before = set(sys.modules)
            _use()
            out.write("\n".join(sorted(set(sys.modules) - before)))
        os._exit(0)
    os.close(writer)
    with os.fdopen(reader) as said:
        names = said.read().split()
    os.waitpid(pid, 0)
    return names


def _use() -> None:
    """What most notebooks do."""
    from matplotlib.figure import Figure

    Figure().subplots().plot([0, 1])


def _serve(end: socket.socket) -> None:
    """Never returns. The process between: enters the sandbox, forks into it, and waits for what it forked."""
    status = 1
    try:
        end.settimeout(PATIENCE_S)
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)
        head, handed, _, _ = socket.recv_fds(end, 4, 64)
        text = b""
        size = int.from_bytes(head, "big")
        while len(text) < size:
            text += end.recv(size - len(text)) or _stop("half a request")
        request = json.loads(text)
        spaces = [handed.pop(0) for _ in range(request["namespaces"])]
        _enter(spaces)
        pid = os.fork()
        if pid == 0:
            end.close()
            _become(request, handed)
        end.sendall(json.dumps({"pid": pid}).encode() + b"\n")
        alive = handed[1]
        for number in {end.fileno(), *handed} - {alive}:
            os.close(number)
        _, status = os.waitpid(pid, 0)
    except BaseException as error:
        with contextlib.suppress(OSError):
            end.sendall(json.dumps({"error": f"{type(error).__name__}: {error}"}).encode() + b"\n")
    finally:
        os._exit(status and 1)


def _stop(why: str) -> bytes:
    raise ValueError(why)


def _enter(spaces: Sequence[int]) -> None:
    """This process is in the namespaces; the next that it forks is in the process table too."""
    users, others = [], []
    for space in spaces:
        name = os.readlink(f"/proc/self/fd/{space}").split(":")[0]
        own = os.stat(f"/proc/self/ns/{name}")
        if os.path.samestat(own, os.fstat(space)):
            continue
        others += [space] if name != "user" else []
        while name == "user" and not os.path.samestat(own, os.fstat(space)):
            users.append(space)
            space = fcntl.ioctl(space, PARENT)
    # bubblewrap's user namespace may lie in another, to which all the others belong: that is where the rights are.
    for space in [*users[1:][::-1], *others, *users[:1]]:
        if _libc.setns(space, 0):
            number = ctypes.get_errno()
            raise OSError(number, os.strerror(number))


def _become(request: dict[str, Any], handed: list[int]) -> None:
    """Never returns: this process is what it was asked for."""
    status = 1
    try:
        os.setsid()
        stderr, _, *rest = handed
        rules, sockets = rest[: request["rules"]], rest[request["rules"] :]
        filter_ = b"".join(os.pread(number, 1 << 16, 0) for number in rules)
        _put(stderr, dict(zip(request["sockets"], sockets, strict=True)))
        os.umask(request["umask"])
        os.environ.clear()
        os.environ.update(request["environment"])
        os.chdir(request["cwd"])
        drop_bounds()
        confine(json.loads(request["limits"]))
        give_up_rights(filter_)
        _as_if_new()
        name_process(request["module"])
        sys.argv = [request["module"], *request["arguments"]]
        runpy.run_module(request["module"], run_name="__main__", alter_sys=True)
        status = 0
    except SystemExit as end:
        status = end.code if isinstance(end.code, int) else int(end.code is not None)
    except BaseException as error:
        os.write(2, f"{type(error).__name__}: {error}\n".encode())
    finally:
        os._exit(status)


def _put(stderr: int, sockets: Mapping[int, int]) -> None:
    """These are the open files, under these numbers, and no others."""
    wanted = {2: stderr, **sockets}
    high = {number: fcntl.fcntl(now, fcntl.F_DUPFD, 500) for number, now in wanted.items()}
    null = os.open(os.devnull, os.O_RDWR)
    for number in (0, 1):
        os.dup2(null, number)
    for number, now in high.items():
        os.dup2(now, number, inheritable=True)
    keep = sorted({0, 1, *wanted})
    for low, top in zip(keep, [*keep[1:], 65536], strict=True):
        os.closerange(low + 1, top)


def _as_if_new() -> None:
    """What a fresh interpreter would not share with another: random numbers, and where figures go."""
    random.seed()
    tempfile.tempdir = None
    if "numpy" in sys.modules:
        sys.modules["numpy"].random.seed()
    if "torch" in sys.modules:
        sys.modules["torch"].seed()
    if "matplotlib" in sys.modules:
        matplotlib = sys.modules["matplotlib"]
        matplotlib.rcParams._set("backend", matplotlib.rcsetup._auto_backend_sentinel)


if __name__ == "__main__":
    main()
