"""What is looked for after a class was graded: loot, planted files, left processes, content that runs in a page.

>>> active_parts("<p onclick='alert(1)'>mark-x</p><script>/* mark-x */</script>", "mark-x")
['<script>']
"""

import ctypes
import hashlib
import json
import os
import re
import sysconfig
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import psutil
from bleach._vendor import html5lib  # parses a page as browsers do

__all__ = [
    "active_parts",
    "adopted_orphans",
    "changed",
    "marked_files",
    "outside",
    "outputs_of",
    "readable",
    "snapshot",
    "still_running",
]

MOST = 16 << 20  # bytes of a file that are read
ACTIVE = {"script", "style", "iframe", "frame", "object", "embed", "meta", "link", "base", "form", "applet"}
REPOSITORY = Path(__file__).resolve().parents[3]


# -- files --


def snapshot(folder: Path) -> dict[str, str]:
    """What is in each file, link and folder below `folder`, as a digest."""
    return {str(path.relative_to(folder)): _digest(path) for path in _below(folder)}


def changed(before: dict[str, str], after: dict[str, str]) -> list[str]:
    """The paths that were made, changed or removed."""
    return sorted(path for path in before.keys() | after.keys() if before.get(path) != after.get(path))


def readable(path: Path) -> str:
    """The text of a file, as far as it is looked at; "" if it is no regular file."""
    if path.is_symlink() or not path.is_file():
        return ""
    with path.open("rb") as file:
        return file.read(MOST).decode(errors="replace")


def marked_files(folder: Path, marker: str) -> list[str]:
    """The paths below `folder` that carry the marker, in their name or inside."""
    return [str(p) for p in _below(folder) if marker in p.name or marker in readable(p)]


def outside(marker: str) -> list[str]:
    """What carries the marker in its name where all processes of the machine may write."""
    libraries = {Path(sysconfig.get_path(name)) for name in ("purelib", "scripts", "data")}
    places = [Path("/dev/shm"), Path("/tmp"), Path("/var/tmp"), *libraries, REPOSITORY]
    places += [REPOSITORY / "course_utils", REPOSITORY / "course_utils" / "__pycache__"]
    return [str(path) for place in places for path in place.glob(f"*{marker}*")]


def _below(folder: Path) -> Iterator[Path]:
    for where, folders, files in os.walk(folder):
        yield from (Path(where) / name for name in folders + files)


def _digest(path: Path) -> str:
    if path.is_symlink():
        return f"-> {os.readlink(path)}"
    if not path.is_file():
        return "folder" if path.is_dir() else "special"
    if (size := path.stat().st_size) > MOST:
        return f"{size} bytes"
    return hashlib.sha256(path.read_bytes()).hexdigest()


def outputs_of(notebook: Path) -> str:
    """All that is in the outputs of a graded notebook's cells, the test cells aside."""
    try:
        cells = json.loads(readable(notebook) or "{}").get("cells", [])
        free = [c for c in cells if not c.get("metadata", {}).get("nbgrader", {}).get("grade")]
        return json.dumps([cell.get("outputs") for cell in free])
    except (ValueError, AttributeError):
        return readable(notebook)


# -- processes --


@contextmanager
def adopted_orphans() -> Iterator[None]:
    """Nothing: meanwhile, whatever is started below this process stays below it, detached or not."""
    set_subreaper = 36  # PR_SET_CHILD_SUBREAPER
    prctl = ctypes.CDLL(None).prctl
    prctl(set_subreaper, 1)
    try:
        yield
    finally:
        still_running(set(), wait=0)
        prctl(set_subreaper, 0)


def still_running(before: set[int], wait: float) -> list[str]:
    """The command lines of new processes below this one, `wait` seconds given to end; they are killed."""
    end = time.monotonic() + wait
    while (found := _children(before)) and time.monotonic() < end:
        time.sleep(0.1)
    said = [" ".join(_asked(process.cmdline))[:300] or _asked(process.name) or "?" for process in found]
    for _ in range(50):  # a fork bomb makes new ones meanwhile
        if not (found := _children(before)):
            break
        for process in found:
            _asked(process.kill)
        psutil.wait_procs(found, timeout=0.2)
    return said


def _children(before: set[int]) -> list[psutil.Process]:
    _reap(before)
    children = psutil.Process().children(recursive=True)
    return [p for p in children if p.pid not in before and _asked(p.status) not in (psutil.STATUS_ZOMBIE, "")]


def _reap(before: set[int]) -> None:
    """Nothing: adopted processes that have ended are gone. Own children are left to who started them."""
    for process in psutil.Process().children():
        if process.pid not in before and _asked(process.status) == psutil.STATUS_ZOMBIE:
            try:
                os.waitpid(process.pid, os.WNOHANG)
            except ChildProcessError:
                pass


def _asked(question: Any) -> Any:
    """The answer of a process, or "" if it has ended."""
    try:
        return question()
    except psutil.Error:
        return ""


# -- pages --


def active_parts(page: str, marker: str) -> list[str]:
    """The parts of an HTML page that carry the marker and would run, restyle or lead away."""
    tree = html5lib.parse(page, treebuilder="etree", namespaceHTMLElements=False)
    found: list[str] = []
    _walk(tree, marker, False, found)
    return found + ["ESC"] * ("\x1b" in page)


def _walk(element: Any, marker: str, verbatim: bool, found: list[str]) -> None:
    if not isinstance(element.tag, str):  # a comment
        return
    tag = element.tag.rsplit("}", 1)[-1].lower()
    inside = "".join(element.itertext()) + " ".join(element.attrib.values())
    if tag in ACTIVE and marker in inside:
        found.append(f"<{tag}>")
    for name, value in element.attrib.items():
        if marker in value and (reason := _bad_attribute(str(name).lower(), value)):
            found.append(f"<{tag} {reason}>")
    verbatim = verbatim or tag in ("pre", "code", "script", "style", "textarea")
    # What MathJax turns into a link: the text outside code.
    texts = [element.text or "", *(child.tail or "" for child in element)]
    if not verbatim and any(r"\href" in text and "javascript:" in text and marker in text for text in texts):
        found.append(r"\href{javascript:}")
    for child in element:
        _walk(child, marker, verbatim, found)


def _bad_attribute(name: str, value: str) -> str:
    plain = re.sub(r"[\x00-\x20]", "", value).lower()
    if name.startswith("on"):
        return name
    if re.search(r"(javascript|vbscript):|data:text/html", plain):
        return f"{name}=javascript:"
    if name == "style" and re.search(r"position:|url\(|expression", plain):
        return "style"
    return ""
