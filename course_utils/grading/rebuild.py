"""The notebook that will run: the lesson's skeleton with a student's solution cells and own cells put in.

>>> rebuilt = rebuild(skeleton(release, source_cells), notebook)          # doctest: +SKIP
>>> rebuilt.notes                                                         # doctest: +SKIP
('The cell `double` is missing; it counts as unsolved.',)

Only text is taken from the student's notebook: sources, and pasted images. Tests, set-up, demo and task cells
are the skeleton's, in its order; so are all metadata, and no output survives. The submission is JSON of any
shape that somebody else made: what is not as it should be is passed over, and nothing raises.

**Which submitted cell is which** (`_match`) is decided by the first of these that fits: its grade_id; its cell
id; for cells without a grade_id, the same text; for written answers without that, the place behind the task.
Of several copies of a solution cell the last counts, of any other the first. What is left over are *free
cells*: they stay behind the cell that they followed, without metadata, so that no tag skips anything.
"""

import base64
import binascii
import copy
import re
from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from difflib import SequenceMatcher
from hashlib import sha256
from typing import Any

from nbformat import NotebookNode

from course_utils.grading.intake import at_most
from course_utils.grading.skeleton import digest_of, nbgrader_metadata

__all__ = ["Rebuilt", "rebuild"]

CONTROL = re.compile(r"[\x00-\x08\x0b\x0e-\x1f\x7f-\x9f]")
IMAGE_NAME = re.compile(r"[\w. ()-]{1,100}", re.ASCII)
IMAGES = {"image/png": b"\x89PNG\r\n\x1a\n", "image/jpeg": b"\xff\xd8\xff"}
IMAGE_CHARS = 3_000_000
"""Base64 characters of one pasted image: a photograph of a page fits."""


@dataclass(frozen=True)
class Rebuilt:
    """The notebook that will run, and a sentence for each thing that was odd about the submission."""

    notebook: NotebookNode
    notes: tuple[str, ...]


@dataclass(frozen=True, eq=False)
class Piece:
    """One submitted cell, as far as it can be used; two of them are never the same."""

    position: int
    cell_type: str
    source: str
    grade_id: str | None
    id: str | None
    attachments: dict[str, dict[str, str]]
    left_out: int
    """How many attachments were not a PNG or JPEG image of a usual size."""


def rebuild(skeleton: NotebookNode, submitted: dict[str, Any] | None) -> Rebuilt:
    """The skeleton with the student's text put in; where there is none to use, the skeleton with its stubs.

    Never raises, whatever `submitted` is, and the same input gives the same bytes.
    """
    notebook = copy.deepcopy(skeleton)
    released = notebook.metadata.pop("course", {}).get("released", {})
    pieces, junk = _pieces(submitted)
    if not pieces:
        return Rebuilt(notebook, ("No cell of the submission could be used; every exercise is unsolved.",))
    of = _match(notebook.cells, pieces)
    edited = {i for i, piece in of.items() if _is_edited(notebook.cells[i], piece, released)}
    notes = [*_notes_on_pieces(pieces, junk, of), *_notes_on_cells(notebook.cells, pieces, of, edited)]
    notebook.cells = _assemble(notebook.cells, pieces, of, edited)
    return Rebuilt(notebook, at_most(notes))


# -- what was submitted --


def _pieces(submitted: Any) -> tuple[list[Piece], int]:
    """The cells of a submission that can be used, and how many can't."""
    cells = submitted.get("cells") if isinstance(submitted, dict) else None
    cells = cells if isinstance(cells, list) else []
    pieces = [_piece(position, cell) for position, cell in enumerate(cells) if isinstance(cell, dict)]
    return pieces, len(cells) - len(pieces)


def _piece(position: int, cell: dict[str, Any]) -> Piece:
    """A submitted cell; one that is not code is text, whatever it says."""
    metadata = cell.get("metadata")
    marks = metadata.get("nbgrader") if isinstance(metadata, dict) else None
    cell_type = "code" if cell.get("cell_type") == "code" else "markdown"
    attached = cell.get("attachments")
    attached = attached if isinstance(attached, dict) and cell_type == "markdown" else {}
    images = {name: image for name, bundle in attached.items() if (image := _image(name, bundle))}
    return Piece(
        position,
        cell_type,
        _text(cell.get("source")),
        _name(marks.get("grade_id")) if isinstance(marks, dict) else None,
        _name(cell.get("id")),
        images,
        len(attached) - len(images),
    )


