"""Small notebooks examined in real sandboxes: every verdict, every limit, and whatever may go wrong in between."""

import dataclasses
import json
import os
import textwrap
import threading
import time
from typing import Any

import psutil
import pytest

from course_utils.grading import examine as module
from course_utils.grading.examine import CodeCell, Job, examine
from course_utils.grading.record import CellRecord, Record
from course_utils.grading.sandbox import Limits, Sandbox

LIMITS = Limits(cell_s=5, notebook_s=60, memory_mb=600, processes=60, file_mb=30, output_kb=100)
SEEDS = {"given": "seed-that-both-know", "test": "seed-that-tests-know"}


def examined(
    *cells: tuple[str, str], limits: Limits = LIMITS, graded: tuple[str, ...] = ("f", "g"), **job: Any
) -> Record:
    """The record of a notebook of (kind, source) cells; each test cell is worth 4 points."""
    made = [
        CodeCell(f"cell-{n}", kind, textwrap.dedent(source), 4.0 if kind == "test" else 0.0)  # type: ignore[arg-type]
        for n, (kind, source) in enumerate(cells)
    ]
    return examine(Job(tuple(made), graded, **{"seeds": SEEDS, **job}), limits)


def judged(record: Record) -> list[CellRecord]:
    """The test cells of a record."""
    return [cell for cell in record.cells if cell.kind == "test"]


def verdicts(record: Record) -> list[str]:
    """The verdicts of its test cells."""
    return [cell.verdict for cell in judged(record)]


def output(cell: CellRecord) -> str:
    """All text of a cell's outputs."""
    return "".join(str(part.get("text", part.get("evalue", part.get("data")))) for part in cell.outputs)


# -- an ordinary notebook --


@pytest.fixture(scope="module")
def ordinary() -> Record:
    return examined(
        ("given", "import math\nscale = 3\nclass Thing:\n    size = scale\nthing = Thing()"),
        ("student", "def f(x):\n    print('f of', x)\n    return 2 * x\ng = {'a': [1, 2]}\nf(1)"),
        ("test", "assert f(4) == 8 and g['a'] == [1, 2]\nprint('tested')"),
        ("test", "assert f(4) == 9, 'not nine'"),
        ("test", "right = sum(f(x) == x * x for x in [0, 2, 3, 4])\n4 * right / 4"),
        ("skipped", "raise SystemExit"),
        ("student", "raise ValueError('mine')"),
        ("student", "import sys\nprint('to stderr', file=sys.stderr)\nf = lambda thing: thing.size + scale"),
        ("test", "assert f(thing) == 6 and math.sqrt(4) == 2"),
        ("test", "import sys\nprint('careful', file=sys.stderr)\ng['missing']"),
    )


def test_every_test_has_its_verdict_and_the_rest_has_none(ordinary):
    assert verdicts(ordinary) == ["pass", "fail", "partial", "pass", "fail"]
    assert [cell.verdict for cell in ordinary.cells if cell.kind != "test"] == [""] * 5
    assert [cell.id for cell in ordinary.cells] == [f"cell-{n}" for n in range(10)] and ordinary.attempts == 1


def test_a_failure_says_why_and_where(ordinary):
    failed, _, _, missing = judged(ordinary)[1:]
    assert (failed.error, failed.message) == ("AssertionError", "not nine") and "line 1" in failed.trace[0]
    assert missing.error == "KeyError" and "missing" in missing.message
    assert judged(ordinary)[2].shown == "2.0"


def test_outputs_and_prints_are_kept(ordinary):
    cells = ordinary.cells
    assert [part["output_type"] for part in cells[1].outputs] == ["stream", "execute_result"]
    assert output(cells[1]) == "f of 1\n{'text/plain': '2'}" and output(cells[6]) == "mine"
    assert cells[7].outputs[0]["name"] == "stderr"
    assert set(cells[2].printed.split("\n")) == {"f of 4", "tested", ""} and cells[5].outputs == []


