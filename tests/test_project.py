"""The project's own promises: pins that agree, an honest `__all__`, commands that explain themselves."""

import importlib
import os
import pkgutil
import re
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

import course_utils

ROOT = Path(__file__).resolve().parent.parent
MODULES = [m.name for m in pkgutil.walk_packages(course_utils.__path__, "course_utils.") if not m.ispkg]

ON_A_HUB = dict.fromkeys(
    ("course_utils.exchange.page", "course_utils.exchange.service", "course_utils.hub.spawner"), "jupyterhub"
) | {"course_utils.hub.native": "nativeauthenticator"}


def pins(lines):
    return {line.split("#")[0].strip() for line in lines if "==" in line.split("#")[0]}


def test_environment_has_the_same_pins_as_requirements():
    environment = yaml.safe_load((ROOT / "environment.yml").read_text())
    listed = next(entry["pip"] for entry in environment["dependencies"] if isinstance(entry, dict))
    assert set(listed) == pins((ROOT / "requirements.txt").read_text().splitlines())


def test_every_requirement_is_pinned():
    for path in ROOT.glob("requirements*.txt"):
        for line in path.read_text().splitlines():
            entry = line.split("#")[0].strip()
            assert not entry or re.fullmatch(r"[A-Za-z0-9._-]+==[A-Za-z0-9.]+", entry), f"{path.name}: {line}"


def test_installed_packages_are_the_pinned_ones():
    from importlib.metadata import version

    for pin in pins((ROOT / "requirements.txt").read_text().splitlines()):
        name, wanted = pin.split("==")
        assert version(name).split("+")[0] == wanted, name


@pytest.mark.xdist_group("grouped")
def test_what_belongs_together_runs_in_one_process(request):
    if "PYTEST_XDIST_WORKER" not in os.environ:
        pytest.skip("one process runs all tests: grouped or not is the same (`make test` runs two)")
    assert request.node.nodeid.endswith("@grouped")


@pytest.mark.parametrize("name", MODULES)
def test_all_is_true(name):
    if name in ON_A_HUB:
        pytest.importorskip(
            ON_A_HUB[name], reason="requirements-hub.txt is not installed (`make test-hub` does it)"
        )
    module = importlib.import_module(name)
    assert all(hasattr(module, item) for item in module.__all__)


@pytest.mark.parametrize(
    "command",
    [
        "",
        "fetch-models",
        "doctor",
        "release",
        "check",
        "audit",
        "autograde",
        "regrade",
        "report",
        "bundle",
        "demo",
        "hub",
    ],
)
def test_every_command_explains_itself_and_its_exit_status(command):
    run = course(*command.split(), "--help")
    assert run.returncode == 0
    assert "xit status" in run.stdout


def test_importing_the_package_is_cheap():
    code = "import sys, course_utils, course_utils.cli; print('torch' in sys.modules or 'nbgrader' in sys.modules)"
    assert (
        subprocess.run([sys.executable, "-c", code], capture_output=True, text=True).stdout.strip() == "False"
    )


def test_lessons_and_the_lab_wing_never_import_the_grader():
    for path in [*(ROOT / "course_utils").glob("*.py"), *(ROOT / "course_utils" / "widgets").glob("*.py")]:
        if path.name not in ("cli.py", "doctor.py"):
            assert "course_utils.grading" not in path.read_text().replace("`course_utils.grading`", ""), path
    for path in (ROOT / "source").glob("*/*.ipynb"):
        assert "course_utils.grading" not in path.read_text(), path


def test_unknown_lesson_is_one_line_and_exit_status_2():
    run = course("check", "77", "--root", str(ROOT))
    assert run.returncode == 2
    assert run.stderr.startswith("course: ") and "77" in run.stderr and "Traceback" not in run.stderr


def test_doctor_finds_what_is_missing(tmp_path, monkeypatch):
    from course_utils import doctor

    monkeypatch.setenv("COURSE_CACHE", str(tmp_path))
    rows = {row["what"]: row for row in doctor.examine()}
    assert rows["Python"]["ok"] and not rows["SmolLM2"]["ok"]
    assert "fetch-models" in rows["SmolLM2"]["advice"]


def course(*arguments):
    code = "from course_utils.cli import main; main()"
    return subprocess.run([sys.executable, "-c", code, *arguments], capture_output=True, text=True, cwd=ROOT)