def _name(value: Any) -> str | None:
    return value if isinstance(value, str) and value else None


def _text(source: Any) -> str:
    """A source as text that UTF-8 can hold: lone surrogates and control characters are replaced."""
    parts = source if isinstance(source, list) else [source]
    text = "".join(part for part in parts if isinstance(part, str))
    text = text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")
    return CONTROL.sub("\ufffd", text.replace("\r\n", "\n").replace("\r", "\n"))


def _image(name: str, bundle: Any) -> dict[str, str] | None:
    """An attachment that is one PNG or JPEG image, its base64 written anew; None for any other."""
    if not (IMAGE_NAME.fullmatch(name) and isinstance(bundle, dict) and len(bundle) == 1):
        return None
    kind, data = next(iter(bundle.items()))
    if kind not in IMAGES or not isinstance(data, str) or len(data) > IMAGE_CHARS:
        return None
    try:
        content = base64.b64decode("".join(data.split()), validate=True)
    except (binascii.Error, ValueError):
        return None
    return {kind: base64.b64encode(content).decode()} if content.startswith(IMAGES[kind]) else None


# -- which is which --


def _is_answer(cell: NotebookNode) -> bool:
    """Whether a cell of the skeleton is the student's to fill in: a solution, or tagged `answer`."""
    marks = nbgrader_metadata(cell)
    return bool(marks.get("solution")) if marks else "answer" in cell.metadata.get("tags", [])


def _match(cells: Sequence[NotebookNode], pieces: Sequence[Piece]) -> dict[int, Piece]:
    """The submitted cell that stands for a cell of the skeleton, by its index there, where there is one."""
    by_grade_id = {nbgrader_metadata(cell).get("grade_id"): i for i, cell in enumerate(cells)}
    by_grade_id.pop(None, None)
    by_id = {cell.id: i for i, cell in enumerate(cells)}
    of: dict[int, Piece] = {}
    for piece in pieces:
        index = by_grade_id.get(piece.grade_id, -1)
        if index >= 0 and (index not in of or _is_answer(cells[index])):
            of[index] = piece
    unmarked = [piece for piece in pieces if piece.grade_id not in by_grade_id]
    for piece in unmarked:
        if piece.id in by_id:
            of.setdefault(by_id[piece.id], piece)
    left = {piece.position: piece for piece in unmarked if piece not in of.values()}
    for index, cell in enumerate(cells):
        if (
            index not in of
            and not nbgrader_metadata(cell)
            and (found := _find(cell, of.get(index - 1), left))
        ):
            of[index] = left.pop(found.position)
    return of


def _find(cell: NotebookNode, before: Piece | None, left: Mapping[int, Piece]) -> Piece | None:
    """The submitted cell with this one's text; for one that is the student's to edit, else by its place."""
    for piece in left.values():
        if (piece.cell_type, piece.source) == (cell.cell_type, cell.source):
            return piece
    piece_behind = left.get(before.position + 1) if before else None
    is_editable = _is_answer(cell) or cell.cell_type == "code"
    return piece_behind if piece_behind and is_editable and piece_behind.cell_type == cell.cell_type else None


def _is_edited(cell: NotebookNode, piece: Piece, released: Mapping[str, str]) -> bool:
    """Whether a given cell came back as another than the one that was released."""
    marks = nbgrader_metadata(cell)
    if not marks or _is_answer(cell):
        return False
    digest = released.get(marks["grade_id"], digest_of(cell.source))
    return piece.cell_type != cell.cell_type or digest_of(piece.source) != digest


# -- the notebook --


def _assemble(
    cells: Sequence[NotebookNode], pieces: Sequence[Piece], of: Mapping[int, Piece], edited: set[int]
) -> list[NotebookNode]:
    """The skeleton's cells, filled in, each followed by the student's own that stood behind it."""
    at = {piece: index for index, piece in of.items()}
    given = {(p.grade_id, p.source) for i, p in of.items() if p.grade_id and not _is_answer(cells[i])}
    behind: dict[int, list[NotebookNode]] = defaultdict(list)
    index = -1
    for piece in pieces:
        index = at.get(piece, index)
        is_free = (piece.grade_id, piece.source) not in given  # an exact copy of a given cell says nothing
        if _would_be_lost(cells[index], piece, index in edited) if piece in at else is_free:
            behind[index].append(_free(piece))
    made = behind[-1]
    for index, cell in enumerate(cells):
        made += [_filled(cell, of[index]) if index in of else cell, *behind[index]]
    return made


