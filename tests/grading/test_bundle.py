"""A student's bundle: all that a lesson needs, nothing that an answer could be read from, always the same bytes."""

import json
import os
import re
import shutil
import subprocess
import sys
import zipfile
from collections.abc import Iterator
from pathlib import Path

import nbformat
import pytest
from nbgrader.plugins.zipcollect import FileNameCollectorPlugin
from small import LESSON, REPOSITORY, small_course
from typer.testing import CliRunner

from course_utils.cli import app
from course_utils.errors import ClassError, LessonError
from course_utils.grading.bundle import STAFF_PACKAGES, contents, find_leak, write_bundle
from course_utils.grading.check_release import passages
from course_utils.grading.lesson import find_lessons, load_lesson
from course_utils.grading.release import write_release

PINS = ("requirements.txt", "requirements-models.txt", "environment.yml", "LICENSE", "pyproject.toml")
NAMES = [source.name for source in find_lessons(REPOSITORY)]


@pytest.fixture(scope="module")
def course(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A course folder with a small released lesson and the repository's pins."""
    folder = small_course(tmp_path_factory.mktemp("bundle") / "course")
    for name in PINS:
        shutil.copy(REPOSITORY / name, folder)
    write_release(folder, LESSON)
    return folder


@pytest.fixture(scope="module")
def unpacked(course: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The bundle of the small course, in an empty folder."""
    path = course.parent / "bundle.zip"
    write_bundle(course, [], path)
    into = tmp_path_factory.mktemp("student")
    with zipfile.ZipFile(path) as archive:
        archive.extractall(into)
    return into / "agai302"


def test_the_same_course_gives_the_same_bytes(course: Path, tmp_path: Path) -> None:
    first = write_bundle(course, [], tmp_path / "a.zip")
    for path in (course / "release").rglob("*.ipynb"):
        os.utime(path, (1, 1))
    second = write_bundle(course, ["01"], tmp_path / "b.zip")
    assert (tmp_path / "a.zip").read_bytes() == (tmp_path / "b.zip").read_bytes()
    assert (first.sha256, first.files) == (second.sha256, second.files) and first.lessons == (LESSON,)


def test_the_lab_is_in_it_and_the_other_wings_are_not(unpacked: Path) -> None:
    package = unpacked / "course_utils"
    for part in ("grading", "exchange", "hub", "training"):
        assert not (package / part).exists()
    for part in (
        "models.py",
        "checks.py",
        "cli.py",
        "widgets/attention.js",
        "data",
        "assets/induction-2l.safetensors",
    ):
        assert (package / part).exists()
    top = {path.name for path in unpacked.iterdir()}
    assert top == {*PINS, "README.md", "course_utils", "lessons", "nbgrader_config.py"}
    assert [path.name for path in (unpacked / "lessons" / LESSON).iterdir()] == [f"{LESSON}.ipynb"]


def test_pins_are_those_of_the_course_without_the_staffs(unpacked: Path) -> None:
    for name in ("requirements.txt", "environment.yml"):
        ours, theirs = (
            set(re.findall(r"^\s*(?:- )?([\w.-]+==[\w.]+)", (root / name).read_text(), re.MULTILINE))
            for root in (REPOSITORY, unpacked)
        )
        assert theirs < ours
        assert {pin.split("==")[0].lower() for pin in ours - theirs} == STAFF_PACKAGES


def run(folder: Path, *words: str) -> subprocess.CompletedProcess[str]:
    """That command with the package of `folder` and no other one of that name."""
    start = f"import sys; sys.path[:0] = [{str(folder)!r}]; "
    return subprocess.run(
        [sys.executable, "-P", "-c", start + words[0], *words[1:]],
        cwd=folder, capture_output=True, text=True, timeout=300, env=os.environ | {"PYTHONPATH": str(folder)},
    )  # fmt: skip


def test_every_module_of_the_lab_can_be_imported_without_the_others(unpacked: Path) -> None:
    script = (
        "import importlib, pkgutil, course_utils; assert course_utils.__file__.startswith(sys.path[0])\n"
        "for found in pkgutil.walk_packages(course_utils.__path__, 'course_utils.'):\n"
        "    importlib.import_module(found.name)\n"
        "print(any(name.startswith('course_utils.grading') for name in sys.modules))"
    )
    done = run(unpacked, script)
    assert (done.returncode, done.stdout.strip()) == (0, "False"), done.stderr[-2000:]


def test_course_offers_what_a_student_can_use_and_no_more(unpacked: Path) -> None:
    done = run(unpacked, "from course_utils.cli import main; main()", "--help")
    assert done.returncode == 0, done.stderr
    assert "fetch-models" in done.stdout and "doctor" in done.stdout
    assert not [word for word in ("autograde", "audit", "bundle", "nbgrader") if word in done.stdout]
    rows = unpacked / "rows.json"
    done = run(unpacked, "from course_utils.cli import main; main()", "doctor", "--json", str(rows))
    assert "Traceback" not in done.stderr
    assert "sandbox for grading" not in {row["what"] for row in json.loads(rows.read_text())}


def test_validate_works_in_it(unpacked: Path, course: Path, tmp_path: Path) -> None:
    folder = tmp_path / "work"
    shutil.copytree(unpacked, folder)
    notebook = folder / "lessons" / LESSON / f"{LESSON}.ipynb"
    command = [str(Path(sys.executable).parent / "nbgrader"), "validate", str(notebook)]
    untouched = subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=120)
    assert "visible case of double" in untouched.stdout and "demo-was-here" not in os.listdir(notebook.parent)
    shutil.copy(course / "source" / LESSON / f"{LESSON}.ipynb", notebook)
    solved = subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=120)
    assert "Success" in solved.stdout, solved.stdout + solved.stderr


# -- nothing is given away --


def test_no_file_of_the_whole_course_holds_a_line_of_an_answer() -> None:
    assert len(NAMES) > 10
    assert find_leak(REPOSITORY, contents(REPOSITORY, NAMES)) == ""


@pytest.mark.parametrize("name", NAMES)
def test_each_lesson_has_passages_to_look_for_and_each_would_be_found(name: str) -> None:
    found = sorted(passages(load_lesson(REPOSITORY, name)))
    assert len(found) > 30
    for passage in found[:: max(1, len(found) // 5)]:
        code = "".join(
            f"    {line}\n\n" for line in passage.split("\n")
        )  # other indents, blank lines between
        assert name in find_leak(REPOSITORY, {"course_utils/odd.py": code.encode()})
        book = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(code)])
        assert name in find_leak(REPOSITORY, {"lessons/x/x.ipynb": nbformat.writes(book).encode()})


@pytest.fixture
def spoilt(course: Path, tmp_path: Path) -> Iterator[Path]:
    folder = tmp_path / "course"
    shutil.copytree(course, folder)
    yield folder


def test_an_answer_in_a_release_is_refused_and_the_old_bundle_stays(spoilt: Path, tmp_path: Path) -> None:
    kept = tmp_path / "kept.zip"
    kept.write_bytes(b"old")
    shutil.copy(spoilt / "source" / LESSON / f"{LESSON}.ipynb", spoilt / "release" / LESSON)
    with pytest.raises(LessonError, match=f"{LESSON} cannot be bundled: .*course release"):
        write_bundle(spoilt, [], kept)
    assert kept.read_bytes() == b"old" and not list(tmp_path.glob(".bundle-*"))


def test_an_answer_beside_the_lessons_is_refused(spoilt: Path, tmp_path: Path, monkeypatch) -> None:
    answer = sorted(passages(load_lesson(REPOSITORY, NAMES[2])))[0]
    (spoilt / "LICENSE").write_text(answer)
    shutil.copytree(REPOSITORY / "source" / NAMES[2], spoilt / "source" / NAMES[2])
    with pytest.raises(
        ClassError, match=rf"LICENSE holds lines of the instructor's half of {NAMES[2]}.*Nothing"
    ):
        write_bundle(spoilt, [LESSON], tmp_path / "x.zip")
    assert not (tmp_path / "x.zip").exists()


def test_a_release_that_is_missing_says_what_to_type(spoilt: Path, tmp_path: Path) -> None:
    shutil.rmtree(spoilt / "release")
    with pytest.raises(LessonError, match=f"run `course release {LESSON}`"):
        write_bundle(spoilt, [], tmp_path / "x.zip")


def test_a_folder_without_pins_and_a_place_that_cannot_be_written(spoilt: Path, tmp_path: Path) -> None:
    with pytest.raises(ClassError, match="could not be written"):
        write_bundle(spoilt, [], tmp_path / "none" / "x.zip")
    (spoilt / "environment.yml").unlink()
    with pytest.raises(ClassError, match=r"needs environment\.yml"):
        write_bundle(spoilt, [], tmp_path / "x.zip")


def test_the_command_says_what_it_wrote(course: Path, tmp_path: Path) -> None:
    where, rows = tmp_path / "b.zip", tmp_path / "b.json"
    done = CliRunner().invoke(
        app, ["bundle", "01", "--into", str(where), "--json", str(rows), "--root", str(course)]
    )
    assert done.exit_code == 0, done.output
    made = json.loads(rows.read_text())
    assert made["sha256"] in done.output and made["lessons"] == [LESSON]
    assert made["size"] == where.stat().st_size


@pytest.mark.parametrize(
    ("upload", "student"),
    [
        ("Emmy Noether_4712_assignsubmission_file_{0}.ipynb", "Emmy Noether"),
        ("Grace Hopper_4711_assignsubmission_file/{0}.ipynb", "Grace Hopper"),
        ("lovelaceada_LATE_1234_98765_{0}-2.ipynb", "lovelaceada"),
        ("{0}.ipynb", None),
        ("hopper_4711_another-lesson.ipynb", None),
    ],
)
def test_the_instructors_page_has_a_pattern_that_sorts_uploads(upload: str, student: str | None) -> None:
    text = (REPOSITORY / "docs" / "instructor.md").read_text()
    lesson, pattern = re.findall(r"zip_collect (\S+) \\\n.*named_regexp='(.+)'", text)[0]
    sort = FileNameCollectorPlugin(named_regexp=pattern)
    found = sort.collect(f"/course_1/downloaded/{lesson}/extracted/all/{upload.format(lesson)}")
    assert found == (student and {"student_id": student, "file_id": lesson})
