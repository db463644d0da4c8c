"""The third wing: how submissions travel on a JupyterHub, where nobody may say who or when they are.

nbgrader's own exchange is a folder in which a student's process writes the owner and the time of what it hands in.
Here a small service (`service`) takes both from what it knows itself: the Hub says whose token a request bears, its
own clock says when. It keeps everything in a folder laid out as nbgrader's (`store`), so that release, collecting and
feedback go on with nbgrader's own steps on that folder; a student's side asks the service (`students`).

>>> from course_utils.exchange import configure_student     # doctest: +SKIP
>>> configure_student(c)      # in the nbgrader_config.py of students' servers
"""

from typing import Any

__all__ = ["configure_course", "configure_student"]


def configure_student(c: Any) -> None:
    """Nothing: nbgrader lists, fetches and submits through the service at `$COURSE_EXCHANGE_URL` from now on."""
    own = "course_utils.exchange.students"
    c.ExchangeFactory.list = f"{own}.ServedList"
    c.ExchangeFactory.fetch_assignment = f"{own}.ServedFetchAssignment"
    c.ExchangeFactory.submit = f"{own}.ServedSubmit"
    c.ExchangeFactory.fetch_feedback = f"{own}.ServedFetchFeedback"


def configure_course(c: Any) -> None:
    """Nothing: nbgrader's exchange folder is nobody's but the account's that releases and collects."""
    c.ExchangeFactory.release_assignment = "course_utils.exchange.course.PrivateRelease"
    c.ExchangeCollect.check_owner = False  # the service owns every submission; it asked the Hub whose it is
