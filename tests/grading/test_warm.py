"""Processes forked from the warm parent: like those started cold, and nothing of one is there for the next."""

import contextlib
import json
import os
import socket
import subprocess
import sys
import textwrap
import time
from pathlib import Path

import psutil
import pytest

from course_utils.grading.examine import CodeCell, Job, examine
from course_utils.grading.record import Record
from course_utils.grading.sandbox import Limits, Sandbox
from course_utils.grading.warm import VARIABLE, warm_parent

pytestmark = pytest.mark.xdist_group("warm")
IMPORTS = {"torch": ("torch", ""), "np": ("numpy", "")}


@pytest.fixture
def forked(warm, monkeypatch):
    """From here on processes are forked."""
    monkeypatch.setenv(VARIABLE, str(warm))
    return warm


def notebook(*student: str, test: str = "assert f(2) == 4") -> Record:
    """The record of a notebook with these cells of a student's, and a test."""
    cells = [CodeCell("setup", "given", "import torch\nimport numpy as np\nfrom course_utils import checks")]
    cells += [
        CodeCell(f"student-{n}", "student", textwrap.dedent(source)) for n, source in enumerate(student)
    ]
    cells.append(CodeCell("test", "test", test, 4.0))
    return examine(Job(tuple(cells), ("f",), IMPORTS), Limits())


def printed(record: Record, cell: int = 1) -> str:
    """What that cell printed."""
    return "".join(part.get("text", part.get("evalue", "")) for part in record.cells[cell].outputs)


def processes_of(path: Path) -> list[psutil.Process]:
    """The warm parent with this socket, and what it has forked."""
    return [p for p in psutil.process_iter(["cmdline"]) if str(path) in (p.info["cmdline"] or [])]


DOUBLE = "def f(x): return 2 * x"
STATE = """
import json, locale, multiprocessing, os, re, resource, signal, sys, threading
import matplotlib.pyplot
def f(x): return 2 * x
names = [n for n in dir(resource) if n.startswith("RLIMIT_")]
status = open("/proc/self/status").read()
shell = get_ipython()
now_mask = os.umask(0o22)
print(json.dumps({
    "environment": dict(os.environ), "cwd": os.getcwd(), "flags": str(sys.flags), "path": sys.path,
    "mask": now_mask, "signals": {int(s): str(signal.getsignal(s)).split(" at ")[0] for s in signal.valid_signals()},
    "threads": sorted(re.sub(r"-\\d+", "", t.name) for t in threading.enumerate()),
    "torch threads": torch.get_num_threads(), "gradients": torch.is_grad_enabled(),
    "type": str(torch.get_default_dtype()),
    "backend": matplotlib.get_backend(), "name": __name__, "main": sys.modules["__main__"].__name__,
    "shell": type(shell).__name__, "history": shell.history_manager.enabled, "cells before": len(In),
    "limits": {n: resource.getrlimit(getattr(resource, n)) for n in names},
    "rights": re.findall(r"(?:CapPrm|CapEff|CapAmb|NoNew|Seccomp|Groups|Umask).*", status),
    "home": sorted(set(os.listdir(os.environ["HOME"])) - {".config"}),  # matplotlib's, when it is imported
    "root": sorted(os.listdir("/")), "temporary": len(os.listdir("/tmp")), "shared": os.listdir("/dev/shm"),
    "files": len(os.listdir("/proc/self/fd")), "starts": multiprocessing.get_start_method(),
    "language": locale.getlocale(),
    "processes": sum(name.isdigit() for name in os.listdir("/proc")), "host": os.uname().nodename,
    "session": os.getsid(0) == os.getpid(), "readable": os.access("/proc/self/environ", os.R_OK),
}))
"""


def test_a_forked_notebook_is_like_one_started_cold(warm, monkeypatch):
    cold = json.loads(printed(notebook(STATE)))
    monkeypatch.setenv(VARIABLE, str(warm))
    forked = json.loads(printed(notebook(STATE)))
    # One more process stands in the walls: the shell that waits.
    assert forked.pop("processes") == cold.pop("processes") + 1
    assert {k: (v, cold[k]) for k, v in forked.items() if v != cold[k]} == {}


def test_random_numbers_are_fresh_in_each(forked):
    draw = """
    import random, tempfile
    def f(x): return 2 * x
    print(random.random(), np.random.rand(), torch.initial_seed(), tempfile.mktemp())
    """
    first, second = (printed(notebook(draw)).split() for _ in range(2))
    assert len(first) == 4 and not set(first) & set(second)


def test_figures_are_shown(forked):
    record = notebook(f"{DOUBLE}\nimport matplotlib.pyplot as plt\nplt.plot([1, 2])\nplt.show()")
    assert any("image/png" in part.get("data", {}) for part in record.cells[1].outputs)


