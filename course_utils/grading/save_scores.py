"""nbgrader's saving of automatic scores, in one transaction.

>>> c.Autograde.autograde_preprocessors = [..., "course_utils.grading.save_scores.SaveScores"]     # doctest: +SKIP
"""

from typing import Any

from nbgrader.api import Gradebook
from nbgrader.preprocessors import NbGraderPreprocessor, SaveAutoGrades

__all__ = ["SaveScores"]


class SaveScores(SaveAutoGrades):
    """nbgrader's step, which saves cell by cell: killed halfway, the gradebook has the old scores and no mixture."""

    def preprocess(self, nb: Any, resources: Any) -> tuple[Any, Any]:
        """The notebook as it came, with every automatic score of it saved or none."""
        where = resources["nbgrader"]
        self.notebook_id, self.assignment_id, self.student_id = (
            where[part] for part in ("notebook", "assignment", "student")
        )
        with Gradebook(where["db_url"]) as self.gradebook:
            session = self.gradebook.db
            commit, session.commit = session.commit, session.flush
            nb, resources = NbGraderPreprocessor.preprocess(self, nb, resources)
            commit()
        return nb, resources
