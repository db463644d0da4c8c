"""What a program on a student's server can reach: its own home, and nothing else of the class."""

import os
import socket
import subprocess
import sys
from types import SimpleNamespace

import pytest

from course_utils.errors import ClassError

pytestmark = pytest.mark.hub
spawner = pytest.importorskip(
    "course_utils.hub.spawner", reason="needs requirements-hub.txt (`make test-hub`)"
)


@pytest.fixture
def inside(tmp_path):
    """`inside("sh", "-c", "ls")` as mia: the finished process."""
    (tmp_path / "course").mkdir()
    (tmp_path / "course" / "gradebook.db").write_text("grades")
    (tmp_path / "homes" / "tom").mkdir(parents=True)
    (tmp_path / "homes" / "tom" / "answer.py").write_text("42")
    made = spawner.WalledSpawner(user=SimpleNamespace(name="mia", id=7), homes=str(tmp_path / "homes"))
    made._make_home()

    def run(*command):
        return subprocess.run(
            [*made.walls(), *command], env={"HOME": "/home/mia"}, capture_output=True, text=True, timeout=60
        )

    run.folder = tmp_path
    return run


def python(inside, code):
    return inside(sys.executable, "-c", code)


def test_the_home_is_ones_own_and_stays(inside):
    done = inside("sh", "-c", "pwd; id -u; echo kept > note; ls -A /home")
    assert done.returncode == 0, done.stderr
    where, user, homes = done.stdout.split("\n")[:3]
    assert (where, homes) == ("/home/mia", "mia")
    assert user == str(spawner.FIRST_USER + 7 if os.geteuid() == 0 else os.geteuid())
    assert (inside.folder / "homes" / "mia" / "note").read_text() == "kept\n"


@pytest.mark.parametrize("path", ["course/gradebook.db", "homes/tom/answer.py", "homes", "course"])
def test_nothing_else_of_the_class_exists(inside, path):
    there = inside.folder / path
    assert there.exists()
    done = inside("cat", str(there))
    assert done.returncode != 0 and "No such file" in done.stderr


def test_no_other_process_is_seen(inside):
    done = python(inside, "import os; print(sorted(int(p) for p in os.listdir('/proc') if p.isdigit()))")
    assert done.stdout.strip() in ("[1, 2]", "[1, 2, 3]"), done


def test_no_rights_are_left_and_none_can_be_gained(inside):
    status = inside("cat", "/proc/self/status").stdout
    fields = dict(line.split(":\t") for line in status.splitlines() if ":\t" in line)
    assert fields["NoNewPrivs"] == "1"
    assert {fields[name] for name in ("CapInh", "CapPrm", "CapEff", "CapAmb")} == {"0000000000000000"}


def test_what_all_share_cannot_be_written(inside):
    from course_utils.models import cache_dir

    for place in ("/usr", sys.prefix, str(cache_dir()), "/", "/etc", "/home"):
        done = inside("touch", f"{place}/mark")
        assert done.returncode != 0, place


def test_nothing_of_the_hubs_environment_is_there(inside, monkeypatch):
    monkeypatch.setenv("COURSE_SECRET", "gradebook password")
    assert "COURSE_SECRET" not in inside("env").stdout


def test_the_server_can_be_reached_and_can_import_the_course(inside):
    with socket.create_server(("127.0.0.1", 0)) as listening:
        port = listening.getsockname()[1]
        code = (
            f"import socket, course_utils; socket.create_connection(('127.0.0.1', {port})); print('reached')"
        )
        done = python(inside, code)
    assert done.stdout == "reached\n", done.stderr


def test_a_process_that_takes_too_much_memory_is_stopped(inside):
    done = python(inside, "b = bytearray(7 << 30)")
    assert done.returncode != 0 and "MemoryError" in done.stderr


def test_a_home_that_was_somebody_elses_becomes_the_users(inside):
    if os.geteuid() != 0:
        pytest.skip("only root gives each server a user of its own")
    (inside.folder / "homes" / "mia" / "old").write_text("x")
    for path in (inside.folder / "homes" / "mia", inside.folder / "homes" / "mia" / "old"):
        os.chown(path, 12345, 12345)
    made = spawner.WalledSpawner(user=SimpleNamespace(name="mia", id=7), homes=str(inside.folder / "homes"))
    made._make_home()
    assert (inside.folder / "homes" / "mia" / "old").stat().st_uid == spawner.FIRST_USER + 7


@pytest.mark.parametrize("name", ["..", ".", "a/b", "-rf", "x" * 81, "a+b", ""])
def test_a_name_that_is_a_path_gets_no_home(tmp_path, name):
    made = spawner.WalledSpawner(user=SimpleNamespace(name=name, id=7), homes=str(tmp_path / "homes"))
    with pytest.raises(ClassError, match="cannot be the name"):
        made._make_home()
    assert not (tmp_path / "homes").exists()
