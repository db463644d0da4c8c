"""A student's process that does not keep to the rules: whatever it sends is a value, an error, or the end."""

import socket
import time

import pytest
from both_sides import hostile

from course_utils.grading.wall.channel import Channel
from course_utils.grading.wall.peer import DEEPEST
from course_utils.grading.wall.student import Handle, Missing, OutOfTime, Unreachable

NO_ARGUMENTS = {"args": {"t": []}, "kwargs": {"d": []}}


def answers(*frames):
    """A peer that answers each request with the next of these; number and turn are right unless told otherwise."""

    def act(channel: Channel) -> None:
        for made in frames:
            message, _ = channel.receive()
            for one in made if isinstance(made, list) else [made]:
                channel.send({"turn": 1, "answer": message.get("number"), **one})

    return act


def forever(frame: bytes):
    """A peer that never stops sending the same bytes."""

    def act(channel: Channel) -> None:
        while True:
            channel.end.sendall(frame)

    return act


def silent(channel: Channel) -> None:
    """A peer that listens and says nothing."""
    while True:
        channel.receive()


def test_only_the_answer_to_the_question_counts():
    wrong = [
        {"turn": 0},
        {"turn": 2},
        {"turn": None},
        {"answer": 0},
        {"answer": None},
        {"answer": "1"},
        {"answer": 99},
    ]
    wrong += [{"answer": [1]}, {"fields": 3}, {"fields": None}]
    forged = [{"fields": {"value": "forged"}, **one} for one in wrong]
    with hostile(answers([*forged, {"fields": {"value": "true"}}])) as student:
        assert student.get("x") == "true"


@pytest.mark.parametrize(
    "value",
    [
        {"q": 1},
        [1],
        {},
        {"h": None},
        {"h": {"kind": "object"}},
        {"h": {"kind": "object", "number": True, "type": "t"}},
        {"h": {"kind": "object", "number": "1", "type": "t"}},
        {"h": {"kind": "object", "number": 1, "type": 3}},
        {"h": {"kind": "module", "name": 3}},
        {"h": {"kind": "module", "name": "os"}},
        {"h": {"kind": "module", "name": "__main__"}},
        {"h": {"kind": "module", "name": "torch.no_such"}},
        {"h": {"kind": "module", "name": "numpy.f2py.__main__"}},
        {"h": {"kind": "module", "name": "\ud800\0"}},
    ],
)
def test_an_answer_that_is_no_value_is_an_error(value):
    with hostile(answers({"fields": {"value": value}}, {"fields": {"value": 3}})) as student:
        with pytest.raises(Exception) as caught:
            student.get("x")
        assert not isinstance(caught.value, Missing)
        assert student.get("x") == 3


@pytest.mark.parametrize(
    "error",
    [
        {},
        {"type": None},
        {"type": "eval"},
        {"type": "Handle"},
        {"type": "ValueError", "args": "abc"},
        {"type": ["x"], "args": [[1]], "text": {"a": 1}, "trace": 3},
        {"type": "SyntaxError", "args": ["m", "abcdef"]},
        {"type": "ExceptionGroup", "args": ["a", "b"]},
        {"type": "__import__", "args": ["os"]},
        {"type": "BlockingIOError", "args": [1, "x", 10**30]},
        {"type": "OSError", "args": [10**30, "x"]},
        {"type": "UnicodeTranslateError", "args": ["", -1, 9, "r"]},
        {"type": "StopIteration", "args": ["out of a call"]},
    ],
    ids=str,
)
def test_a_forged_exception_is_an_exception(error):
    with hostile(answers({"fields": {"error": error}}, {"fields": {"value": 3}})) as student:
        with pytest.raises(Exception) as caught:
            student.get("x")
        assert not isinstance(caught.value, Missing | StopIteration) and len(str(caught.value)) < 10_000
        assert student.get("x") == 3


