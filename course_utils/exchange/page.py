"""One's own receipts and feedback as a page, for a browser that is signed in to the Hub."""

from html import escape
from typing import Any

from jupyterhub.services.auth import HubOAuthenticated, UserNotAllowed
from tornado import web
from tornado.ioloop import IOLoop

from course_utils.exchange.store import Receipt

__all__ = ["MyWork", "table"]

STYLE = """
:root { color-scheme: light dark; --ink: #1b1f24; --quiet: #57606a; --line: #d0d7de; --paper: #fff; --good: #00664b }
@media screen and (prefers-color-scheme: dark) {
  :root { --ink: #e6edf3; --quiet: #9aa4af; --line: #3a424c; --paper: #0d1117; --good: #3fc79a }
}
body { font: 16px/1.5 system-ui, sans-serif; margin: 0; background: var(--paper); color: var(--ink) }
main { max-width: 60rem; margin: 0 auto; padding: 1.5rem 1rem; overflow-wrap: anywhere }
table { border-collapse: collapse; width: 100% }
th, td { text-align: left; vertical-align: top; padding: .4rem .8rem .4rem 0; border-bottom: 1px solid var(--line) }
thead th, .none { color: var(--quiet); font-weight: 500 }
.ready { color: var(--good); font-weight: 700 }
code { font-size: 90% }
"""
POLICY = "default-src 'none'; style-src 'unsafe-inline'; frame-ancestors 'self'"
PAGE = """<!doctype html><html lang="en"><head><meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1"><title>My work in {course}</title>
<style>{style}</style></head>
<body><main><h1>My work in {course}</h1><p>{student}</p>
{table}
<p>Times are when the last byte came, by the exchange's clock. Handing in the same files again changes nothing. The
newest submission is the one that is graded. Fetch feedback in JupyterLab: <em>Nbgrader → Assignment List</em>.</p>
</main></body></html>"""


class MyWork(HubOAuthenticated, web.RequestHandler):
    """The page. Who is not signed in is sent to the Hub."""

    async def prepare(self) -> None:
        """Asks the Hub who this is, without making others wait."""
        self.hub_auth = self.application.hub  # type: ignore[attr-defined]
        model = await self.hub_auth.get_user(self, sync=False)
        try:
            self._hub_auth_user_cache = model and self.check_hub_user(model)
        except UserNotAllowed:
            raise web.HTTPError(403, reason="Not a member of this course") from None

    @web.authenticated
    async def get(self) -> None:
        """The page of whoever asks."""
        name, app = self.current_user["name"], self.application
        store: Any = app.store  # type: ignore[attr-defined]
        assignments = await IOLoop.current().run_in_executor(None, store.released)
        receipts = await IOLoop.current().run_in_executor(None, store.submissions, name)
        self.set_header("Content-Security-Policy", POLICY)
        rows = table(sorted(assignments), receipts)
        self.finish(PAGE.format(style=STYLE, course=escape(store.course), student=escape(name), table=rows))


def table(assignments: list[str], receipts: list[Receipt]) -> str:
    """HTML: a row for each released assignment, with what was handed in last.

    >>> "not handed in" in table(["02-x"], [])
    True
    """
    last = {receipt.assignment: receipt for receipt in receipts}
    count = {name: sum(receipt.assignment == name for receipt in receipts) for name in last}
    columns = ("lesson", "handed in", "times", "receipt", "feedback")
    head = "".join(f'<th scope="col">{column}</th>' for column in columns)
    rows = []
    for name in assignments:
        if receipt := last.get(name):
            feedback = '<span class="ready">ready</span>' if receipt.feedback else "not yet"
            cells = [
                receipt.time[:19] + " UTC",
                str(count[name]),
                f"<code>{receipt.digest[:12]}</code>",
                feedback,
            ]
        else:
            cells = ['<span class="none">not handed in</span>', "", "", ""]
        row = "".join(f"<td>{cell}</td>" for cell in cells)
        rows.append(f'<tr><th scope="row">{escape(name)}</th>{row}</tr>')
    return f"<table><thead><tr>{head}</tr></thead><tbody>{''.join(rows)}</tbody></table>"
