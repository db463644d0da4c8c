"""Attacks that keep the class from being graded by the form of what is handed in: notebook, files, time stamp."""

import json
import os
from typing import Any

from attacks.kit import Attempt, collection

attacks, attack = collection("deny")


@attack("points: 'abc'")
def points_text(it: Attempt) -> None:
    for cell in it.tests():
        cell.metadata.nbgrader.points = "abc"


@attack("schema_version: 99")
def schema_version(it: Attempt) -> None:
    for cell in it.tests():
        cell.metadata.nbgrader.schema_version = 99


@attack("metadata of the wrong types", earns=8)
def wrong_types(it: Attempt) -> None:
    it.right()
    data = json.loads(it.text())
    data["metadata"] = {"kernelspec": 5, "language_info": [], "widgets": "x", "course": 7}
    extra = [5, None, "cell", {"cell_type": ["code"], "source": 5, "metadata": 3, "outputs": {}}]
    data["cells"] += [
        *extra,
        {"cell_type": "code", "source": "1", "metadata": {"nbgrader": {"grade_id": [1]}}},
    ]
    it.raw(json.dumps(data).encode())


@attack("one test cell copied", earns=8)
def copied_cell(it: Attempt) -> None:
    it.right()
    again = json.loads(it.text())
    again["cells"].append(dict(again["cells"][-1], id="again"))
    it.raw(json.dumps(again).encode())


@attack("invalid JSON")
def invalid_json(it: Attempt) -> None:
    it.raw(it.text()[:-200].encode())


@attack("JSON nested a hundred thousand deep")
def deep_json(it: Attempt) -> None:
    it.raw(
        b'{"cells": [], "nbformat": 4, "nbformat_minor": 5, "metadata": {"a": '
        + b"[" * 100_000
        + b"]" * 100_000
        + b"}}"
    )


@attack("numbers in JSON that no computer holds")
def huge_numbers(it: Attempt) -> None:
    it.raw(it.text().replace('"points": 1', '"points": 1' + "0" * 5000).encode())


@attack("text that UTF-8 cannot hold, in a cell", earns=8)
def surrogate_source(it: Attempt) -> None:
    it.right()
    data = json.loads(it.text())
    data["cells"].insert(0, {"cell_type": "markdown", "id": "s", "metadata": {}, "source": "\ud800"})
    it.raw(json.dumps(data).encode())


@attack("notebook format 99")
def format_99(it: Attempt) -> None:
    it.notebook.nbformat = 4
    it.raw(it.text().replace('"nbformat": 4', '"nbformat": 99').encode())


@attack("a notebook of 100,000 cells")
def many_cells(it: Attempt) -> None:
    data = json.loads(it.text())
    cell: dict[str, Any] = {
        "cell_type": "code",
        "metadata": {},
        "source": "1",
        "outputs": [],
        "execution_count": None,
    }
    data["cells"] += [dict(cell, id=f"c{n}") for n in range(100_000)]
    it.raw(json.dumps(data).encode())


@attack("a notebook of a terabyte", stock=False)
def huge_notebook(it: Attempt) -> None:
    os.truncate(it.file(f"{it.lesson}.ipynb", b""), 1 << 40)
    it.raw(b"")


@attack("no notebook at all")
def missing_notebook(it: Attempt) -> None:
    it.raw(b"")


@attack("an empty notebook file")
def empty_notebook(it: Attempt) -> None:
    it.file(f"{it.lesson}.ipynb", b"")
    it.raw(b"")


@attack("a folder where the notebook should be")
def folder_notebook(it: Attempt) -> None:
    it.file(f"{it.lesson}.ipynb/x", b"")
    it.raw(b"")


@attack("a pipe beside the notebook, which nobody ever writes to", earns=8)
def pipe(it: Attempt) -> None:
    it.right()
    os.mkfifo(it.folder / "data.csv")


@attack("a pipe where the notebook should be")
def pipe_notebook(it: Attempt) -> None:
    os.mkfifo(it.folder / f"{it.lesson}.ipynb")
    it.raw(b"")


@attack("links in circles and names that are hard to write", earns=8)
def odd_names(it: Attempt) -> None:
    it.right()
    it.link("here", ".")
    it.link("loop", "loop")
    it.link("void", "/nowhere")
    for name in ("new\nline.txt", "-rf", "*.ipynb", "\udcff\udcfe.txt", "a" * 250, "[ERROR] \x1b[31m.txt"):
        it.file(name, "x")
    it.file("/".join(["deep"] * 60) + "/x", "x")


@attack("a timestamp that is none", earns=8)
def no_timestamp(it: Attempt) -> None:
    it.right()
    it.timestamp = "yesterday, I swear " * 1000


@attack("a timestamp that no clock can show", earns=8)
def huge_timestamp(it: Attempt) -> None:
    it.right()
    it.timestamp = "99999999999999999999999 UTC"


@attack("a timestamp before the first of all days", earns=8)
def early_timestamp(it: Attempt) -> None:
    it.right()
    it.timestamp = "0001-01-01 00:00:00 +1400"
