"""The grading wing: everything that runs, scores or gates a submission or a lesson.

`nbgrader_config.py` and the `course` command import from here; lessons never do, and nothing here imports a
lesson. Any nbgrader course grades honestly with two lines at the end of its `nbgrader_config.py`:

>>> from course_utils.grading import configure     # doctest: +SKIP
>>> configure(c)                                   # doctest: +SKIP
"""

from typing import Any

__all__ = ["configure"]


def configure(c: Any) -> None:
    """Nothing: an nbgrader course with these settings grades submissions in sandboxes.

    `c` is the object of an `nbgrader_config.py`. What may be set besides, before or after: `c.Examine.memory_mb`,
    `c.Examine.notebook_timeout` and so on (`examine_step.Examine` lists them), and `c.FeedbackPolicy.level`.
    """
    from course_utils.grading.autograde import EXAMINE, install
    from course_utils.grading.templates import protect_pages

    own, nbgrader = "course_utils.grading", "nbgrader.preprocessors"
    # What nbgrader puts right and checks in a submission, `rebuild` takes from the gradebook.
    c.Autograde.sanitize_preprocessors = []
    c.Autograde.autograde_preprocessors = [
        EXAMINE,
        f"{nbgrader}.IgnorePattern",
        "nbconvert.preprocessors.ClearMetadataPreprocessor",
        f"{nbgrader}.LimitOutput",
        f"{own}.save_scores.SaveScores",
        f"{nbgrader}.AssignLatePenalties",
        f"{own}.sanitise.Sanitise",
    ]
    protect_pages(c)
    c.FeedbackPolicy.trust_tags = True  # a graded notebook has its tags from the release
    c.ExportApp.plugin_class = f"{own}.export.SafeCsvExport"
    c.ExchangeFactory.collect = f"{own}.collect.HonestCollect"
    install()
