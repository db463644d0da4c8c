"""The student version of a lesson, made by nbgrader: always the same bytes, and no gradebook is touched.

>>> write_release(Path("."), "02-attention-and-induction")     # doctest: +SKIP
'unchanged'
"""

import io
import json
import logging
import shutil
import tempfile
import warnings
from pathlib import Path
from typing import Any

from course_utils.errors import ClassError, LessonError

__all__ = ["generate", "load_settings", "write_release"]

SETTINGS = "nbgrader_config.py"


def load_settings(root: Path) -> Any:
    """The settings of `root/nbgrader_config.py`, as a traitlets `Config` that the caller may change.

    >>> load_settings(Path(".")).CourseDirectory.course_id     # doctest: +SKIP
    'agai302'

    Raises `ClassError` if the file is missing or does not run.
    """
    from traitlets.config.loader import PyFileConfigLoader

    if not (root / SETTINGS).is_file():
        raise ClassError(
            f"Expected a course folder with {SETTINGS} and source/, but {root.resolve()} has no {SETTINGS}. "
            "Go to the course folder, or name it with --root."
        )
    try:
        return PyFileConfigLoader(SETTINGS, path=str(root.resolve())).load_config()
    except Exception as error:
        raise ClassError(
            f"{root / SETTINGS} could not be read: {type(error).__name__}: {error}. Mend that line."
        ) from None


def generate(root: Path, name: str, into: Path) -> Path:
    """The folder `into/name` with the student version of lesson `name`, made by nbgrader's own converter.

    >>> generate(Path("."), "00-orientation", Path("/tmp/look"))     # doctest: +SKIP
    PosixPath('/tmp/look/00-orientation')

    What lay in `into/name` is replaced. nbgrader works in a temporary course directory, with the settings of
    `root/nbgrader_config.py`. Raises `LessonError` if there is no such lesson or nbgrader refuses it (the
    message names the cell), `ClassError` if the settings cannot be read.
    """
    settings = load_settings(root)
    _check_source(root, name)
    with tempfile.TemporaryDirectory(prefix="release-") as scratch:
        course = Path(scratch).resolve()
        shutil.copytree(root / "source" / name, course / "source" / name)
        _run_converter(settings, course, name)
        target = into / name
        shutil.rmtree(target, ignore_errors=True)
        shutil.copytree(course / "release" / name, target)
    return target


def write_release(root: Path, name: str) -> str:
    """What became of `root/release/name`: "new", "updated" or "unchanged" (then not a byte is written).

    The folder is made aside and renamed: a failure leaves the old one, and the next run mends one that was
    stopped between the two renames. Raises what `generate` raises.
    """
    target, old = root / "release" / name, root / "release" / f".{name}.old"
    target.parent.mkdir(exist_ok=True)
    if old.is_dir() and not target.exists():  # a run was stopped between the two renames below
        old.rename(target)
    with tempfile.TemporaryDirectory(prefix=".making-", dir=target.parent) as aside:
        fresh = generate(root, name, Path(aside))
        if not target.exists():
            fresh.rename(target)
            return "new"
        if _contents(fresh) == _contents(target):
            return "unchanged"
        shutil.rmtree(old, ignore_errors=True)
        target.rename(old)
        fresh.rename(target)
        shutil.rmtree(old)
    return "updated"


def _contents(folder: Path) -> dict[str, bytes]:
    return {p.relative_to(folder).as_posix(): p.read_bytes() for p in folder.rglob("*") if p.is_file()}


def _run_converter(settings: Any, course: Path, name: str) -> None:
    """Fills `course/release/name`; what nbgrader logs is kept for the message of a failure."""
    # nbgrader takes seconds to import, and most commands do not need it.
    from nbgrader.converters import GenerateAssignment
    from nbgrader.coursedir import CourseDirectory

    settings.CourseDirectory.root = str(course)
    settings.CourseDirectory.db_url = (
        f"sqlite:///{course / 'gradebook.db'}"  # not to be written, let alone the real one
    )
    settings.GenerateAssignment.no_database = True
    settings.SaveCells.enabled = False
    text = io.StringIO()
    log = logging.Logger("course release", logging.ERROR)
    log.addHandler(logging.StreamHandler(text))
    directory = CourseDirectory(config=settings, log=log, assignment_id=name)
    try:
        with warnings.catch_warnings(action="ignore"):  # SQLAlchemy warns about nbgrader's own queries
            GenerateAssignment(coursedir=directory, config=settings, log=log).start()
    except Exception as error:
        reason = _first_refusal(settings, course, name) or _last_error(text.getvalue()) or str(error)
        raise LessonError(
            f"nbgrader cannot make the student version of {name}. {reason} Mend source/{name} and try again."
        ) from None


