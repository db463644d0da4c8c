"""Attacks that forge the notebook itself: its cells, their flags and order, its time stamp, whose it is."""

import copy
import json

from attacks.kit import Attempt, collection

attacks, attack = collection("forge")


@attack("the test cells deleted, the answers wrong")
def deleted_tests(it: Attempt) -> None:
    it.remove(*(cell.metadata.nbgrader.grade_id for cell in it.tests()))


@attack("the test cells deleted by mistake, the answers right", earns=8)
def deleted_tests_right(it: Attempt) -> None:
    it.right()
    it.remove(*(cell.metadata.nbgrader.grade_id for cell in it.tests()))


@attack("the stale grade: full marks, then a resubmission with wrong answers and no tests")
def stale_grade(it: Attempt) -> None:
    it.right()
    it.submitted_before()
    it.remove(*(cell.metadata.nbgrader.grade_id for cell in it.tests()))


@attack("the stale grade: full marks, then a resubmission without a notebook")
def stale_missing(it: Attempt) -> None:
    it.right()
    it.submitted_before()
    it.raw(b"")


@attack("the stale grade: full marks, then a resubmission with a broken notebook")
def stale_broken(it: Attempt) -> None:
    it.right()
    it.submitted_before()
    it.raw(b'{"cells": [')


@attack("the stale grade: full marks, then a resubmission with a backdated timestamp")
def backdated(it: Attempt) -> None:
    it.right()
    it.submitted_before()
    it.timestamp = "2020-01-01 12:00:00.000000 UTC"


@attack("a solution cell twice: the last one counts, and it is wrong")
def copied_solution(it: Attempt) -> None:
    it.solution("double", "def double(x):\n    return 0")
    right = copy.deepcopy(it.find("double"))
    right.source, right.id = "def double(x):\n    return x + x", "copy"
    it.notebook.cells.insert(it.notebook.cells.index(it.find("double")), right)


@attack("a solution cell twice: the last one counts, and it is right", earns=3)
def copied_solution_right(it: Attempt) -> None:
    right = copy.deepcopy(it.find("double"))
    right.source, right.id = "def double(x):\n    return x + x", "copy"
    it.notebook.cells.insert(it.notebook.cells.index(it.find("double")) + 1, right)


@attack("a test cell twice, one of them emptied")
def copied_test(it: Attempt) -> None:
    for cell in it.tests():
        again = copy.deepcopy(cell)
        again.source, again.id = "pass", f"copy-{again.id}"
        it.notebook.cells.append(again)


@attack("a solution cell deleted")
def deleted_solution(it: Attempt) -> None:
    it.remove("double", "mean", "vowels")


@attack("cells in another order, the answers right", earns=8)
def reordered(it: Attempt) -> None:
    it.right()
    first = [cell for cell in it.notebook.cells if cell in it.tests()]
    it.notebook.cells = first + [cell for cell in it.notebook.cells if cell not in first]


@attack("test cells renamed and emptied")
def renamed_tests(it: Attempt) -> None:
    for cell in it.tests():
        cell.metadata.nbgrader.grade_id = cell.metadata.nbgrader.grade_id.replace("hidden", "seen")
        cell.source = "assert True"


@attack("test cells turned into markdown and raw cells")
def other_types(it: Attempt) -> None:
    for cell, kind in zip(it.tests(), ["markdown", "raw"] * 9, strict=False):
        cell.cell_type = kind
        del cell["outputs"], cell["execution_count"]


@attack("all points moved to the visible tests", earns=2)
def moved_points(it: Attempt) -> None:
    for cell in it.tests():
        cell.metadata.nbgrader.points = 4 if "visible" in cell.metadata.nbgrader.grade_id else 0
    it.solution("double", "def double(x):\n    return {2: 4}.get(x, -1)")
    it.solution("mean", "def mean(numbers):\n    return 3 if list(numbers) == [1, 2, 6] else 0")


@attack("a thousand points for each test, and negative ones")
def many_points(it: Attempt) -> None:
    for cell, points in zip(it.tests(), [1000, -1, 1e308, float("nan"), 0], strict=True):
        cell.metadata.nbgrader.points = points


@attack("test cells flagged as solutions, with sources of the student's own")
def tests_as_solutions(it: Attempt) -> None:
    for cell in it.tests():
        cell.metadata.nbgrader.solution = True
        cell.source = "print('passed')"


@attack("test cells flagged as not graded")
def ungraded_tests(it: Attempt) -> None:
    for cell in it.tests():
        cell.metadata.nbgrader.grade = False


@attack("test cells unlocked, with the checksum of what they were changed to")
def unlocked_tests(it: Attempt) -> None:
    from nbgrader.utils import compute_checksum

    for cell in it.tests():
        cell.metadata.nbgrader.locked = False
        cell.source = "pass"
        cell.metadata.nbgrader.checksum = compute_checksum(cell)


@attack("test cells tagged so that they are skipped")
def skipped_tests(it: Attempt) -> None:
    for cell in it.tests():
        cell.metadata.tags = ["demo", "skip-execution", "raises-exception", "nbval-skip", "remove-cell"]


@attack("outputs of passed tests, saved with the notebook")
def saved_outputs(it: Attempt) -> None:
    from nbformat.v4 import new_output

    for cell in it.tests():
        cell.outputs = [new_output("execute_result", {"text/plain": "2.0"}, execution_count=1)]
        cell.execution_count = 1


@attack("verdicts and notes of our own grader's, saved with the notebook")
def saved_verdicts(it: Attempt) -> None:
    it.notebook.metadata.course = {"notes": ["All is well."], "released": {}}
    for cell in it.notebook.cells:
        cell.metadata.course = {"verdict": "pass", "message": "", "seconds": 0.1}


@attack("a kernel of the student's own choice")
def other_kernel(it: Attempt) -> None:
    it.notebook.metadata.kernelspec = {"name": "bash; touch x", "display_name": "x", "language": "R"}
    it.notebook.metadata.language_info = {"name": "../../x"}


@attack("the neighbour's notebook as one's own, by a link")
def borrowed_notebook(it: Attempt) -> None:
    it.link(f"{it.lesson}.ipynb", it.course / "submitted" / "a-before" / it.lesson / f"{it.lesson}.ipynb")


@attack(
    "handing in as somebody else, through the exchange",
    earns=None,
    by_exchange=True,
    limit="nbgrader's directory exchange lets a student's process say who it is, and one Unix user plays everybody "
    "here; lifted by an exchange that knows its users",
)
def somebody_else(it: Attempt) -> None:
    it.claims = "z-after"


@attack("notebooks that nobody asked for, with right answers, beside a wrong one")
def other_notebooks(it: Attempt) -> None:
    wrong = it.text()
    it.right()
    for name in ("02-tensors.ipynb", "zz.ipynb", "sub/01-plain.ipynb", "01-plain (copy).ipynb"):
        it.file(name, it.text())
    it.raw(wrong.encode())


@attack("names of cells made to look like those of other notebooks and rows of the gradebook")
def forged_names(it: Attempt) -> None:
    cell = it.cell("pass")
    marks = json.loads(json.dumps(it.find("double-hidden").metadata.nbgrader))
    cell.metadata.nbgrader = {**marks, "grade_id": "scaled-hidden", "points": 6}
    other = it.cell("pass")
    other.metadata.nbgrader = {**marks, "grade_id": "'; drop table grade; --", "points": 6}
