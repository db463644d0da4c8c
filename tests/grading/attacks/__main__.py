"""`python -m attacks` in tests/grading: a table of what each attack earns and does in stock nbgrader and in ours."""

import argparse
import contextlib
import json
import sys
import tempfile
from dataclasses import asdict
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

if not __package__:  # `python tests/grading/attacks`
    sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from postgres import postgres

from attacks import every_attack
from attacks.course import Class, prepared
from attacks.harness import Result, batches, run
from attacks.kit import Attack

Rows = dict[str, dict[str, Any]]
HARMS = ("reached", "planted", "active", "left", "neighbours", "waiting")


def main() -> None:
    """Run what is asked for and print the table; the exit code is 1 if ours let anything through."""
    options = _options()
    console = Console(width=None if sys.stdout.isatty() else 170)
    every, wanted = every_attack(), tuple(options.names) or ("",)
    attacks = [attack for attack in every if attack.name.startswith(wanted)]
    known: Rows = json.loads(options.json.read_text()) if options.json and options.json.exists() else {}
    rows: Rows = {}
    for attack in every if known else attacks:
        facts = {"says": attack.says, "must": attack.earns, "at_most": attack.at_most, "limit": attack.limit}
        rows[attack.name] = known.get(attack.name, {}) | facts
    graders = [name for name in ("stock", "ours") if getattr(options, name)] or ["stock", "ours"]
    with tempfile.TemporaryDirectory(prefix="attacks-") as folder, contextlib.ExitStack() as stack:
        databases = stack.enter_context(postgres()) if options.postgres else None
        for grader in graders:
            stock = grader == "stock"
            klass = prepared(Path(folder) / grader, stock, 0 if stock else options.jobs, databases)
            _run(attacks, klass, rows, options.json, console)
    console.print(_table(rows, graders))
    sys.exit(
        "ours" in graders and not all(_held(rows[attack.name]) for attack in attacks if not attack.limit)
    )


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m attacks", description=__doc__)
    parser.add_argument("names", nargs="*", help="only attacks whose names start with one of these")
    parser.add_argument("--stock", action="store_true", help="run against stock nbgrader only")
    parser.add_argument("--ours", action="store_true", help="run against ours only")
    parser.add_argument(
        "--jobs",
        type=int,
        default=0,
        metavar="N",
        help="grade with `course autograde`, N submissions at once, instead of `nbgrader autograde`",
    )
    parser.add_argument(
        "--postgres", action="store_true", help="keep the gradebook on a PostgreSQL server, started for it"
    )
    parser.add_argument(
        "--json", type=Path, metavar="FILE", help="write all that was found there, over what is there"
    )
    return parser.parse_args()


def _run(attacks: list[Attack], klass: Class, rows: Rows, file: Path | None, console: Console) -> None:
    """Nothing: the rows hold what came of each attack, and so does the file, from the first class on."""
    stock, grader = klass.stock, klass.folder.name
    # In stock nbgrader one attack can spoil the run of another.
    groups = [[attack] for attack in attacks if attack.stock] if stock else batches(attacks)
    for group in groups:
        for result in run(group, klass, klass.folder.parent):
            rows[result.attack][grader] = asdict(result)
            console.print(f"{grader}  {_summary(result)}", markup=False, soft_wrap=True, highlight=False)
        if file:
            file.write_text(json.dumps(rows, indent=1) + "\n")


def _summary(result: Result) -> str:
    return f"{result.attack}: {_points(result.score)} {result.wrongs() or ''} ({result.seconds} s)"


def _table(rows: Rows, graders: list[str]) -> Table:
    table = Table(
        title="What each attack earns of 8 points, and what else it does", caption=_counts(rows, graders)
    )
    table.add_column("attack", max_width=58)
    table.add_column("must", justify="right")
    for grader in graders:
        for heading in (f"{grader} earns", "loot", "harm", "run"):
            table.add_column(heading, justify="right" if "earns" in heading else "left", max_width=24)
    for name, row in rows.items():
        table.add_row(f"{name.split('-')[0]}: {row['says']}", _points(row["must"]), *_cells(row, graders))
    return table


def _cells(row: dict[str, Any], graders: list[str]) -> list[str]:
    cells = []
    for grader in graders:
        got = row.get(grader)
        if got is None:
            cells += ["not run", "", "", ""]
            continue
        points = _points(got["score"])
        cells.append(points if _earned(row, got) else f"[bold red]{points}[/]")
        cells.append(", ".join(dict.fromkeys(place.split(" in ")[0] for place in got["loot"])))
        cells.append(", ".join(name for name in HARMS if got[name]))
        cells.append(_ending(got))
    return cells


def _ending(got: dict[str, Any]) -> str:
    """How the run of the whole class ended."""
    if any("has None" in line for line in got["neighbours"]):
        return "stopped"
    return "error" if got["aborted"] else ""


def _points(score: float | None) -> str:
    return "—" if score is None else f"{score:g}"


def _earned(row: dict[str, Any], got: dict[str, Any]) -> bool:
    score, must = got["score"], row["must"]
    return bool(score == must or (row["at_most"] and score is not None and score <= must))


def _held(row: dict[str, Any]) -> bool:
    """Whether our grader gave what must be given, and nothing else happened."""
    got = row.get("ours", {})
    return _earned(row, got) and not any(value for value in got.values() if isinstance(value, list))


def _counts(rows: Rows, graders: list[str]) -> str:
    lines = []
    for grader in graders:
        got = [(row, row[grader]) for row in rows.values() if grader in row]
        counts = {
            "attacks": len(got),
            "earned too much": sum((one["score"] or 0) > (row["must"] or 0) for row, one in got),
            "earned too little, or were not graded": sum(
                (one["score"] or 0) < (row["must"] or 0) and not row["at_most"] for row, one in got
            ),
            "took loot away": sum(bool(one["loot"]) for _, one in got),
            "did other harm": sum(any(one[name] for name in HARMS) for _, one in got),
            "stopped the run": sum(_ending(one) == "stopped" for _, one in got),
            "made it end with an error": sum(_ending(one) == "error" for _, one in got),
            "showed hidden tests on the feedback page": sum("hidden" in one["page"] for _, one in got),
        }
        lines.append(f"{grader}: " + ", ".join(f"{number} {what}" for what, number in counts.items()))
    return "\n".join(lines)


if __name__ == "__main__":
    main()
