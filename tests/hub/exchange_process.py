"""The exchange service as a process of its own, as the Hub starts it."""

import os
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request


def free_port():
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return found.getsockname()[1]


class Exchange:
    """`with Exchange(root, api) as exchange:`; `kill()` and `start()` it as often as wanted."""

    def __init__(self, root, api):
        self.root, self.port, self.process = root, free_port(), None
        self.url = f"http://127.0.0.1:{self.port}/services/exchange"
        self.environment = os.environ | {
            "JUPYTERHUB_SERVICE_URL": f"http://127.0.0.1:{self.port}",
            "JUPYTERHUB_SERVICE_PREFIX": "/services/exchange/",
            "JUPYTERHUB_SERVICE_NAME": "exchange",
            "JUPYTERHUB_API_URL": api,
            "JUPYTERHUB_API_TOKEN": "its-own",
            "JUPYTERHUB_BASE_URL": "/",
            "JUPYTERHUB_CLIENT_ID": "service-exchange",
            "JUPYTERHUB_OAUTH_ACCESS_SCOPES": '["access:services", "access:services!service=exchange"]',
        }

    def start(self):
        command = [
            sys.executable,
            "-m",
            "course_utils.exchange.service",
            "--root",
            str(self.root),
            "--course",
            "agai302",
        ]
        self.process = subprocess.Popen(command, env=self.environment)
        until = time.monotonic() + 60
        while time.monotonic() < until and self.process.poll() is None:
            try:
                return urllib.request.urlopen(self.url + "/health", timeout=5).read()
            except (urllib.error.URLError, ConnectionError):
                time.sleep(0.1)
        raise AssertionError("the exchange did not start")

    def kill(self):
        self.process.kill()
        self.process.wait()

    def __enter__(self):
        self.start()
        return self

    def __exit__(self, *_):
        self.process.terminate()
        self.process.wait(20)
