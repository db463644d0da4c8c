"""Every lesson passes its gate, proves its tests, runs top to bottom, and is cheap to grade."""

import json
import resource
import subprocess
import sys
from pathlib import Path

import pytest

from course_utils.grading.audit import audit_lessons
from course_utils.grading.check import check_lessons
from course_utils.grading.lesson import lesson_names

ROOT = Path(__file__).resolve().parents[2]
LESSONS = lesson_names(ROOT)
each_lesson = pytest.mark.parametrize("name", LESSONS)

RUN_TOP_TO_BOTTOM = """
import json, resource, sys, time
import nbformat
from nbclient import NotebookClient
notebook = nbformat.read(sys.argv[1], as_version=4)
started = time.monotonic()
NotebookClient(notebook, timeout=300, kernel_name="python3", store_widget_state=False).execute()
usage = resource.getrusage(resource.RUSAGE_CHILDREN)
noise = [o.text for c in notebook.cells for o in c.get("outputs", []) if o.get("name") == "stderr"]
print(json.dumps({"wall": time.monotonic() - started, "cpu": usage.ru_utime + usage.ru_stime,
                  "gib": usage.ru_maxrss / 2**20, "stderr": noise}))
"""


def test_the_two_first_lessons_are_there():
    assert {"00-orientation", "02-attention-and-induction"} <= set(LESSONS)


@each_lesson
def test_check_finds_no_error(name):
    findings = check_lessons(ROOT, [name])
    assert not findings.errors, json.dumps(findings.to_dict(), indent=1, default=str)


@pytest.mark.slow
@pytest.mark.model
@each_lesson
def test_audit_finds_nothing_off_and_grading_costs_at_most_15_seconds(name, slowness):
    """Every answer as the grader tests it, the reference on one more seed; `course audit` before a release takes five,
    and tests every answer as Validate does, too. The seconds are the processor's, for solution and test cells: demo
    cells are skipped when grading, set-up is counted as start-up.
    """
    report = audit_lessons(ROOT, [name], jobs=1, seeds=1, validate=False, time_limit_s=240)
    assert report.exit_status == 0, "\n".join(map(str, report.problems))
    print(f"{name}: {report.cost_s[name]:.1f} s")
    assert report.cost_s[name] / slowness() < 15


@pytest.mark.slow
@pytest.mark.model
@each_lesson
def test_runs_top_to_bottom_without_error_or_noise(name, cheapest):
    """Under two minutes of one core's time, and under 3 GiB."""
    path = ROOT / "source" / name / f"{name}.ipynb"

    def cpu():
        run = subprocess.run(
            [sys.executable, "-c", RUN_TOP_TO_BOTTOM, str(path)], capture_output=True, text=True
        )
        assert run.returncode == 0, run.stderr[-2000:]
        figures = json.loads(run.stdout.splitlines()[-1])
        print(f"{name}: {figures['wall']:.0f} s wall, {figures['cpu']:.0f} s CPU, {figures['gib']:.2f} GiB")
        assert figures["stderr"] == [] and figures["gib"] < 3
        return figures["cpu"]

    assert cheapest(cpu, 120) < 120


def test_peak_memory_is_measured_in_kib_here():
    """The two figures above divide by 2**20: true on Linux, where ru_maxrss counts KiB."""
    assert sys.platform == "linux"
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss > 10_000
