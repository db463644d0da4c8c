"""What deploy/hub/ gives to somebody with a real machine: a configuration that loads, a back-up that comes back."""

import os
import re
import shutil
import signal
import sqlite3
import subprocess
import sys
import tarfile
import time
from pathlib import Path

import pytest
import requests
from traitlets.config import Config

pytestmark = pytest.mark.hub
DEPLOY = Path(__file__).resolve().parents[2] / "deploy" / "hub"


def load(monkeypatch, **environment):
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    c = Config()
    exec(compile((DEPLOY / "jupyterhub_config.py").read_text(), "config", "exec"), {"get_config": lambda: c})
    return c


OAUTH = {f"OAUTH_{name}": "x" for name in (
    "CLIENT_ID", "CLIENT_SECRET", "AUTHORIZE_URL", "TOKEN_URL", "USERDATA_URL", "CALLBACK_URL")}  # fmt: skip
LTI = {f"LTI_{name}": "x" for name in ("ISSUER", "CLIENT_ID", "AUTHORIZE_URL", "JWKS_URL")}


@pytest.mark.parametrize("sign_in, environment", [("native", {}), ("oauth", OAUTH), ("lti13", LTI)])
def test_the_configuration_loads_with_each_way_to_sign_in(monkeypatch, tmp_path, sign_in, environment):
    (tmp_path / "members").write_text("mia\ntom\n")
    c = load(monkeypatch, AGAI302_SIGN_IN=sign_in, AGAI302_MEMBERS=str(tmp_path / "members"), **environment)
    assert c.JupyterHub.bind_url.startswith(
        "http://127.0.0.1:"
    )  # never open to the network without TLS before it
    services = {service["name"]: service for service in c.JupyterHub.services}
    assert {service["user"] for service in services.values()} == {"agai302"}
    assert c.JupyterHub.spawner_class == "course_utils.hub.spawner.WalledSpawner"
    if sign_in == "oauth":
        assert c.Authenticator.allowed_users == {"mia", "tom", "instructor"}


def test_students_get_the_exchange_and_no_more(monkeypatch):
    c = load(monkeypatch, AGAI302_SIGN_IN="native")
    roles = {role["name"]: role for role in c.JupyterHub.load_roles}
    assert roles["user"]["scopes"] == ["self", "access:services!service=exchange"]
    staff = roles["formgrade-agai302"]
    assert staff["groups"] == ["formgrade-agai302"] and "access:services!service=agai302" in staff["scopes"]
    assert not [scope for role in roles.values() for scope in role["scopes"] if "admin" in scope]


def test_an_unknown_way_to_sign_in_says_what_is_expected(monkeypatch):
    with pytest.raises(SystemExit, match="expected native, oauth or lti13, got 'ldap'"):
        load(monkeypatch, AGAI302_SIGN_IN="ldap")


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    """The address of a Hub with the deployed configuration; folder and ports are the test's."""
    pytest.importorskip("nativeauthenticator", reason="needs requirements-hub.txt (`make test-hub`)")
    folder = tmp_path_factory.mktemp("native")
    for place in ("course", "homes", "run"):
        (folder / place).mkdir()
    port = 30_000 + os.getpid() % 1500 * 5
    text = (DEPLOY / "jupyterhub_config.py").read_text()
    for there, here in (("/srv/agai302", str(folder)), ('grader="agai302",', f"port={port},")):
        assert there in text
        text = text.replace(there, here)
    # The services, which are tried elsewhere (test_class.py), only take time here.
    (folder / "config.py").write_text(text + "c.JupyterHub.services = []\nc.JupyterHub.load_groups = {}\n")
    address = f"http://127.0.0.1:{port}"
    with (folder / "log").open("wb") as log:
        process = subprocess.Popen(
            [Path(sys.executable).parent / "jupyterhub", "-f", folder / "config.py"],
            cwd=folder / "run", stdout=log, stderr=log, start_new_session=True,
        )  # fmt: skip
    try:
        until = time.monotonic() + 90
        while not answers(f"{address}/hub/health"):
            assert process.poll() is None and time.monotonic() < until, (folder / "log").read_text()
            time.sleep(0.3)
        yield address
    finally:
        process.send_signal(signal.SIGINT)
        process.wait(60)


def answers(address):
    try:
        return requests.get(address, timeout=5).status_code == 200
    except requests.RequestException:
        return False


class Visitor:
    """Somebody with a browser's cookies."""

    def __init__(self, site, name, password):
        self.site, self.name, self.password, self.session = site, name, password, requests.Session()

    def get(self, path):
        return self.session.get(f"{self.site}/hub/{path}", timeout=30)

    def post(self, path, **fields):
        token = re.search(r'name="_xsrf"\s+value="([^"]*)"', self.get(path).text)[1]
        fields = {"username": self.name, "_xsrf": token, **fields}
        return self.session.post(f"{self.site}/hub/{path}", data=fields, timeout=30)

    def sign_up(self):
        return self.post(
            "signup", signup_password=self.password, signup_password_confirmation=self.password
        ).text

    def sign_in(self, password=None):
        """The status, the page, and whether one is in."""
        reply = self.post("login?next=%2Fhub%2Fhome", password=password or self.password)
        return reply.status_code, reply.text, reply.url == f"{self.site}/hub/home"


