"""`Examine`: the nbgrader step that stands where `Execute` was, and grades without trusting what it runs.

>>> c.Autograde.autograde_preprocessors = ["course_utils.grading.examine_step.Examine", …]    # doctest: +SKIP

It takes the settings of nbgrader's own `Execute` (`timeout`, `skip_cells_with_tag`) where it has none itself.
"""

import ast
from dataclasses import dataclass
from typing import Any

from nbformat.v4 import new_output
from nbgrader.preprocessors import Execute, NbGraderPreprocessor
from nbgrader.utils import is_grade, is_locked, is_solution, is_task
from traitlets import Bool, Float, Integer, Unicode, default

from course_utils.grading.examine import CodeCell, Job, examine
from course_utils.grading.ledger import Ledger, digest
from course_utils.grading.lesson_source import top_level_names
from course_utils.grading.record import CellRecord, Kind, Record
from course_utils.grading.sandbox import Limits
from course_utils.grading.sanitise import clean_output
from course_utils.grading.staging import Staged

__all__ = ["Assigned", "Examine", "lesson_names"]

PLAIN = Limits()


@dataclass
class Assigned:
    """What `HonestAutograde` knows about the notebook that is graded, and the record that `Examine` leaves."""

    graded: tuple[str, ...]
    """Names that solution cells define."""
    imports: dict[str, tuple[str, str]]
    """Names that the lesson's own cells import: (module, attribute)."""
    staged: Staged
    seeds: dict[str, str]
    problem: str
    """Why there is nothing to grade; empty if there is."""
    ledger: Ledger
    record: Record | None = None
    """Before `Examine` runs: what came of examining it elsewhere or earlier, if it was."""
    digest: str = ""
    """The name under which the ledger is to keep the record; empty if it has it."""


class Examine(NbGraderPreprocessor):
    """Runs the student's cells in one sandbox and the test cells in another, and writes what came of it."""

    sandbox = Unicode("bubblewrap", help="'bubblewrap', or 'none' to run submissions unprotected.").tag(
        config=True
    )
    cell_timeout = Float(help="Seconds for one cell; nbgrader's own `timeout` if it is set.").tag(config=True)
    notebook_timeout = Float(PLAIN.notebook_s, help="Seconds for one notebook.").tag(config=True)
    memory_mb = Integer(PLAIN.memory_mb, help="Memory of all processes of one notebook.").tag(config=True)
    processes = Integer(PLAIN.processes, help="Processes and threads of one notebook.").tag(config=True)
    file_mb = Integer(PLAIN.file_mb, help="Size of one file, and of each writable folder.").tag(config=True)
    output_kb = Integer(PLAIN.output_kb, help="Output of one cell that is kept.").tag(config=True)
    look_up = Bool(True, help="Whether what was examined before, and has not changed, is looked up.").tag(
        config=True
    )

    @default("cell_timeout")
    def _timeout_of_execute(self) -> float:
        return float(self._execute().timeout or PLAIN.cell_s)

    def preprocess(self, nb: Any, resources: Any) -> tuple[Any, Any]:
        """The notebook with outputs and verdicts; the record is left in `resources["course"]`."""
        assigned = resources["course"]
        if not self._execute().enabled:
            self.log.warning("Submissions are always run: --no-execute has no meaning for this grader.")
        if assigned.problem:
            cells = self._code_cells(nb)
            record = Record([_not_run(cell, assigned.problem) for cell in cells], seeds=assigned.seeds)
        else:
            record = self._examined(nb, resources)
        record.notes = list(nb.metadata.get("course", {}).get("notes", []))
        code = [cell for cell in nb.cells if cell.cell_type == "code"]
        for count, (cell, said) in enumerate(zip(code, record.cells, strict=True), 1):
            _write(cell, said, count)
        assigned.record = record
        return nb, resources

    def left_to_examine(self, nb: Any, resources: Any) -> tuple[Job, Limits] | None:
        """What there is to examine in a prepared notebook; None if nothing is, since its record is in the ledger (and
        from now on in `resources["course"]`) or there is nothing to grade."""
        assigned = resources["course"]
        if assigned.problem:
            return None
        job, limits = self._job(nb, assigned), self._limits()
        name = digest(job, limits)
        assigned.record = assigned.ledger.find(name) if self.look_up else None
        assigned.digest = "" if assigned.record else name
        return None if assigned.record else (job, limits)

    def _job(self, nb: Any, assigned: Assigned) -> Job:
        if self.sandbox == "none":
            self.log.warning(
                "This submission runs UNPROTECTED (c.Examine.sandbox = 'none'): it can read hidden tests and files "
                "of yours, and write its own grades."
            )
        cells, staged = tuple(self._code_cells(nb)), assigned.staged
        names = assigned.graded, assigned.imports
        return Job(cells, *names, staged.files, staged.given, assigned.seeds, self.sandbox)

    def _examined(self, nb: Any, resources: Any) -> Record:
        assigned = resources["course"]
        if assigned.record is None and (left := self.left_to_examine(nb, resources)):
            assigned.record = examine(*left)
        record: Record = assigned.record
        if assigned.digest:
            assigned.ledger.keep(assigned.digest, record)
        else:
            self.log.info("Nothing has changed since it was examined: looked up")
        return record

    def _limits(self) -> Limits:
        return Limits(
            self.cell_timeout,
            self.notebook_timeout,
            self.memory_mb,
            self.processes,
            self.file_mb,
            self.output_kb,
        )

    def _execute(self) -> Execute:
        return Execute(parent=self.parent, config=self.config)

    def _code_cells(self, nb: Any) -> list[CodeCell]:
        tag = self._execute().skip_cells_with_tag
        made = []
        for index, cell in enumerate(nb.cells):
            if cell.cell_type == "code":
                name = cell.metadata.get("nbgrader", {}).get("grade_id") or f"cell {index}"
                points = float(cell.metadata.get("nbgrader", {}).get("points", 0) or 0)
                made.append(CodeCell(name, _kind(cell, tag), cell.source, points))
        return made


