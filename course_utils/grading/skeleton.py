"""The lesson's own notebook, as it will be graded: the release, with hidden tests and mark schemes put back.

>>> cells, kernelspec = read_gradebook(gradebook, "02-x", "02-x")                      # doctest: +SKIP
>>> notebook = skeleton(Path("release/02-x/02-x.ipynb"), cells, kernelspec)            # doctest: +SKIP

nbgrader's `OverwriteCells` does this to each submission; here it is done once, to the release, so that no
submission has a say in it.
"""

import json
import logging
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING, Any

import nbformat
from nbformat import NotebookNode
from nbformat.v4 import new_code_cell, new_markdown_cell

from course_utils.errors import ClassError

if TYPE_CHECKING:
    from nbgrader.api import Gradebook

__all__ = ["SourceCell", "digest_of", "nbgrader_metadata", "read_gradebook", "skeleton"]

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class SourceCell:
    """One cell as the gradebook knows it; the names are nbgrader's."""

    name: str
    cell_type: str
    source: str
    locked: bool
    checksum: str | None = None
    grade: bool = False
    solution: bool = False
    task: bool = False
    points: float | None = None
    """What a grade or task cell is worth; None for any other."""

    @property
    def metadata(self) -> dict[str, Any]:
        """The cell's nbgrader metadata, schema 3."""
        flags = {"grade": self.grade, "solution": self.solution, "locked": self.locked, "task": self.task}
        made = {"schema_version": 3, "grade_id": self.name, "cell_type": self.cell_type, **flags}
        made |= {"checksum": self.checksum} if self.checksum else {}
        return made | ({} if self.points is None else {"points": self.points})


def read_gradebook(
    gradebook: "Gradebook", notebook: str, assignment: str
) -> tuple[dict[str, SourceCell], dict[str, Any]]:
    """The cells that the gradebook knows of a notebook, by grade_id and in its order; and the kernelspec.

    Raises `ClassError` if the gradebook does not know the notebook.
    """
    from nbgrader.api import MissingEntry  # takes seconds to import

    try:
        known = gradebook.find_notebook(notebook, assignment)
    except MissingEntry:
        raise ClassError(
            f"The gradebook has no notebook {notebook!r} of {assignment!r}. "
            f"Run `nbgrader generate_assignment {assignment}`."
        ) from None
    points = {cell.name: cell.max_score for cell in (*known.grade_cells, *known.task_cells)}
    grades, solutions, tasks = (
        {cell.name for cell in cells} for cells in (known.grade_cells, known.solution_cells, known.task_cells)
    )
    cells = {
        cell.name: SourceCell(
            cell.name, cell.cell_type, cell.source or "", cell.locked, cell.checksum,
            grade=cell.name in grades, solution=cell.name in solutions, task=cell.name in tasks,
            points=points.get(cell.name),
        )
        for cell in known.source_cells
    }  # fmt: skip
    return cells, json.loads(known.kernelspec or "{}")


def skeleton(
    release: Path, source_cells: Mapping[str, SourceCell], kernelspec: Mapping[str, Any] | None = None
) -> NotebookNode:
    """The released notebook with every cell that the gradebook knows as the gradebook has it.

    A cell of the release that is not in the gradebook is an ordinary one; a cell of the gradebook that is not
    in the release stands behind the one that it follows in the gradebook. The same files give the same bytes.
    `metadata.course.released` holds the digest of each such cell's released source, by grade_id: what an
    untouched submission has there. Raises `ClassError` if there is no such release, or it can't be read.
    """
    notebook = _read(release)
    released: dict[str, str] = {}
    cells = []
    for cell in notebook.cells:
        name = str(nbgrader_metadata(cell).get("grade_id"))
        known = source_cells.get(name) if name not in released else None
        if known:
            released[name] = digest_of(cell.source)
        elif cell.metadata.pop("nbgrader", None):
            log.warning("%s: the gradebook has no cell %r, or the release has it twice", release, name)
        cells.append(_overwritten(cell, known) if known else _without_outputs(cell))
    notebook.cells = _with_missing(cells, source_cells)
    notebook.metadata.update({"kernelspec": dict(kernelspec)} if kernelspec else {})
    notebook.metadata["course"] = {"released": released}
    return notebook


def nbgrader_metadata(cell: Mapping[str, Any]) -> Mapping[str, Any]:
    """A trusted cell's nbgrader metadata; empty where there is none."""
    return cell["metadata"].get("nbgrader") or {}


def digest_of(source: str) -> str:
    """The sha256 of a cell's source, in hex; space around it does not count, since some editors trim it."""
    return sha256(source.strip().encode("utf-8", "replace")).hexdigest()


def _read(release: Path) -> NotebookNode:
    """The release, in format 4.5 and with an id for every cell."""
    again = f"Run `nbgrader generate_assignment {release.parent.name}`."
    try:
        text = release.read_text(encoding="utf-8")
    except FileNotFoundError:
        raise ClassError(f"There is no release {release}, which grading starts from. {again}") from None
    try:
        raw = json.loads(text)
        raw["nbformat_minor"] = max(5, raw["nbformat_minor"])
        _name_cells(raw["cells"])
        notebook = nbformat.reads(json.dumps(raw), as_version=4)
        nbformat.validate(notebook)
    except (ValueError, KeyError, TypeError, AttributeError, nbformat.ValidationError) as error:
        reason = str(error).splitlines()[0]
        raise ClassError(f"The release {release} is no valid notebook ({reason}). {again}") from None
    return notebook


def _name_cells(cells: list[dict[str, Any]]) -> None:
    """Gives each cell without an id of its own one; nbformat would invent another one each time."""
    taken: set[str] = set()
    for index, cell in enumerate(cells):
        if cell.get("id") is None or cell["id"] in taken:
            cell["id"] = next(name for name in _ids(f"cell-{index}") if name not in taken)
        taken.add(cell["id"])


def _ids(wanted: str) -> Iterator[str]:
    """`wanted` as a cell id, then others made from it."""
    yield wanted[:64]
    yield from (f"{wanted[:50]}-{n}" for n in range(1, 10_000))


def _overwritten(cell: NotebookNode, known: SourceCell) -> NotebookNode:
    """A released cell with the gradebook's source, type, flags and points; its tags stay."""
    made = _new_cell(known, cell.id, {**cell.metadata, "nbgrader": known.metadata})
    if "attachments" in cell and made.cell_type == "markdown":
        made.attachments = cell.attachments
    return made


def _new_cell(known: SourceCell, cell_id: str, metadata: dict[str, Any]) -> NotebookNode:
    make = new_code_cell if known.cell_type == "code" else new_markdown_cell
    return make(known.source, id=cell_id, metadata=metadata)


def _without_outputs(cell: NotebookNode) -> NotebookNode:
    if cell.cell_type == "code":
        cell.outputs, cell.execution_count = [], None
    return cell


def _with_missing(cells: list[NotebookNode], source_cells: Mapping[str, SourceCell]) -> list[NotebookNode]:
    """The cells, and those of the gradebook that are not among them, each behind the one it follows there."""
    cells = list(cells)
    taken, place = {cell.id for cell in cells}, 0
    for name, known in source_cells.items():
        there = [i for i, cell in enumerate(cells) if nbgrader_metadata(cell).get("grade_id") == name]
        if not there:
            cell_id = next(other for other in _ids(name) if other not in taken)
            taken.add(cell_id)
            metadata = {"nbgrader": known.metadata, "deletable": False, "editable": known.solution}
            cells.insert(place, _new_cell(known, cell_id, metadata))
        place = (there[0] if there else place) + 1
    return cells
