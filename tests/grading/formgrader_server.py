"""A Jupyter server with formgrader on a course folder, and somebody who is signed in to it."""

import contextlib
import http.cookiejar
import json
import os
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path

TOKEN = "for-these-tests"


class Person:
    """A browser's cookies, and `ask`."""

    def __init__(self, url: str) -> None:
        self.url, self.cookies = url, http.cookiejar.CookieJar()
        self.opener = urllib.request.build_opener(urllib.request.HTTPCookieProcessor(self.cookies))

    def sign_in(self) -> "Person":
        self.ask("GET", f"/tree?token={TOKEN}")
        self.ask("GET", "/formgrader/gradebook")  # gives the _xsrf cookie
        return self

    def ask(self, method: str, path: str, body=None, xsrf: bool = True):
        """(status, text, headers) of the answer."""
        token = next((cookie.value for cookie in self.cookies if cookie.name == "_xsrf"), None)
        headers = {"X-XSRFToken": token} if token and xsrf else {}
        data = None if body is None else json.dumps(body).encode()
        request = urllib.request.Request(self.url + path, data, headers, method=method)
        try:
            with self.opener.open(request, timeout=60) as reply:
                return reply.status, reply.read().decode(), reply.headers
        except urllib.error.HTTPError as error:
            return error.code, error.read().decode(), error.headers


@contextlib.contextmanager
def formgrader(course: Path, scratch: Path) -> Iterator[str]:
    """The server's address, without a slash at its end."""
    own = {
        "JUPYTER_CONFIG_DIR": "config",
        "JUPYTER_RUNTIME_DIR": "runtime",
        "JUPYTER_DATA_DIR": "data",
        "HOME": "home",
    }
    environment = os.environ | {name: str(scratch / folder) for name, folder in own.items()}
    command = [
        sys.executable, "-m", "jupyter_server", "--allow-root", "--ServerApp.open_browser=False",
        "--ServerApp.ip=127.0.0.1", "--ServerApp.port=0", f"--IdentityProvider.token={TOKEN}",
        "--ServerApp.jpserver_extensions={'nbgrader.server_extensions.formgrader': True}",
    ]  # fmt: skip
    log = scratch / "server.log"
    with log.open("w") as into:
        process = subprocess.Popen(command, cwd=course, env=environment, stdout=into, stderr=into)
    try:
        until = time.monotonic() + 90
        while not (
            found := [path for path in (scratch / "runtime").glob("jpserver-*.json") if path.stat().st_size]
        ):
            assert process.poll() is None and time.monotonic() < until, log.read_text()
            time.sleep(0.1)
        yield json.loads(found[0].read_text())["url"].rstrip("/")
    finally:
        process.terminate()
        process.wait(30)
