"""Frames arrive whole or not at all, and no stream of bytes makes the reader wait, grow or fail in another way."""

import contextlib
import json
import random
import socket
import struct
import threading
import time
import tracemalloc

import pytest

from course_utils.grading.wall.channel import MOST_BUFFERS, Channel, Closed, Garbled


@pytest.fixture
def ends():
    """Two connected channels; the second takes at most 1 MB."""
    here, there = socket.socketpair()
    with here, there:
        yield Channel(here), Channel(there, cap=1 << 20)


def frame(text: bytes, *buffers: bytes) -> bytes:
    """The bytes of a frame."""
    sizes = b"".join(struct.pack("!Q", len(buffer)) for buffer in buffers)
    return struct.pack("!II", len(text), len(buffers)) + sizes + text + b"".join(buffers)


def test_a_message_and_its_buffers_arrive_as_they_were_sent(ends):
    here, there = ends
    message = {"n": [1, 2.5, None, "ü\ud800"], "deep": {"a": []}}
    here.send(message, [b"", b"abc", memoryview(bytearray(range(9)))])
    here.send({"second": 2})
    assert there.receive(1) == (message, [b"", b"abc", bytes(range(9))])
    assert there.receive(1) == ({"second": 2}, [])


def test_megabytes_arrive_while_they_are_sent(ends):
    here, there = ends
    data = random.Random(0).randbytes(900_000)
    sender = threading.Thread(target=here.send, args=({}, [data]))
    sender.start()
    assert there.receive(5)[1] == [data]
    sender.join()


def test_a_channel_of_an_inherited_number(ends):
    here, there = ends
    twin = Channel.of_descriptor(there.end.detach())
    here.send({"n": 1})
    assert twin.receive(1)[0] == {"n": 1}
    twin.close()


@pytest.mark.parametrize("begun", [b"", b"\0\0", frame(b"{}")[:9], frame(b"{}", b"abc")[:-1]])
def test_a_peer_that_has_gone_is_closed(ends, begun):
    here, there = ends
    here.end.sendall(begun)
    here.close()
    with pytest.raises(Closed):
        there.receive(1)


def test_that_a_peer_has_gone_is_seen_before_its_last_message_is_read(ends):
    near, far = ends
    assert not near.gone and not far.gone
    far.send({"say": "goodbye"})
    assert not near.gone
    far.close()
    assert near.gone
    assert near.receive(timeout=1)[0] == {"say": "goodbye"}


def test_sending_to_a_peer_that_has_gone_is_closed(ends):
    here, there = ends
    there.close()
    with pytest.raises(Closed):
        here.send({})


def test_nothing_in_time_is_a_timeout_and_does_no_harm(ends):
    here, there = ends
    with pytest.raises(TimeoutError):
        there.receive(0.05)
    here.send({"late": 1})
    assert there.receive(1)[0] == {"late": 1}


def test_a_timeout_midway_makes_all_that_follows_garbled(ends):
    here, there = ends
    here.end.sendall(frame(b'{"a":1}')[:10])
    with pytest.raises(TimeoutError):
        there.receive(0.05)
    here.end.sendall(frame(b'{"a":1}')[10:] + frame(b'{"forged":1}'))
    for _ in range(2):
        with pytest.raises(Garbled, match="never finished"):
            there.receive(1)
    with pytest.raises(Garbled):
        there.send({})


def test_a_byte_now_and_then_does_not_extend_the_deadline(ends):
    here, there = ends
    stop = threading.Event()

    def trickle():
        for byte in frame(b"x" * 1000):
            if stop.wait(0.02):
                return
            here.end.sendall(bytes([byte]))

    thread = threading.Thread(target=trickle)
    thread.start()
    started = time.monotonic()
    with pytest.raises(TimeoutError):
        there.receive(0.3)
    assert time.monotonic() - started < 15
    stop.set()
    thread.join()


def test_a_peer_that_takes_nothing_is_a_timeout(ends):
    here, _ = ends
    with pytest.raises(TimeoutError):
        here.send({}, [bytes(8 << 20)], timeout=0.1)
    with pytest.raises(Garbled):
        here.send({})