def test_the_record_is_plain_data_with_what_was_used(ordinary):
    data = json.loads(json.dumps(ordinary.to_dict()))
    assert data["limits"]["cell_s"] == 5 and data["seeds"] == SEEDS and data["sandbox"] == "bubblewrap"
    assert (
        0 < data["used"]["cpu_s"] < 30 and 10 < data["used"]["peak_mb"] < 600 and data["used"]["seconds"] > 0
    )
    assert "outputs" not in data["cells"][0]


HELPED = """
import os
g = [os.getcwd(), sorted(os.listdir())]
open("new", "w").close()
import helper
f = helper.value
"""


def test_files_of_the_submission_are_beside_the_notebook_and_nowhere_else(tmp_path):
    handed_in, given = tmp_path / "handed-in", tmp_path / "given"
    for folder in (tmp_path, handed_in, given):
        folder.mkdir(exist_ok=True)
        folder.chmod(0o755)
    (handed_in / "data").mkdir()
    (handed_in / "data" / "mine.txt").write_text("mine")
    (handed_in / "json.py").write_text("raise SystemExit('imported')\n")
    (handed_in / "helper.py").write_text("value = 'the student is helped'\n")
    (given / "helper.py").write_text("value = 'the instructor helps'\n")
    record = examined(
        ("student", HELPED),
        ("student", "import json, pathlib\nprint(pathlib.Path('data/mine.txt').read_text())"),
        ("test", "import helper\nassert helper.value == 'the instructor helps' and f == 'the student is helped'"),
        ("test", "import os\nassert os.listdir() == ['helper.py'] and g[1] == ['data', 'helper.py', 'json.py']"),
        ("test", "import json\nassert 'handed-in' not in str(g) and json.loads('1') == 1"),
        files=handed_in, given_files=given,
    )  # fmt: skip
    assert verdicts(record) == ["pass"] * 3, [cell.message for cell in record.cells]
    assert output(record.cells[1]) == "mine\n" and not (handed_in / "new").exists()


def test_a_given_cell_that_needs_the_students_name_runs_for_the_student_alone():
    record = examined(
        ("student", "def f(): return 3"),
        ("given", "early = 1\nvalue = f()"),
        ("student", "def g(): return value, early"),
        ("test", "assert g() == (3, 1) and early == 1"),
    )
    assert verdicts(record) == ["pass"], judged(record)[0].message


# -- seeds --

DRAWN = """
import os, random
import numpy as np
print(random.random(), np.random.rand(), os.environ["COURSE_SEED"] == "seed-that-tests-know")
"""


def test_the_same_attempt_has_the_same_inputs_and_another_has_others():
    cells = (
        ("given", "import numpy\nimport os\nprint(os.environ['COURSE_SEED'])"),
        ("test", DRAWN),
        ("test", DRAWN),
    )
    one, again = (examined(*cells) for _ in range(2))
    other = examined(*cells, seeds={"given": "x", "test": "another"})
    printed = [[cell.printed for cell in judged(record)] for record in (one, again, other)]
    assert printed[0] == printed[1] and "True" in printed[0][0]
    assert len({text for record in (one, other) for text in [c.printed for c in judged(record)]}) == 4
    assert output(one.cells[0]) == "seed-that-both-know\n"


def test_the_students_process_cannot_find_the_seed_of_the_tests():
    """Neither in its environment and arguments nor anywhere in its memory, even while a test runs."""
    search = """
        import glob, os, re
        def f(x):
            word, found = b"seed-that-" + b"tests-know"[:5], []
            for path in glob.glob("/proc/[0-9]*/environ") + glob.glob("/proc/[0-9]*/cmdline"):
                try:
                    found += [path] * (word in open(path, "rb").read())
                except OSError:
                    pass
            size = 0
            with open("/proc/self/maps") as maps, open("/proc/self/mem", "rb", 0) as memory:
                for line in maps:
                    first, last, mode = re.match("([0-9a-f]+)-([0-9a-f]+) (....)", line).groups()
                    if mode.startswith("rw"):
                        memory.seek(int(first, 16))
                        try:
                            text = memory.read(int(last, 16) - int(first, 16))
                        except (OSError, ValueError):
                            continue
                        size += len(text)
                        found += [place.group() for place in re.finditer(word + b"[-a-z]{5}", text)]
            return size, [str(one) for one in found], os.environ["COURSE_SEED"]
    """
    record = examined(
        ("student", search),
        ("test", "import os\nassert os.environ['COURSE_SEED'].endswith('tests-know')\nprint(f(1))"),
    )
    size, found, seed = eval(judged(record)[0].printed)
    assert size > 10 << 20 and found == [] and seed == "seed-that-both-know"


