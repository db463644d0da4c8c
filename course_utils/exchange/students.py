"""A student's side of a served exchange: nbgrader's list, fetch and submit, asking the service instead of a folder.

>>> c.ExchangeFactory.submit = "course_utils.exchange.students.ServedSubmit"     # doctest: +SKIP

The service is at `$COURSE_EXCHANGE_URL`; `$JUPYTERHUB_API_TOKEN`, which the Hub gives to every server, tells who asks.
"""

import hashlib
import io
import os
import tempfile
import time
from pathlib import Path
from typing import Any
from urllib.parse import quote

import requests
from nbgrader.exchange.abc import Exchange
from nbgrader.exchange.default import (
    ExchangeFetchAssignment,
    ExchangeFetchFeedback,
    ExchangeList,
    ExchangeSubmit,
)
from traitlets import Float, Unicode, default

from course_utils.errors import ClassError
from course_utils.exchange.frame import CAPS, Caps, pack, unpack

__all__ = ["ServedFetchAssignment", "ServedFetchFeedback", "ServedList", "ServedSubmit", "Unanswered", "ask"]

UNLIMITED = Caps(files=10_000, file_bytes=1 << 40, total_bytes=1 << 40)  # the course's own files


class Unanswered(ClassError):
    """The exchange refused, or did not answer; the message says what to do."""


def ask(
    url: str, token: str, frame: bytes | None = None, student: str = "", retry_s: float = 60
) -> requests.Response:
    """The service's answer to a GET, or to a POST of a frame; asked again for `retry_s` seconds while there is none.

    Asking again is safe: the same files count once. Raises `Unanswered`.
    """
    headers = {"Authorization": f"token {token}"}
    if student not in ("", "*"):
        headers["X-Course-Student"] = student
    until, wait_s = time.monotonic() + retry_s, 0.5
    while True:
        try:
            method = "GET" if frame is None else "POST"
            reply = requests.request(method, url, data=frame, headers=headers, timeout=(10, 300))
            if reply.ok:
                return reply
            problem = _message(reply)
            if reply.status_code not in (500, 502, 503, 504):
                raise Unanswered(problem)
        except requests.RequestException as error:
            problem = f"The exchange at {url} does not answer ({type(error).__name__})."
        if time.monotonic() > until:
            raise Unanswered(f"{problem} Your files are as they were. Try again in a few minutes.")
        time.sleep(wait_s)
        wait_s = min(2 * wait_s, 5)


class Served(Exchange):
    """What all four share: one request to the service, repeated while nobody answers."""

    url = Unicode(help="Where the exchange service is.").tag(config=True)
    retry_s = Float(60, help="For how many seconds a request is repeated while nobody answers.").tag(
        config=True
    )

    @default("url")
    def _url(self) -> str:
        return os.environ.get("COURSE_EXCHANGE_URL", "")

    def ensure_root(self) -> None:
        """Nothing: there is no folder to look for, but a service."""
        if not self.url or "JUPYTERHUB_API_TOKEN" not in os.environ:
            self.fail(
                "This exchange is a service of a JupyterHub: expected COURSE_EXCHANGE_URL and JUPYTERHUB_API_TOKEN in "
                "the environment. Work in your server on the Hub, or ask your instructor."
            )

    def ask(self, path: str, frame: bytes | None = None) -> requests.Response:
        """The service's answer to a GET, or to a POST of a frame. Fails with the service's message."""
        student = self.coursedir.student_id
        token = os.environ["JUPYTERHUB_API_TOKEN"]
        try:
            return ask(self.url.rstrip("/") + path, token, frame, student, self.retry_s)
        except Unanswered as problem:
            self.fail(str(problem))
            raise

    def download(self, path: str, into: Path) -> Path:
        """The folder `into`, with the files that the service sent."""
        into.mkdir(parents=True)
        unpack(io.BytesIO(self.ask(path).content), into, UNLIMITED)
        return into

    def need_course(self) -> None:
        """Fails without a course."""
        if not self.coursedir.course_id:
            self.fail("No course id specified. Re-run with --course flag.")


class ServedFetchAssignment(Served, ExchangeFetchAssignment):
    """nbgrader's fetching."""

    def init_src(self) -> None:
        """Downloads the assignment."""
        self.need_course()
        self._aside = tempfile.TemporaryDirectory(prefix="fetch-")
        name = quote(self.coursedir.assignment_id, safe="")
        self.src_path = str(self.download(f"/assignments/{name}", Path(self._aside.name) / "files"))

    def copy_files(self) -> None:
        """Puts it where the student works."""
        with self._aside:
            super().copy_files()


class ServedSubmit(Served, ExchangeSubmit):
    """nbgrader's submitting; done when there is a receipt."""

    def init_dest(self) -> None:
        """Nothing to make: the service does."""
        self.need_course()

    def copy_files(self) -> None:
        """Sends the files, and says what the receipt says."""
        assignment = self.coursedir.assignment_id
        released = self.ask("/assignments").json()["assignments"]
        with tempfile.TemporaryDirectory(prefix="submit-") as aside:
            self.release_path = str(Path(aside, "released"))
            Path(self.release_path).mkdir()
            for name in released.get(assignment, []):
                Path(self.release_path, f"{name}.ipynb").touch()
            self.check_filename_diff()
            files = Path(aside, "files")
            self.do_copy(self.src_path, str(files))
            shown = [path for path in files.rglob("*") if not _is_hidden(path.relative_to(files))]
            size = sum(path.stat().st_size for path in shown if path.is_file())
            if size > CAPS.total_bytes:  # the service would hang up on it
                self.fail(
                    f"Not submitted: the files have {size:,} bytes, and at most {CAPS.total_bytes:,} are taken. "
                    "Clear large outputs, or remove files that are not part of your answer."
                )
            reply = self.ask(f"/assignments/{quote(assignment, safe='')}/submissions", pack(files, shown))
        receipt = reply.json()
        again = "" if reply.status_code == 201 else "These very files were handed in before. "
        self.log.info(
            "%sReceived: %s %s, %s, receipt %s",
            again, self.coursedir.course_id, assignment, receipt["time"], receipt["digest"][:12],
        )  # fmt: skip
        self.timestamp = receipt["time"]


