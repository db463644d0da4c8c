"""deploy/kubernetes/ on this machine: the Hub with the lines of values.yaml, formgrader, exchange, a student's server.

Each with its own start command and variables; host names, ports and folders are the test's, and who starts servers.
"""

import json
import os
import secrets
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import psutil
import pytest
import requests
from manifests import VALUES, command, container, environment

from course_utils.grading.release import generate

pytestmark = pytest.mark.hub
ROOT = Path(__file__).resolve().parents[2]
BIN = Path(sys.executable).parent
LESSON = "00-orientation"
AS_ROOT = ["--allow-root"] if os.geteuid() == 0 else []
CONFIG = """
import json, os
c = get_config()
given = json.loads(os.environ["GIVEN"])
c.JupyterHub.bind_url = given["public"]
c.JupyterHub.hub_bind_url = given["hub"]
c.ConfigurableHTTPProxy.command = [given["proxy"]]
c.ConfigurableHTTPProxy.api_url = given["proxy_api"]
c.JupyterHub.authenticator_class = "shared-password"
c.SharedPasswordAuthenticator.user_password = given["password"]
c.JupyterHub.spawner_class = "simple"
c.SimpleLocalProcessSpawner.home_dir_template = given["homes"] + "/{username}"
c.Spawner.cmd = given["cmd"]
c.Spawner.environment = given["extraEnv"]
c.Authenticator.allowed_users = {"mia"}
# As the chart does: services with tokens of the Secret `hub`, a role of its own.
c.JupyterHub.services = given["services"]
c.JupyterHub.load_roles = [{"name": "tests", "services": ["tests"], "scopes": ["admin:users", "admin:servers", "tokens",
    "read:services", "access:services", "groups", "list:services"]}]
exec(given["lines"])
"""