# -- limits --


def test_a_cell_that_never_ends_is_stopped_and_the_notebook_goes_on():
    record = examined(
        ("student", "def f(x): return x\ndef g():\n    while True: pass"),
        ("test", "assert f(1) == 1"),
        ("student", "while True: pass"),
        ("test", "g()"),
        ("test", "while True: pass"),
        ("test", "assert f(2) == 2"),
        limits=dataclasses.replace(LIMITS, cell_s=1),
    )
    assert verdicts(record) == ["pass", "timeout", "timeout", "pass"], [c.message for c in record.cells]
    stopped = record.cells[2]
    assert (stopped.verdict, stopped.error) == ("timeout", "Timeout") and "1 seconds" in stopped.message
    assert 0.9 < stopped.seconds < 15 and "loop that never ends" in judged(record)[1].message


@pytest.mark.slow
@pytest.mark.parametrize(
    "source",
    ["import time\nwhile True:\n    try:\n        time.sleep(9)\n    except KeyboardInterrupt:\n        pass",
    "sum(range(10**15))"],
    ids=["swallows interrupts", "is busy in C"],
)  # fmt: skip
def test_what_finished_before_one_that_cannot_be_stopped_still_counts(source):
    record = examined(
        ("student", "def f(x): return x"),
        ("test", "assert f(1) == 1"),
        ("student", source),
        ("test", "assert f(2) == 2"),
        limits=dataclasses.replace(LIMITS, cell_s=1),
    )
    assert verdicts(record) == ["pass", "not run"] and record.cells[2].verdict == "timeout"
    assert judged(record)[1].error == "NotRun" and "stopped at an earlier cell" in judged(record)[1].message


def test_the_whole_notebook_has_a_time_too():
    started = time.monotonic()
    record = examined(
        ("student", "import time\ndef f(): return 1"),
        ("test", "assert f() == 1"),
        *[("student", "time.sleep(1)")] * 8,
        ("test", "assert f() == 1"),
        limits=dataclasses.replace(LIMITS, notebook_s=3),
    )
    assert verdicts(record) == ["pass", "not run"] and "3 seconds" in judged(record)[1].message
    assert time.monotonic() - started < 60


MANY = """
import os, time
for _ in range(8):
    if not os.fork():
        kept = bytearray(b"x") * (120 << 20)
        time.sleep(60)
time.sleep(4)
"""
SHARED = """
import mmap, time
def f():
    kept = mmap.mmap(-1, 900 << 20)
    for place in range(0, 900 << 20, 4096):
        kept[place] = 1
    time.sleep(5)
"""


def test_memory_of_one_process_ends_the_call_and_of_many_the_notebook():
    record = examined(
        ("student", "def f(n): return len(bytearray(n << 20))"),
        ("test", "assert f(10) == 10 << 20"),
        ("test", "f(2000)"),
        ("test", "assert f(10) == 10 << 20"),
        ("student", MANY),
        ("test", "assert f(10) == 10 << 20"),
    )  # fmt: skip
    assert verdicts(record) == ["pass", "memory", "pass", "not run"], [c.message for c in record.cells]
    assert (
        record.cells[4].verdict == "memory" and "600 MB" in record.cells[4].message and record.attempts == 1
    )


def test_memory_used_up_while_a_test_runs_is_the_tests_verdict():
    record = examined(("student", SHARED), ("test", "f()"), ("test", "1 + 1 == 2"))
    assert verdicts(record) == ["memory", "not run"] and judged(record)[0].error == "OutOfMemory"


