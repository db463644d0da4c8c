"""A course folder with a small lesson in pure Python, for what is run through nbgrader itself."""

import shutil
from pathlib import Path
from typing import Any

import nbformat
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook

from course_utils.bench.klass import KERNEL, exercise, marked

REPOSITORY = Path(__file__).resolve().parents[2]
LESSON = "01-small"
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


def small_lesson() -> Any:
    """Two exercises (3 automatic points each), a demo cell that writes a file, a written task of 4 points."""
    scheme = "=== BEGIN MARK SCHEME ===\nFour points for the word ratio.\n=== END MARK SCHEME ==="
    demo = marked("draw", locked=True) | {"tags": ["demo"]}
    cells = [
        new_markdown_cell("# A small lesson"),
        new_code_cell("import math", metadata=marked("setup", locked=True)),
        *exercise("double", "return 2 * x", "double(2) == 4", "double(-3) == -6"),
        new_code_cell("open('demo-was-here.txt', 'w').write('x')", metadata=demo),
        *exercise("root", "return math.sqrt(x)", "root(4) == 2", "root(9) == 3"),
        new_markdown_cell(
            f"Why do the two differ?\n\n{scheme}",
            metadata=marked("written_why", task=True, locked=True, points=4),
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
        for name_, text in SMALL_ANSWERS.items():
            (answers / f"{name_}.py").write_text(text)
    return folder


def save(notebook: Any, course: Path) -> None:
    """Nothing: the notebook becomes the source of the course's lesson."""
    nbformat.write(notebook, course / "source" / LESSON / f"{LESSON}.ipynb")
