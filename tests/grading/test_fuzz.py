"""A thousand damaged notebooks: each is read and rebuilt, or refused in a sentence; the tests stay the lesson's."""

import copy
import json
import random
from collections.abc import Callable
from pathlib import Path
from typing import Any

import nbformat
import pytest
from nbgrader.nbgraderformat import MetadataValidator
from nbgrader.utils import compute_checksum
from test_rebuild import lesson, skeleton_of

from course_utils.grading.intake import read_notebook
from course_utils.grading.rebuild import rebuild
from course_utils.grading.skeleton import SourceCell, nbgrader_metadata

ROOT = Path(__file__).resolve().parents[2]
REAL = "02-attention-and-induction"
NOTEBOOKS = 1_000
JUNK: list[Any] = [
    None, True, 0, -1, 10**17, 10**40, 1e308, float("nan"), "", "x", "code", "double", "\ud800", "\x00", "a\u202eb",
    "long " * 20_000, [], {}, [None], ["x", 3, None], {"a": {"b": []}}, {"nbgrader": {"grade_id": ["x"]}}, [[[[[]]]]],
]  # fmt: skip
Damage = Callable[[random.Random, Any], Any]


# -- ways to damage a notebook: each changes `notebook` in place, or gives back the text of a file --


def places(value: Any) -> list[tuple[Any, Any]]:
    """Every (container, key) in a notebook."""
    keys = list(value) if isinstance(value, dict) else range(len(value)) if isinstance(value, list) else []
    return [place for key in keys for place in ((value, key), *places(value[key]))]


def swapped(draw: random.Random, notebook: Any) -> None:
    for _ in range(draw.randint(1, 8)):
        container, key = draw.choice(places(notebook)[3:])
        container[key] = copy.deepcopy(draw.choice(JUNK))


def removed(draw: random.Random, notebook: Any) -> None:
    for _ in range(draw.randint(1, 8)):
        container, key = draw.choice(places(notebook))
        del container[key]


def shuffled(draw: random.Random, notebook: Any) -> None:
    cells = notebook["cells"]
    for _ in range(draw.randint(1, 10)):
        cells.insert(draw.randint(0, len(cells)), copy.deepcopy(draw.choice(cells)))
    draw.shuffle(cells)
    del cells[draw.randint(1, len(cells)) :]


def relabelled(draw: random.Random, notebook: Any) -> None:
    """Identities and types are handed round among the cells."""
    cells = notebook["cells"]
    for cell in cells:
        other = draw.choice(cells)
        for key in draw.sample(["metadata", "id", "cell_type", "source"], 2):
            cell[key] = copy.deepcopy(other.get(key))


def replaced(draw: random.Random, notebook: Any) -> None:
    for cell in notebook["cells"]:
        cell[draw.choice(["source", "metadata", "id", "attachments", "cell_type"])] = copy.deepcopy(
            draw.choice(JUNK)
        )


def flipped(draw: random.Random, notebook: Any) -> bytes:
    content = bytearray(json.dumps(notebook).encode())
    for _ in range(draw.choice([1, 1, 1, 2, 5, 50])):
        content[draw.randrange(len(content))] = draw.randrange(256)
    return bytes(content)


def cut(draw: random.Random, notebook: Any) -> bytes:
    content = json.dumps(notebook).encode()
    return content[: draw.randrange(len(content))] + draw.choice([b"", b"]}", b"\x00" * 1_000])


DAMAGES: list[Damage] = [swapped, removed, shuffled, relabelled, replaced, flipped, cut]


def damaged(draw: random.Random, notebook: Any) -> bytes:
    """A file with the notebook after one to three kinds of damage."""
    notebook = copy.deepcopy(notebook)
    for damage in draw.sample(DAMAGES, draw.randint(1, 3)):
        try:
            made = damage(draw, notebook)
        except (LookupError, TypeError, AttributeError, ValueError):
            continue  # an earlier damage left nothing for this one
        if made is not None:
            return made
    return json.dumps(notebook).encode()


# -- what must hold --


