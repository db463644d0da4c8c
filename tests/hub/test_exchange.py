"""The exchange service against a stand-in of the Hub: who one is, when it was, and what is refused."""

import json
import os
import re
import socket
import subprocess
import sys
import time
from datetime import UTC, datetime

import pytest
import requests
from exchange_process import Exchange
from nbgrader.utils import notebook_hash
from small_hub import small_hub

from course_utils.exchange.frame import pack

pytestmark = pytest.mark.hub
FORMAT = "%Y-%m-%d %H:%M:%S.%f UTC"


@pytest.fixture(scope="module")
def exchange(tmp_path_factory):
    root = tmp_path_factory.mktemp("class") / "exchange"
    with small_hub() as api, Exchange(root, api) as made:
        lesson = root / "agai302" / "outbound" / "02-x"
        lesson.mkdir(parents=True)
        (lesson / "02-x.ipynb").write_text('{"cells": []}')
        yield made


@pytest.fixture
def work(tmp_path):
    folder = tmp_path / "02-x"
    folder.mkdir()
    (folder / "02-x.ipynb").write_text('{"cells": [1]}')
    return folder


def post(exchange, token, body, **headers):
    return requests.post(
        f"{exchange.url}/assignments/02-x/submissions",
        data=body,
        headers={"Authorization": f"token {token}", **headers},
        timeout=60,
    )


def kept(exchange, student="*"):
    return sorted(p.name for p in (exchange.root / "agai302" / "inbound").glob(f"{student}+*"))


def test_the_token_says_who_and_the_clock_says_when(exchange, work):
    before = datetime.now(UTC)
    reply = post(exchange, "student-mia", pack(work), Date="Mon, 01 Jan 2001 00:00:00 GMT")
    receipt = reply.json()
    came = datetime.strptime(receipt["time"], FORMAT).replace(tzinfo=UTC)
    assert reply.status_code == 201 and before <= came <= datetime.now(UTC)
    assert kept(exchange, "mia") == [f"mia+02-x+{receipt['time']}+{receipt['digest']}"]
    assert post(exchange, "student-mia", pack(work)).status_code == 200
    assert len(kept(exchange, "mia")) == 1


@pytest.mark.parametrize(
    "token, status, words",
    [
        ("nonsense", 401, "does not know the token"),
        ("service-agai302", 403, "a service's"),
        ("outsider-eve", 403, "eve is not a member"),
        ("student-e+ve", 400, "cannot be the name"),
        ("student-..", 400, "cannot be the name"),
    ],
)
def test_who_is_no_student_of_the_course_hands_nothing_in(exchange, work, token, status, words):
    before = kept(exchange)
    reply = post(exchange, token, pack(work))
    assert (reply.status_code, kept(exchange)) == (status, before) and words in reply.json()["error"]


def test_without_a_token_or_with_a_cookie_alone_one_is_nobody(exchange, work):
    url = f"{exchange.url}/submissions"
    assert requests.get(url, timeout=10).status_code == 401
    cookies = {"service-exchange": "student-mia", "jupyterhub-session-id": "x"}
    assert requests.get(url, cookies=cookies, timeout=10).status_code == 401


def test_acting_for_somebody_else_is_refused(exchange, work):
    reply = post(exchange, "student-eve", pack(work), **{"X-Course-Student": "mia"})
    assert reply.status_code == 403 and reply.json()["error"] == "You are eve and cannot act for mia."
    assert kept(exchange, "eve") == []


def test_a_time_or_secret_of_ones_own_is_refused(exchange, work):
    (work / "timestamp.txt").write_text("2001-01-01 00:00:00 UTC")
    reply = post(exchange, "student-eve", pack(work))
    assert reply.status_code == 400 and "which alone says when" in reply.json()["error"]


@pytest.mark.parametrize("body", [b"", b"{}\n", b"PK\x03\x04", b"\x00" * 100_000])
def test_what_is_no_frame_is_refused(exchange, body):
    reply = post(exchange, "student-eve", body)
    assert reply.status_code == 400 and "one line of JSON" in reply.json()["error"]
    assert kept(exchange, "eve") == []


def test_a_path_that_leads_out_is_refused(exchange):
    entry = {"path": "../../../outbound/02-x/02-x.ipynb", "size": 1, "sha256": "0" * 64}
    reply = post(exchange, "student-eve", json.dumps({"files": [entry]}).encode() + b"\nx")
    assert reply.status_code == 400 and "plain path" in reply.json()["error"]
    for path in ("..%2f..%2fetc", ".hidden", "02-x+02-x"):
        url = f"{exchange.url}/assignments/{path}"
        assert requests.get(url, headers={"Authorization": "token student-eve"}, timeout=10).status_code in (
            400,
            404,
        )


