"""One paired run: the same submissions through other graders and through this one, in turn.

>>> bench = Bench(Path("."), Path("bench-class"), print, otter=None)                   # doctest: +SKIP
>>> bench.lesson("02-attention-and-induction", submissions=40, blocks=2)               # doctest: +SKIP

The submissions are graded in blocks. Each block goes through all the graders, in the opposite order every second
time, so what the machine does meanwhile falls on all of them.
"""

import json
import os
import platform
import shutil
import statistics
import sys
from collections.abc import Callable
from importlib import metadata
from pathlib import Path
from typing import Any

import psutil
from rich.table import Table

from course_utils.bench import rivals
from course_utils.bench.hosts import dask_hosts, why_no_hosts
from course_utils.bench.klass import LIGHT, Class, light_course, make_class, scores
from course_utils.bench.meter import Cost, measure
from course_utils.bench.pictures import WORDS
from course_utils.bench.simulate import simulate
from course_utils.errors import ClassError
from course_utils.grading.demo_class import may_be_emptied

__all__ = ["Bench"]

SYSTEMS = ("stock", "stock, no demo cells", "otter-grader", "one job", "all cores")
CORES = (2, 8, 64, 256)
STUDENTS = 1000
MARKER = ".made-by-course-bench"


class Bench:
    """Measures into `result`, plain data; `say` is told what is being done. Everything happens in the folder `into`."""

    def __init__(self, root: Path, into: Path, say: Callable[[str], None], otter: Path | None) -> None:
        if not may_be_emptied(into, MARKER):
            raise ClassError(
                f"{into} is not a folder of `course bench`, which empties it. Name another with --into."
            )
        shutil.rmtree(into, ignore_errors=True)
        into.mkdir(parents=True)
        (into / MARKER).write_text("")
        self.root, self.into, self.say, self.packages = root.resolve(), into.resolve(), say, otter
        self.cores = len(os.sched_getaffinity(0))
        machine = {"cores": self.cores, "memory_gib": round(psutil.virtual_memory().total / 2**30, 1)}
        packages = {
            name: metadata.version(name) for name in ("nbgrader", "torch", "transformers", "distributed")
        }
        if otter:
            packages["otter-grader"] = rivals.otter_version(otter)
        self.result: dict[str, Any] = {
            "machine": {**machine, "system": platform.platform(), "busy_before": psutil.cpu_percent(2) / 100},
            "versions": {"python": platform.python_version(), **packages},
            "lessons": [],
        }

    def lesson(self, name: str, submissions: int, blocks: int) -> None:
        """Nothing: adds what the graders took for that lesson (`LIGHT`: one in plain Python)."""
        root = light_course(self.root, self.into / "light") if name == LIGHT else self.root
        made = make_class(root, self.into / "class", name, submissions, seed=1)
        systems = [system for system in SYSTEMS if self.packages or system != "otter-grader"]
        costs: dict[str, list[Cost]] = {}
        points: dict[str, dict[str, float]] = {}
        records: list[dict[str, Any]] = []
        for number in range(blocks):
            block = self._block(made, number, blocks)
            for system in systems if number % 2 == 0 else systems[::-1]:
                self.say(
                    f"{name}: block {number + 1} of {blocks}, {len(block.students)} submissions, {WORDS[system]}"
                )
                own = block.copy(self.into / "graded")
                costs.setdefault(system, []).append(self._grade(system, own))
                points.setdefault(system, {}).update(
                    rivals.otter_points(own) if system == "otter-grader" else scores(own)
                )
                if system == "all cores":
                    records += _records(own)
                    costs.setdefault("unchanged", []).append(self._grade("unchanged", own))
                shutil.rmtree(own.folder)
            shutil.rmtree(block.folder)
        self.result["lessons"].append(self._summary(made, costs, points, records))
        shutil.rmtree(made.folder)

    def hosts(self, name: str, submissions: int) -> None:
        """Nothing: adds the speed with a Dask worker on one host and on two. Says why if it cannot."""
        if why := why_no_hosts():
            self.say(f"Not measured: two hosts ({why}).")
            self.result["hosts"] = {}
            return
        made = make_class(self.root, self.into / "class", name, submissions, seed=2)
        rates = {}
        for count in (1, 2):
            self.say(f"{name}: {submissions} submissions, Dask workers on {count} of 2 hosts")
            own = made.copy(self.into / "graded")
            with dask_hosts(count) as scheduler:
                cost = measure(_course("autograde", name, "--scheduler", scheduler), own.folder)
            rates[str(count)] = round(60 * submissions / cost.wall_s, 2)
            shutil.rmtree(own.folder)
        shutil.rmtree(made.folder)
        speed_up = rates["2"] / rates["1"]
        self.result["hosts"] = {
            "submissions": submissions, "per_minute": rates, "speed_up": round(speed_up, 3),
            "efficiency": round(speed_up / 2, 3),
        }  # fmt: skip

    def simulate(self) -> None:
        """Nothing: adds how long a class of 1,000 would take on many cores, from what the first lesson took."""
        lesson = self.result["lessons"][0]
        coordinator = lesson["seconds_of_cores"]["coordinator"]
        self.result["simulation"] = {
            "students": STUDENTS, "coordinator_s": coordinator,
            "seconds": {
                str(cores): round(simulate(lesson["examining_s"], coordinator, students=STUDENTS, cores=cores), 1)
                for cores in CORES
            },
        }  # fmt: skip

    def table(self) -> Table:
        """Submissions a minute, and what this is of stock nbgrader's."""
        title = f"Submissions a minute, {self.cores} cores"
        table = Table(
            "lesson", "grader", "a minute", "times stock", "seconds each", title=title, title_justify="left"
        )
        for lesson in self.result["lessons"]:
            for name, row in lesson["systems"].items():
                numbers = (
                    f"{row['per_minute']:.2f}",
                    f"{row['times_stock']:.2f}",
                    f"{row['seconds_each']:.2f}",
                )
                table.add_row(lesson["lesson"], WORDS[name], *numbers)
            floor = f"{lesson['floor']['ratio']:.2f} times the floor of {lesson['floor']['seconds_each']:.2f} s each"
            table.add_row("", "all cores", "", "", floor, end_section=True)
        return table

    def save(self, path: Path) -> None:
        """Nothing: writes `result` as JSON."""
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps(self.result, indent=1) + "\n")

    def _block(self, made: Class, number: int, blocks: int) -> Class:
        students = made.students[number::blocks]
        block = made.copy(self.into / "block")
        for student in set(made.students) - set(students):
            shutil.rmtree(block.folder / "submitted" / student)
        return Class(block.folder, made.lesson, students)

    def _grade(self, system: str, own: Class) -> Cost:
        if system == "otter-grader":
            assert self.packages is not None
            return rivals.otter(own, self.packages)
        if system.startswith("stock"):
            return rivals.stock(own, demo_cells=system == "stock")
        options = {"one job": ["--jobs", "1"], "all cores": [], "unchanged": ["--force"]}[system]
        return measure(_course("autograde", own.lesson, *options), own.folder)

    def _summary(
        self, made: Class, costs: dict[str, list[Cost]], points: dict[str, dict[str, float]],
        records: list[dict[str, Any]],
    ) -> dict[str, Any]:  # fmt: skip
        count = len(made.students)
        each = {system: sum(cost.wall_s for cost in of) / count for system, of in costs.items()}
        systems = {}
        for system, seconds in each.items():
            of_blocks = [s.wall_s / own.wall_s for s, own in zip(costs["stock"], costs[system], strict=True)]
            systems[system] = {
                "per_minute": round(60 / seconds, 2), "seconds_each": round(seconds, 3),
                "times_stock": round(each["stock"] / seconds, 2),
                "times_stock_by_block": [round(ratio, 2) for ratio in of_blocks],
                "busy_s_each": round(sum(cost.busy_s for cost in costs[system]) / count, 2),
                "other_points_than_all_cores": {
                    student: [theirs, points["all cores"].get(student)]
                    for student, theirs in points.get(system, {}).items()
                    if theirs != points["all cores"].get(student)
                },
            }  # fmt: skip
        floor = sum(record["used"]["cpu_s"] for record in records) / count / self.cores
        return {
            "lesson": made.lesson, "submissions": count, "blocks": len(costs["stock"]), "systems": systems,
            "floor": {"seconds_each": round(floor, 3), "ratio": round(each["all cores"] / floor, 2)},
            "seconds_of_cores": _shares(costs["all cores"], count, self.cores),
            "memory_mb": _largest(costs["all cores"]), "memory_stock_mb": _largest(costs["stock"]),
            "pss_mb": round(max(cost.pss_mb for cost in costs["all cores"])),
            "examining_s": [round(record["used"]["seconds"], 2) for record in records],
            "examining_median_s": round(statistics.median(record["used"]["seconds"] for record in records), 2),
        }  # fmt: skip


