"""deploy/kubernetes/ on this machine: the start commands of scheduler, worker and client, with their certificates.

A worker here is what it is in its pod: an ordinary user's process without rights, which can write to /tmp and nowhere
else, in a network with a way to the scheduler only.
"""

import contextlib
import os
import shutil
import signal
import socket
import ssl
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import psutil
import pytest
from faults import CLASS, make_class, scores
from manifests import KUBERNETES, command, container, environment
from ordinary import as_ordinary_user
from postgres import postgres
from small import LESSON

from course_utils.bench.hosts import host, why_no_hosts
from course_utils.models import cache_dir

pytestmark = [pytest.mark.slow, pytest.mark.xdist_group("many")]
BIN = Path(sys.executable).parent
USER = 1000
RIGHTS_OF_A_POD = ["--no-new-privs", "--inh-caps=-all", "--bounding-set=-all"]


def certificates(folder: Path) -> Path:
    subprocess.run(
        [KUBERNETES / "make-certificates", str(folder)], check=True, capture_output=True, timeout=60
    )
    return folder


@pytest.fixture(scope="module")
def tls(tmp_path_factory: pytest.TempPathFactory) -> Path:
    if not shutil.which("openssl"):
        pytest.skip("openssl is not installed: apt-get install openssl")
    return certificates(tmp_path_factory.mktemp("tls") / "own")


@dataclass
class Pods:
    """A scheduler here, and a worker behind a wire that leads nowhere else."""

    tls: Path
    scratch: Path
    name: str = f"kube{os.getpid() % 100_000}"
    processes: list[subprocess.Popen[bytes]] = field(default_factory=list)
    stack: contextlib.ExitStack = field(default_factory=contextlib.ExitStack)

    def __enter__(self) -> "Pods":
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self.port = str(free.getsockname()[1])
        number = os.getpid() % 60
        self.here, self.there = f"10.213.{number}.1", f"10.213.{number}.2"
        self.address = f"tls://{self.here}:{self.port}"
        if why := why_no_hosts():
            pytest.skip(f"network namespaces cannot be made here: {why}")
        self.stack.enter_context(host(self.name, f"{self.there}/30"))
        for words in (f"addr add {self.here}/30 dev {self.name}", f"link set {self.name} up"):
            subprocess.run(["ip", *words.split()], check=True, capture_output=True)
        self.start("dask-scheduler", "scheduler", self.tls, self.scratch)
        self._wait()
        self.start("dask-worker", "worker", Path("/tmp/tls"), Path("/tmp"), self._pod())
        return self

    def _pod(self) -> list[str]:
        """What is around the worker: its network, files that it can only read, a /tmp, and the user of its pod."""
        (tmp := self.scratch / "tmp").mkdir()
        shutil.copytree(self.tls, tmp / "tls")
        for path in (tmp, *tmp.rglob("*")):
            os.chown(path, USER, USER)
        walls = [
            "--ro-bind",
            "/",
            "/",
            "--bind",
            "/proc",
            "/proc",
            "--bind",
            str(tmp),
            "/tmp",
            "--chdir",
            "/tmp",
        ]
        return ["ip", "netns", "exec", self.name, *as_ordinary_user(USER, RIGHTS_OF_A_POD, walls)]

    def __exit__(self, *error: object) -> None:
        for process in reversed(self.processes):
            for ending in (signal.SIGTERM, signal.SIGKILL):
                with contextlib.suppress(ProcessLookupError, subprocess.TimeoutExpired):
                    os.killpg(process.pid, ending)
                    process.wait(30)
        self.stack.close()

    def start(self, pod: str, name: str, tls: Path, tmp: Path, before: Sequence[str] = ()) -> None:
        """A container's own command; only port and folders are this test's."""
        words = command(container(pod, name), {"DASK_SCHEDULER_SERVICE_HOST": self.here})
        words = [
            word.replace("8786", self.port).replace("/tls/", f"{tls}/").replace("/tmp/dask", f"{tmp}/dask")
            for word in words
        ]
        assert words[0] == "dask"
        image = {
            "LANG": "C.UTF-8",
            "COURSE_CACHE": str(cache_dir()),
            "HF_HUB_OFFLINE": "1",
            "OMP_NUM_THREADS": "1",
        }
        log = (self.scratch / f"{name}.log").open("wb")
        self.processes.append(
            subprocess.Popen(
                [*before, str(BIN / "dask"), *words[1:]],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
                cwd=self.scratch,
                env={"PATH": f"{BIN}:{os.environ['PATH']}", "HOME": "/", **image},
            )
        )

    def _wait(self) -> None:
        deadline = time.monotonic() + 60
        while time.monotonic() < deadline:
            with contextlib.suppress(OSError), socket.create_connection((self.here, int(self.port)), 1):
                return
            time.sleep(0.1)
        raise TimeoutError((self.scratch / "scheduler.log").read_text())

    def log(self) -> str:
        """What both said."""
        return "\n".join(path.read_text() for path in sorted(self.scratch.glob("*.log")))


@pytest.fixture(scope="module")
def running(tls: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Pods]:
    with Pods(tls, tmp_path_factory.mktemp("scratch")) as pods:
        yield pods


def client(running: Pods, tls: Path) -> dict[str, str]:
    """The variables of the staff's container that say how to speak to the scheduler."""
    every = environment(container("course", "formgrader"), AnySecret())
    own = {
        name: value.replace("/tls/", f"{tls}/") for name, value in every.items() if name.startswith("DASK_")
    }
    assert every["COURSE_SCHEDULER"] == "tls://dask-scheduler.agai302-grading:8786"
    return os.environ | own | {"COURSE_SCHEDULER": running.address}