class Cluster:
    """What runs, and where."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.course = folder, folder / "course"
        base = 24_000 + os.getpid() % 1500 * 5
        self.public, self.hub, proxy, self.exchange, self.formgrader = (
            f"http://127.0.0.1:{base + number}" for number in range(5)
        )
        self.tokens = {name: secrets.token_hex(32) for name in ("agai302", "exchange", "tests")}
        self.places = {
            "http://course:9003": self.exchange, "http://0.0.0.0:9003": self.exchange,
            "http://course:9004": self.formgrader, "http://0.0.0.0:9004": self.formgrader,
            "http://hub:8081": self.hub, "/srv/course": str(self.course), "/tmp/jupyter": f"{folder}/runtime",
            "/opt/agai302/course_utils": str(ROOT / "course_utils"),
            "postgresql+psycopg://course@postgres:5432/gradebook": f"sqlite:///{self.course}/gradebook.db",
        }  # fmt: skip
        services = [
            {"name": name, "api_token": self.tokens[name], **entry, "url": self.here(entry["url"])}
            for name, entry in VALUES["hub"]["services"].items()
        ]
        self.given = {
            "public": self.public, "hub": self.hub, "proxy_api": proxy, "homes": f"{folder}/homes",
            "proxy": str(Path(sys.prefix) / "proxy/node_modules/.bin/configurable-http-proxy"),
            "password": secrets.token_urlsafe(16), "cmd": [str(BIN / VALUES["singleuser"]["cmd"][0]), *AS_ROOT],
            "extraEnv": {
                "PATH": f"{BIN}:/usr/bin:/bin",
                **{k: v for k, v in VALUES["singleuser"]["extraEnv"].items() if k != "COURSE_CACHE"},
                "JUPYTER_RUNTIME_DIR": f"{folder}/runtime-mia",
            },
            "services": [*services, {"name": "tests", "api_token": self.tokens["tests"]}],
            "lines": self.here("\n".join(text for _, text in sorted(VALUES["hub"]["extraConfig"].items()))),
        }  # fmt: skip
        self.processes: list[subprocess.Popen[bytes]] = []

    def here(self, text: str) -> str:
        """The text with this machine's places for a cluster's."""
        for there, own in self.places.items():
            text = text.replace(there, own)
        return text

    def start(self, name: str, words: list[str], variables: dict[str, str], cwd: Path) -> None:
        log = (self.folder / f"{name}.log").open("wb")
        base = {"PATH": f"{BIN}:/usr/bin:/bin", "HOME": str(self.folder), "LANG": "C.UTF-8"}
        self.processes.append(
            subprocess.Popen(
                words, stdout=log, stderr=log, env=base | variables, cwd=cwd, start_new_session=True
            )
        )

    def start_container(self, name: str) -> None:
        """A container of the course's pod."""
        found = container("course", name)
        kept = {("hub", f"hub.services.{one}.apiToken"): token for one, token in self.tokens.items()}
        variables = environment(found, kept | {("course-database", "course-password"): "none"})
        program, *words = [self.here(word) for word in command(found)]
        as_root = AS_ROOT if program == "jupyterhub-singleuser" else []
        own = {key: self.here(value) for key, value in variables.items()}
        self.start(name, [str(BIN / program), *words, *as_root], own, self.course)

    def ask(self, method: str, path: str, token: str = "", **data: Any) -> requests.Response:
        headers = {"Authorization": f"token {token or self.tokens['tests']}"}
        return requests.request(
            method, self.public + path, headers=headers, json=data or None, timeout=60, allow_redirects=False
        )

    def wait(self, path: str, what: Any, seconds: float = 90) -> requests.Response:
        until = time.monotonic() + seconds
        while True:
            try:
                reply = self.ask("GET", path)
                if what(reply):
                    return reply
            except requests.RequestException:
                pass
            if time.monotonic() > until:
                logs = "\n".join(p.read_text()[-3000:] for p in sorted(self.folder.glob("*.log")))
                raise TimeoutError(f"{path}\n{logs}")
            time.sleep(0.3)

    def token_of(self, name: str, *scopes: str) -> str:
        """A token of that person's with these rights at most."""
        self.ask("POST", f"/hub/api/users/{name}")
        reply = self.ask("POST", f"/hub/api/users/{name}/tokens", scopes=list(scopes), note="tests")
        assert reply.status_code == 201, reply.text
        return str(reply.json()["token"])


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory):
    pytest.importorskip("jupyterhub", reason="needs requirements-hub.txt (`make test-hub`)")
    made = Cluster(tmp_path_factory.mktemp("kubernetes"))
    if not Path(made.given["proxy"]).exists():
        pytest.skip("the proxy is not installed: `make test-hub`")
    for place in ("course", "homes/mia", "hub"):
        (made.folder / place).mkdir(parents=True)
    shutil.copy(ROOT / "nbgrader_config.py", made.course)
    generate(ROOT, LESSON, made.course / ".exchange/agai302/outbound")
    config = made.folder / "hub" / "jupyterhub_config.py"
    config.write_text(CONFIG)
    made.start(
        "hub", [str(BIN / "jupyterhub"), "-f", str(config)], {"GIVEN": json.dumps(made.given)}, config.parent
    )
    try:
        for name in ("exchange", "formgrader"):
            made.start_container(name)
        made.wait("/hub/api/", lambda reply: reply.status_code == 200)
        made.wait("/services/exchange/health", lambda reply: reply.status_code == 200)
        made.wait("/services/agai302/api", lambda reply: reply.status_code in (200, 302, 403))
        yield made
    finally:
        for process in reversed(made.processes):
            with_group = process.poll() is None
            process.send_signal(signal.SIGTERM)
            if with_group:
                process.wait(60)


def test_the_readiness_probe_asks_what_is_there(cluster: Cluster) -> None:
    probe = container("course", "exchange")["readinessProbe"]["httpGet"]
    assert probe == {"path": "/services/exchange/health", "port": 9003}
    assert requests.get(cluster.exchange + probe["path"], timeout=10).json() == {"ok": True}


