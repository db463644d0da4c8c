"""Requests and answers over a channel, nested as calls are: while one side waits, it answers the other.

>>> import socket, threading
>>> ours, theirs = (Channel(end) for end in socket.socketpair())
>>> server = Peer(theirs, lambda op, fields, buffers: ({"double": 2 * fields["n"]}, []))
>>> threading.Thread(target=server.serve, args=(1,), daemon=True).start()
>>> client = Peer(ours, None)
>>> client.begin(1)
>>> client.request("double", {"n": 21})[0]
{'double': 42}
"""

import time
from collections.abc import Callable, Sequence
from typing import Any

from course_utils.grading.wall.channel import Channel, Garbled

__all__ = ["Peer"]

Handle = Callable[[str, dict[str, Any], list], tuple[dict[str, Any], Sequence[Any]]]
DEEPEST = 40


class Peer:
    """One side of the wall. `handle(op, fields, buffers)` gives the answer to a request of the other side.

    Each test cell is a *turn* with a number. What belongs to an earlier turn, such as the late answer of a call
    that was given up, is passed over.
    """

    def __init__(self, channel: Channel, handle: Handle | None) -> None:
        self.channel, self.handle = channel, handle
        self.turn = self.asked = self.depth = 0
        self.deadline: float | None = None

    def begin(self, turn: int, deadline: float | None = None) -> None:
        """Nothing: the next turn has begun; `deadline` (of `time.monotonic`) is when its requests time out."""
        self.turn, self.deadline, self.depth = turn, deadline, 0

    def request(self, op: str, fields: dict[str, Any], buffers: Sequence[Any] = ()) -> tuple[dict, list]:
        """The fields and buffers of the answer. Raises `TimeoutError`, `Closed` or `Garbled`."""
        self.asked += 1
        number = self.asked
        self._send({"ask": op, "number": number, "fields": fields}, buffers)
        while True:
            message, received = self._receive()
            if "ask" in message:
                self._answer(message, received)
            elif message.get("answer") == number and isinstance(message.get("fields"), dict):
                return message["fields"], received
            # An answer to anything else came too late, or was never asked for.

    def serve(self, turn: int) -> None:
        """Nothing: has answered requests until the other side ended this turn."""
        self.begin(turn)
        while True:
            message, received = self._receive()
            if message.get("ask") == "end":
                return
            if "ask" in message:
                self._answer(message, received)

    def end(self) -> None:
        """Nothing: the other side, which serves, goes back to what it did before."""
        self._send({"ask": "end"}, [])

    def _answer(self, message: dict[str, Any], received: list) -> None:
        op, fields, number = message["ask"], message.get("fields"), message.get("number")
        if self.handle is None or not isinstance(op, str) or not isinstance(fields, dict):
            raise Garbled("a request where none was expected")
        if self.depth >= DEEPEST:
            error = {"type": "RecursionError", "args": [f"calls to and fro nested more than {DEEPEST} deep"]}
            self._send({"answer": number, "fields": {"error": error}}, [])
            return
        self.depth += 1
        try:
            answer, buffers = self.handle(op, fields, received)
        finally:
            self.depth -= 1
        self._send({"answer": number, "fields": answer}, buffers)

    def _send(self, message: dict[str, Any], buffers: Sequence[Any]) -> None:
        self.channel.send({"turn": self.turn, **message}, buffers, self._left())

    def _receive(self) -> tuple[dict[str, Any], list]:
        while True:
            message, received = self.channel.receive(self._left())
            if message.get("turn") == self.turn:
                return message, received

    def _left(self) -> float | None:
        if self.deadline is None:
            return None
        left = self.deadline - time.monotonic()
        if left <= 0:
            raise TimeoutError("out of time")
        return left
