"""Processes that examine submissions: a few on this machine, or those of any Dask cluster.

>>> with Cluster(jobs=2) as cluster:                                                 # doctest: +SKIP
...     future = cluster.submit([pack(job, Limits())])
...     cluster.finished([future])
...     cluster.records(future)

On this machine they are reached through encrypted connections whose key only this process and they have: whoever
can speak to a Dask scheduler can run anything as its owner, and on a hub others use the same machine. For a cluster
elsewhere that is its owner's to see to (`docs/security.md`).

Each has at most one submission at a time, so what was there when a process died is known. One that dies is replaced,
and its submission goes to another; after the third death it is `WorkerDied`. After a scheduler was started again,
submissions are `Forgotten`, and can be sent once more.
"""

import contextlib
import gc
import os
import socket
import tempfile
import time
from asyncio import CancelledError
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import CancelledError as ConcurrentCancelledError
from typing import Any

import psutil

from course_utils.errors import ClusterError
from course_utils.grading.parcel import Parcel, examine_parcel, open_record
from course_utils.grading.record import Record
from course_utils.grading.sandbox import Limits
from course_utils.grading.staging import own_prefix
from course_utils.grading.warm import is_there, warm_parent

__all__ = ["Cluster", "Forgotten", "WorkerDied", "examine_all", "fitting_jobs"]

POLL_S = 0.02
PATIENCE_S = 300
DEATHS = 3
SETTINGS = {
    "distributed.scheduler.allowed-failures": DEATHS - 1,
    "distributed.scheduler.worker-saturation": 1.0,  # nothing waits in a process that may die of something else
    "distributed.deploy.lost-worker-timeout": "1 day",  # its nanny replaces it; else a second death could end both
    # Without a dashboard there is a web server all the same; what the workers do is nobody else's business.
    "distributed.scheduler.http.routes": [],
    "distributed.worker.http.routes": [],
    "distributed.admin.log-format": "%(message)s",
    "distributed.logging.distributed": "critical",
    # What nobody looks at, what a long run would fill its memory with, and what costs a twentieth of a core a process.
    "distributed.worker.profile.enabled": False,
    "distributed.admin.system-monitor.log-length": 60,
    "distributed.admin.system-monitor.interval": "10s",
    "distributed.admin.tick.interval": "1s",
    "distributed.scheduler.work-stealing": False,
    "distributed.scheduler.active-memory-manager.start": False,
}


class WorkerDied(Exception):
    """Every process that examined a submission died."""


class Forgotten(Exception):
    """The scheduler no longer knows of a submission that was sent."""


def fitting_jobs(memory_mb: int = Limits().memory_mb) -> int:
    """How many submissions can be examined here at once: one a core, each with the memory that it may use."""
    cores = len(os.sched_getaffinity(0))
    fit = psutil.virtual_memory().available // (memory_mb << 20)
    return max(1, min(cores, fit))


