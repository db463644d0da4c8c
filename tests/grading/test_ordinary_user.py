"""The grader as somebody who is not root: graded in user namespaces, with the same scores."""

import json
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest
from ordinary import as_ordinary_user

from course_utils.models import cache_dir

pytestmark = [pytest.mark.slow, pytest.mark.xdist_group("ordinary-user")]

HERE = Path(__file__).parent
GRADE = """
import json, os, sys, warnings
warnings.simplefilter("ignore")
sys.path.insert(0, sys.argv[1])
from pathlib import Path
import nbformat
from small import LESSON, small_course
from nbgrader.apps.api import NbGraderAPI
from course_utils.grading.release import load_settings
from course_utils.grading.sandbox import how_to_shut_in

folder = Path(sys.argv[2]) / "course"
small_course(folder)
settings = load_settings(folder)
settings.Examine.cell_timeout, settings.Examine.memory_mb, settings.Examine.processes = 5.0, 700, 60
api = NbGraderAPI(config=settings)
assert api.generate_assignment(LESSON)["success"]
answers = {
    "right": "def double(x):\\n    return 2 * x",
    "processes": "import os\\ndef double(x):\\n    try:\\n        while True:\\n            os.fork() or os.pause()\\n"
    "    except OSError as error:\\n        return str(error)",
    "memory": "def double(x):\\n    return len([bytearray(1 << 24) for _ in range(1000)])",
    "outside": "import os\\ndef double(x):\\n    return [os.path.exists(p) for p in (%r, %r)]"
    % (str(folder / "gradebook.db"), str(folder / "source")),
    "kills": "import os\\ndef double(x):\\n    os.kill(-1, 9)",
}
told = {"user": os.getuid(), "command": how_to_shut_in(), "scores": {}, "messages": {}}
for student, double in answers.items():
    notebook = nbformat.read(folder / "release" / LESSON / f"{LESSON}.ipynb", as_version=4)
    for cell in notebook.cells:
        name = cell.metadata.get("nbgrader", {}).get("grade_id")
        cell.source = {"double": double, "root": "def root(x):\\n    return x**0.5"}.get(name, cell.source)
    place = folder / "submitted" / student / LESSON
    place.mkdir(parents=True)
    nbformat.write(notebook, place / f"{LESSON}.ipynb")
    assert (said := api.autograde(LESSON, student))["success"], (student, said)
    record = json.loads((folder / ".grading" / "records" / LESSON / student / f"{LESSON}.json").read_text())
    tests = [cell for cell in record["cells"] if cell["kind"] == "test"]
    told["scores"][student] = [cell["verdict"] for cell in tests]
    told["messages"][student] = tests[0]["message"]
print(json.dumps(told))
"""


@pytest.fixture(scope="module")
def told():
    folder = Path(tempfile.mkdtemp(prefix="ordinary-"))
    folder.chmod(0o777)
    (folder / "grade.py").write_text(GRADE)
    command = [*as_ordinary_user(), sys.executable, str(folder / "grade.py"), str(HERE), str(folder)]
    env = os.environ | {"HOME": str(folder), "COURSE_CACHE": str(cache_dir())}
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=300, env=env)
        assert done.returncode == 0, done.stderr[-2000:]
        yield json.loads(done.stdout.splitlines()[-1])
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def test_it_was_an_ordinary_user_in_a_user_namespace(told):
    assert told["user"] != 0 and "--unshare-user" in told["command"]


def test_the_right_answer_has_every_point(told):
    assert told["scores"]["right"] == ["pass"] * 4


@pytest.mark.parametrize("student", ["processes", "memory", "outside", "kills"])
def test_a_hostile_answer_earns_nothing(told, student):
    assert "pass" not in told["scores"][student][:2], told["messages"][student]


def test_the_course_folder_is_not_there(told):
    assert told["messages"]["outside"] == "visible case of double"


def test_memory_is_limited(told):
    assert told["scores"]["memory"][0] == "memory", told["messages"]["memory"]


def test_all_that_is_said_of_sandboxes_holds():
    if os.geteuid() != 0:
        pytest.skip(
            "test_sandbox.py ran as an ordinary user already; as root it is run again as somebody else"
        )
    home = Path(tempfile.mkdtemp(prefix="ordinary-"))
    home.chmod(0o777)
    command = [
        *as_ordinary_user(),
        sys.executable,
        "-m",
        "pytest",
        "-q",
        "-p",
        "no:cacheprovider",
    ]
    try:
        done = subprocess.run(
            [*command, "--basetemp", str(home / "base"), str(HERE / "test_sandbox.py")],
            env=os.environ | {"HOME": str(home)},
            capture_output=True, text=True, timeout=200, cwd=home,
        )  # fmt: skip
        assert done.returncode == 0, done.stdout[-4000:]
        assert " passed" in done.stdout
    finally:
        shutil.rmtree(home, ignore_errors=True)