@pytest.mark.parametrize(
    ("end", "verdict"),
    [
        ("import os\nos._exit(0)", "not run"),
        ("def g():\n    import os\n    os._exit(0)", "crashed"),
        ("def g():\n    import os, time\n    os.kill(os.getppid(), 9)\n    time.sleep(3)", "crashed"),
        ("def g():\n    import os, time\n    os.kill(-1, 9)\n    time.sleep(3)", "crashed"),
    ],
    ids=["the kernel", "the kernel in a call", "the process beside it", "everything"],
)
def test_a_process_that_ends_is_a_crash_tried_twice_and_what_came_before_counts(end, verdict):
    before = [("student", "def f(x): return x"), ("test", "assert f(1) == 1")]
    record = examined(*before, ("student", end), ("test", "g()"), ("test", "f(1)"))
    assert verdicts(record) == ["pass", verdict, "not run"], [c.message for c in record.cells]
    assert record.attempts == 2


def test_no_more_output_is_kept_than_allowed():
    record = examined(
        ("student", "print('x' * 30_000_000)"),
        ("student", "for n in range(10**5): print(n)"),
        ("student", "from IPython.display import HTML, display\nfor n in range(3000): display(HTML('<b>'))"),
        ("student", "def f():\n    for n in range(10**4): print('y' * 100)"),
        ("student", "raise ValueError('z' * 10**7)"),
        ("test", "f()\nprint('x' * 10**6)"),
        *[("student", "print('v' * 10**6)\nprint('w' * 10**7)")] * 6,
        limits=dataclasses.replace(LIMITS, cell_s=30, notebook_s=100),
    )
    sizes = [len(json.dumps(cell.outputs)) for cell in record.cells]
    assert max(sizes) < 250_000 and sum(sizes) < 600_000, sizes
    assert "left out" in output(record.cells[1]) and len(record.cells[2].outputs) < 2100
    assert verdicts(record) == ["pass"] and len(judged(record)[0].printed) <= 20_000
    assert [cell.verdict for cell in record.cells if cell.kind != "test"] == [""] * 11


@pytest.mark.slow
def test_a_million_small_prints_are_one_output():
    limits = dataclasses.replace(LIMITS, cell_s=60, notebook_s=90)
    record = examined(("student", "for n in range(10**6): print(n)"), ("test", "assert True"), limits=limits)
    assert len(record.cells[0].outputs) <= 2 and len(output(record.cells[0])) < 110_000
    assert verdicts(record) == ["pass"]


# -- a student's process that does not keep to the rules --

PATCHED = """
import course_utils.grading.wall.agent as agent
def f(): return 1
def forged(tree, *buffers):
    def handle(self, op, fields, received):
        is_name = op == "get"
        handle = {"h": {"kind": "function", "number": 1, "name": "f", "type": "function"}}
        return {"value": handle if is_name else tree}, [] if is_name else list(buffers)
    agent.Agent.handle = handle
"""
PHILOX = """
four, two = {"a": ["<u8", [4], 0]}, {"a": ["<u8", [2], 1]}
state = [["bit_generator", "Philox"], ["state", {"d": [["counter", four], ["key", two]]}]]
state += [["buffer", {"a": ["<u8", [4], 2]}], ["buffer_pos", -300000000], ["has_uint32", 0], ["uinteger", 0]]
forged({"g": ["Philox", {"d": state}]}, bytes(32), bytes(16), bytes(32))
"""
ODD_ERROR = """
agent._described = agent._described_safely = lambda error: {"type": "SyntaxError", "args": ["m", "abcdef"]}
def f(): raise ValueError
"""