@pytest.mark.parametrize(
    "head",
    [
        struct.pack("!II", (1 << 20) + 1, 0),
        struct.pack("!II", 2**32 - 1, 0),
        struct.pack("!II", 0, MOST_BUFFERS + 1),
        struct.pack("!II", 2, 1) + struct.pack("!Q", 2**64 - 1),
        struct.pack("!II", 2, 2) + struct.pack("!QQ", 1 << 19, 1 << 19),
    ],
)
def test_more_than_the_cap_is_refused_when_it_is_announced(ends, head):
    here, there = ends
    here.end.sendall(head)
    with pytest.raises(Garbled, match="allowed"):
        there.receive(1)


def test_exactly_the_cap_is_taken(ends):
    here, there = ends
    here.end.sendall(struct.pack("!II", 2, 1) + struct.pack("!Q", (1 << 20) - 2) + b"{}")
    threading.Thread(target=here.end.sendall, args=(bytes((1 << 20) - 2),)).start()
    assert len(there.receive(2)[1][0]) == (1 << 20) - 2


def test_memory_grows_with_what_came_and_not_with_what_was_announced():
    here, there = socket.socketpair()
    channel = Channel(there)
    here.sendall(struct.pack("!II", 255 << 20, 0) + b"x" * 1000)
    tracemalloc.start()
    with pytest.raises(TimeoutError):
        channel.receive(0.05)
    assert tracemalloc.get_traced_memory()[1] < 8 << 20
    tracemalloc.stop()
    here.close()
    there.close()


@pytest.mark.parametrize(
    "text",
    [
        b"", b"x", b"[]", b"3", b"null", b'"text"', b'{"a":', b"{} {}", b"\xff\xfe{}", b"{" * 1000, b"[" * 100_000,
        b'{"a":' * 20_000, b'{"n":' + b"9" * 5000 + b"}", b'{"a":"\n"}', b"\x00" * 100, b'{"a":{1:2}}',
    ],
    ids=lambda text: repr(text[:12]),
)  # fmt: skip
def test_what_is_no_json_object_is_garbled(ends, text):
    here, there = ends
    here.end.sendall(frame(text))
    with pytest.raises(Garbled):
        there.receive(2)


@pytest.mark.parametrize("byte", [b"\0", b"A", b"\xff"])
def test_an_endless_stream_is_over_at_once(byte):
    """Zeros are endless empty frames, whose text is no JSON; the others announce too much."""
    here, there = socket.socketpair()

    def flood():
        with contextlib.suppress(OSError):
            while True:
                here.sendall(byte * 65536)

    thread = threading.Thread(target=flood)
    thread.start()
    started = time.monotonic()
    with pytest.raises(Garbled):
        Channel(there).receive(2)
    assert time.monotonic() - started < 15
    there.close()
    thread.join()
    here.close()


def mutated(rng: random.Random) -> bytes:
    """Some frames, with bytes changed, left out, doubled or put in."""
    message = {
        "turn": 1,
        "answer": 1,
        "fields": {"value": rng.choice([1, [1, {"l": []}], {"a": ["<f8", [2], 0]}])},
    }
    data = bytearray(
        b"".join(
            frame(json.dumps(message).encode(), rng.randbytes(rng.choice([0, 16])))
            for _ in range(rng.randint(1, 3))
        )
    )
    for _ in range(rng.choice([0, 1, 1, 2, 8])):
        place = rng.randrange(len(data) + 1)
        how = rng.randrange(4)
        if how == 0 and place < len(data):
            data[place] = rng.randrange(256)
        elif how == 1:
            del data[place : place + rng.randint(1, 9)]
        elif how == 2:
            data[place:place] = rng.randbytes(rng.randint(1, 9))
        else:
            data[place:place] = data[place : place + rng.randint(1, 40)]
    return bytes(data) if rng.random() < 0.9 else rng.randbytes(rng.randint(0, 200))


def test_fuzz_two_thousand_streams_give_messages_or_one_of_three_errors():
    rng = random.Random("channel")
    seen = {Garbled: 0, Closed: 0, TimeoutError: 0, dict: 0}
    started = time.process_time()
    tracemalloc.start()
    for number in range(2000):
        here, there = socket.socketpair()
        with here, there:
            here.sendall(mutated(rng))
            if number % 50:
                here.shutdown(socket.SHUT_WR)
            channel = Channel(there, cap=1 << 20)
            try:
                while True:
                    message, buffers = channel.receive(0.02)
                    assert isinstance(message, dict) and all(isinstance(b, bytearray) for b in buffers)
                    seen[dict] += 1
            except (Garbled, Closed, TimeoutError) as error:
                seen[type(error)] += 1
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert all(count > 10 for count in seen.values()), seen
    assert peak < 16 << 20 and time.process_time() - started < 20
