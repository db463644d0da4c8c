"""nbgrader's saving of automatic scores, in one transaction and with two questions to the gradebook.

>>> c.Autograde.autograde_preprocessors = [..., "course_utils.grading.save_scores.SaveScores"]     # doctest: +SKIP
"""

from collections.abc import Callable
from typing import Any

from nbgrader.api import BaseCell, Comment, Grade, Gradebook, MissingEntry
from nbgrader.preprocessors import NbGraderPreprocessor, SaveAutoGrades

__all__ = ["SaveScores"]


class SaveScores(SaveAutoGrades):
    """nbgrader's step, which looks up and saves cell by cell, several milliseconds each. Here, killed halfway, the
    gradebook has the old scores and no mixture.
    """

    def preprocess(self, nb: Any, resources: Any) -> tuple[Any, Any]:
        """The notebook as it came, with every automatic score of it saved or none."""
        where = resources["nbgrader"]
        self.notebook_id, self.assignment_id, self.student_id = (
            where[part] for part in ("notebook", "assignment", "student")
        )
        with Gradebook(where["db_url"]) as gradebook:
            self.gradebook = _Found(
                gradebook, self.notebook_id, self.assignment_id, self.student_id
            )  # in its place
            nb, resources = NbGraderPreprocessor.preprocess(self, nb, resources)
            gradebook.db.commit()
        return nb, resources


class _Found:
    """The part of a gradebook that nbgrader's step needs, for one submitted notebook."""

    def __init__(self, gradebook: Gradebook, *notebook: str) -> None:
        submitted = gradebook.find_submission_notebook(*notebook)
        self.find_grade, self.find_comment = (
            self._all(gradebook, kind, submitted.id) for kind in (Grade, Comment)
        )
        self.db = self

    def commit(self) -> None:
        """Nothing: that is done when all is known."""

    @staticmethod
    def _all(gradebook: Gradebook, kind: Any, notebook: str) -> Callable[..., Any]:
        rows = gradebook.db.query(BaseCell.name, kind).join(kind, kind.cell_id == BaseCell.id)
        known = dict(rows.filter(kind.notebook_id == notebook).all())

        def find(cell: str, *_: str) -> Any:
            if cell not in known:
                raise MissingEntry(
                    f"The gradebook has no {kind.__name__.lower()} of cell {cell} of {notebook}"
                )
            return known[cell]

        return find