def _check_source(root: Path, name: str) -> None:
    """Raises `LessonError` for what nbgrader would pass over in silence or answer with a traceback."""
    source = root / "source" / name
    if not source.is_dir() or name in ("", ".", ".."):
        there = ", ".join(sorted(p.name for p in (root / "source").glob("*/") if p.is_dir())) or "none yet"
        raise LessonError(
            f"There is no lesson {name!r} in {root / 'source'}; there are: {there}. Check the spelling."
        )
    notebooks = sorted(source.glob("*.ipynb"))
    if not notebooks:
        raise LessonError(f"source/{name} has no notebook; expected source/{name}/{name}.ipynb.")
    for path in notebooks:
        if problem := _notebook_problem(path):
            raise LessonError(f"source/{name}/{path.name} {problem}")


def _notebook_problem(path: Path) -> str | None:
    """What keeps a file from being a notebook with a stable release, in words that follow its name."""
    import nbformat

    try:
        notebook = json.loads(path.read_text(encoding="utf-8"))
        ids = [cell.get("id") for cell in notebook["cells"]]
    except ValueError as error:
        return f"is not JSON ({error}). Restore it from version control, or save it again in JupyterLab."
    except (KeyError, TypeError, AttributeError):
        return "is JSON but not a notebook: it has no list of cells. Save it again in JupyterLab."
    for index, cell_id in enumerate(ids):
        if (
            cell_id is None or ids.index(cell_id) != index
        ):  # nbformat would invent an id, another one each time
            shared = f"has the id of cell {ids.index(cell_id)}, {cell_id!r}"
            fault = "has no id" if cell_id is None else shared
            return f"would give another release each time: cell {index} {fault}. Save it again in JupyterLab."
    try:
        nbformat.validate(nbformat.from_dict(notebook))
    except nbformat.ValidationError as error:
        where = [str(part) for part in error.absolute_path]
        label = f"cell {where[1]}" if where[:1] == ["cells"] and len(where) > 1 else "/".join(where)
        return f"is not a valid notebook: {label}: {_sentence(error.message)} Save it again in JupyterLab."
    if not notebook["metadata"].get("kernelspec", {}).get("name"):
        return "names no kernel. Open it in JupyterLab, choose the Python 3 kernel and save it."
    return None


def _first_refusal(settings: Any, course: Path, name: str) -> str | None:
    """Which cell nbgrader refuses and why, found by showing it cell after cell; None if it takes each."""
    import nbformat
    from nbgrader.nbgraderformat import MetadataValidator
    from nbgrader.preprocessors import ClearHiddenTests, ClearMarkScheme, ClearSolutions

    quiet = logging.Logger("course release", logging.CRITICAL)
    steps = [step(config=settings, log=quiet) for step in (ClearSolutions, ClearHiddenTests, ClearMarkScheme)]
    for path in sorted((course / "source" / name).glob("*.ipynb")):
        notebook, label = nbformat.read(path, as_version=4), path.name
        try:
            for index, cell in enumerate(notebook.cells):
                grade_id = cell.metadata.get("nbgrader", {}).get("grade_id", cell.id)
                label = f"{path.name}, cell {index} ({grade_id})"
                MetadataValidator().validate_cell(cell)
                for step in steps:
                    step.preprocess_cell(cell, {"language": "python"}, index)
            label = path.name
            MetadataValidator().validate_nb(notebook)
        except Exception as error:
            return f"{label}: {_sentence(getattr(error, 'message', str(error)))}"
    return None


def _last_error(log: str) -> str | None:
    lines = [line for line in log.splitlines() if "Error" in line and not line.startswith(" ")]
    return _sentence(lines[-1]) if lines else None


def _sentence(message: str) -> str:
    first = message.strip().splitlines()[0] if message.strip() else "it gave no reason"
    first = first if len(first) <= 200 else f"{first[:120]} … {first[-70:]}"
    return first if first.endswith((".", "!", "?")) else f"{first}."
