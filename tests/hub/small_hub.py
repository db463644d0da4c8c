"""A stand-in for the Hub's API, as far as a service asks it: whose token is this? The token `student-mia` is mia's."""

import json
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread

MEMBER = ["access:services!service=exchange"]


def person(name, scopes=MEMBER):
    return {"kind": "user", "name": name, "groups": [], "admin": False, "scopes": scopes}


class Answer(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_GET(self):
        token = self.headers.get("Authorization", "").removeprefix("token ")
        kind, _, name = token.partition("-")
        model = {
            "student": person(name),
            "outsider": person(name, ["access:servers!user=" + name]),
            "service": {"kind": "service", "name": name, "admin": True, "scopes": ["access:services"]},
        }.get(kind)
        body = json.dumps(model or {"status": 403, "message": "Missing or invalid credentials."}).encode()
        self.send_response(200 if model else 403)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_):
        pass


class SmallHub(ThreadingHTTPServer):
    request_queue_size = 300
    daemon_threads = True

    def handle_error(self, *_):
        """Nothing: who asked was killed."""

    def __enter__(self):
        Thread(target=self.serve_forever, daemon=True).start()
        return f"http://127.0.0.1:{self.server_port}/hub/api"


def small_hub():
    """A context that gives the address of the API."""
    return SmallHub(("127.0.0.1", 0), Answer)
