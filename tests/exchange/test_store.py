"""The exchange's store: what it takes, what it refuses, and that a submission is there whole or not at all."""

import hashlib
import io
import json
import os
import sys
from datetime import UTC, datetime, timedelta

import pytest

from course_utils.errors import ClassError
from course_utils.exchange.frame import Caps, Refused, pack, unpack
from course_utils.exchange.store import Store

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)


@pytest.fixture
def store(tmp_path):
    made = Store(tmp_path / "exchange", "agai302", Caps(files=5, file_bytes=1000, total_bytes=1500), most=3)
    lesson = made.folder / "outbound" / "02-x"
    lesson.mkdir()
    (lesson / "02-x.ipynb").write_text("{}")
    yield made
    made.close()


def frame(files, **changed):
    entries = [
        {"path": path, "size": len(data), "sha256": hashlib.sha256(data).hexdigest()} | changed
        for path, data in files.items()
    ]
    return io.BytesIO(json.dumps({"files": entries}).encode() + b"\n" + b"".join(files.values()))


def hand_in(store, files, when=NOON, student="mia", **changed):
    return store.submit(student, "02-x", frame(files, **changed), when)


def kept(store):
    return sorted(path.name for path in (store.folder / "inbound").iterdir())


def test_a_submission_is_laid_out_as_nbgrader_lays_it_out(store):
    receipt, new = hand_in(store, {"02-x.ipynb": b"{}", "data/a.csv": b"1"})
    (name,) = kept(store)
    place = store.folder / "inbound" / name
    assert new and name == f"mia+02-x+2026-03-01 12:00:00.000000 UTC+{receipt.digest}"
    assert (place / "timestamp.txt").read_text() == receipt.time == "2026-03-01 12:00:00.000000 UTC"
    assert (place / "data" / "a.csv").read_bytes() == b"1"
    assert len((place / "submission_secret.txt").read_text()) == 128
    assert not list((store.folder / ".incoming").iterdir())
    assert store.submissions("mia") == [receipt] and store.submissions("mi") == []


def test_nobody_but_its_account_can_reach_into_the_store(store):
    hand_in(store, {"02-x.ipynb": b"{}"})
    assert os.stat(store.folder.parent).st_mode & 0o077 == 0


def test_the_same_again_is_the_receipt_of_the_first_time(store):
    first, _ = hand_in(store, {"02-x.ipynb": b"{}"})
    again, new = hand_in(store, {"02-x.ipynb": b"{}"}, NOON + timedelta(days=1))
    assert again == first and not new and len(kept(store)) == 1


def test_back_to_an_earlier_answer_is_a_submission_of_its_own(store):
    for n, text in enumerate([b"1", b"2", b"1"]):
        _, new = hand_in(store, {"02-x.ipynb": text}, NOON + timedelta(minutes=n))
        assert new
    assert len(kept(store)) == 3
    with pytest.raises(Refused, match="3 times"):
        hand_in(store, {"02-x.ipynb": b"3"}, NOON + timedelta(minutes=4))


@pytest.mark.parametrize(
    "path",
    ["../x", "/etc/passwd", "a/../../x", "a//b", ".", "", ".ssh/config", "a\\b", "a\nb", "a/" * 10 + "b", "x" * 201, 7],
)  # fmt: skip
def test_a_name_that_leads_elsewhere_is_refused_and_nothing_is_written(store, tmp_path, path):
    before = sorted(tmp_path.rglob("*"))
    with pytest.raises(Refused, match="not a name that can be handed in"):
        hand_in(store, {"02-x.ipynb": b"{}"}, path=path)
    assert sorted(tmp_path.rglob("*")) == before


@pytest.mark.parametrize("path", ["timestamp.txt", "Timestamp.TXT", "submission_secret.txt"])
def test_a_time_of_ones_own_is_refused(store, path):
    with pytest.raises(Refused, match="which alone says when"):
        hand_in(store, {"02-x.ipynb": b"{}", path: b"2020-01-01 00:00:00 UTC"})
    assert kept(store) == []