@pytest.mark.parametrize(
    ("forge", "test"),
    [
        ("forged({'q': 1})", "f()"),
        ("forged({'h': {'kind': 'module', 'name': '__main__'}})", "f().main()"),
        (ODD_ERROR, "f()"),
        (PHILOX, "import numpy\nprint(f().integers(9, size=9))"),
        ("forged({'l': [{'b': 0}] * 100_000}, bytes(1 << 20))", "f()"),
        ("forged({'a': ['<U1', [1], 0]}, b'\\xff\\xff\\xff\\x7f')", "import numpy\nf()[0] == 'a'"),
        ("def f(): raise ValueError('\\ud800' + '\\x1b[2J')", "f()"),
    ],
    ids=["no value", "a module", "an error", "a generator", "one buffer", "characters", "half a character"],
)  # fmt: skip
def test_forged_answers_fail_one_test_and_no_other(forge, test):
    record = examined(("student", PATCHED + forge), ("test", test), ("test", "assert 1 == 1"))
    assert verdicts(record) == ["fail", "pass"] and record.attempts == 1, [c.message for c in record.cells]
    json.dumps(record.to_dict(), ensure_ascii=False).encode("utf-8")


BABBLE = """
import course_utils.grading.wall.agent as agent
def serve(descriptor, turn, names):
    import socket, time
    end = socket.socket(fileno=descriptor)
    {}
agent.serve = serve
"""


@pytest.mark.parametrize(
    "babble",
    [
        "end.sendall(b'\\xff' * 4096)",
        "end.close()",
        pytest.param("end.sendall(b'\\0\\0')\n    time.sleep(99)", marks=pytest.mark.slow),
        pytest.param("while True: end.sendall(b'{{}}' * 4096)", marks=pytest.mark.slow),
    ],
    ids=["garbage", "gone", "silent", "flood"],
)
def test_a_babbling_or_silent_notebook_is_a_verdict(babble):
    limits, started = dataclasses.replace(LIMITS, cell_s=1), time.monotonic()
    babbling = BABBLE.format(babble.replace("{{}}", "{}"))
    record = examined(("student", babbling), ("test", "f()"), ("test", "assert 1 == 1"), limits=limits)
    assert verdicts(record)[0] in ("crashed", "timeout") and time.monotonic() - started < 80, verdicts(record)


@pytest.mark.slow
@pytest.mark.parametrize("answer", ["sum(f())", "f()"], ids=["examiner busy in C", "examiner ended"])
def test_an_examiner_that_a_submission_stopped_is_a_verdict_too(answer, monkeypatch):
    """Both need an answer that the codec takes; here the test cell itself stands for one that nobody thought of."""
    monkeypatch.setattr(module, "GRACE_S", 1)
    source = "sum(range(10**15))" if answer == "sum(f())" else "import os\nos.kill(os.getpid(), 9)"
    record = examined(
        ("student", "def f(): return 1"), ("test", "assert f() == 1"), ("test", source), ("given", "x = 1"),
        ("test", "f()"),
        limits=dataclasses.replace(LIMITS, cell_s=1),
    )  # fmt: skip
    assert (
        verdicts(record)[0] == "pass"
        and verdicts(record)[1] in ("timeout", "crashed")
        and verdicts(record)[2] == "not run"
    )


BRIDGES = {
    "dead": "raise SystemExit",
    "silent": "time.sleep(99)",
    "garbage": "control.end.sendall(b'\\xff' * 99)\ntime.sleep(99)",
    "zeros": "while True: control.end.sendall(b'\\0' * 4096)",
    "large": "control.end.sendall(b'\\x7f\\xff\\xff\\xff\\0\\0\\0\\0')\ntime.sleep(99)",
    "never whole": "while True:\n    control.end.sendall(b'\\0')\n    time.sleep(0.1)",
    "odd": """
while True:
    control.send({'ended': {'a': []}, 'outputs': {'x': 1}, 'seconds': [1]})
    control.receive()""",
    "odder": """
odd = [1, None, {}, {'output_type': [], 'text': 3, 'data': 7}, {'output_type': 'stream', 'text': ['x']}]
while True:
    control.send({'ended': 'ok', 'outputs': odd, 'seconds': 1e400})
    control.receive()""",
    "rude": """
while True:
    control.send({'ended': 'died', 'verdict': 'pass', 'outputs': [], 'printed': 'x', 'message': '{memory_mb'})
    control.receive()""",
}  # fmt: skip


