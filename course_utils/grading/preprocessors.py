"""Steps that the course adds to nbgrader's own; `nbgrader_config.py` names them.

>>> import nbformat
>>> cell = nbformat.v4.new_code_cell("x = 1", metadata={"tags": ["demo"]})     # a student's own cell
>>> NeverSkipGraded(tag="demo").preprocess_cell(cell, {}, 0)[0].metadata.tags
[]
"""

from typing import Any

from nbgrader.preprocessors import Execute, NbGraderPreprocessor
from nbgrader.utils import is_grade, is_locked, is_solution, is_task
from traitlets import Unicode, default

__all__ = ["NeverSkipGraded"]


class NeverSkipGraded(NbGraderPreprocessor):
    """A submission in which only given cells (locked, not graded, no solution) can be skipped when grading.

    A test cell that did not run counts as passed, and a cell's tags are the student's: nbgrader restores a
    test cell's source, type and points, not its tags. So the tag that skips a cell is taken off every other
    cell. `OverwriteCells` must come before, because it restores which cells are locked.
    """

    tag = Unicode(help="The tag of cells to skip; as a rule the one that `Execute` skips.").tag(config=True)

    @default("tag")
    def _tag_that_execute_skips(self) -> str:
        return Execute(parent=self.parent, config=self.config).skip_cells_with_tag

    def preprocess_cell(self, cell: Any, resources: Any, cell_index: int) -> tuple[Any, Any]:
        """The cell, without the tag unless it may be skipped, and the resources as they came."""
        tags = cell.metadata.get("tags", [])  # a list: nbconvert refuses a notebook with anything else
        if self.tag in tags and not _may_be_skipped(cell):
            self.log.warning("Cell %s is tagged %r to be skipped, but must run", cell_index, self.tag)
            cell.metadata["tags"] = [tag for tag in tags if tag != self.tag]
        return cell, resources


def _may_be_skipped(cell: Any) -> bool:
    return is_locked(cell) and not (is_grade(cell) or is_solution(cell) or is_task(cell))
