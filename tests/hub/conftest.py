"""A class on a JupyterHub, made by `course hub`, and a browser to use it with."""

import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
BASE = 18_000 + os.getpid() % 2000 * 5  # five ports in a row


class Hub:
    """The running class: addresses, folder, password."""

    def __init__(self, folder, port):
        self.folder, self.url = folder, f"http://127.0.0.1:{port}"
        self.password = (folder / "run" / "password").read_text().strip()
        self.course = folder / "course"

    def log(self):
        return (self.folder / "run" / "hub.log").read_text()


@pytest.fixture(scope="session")
def hub(tmp_path_factory):
    folder = tmp_path_factory.mktemp("hub") / "class"
    command = [
        sys.executable,
        "-m",
        "course_utils.cli",
        "hub",
        "00",
        "02",
        "--into",
        str(folder),
        "--port",
        str(BASE),
    ]
    process = subprocess.Popen(command, cwd=ROOT, start_new_session=True, stdout=subprocess.DEVNULL)
    try:
        log, until = folder / "run" / "hub.log", time.monotonic() + 120
        while not (log.exists() and "JupyterHub is now running" in log.read_text()):
            assert process.poll() is None and time.monotonic() < until, (
                log.read_text() if log.exists() else ""
            )
            time.sleep(0.2)
        yield Hub(folder, BASE)
    finally:
        os.killpg(process.pid, signal.SIGINT)
        process.wait(180)


@pytest.fixture(scope="session")
def browser():
    playwright = pytest.importorskip(
        "playwright.sync_api", reason="needs requirements-hub.txt (`make test-hub`)"
    )
    program = shutil.which("chromium") or shutil.which("chromium-browser")
    if not program:
        if os.environ.get("COURSE_CI"):
            pytest.fail("COURSE_CI is set and there is no chromium")
        pytest.skip("needs Debian's chromium (`apt-get install chromium`)")
    with playwright.sync_playwright() as driver:
        opened = driver.chromium.launch(executable_path=program, args=["--no-sandbox"])
        yield opened
        opened.close()


@pytest.fixture(scope="session")
def people(browser, hub):
    """`people("ta1")`: a page of somebody who is signed in and has a server; the same one each time."""
    pages = {}

    def page_of(name):
        if name not in pages:
            page = browser.new_context(viewport={"width": 1280, "height": 800}).new_page()
            page.set_default_timeout(60_000)
            page.goto(f"{hub.url}/hub/login")
            page.fill("input[name=username]", name)
            page.fill("input[name=password]", hub.password)
            page.click("#login_submit")
            page.wait_for_url(f"**/user/{name}/**", timeout=120_000)
            pages[name] = page
        return pages[name]

    yield page_of
    if folder := os.environ.get("COURSE_SHOTS"):
        for name, page in pages.items():
            page.screenshot(path=f"{folder}/last-{name}.png")


@pytest.fixture(scope="session")
def api(people, hub):
    """`api("student01", "GET", path)`: (status, JSON or text), asked from inside that person's page."""

    def ask(name, method, path, body=None):
        script = """async ([method, url, body]) => {
            const token = (document.cookie.match(/_xsrf=([^;]+)/) || [])[1] || "";
            const reply = await fetch(url, {method, body, headers: {"X-XSRFToken": token}});
            return [reply.status, await reply.text()]; }"""
        return tuple(people(name).evaluate(script, [method, hub.url + path, body]))

    return ask


@pytest.fixture(scope="session")
def shot():
    """`shot(page, name)`: a picture, where $COURSE_SHOTS says that pictures are wanted."""

    def take(page, name):
        if folder := os.environ.get("COURSE_SHOTS"):
            page.screenshot(path=f"{folder}/{name}.png")

    return take
