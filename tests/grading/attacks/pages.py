"""What people look at after grading: the feedback page, the TA's page, the exported grades.

>>> active_parts("<p onclick='mark-x'>hello</p><script>mark-x</script>", "mark-x")
['<p onclick>', '<script>']
"""

import contextlib
import csv
import re
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from bleach._vendor import html5lib  # parses a page as browsers do

from attacks.course import Class

__all__ = ["active_parts", "formulas", "served", "ta_pages"]

ACTIVE = {"script", "style", "iframe", "frame", "object", "embed", "meta", "link", "base", "form", "applet"}
VERBATIM = {"pre", "code", "script", "style", "textarea"}
FORMGRADER = "nbgrader.server_extensions.formgrader"


def active_parts(page: str, marker: str) -> list[str]:
    """The parts of an HTML page that carry the marker and would run, restyle or lead away."""
    if not page:
        return []
    found: list[str] = []
    # MathJax makes links of formulas, where a page loads it; not of what is in code.
    formulas = re.search(r"<script[^>]*mathjax", page, re.IGNORECASE) is not None
    _walk(html5lib.parse(page, treebuilder="etree", namespaceHTMLElements=False), marker, not formulas, found)
    return sorted(set(found)) + ["ESC"] * ("\x1b" in page)


def _walk(element: Any, marker: str, verbatim: bool, found: list[str]) -> None:
    if not isinstance(element.tag, str):  # a comment
        return
    tag = element.tag.rsplit("}", 1)[-1].lower()
    if tag in ACTIVE and marker in "".join(element.itertext()) + " ".join(element.attrib.values()):
        found.append(f"<{tag}>")
    for name, value in element.attrib.items():
        reason = _bad_attribute(str(name).lower(), value) if marker in value else ""
        found += [f"<{tag} {reason}>"] if reason else []
    verbatim = verbatim or tag in VERBATIM
    texts = [element.text or "", *(child.tail or "" for child in element)]
    if not verbatim and any("href" in text and "javascript:" in text and marker in text for text in texts):
        found.append(r"\href{javascript:}")
    for child in element:
        _walk(child, marker, verbatim, found)


def _bad_attribute(name: str, value: str) -> str:
    plain = re.sub(r"[\x00-\x20]", "", value).lower()
    if name.startswith("on"):
        return name
    if re.search(r"(javascript|vbscript):|data:text/html", plain):
        return f"{name}=javascript:"
    return "style" if name == "style" and re.search(r"position:|url\(|expression", plain) else ""


def formulas(exported: Path, student: str) -> list[str]:
    """The cells of a student's rows that a spreadsheet would take for formulas."""
    if not exported.is_file():
        return []
    rows = [
        row for row in csv.reader(exported.open(errors="replace")) if any(student in cell for cell in row)
    ]
    return [f"{cell!r} in the exported grades" for row in rows for cell in row if cell[:1] in tuple("=+-@\t")]


def ta_pages(klass: Class, lesson: str) -> dict[str, str]:
    """The page on which a TA grades, for each student, from a formgrader that is started in the class."""
    with klass.gradebook() as gradebook:
        numbers = {s.student.id: s.notebooks[0].id for s in gradebook.assignment_submissions(lesson)}
    with served(klass.course, klass.environment(), klass.folder / "server.txt") as get:
        return {student: get(f"submissions/{number}/") for student, number in numbers.items()}


@contextlib.contextmanager
def served(course: Path, environment: dict[str, str], log: Path) -> Iterator[Callable[[str], str]]:
    """A function that gets a page of formgrader, which is started in that folder and ends with the block."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    options = [
        f"--port={port}",
        "--no-browser",
        "--allow-root",
        "--IdentityProvider.token=t",
        f"--ServerApp.root_dir={course}",
    ]
    options.append(f"--ServerApp.jpserver_extensions={{'{FORMGRADER}': True}}")
    with log.open("w") as said:
        server = subprocess.Popen(
            [sys.executable, "-m", "jupyter_server", *options],
            cwd=course, env=environment, stdout=said, stderr=said,
        )  # fmt: skip
        try:
            base = f"http://127.0.0.1:{port}/formgrader"
            _get(f"{base}/gradebook?token=t", seconds=30)
            yield lambda page: _get(f"{base}/{page}?token=t", seconds=0)
        finally:
            server.kill()
            server.wait()


def _get(url: str, seconds: float = 0) -> str:
    """The page; tried for `seconds` until the server answers."""
    end = time.monotonic() + seconds
    while True:
        try:
            with urllib.request.urlopen(url, timeout=300) as answer:
                return answer.read().decode(errors="replace")
        except urllib.error.HTTPError as error:
            return error.read().decode(errors="replace")
        except OSError:
            if time.monotonic() > end:
                raise
            time.sleep(0.2)
