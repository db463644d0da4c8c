"""One's own progress and feedback as pages, for a browser that is signed in to the Hub."""

from html import escape
from typing import Any
from urllib.parse import quote

from jupyterhub.services.auth import HubOAuthenticated, UserNotAllowed
from tornado import web
from tornado.ioloop import IOLoop

from course_utils.exchange.frame import Refused
from course_utils.exchange.store import Receipt

__all__ = ["FeedbackPage", "MyWork", "table"]

STYLE = """
:root { color-scheme: light dark; --ink: #1b1f24; --quiet: #57606a; --line: #d0d7de; --paper: #fff; --good: #00664b;
  --link: #005a94 }
@media screen and (prefers-color-scheme: dark) {
  :root { --ink: #e6edf3; --quiet: #9aa4af; --line: #3a424c; --paper: #0d1117; --good: #3fc79a; --link: #7cc4f5 }
}
body { font: 16px/1.5 system-ui, sans-serif; margin: 0; background: var(--paper); color: var(--ink) }
main { max-width: 60rem; margin: 0 auto; padding: 1.5rem 1rem; overflow-wrap: anywhere }
table { border-collapse: collapse; width: 100% }
th, td { text-align: left; vertical-align: top; padding: .4rem .8rem .4rem 0; border-bottom: 1px solid var(--line) }
thead th, .none { color: var(--quiet); font-weight: 500 }
.ready { color: var(--good); font-weight: 700 }
a { color: var(--link) }
code { font-size: 90% }
@media (min-width: 50rem) { thead th, td:not(:last-child) { white-space: nowrap } }
"""
POLICY = "default-src 'none'; style-src 'unsafe-inline'; frame-ancestors 'self'"
SHUT_IN = f"{POLICY}; img-src data:; base-uri 'none'; form-action 'none'; sandbox"
"""Of a feedback page: it shows what somebody wrote, at an address of the Hub's."""
PAGE = """<!doctype html><html lang="en"><head><meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1"><title>My work in {course}</title>
<style>{style}</style></head>
<body><main><h1>My work in {course}</h1><p>{student}</p>
{table}
<p>Times are when the last byte came, by the exchange's clock. Handing in the same files again changes nothing. The
newest submission is the one that is graded. Points and feedback are here once your instructor has released them; the
same pages can be fetched in JupyterLab: <em>Nbgrader → Assignment List</em>.</p>
</main></body></html>"""


class Signed(HubOAuthenticated, web.RequestHandler):
    """A page of whoever is signed in. Who is not is sent to the Hub."""

    async def prepare(self) -> None:
        """Asks the Hub who this is, without making others wait."""
        self.hub_auth = self.application.hub  # type: ignore[attr-defined]
        model = await self.hub_auth.get_user(self, sync=False)
        try:
            self._hub_auth_user_cache = model and self.check_hub_user(model)
        except UserNotAllowed:
            raise web.HTTPError(403, reason="Not a member of this course") from None

    @property
    def store(self) -> Any:
        """Where everything is."""
        return self.application.store  # type: ignore[attr-defined]


class MyWork(Signed):
    """What is released, what one has handed in, and what came of it."""

    @web.authenticated
    async def get(self) -> None:
        """The page of whoever asks."""
        name, store = self.current_user["name"], self.store
        assignments = await IOLoop.current().run_in_executor(None, store.released)
        receipts = await IOLoop.current().run_in_executor(None, store.submissions, name)
        self.set_header("Content-Security-Policy", POLICY)
        rows = table(sorted(assignments), receipts)
        self.finish(PAGE.format(style=STYLE, course=escape(store.course), student=escape(name), table=rows))


class FeedbackPage(Signed):
    """One's own feedback on one notebook, as the course made it."""

    @web.authenticated
    async def get(self, assignment: str, time: str, notebook: str) -> None:
        """The page, which may do nothing but be read."""
        name, loop = self.current_user["name"], IOLoop.current()
        try:
            pages = await loop.run_in_executor(None, self.store.feedback, name, assignment, time)
        except Refused:
            pages = {}
        if notebook not in pages:
            raise web.HTTPError(404, reason="There is no such feedback of yours")
        self.set_header("Content-Security-Policy", SHUT_IN)
        self.set_header("X-Content-Type-Options", "nosniff")
        self.set_header("Cache-Control", "no-store")
        self.finish(await loop.run_in_executor(None, pages[notebook].read_bytes))


def table(assignments: list[str], receipts: list[Receipt]) -> str:
    """HTML: a row for each released assignment, with what was handed in last, and what it got.

    >>> "not handed in" in table(["02-x"], [])
    True
    """
    last = {receipt.assignment: receipt for receipt in receipts}
    answered = {receipt.assignment: receipt for receipt in receipts if receipt.feedback}
    count = {name: sum(receipt.assignment == name for receipt in receipts) for name in last}
    columns = ("lesson", "handed in", "times", "receipt", "points", "feedback")
    head = "".join(f'<th scope="col">{column}</th>' for column in columns)
    rows = []
    for name in assignments:
        if receipt := last.get(name):
            points, feedback = _answer(receipt, answered.get(name))
            digest = f"<code>{receipt.digest[:12]}</code>"
            cells = [receipt.time[:19] + " UTC", str(count[name]), digest, points, feedback]
        else:
            cells = ['<span class="none">not handed in</span>', "", "", "", ""]
        row = "".join(f"<td>{cell}</td>" for cell in cells)
        rows.append(f'<tr><th scope="row">{escape(name)}</th>{row}</tr>')
    return f"<table><thead><tr>{head}</tr></thead><tbody>{''.join(rows)}</tbody></table>"


def _answer(last: Receipt, answered: Receipt | None) -> tuple[str, str]:
    """HTML of points and feedback; of an earlier submission if what came last has none yet, and then it says so."""
    if answered is None:
        return "", "not yet"
    points = "<br>".join(escape(said) for said in answered.points.values())
    links = ", ".join(_link(answered, notebook) for notebook in answered.feedback)
    if answered is not last:
        return points, f"not yet; for {answered.time[:19]} UTC: {links}"
    return points, f'<span class="ready">ready</span>: {links}'


def _link(receipt: Receipt, notebook: str) -> str:
    parts = "/".join(quote(part, safe="") for part in (receipt.assignment, receipt.time, notebook))
    text = "read it" if notebook == receipt.assignment else escape(notebook)
    return f'<a href="page/{parts}" aria-label="{text}: feedback on {escape(notebook)}">{text}</a>'
