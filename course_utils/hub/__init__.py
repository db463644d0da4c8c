"""A class on a JupyterHub: who may do what, which services run, how a student's server is shut in.

>>> from course_utils.hub import Class, configure                       # doctest: +SKIP
>>> configure(c, Class(Path("/srv/agai302"), instructors={"ada"}))      # doctest: +SKIP

in a `jupyterhub_config.py`. Everybody whom the Hub's authenticator lets in is a student of the course, unless named as
an instructor or a teaching assistant. `deploy/hub/` is a whole configuration; `course hub` is a class for trying out.
"""

import os
import sys
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from course_utils.exchange.store import NAME

__all__ = ["CONF", "Class", "choose_role", "configure", "groups", "roles"]

CONF = Path(__file__).resolve().parent / "conf"
"""What Jupyter and nbgrader are told, a folder for each role."""
TEMPLATES = Path(__file__).resolve().parent / "templates"
"""Stand in for JupyterHub's templates of these names."""


@dataclass(frozen=True)
class Class:
    """One course on one machine. Below `folder` lie `course/` (a course folder), `homes/` and `run/`."""

    folder: Path
    course_id: str = "agai302"
    instructors: frozenset[str] = frozenset()
    assistants: frozenset[str] = frozenset()
    port: int = 8000
    """Of the page to sign in at; the four above it are the Hub's own."""
    address: str = "127.0.0.1"
    """Where to listen: `127.0.0.1` behind a web server that does TLS."""
    grader: str | None = None
    """The account that owns the course folder, and formgrader and the exchange run as; None: the Hub's own."""
    proxy: tuple[str, ...] = field(default=(f"{sys.prefix}/proxy/node_modules/.bin/configurable-http-proxy",))

    @property
    def staff(self) -> frozenset[str]:
        """Everybody who may open formgrader."""
        return self.instructors | self.assistants

    def role(self, name: str) -> str:
        """The folder of `CONF` for this user."""
        return (
            "instructor"
            if name in self.instructors
            else "assistant"
            if name in self.assistants
            else "student"
        )

    @property
    def exchange_url(self) -> str:
        """Where the exchange can be reached on this machine."""
        return f"http://127.0.0.1:{self.port + 3}/services/exchange"


def configure(c: Any, klass: Class) -> None:
    """Nothing: `c`, the object of a `jupyterhub_config.py`, describes the class. It chooses no authenticator."""
    _network(c, klass)
    _rights(c, klass)
    _services(c, klass)
    _servers(c, klass)


def _network(c: Any, klass: Class) -> None:
    run = klass.folder / "run"
    c.JupyterHub.bind_url = f"http://{klass.address}:{klass.port}"
    c.JupyterHub.hub_ip, c.JupyterHub.hub_port = "127.0.0.1", klass.port + 1
    c.ConfigurableHTTPProxy.command = list(klass.proxy)
    c.ConfigurableHTTPProxy.api_url = f"http://127.0.0.1:{klass.port + 2}"
    c.ConfigurableHTTPProxy.pid_file = str(run / "proxy.pid")
    c.JupyterHub.db_url = f"sqlite:///{run / 'jupyterhub.sqlite'}"
    c.JupyterHub.cookie_secret_file = str(run / "cookie_secret")
    c.JupyterHub.template_paths = [str(TEMPLATES)]


def _rights(c: Any, klass: Class) -> None:
    c.JupyterHub.load_groups = groups(klass)
    c.JupyterHub.load_roles = roles(klass)


def groups(klass: Class) -> dict[str, Any]:
    """The Hub's groups: the staff."""
    return {f"formgrade-{klass.course_id}": {"users": sorted(klass.staff)}}


def roles(klass: Class) -> list[dict[str, Any]]:
    """The Hub's roles: what students, the staff, and programs on a server may ask for."""
    staff = f"formgrade-{klass.course_id}"
    formgrader = [f"{right}:services!service={klass.course_id}" for right in ("access", "read")]
    return [
        {"name": "user", "scopes": ["self", "access:services!service=exchange"]},
        {"name": staff, "groups": [staff], "scopes": [*formgrader, "list:services"]},
        # What the programs on a server may do in its owner's name: no more than they need.
        {
            "name": "server",
            "scopes": [
                "users:activity!user", "access:servers!server", "read:users:groups!user", "read:users:name!user",
                "access:services!service=exchange", "list:services", *formgrader,
            ],
        },
    ]  # fmt: skip


def _services(c: Any, klass: Class) -> None:
    course, scripts = klass.folder / "course", Path(sys.prefix) / "bin"
    account = {"user": klass.grader} if klass.grader else {}
    as_root = ["--allow-root"] if os.geteuid() == 0 and not klass.grader else []
    own = {"PATH": f"{scripts}:/usr/bin:/bin", "COURSE_ID": klass.course_id} | _models()
    c.JupyterHub.services = [
        {
            "name": klass.course_id,
            "url": f"http://127.0.0.1:{klass.port + 4}",
            "command": [str(scripts / "jupyterhub-singleuser"), *as_root],
            "cwd": str(course),
            "oauth_no_confirm": True,
            "environment": own | {"JUPYTERHUB_DEFAULT_URL": "/formgrader", "JUPYTER_CONFIG_PATH": str(CONF / "grader")},
            **account,
        },
        {
            "name": "exchange",
            "url": f"http://127.0.0.1:{klass.port + 3}",
            "command": [
                str(scripts / "python"), "-m", "course_utils.exchange.service",
                "--root", str(course / ".exchange"), "--course", klass.course_id,
            ],
            "cwd": str(course),
            "oauth_no_confirm": True,
            "environment": own,
            **account,
        },
    ]  # fmt: skip


def _servers(c: Any, klass: Class) -> None:
    c.JupyterHub.spawner_class = "course_utils.hub.spawner.WalledSpawner"
    c.WalledSpawner.homes = str(klass.folder / "homes")
    c.Authenticator.username_pattern = f"^{NAME.pattern}$"
    c.Spawner.default_url = "/lab"
    c.Spawner.start_timeout = c.Spawner.http_timeout = 120
    c.Spawner.environment = _models() | {
        "COURSE_ID": klass.course_id,
        "COURSE_EXCHANGE_URL": klass.exchange_url,
    }

    c.Spawner.pre_spawn_hook = choose_role(klass)


def choose_role(klass: Class, **environment: str) -> Callable[[Any], None]:
    """What to do before a server starts: it gets the settings of its owner's role, and these variables."""

    def choose(spawner: Any) -> None:
        folder = f"{CONF / klass.role(spawner.user.name)}:{CONF / 'all'}"
        spawner.environment = {**spawner.environment, **environment, "JUPYTER_CONFIG_PATH": folder}

    return choose


def _models() -> dict[str, str]:
    """One cache of models for all, which nobody can write to."""
    from course_utils.models import cache_dir

    return {
        "COURSE_CACHE": str(cache_dir()),
        "HF_HUB_OFFLINE": "1",
        "OMP_NUM_THREADS": "1",
        "LANG": "C.UTF-8",
    }