class ServedFetchFeedback(Served, ExchangeFetchFeedback):
    """nbgrader's fetching of feedback."""

    def init_src(self) -> None:
        """Downloads what there is for this assignment."""
        self.need_course()
        self._aside = tempfile.TemporaryDirectory(prefix="feedback-")
        self.feedback_files, self.src_path = [], self.url
        assignment = self.coursedir.assignment_id
        for receipt in self.ask("/submissions").json()["submissions"]:
            if receipt["assignment"] == assignment and receipt["feedback"]:
                path = f"/feedback/{quote(assignment, safe='')}/{quote(receipt['time'], safe='')}"
                folder = self.download(path, Path(self._aside.name) / receipt["time"])
                for page in sorted(folder.glob("*.html")):
                    self.feedback_files.append((page.stem, receipt["time"], str(page)))
        if not self.feedback_files:
            self.log.warning("There is no feedback yet for %s", assignment)

    def copy_files(self) -> None:
        """Puts it into `feedback/` beside the student's work."""
        with self._aside:
            super().copy_files()


def _message(reply: requests.Response) -> str:
    try:
        return str(reply.json()["error"])
    except (ValueError, KeyError, TypeError):
        return f"the exchange answered {reply.status_code} {reply.reason}"


def _is_hidden(path: Path) -> bool:
    return any(part.startswith(".") for part in path.parts)


class ServedList(Served, ExchangeList):
    """nbgrader's list of what is released, and of what one has handed in."""

    def init_dest(self) -> None:
        """Asks the service."""
        self.assignments: list[str] = []
        self._own = self.cached or self.inbound
        path = "/submissions" if self._own else "/assignments"
        self._answer: Any = self.ask(path).json()

    def parse_assignments(self) -> list[dict[str, Any]]:
        """What nbgrader's pages show."""
        wanted = self.coursedir.assignment_id
        if not self._own:
            found = [self._released(name, books) for name, books in self._answer["assignments"].items()]
            return [info for info in found if wanted in ("", "*", info["assignment_id"])]
        groups: dict[str, list[dict[str, Any]]] = {}
        for receipt in self._answer["submissions"]:
            if wanted in ("", "*", receipt["assignment"]):
                groups.setdefault(receipt["assignment"], []).append(self._submitted(receipt))
        return [
            {
                "course_id": self.coursedir.course_id, "student_id": self._answer["student"], "assignment_id": name,
                "status": "submitted", "submissions": submissions,
            }
            for name, submissions in sorted(groups.items())
        ]  # fmt: skip

    def remove_files(self) -> None:
        """Refused: what was handed in stays."""
        self.fail("What was released or handed in cannot be removed from here.")

    def _place(self, assignment: str) -> Path:
        course = [self.coursedir.course_id] if self.path_includes_course else []
        return Path(self.assignment_dir, *course, assignment)

    def _released(self, assignment: str, notebooks: list[str]) -> dict[str, Any]:
        place = self._place(assignment)
        fetched = place.exists()
        names = sorted(path.stem for path in place.glob("*.ipynb")) if fetched else notebooks
        return {
            "course_id": self.coursedir.course_id, "assignment_id": assignment,
            "status": "fetched" if fetched else "released", "path": str(place.absolute()),
            "notebooks": [{"notebook_id": n, "path": str((place / f"{n}.ipynb").absolute())} for n in names],
        }  # fmt: skip

    def _submitted(self, receipt: dict[str, Any]) -> dict[str, Any]:
        assignment, folder = (
            receipt["assignment"],
            self._place(receipt["assignment"]) / "feedback" / receipt["time"],
        )
        books = [self._answered(name, folder, receipt["feedback"].get(name)) for name in receipt["notebooks"]]
        local = bool(books) and all(book["has_local_feedback"] for book in books)
        return {
            "course_id": self.coursedir.course_id, "student_id": receipt["student"], "assignment_id": assignment,
            "timestamp": receipt["time"], "status": "submitted", "path": str(self._place(assignment).absolute()),
            "notebooks": books, "has_local_feedback": local,
            "has_exchange_feedback": bool(books) and all(book["has_exchange_feedback"] for book in books),
            "feedback_updated": any(book["feedback_updated"] for book in books),
            "local_feedback_path": str(folder.absolute()) if local else None,
        }  # fmt: skip

    def _answered(self, notebook: str, folder: Path, served: str | None) -> dict[str, Any]:
        page = folder / f"{notebook}.html"
        local = hashlib.md5(page.read_bytes(), usedforsecurity=False).hexdigest() if page.is_file() else None
        return {
            "notebook_id": notebook, "path": str(self._place(folder.parts[-3]).absolute() / f"{notebook}.ipynb"),
            "has_local_feedback": local is not None, "has_exchange_feedback": served is not None,
            "local_feedback_path": str(page) if local else None,
            "feedback_updated": local is not None and served is not None and local != served,
        }  # fmt: skip