def _takes(cell: NotebookNode, piece: Piece) -> bool:
    """Whether the skeleton's cell gets the submitted cell's source: an answer, or prose of the same type."""
    return _is_answer(cell) or (not nbgrader_metadata(cell) and piece.cell_type == cell.cell_type)


def _would_be_lost(cell: NotebookNode, piece: Piece, is_edited: bool) -> bool:
    """Whether a submitted cell that is known holds text that nobody would see, unless it stays a free cell."""
    is_text = not nbgrader_metadata(cell) or (is_edited and cell.cell_type == "markdown")
    return is_text and not _takes(cell, piece)


def _filled(cell: NotebookNode, piece: Piece) -> NotebookNode:
    if _takes(cell, piece):
        cell.source = piece.source
        if piece.attachments and cell.cell_type == "markdown":
            cell.attachments = {**piece.attachments, **cell.get("attachments", {})}
    return cell


def _free(piece: Piece) -> NotebookNode:
    """A cell of the student's own; its id comes from where it stood and what it holds."""
    digest = sha256(f"{piece.cell_type}\n{piece.source}".encode()).hexdigest()[:12]
    cell = NotebookNode(id=f"free-{piece.position}-{digest}", cell_type=piece.cell_type, source=piece.source)
    cell.metadata = NotebookNode()
    if piece.cell_type == "code":
        cell.update(outputs=[], execution_count=None)
    elif piece.attachments:
        cell.attachments = piece.attachments
    return cell


# -- what was odd --


def _notes_on_pieces(pieces: Sequence[Piece], junk: int, of: Mapping[int, Piece]) -> Iterator[str]:
    """What is to be said of the submitted cells, whatever the skeleton has."""
    if junk:
        yield f"What should be a cell was none, {junk} time{'s' * (junk > 1)}, and was left out."
    known = {piece.grade_id for piece in of.values()}
    for grade_id in dict.fromkeys(piece.grade_id for piece in pieces if piece.grade_id not in known):
        if grade_id:
            shown = re.sub(r"[^\w.-]", "?", grade_id, flags=re.ASCII)[:60]
            yield f"The cell `{shown}` is not one of this lesson's; it counts as the student's own."
    if left_out := sum(piece.left_out for piece in pieces):
        yield f"Attachments that are no PNG or JPEG image of a usual size were left out: {left_out}."


def _notes_on_cells(
    cells: Sequence[NotebookNode], pieces: Sequence[Piece], of: Mapping[int, Piece], edited: set[int]
) -> Iterator[str]:
    """What is to be said of the skeleton's own cells, in their order; nothing of prose."""
    copies = Counter(piece.grade_id for piece in pieces)
    moved = _moved(cells, of)
    for index, cell in enumerate(cells):
        grade_id, piece = nbgrader_metadata(cell).get("grade_id"), of.get(index)
        subject = f"The cell `{grade_id or cell.id}`"
        if not (grade_id or _is_answer(cell)):
            continue
        if piece is None:
            counts = (
                "is missing; it counts as unsolved" if _is_answer(cell) else "was missing and was put back"
            )
            yield f"{subject} {counts}."
            continue
        if grade_id and piece.grade_id != grade_id:
            yield f"{subject} had lost its nbgrader metadata; it was recognised by its cell id."
        if (times := copies[grade_id]) > 1 and grade_id:
            rest = "the last one counts" if _is_answer(cell) else "it runs once, as released"
            yield f"{subject} was there {'twice' if times == 2 else f'{times} times'}; {rest}."
        if _is_answer(cell) and piece.cell_type != cell.cell_type:
            yield f"{subject} came as {piece.cell_type} and was taken as {cell.cell_type}."
        if index in edited:
            yield f"{subject} was edited, but is a given cell; the released one stands."
        if index in moved:
            yield f"{subject} was moved; it stands where the lesson has it."


def _moved(cells: Sequence[NotebookNode], of: Mapping[int, Piece]) -> set[int]:
    """Which of the cells with a grade_id are out of the lesson's order."""
    came = [i for i in sorted(of, key=lambda i: of[i].position) if nbgrader_metadata(cells[i])]
    blocks = SequenceMatcher(None, came, sorted(came), autojunk=False).get_matching_blocks()
    return set(came) - {i for block in blocks for i in came[block.a : block.a + block.size]}