def test_a_folder_of_that_name_further_down_is_a_file_like_any_other(store):
    hand_in(store, {"02-x.ipynb": b"{}", "logs/timestamp.txt": b"2020"})
    assert len(kept(store)) == 1


@pytest.mark.parametrize(
    "body, words",
    [
        (b"", "one line of JSON"),
        (b"[1]\n", "one line of JSON"),
        (b"{}\n", "one line of JSON"),
        (b"[" * 200_000 + b"\n", "one line of JSON"),
        (b'{"files": []}\n', "empty"),
        (b'{"files": [{"path": "a", "size": 1}]}\nx', "one line of JSON"),
        (b'{"files": [{"path": "a", "size": true, "sha256": "' + b"0" * 64 + b'"}]}\nx', "proper size"),
        (b'{"files": [{"path": "a", "size": -1, "sha256": "' + b"0" * 64 + b'"}]}\nx', "proper size"),
        (b'{"files": [{"path": "a", "size": 1, "sha256": "zz"}]}\nx', "proper size"),
        (b'{"files": [{"path": "a", "size": 1, "sha256": "' + b"0" * 64 + b'"}]}\nx', "not those announced"),
        (b'{"files": [{"path": "a", "size": 9, "sha256": "' + b"0" * 64 + b'"}]}\nx', "8 bytes are missing"),
        (b"PK\x03\x04" + b"\xff" * 100, "one line of JSON"),
    ],
)
def test_what_is_no_frame_is_refused(store, body, words):
    with pytest.raises(Refused, match=words):
        store.submit("mia", "02-x", io.BytesIO(body), NOON)
    assert kept(store) == [] and not list((store.folder / ".incoming").iterdir())


def test_what_follows_the_last_file_is_refused(store):
    body = io.BytesIO(frame({"02-x.ipynb": b"{}"}).getvalue() + b"more")
    with pytest.raises(Refused, match="goes on after"):
        store.submit("mia", "02-x", body, NOON)


def test_one_name_twice_or_as_file_and_folder_is_refused(store):
    one = json.loads(frame({"a": b"1"}).readline())["files"]
    under = json.loads(frame({"a/b": b"1"}).readline())["files"]
    for files in (one + one, one + under):
        body = io.BytesIO(json.dumps({"files": files}).encode() + b"\n11")
        with pytest.raises(Refused):
            store.submit("mia", "02-x", body, NOON)
    assert kept(store) == []


def test_caps_are_those_of_files_of_one_file_and_of_all(store):
    with pytest.raises(Refused, match="at most 5") as refused:
        hand_in(store, {f"{n}": b"" for n in range(6)})
    assert refused.value.status == 413
    with pytest.raises(Refused, match="1,001 bytes, and at most 1,000"):
        hand_in(store, {"a": b"x" * 1001})
    with pytest.raises(Refused, match="1,600 bytes together"):
        hand_in(store, {"a": b"x" * 800, "b": b"x" * 800})
    hand_in(store, {"a": b"x" * 800, "b": b"x" * 700})
    assert len(kept(store)) == 1


@pytest.mark.parametrize("name", ["../mia", "mia+02-x", "*", "", ".mia", "a" * 81, "mia/x"])
def test_a_name_that_nbgrader_would_read_otherwise_is_refused(store, name):
    with pytest.raises(Refused, match="cannot be the name"):
        hand_in(store, {"a": b"x"}, student=name)
    with pytest.raises(Refused, match="cannot be the name"):
        store.submit("mia", name, frame({"a": b"x"}), NOON)
    assert kept(store) == []


def test_only_what_is_released_can_be_handed_in(store):
    with pytest.raises(Refused, match=r"not released\. Released are: 02-x"):
        store.submit("mia", "03-y", frame({"a": b"x"}), NOON)


def test_feedback_is_found_by_the_secret_of_the_submission_alone(store):
    from nbgrader.utils import notebook_hash

    receipt, _ = hand_in(store, {"02-x.ipynb": b"{}"})
    other, _ = hand_in(store, {"02-x.ipynb": b"{}"}, student="tom")
    secret = (store.folder / "inbound" / kept(store)[0] / "submission_secret.txt").read_text()
    page = store.folder / "feedback" / f"{notebook_hash(secret=secret, notebook_id='02-x')}.html"
    page.write_text("well done")
    assert list(store.submissions("mia")[0].feedback) == ["02-x"]
    assert store.feedback("mia", "02-x", receipt.time) == {"02-x": page}
    assert store.submissions("tom")[0].feedback == {}
    with pytest.raises(Refused, match="no feedback yet"):
        store.feedback("tom", "02-x", other.time)


