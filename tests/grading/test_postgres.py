"""The gradebook on a PostgreSQL server: a class is graded, shown and exported as with SQLite, whatever is handed in."""

import json
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import faults
import nbformat
import pytest
from faults import CLASS, make_class, scores
from nbgrader.api import Gradebook
from postgres import postgres
from rich.console import Console
from small import LESSON, small_course

from course_utils.errors import ClassError
from course_utils.grading.class_report import automatic_points
from course_utils.grading.demo import run_demo
from course_utils.grading.demo_class import api_for, fresh_folder
from course_utils.grading.many import class_grader

pytestmark = [pytest.mark.slow, pytest.mark.xdist_group("postgres")]

Make = Callable[[str], str]


@pytest.fixture(scope="module")
def server() -> Iterator[Make]:
    with postgres() as make:
        yield make


@pytest.fixture(scope="module")
def klass(server: Make, tmp_path_factory) -> Path:
    """A class whose gradebook is a database, graded at once."""
    url = server("class")

    def course(folder: Path, *lessons: str) -> Path:
        made = small_course(folder, *lessons)
        settings = folder / "nbgrader_config.py"
        settings.write_text(f"{settings.read_text()}\nc.CourseDirectory.db_url = {url!r}\n")
        return made

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(faults, "small_course", course)
        folder = make_class(tmp_path_factory.mktemp("postgres") / "class")
    with class_grader(folder, LESSON) as grader:
        assert {one.student for one in grader if one.outcome != "not graded"} == set(CLASS)
    assert not (folder / "gradebook.db").exists()
    return folder


def test_scores_are_those_of_sqlite(klass: Path) -> None:
    assert {name: scores(klass, name) for name in CLASS} == {
        name: right for name, (_, right) in CLASS.items()
    }
    assert automatic_points(klass, LESSON)["forgets"] == (4.0, 6.0)


# Names, sources and outputs that a database might stumble over, and one that looks for it.
ODD = {
    "nul": "'\\x00'",
    "surrogate": "'\\ud800'",
    "quotes": '''"'; DROP TABLE grade; --"''',
    "percent": "'%s %(x)s :name'",
    "long": "'x' * 3_000_000",
}


@pytest.mark.parametrize("name", ODD)
def test_odd_text_is_graded(klass: Path, name: str) -> None:
    grade(klass, name, f"odd = {ODD[name]}\nprint(odd)\ndef double(x):\n    raise ValueError(odd)")
    assert scores(klass, name) == (0.0, 0.0, 1.0, 2.0)


def test_odd_text_in_answers_is_graded(klass: Path) -> None:
    def write(notebook: Any) -> None:
        notebook.cells[-1].source = "\x00 \ud800 '; DROP TABLE grade; --"

    grade(klass, "writes", "def double(x):\n    return 2 * x", write)
    assert scores(klass, "writes") == (1.0, 2.0, 1.0, 2.0)


def test_a_submission_does_not_find_the_server(klass: Path) -> None:
    url = api_for(klass).coursedir.db_url
    attack = (
        "import glob, psycopg\n"
        f"found = [*glob.glob('/tmp/postgres-*'), *glob.glob('/var/run/postgresql/*')]\n"
        f"try:\n    psycopg.connect({url.replace('+psycopg', '')!r}, connect_timeout=3)\n"
        "    found.append('connected')\nexcept psycopg.OperationalError:\n    pass\n"
        "def double(x):\n    return 2 * x if found else None"
    )
    grade(klass, "looks", attack)
    assert scores(klass, "looks") == (0.0, 0.0, 1.0, 2.0)


def grade(
    klass: Path, student: str, double: str, change: Callable[[Any], None] = lambda notebook: None
) -> None:
    """Nothing: hands in and grades."""
    place = faults.hand_in(klass, student, {"double": double}, "2030")
    path = place / f"{LESSON}.ipynb"
    notebook = nbformat.read(path, as_version=4)
    change(notebook)
    path.write_text(json.dumps(notebook), encoding="utf-8")
    result = api_for(klass).autograde(LESSON, student)
    assert result["success"], result


def test_the_demo_runs_on_it_and_leaves_a_real_class_alone(server: Make, klass: Path, tmp_path: Path) -> None:
    root, url = small_course(tmp_path / "course"), server("demo")
    report = run_demo(root, [], tmp_path / "class", Console(quiet=True), gradebook=url)
    assert report.exit_status == 0, report.to_dict()
    assert not (tmp_path / "class" / "gradebook.db").exists()
    with Gradebook(url) as gradebook:
        assert len(gradebook.students) == len(report.outcomes)
    shutil.rmtree(tmp_path / "class")
    with pytest.raises(ClassError, match=r"holds assignments \(01-small\).*Make an empty"):
        fresh_folder(root, tmp_path / "class", [], api_for(klass).coursedir.db_url)
    with pytest.raises(
        ClassError, match=r"cannot be opened.*postgresql\+psycopg://user:password@host/database"
    ):
        fresh_folder(root, tmp_path / "class", [], url.replace("/demo?", "/nowhere?"))


def test_pages_and_export_work_on_it(klass: Path, tmp_path: Path) -> None:
    api = api_for(klass)
    assert {row["student"] for row in api.get_submissions(LESSON)} >= set(CLASS)
    assert api.get_assignment(LESSON)["num_submissions"] >= len(CLASS)
    assert len(api.get_students()) >= len(CLASS)
    assert api.generate_feedback(LESSON, "adds")["success"]
