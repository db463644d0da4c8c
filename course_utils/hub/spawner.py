"""Students' servers on one machine, each shut in by bubblewrap: it sees its owner's home and nobody else's.

>>> c.JupyterHub.spawner_class = "course_utils.hub.spawner.WalledSpawner"     # doctest: +SKIP

Inside there are a read-only system, the Python packages and the models, a home that can be written to, a /tmp and a
process table of its own. The course folder, the gradebook, the exchange's store, other homes and other processes do
not exist. No accounts are needed on the machine. If the Hub runs as root, each server is a user of its own, a number
that is nobody's; otherwise all are the Hub's user, apart by namespaces only. The network is the machine's, since a
server has to be reached. Servers end with the Hub.
"""

import os
import signal
import sys
from pathlib import Path
from typing import Any

import psutil
from jupyterhub.spawner import LocalProcessSpawner
from traitlets import Integer, List, Unicode, default

from course_utils.errors import ClassError
from course_utils.exchange.store import NAME
from course_utils.grading.bubblewrap import how_to_shut_in, package_folders, system_folders

__all__ = ["FIRST_USER", "WalledSpawner"]

FIRST_USER = 1_800_000_000
"""A user of the Hub whose number there is n is this plus n on the machine."""
NETWORK = ("/etc/resolv.conf", "/etc/hosts", "/etc/nsswitch.conf", "/etc/ssl")


class WalledSpawner(LocalProcessSpawner):
    """JupyterHub's local spawner, with walls."""

    homes = Unicode(help="The folder of all homes; each is made when its owner first comes.").tag(config=True)
    shared = List(Unicode(), help="More folders that every server may read.").tag(config=True)
    memory_mb = Integer(6144, help="Memory of each process, in megabytes.").tag(config=True)
    processes = Integer(512, help="Processes and threads of one server (if the Hub is root).").tag(
        config=True
    )
    prefix = List(
        Unicode(), help="Put before each command, such as systemd-run with limits for a whole server."
    ).tag(config=True)

    @default("env_keep")
    def _env_keep(self) -> list[str]:
        return []  # nothing of the Hub's environment

    @default("interrupt_timeout")
    def _interrupt_timeout(self) -> int:
        return 10

    @property
    def home(self) -> Path:
        """The user's home outside."""
        return Path(self.homes) / self.user.name

    @property
    def inside(self) -> str:
        """The user's home inside."""
        return f"/home/{self.user.name}"

    def user_env(self, env: dict[str, str]) -> dict[str, str]:
        """What every program on the server finds in its environment."""
        return env | {
            "USER": self.user.name, "LOGNAME": self.user.name, "HOME": self.inside, "SHELL": "/bin/bash",
            "PATH": f"{sys.prefix}/bin:/usr/local/bin:/usr/bin:/bin", "LANG": "C.UTF-8",
            "JUPYTER_RUNTIME_DIR": "/tmp/jupyter",
        }  # fmt: skip

    def make_preexec_fn(self, name: str) -> Any:
        """Nothing to do before the walls stand: the user changes inside."""
        return None

    async def start(self) -> tuple[str, int]:
        """The server's address, once its process has been started."""
        self._make_home()
        server = Path(sys.prefix) / "bin" / "jupyterhub-singleuser"
        self.cmd = [*self.prefix, *self.walls(), str(server)]
        return await super().start()

    def walls(self) -> list[str]:
        """The start of the command line that shuts in what follows it."""
        start = list(how_to_shut_in())
        as_root = os.geteuid() == 0 and "--unshare-user" not in start
        words = [
            *start, "--unshare-ipc", "--unshare-pid", "--unshare-uts", "--unshare-cgroup-try", "--hostname", "course",
            "--die-with-parent", "--cap-drop", "ALL", "--perms", "0755", "--dir", "/etc",
        ]  # fmt: skip
        if as_root:
            words += ["--cap-add", "CAP_SETUID", "--cap-add", "CAP_SETGID"]
        for folder in [*system_folders(), *NETWORK]:
            if os.path.islink(folder) and not folder.startswith("/etc"):
                words += ["--symlink", os.readlink(folder), folder]
            elif os.path.exists(folder):
                words += ["--ro-bind", folder, folder]
        words += ["--proc", "/proc", "--dev", "/dev"]
        for place in ("/tmp", "/dev/shm"):
            words += ["--perms", "1777", "--size", str(1 << 30), "--tmpfs", place]
        for folder in [*package_folders(), *self.shared]:
            for parent in reversed(Path(folder).parents[:-1]):  # bubblewrap would make them for root alone
                words += ["--perms", "0755", "--dir", str(parent)]
            words += ["--ro-bind", folder, folder]
        words += ["--perms", "0755", "--dir", "/home", "--bind", str(self.home.resolve()), self.inside]
        words += ["--remount-ro", "/", "--chdir", "/", "--"]
        if as_root:
            user = str(self.number)
            words += ["setpriv", "--reuid", user, "--regid", user, "--clear-groups", "--inh-caps=-all", "--"]
            words += ["prlimit", f"--nproc={self.processes}", "--"]
        limits = ["prlimit", f"--data={self.memory_mb << 20}", "--core=0", "--"]
        return [*words, *limits, "env", f"--chdir={self.inside}"]  # bubblewrap itself may not enter a home

    @property
    def number(self) -> int:
        """The user's number on the machine, if the Hub is root."""
        return FIRST_USER + self.user.id

    def _make_home(self) -> None:
        if not NAME.fullmatch(self.user.name):  # `..` would be a home
            raise ClassError(
                f"{self.user.name[:80]!r} cannot be the name of a user here. Rename the account."
            )
        homes = Path(self.homes)
        homes.mkdir(mode=0o700, parents=True, exist_ok=True)
        homes.chmod(0o700)
        self.home.mkdir(mode=0o700, exist_ok=True)
        if os.geteuid() == 0 and self.home.stat().st_uid != self.number:
            for folder, names, files in os.walk(self.home):
                for place in (folder, *(os.path.join(folder, name) for name in [*names, *files])):
                    os.chown(place, self.number, self.number, follow_symlinks=False)

    def get_state(self) -> dict[str, Any]:
        """Nothing to come back to: servers end with the Hub, and its number may be somebody else's by then."""
        return {}

    async def _signal(self, sig: int) -> bool:
        """Asks the server inside to end; bubblewrap would end at once, and take it along unasked."""
        if sig in (signal.SIGINT, signal.SIGTERM):
            try:
                inner = psutil.Process(self.pid).children(recursive=True)[1:2]
                for process in inner:
                    process.send_signal(signal.SIGTERM)
                if inner:
                    return True
            except psutil.Error:
                pass
        return await super()._signal(sig)
