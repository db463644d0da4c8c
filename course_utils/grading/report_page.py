"""A page for each assignment and one for the course: what an instructor asks after grading, pictures first.

>>> write_report(Path("."), ["02-attention-and-induction"], Path("report"))          # doctest: +SKIP
[PosixPath('report/index.html'), PosixPath('report/02-attention-and-induction.html')]

Each page is one file: no script, no picture or font from elsewhere, readable in print, in the dark and by a screen
reader. It names students, so it is for the staff.
"""

import statistics
from collections import Counter
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import jinja2
import numpy as np

from course_utils.errors import ClassError
from course_utils.grading.lesson import named
from course_utils.grading.release import load_settings
from course_utils.grading.report_data import AssignmentFacts, Handed, read_assignment

__all__ = ["write_report"]

TEMPLATES = Path(__file__).parent / "templates" / "report"
BINS = 10


def write_report(root: Path, assignments: Sequence[str], into: Path) -> list[Path]:
    """The pages that were written, the course's first. `assignments` are names in full or numbers; none are all that
    anybody has submitted.

    Raises `ClassError` if the gradebook has none of that name, or the pages cannot be written.
    """
    from nbgrader.apps.api import NbGraderAPI

    with NbGraderAPI(config=load_settings(root)).gradebook as gradebook:
        known = {found.name: found.num_submissions for found in gradebook.assignments}
        names = sorted(name for name, count in known.items() if count)
        if assignments:
            names = list(dict.fromkeys(_found(asked, sorted(known)) for asked in assignments))
        if not names:
            raise ClassError(
                "Nothing has been graded yet, so there is nothing to report. First: course autograde"
            )
        facts = [read_assignment(gradebook, root, name) for name in names]
    try:
        into.mkdir(parents=True, exist_ok=True)
        pages = [(into / "index.html", _course_page(facts))]
        pages += [(into / f"{one.name}.html", _assignment_page(one)) for one in facts]
        for path, text in pages:
            path.write_text(text, encoding="utf-8")
    except OSError as error:
        raise ClassError(
            f"The report could not be written to {into} ({error.strerror}). Name another with --into."
        ) from None
    return [path for path, _ in pages]


def _found(asked: str, known: Sequence[str]) -> str:
    hits = named(asked, known)
    if len(hits) != 1:
        problem = f"more than one assignment {asked}" if hits else f"no assignment {asked}"
        raise ClassError(f"The gradebook has {problem}; it has: {', '.join(known) or 'none'}.")
    return hits[0]


def _rendered(**values: Any) -> str:
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(TEMPLATES), autoescape=True, undefined=jinja2.StrictUndefined
    )
    made = datetime.now(UTC).strftime("%Y-%m-%d %H:%M UTC")
    css = (TEMPLATES / "page.css").read_text(encoding="utf-8")
    # The style sheet is ours and holds a `>`; everything else is escaped.
    return environment.get_template("page.html.j2").render(
        made=made, css=jinja2.filters.do_mark_safe(css), **values
    )


def _assignment_page(facts: AssignmentFacts) -> str:
    totals = [one.total for one in facts.handed]
    counts, edges = np.histogram(totals, bins=BINS, range=(0, facts.points or 1))
    bins = [
        {
            "count": int(count),
            "height": round(85 * count / max(1, counts.max()), 1),
            "label": f"{low:.0f}–{high:.0f}",
        }
        for count, low, high in zip(counts, edges, edges[1:], strict=False)
    ]
    in_words = ", ".join(f"{bin['label']} points: {bin['count']}" for bin in bins)
    hardest = sorted(facts.exercises, key=lambda one: (one.mean is None, one.mean or 0))
    return _rendered(
        title=facts.name, facts=facts, bins=bins if totals else [], bins_in_words=f"Submissions by points. {in_words}",
        exercises=hardest, numbers=_numbers(facts, totals), who=_who(facts),
    )  # fmt: skip


def _numbers(facts: AssignmentFacts, totals: list[float]) -> list[tuple[str, str]]:
    seconds = [one.seconds for one in facts.handed if one.seconds is not None]
    numbers = [("submitted", f"{len(facts.handed)} / {len(facts.students)}"), ("late", str(len(facts.late)))]
    numbers.append(("wait for a TA", str(len(facts.waiting))))
    if totals:
        numbers.append(("mean", f"{statistics.fmean(totals):.1f} / {facts.points:g}"))
        numbers.append(("median", f"{statistics.median(totals):g} / {facts.points:g}"))
    numbers.append(("ended by a limit", str(len(facts.ended))))
    if seconds:
        numbers.append(("examining, median", f"{statistics.median(seconds):.1f} s"))
    return numbers


def _who(facts: AssignmentFacts) -> list[tuple[str, list[str]]]:
    return [
        ("Have not submitted", list(facts.missing)),
        ("Late", [f"{one.student}: {_late(one)}" for one in facts.late]),
        (
            "Wait for a teaching assistant",
            [f"{one.student}: {', '.join(one.waits)}" for one in facts.waiting],
        ),
        ("Ended by a limit", [f"{one.student}: {one.ended}" for one in facts.ended]),
    ]


def _late(one: Handed) -> str:
    late = timedelta(seconds=round(one.late_s))
    return (
        f"{late.days} d {late.seconds // 3600} h"
        if late.days
        else f"{late.seconds // 3600} h {late.seconds // 60 % 60} min"
    )


def _course_page(facts: Sequence[AssignmentFacts]) -> str:
    rows = []
    for one in facts:
        totals = [handed.total for handed in one.handed]
        share = statistics.fmean(totals) / one.points if totals and one.points else 0.0
        tried = [exercise for exercise in one.exercises if exercise.mean is not None]
        hardest = min(tried, key=lambda exercise: exercise.mean or 0.0, default=None)
        rows.append({
            "name": one.name, "page": f"{one.name}.html", "submitted": f"{len(one.handed)} / {len(one.students)}",
            "submitted_share": round(100 * len(one.handed) / max(1, len(one.students))),
            "mean": f"{share:.2f}", "mean_share": round(100 * share), "late": len(one.late),
            "waiting": len(one.waiting), "ended": len(one.ended),
            "hardest": f"{hardest.name} ({hardest.mean:.2f})" if hardest else "",
        })  # fmt: skip
    missing = Counter(student for one in facts for student in one.missing)
    behind = sorted(((name, n) for name, n in missing.items() if n > 1), key=lambda row: (-row[1], row[0]))
    students = len({student for one in facts for student in one.students})
    return _rendered(title="Course report", facts=None, rows=rows, behind=behind, students=students)
