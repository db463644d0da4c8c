"""A PostgreSQL server of the tests' own: in a folder, reached by a socket in it, gone with the block.

>>> with postgres(folder) as url:                                       # doctest: +SKIP
...     Gradebook(url("gradebook"), "agai302")
"""

import contextlib
import os
import shutil
import subprocess
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from sqlalchemy.engine import make_url

__all__ = ["postgres"]


@contextlib.contextmanager
def postgres() -> Iterator[Callable[..., str]]:
    """A function that makes a database of that name (`like`: a copy of the one at that address) and says its address.

    Skips the test if no server is installed.
    """
    programs = _programs()
    user = "nobody" if os.geteuid() == 0 else None  # the server refuses to run as root
    folder = Path(tempfile.mkdtemp(prefix="postgres-", dir="/tmp"))  # a socket's path may have 107 letters
    if user:
        shutil.chown(folder, user)

    def run(program: str, *words: str) -> None:
        command = [programs / program, *words]
        done = subprocess.run(command, user=user, cwd=folder, capture_output=True, text=True, timeout=120)
        assert done.returncode == 0, done.stdout + done.stderr

    data = folder / "data"
    try:
        run(
            "initdb",
            "-D",
            str(data),
            "-U",
            "course",
            "--auth=trust",
            "--no-sync",
            "-E",
            "UTF8",
            "--locale=C.UTF-8",
        )
        options = (
            f"-c listen_addresses='' -c unix_socket_directories={folder} -c fsync=off -c max_connections=200"
        )
        log = str(folder / "log")
        run("pg_ctl", "-D", str(data), "-w", "-l", log, "-o", options, "start")
        try:
            yield lambda name, like="": _made(run, folder, name, like)
        finally:
            run("pg_ctl", "-D", str(data), "-w", "-m", "immediate", "stop")
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _made(run: Callable[..., None], folder: Path, name: str, like: str) -> str:
    copy = ["--template", make_url(like).database or ""] if like else []
    run("createdb", "-h", str(folder), "-U", "course", *copy, name)
    return f"postgresql+psycopg://course@/{name}?host={folder}"


def _programs() -> Path:
    found = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"))
    beside = shutil.which("initdb")
    if not (found or beside):
        if os.environ.get("COURSE_CI"):
            pytest.fail("PostgreSQL is not installed, and these tests have to run here.")
        pytest.skip("PostgreSQL is not installed: apt-get install postgresql")
    return found[-1].parent if found else Path(str(beside)).parent
