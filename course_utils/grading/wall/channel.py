"""Frames over a stream socket: a JSON message with binary buffers, every read capped and timed.

>>> import socket
>>> here, there = (Channel(end) for end in socket.socketpair())
>>> here.send({"say": "hello"}, [b"abc"])
>>> there.receive(timeout=1)
({'say': 'hello'}, [bytearray(b'abc')])
"""

import json
import select
import socket
import struct
import time
from collections.abc import Sequence
from typing import Any

__all__ = ["Channel", "Closed", "Garbled"]

HEAD = struct.Struct("!II")  # bytes of JSON, number of buffers
SIZE = struct.Struct("!Q")
MOST_BUFFERS = 10_000


class Closed(ConnectionError):
    """The other side has gone."""


class Garbled(ConnectionError):
    """What arrived is no frame, or a larger one than allowed. The channel is of no more use."""


class Channel:
    """One end of a connected stream socket.

    `cap` is the largest frame in bytes that `receive` accepts, JSON and buffers together; a larger one, or
    anything that is no frame, is `Garbled`. A peer that has gone is `Closed`, and one that neither sends nor
    takes anything in time a `TimeoutError`. If that was in the middle of a frame, all that follows is `Garbled`.
    """

    def __init__(self, end: socket.socket, cap: int = 256 << 20) -> None:
        self.end, self.cap = end, cap
        self.midway = False  # a frame was begun and not finished, so nothing behind it can be found

    @classmethod
    def of_descriptor(cls, descriptor: int, cap: int = 256 << 20) -> "Channel":
        """The channel of a socket that this process inherited under that number."""
        return cls(socket.socket(fileno=descriptor), cap)

    def send(
        self, message: dict[str, Any], buffers: Sequence[Any] = (), timeout: float | None = None
    ) -> None:
        """Nothing: the message and the buffers (bytes or memoryviews) have gone out."""
        text = json.dumps(message, separators=(",", ":")).encode("ascii")
        views = [memoryview(buffer).cast("B") for buffer in buffers]
        head = HEAD.pack(len(text), len(views)) + b"".join(SIZE.pack(len(view)) for view in views) + text
        self._check()
        self.end.settimeout(timeout)
        try:
            self.midway = True
            self.end.sendall(head)
            for view in views:
                self.end.sendall(view)
            self.midway = False
        except TimeoutError:
            raise
        except OSError as error:
            raise Closed(str(error)) from None

    def receive(self, timeout: float | None = None) -> tuple[dict[str, Any], list[bytearray]]:
        """The next frame's message and buffers; waits for it `timeout` seconds (None: for ever)."""
        self._check()
        deadline = None if timeout is None else time.monotonic() + timeout
        length, count = HEAD.unpack(self._read(HEAD.size, deadline))
        if length > self.cap or count > MOST_BUFFERS:
            raise Garbled(f"a frame of {length:,} bytes and {count:,} buffers is larger than allowed")
        sizes = [SIZE.unpack(self._read(SIZE.size, deadline))[0] for _ in range(count)]
        if length + sum(sizes) > self.cap:
            raise Garbled(f"a frame of {length + sum(sizes):,} bytes; {self.cap:,} are allowed")
        text = self._read(length, deadline)
        buffers = [self._read(size, deadline) for size in sizes]
        self.midway = False
        try:
            message = json.loads(bytes(text))
        except (ValueError, RecursionError) as error:
            raise Garbled(f"no JSON: {str(error)[:200]}") from None
        if not isinstance(message, dict):
            raise Garbled("a frame's message is no JSON object")
        return message, buffers

    @property
    def gone(self) -> bool:
        """Whether the other side has closed, even if something it sent waits to be received."""
        look = select.poll()
        look.register(self.end, 0)  # a hang-up is always told
        return bool(look.poll(0))

    def close(self) -> None:
        """Nothing: the socket is closed."""
        self.end.close()

    def _read(self, size: int, deadline: float | None) -> bytearray:
        # Memory grows with what has arrived, not with what was announced.
        data = bytearray()
        while len(data) < size:
            left = None if deadline is None else deadline - time.monotonic()
            if left is not None and left <= 0:
                raise TimeoutError("nothing arrived in time")
            self.end.settimeout(left)
            try:
                chunk = self.end.recv(min(size - len(data), 1 << 20))
            except TimeoutError:
                raise
            except OSError as error:
                raise Closed(str(error)) from None
            if not chunk:
                raise Closed("the other side has gone")
            self.midway = True
            data += chunk
        return data

    def _check(self) -> None:
        if self.midway:
            raise Garbled("an earlier frame was never finished")
