"""What this course adds to nbgrader's formgrader: an *Autograde* button that nobody waits for, and the pages of
`written_pages`.

>>> install()     # in a process that serves formgrader, doctest: +SKIP

nbgrader's own handler grades in the server, which answers nobody until it is done. Here it is done in a process of its
own. Submissions are graded one after the other, in the order in which the button was pressed.
"""

import asyncio
import json
import multiprocessing
import sys
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from importlib import import_module
from typing import Any

__all__ = ["grade_apart", "install"]

FORMGRADER = "nbgrader.server_extensions.formgrader"
HANDLERS = f"{FORMGRADER}.apihandlers"
DIED = "The process that graded it died (out of memory?). Try again; if it dies again, grade on a larger machine.\n"
_workers: list[ProcessPoolExecutor] = []  # one or none


def install() -> None:
    """Nothing: formgrader, if this process serves it, grades apart from now on, and has our pages once it starts.

    To be called before the server extension is loaded, or by the settings that it reads then; once or many times.
    """
    handlers = sys.modules.get(HANDLERS)
    if handlers is None:
        return
    from nbgrader.server_extensions.formgrader.base import check_notebook_dir, check_xsrf
    from tornado import web

    async def post(self: Any, assignment_id: str, student_id: str) -> None:
        self.write(json.dumps(await grade_apart(self.api.config, assignment_id, student_id)))

    handlers.AutogradeHandler.post = web.authenticated(check_xsrf(check_notebook_dir(post)))
    _add_pages_at_start()


def _add_pages_at_start() -> None:
    """Nothing: formgrader's extension adds our pages before its own handlers, the last of which takes every address."""
    extension = import_module(f"{FORMGRADER}.formgrader").FormgradeExtension
    theirs = extension.init_handlers
    if theirs.__module__ == __name__:
        return

    def init_handlers(self: Any, webapp: Any) -> None:
        from course_utils.grading.written_pages import add_pages

        add_pages(webapp, import_module(f"{FORMGRADER}.handlers").template_path)
        theirs(self, webapp)

    extension.init_handlers = init_handlers


async def grade_apart(config: Any, assignment: str, student: str) -> dict[str, Any]:
    """What nbgrader says of autograding the submission: `success`, and `log` and `error`."""
    if not _workers:
        # "spawn": a forked child would inherit the server's sockets and loop.
        _workers.append(ProcessPoolExecutor(1, mp_context=multiprocessing.get_context("spawn")))
    workers = _workers[0]
    try:
        return await asyncio.wrap_future(workers.submit(_grade, config, assignment, student))
    except BrokenProcessPool:
        if _workers == [workers]:
            _workers.clear()
        return {"success": False, "error": DIED, "log": ""}


def _grade(config: Any, assignment: str, student: str) -> dict[str, Any]:
    from nbgrader.apps.api import NbGraderAPI

    from course_utils.grading import autograde

    autograde.install()
    result: dict[str, Any] = NbGraderAPI(config=config).autograde(assignment, student)
    return result
