"""Intake: regular files of a usual size come along; whatever else a submission holds is named and left out."""

import json
import os
import socket
import sys
import threading
import time
from hashlib import sha256
from pathlib import Path

import pytest

from course_utils.errors import ClassError
from course_utils.grading import intake
from course_utils.grading.intake import Caps, at_most, read_notebook, take_in

SECRET = "hidden tests of the neighbour"


@pytest.fixture
def submitted(tmp_path: Path) -> Path:
    """A submission folder with one notebook, and a secret beside it."""
    folder = tmp_path / "submitted"
    folder.mkdir()
    (folder / "nb.ipynb").write_text("{}")
    (tmp_path / "secret").mkdir()
    (tmp_path / "secret" / "gradebook.db").write_text(SECRET)
    return folder


@pytest.fixture
def into(tmp_path: Path) -> Path:
    return tmp_path / "into"


def files(folder: Path) -> dict[str, str]:
    return {
        p.relative_to(folder).as_posix(): p.read_text() for p in sorted(folder.rglob("*")) if not p.is_dir()
    }


def test_regular_files_come_along_with_their_digests(submitted: Path, into: Path) -> None:
    (submitted / "data" / "deep").mkdir(parents=True)
    (submitted / "data" / "deep" / "héllo wörld.txt").write_text("text")
    (submitted / "numpy.py").write_text("shadow")
    taken = take_in(submitted, into)
    assert files(into) == {"nb.ipynb": "{}", "data/deep/héllo wörld.txt": "text", "numpy.py": "shadow"}
    assert (
        taken.digests["numpy.py"] == sha256(b"shadow").hexdigest()
        and taken.digests.keys() == files(into).keys()
    )
    assert taken.folder == into and taken.notes == ()


def test_one_digest_for_names_and_contents(submitted: Path, tmp_path: Path) -> None:
    first = take_in(submitted, tmp_path / "1").digest
    assert take_in(submitted, tmp_path / "2").digest == first
    (submitted / "nb.ipynb").rename(submitted / "mb.ipynb")
    renamed = take_in(submitted, tmp_path / "3").digest
    (submitted / "mb.ipynb").write_text("[]")
    assert len({first, renamed, take_in(submitted, tmp_path / "4").digest}) == 3


def test_no_link_is_followed(submitted: Path, into: Path, tmp_path: Path) -> None:
    (submitted / "file").symlink_to(tmp_path / "secret" / "gradebook.db")
    (submitted / "folder").symlink_to(tmp_path / "secret")
    (submitted / "dangling").symlink_to("/no/such/place")
    (submitted / "itself").symlink_to(submitted)
    taken = take_in(submitted, into)
    assert files(into) == {"nb.ipynb": "{}"} and len(taken.notes) == 4
    assert "`file` was left out: it is a link." in taken.notes


