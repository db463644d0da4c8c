"""A server that stands for the Hub's API and for the rest of the world: who calls it has got out.

>>> with Hub("LOOT") as hub:                                         # doctest: +SKIP
...     urllib.request.urlopen(f"{hub.url}/mark-me").read()
...     hub.heard("mark-me")
b'LOOT'
['TCP']
"""

import socket
import threading
from typing import Self

__all__ = ["Hub"]


class Hub:
    """Listens on a TCP port of this machine and on an abstract Unix socket until the block ends.

    Everybody who calls gets the secret as an HTTP answer.
    """

    def __init__(self, secret: str) -> None:
        body = f"HTTP/1.0 200 OK\r\nContent-Length: {len(secret)}\r\n\r\n{secret}"
        self.answer = body.encode()
        self.calls: list[tuple[str, bytes]] = []
        self.ends = {"TCP": socket.create_server(("127.0.0.1", 0)), "Unix": socket.socket(socket.AF_UNIX)}
        port = self.ends["TCP"].getsockname()[1]
        self.ends["Unix"].bind(f"\0hub-{port}")
        self.ends["Unix"].listen()
        self.url = f"http://127.0.0.1:{port}"

    def __enter__(self) -> Self:
        for name, end in self.ends.items():
            threading.Thread(target=self._listen, args=(name, end), daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        for end in self.ends.values():
            end.shutdown(socket.SHUT_RDWR)
            end.close()

    def heard(self, marker: str) -> list[str]:
        """The kinds of sockets over which somebody said the marker."""
        return sorted({name for name, said in self.calls if marker.encode() in said})

    def _listen(self, name: str, end: socket.socket) -> None:
        while True:
            try:
                caller, _ = end.accept()
            except OSError:  # closed
                return
            with caller:
                caller.settimeout(1)
                try:
                    self.calls.append((name, caller.recv(4096)))
                    caller.sendall(self.answer)
                except OSError:
                    self.calls.append((name, b""))