def test_points_are_what_the_head_of_the_feedback_page_says(store):
    from nbgrader.utils import notebook_hash

    hand_in(store, {"a.ipynb": b"{}", "b.ipynb": b"{}", "c.ipynb": b"{}"})
    secret = (store.folder / "inbound" / kept(store)[0] / "submission_secret.txt").read_text()
    written = '<body><meta name="points" content="100 of 100">'
    heads = {
        "a": '<meta charset="utf-8"/><meta content="7.5 of 10 so far" name="points"/><meta content="x" name="y"/>',
        "b": "<title>another's page</title>",
    }
    for name, head in heads.items():
        page = store.folder / "feedback" / f"{notebook_hash(secret=secret, notebook_id=name)}.html"
        page.write_text(f"<!DOCTYPE html><head>{head}</head>{' ' * 2000}{written}")
    (receipt,) = store.submissions("mia")
    assert receipt.points == {"a": "7.5 of 10 so far"} and list(receipt.feedback) == ["a", "b"]


def test_a_store_has_one_holder(store, tmp_path):
    with pytest.raises(ClassError, match="Another exchange service"):
        Store(tmp_path / "exchange", "agai302")


def test_what_a_killed_service_left_is_no_submission(store, tmp_path):
    left = store.folder / ".incoming" / "half"
    left.mkdir()
    (left / "02-x.ipynb").write_text("{")
    (store.folder / ".incoming" / "a.frame").write_text("{")
    store.close()
    fresh = Store(tmp_path / "exchange", "agai302")
    assert not list((fresh.folder / ".incoming").iterdir()) and kept(fresh) == []
    fresh.close()


def submit_and_die_at(step, root, body):
    """The exit status of a process that hands in, killed at the step-th file that it opens, makes or renames."""
    if child := os.fork():
        return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    calls = 0

    def count(event, _):
        nonlocal calls
        if event in ("open", "os.rename", "os.mkdir"):
            calls += 1
            if calls == step:
                os._exit(9)

    try:
        store = Store(root, "agai302")
        sys.addaudithook(count)
        store.submit("mia", "02-x", io.BytesIO(body), NOON)
        os._exit(0)
    finally:
        os._exit(1)


def test_killed_at_any_step_a_submission_is_whole_or_not_there(store):
    root, inbound = store.folder.parent, store.folder / "inbound"
    body = frame({"02-x.ipynb": b"{}", "data/a.csv": b"1"}).getvalue()
    store.submissions("nobody")
    import nbgrader.utils  # noqa: F401  now, so that its files are not among the steps

    store.close()
    step, status = 0, 9
    while status == 9:
        step += 1
        assert step < 100
        status = submit_and_die_at(step, root, body)
        for place in inbound.iterdir():
            files = {str(p.relative_to(place)) for p in place.rglob("*") if p.is_file()}
            assert files == {"02-x.ipynb", "data/a.csv", "timestamp.txt", "submission_secret.txt"}
    assert status == 0 and step > 8 and len(kept(store)) == 1


def test_what_is_packed_comes_out_as_it_was_and_without_links(tmp_path):
    (tmp_path / "a" / "data").mkdir(parents=True)
    (tmp_path / "a" / "x.ipynb").write_text("{}")
    (tmp_path / "a" / "data" / "ä.csv").write_bytes(bytes(range(256)))
    (tmp_path / "a" / "passwd").symlink_to("/etc/passwd")
    entries = unpack(io.BytesIO(pack(tmp_path / "a")), tmp_path / "b")
    assert {entry.path for entry in entries} == {"x.ipynb", "data/ä.csv"}
    assert (tmp_path / "b" / "data" / "ä.csv").read_bytes() == bytes(range(256))