def test_what_is_too_large_is_refused_before_it_is_sent(exchange):
    host, port = "127.0.0.1", exchange.port
    with socket.create_connection((host, port), timeout=20) as line:
        line.sendall(
            b"POST /services/exchange/assignments/02-x/submissions HTTP/1.1\r\nHost: x\r\n"
            b"Authorization: token student-eve\r\nContent-Length: 1000000000000\r\n\r\n"
        )
        assert re.match(rb"HTTP/1.1 (400|413)|^$", line.recv(1000))
    big = {"path": "a", "size": 50_000_001, "sha256": "0" * 64}
    reply = post(exchange, "student-eve", json.dumps({"files": [big]}).encode() + b"\n")
    assert reply.status_code == 413 and "at most 50,000,000" in reply.json()["error"]


def test_half_a_submission_is_none_and_leaves_nothing(exchange, work):
    with socket.create_connection(("127.0.0.1", exchange.port), timeout=20) as line:
        line.sendall(
            b"POST /services/exchange/assignments/02-x/submissions HTTP/1.1\r\nHost: x\r\n"
            b"Authorization: token student-eve\r\nContent-Length: 5000\r\n\r\n" + pack(work)[:100]
        )
        time.sleep(0.5)
        assert list((exchange.root / "agai302" / ".incoming").iterdir())
    until = time.monotonic() + 10
    while list((exchange.root / "agai302" / ".incoming").iterdir()) and time.monotonic() < until:
        time.sleep(0.1)
    assert not list((exchange.root / "agai302" / ".incoming").iterdir()) and kept(exchange, "eve") == []


def test_a_student_sees_ones_own_receipts_only(exchange, work):
    post(exchange, "student-tom", pack(work))
    for name, wanted in (("tom", {"tom"}), ("ada", set())):
        url = f"{exchange.url}/submissions"
        reply = requests.get(url, headers={"Authorization": f"token student-{name}"}, timeout=10).json()
        assert {receipt["student"] for receipt in reply["submissions"]} == wanted


def answer(exchange, student, points):
    """The newest submission of the student's gets a feedback page, as `nbgrader release_feedback` puts it."""
    place = exchange.root / "agai302" / "inbound" / kept(exchange, student)[-1]
    name = notebook_hash(secret=(place / "submission_secret.txt").read_text(), notebook_id="02-x")
    text = f'<!DOCTYPE html><meta content="{points}" name="points"/><h1>To {student}</h1><script>owned()</script>'
    (exchange.root / "agai302" / "feedback" / f"{name}.html").write_text(text)


def my_work(exchange, student, path=""):
    headers = {"Authorization": f"token student-{student}"}
    return requests.get(f"{exchange.url}/{path}", headers=headers, timeout=10)


def test_ones_own_page_shows_points_and_leads_to_feedback_that_nobody_else_gets(exchange, work):
    assert "not handed in" in my_work(exchange, "ida").text
    post(exchange, "student-ida", pack(work))
    assert "not yet" in my_work(exchange, "ida").text
    answer(exchange, "ida", "7 of 10 so far")
    page = my_work(exchange, "ida").text
    (link,) = re.findall(r'href="(page/[^"]+)"', page)
    assert "<td>7 of 10 so far</td>" in page and "ready</span>" in page
    feedback = my_work(exchange, "ida", link)
    assert feedback.status_code == 200 and "To ida" in feedback.text
    policy = feedback.headers["Content-Security-Policy"]
    assert "default-src 'none'" in policy and policy.endswith("sandbox")  # so the script in it does nothing
    assert my_work(exchange, "eve", link).status_code == 404
    assert my_work(exchange, "ida", link.replace("02-x", "..%2F02-x")).status_code == 404
    (work / "02-x.ipynb").write_text('{"cells": [1, 2]}')
    post(exchange, "student-ida", pack(work))
    page = my_work(exchange, "ida").text
    assert "ready</span>" not in page and "not yet; for 20" in page and f'href="{link}"' in page


def test_a_second_service_on_the_same_store_says_why_it_ends(exchange):
    command = [
        sys.executable,
        "-m",
        "course_utils.exchange.service",
        "--root",
        str(exchange.root),
        "--course",
        "agai302",
    ]
    run = subprocess.run(command, env=exchange.environment, capture_output=True, text=True, timeout=60)
    assert run.returncode == 1 and run.stderr.startswith("exchange: Another exchange service holds")
    bare = {k: v for k, v in os.environ.items() if not k.startswith("JUPYTERHUB")}
    run = subprocess.run(command, env=bare, capture_output=True, text=True, timeout=60)
    assert run.returncode == 1 and "a JupyterHub starts this" in run.stderr
