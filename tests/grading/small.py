"""A course folder with a small lesson in pure Python, for what is run through nbgrader itself."""

import shutil
from pathlib import Path
from typing import Any

import nbformat
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook

REPOSITORY = Path(__file__).resolve().parents[2]
LESSON = "01-small"
KERNEL = {"name": "python3", "display_name": "Python 3 (ipykernel)", "language": "python"}
SMALL_ANSWERS = {
    "double": (
        '# %% wrong: adds one -> "visible case"\ndef double(x):\n    return x + 1\n'
        '# %% wrong: forgets the sign -> "hidden case"\ndef double(x):\n    return 2 * abs(x)\n'
        "# %% right: adds\ndef double(x):\n    return x + x\n"
    ),
    "root": (
        'import cmath\n# %% wrong: halves -> "hidden case"\ndef root(x):\n    return x / 2\n'
        "# %% right: a power\ndef root(x):\n    return x**0.5\n"
    ),
}


def _marked(grade_id: str, **flags: Any) -> dict[str, Any]:
    """nbgrader's metadata for a cell; flags left out are false."""
    base = {"schema_version": 3, "grade": False, "solution": False, "locked": False, "task": False}
    return {"nbgrader": {**base, "grade_id": grade_id, **flags}}


def _exercise(name: str, solution: str, visible: str, hidden: str) -> list[Any]:
    """A solution cell, a visible test (1 point) and a hidden one (2 points)."""
    stub = f"def {name}(x):\n    ### BEGIN SOLUTION\n    {solution}\n    ### END SOLUTION"
    hidden = f"### BEGIN HIDDEN TESTS\nassert {hidden}, 'hidden case of {name}'\n### END HIDDEN TESTS"
    test = {"grade": True, "locked": True}
    return [
        new_markdown_cell(f"### Write {name}"),
        new_code_cell(stub, metadata=_marked(name, solution=True)),
        new_code_cell(
            f"assert {visible}, 'visible case of {name}'",
            metadata=_marked(f"{name}-visible", points=1, **test),
        ),
        new_code_cell(hidden, metadata=_marked(f"{name}-hidden", points=2, **test)),
    ]


def small_lesson() -> Any:
    """Two exercises (3 automatic points each), a demo cell that writes a file, a written task of 4 points."""
    scheme = "=== BEGIN MARK SCHEME ===\nFour points for the word ratio.\n=== END MARK SCHEME ==="
    demo = _marked("draw", locked=True) | {"tags": ["demo"]}
    cells = [
        new_markdown_cell("# A small lesson"),
        new_code_cell("import math", metadata=_marked("setup", locked=True)),
        *_exercise("double", "return 2 * x", "double(2) == 4", "double(-3) == -6"),
        new_code_cell("open('demo-was-here.txt', 'w').write('x')", metadata=demo),
        *_exercise("root", "return math.sqrt(x)", "root(4) == 2", "root(9) == 3"),
        new_markdown_cell(
            f"Why do the two differ?\n\n{scheme}",
            metadata=_marked("written_why", task=True, locked=True, points=4),
        ),
        new_markdown_cell("*Your answer here.*", metadata={"tags": ["answer"]}),
    ]
    for index, cell in enumerate(cells):
        cell.id = f"cell-{index}"
    return new_notebook(cells=cells, metadata={"kernelspec": dict(KERNEL)})


def small_course(folder: Path, *lessons: str) -> Path:
    """A course folder with the repository's own nbgrader settings and these lessons (none: `LESSON`)."""
    folder.mkdir(parents=True, exist_ok=True)
    shutil.copy(REPOSITORY / "nbgrader_config.py", folder)
    for name in lessons or (LESSON,):
        (folder / "source" / name).mkdir(parents=True)
        nbformat.write(small_lesson(), folder / "source" / name / f"{name}.ipynb")
        answers = folder / "tests" / "lessons" / name
        answers.mkdir(parents=True)
        for exercise, text in SMALL_ANSWERS.items():
            (answers / f"{exercise}.py").write_text(text)
    return folder


def save(notebook: Any, course: Path) -> None:
    """Nothing: the notebook becomes the source of the course's lesson."""
    nbformat.write(notebook, course / "source" / LESSON / f"{LESSON}.ipynb")
