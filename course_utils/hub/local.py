"""A class on a JupyterHub of this machine, for trying out: `course hub`.

>>> run_hub(Path("."), [], Path("hub-class"), 8000, fresh=False, console=Console())     # doctest: +SKIP

The accounts are roles, not people, with one password for all: it is no way to run a real class (`deploy/hub/` is).
"""

import os
import secrets
import shutil
import signal
import subprocess
import sys
from pathlib import Path

from rich.console import Console

from course_utils.errors import ClassError
from course_utils.grading.demo_class import fresh_folder
from course_utils.grading.lesson import find_lessons, load_lesson

__all__ = ["ASSISTANTS", "INSTRUCTORS", "STUDENTS", "make_hub", "run_hub"]

INSTRUCTORS, ASSISTANTS = ("instructor",), ("ta1", "ta2")
STUDENTS = tuple(f"student{number:02}" for number in range(1, 13))
CONFIG = """# Made by `course hub`: a class for trying out, with sample accounts and one password for all.
from pathlib import Path

from course_utils.hub import Class, configure

c = get_config()
here = Path(__file__).resolve().parent
configure(c, Class(here.parent, instructors=frozenset({instructors}), assistants=frozenset({assistants}), port={port}))
c.JupyterHub.authenticator_class = "shared-password"
c.SharedPasswordAuthenticator.user_password = (here / "password").read_text().strip()
c.Authenticator.allowed_users = {everybody}
"""


def run_hub(root: Path, lessons: list[str], into: Path, port: int, fresh: bool, console: Console) -> int:
    """The Hub's exit status, when it has ended. Raises `ClassError` for what is missing."""
    folder = make_hub(root, lessons, into, port, fresh)
    password = (folder / "run" / "password").read_text().strip()
    console.print(
        f"A class for trying out at http://127.0.0.1:{port} (ready in about ten seconds; Ctrl+C ends it)\n"
        f"  sign in as {', '.join(INSTRUCTORS + ASSISTANTS)}, {STUDENTS[0]} … {STUDENTS[-1]}\n"
        f"  password   {password}\n"
        f"  formgrader http://127.0.0.1:{port}/services/agai302/ (instructor and teaching assistants)\n"
        f"  files      {folder}, log in run/hub.log",
        soft_wrap=True, highlight=False,
    )  # fmt: skip
    command = [
        str(Path(sys.prefix) / "bin" / "jupyterhub"),
        "-f",
        str(folder / "run" / "jupyterhub_config.py"),
    ]
    with (folder / "run" / "hub.log").open("a") as log:
        # In a session of its own, so that Ctrl+C comes here first and the Hub is told once.
        hub = subprocess.Popen(
            command, cwd=folder / "run", stdout=log, stderr=log, env=_environment(), start_new_session=True
        )
        signal.signal(signal.SIGTERM, signal.default_int_handler)
        try:
            return hub.wait()
        except KeyboardInterrupt:
            console.print("Ending the class …")
            hub.terminate()
            hub.wait()
            return 0


def make_hub(root: Path, lessons: list[str], into: Path, port: int, fresh: bool) -> Path:
    """The class's folder: `course/`, `homes/` and `run/`. Kept from run to run, unless it is to be made afresh."""
    _need_programs()
    folder = into.resolve()
    if folder.is_dir() and any(folder.iterdir()) and not (folder / "run" / "jupyterhub_config.py").is_file():
        raise ClassError(
            f"{into} holds files, and was not made by `course hub`. Name another folder with --into."
        )
    if fresh or not (folder / "course").is_dir():
        chosen = [load_lesson(root, source.name) for source in find_lessons(root, lessons)]
        course = fresh_folder(root, folder / "course", chosen)  # refuses a folder that is somebody's
        (course / ".exchange").chmod(0o700)
        for old in ("homes", "run"):
            shutil.rmtree(folder / old, ignore_errors=True)
    run = folder / "run"
    run.mkdir(mode=0o700, exist_ok=True)
    (folder / "homes").mkdir(mode=0o700, exist_ok=True)
    if not (run / "password").exists():
        (run / "password").touch(mode=0o600)
        (run / "password").write_text(secrets.token_urlsafe(9) + "\n")
    text = CONFIG.format(
        instructors=set(INSTRUCTORS), assistants=set(ASSISTANTS), port=port,
        everybody=set(INSTRUCTORS + ASSISTANTS + STUDENTS),
    )  # fmt: skip
    (run / "jupyterhub_config.py").write_text(text)
    return folder


def _need_programs() -> None:
    proxy = Path(sys.prefix) / "proxy" / "node_modules" / ".bin" / "configurable-http-proxy"
    scripts = Path(sys.prefix) / "bin"
    missing = [
        what
        for what, there in {
            "JupyterHub": (scripts / "jupyterhub").exists(),
            "its proxy": proxy.exists(),
            "Node.js": shutil.which("node"),
        }.items()
        if not there
    ]
    if missing:
        raise ClassError(
            f"A class on JupyterHub needs {', '.join(missing)}, not found here. Type `make hub`, which installs "
            "what it needs; Node.js (18 or newer) comes from the system (Debian: `apt-get install nodejs npm`)."
        )


def _environment() -> dict[str, str]:
    scripts = str(Path(sys.prefix) / "bin")
    return os.environ | {"PATH": os.pathsep.join([scripts, os.environ.get("PATH", "")])}