def test_a_submission_folder_that_is_a_link_or_missing_is_empty(submitted: Path, tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to(tmp_path / "secret")
    for name, why in {
        "link": "a link",
        "missing": "No such file",
        "secret/gradebook.db": "Not a directory",
    }.items():
        taken = take_in(tmp_path / name, tmp_path / "into")
        assert files(tmp_path / "into") == {} == taken.digests
        assert why in taken.notes[0] and len(taken.notes) == 1


def test_pipes_sockets_and_devices_neither_hang_nor_come_along(submitted: Path, into: Path) -> None:
    os.mkfifo(submitted / "pipe.ipynb")
    with socket.socket(socket.AF_UNIX) as bound:
        bound.bind(str(submitted / "socket"))
        if os.geteuid() == 0:
            os.mknod(submitted / "zero", 0o20666, os.makedev(1, 5))
        taken = take_in(submitted, into)
    assert files(into) == {"nb.ipynb": "{}"}
    kinds = {note.rsplit(" ", 1)[1] for note in taken.notes}
    assert kinds == {"pipe.", "socket."} | ({"device."} if os.geteuid() == 0 else set())


def test_a_pipe_that_took_the_place_of_a_file_does_not_hang(submitted: Path, into: Path, monkeypatch) -> None:
    os.mkfifo(submitted / "late")
    monkeypatch.setattr(intake, "KINDS", {})  # as if it had still been a file when it was looked at
    assert take_in(submitted, into).notes == ("`late` was left out: it is not a regular file.",)


def test_a_name_that_changes_its_meaning_all_the_time_gives_no_secret_away(
    submitted: Path, tmp_path: Path
) -> None:
    stop = threading.Event()
    (tmp_path / "f").write_text("harmless")
    (tmp_path / "l").symlink_to(tmp_path / "secret" / "gradebook.db")
    (tmp_path / "L").symlink_to(tmp_path / "secret")

    def swap() -> None:
        while not stop.is_set():
            for source, name in (("f", "file"), ("l", "file"), ("L", "folder")):
                os.link(tmp_path / source, tmp_path / "new", follow_symlinks=False)
                os.rename(tmp_path / "new", submitted / name)
            os.unlink(submitted / "folder")
            os.mkdir(submitted / "folder")
            os.rmdir(submitted / "folder")

    thread = threading.Thread(target=swap)
    thread.start()
    try:
        got = [files(take_in(submitted, tmp_path / f"into-{n}").folder).get("file") for n in range(300)]
    finally:
        stop.set()
        thread.join()
    assert set(got) <= {None, "harmless"} and len(set(got)) == 2  # both were met, the secret never
    assert SECRET not in str([files(tmp_path / f"into-{n}") for n in range(300)])


def test_a_file_of_a_terabyte_costs_nothing(submitted: Path, into: Path) -> None:
    with (submitted / "a.bin").open("wb") as file:
        file.truncate(10**12)
    start = time.monotonic()
    taken = take_in(submitted, into)
    assert time.monotonic() - start < 10 and files(into) == {"nb.ipynb": "{}"}
    assert taken.notes == (
        "`a.bin` was left out: it has 1,000,000,000,000 bytes, and at most 50,000,000 are taken.",
    )


def test_a_file_that_grows_while_it_is_read_is_cut_off(tmp_path: Path) -> None:
    with open("/dev/zero", "rb", buffering=0) as endless:
        assert intake._copy(endless, tmp_path / "copy", 5_000_000) is None
    assert not (tmp_path / "copy").exists()


def test_caps_on_all_bytes_and_on_the_number_of_names(submitted: Path, tmp_path: Path) -> None:
    for name in "abc":
        (submitted / name).write_text(name * 60)
    taken = take_in(submitted, tmp_path / "bytes", Caps(total_bytes=130))
    assert set(taken.digests) == {"nb.ipynb", "a", "b"} and "over 130 bytes" in taken.notes[0]
    taken = take_in(submitted, tmp_path / "files", Caps(files=2))
    assert set(taken.digests) == {"nb.ipynb", "a"}
    assert taken.notes == ("The submission holds more than 2 files and folders; the rest was left out.",)


def test_a_flood_of_names_displaces_no_notebook(submitted: Path, into: Path) -> None:
    (submitted / "0").mkdir()
    for n in range(2_000):
        (submitted / f"{n}.txt").touch()
        (submitted / "0" / f"{n}.ipynb").touch()
    taken = take_in(submitted, into, Caps(files=50))
    assert "nb.ipynb" in taken.digests and len(taken.digests) == 50 and len(taken.notes) == 1


def test_folders_within_folders_end_somewhere(submitted: Path, into: Path) -> None:
    folder = submitted
    for n in range(40):
        folder = folder / f"d{n}"
        folder.mkdir()
        (folder / "x").touch()
    taken = take_in(submitted, into)
    assert (
        len(taken.digests) == 11 and len(taken.notes) == 1 and "more than 10 folders deep" in taken.notes[0]
    )


@pytest.mark.skipif(sys.platform == "darwin", reason="macOS refuses names that are not UTF-8")
def test_names_that_nobody_can_read_are_left_out(submitted: Path, into: Path) -> None:
    for name in (b"\xff.txt", b"line\nbreak", b"\x1b[31mred", "left\u202eright".encode(), b"tick`tick"):
        (submitted / os.fsdecode(name)).touch()
    taken = take_in(submitted, into)
    assert set(taken.digests) == {"nb.ipynb", "tick`tick"} and len(taken.notes) == 4
    assert all(note.isprintable() for note in taken.notes)


def test_a_hard_link_is_taken_and_said(submitted: Path, into: Path) -> None:
    os.link(submitted / "nb.ipynb", submitted / "again")
    taken = take_in(submitted, into)
    assert set(taken.digests) == {"nb.ipynb", "again"}
    assert ["hard link" in note for note in taken.notes] == [True, True]
    assert (into / "again").stat().st_nlink == 1


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read every file; lifted for any other user")
def test_a_file_without_permission_is_left_out(submitted: Path, into: Path) -> None:
    (submitted / "closed").mkdir(mode=0)
    (submitted / "nb.ipynb").chmod(0)
    taken = take_in(submitted, into)
    assert not taken.digests and all("could not be opened (Permission denied)" in n for n in taken.notes)


def test_what_is_copied_can_be_written_and_not_run(submitted: Path, into: Path) -> None:
    (submitted / "nb.ipynb").chmod(0o4755)
    take_in(submitted, into)
    assert (into / "nb.ipynb").stat().st_mode & 0o7111 == 0


def test_a_folder_that_is_in_use_is_refused(submitted: Path) -> None:
    with pytest.raises(ClassError, match="Expected an empty folder"):
        take_in(submitted, submitted)


def test_no_open_file_is_left(submitted: Path, tmp_path: Path) -> None:
    (submitted / "d").mkdir()
    (submitted / "l").symlink_to("d")
    before = len(os.listdir("/proc/self/fd"))
    for n in range(20):
        take_in(submitted, tmp_path / f"into-{n}", Caps(files=n % 4))
    assert len(os.listdir("/proc/self/fd")) == before


def test_notes_are_cut_short() -> None:
    assert at_most(["a"] * 20) == ("a",) * 20 and at_most(["a", "b"], 1) == ("a", "… and 1 more note.")


# -- notebooks --

GOOD = {"cells": [{"cell_type": "code", "source": "x"}], "metadata": {}, "nbformat": 4, "nbformat_minor": 5}


def problem(tmp_path: Path, content: bytes | str, caps: Caps = intake.CAPS) -> str:
    """The sentence on a notebook with that content, which must not be readable."""
    path = tmp_path / "nb.ipynb"
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    notebook, why = read_notebook(path, caps)
    assert (
        notebook is None and why and why.startswith("`nb.ipynb` ") and why.endswith(".") and "\n" not in why
    )
    return why


def test_a_notebook_is_read_as_it_is(tmp_path: Path) -> None:
    path = tmp_path / "nb.ipynb"
    for start in ("", "\ufeff"):
        path.write_text(start + json.dumps(GOOD), encoding="utf-8")
        assert read_notebook(path) == (GOOD, None)


@pytest.mark.parametrize(
    ("content", "why"),
    [
        ("", "is empty"),
        (" \n", "is empty"),
        ("{ not json", "is not JSON at line 1, column 3"),
        (json.dumps(GOOD)[:-9], "is not JSON at line 1"),
        (json.dumps(GOOD).encode("utf-16"), "is not UTF-8"),
        (b"\x89PNG\r\n", "is not UTF-8"),
        ("[" * 100_000, "nested deeper"),
        ('{"a":' * 100_000, "nested deeper"),
        ("[" * 1_500_000, "brackets"),
        ("[1, 2]", "not a notebook"),
        ("null", "not a notebook"),
        ('{"cells": []}', "does not say"),
        ('{"cells": [], "nbformat": 5}', "does not say"),
        ('{"cells": [], "nbformat": [4]}', "does not say"),
        ('{"cells": [], "nbformat": NaN}', "does not say"),
        (f'{{"cells": [], "nbformat": {"9" * 100_000}}}', "does not say"),
        ('{"worksheets": [], "nbformat": 3}', "old notebook format 3"),
        ('{"nbformat": 4}', "no list of cells"),
        ('{"nbformat": 4, "cells": {"0": {}}}', "no list of cells"),
        ('{"nbformat": 4, "cells": [{"source": "a", "source": "b"}]}', "same key twice"),
    ],
)
def test_each_damage_has_its_sentence(tmp_path: Path, content: bytes | str, why: str) -> None:
    assert why in problem(tmp_path, content)


def test_caps_on_a_notebook(tmp_path: Path) -> None:
    text = json.dumps(GOOD | {"cells": [{"source": ["abc", "de"]}, {"source": "x"}, 3]})
    assert "larger than 50 bytes" in problem(tmp_path, text, Caps(notebook_bytes=50))
    assert "3 cells, and at most 2" in problem(tmp_path, text, Caps(cells=2))
    assert "5 characters in cell 0, and at most 4" in problem(tmp_path, text, Caps(source_chars=4))
    assert read_notebook(tmp_path / "nb.ipynb", Caps(len(text), cells=3, source_chars=5))[0]


def test_numbers_that_only_outputs_can_hold_are_let_through(tmp_path: Path) -> None:
    path = tmp_path / "nb.ipynb"
    text = json.dumps(GOOD).replace(
        '"metadata": {}', f'"metadata": {{"a": [NaN, -Infinity, {"7" * 5_000}, -12]}}'
    )
    path.write_text(text)
    assert read_notebook(path) == (GOOD | {"metadata": {"a": [None, None, None, -12]}}, None)


def test_what_is_no_file_is_not_read(tmp_path: Path) -> None:
    (tmp_path / "folder.ipynb").mkdir()
    (tmp_path / "link.ipynb").symlink_to("/etc/hostname")
    os.mkfifo(tmp_path / "pipe.ipynb")
    for name, why in {
        "folder": "not a file",
        "link": "could not be opened",
        "pipe": "not a file",
        "no": "not in",
    }.items():
        notebook, said = read_notebook(tmp_path / f"{name}.ipynb")
        assert notebook is None and said and why in said


def test_a_large_hostile_notebook_is_refused_at_once(tmp_path: Path, cheapest) -> None:
    def seconds() -> float:
        start = time.process_time()
        assert "brackets" in problem(tmp_path, '{"nbformat": 4, "cells": [' + "{}," * 6_000_000 + "{}]}")
        return time.process_time() - start

    assert cheapest(seconds, 3) < 3