def _course(*words: str) -> list[str]:
    return [sys.executable, "-m", "course_utils.cli", *words]


def _records(own: Class) -> list[dict[str, Any]]:
    found = sorted((own.folder / ".grading" / "records").rglob("*.json"))
    return [record for record in map(json.loads, (path.read_text() for path in found)) if record["used"]]


def _shares(costs: list[Cost], count: int, cores: int) -> dict[str, float]:
    """Seconds of cores for each submission, by what was done; what nobody was seen to do is apart."""
    roles = sorted({role for cost in costs for role in cost.by_role})
    shares = {role: sum(cost.by_role.get(role, 0.0) for cost in costs) / count for role in roles}
    busy, all_s = (
        sum(cost.busy_s for cost in costs) / count,
        sum(cost.wall_s for cost in costs) * cores / count,
    )
    shares |= {
        "not seen (starts and ends)": max(0.0, busy - sum(shares.values())),
        "idle": max(0.0, all_s - busy),
    }
    return {role: round(seconds, 3) for role, seconds in shares.items()}


def _largest(costs: list[Cost]) -> dict[str, dict[str, float]]:
    roles = sorted({role for cost in costs for role in cost.memory})
    largest = {
        role: max((c.memory[role] for c in costs if role in c.memory), key=lambda m: m.private)
        for role in roles
    }
    return {
        role: {"private": round(m.private, 1), "shared": round(m.shared, 1)} for role, m in largest.items()
    }
