"""The exchange as a service of a JupyterHub.

    python -m course_utils.exchange.service --root .exchange --course agai302

Who asks is what the Hub says of the token in the `Authorization` header; nothing in a request can name somebody else.
When a submission came is when its last byte came, by this process's clock; nothing in a request can name another time.

    GET  assignments                            what is released
    GET  assignments/NAME                       its files, as a frame
    POST assignments/NAME/submissions           hand in (a frame); the reply is a receipt
    GET  submissions                            one's own receipts
    GET  feedback/NAME/TIME                     one's own feedback pages, as a frame
    GET  (nothing)                              a page with one's own receipts and points, for the browser
    GET  page/NAME/TIME/NOTEBOOK                one's own feedback page, for the browser

The Hub gives address, prefix and the right to ask whose a token is in the environment, as it does for every service.
"""

import argparse
import asyncio
import dataclasses
import os
import signal
import sys
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, BinaryIO, ParamSpec, TypeVar
from urllib.parse import urlsplit

from jupyterhub.services.auth import HubAuth, HubOAuth, HubOAuthCallbackHandler
from tornado import httpserver, web
from tornado.ioloop import IOLoop

from course_utils.errors import CourseError
from course_utils.exchange.frame import Refused, pack
from course_utils.exchange.page import FeedbackPage, MyWork
from course_utils.exchange.store import Receipt, Store

__all__ = ["Application", "main"]

BODY_S = 300  # seconds that a submission may take to arrive
AT_ONCE = 4  # submissions of one student that may arrive at once
P = ParamSpec("P")
T = TypeVar("T")


class Application(web.Application):
    """The service of one store. `hub` says whose a token is; `clock` says when it is."""

    def __init__(
        self, store: Store, hub: HubAuth, prefix: str = "/", clock: Callable[[], datetime] | None = None
    ) -> None:
        self.store, self.hub = store, hub
        self.clock = clock or (lambda: datetime.now(UTC))
        self.threads = ThreadPoolExecutor(8)
        self.arriving: Counter[str] = Counter()
        routes = [
            (r"health", Health),
            (r"assignments", Assignments),
            (r"assignments/([^/]+)", Assignment),
            (r"assignments/([^/]+)/submissions", Submissions),
            (r"submissions", OwnSubmissions),
            (r"feedback/([^/]+)/([^/]+)", Feedback),
            (r"", MyWork),
            (r"page/([^/]+)/([^/]+)/([^/]+)", FeedbackPage),
            (r"oauth_callback", HubOAuthCallbackHandler),
        ]
        super().__init__([(prefix + path, handler) for path, handler in routes], cookie_secret=os.urandom(32))

    def serve(self, port: int, address: str = "127.0.0.1") -> httpserver.HTTPServer:
        """The server, listening."""
        most = self.store.caps.frame_bytes
        server = httpserver.HTTPServer(self, max_body_size=most, body_timeout=BODY_S)
        server.listen(port, address)
        return server