POISON = """
import os, threading, sys, builtins, time
import course_utils.tiny, course_utils.models
def f(x): return 2 * x
torch.poison = np.poison = builtins.poison = course_utils.poison = "poison"
checks.close = checks.shape = lambda *a, **k: None
course_utils.models.load_model = lambda name: "poison"
torch.nn.functional.relu.__doc__ = "poison"
sys.modules["poison"] = torch
os.environ["POISON"] = "1"
for place in ("/tmp/poison", "/dev/shm/poison", os.path.expanduser("~/poison")):
    open(place, "w").write("poison")
threading.Thread(target=time.sleep, args=(60,)).start()
if os.fork() == 0:
    os.setsid()
    if os.fork() == 0:
        time.sleep(60)
    os._exit(0)
torch.zeros(3).share_memory_()
for name in ("torch", "numpy"):
    for number in range(3, 64):
        try:
            os.write(number, b"poison")
        except OSError:
            pass
"""
LOOK = """
import builtins, os, sys
import course_utils.models
def f(x): return 2 * x
found = [n for n, m in list(sys.modules.items()) if n == "poison" or "poison" in vars(m)]
found += [hasattr(builtins, "poison"), "POISON" in os.environ]
found.append(course_utils.models.load_model("induction-1l") == "poison")
found += [torch.nn.functional.relu.__doc__ == "poison", checks.close.__name__ == "<lambda>"]
found += [os.path.exists(p) for p in ("/tmp/poison", "/dev/shm/poison", os.path.expanduser("~/poison"))]
print(any(found), found)
"""


def test_nothing_that_one_changes_is_there_for_the_next(forked):
    notebook(POISON)
    record = notebook(LOOK)
    assert printed(record).startswith("False"), printed(record)
    assert record.cells[-1].verdict == "pass"


def test_changed_weights_are_changed_for_one_alone(forked):
    total = "from course_utils import load_model\nmodel = load_model('induction-1l')\nprint(float(model.W_E.sum()))"
    clean = printed(notebook(f"{DOUBLE}\n{total}"))
    changed = printed(notebook(f"{DOUBLE}\n{total}\nmodel.W_E.data.zero_()\nprint(float(model.W_E.sum()))"))
    assert changed == f"{clean}0.0\n" and printed(notebook(f"{DOUBLE}\n{total}")) == clean


REACH = """
import os, signal, socket
def f(x): return 2 * x
seen = [os.path.exists({path!r}), os.path.exists(os.path.dirname({path!r}))]
for pid in filter(str.isdigit, os.listdir("/proc")):
    try:
        seen.append(b"grading.warm" in open(f"/proc/{{pid}}/cmdline", "rb").read() and int(pid) != os.getpid() and pid)
    except OSError:
        pass
end = socket.socket(socket.AF_UNIX)
try:
    end.connect({path!r})
    seen.append("connected")
except OSError as error:
    print(type(error).__name__)
for number in range({low}, {low} + 40):  # its number outside means nobody in here
    try:
        os.kill(number, signal.SIGKILL)
        seen.append(f"killed {{number}}")
    except OSError:
        pass
print(seen)
"""


def test_the_parent_cannot_be_seen_reached_or_killed(forked):
    until = time.monotonic() + 30
    while len(found := processes_of(forked)) > 1:
        assert time.monotonic() < until, f"what was forked for an earlier notebook is still there: {found}"
        time.sleep(0.1)
    (parent,) = found
    said = printed(notebook(REACH.format(path=str(forked), low=parent.pid - 20)))
    assert said.startswith("FileNotFoundError") and "connected" not in said and "killed" not in said, said
    assert "True" not in said and parent.is_running()
    notebook("import os, signal\nos.kill(-1, signal.SIGKILL)")
    assert parent.is_running() and notebook(DOUBLE).cells[-1].verdict == "pass"


MEMORY = """
import gc, re
def f(x): return 2 * x
found = []
for line in open("/proc/self/maps"):
    low, high = (int(n, 16) for n in line.split()[0].split("-"))
    if "rw" in line and high - low < 1 << 28 and "[v" not in line:
        with open("/proc/self/mem", "rb") as memory:
            memory.seek(low)
            try:
                data = memory.read(high - low)
            except OSError:
                continue
            found += re.findall(b"secretword[o]fours|doubl[e]-hidden", data)
print(len(found), found[:3])
"""


def test_its_memory_holds_nothing_of_a_course(forked, monkeypatch):
    """Neither a test of an earlier notebook nor the environment of whoever grades."""
    monkeypatch.setenv("TOKEN_OF_OURS", "secretwordofours")
    assert notebook(DOUBLE, test="assert f(2) == 4, 'double-hidden'").cells[-1].verdict == "pass"
    said = printed(notebook(MEMORY))
    assert said.startswith("0 "), said
    # once where it is kept, and once more where what was read of it lies in a buffer that is read again
    assert int(printed(notebook(f"kept = 'secretwordof' + 'ours'{MEMORY}")).split()[0]) >= 1, (
        "it would have been found"
    )