@pytest.mark.parametrize(
    "request_",
    [
        {"ask": "call_back", "number": 1, "fields": {"function": 0, **NO_ARGUMENTS}},
        {"ask": "call_back", "number": 1, "fields": {"function": -1, **NO_ARGUMENTS}},
        {"ask": "call_back", "number": 1, "fields": {"function": True, **NO_ARGUMENTS}},
        {"ask": "get", "number": 1, "fields": {"name": "x"}},
        {"ask": "_raised", "fields": {}},
        {"ask": ["end"], "fields": {}},
        {"ask": None},
        {"ask": "call_back", "fields": []},
    ],
    ids=str,
)
def test_a_request_for_what_no_test_gave_ends_it(request_):
    with hostile(answers([request_, {"fields": {"value": "forged"}}])) as student:
        for _ in range(2):
            with pytest.raises(Unreachable, match=r"no notebook sends|has ended"):
                student.get("x")


def test_a_callback_gets_what_it_can_take_or_an_error():
    seen = []

    def act(channel: Channel) -> None:
        message, _ = channel.receive()
        for args in ({"t": [{"q": 1}]}, {"t": [1, 2, 3]}, 7, {"l": [1]}):
            fields = {"function": 0, "args": args, "kwargs": {"d": []}}
            channel.send({"turn": 1, "ask": "call_back", "number": 5, "fields": fields})
            seen.append(channel.receive()[0]["fields"])
        channel.send({"turn": 1, "answer": message["number"], "fields": {"value": 3}})

    with hostile(act) as student:
        assert student.ask("call", ("args",), target=1, args=[lambda x: x + 1]) == 3
    assert ["error" in fields for fields in seen] == [True, True, True, False] and seen[3]["value"] == 2


def test_calls_nested_too_deep_come_to_an_end():
    def act(channel: Channel) -> None:
        while True:
            if "ask" in channel.receive()[0]:
                fields = {"function": 0, **NO_ARGUMENTS}
                channel.send({"turn": 1, "ask": "call_back", "number": 5, "fields": fields})

    with hostile(act) as student, pytest.raises((Unreachable, OutOfTime, RecursionError)):
        student.ask("call", ("args",), target=1, args=[lambda: student.get("x")])
    assert DEEPEST < 100


@pytest.mark.parametrize(
    ("act", "error"),
    [
        (lambda channel: channel.close(), Unreachable),
        (lambda channel: channel.end.shutdown(socket.SHUT_RDWR), Unreachable),
        (silent, OutOfTime),
        (lambda channel: channel.end.sendall(b"\0\0"), OutOfTime),
        (forever(b"\0" * 4096), Unreachable),
        (forever(b"\xff" * 4096), Unreachable),
        (forever(b"\0\0\0\x13\0\0\0\0" + b'{"turn":0,"late":1}'), OutOfTime),
        (forever(b"\0\0\0\x15\0\0\0\0" + b'{"turn":1,"answer":7}'), OutOfTime),
    ],
    ids=["gone", "shut", "silent", "midway", "zeros", "ones", "another turn", "another answer"],
)
def test_a_peer_that_is_dead_silent_or_babbling_ends_in_time(act, error):
    started = time.monotonic()
    with hostile(act, seconds=0.5) as student, pytest.raises(error):
        student.get("x")
    assert time.monotonic() - started < 15


def test_a_peer_that_takes_nothing_ends_in_time():
    started = time.monotonic()
    with hostile(lambda channel: time.sleep(0.6), seconds=0.5) as student, pytest.raises(OutOfTime):
        student.ask("set", ("value",), name="x", value=bytes(50 << 20))
    assert time.monotonic() - started < 15


def test_a_handle_holds_a_number_and_short_names_and_no_more():
    reference = {"h": {"kind": "k" * 1000, "number": 7, "name": "n" * 1000, "type": "t" * 1000, "more": [1]}}
    with hostile(answers({"fields": {"value": {"t": [reference, reference]}}})) as student:
        one, two = student.get("x")
        assert (
            isinstance(one, Handle)
            and one == two
            and one != 7
            and len(repr(one)) < 200
            and len({one, two}) == 1
        )


def test_what_happened_is_told():
    with hostile(lambda channel: channel.end.sendall(b"\xff" * 64)) as student:
        with pytest.raises(Unreachable, match="sent what no notebook sends"):
            student.get("x")
        with pytest.raises(Unreachable, match="has ended"):
            student.get("x")
    with hostile(lambda channel: channel.close()) as student, pytest.raises(Unreachable, match="has ended"):
        student.get("x")
    assert not issubclass(Unreachable, Exception) and not issubclass(OutOfTime, Exception)
