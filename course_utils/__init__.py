"""AGAI 302: the lab that lessons import, and (in `course_utils.grading`) the grader that scores them.

A lesson needs little more than this:

>>> from course_utils import checks, load_model, plots
>>> model = load_model("smollm2")

`load_model` is imported lazily, so that `import course_utils` costs nothing (torch and transformers take seconds).
"""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from course_utils.models import load_model as load_model

__all__ = ["load_model"]


def __getattr__(name: str) -> Any:
    if name == "load_model":
        from course_utils.models import load_model

        return load_model
    raise AttributeError(f"module 'course_utils' has no attribute {name!r}")