def test_the_exchange_believes_the_hub_and_nobody_else(cluster: Cluster) -> None:
    mine = cluster.token_of("mia", "access:services!service=exchange")
    reply = cluster.ask("GET", "/services/exchange/assignments", mine)
    assert reply.json() == {"assignments": {LESSON: [LESSON]}}
    assert cluster.ask("GET", "/services/exchange/assignments", "made-up").status_code == 401
    assert cluster.ask("GET", "/services/exchange/assignments", cluster.tokens["agai302"]).status_code == 403


FORMGRADER = "/services/agai302/formgrader"


@pytest.mark.parametrize(
    ("method", "path"),
    [("GET", "/manage_assignments"), ("GET", "/api/assignments"), ("PUT", "/api/student/nina")],
)
def test_formgrader_opens_for_the_staff_and_for_nobody_else(cluster: Cluster, method: str, path: str) -> None:
    tokens = {
        "a student": cluster.token_of("mia", "access:services!service=exchange"),
        "staff, for another service": cluster.token_of("instructor", "access:services!service=exchange"),
        "staff": cluster.token_of("instructor", "access:services!service=agai302"),
    }
    replies = {
        who: cluster.ask(method, FORMGRADER + path, token, first_name="N") for who, token in tokens.items()
    }
    assert {who: reply.status_code for who, reply in replies.items()} == {
        "a student": 403, "staff, for another service": 403, "staff": 200,
    }  # fmt: skip
    known = cluster.ask("GET", f"{FORMGRADER}/api/students", tokens["staff"]).json()
    assert [one["id"] for one in known] == (["nina"] if method == "PUT" else [])
    refused = cluster.ask("POST", "/hub/api/users/mia/tokens", scopes=["access:services!service=agai302"])
    assert refused.status_code in (400, 403), "a student cannot have such a token"


def test_who_is_unknown_at_formgrader_is_sent_to_sign_in(cluster: Cluster) -> None:
    """So is a program with a wrong token, as nbgrader has no other answer. Who is known is sent to the first page."""
    for path in ("", "/manage_assignments", "/api/assignments"):
        reply = cluster.ask("GET", FORMGRADER + path, "made-up")
        assert reply.status_code == 302
        assert reply.headers["Location"].startswith("/hub/api/oauth2/authorize?client_id=service-agai302&")
    staff = cluster.token_of("instructor", "access:services!service=agai302")
    reply = cluster.ask("GET", FORMGRADER, staff)
    assert (reply.status_code, reply.headers["Location"]) == (302, f"{FORMGRADER}/manage_assignments")


def test_a_students_server_fetches_and_submits(cluster: Cluster) -> None:
    assert cluster.ask("POST", "/hub/api/users/mia/server").status_code in (201, 202)
    cluster.wait("/hub/api/users/mia", lambda reply: reply.json().get("server"))
    found = [
        process.environ()
        for process in psutil.Process(cluster.processes[0].pid).children(recursive=True)
        if "jupyterhub-singleuser" in " ".join(process.cmdline())
    ]
    assert len(found) == 1
    inside = found[0]
    assert inside["COURSE_EXCHANGE_URL"] == f"{cluster.exchange}/services/exchange"
    assert inside["JUPYTER_CONFIG_PATH"].split(":")[0].endswith("/conf/student")
    home = cluster.folder / "homes/mia"
    for words in (["list"], ["fetch_assignment", LESSON], ["submit", LESSON]):
        done = subprocess.run(
            [str(BIN / "nbgrader"), *words], env=inside, cwd=home, capture_output=True, text=True, timeout=120
        )
        assert done.returncode == 0, done.stderr
    assert "Received: agai302 00-orientation" in done.stderr
    inbound = list((cluster.course / ".exchange/agai302/inbound").iterdir())
    assert [path.name.split("+")[:2] for path in inbound] == [["mia", LESSON]]
    assert (inbound[0] / f"{LESSON}.ipynb").is_file()