@pytest.mark.parametrize("how", BRIDGES)
def test_a_worker_under_a_students_control_gains_nothing_and_stops_nobody(how, monkeypatch):
    """As if the student had taken over the process that runs the kernel: it answers what it likes."""
    monkeypatch.setattr(module, "GRACE_S", 1)
    source = (
        "import sys, time\nfrom course_utils.grading.wall.channel import Channel\n"
        "control = Channel.of_descriptor(int({control}))\n"
        "control.receive()\ncontrol.send({{'ready': True}})\ncontrol.receive()\n"
    )

    def start(name: str, arguments: list[str], **options: Any) -> Sandbox:
        if name.endswith("worker"):
            code = source.format(control=arguments[0]) + BRIDGES[how]
            name, arguments = "timeit", ["-n", "1", "-r", "1", f"exec({code!r}, {{}})"]
        return Sandbox(name, arguments, **options)

    monkeypatch.setattr(module, "Sandbox", start)
    started = time.monotonic()
    record = examined(
        ("student", "def f(): return 1"), ("test", "assert f() == 1"), ("test", "assert f() == 1"),
        limits=dataclasses.replace(LIMITS, cell_s=1),
    )  # fmt: skip
    assert (
        set(verdicts(record)) <= {"crashed", "timeout", "not run", "fail"} and time.monotonic() - started < 80
    )
    json.dumps(record.to_dict())


def test_the_kernel_has_one_socket_to_the_outside():
    """The process at the other end of its own sockets is one that it can see; the examiner is not."""
    count = """
        import os, socket, stat, struct
        def peer(n):
            with socket.socket(fileno=os.dup(n)) as end:
                credentials = end.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, 12)
                return end.family != socket.AF_UNIX or struct.unpack("3i", credentials)[0]
        def sockets():
            for n in map(int, os.listdir("/proc/self/fd")):
                try:
                    if stat.S_ISSOCK(os.fstat(n).st_mode):
                        yield n
                except OSError:
                    pass
        def f(): return [peer(n) for n in sockets()]
    """
    record = examined(
        ("student", count), ("test", "peers = f()\nassert peers.count(0) == 1 and len(peers) > 9, peers")
    )
    assert verdicts(record) == ["pass"], judged(record)[0].message


def test_nothing_is_left_open_or_running():
    examined(("test", "1"))
    own = psutil.Process()
    before = (own.num_fds(), len(own.children(recursive=True)))
    for _ in range(2):
        examined(
            ("student", "import os\nos.fork() or os.execv('/bin/sleep', ['sleep', '999'])"), ("test", "1")
        )
    until = time.monotonic() + 5
    while (own.num_fds(), len(own.children(recursive=True))) > before and time.monotonic() < until:
        time.sleep(0.05)
    assert (own.num_fds(), len(own.children(recursive=True))) <= before
    assert not [thread for thread in threading.enumerate() if "_watch" in thread.name]


def test_a_call_into_the_students_process_takes_less_than_a_millisecond():
    cost = """
        import time
        import torch
        def cost(x, n):
            best = 1.0  # of many: others may be using the processor
            for _ in range(n):
                started = time.perf_counter()
                f(x)
                best = min(best, time.perf_counter() - started)
            return best * 1000
        print(cost(3, 500), cost([1.5] * 1000, 20), cost(torch.ones(2_500_000), 10))
    """
    record = examined(
        ("student", "def f(x): return x"),
        ("test", cost),
        limits=dataclasses.replace(LIMITS, cell_s=60, memory_mb=2000),
    )
    small, list_, large = map(float, judged(record)[0].printed.split())
    print(
        f"\none call: {small:.3f} ms; 1,000 numbers each way: {list_:.2f} ms; 10 MB each way: {large:.1f} ms"
    )
    assert small < 3 and list_ < 30 and large < 400


def test_none_grades_without_a_sandbox_and_says_so(tmp_path):
    (tmp_path / "mine.txt").write_text("mine")
    record = examined(
        ("student", "def f(): return open('mine.txt').read()"),
        ("test", "assert f() == 'mine'"),
        sandbox="none",
        files=tmp_path,
    )
    assert verdicts(record) == ["pass"] and record.sandbox == "none", judged(record)[0].message
    assert os.listdir(tmp_path) == ["mine.txt"]