def lesson_names(skeleton: Any) -> tuple[tuple[str, ...], dict[str, tuple[str, str]]]:
    """(the graded names, the names that the lesson imports with what they stand for).

    Graded are those that solution cells bind as released. A name that the lesson's own cells import, tests
    included, means that import and nothing that a student may have put in its place.
    """
    graded: dict[str, None] = {}
    imports: dict[str, tuple[str, str]] = {}
    for cell in skeleton.cells:
        if cell.cell_type != "code":
            continue
        imports |= _imports(cell.source)
        if is_solution(cell):
            graded |= dict.fromkeys(top_level_names(cell.source))
    return tuple(graded), imports


def _imports(source: str) -> dict[str, tuple[str, str]]:
    try:
        nodes = list(ast.walk(ast.parse(source)))
    except (SyntaxError, ValueError):
        lines = [line for line in source.splitlines() if line.startswith(("import ", "from "))]
        return _imports("\n".join(lines)) if lines and source not in lines else {}
    found: dict[str, tuple[str, str]] = {}
    for node in nodes:
        if isinstance(node, ast.Import):
            for name in node.names:
                whole = name.name if name.asname else name.name.split(".")[0]
                found[name.asname or whole] = (whole, "")
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            for name in node.names:
                bound = f"* of {node.module}" if name.name == "*" else name.asname or name.name
                found[bound] = (node.module, name.name)
    return found


def _kind(cell: Any, skipped_tag: str) -> Kind:
    if is_grade(cell) and not is_solution(cell):
        return "test"
    given = is_locked(cell) and not (is_grade(cell) or is_solution(cell) or is_task(cell))
    if given and skipped_tag and skipped_tag in cell.metadata.get("tags", []):
        return "skipped"
    return "given" if given else "student"


def _not_run(cell: CodeCell, problem: str) -> CellRecord:
    if cell.kind != "test":
        return CellRecord(cell.id, cell.kind)
    return CellRecord(cell.id, "test", "not run", "NotRun", problem, [problem])


def _write(cell: Any, said: CellRecord, count: int) -> None:
    """What came of the cell, as nbgrader shows results."""
    if said.kind == "skipped":
        return
    cell.execution_count = count if said.verdict != "not run" else None
    cell.outputs = [clean for output in said.outputs if (clean := clean_output(output))]
    if said.kind == "test":
        cell.metadata["course"] = {"verdict": said.verdict, "message": said.message, "seconds": said.seconds}
        cell.metadata["course"]["student_trace"] = said.student_trace
        if said.printed:
            cell.outputs.append(new_output("stream", name="stdout", text=said.printed))
        if said.verdict == "partial":
            shown = new_output("execute_result", {"text/plain": said.shown}, execution_count=count)
            cell.outputs.append(shown)
    if said.error:
        trace = said.trace or [said.message]
        cell.outputs.append(new_output("error", ename=said.error, evalue=said.message, traceback=trace))
