"""`course check`: every rule that a lesson must keep and that can be checked without running it.

- file (`check_cells`): json, nbformat, kernelspec, stray-file, cell-id, grade-id, outputs, attachments,
  widget-state, metadata, untagged-code, cell-kind, markers, syntax, installs, code-length
- exercises (`check_exercises`): points, test-id, exercise-name, card, signature, docstring, hidden-tests,
  try-it, quiz, mark-scheme, mark-scheme-points, mark-scheme-examples, answer-cell
- contract of a test cell (`check_tests`): assert-message, hidden-announced, last-expression, stderr,
  self-contained, demo-name, setup-uses-graded
- prose (`check_prose`): title, objectives, minutes, heading-level, hints, folded-solution, alt-text, script,
  words, cells
- release (`check_release`): release-failed, release-missing, release-differs, leak

`words`, `cells`, `setup-uses-graded` and `code-length` up to 25 lines are warnings; the rest are errors.
"""

from collections.abc import Iterator, Sequence
from pathlib import Path

from course_utils.errors import LessonError
from course_utils.grading.check_cells import CELL_RULES
from course_utils.grading.check_exercises import EXERCISE_RULES
from course_utils.grading.check_prose import PROSE_RULES
from course_utils.grading.check_release import check_release
from course_utils.grading.check_tests import TEST_RULES
from course_utils.grading.findings import Finding, Findings
from course_utils.grading.lesson import LESSON_NAME, Lesson, find_lessons, load_lesson

__all__ = ["RULES", "Finding", "Findings", "check_lesson", "check_lessons"]

RULES = (*CELL_RULES, *EXERCISE_RULES, *TEST_RULES, *PROSE_RULES)


def check_lessons(root: Path, names: Sequence[str] = (), *, release: bool = True) -> Findings:
    """What is off in the named lessons (all, if none is named); empty if nothing is.

        report = check_lessons(Path("."), ["02"])
        rich.print(report.table()); sys.exit(report.exit_status)

    `release=False` leaves the comparison with `release/` out, for a lesson that is being written. Raises
    `UnknownLesson` for a name that is none.
    """
    findings = Findings([] if names else _stray_in_source(Path(root)))
    for folder in find_lessons(root, names):
        try:
            lesson = load_lesson(root, folder.name)
        except LessonError as error:
            findings.append(Finding(folder.name, "", "json", str(error)))
            continue
        findings += check_lesson(lesson, release=release)
    return findings


def check_lesson(lesson: Lesson, *, release: bool = True) -> list[Finding]:
    """What is off in one lesson that has been read."""
    findings = [finding for rule in RULES for finding in rule(lesson)]
    return findings + (list(check_release(lesson)) if release else [])


def _stray_in_source(root: Path) -> Iterator[Finding]:
    """`source/` itself holds lessons and nothing else."""
    for path in sorted((root / "source").glob("*")):
        if not (path.is_dir() and LESSON_NAME.fullmatch(path.name)):
            yield Finding(
                "source",
                "",
                "stray-file",
                f"source/{path.name} is no lesson (NN-name/); move it out of source/.",
            )
