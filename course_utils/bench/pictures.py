"""Pictures of what `course bench` measured, as SVG files.

>>> draw(json.loads(Path("docs/bench.json").read_text()), Path("docs/pictures"))      # doctest: +SKIP
"""

from pathlib import Path
from typing import Any

from course_utils._drawing import COLOURS, canvas

__all__ = ["draw"]

WORDS = {
    "stock": "nbgrader 0.9.6",
    "stock, no demo cells": "nbgrader 0.9.6, demo cells left out",
    "otter-grader": "otter-grader, demo cells left out",
    "one job": "course autograde, one job",
    "all cores": "course autograde, all cores",
    "unchanged": "the same again, --force",
}


def draw(bench: dict[str, Any], into: Path) -> list[Path]:
    """The files: bench-speed.svg, bench-time.svg, bench-memory.svg, bench-hosts.svg, bench-simulation.svg."""
    into.mkdir(parents=True, exist_ok=True)
    drawn = [_speed(bench, into), _time(bench, into), _memory(bench, into), _simulation(bench, into)]
    return drawn + ([_hosts(bench, into)] if bench.get("hosts") else [])


def _save(figure: Any, path: Path) -> Path:
    figure.savefig(path, metadata={"Date": None})
    return path


def _bars(axes: Any, rows: dict[str, float], unit: str) -> None:
    names = list(rows)[::-1]
    axes.barh(names, [rows[name] for name in names], color=COLOURS[0])
    for place, name in enumerate(names):
        axes.annotate(f" {rows[name]:.3g}", (rows[name], place), va="center")
    axes.set_xlabel(unit)


def _speed(bench: dict[str, Any], into: Path) -> Path:
    lesson = bench["lessons"][0]
    rows = {WORDS[name]: row["per_minute"] for name, row in lesson["systems"].items() if name in WORDS}
    of = f"{lesson['lesson']}, {lesson['submissions']} submissions, {bench['machine']['cores']} cores"
    figure, axes = canvas(f"Submissions a minute: {of}", 8, 0.45 * len(rows) + 1.2)
    _bars(axes, rows, "submissions a minute (logarithmic)")
    axes.set_xscale("log")
    axes.set_xlim(right=max(rows.values()) * 2)
    return _save(figure, into / "bench-speed.svg")


def _time(bench: dict[str, Any], into: Path) -> Path:
    lesson = bench["lessons"][0]
    rows = lesson["seconds_of_cores"]
    figure, axes = canvas(
        f"Where the cores' seconds go, for one submission of {lesson['lesson']}", 8, 0.45 * len(rows) + 1.2
    )
    _bars(axes, rows, "seconds of a core, for each submission")
    axes.set_xlim(right=max(rows.values()) * 1.15)
    return _save(figure, into / "bench-time.svg")


def _memory(bench: dict[str, Any], into: Path) -> Path:
    rows = {name: row for name, row in bench["lessons"][0]["memory_mb"].items() if row["private"] > 1}
    figure, axes = canvas("Memory of one process of each kind, at its largest", 8, 0.45 * len(rows) + 1.2)
    names = list(rows)[::-1]
    private, shared = ([rows[name][part] for name in names] for part in ("private", "shared"))
    axes.barh(names, private, color=COLOURS[1], label="its own")
    axes.barh(
        names,
        shared,
        left=private,
        color=COLOURS[0],
        hatch="//",
        edgecolor="white",
        label="shared with others",
    )
    axes.set_xlabel("MiB")
    axes.legend(loc="lower right", frameon=False)
    return _save(figure, into / "bench-memory.svg")


def _hosts(bench: dict[str, Any], into: Path) -> Path:
    rows = {
        f"{count} host{'s' * (count > 1)}": row
        for count, row in ((int(c), r) for c, r in bench["hosts"]["per_minute"].items())
    }
    title = f"Dask, one core a host: two hosts are {bench['hosts']['speed_up']:.2f} times as fast as one"
    figure, axes = canvas(title, 8, 0.45 * len(rows) + 1.2)
    _bars(axes, rows, "submissions a minute")
    axes.set_xlim(right=max(rows.values()) * 1.15)
    return _save(figure, into / "bench-hosts.svg")


def _simulation(bench: dict[str, Any], into: Path) -> Path:
    simulated = bench["simulation"]
    rows = {f"{cores} cores": seconds / 60 for cores, seconds in simulated["seconds"].items()}
    title = f"Simulated from measured durations: a class of {simulated['students']:,}"
    figure, axes = canvas(title, 8, 0.45 * len(rows) + 1.2)
    _bars(axes, rows, "minutes until the last grade")
    axes.axvline(
        simulated["coordinator_s"] * simulated["students"] / 60, color="#555555", linestyle="--", linewidth=1
    )
    axes.annotate(
        " one process writes them all", (simulated["coordinator_s"] * simulated["students"] / 60, len(rows) - 0.55),
        color="#555555", fontsize=9,
    )  # fmt: skip
    axes.set_ylim(-0.6, len(rows) - 0.2)
    axes.set_xlim(right=max(rows.values()) * 1.15)
    return _save(figure, into / "bench-simulation.svg")