class Cluster:
    """`jobs` processes on this machine, or those that have joined the scheduler at an address such as tcp://host:8786.

    Those of this machine start when the first is needed, with a warm parent if `warm` and there is none. `say` is told
    what a person should know while it waits. Raises `ClusterError` if nobody answers.
    """

    def __init__(
        self, jobs: int, scheduler: str = "", *, warm: bool = False, say: Callable[[str], None] = print
    ) -> None:
        self.jobs, self.address, self.warm, self.say = jobs, scheduler, warm, say
        self.stack = contextlib.ExitStack()
        self.client: Any = None
        self.width = self.jobs
        """How many submissions can be examined at once."""
        self.counted = 0.0

    def __enter__(self) -> "Cluster":
        if self.address:
            self._connect()
        return self

    def __exit__(self, *error: object) -> None:
        if self.client is not None:
            with contextlib.suppress(Exception):
                self.client.close(timeout=2)
        self.stack.close()

    def submit(self, parcels: Sequence[Parcel]) -> Any:
        """A future of the records of these notebooks of one submission."""
        return self.send(examine_all, list(parcels))

    def send(self, work: Callable[..., list[str]], *arguments: Any) -> Any:
        """A future of what `work` says there."""
        if self.client is None:
            self._start()
        return self.client.submit(work, *arguments, pure=False)

    def finished(self, futures: Iterable[Any]) -> list[Any]:
        """Those that are done, as soon as one is. Raises `ClusterError` if there has been no worker for minutes."""
        futures = list(futures)
        while not (done := [future for future in futures if future.status != "pending"]):
            self._count()
            time.sleep(POLL_S)
        return done

    def records(self, future: Any) -> list[Record]:
        """What came of a finished future. Raises `WorkerDied`, `Forgotten` or what was raised while examining."""
        from distributed.scheduler import KilledWorker

        try:
            if future.status in ("cancelled", "lost"):
                raise CancelledError
            return [open_record(text) for text in future.result(timeout=60)]
        except KilledWorker:
            raise WorkerDied(f"the process that examined it died, {DEATHS} times (out of memory?)") from None
        except (CancelledError, ConcurrentCancelledError, TimeoutError):
            self._connect_again()
            raise Forgotten from None

    # -- how it is reached --

    def _start(self) -> None:
        import dask
        from distributed import Client, LocalCluster
        from distributed.security import Security

        if self.warm and not is_there():
            self.stack.enter_context(warm_parent())
        scratch = self.stack.enter_context(tempfile.TemporaryDirectory(prefix=own_prefix()))
        self.stack.enter_context(dask.config.set(SETTINGS | {"temporary-directory": scratch}))
        security = Security.temporary()
        # The memory of what is examined is limited by its sandbox.
        cluster = LocalCluster(
            n_workers=self.jobs, threads_per_worker=1, memory_limit=0, dashboard_address="127.0.0.1:0",
            scheduler_kwargs={"dashboard": False}, security=security, silence_logs="CRITICAL",
        )  # fmt: skip
        self.stack.enter_context(cluster)
        self.client = Client(cluster, security=security)

    def _connect(self) -> None:
        from distributed import Client
        from distributed.comm.addressing import get_address_host_port

        try:
            # A Client that could not connect may stop this process when it is collected, so none is made in vain.
            with socket.create_connection(get_address_host_port(self.address), timeout=10):
                pass
            self.client = Client(self.address, timeout=30, name="course autograde")
        except (OSError, TimeoutError, ValueError) as error:
            said = str(error)
            error.__traceback__ = None
            gc.collect()  # and if one was, it goes here, where nothing is locked
            raise ClusterError(
                f"There is no Dask scheduler at {self.address} ({said}). Start one with `dask scheduler`, and workers "
                "with `dask worker ADDRESS --nworkers 1 --nthreads CORES`, where this course is installed too."
            ) from None
        self.client.register_plugin(_warm_plugin(), name="course-warm")
        self._count(now=True)

    def _count(self, now: bool = False) -> None:
        """Workers may come and go. Waits while there is none."""
        if not now and time.monotonic() - self.counted < 2:
            return
        deadline, told = time.monotonic() + PATIENCE_S, False
        while not (width := sum(self._threads())):
            if time.monotonic() > deadline:
                nobody = "No process that examines has started"
                if self.address:
                    nobody = f"No worker has joined the scheduler at {self.address}"
                raise ClusterError(
                    f"{nobody} for {PATIENCE_S // 60} minutes. What was graded is kept; "
                    f"{'start workers and ' if self.address else ''}run this again."
                )
            if self.address and not told:
                self.say(f"Waiting for a worker to join {self.address}")
            told = True
            time.sleep(1)
        self.width, self.counted = width, time.monotonic()

    def _threads(self) -> list[int]:
        with contextlib.suppress(
            OSError, TimeoutError, RuntimeError, CancelledError, ConcurrentCancelledError
        ):
            if self.client.status == "running":
                return list(self.client.nthreads().values())
        return []

    def _connect_again(self) -> None:
        """Nothing: the scheduler answers. It waits for one that is started again."""
        if not self.address or (self.client.status == "running" and self._threads()):
            return
        self.say(
            f"The scheduler at {self.address} has gone; waiting for it ({PATIENCE_S // 60} minutes at most)"
        )
        deadline = time.monotonic() + PATIENCE_S
        while True:
            with contextlib.suppress(Exception):
                self.client.close(timeout=1)
            try:
                return self._connect()
            except ClusterError:
                if time.monotonic() > deadline:
                    raise
                time.sleep(1)


def examine_all(parcels: Sequence[Parcel]) -> list[str]:
    """The records, as JSON."""
    return [examine_parcel(parcel) for parcel in parcels]


def _warm_plugin() -> Any:
    """For workers elsewhere: each has a warm parent as long as it lives. Here, they share one."""
    from distributed.diagnostics.plugin import WorkerPlugin

    class Warm(WorkerPlugin):
        def setup(self, worker: Any) -> None:
            self.stack = contextlib.ExitStack()
            self.stack.enter_context(warm_parent())

        def teardown(self, worker: Any) -> None:
            self.stack.close()

    return Warm()