def test_with_names_and_passwords_of_the_hub_an_instructor_lets_the_others_in(site):
    instructor, mia = (Visitor(site, name, f"a-long-password-of-{name}") for name in ("instructor", "mia"))
    assert "Something went wrong" in Visitor(site, "tom", "short").sign_up()
    assert "sent to the admin" in mia.sign_up() and "successful" in instructor.sign_up()
    status, page, inside = mia.sign_in()
    assert (status, inside) == (200, False) and "has not been authorized" in page
    status, page, inside = instructor.sign_in("another-long-password")
    assert (status, inside) == (200, False) and "Invalid username or password" in page
    assert instructor.sign_in()[2]
    assert mia.get("authorize").status_code == 403, "a student lets nobody in"
    assert "mia" in instructor.get("authorize").text
    assert instructor.get("authorize/mia").status_code == 200
    assert mia.sign_in()[2]
    assert mia.get("authorize").status_code == 403


def test_a_form_that_was_not_ours_is_refused(site):
    reply = requests.post(f"{site}/hub/login", data={"username": "mia", "password": "x"}, timeout=30)
    assert reply.status_code == 403


@pytest.fixture
def class_folder(tmp_path):
    folder = tmp_path / "srv"
    inbound = folder / "course/.exchange/agai302/inbound/mia+02-x+2026-03-01 12:00:00.000000 UTC+ab"
    for place in (
        inbound,
        folder / "homes/mia",
        folder / "run",
        folder / "course/.exchange/agai302/.incoming/half",
    ):
        place.mkdir(parents=True)
    (folder / "course/nbgrader_config.py").write_text("c = get_config()\n")
    (inbound / "02-x.ipynb").write_text("{}")
    (folder / "homes/mia/notes.txt").write_text("mine")
    (folder / "run/cookie_secret").write_text("secret")
    for path in (folder / "course/gradebook.db", folder / "run/jupyterhub.sqlite"):
        with sqlite3.connect(path) as database:
            database.execute("create table grade (student, score)")
            database.execute("insert into grade values ('mia', 90)")
    return folder


def backup(folder, to, keep="30"):
    return subprocess.run(
        [DEPLOY / "backup", str(folder), str(to), keep], capture_output=True, text=True, timeout=60
    )


def test_what_is_backed_up_comes_back(class_folder, tmp_path):
    writing = sqlite3.connect(class_folder / "course/gradebook.db")
    writing.execute("insert into grade values ('tom', 80)")  # a change under way, not committed
    done = backup(class_folder, tmp_path / "safe")
    writing.rollback()
    writing.close()
    assert done.returncode == 0, done.stderr
    made = Path(done.stdout.strip())
    assert made.stat().st_mode & 0o077 == 0
    back = tmp_path / "back"
    for name in ("course", "homes", "run"):
        with tarfile.open(made / f"{name}.tar.gz") as archive:
            archive.extractall(back, filter="data")
    shutil.copy(made / "gradebook.db", back / "course/gradebook.db")
    was, now = (
        {
            str(p.relative_to(root)): p.read_bytes()
            for p in root.rglob("*")
            if p.is_file() and p.suffix not in (".db", ".sqlite")
        }
        for root in (class_folder, back)
    )
    assert now == was and not (back / "course/.exchange/agai302/.incoming/half").exists()
    with sqlite3.connect(back / "course/gradebook.db") as database:
        assert database.execute("select * from grade").fetchall() == [("mia", 90)]


def test_old_backups_go_and_half_ones_are_none(class_folder, tmp_path):
    safe = tmp_path / "safe"
    for name in ("2026-01-01T000000Z", "2026-01-02T000000Z", ".2026-01-03T000000Z"):
        (safe / name).mkdir(parents=True)
    assert backup(class_folder, safe, "2").returncode == 0
    kept = sorted(os.listdir(safe))
    assert len(kept) == 2 and kept[0] == "2026-01-02T000000Z"


def test_a_damaged_gradebook_is_no_backup(class_folder, tmp_path):
    (class_folder / "course/gradebook.db").write_bytes(b"not a database" * 100)
    done = backup(class_folder, tmp_path / "safe")
    assert done.returncode != 0 and not [n for n in os.listdir(tmp_path / "safe") if not n.startswith(".")]


def test_a_folder_that_is_no_class_is_said_to_be_none(tmp_path):
    done = backup(tmp_path, tmp_path / "safe")
    assert done.returncode == 2 and "holds no course/nbgrader_config.py" in done.stderr