def test_strange_requests_change_nothing(forked):
    for text in (b"", b"\0", b"\0\0\0\2[]", b'\0\0\0\x09{"a": 1}x', b"\xff" * 100):
        with socket.socket(socket.AF_UNIX) as end:
            end.settimeout(30)
            end.connect(str(forked))
            end.sendall(text)
            end.shutdown(socket.SHUT_WR)
            with contextlib.suppress(ConnectionError):
                assert b"pid" not in end.recv(4096)
    assert notebook(DOUBLE).cells[-1].verdict == "pass"


@pytest.mark.parametrize("how", ["gone", "closes", "lies", "is no socket"])
def test_without_a_parent_that_answers_a_process_is_started_cold(tmp_path, monkeypatch, how):
    path = tmp_path / "socket"
    monkeypatch.setenv(VARIABLE, str(path))
    program = f"""
import socket
door = socket.socket(socket.AF_UNIX)
door.bind({str(path)!r})
door.listen()
while True:
    end, _ = door.accept()
    end.sendall(b'{{"error": "no"}}\\n' if {how == "lies"} else b"")
    end.close()
"""
    if how == "is no socket":
        path.write_text("")
    if how in ("gone", "is no socket"):
        assert notebook(DOUBLE).cells[-1].verdict == "pass"
        return
    server = subprocess.Popen([sys.executable, "-c", program])
    try:
        while not path.exists():
            time.sleep(0.02)
        assert notebook(DOUBLE).cells[-1].verdict == "pass"
    finally:
        server.kill()
        server.wait()


MODEL = """
import os
from pathlib import Path
from course_utils.models import load_model
def f(x): return 2 * x
state = torch.get_rng_state()
first, second = load_model("smollm2"), load_model("smollm2")
tokens = torch.arange(6)[None]
before = second(tokens)
same = [torch.equal(before, first(tokens)), torch.equal(state, torch.get_rng_state())]
same += [first.loaded_state == second.loaded_state]
with torch.no_grad():
    first.W_E.data[5] += 1
print(same, torch.equal(before, second(tokens)), torch.equal(before, first(tokens)), first.training, first.loaded_as)
print(float(before.double().sum()), sorted(name for name, _ in second.named_modules())[-3:])
"""


def test_the_model_that_is_there_already_is_like_one_that_is_loaded(warm, monkeypatch):
    cold = printed(notebook(MODEL))
    monkeypatch.setenv(VARIABLE, str(warm))
    forked = [printed(notebook(MODEL)) for _ in range(2)]  # the first changed a weight of its own
    assert forked == [cold, cold]
    assert cold.startswith("[True, True, True] True False False smollm2\n"), cold


def test_a_process_waits_for_a_parent_that_warms_up():
    with warm_parent():  # the first is asked for long before it is warm
        record = notebook(f"{DOUBLE}\nimport sys\nprint('sae_lens' in sys.modules)")
    assert printed(record) == "True\n" and record.cells[-1].verdict == "pass"


def test_a_forked_process_is_ready_much_sooner(warm, monkeypatch):
    """Until a process has torch: the same code, the same walls, in turns."""

    def seconds() -> float:
        started = time.monotonic()
        near, far = socket.socketpair()
        said = f"__import__('torch'); __import__('os').write({far.fileno()}, b'x')"
        with near, Sandbox("timeit", ["-n", "1", "-r", "1", said], limits=Limits(), sockets=[far]):
            far.close()
            near.settimeout(60)
            assert near.recv(1) == b"x"
        return time.monotonic() - started

    times: dict[str, list[float]] = {"cold": [], "forked": []}
    for _ in range(3):
        monkeypatch.delenv(VARIABLE, raising=False)
        times["cold"].append(seconds())
        monkeypatch.setenv(VARIABLE, str(warm))
        times["forked"] += [seconds(), seconds()]
    print({name: sorted(round(value, 3) for value in values) for name, values in times.items()})
    assert min(times["forked"]) < min(times["cold"]) / 3


@pytest.mark.slow
@pytest.mark.parametrize("when", ["warming up", "warm"])
def test_it_ends_and_leaves_nothing_when_its_starter_is_killed(when, wait_until_warm):
    program = (
        "import time\nfrom course_utils.grading.warm import warm_parent\n"
        "with warm_parent() as path:\n    print(path, flush=True)\n    time.sleep(300)"
    )
    starter = subprocess.Popen([sys.executable, "-c", program], stdout=subprocess.PIPE, text=True)
    assert starter.stdout is not None
    path = Path(starter.stdout.readline().strip())
    if when == "warm":
        wait_until_warm(path)
    starter.kill()
    starter.wait()
    until = time.monotonic() + 60
    while path.parent.exists() or processes_of(path):
        assert time.monotonic() < until, "it is still there"
        time.sleep(0.1)


def test_the_environment_is_left_as_it_was(warm):
    assert VARIABLE not in os.environ or os.environ[VARIABLE] != str(warm)