class AnySecret(dict[tuple[str, str], str]):
    def __missing__(self, key: Any) -> str:
        return "secret"


def test_a_class_is_graded_by_a_worker_that_can_reach_nothing_but_its_scheduler(
    running: Pods, tls: Path, tmp_path: Path
) -> None:
    course = make_class(tmp_path / "course")
    done = subprocess.run(
        [sys.executable, "-m", "course_utils.cli", "autograde", LESSON, "--root", str(course)],
        capture_output=True, text=True, timeout=400, env=client(running, tls), cwd=tmp_path,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr + running.log()
    assert {student: scores(course, student) for student in CLASS} == {
        student: expected for student, (_, expected) in CLASS.items()
    }
    assert f"{running.there}:8788" in running.log() and "Registered to" in running.log()


def test_from_where_the_worker_is_there_is_a_way_to_the_scheduler_only(running: Pods) -> None:
    def reaches(address: str, port: str) -> str:
        script = f"import socket; socket.create_connection(({address!r}, {port}), 3); print('reached')"
        inside = ["ip", "netns", "exec", running.name, sys.executable, "-c", script]
        done = subprocess.run(inside, capture_output=True, text=True, timeout=30)
        return done.stdout.strip() or done.stderr.strip().splitlines()[-1]

    assert reaches(running.here, running.port) == "reached"
    assert "unreachable" in reaches("192.0.2.1", "80")  # an address for documentation (RFC 5737)
    assert "unreachable" in reaches("169.254.169.254", "80")  # where clouds say who a machine is


def test_the_worker_has_the_rights_of_its_pod_and_no_others(running: Pods) -> None:
    until = time.monotonic() + 60
    while "Registered to" not in running.log() and time.monotonic() < until:
        time.sleep(0.1)
    pids = subprocess.run(
        ["ip", "netns", "pids", running.name], capture_output=True, text=True
    ).stdout.split()
    worker = [pid for pid in pids if Path(psutil.Process(int(pid)).exe()).name != "bwrap"]
    assert len(worker) >= 2, "dask's nanny, and the worker that it looks after"
    for pid in worker:
        lines = Path(f"/proc/{pid}/status").read_text().splitlines()
        status = {name: value.strip() for name, _, value in (line.partition(":") for line in lines)}
        assert set(status["Uid"].split()) == set(status["Gid"].split()) == {str(USER)}
        assert {int(status[name], 16) for name in ("CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb")} == {0}
        assert status["NoNewPrivs"] == "1" and status["Groups"] == ""


@pytest.mark.parametrize("kind", ["plain", "no certificate", "another authority"])
def test_who_has_no_certificate_of_this_cluster_is_not_answered(
    running: Pods, tls: Path, tmp_path: Path, kind: str
) -> None:
    def hello(context: ssl.SSLContext | None) -> bytes:
        with socket.create_connection((running.here, int(running.port)), 10) as plain:
            plain.settimeout(10)
            with context.wrap_socket(plain) if context else contextlib.nullcontext(plain) as talk:
                return talk.recv(16)

    trusting = ssl.create_default_context(cafile=str(tls / "ca.crt"))
    trusting.check_hostname = False
    if kind == "another authority":
        other = certificates(tmp_path / "other")
        trusting.load_cert_chain(other / "tls.crt", other / "tls.key")
    with pytest.raises((ssl.SSLError, ConnectionError, TimeoutError, AssertionError)):
        assert hello(None if kind == "plain" else trusting), "closed without a word"
    trusting.load_cert_chain(tls / "tls.crt", tls / "tls.key")
    assert hello(trusting), "whoever has one is answered"


# -- certificates and databases --


def test_certificates_are_for_the_owner_only_and_are_never_overwritten(tls: Path) -> None:
    assert sorted(path.name for path in tls.iterdir()) == ["ca.crt", "tls.crt", "tls.key"]
    assert all(path.stat().st_mode & 0o077 == 0 for path in tls.iterdir())
    before = (tls / "tls.key").read_bytes()
    again = subprocess.run([KUBERNETES / "make-certificates", str(tls)], capture_output=True, text=True)
    assert again.returncode == 2 and "exists already" in again.stderr
    assert (tls / "tls.key").read_bytes() == before


def test_each_owner_gets_a_database_and_reaches_no_other() -> None:
    with postgres() as database:
        host = database("any").split("host=")[1]
        asked = {"PGHOST": host, "PATH": os.environ["PATH"]}
        script = KUBERNETES / "database" / "create.sh"
        given = {"POSTGRES_USER": "course-owner", "HUB_PASSWORD": "it's", "COURSE_PASSWORD": "so"}
        for user, line in (  # the tests' server has a superuser called `course`, which the script makes
            ("course", 'CREATE ROLE "course-owner" SUPERUSER LOGIN'),
            ("course-owner", "ALTER ROLE course RENAME TO old"),
        ):
            words = ["psql", "-h", host, "-U", user, "-d", "postgres", "-c", line]
            subprocess.run(words, check=True, timeout=60, capture_output=True)
        done = subprocess.run([script], env=asked | given, capture_output=True, text=True, timeout=60)
        assert done.returncode == 0, done.stderr

        def may(user: str, name: str) -> bool:
            words = ["psql", "-h", host, "-U", user, "-d", name, "-c", "CREATE TABLE t (x int)"]
            return subprocess.run(words, capture_output=True, timeout=60).returncode == 0

        assert may("hub", "hub") and may("course", "gradebook")
        assert not may("hub", "gradebook") and not may("course", "hub") and not may("hub", "postgres")