class ApiHandler(web.RequestHandler):
    """A request of a student's server. It bears a token of the Hub's; cookies are not looked at."""

    application: Application
    student = ""

    def check_xsrf_cookie(self) -> None:
        """Nothing to check: a foreign page can make a browser send cookies, but no Authorization header."""

    async def prepare(self) -> None:
        """Asks the Hub who this is, before any of the body is read."""
        hub = self.application.hub
        token = hub.get_token(self, in_cookie=False)
        model = await hub.user_for_token(token, sync=False) if token else None
        if model is None:
            raise Refused(
                "The Hub does not know the token of this request. Restart your server, then try again.", 401
            )
        if model.get("kind") != "user":
            raise Refused("This token is a service's, not a person's: a service hands nothing in.", 403)
        if not hub.check_scopes(hub.access_scopes, model):
            raise Refused(f"{model['name']} is not a member of this course. Ask your instructor.", 403)
        claimed = self.request.headers.get("X-Course-Student", model["name"])
        if claimed != model["name"]:
            raise Refused(f"You are {model['name']} and cannot act for {claimed[:80]}.", 403)
        self.student = model["name"]

    async def aside(self, function: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        """What the function returns, run in a thread, so that disks make nobody else wait."""
        return await IOLoop.current().run_in_executor(
            self.application.threads, lambda: function(*args, **kwargs)
        )

    def write_error(self, status_code: int, **kwargs: Any) -> None:
        """One message, as JSON."""
        error = kwargs.get("exc_info", (None, None))[1]
        if isinstance(error, Refused):
            self.set_status(error.status)
            message = str(error)
        elif status_code >= 500:
            message = "The exchange could not do that just now. Try again; what has a receipt is safe."
        else:
            message = self._reason
        self.finish({"error": message})

    def log_exception(self, kind: Any, error: Any, trace: Any) -> None:
        """A refusal is no fault of the service's: no traceback."""
        if not isinstance(error, Refused):
            super().log_exception(kind, error, trace)

    def send_frame(self, frame: bytes) -> None:
        """Sends files."""
        self.set_header("Content-Type", "application/octet-stream")
        self.finish(frame)


class Health(web.RequestHandler):
    """That the service is there."""

    def get(self) -> None:
        """Nothing of anybody's."""
        self.finish({"ok": True})


class Assignments(ApiHandler):
    """What is released."""

    async def get(self) -> None:
        """Assignment -> its notebooks."""
        self.finish({"assignments": await self.aside(self.application.store.released)})


class Assignment(ApiHandler):
    """One assignment."""

    async def get(self, name: str) -> None:
        """Its files."""
        self.send_frame(await self.aside(lambda: pack(self.application.store.released_folder(name))))


@web.stream_request_body
class Submissions(ApiHandler):
    """Handing in. The body goes to a file as it comes, so that a class that hands in at once needs no memory."""

    spool: Path | None = None
    file: BinaryIO | None = None
    counted = whole = False

    async def prepare(self) -> None:
        """Refuses what can be refused before it is sent."""
        await super().prepare()
        app = self.application
        await self.aside(app.store.released_folder, self.path_args[0])
        if app.arriving[self.student] >= AT_ONCE:
            raise Refused("Several submissions of yours are arriving already. Wait until they are in.", 429)
        app.arriving[self.student] += 1
        self.counted = True
        self.spool = app.store.spool()
        self.file = self.spool.open("x+b")

    def data_received(self, chunk: bytes) -> None:
        """Keeps a part of the body."""
        if self.file:
            self.file.write(chunk)

    async def post(self, name: str) -> None:
        """The receipt: 201 for a new submission, 200 if these files were what was handed in last."""
        received, app, file = self.application.clock(), self.application, self.file
        assert file is not None
        file.seek(0)
        self.whole = True
        try:
            receipt, new = await self.aside(app.store.submit, self.student, name, file, received)
        finally:
            self._clear()
        self.set_status(201 if new else 200)
        self.finish(as_json(receipt))

    def on_finish(self) -> None:
        """Removes what arrived of a refused submission."""
        self._clear()

    def on_connection_close(self) -> None:
        """The same, if the sender has gone before all was here; what is here is stored, receipt or not."""
        super().on_connection_close()
        if not self.whole:
            self._clear()

    def _clear(self) -> None:
        if self.file:
            self.file.close()
            self.file = None
        if self.spool:
            self.spool.unlink(missing_ok=True)
            self.spool = None
        if self.counted:
            self.application.arriving[self.student] -= 1
            self.counted = False


class OwnSubmissions(ApiHandler):
    """One's own receipts."""

    async def get(self) -> None:
        """All of them, the earliest first."""
        receipts = await self.aside(self.application.store.submissions, self.student)
        self.finish({"student": self.student, "submissions": [as_json(receipt) for receipt in receipts]})


class Feedback(ApiHandler):
    """One's own feedback."""

    async def get(self, name: str, time: str) -> None:
        """The pages of one submission."""
        pages = await self.aside(self.application.store.feedback, self.student, name, time)
        self.send_frame(await self.aside(_pages, pages))


def _pages(pages: dict[str, Path]) -> bytes:
    import tempfile

    with tempfile.TemporaryDirectory() as folder:
        for name, page in pages.items():
            (Path(folder) / f"{name}.html").write_bytes(page.read_bytes())
        return pack(Path(folder))


def as_json(receipt: Receipt) -> dict[str, Any]:
    """The receipt as plain data."""
    return dataclasses.asdict(receipt)


async def serve(root: Path, course: str) -> None:
    """Serves until the process is told to end."""
    address = urlsplit(os.environ["JUPYTERHUB_SERVICE_URL"])
    store = Store(root, course)
    app = Application(store, HubOAuth.instance(), os.environ["JUPYTERHUB_SERVICE_PREFIX"])
    app.serve(address.port or 80, address.hostname or "127.0.0.1")
    end = asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, end.set)
    await end.wait()


def main() -> None:
    """Serves a course's exchange; the Hub starts this."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--root", type=Path, required=True, help="nbgrader's c.Exchange.root")
    parser.add_argument("--course", required=True, help="nbgrader's c.CourseDirectory.course_id")
    chosen = parser.parse_args()
    missing = [v for v in ("JUPYTERHUB_SERVICE_URL", "JUPYTERHUB_SERVICE_PREFIX") if v not in os.environ]
    if missing:
        sys.exit(
            f"exchange: {' and '.join(missing)} not set: a JupyterHub starts this, as one of c.JupyterHub.services."
        )
    os.umask(0o077)
    try:
        asyncio.run(serve(chosen.root, chosen.course))
    except CourseError as error:
        sys.exit(f"exchange: {error}")


if __name__ == "__main__":
    main()