def given_cells(notebook: Any) -> list[str]:
    """Every cell that is the instructor's alone, whole, in order."""
    cells = [c for c in notebook.cells if nbgrader_metadata(c) and not nbgrader_metadata(c).get("solution")]
    return [json.dumps(c, sort_keys=True) for c in cells]


def outcome(path: Path, skeleton: Any) -> str:
    """How the file fared: "refused", or "rebuilt" as it must be."""
    submitted, why = read_notebook(path)
    if submitted is None:
        assert why and why.isprintable() and why.endswith(".")
    rebuilt = rebuild(skeleton, submitted)
    notebook = rebuilt.notebook
    nbformat.validate(notebook)
    MetadataValidator().validate_nb(notebook)
    nbformat.writes(notebook).encode("utf-8")
    assert given_cells(notebook) == given_cells(skeleton)
    assert [c.id for c in notebook.cells if not c.id.startswith("free-")] == [c.id for c in skeleton.cells]
    assert not any(c.metadata for c in notebook.cells if c.id.startswith("free-"))
    assert all(note.isprintable() and len(note) < 200 for note in rebuilt.notes) and len(rebuilt.notes) <= 21
    return "rebuilt" if submitted else "refused"


def real_lesson() -> tuple[str, dict[str, SourceCell]]:
    """The release of lesson 02, and what its gradebook would know, read off its source."""
    release = (ROOT / "release" / REAL / f"{REAL}.ipynb").read_text()
    stubs = {nbgrader_metadata(c).get("grade_id"): c for c in nbformat.reads(release, as_version=4).cells}
    cells = {}
    for cell in nbformat.read(ROOT / "source" / REAL / f"{REAL}.ipynb", as_version=4).cells:
        if marks := nbgrader_metadata(cell):
            source = stubs[marks.grade_id].source if marks.get("solution") else cell.source
            flags = {name: marks[name] for name in ("grade", "solution", "task")}
            cells[marks.grade_id] = SourceCell(
                marks.grade_id, cell.cell_type, source, not marks.get("solution"), compute_checksum(cell),
                points=marks.get("points"), **flags,
            )  # fmt: skip
    return release, cells


@pytest.mark.parametrize(("which", "number"), [("small", NOTEBOOKS * 9 // 10), ("real", NOTEBOOKS // 10)])
def test_damaged_notebooks(which: str, number: int, tmp_path: Path) -> None:
    release, *known = lesson() if which == "small" else real_lesson()
    skeleton, notebook = skeleton_of(release, *known), json.loads(release)
    assert "HIDDEN TESTS" in str(given_cells(skeleton)) and "HIDDEN TESTS" not in release
    outcomes = []
    for seed in range(number):
        path = (
            tmp_path / f"{which}-{seed}.ipynb"
        )  # in the message of a failure, so that it can be tried again
        path.write_bytes(damaged(random.Random(seed), notebook))
        outcomes.append(outcome(path, skeleton))
        path.unlink()
    assert number / 10 < outcomes.count("rebuilt") < number * 9 / 10, "the damage is too heavy or too light"


def test_a_notebook_of_every_kind_of_damage_is_not_what_was_released() -> None:
    notebook = json.loads(lesson()[0])
    for damage in DAMAGES:
        changed = copy.deepcopy(notebook)
        assert damage(random.Random(1), changed) is not None or changed != notebook, damage


@pytest.mark.parametrize("spoilt", ["source", "metadata", "order"])
def test_a_spoilt_test_cell_would_be_seen(spoilt: str, tmp_path: Path, monkeypatch) -> None:
    from course_utils.grading import rebuild as module

    def assemble(cells: Any, *others: Any) -> Any:
        if spoilt == "order":
            return cells[::-1]
        next(c for c in cells if nbgrader_metadata(c).get("grade"))[spoilt] = (
            {} if spoilt == "metadata" else "pass"
        )
        return cells

    (path := tmp_path / "nb.ipynb").write_text(lesson()[0])
    assert outcome(path, skeleton_of(*lesson())) == "rebuilt"
    monkeypatch.setattr(module, "_assemble", assemble)
    with pytest.raises(AssertionError):
        outcome(path, skeleton_of(*lesson()))
