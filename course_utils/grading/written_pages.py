"""Formgrader's pages of written answers: one exercise at a time, the answers of a class beside the mark scheme.

>>> add_pages(webapp, nbgrader_templates)       # before formgrader's own handlers, doctest: +SKIP

`formgrader/written` lists the exercises; `written/LESSON/NOTEBOOK/CELL` is a page that saves through nbgrader's own
gradebook API, and not over what somebody else has saved meanwhile; `second/LESSON/NOTEBOOK/CELL` is the same page for a
second reader, with nothing of the first one's on it.
"""

import asyncio
import math
import secrets
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import jinja2
from jupyter_server.utils import url_path_join
from markupsafe import Markup
from nbgrader.api import MissingEntry
from nbgrader.server_extensions.formgrader.apihandlers import CommentHandler, GradeHandler
from nbgrader.server_extensions.formgrader.base import (
    BaseApiHandler,
    BaseHandler,
    check_notebook_dir,
    check_xsrf,
)
from tornado import web

from course_utils.errors import ClassError
from course_utils.grading.sanitise import render_markdown
from course_utils.grading.second_reader import Sample
from course_utils.grading.written import (
    Answer,
    Mark,
    WrittenExercise,
    comments_given,
    count_answers,
    find_marks,
    group_answers,
    read_answers,
    written_exercises,
)

__all__ = ["add_pages"]

FOLDER = Path(__file__).parent / "templates"
OURS = FOLDER / "written"
PAGES = "course_written_pages"
POLICY = (
    "default-src 'none'; script-src 'nonce-{0}'; style-src 'nonce-{0}'; img-src data:; connect-src 'self'; "
    "base-uri 'none'; form-action 'none'"
)


def add_pages(webapp: Any, templates: str) -> None:
    """Nothing: the server has these pages, and links to them on formgrader's; `templates` is nbgrader's folder."""
    theirs = jinja2.FileSystemLoader(templates)
    environment = webapp.settings["nbgrader_jinja2_env"]
    environment.loader = jinja2.ChoiceLoader(
        [jinja2.FileSystemLoader(FOLDER / "formgrader"), jinja2.PrefixLoader({"nbgrader": theirs}), theirs]
    )
    # nbgrader's pages repeat what stands in their address, and anybody can make up a link.
    environment.autoescape = True
    webapp.settings[PAGES] = jinja2.Environment(
        loader=jinja2.FileSystemLoader(OURS), autoescape=True, undefined=jinja2.StrictUndefined
    )
    base = webapp.settings["base_url"]
    webapp.add_handlers(
        ".*$", [(url_path_join(base, pattern.lstrip("/")), *rest) for pattern, *rest in HANDLERS]
    )


class _Written:
    """What the handlers below have in common; `self` is one of formgrader's."""

    gradebook: Any
    coursedir: Any

    def exercise(self, assignment: str, notebook: str, cell: str) -> WrittenExercise:
        for one in self.exercises(assignment):
            if (one.notebook, one.name) == (notebook, cell):
                return one
        raise web.HTTPError(404, f"{assignment} has no written exercise {cell}")

    def exercises(self, assignment: str) -> list[WrittenExercise]:
        self.gradebook.db.expire_all()  # another process may have generated the lesson anew
        try:
            return written_exercises(self.gradebook, assignment)
        except MissingEntry:
            raise web.HTTPError(404, f"No assignment {assignment}") from None

    def sample(self, assignment: str) -> Sample | None:
        try:
            return Sample.read(Path(self.coursedir.root), assignment)
        except ClassError as error:
            raise web.HTTPError(409, str(error)) from None  # nbgrader's page for 500 says nothing


class _Page(_Written, BaseHandler):
    """A page under a policy that lets only its own scripts and styles act."""

    def show(self, template: str, **values: Any) -> None:
        nonce = secrets.token_urlsafe(16)
        self.add_header("Content-Security-Policy", POLICY.format(nonce))
        page = self.settings[PAGES].get_template(template)
        self.write(page.render(base_url=self.base_url, nonce=nonce, **values))

    def show_exercise(
        self, exercise: WrittenExercise, others: Sequence[WrittenExercise], **values: Any
    ) -> None:
        """The page of an exercise, with links to those before and after it."""
        at = others.index(exercise) if exercise in others else -1
        around = {"before": others[at - 1] if at > 0 else None, "after": None}
        if 0 <= at < len(others) - 1:
            around["after"] = others[at + 1]
        # What `render_markdown` returns is clean.
        texts = {part: Markup(render_markdown(getattr(exercise, part))) for part in ("question", "scheme")}
        self.show("exercise.html.j2", exercise=exercise, **around, **texts, **values)

    async def answers(
        self, exercise: WrittenExercise, marks: Sequence[Mark]
    ) -> tuple[list[Answer], list[Mark]]:
        """The answers, and whose cannot be read; in a thread, since a class's notebooks are large."""
        found = await asyncio.to_thread(read_answers, self.coursedir, exercise, marks)
        there = {answer.mark for answer in found}
        return found, [mark for mark in marks if mark not in there]


class IndexHandler(_Page):
    """The written exercises that somebody has answered, of one assignment or of all."""

    @web.authenticated
    @check_xsrf
    @check_notebook_dir
    def get(self, assignment: str = "") -> None:
        counts = count_answers(self.gradebook)
        names = [assignment] if assignment else sorted(found.name for found in self.gradebook.assignments)
        rows, problems = [], []
        for name in names:
            exercises, sample = self.exercises(name), None
            try:
                sample = self.sample(name)
            except web.HTTPError as error:  # the first reader can go on
                problems.append(error.log_message)
            for exercise in exercises:
                answers, waiting = counts.get(exercise.cell, (0, 0))
                sampled = len(sample.answers.get(exercise.key, [])) if sample else 0
                read = len(sample.marks.get(exercise.key, {})) if sample else 0
                row = {"exercise": exercise, "answers": answers, "waiting": waiting}
                rows += [row | {"sampled": sampled, "read": read}] if answers else []
        self.show("index.html.j2", rows=rows, problems=problems, assignment=assignment)


class WrittenHandler(_Page):
    """The page of one exercise."""

    @web.authenticated
    @check_xsrf
    @check_notebook_dir
    async def get(self, assignment: str, notebook: str, cell: str) -> None:
        exercise = self.exercise(assignment, notebook, cell)
        marks = find_marks(self.gradebook, exercise)
        answered = count_answers(self.gradebook)
        names = sorted(found.name for found in self.gradebook.assignments)
        others = [one for name in names for one in self.exercises(name) if one.cell in answered]
        found, missing = await self.answers(exercise, marks)
        self.show_exercise(
            exercise, others, groups=group_answers(found), missing=missing, given=comments_given(marks),
            names=self.get_query_argument("names", "") == "1", blind=False,
        )  # fmt: skip


class SecondHandler(_Page):
    """The same page for a second reader: the sampled answers, nobody's name, and only their own marks."""

    @web.authenticated
    @check_xsrf
    @check_notebook_dir
    async def get(self, assignment: str, notebook: str, cell: str) -> None:
        exercise, sample = self.exercise(assignment, notebook, cell), self.sample(assignment)
        wanted = sample.answers.get(exercise.key, []) if sample else []
        if sample is None or not wanted:
            raise web.HTTPError(404, f"No sample of {assignment}. First: course second-reader {assignment}")
        marks = [mark for mark in find_marks(self.gradebook, exercise) if mark.submission in wanted]
        found, missing = await self.answers(exercise, marks)
        found.sort(key=lambda answer: wanted.index(answer.mark.submission))
        groups = [[_blind(answer, number, sample, exercise)] for number, answer in enumerate(found, 1)]
        others = [one for one in self.exercises(assignment) if sample.answers.get(one.key)]
        self.show_exercise(
            exercise, others, groups=groups, missing=missing, given=[], names=False, blind=True
        )


def _blind(answer: Answer, number: int, sample: Sample, exercise: WrittenExercise) -> Answer:
    """The answer with the second reader's mark in the place of all that is known of it."""
    second = sample.marks.get(exercise.key, {}).get(answer.mark.submission)
    points = second.points if second and second.answer == answer.digest else None
    mark = Mark(answer.mark.submission, "", "", "", "", points, None, points is None, "")
    return replace(answer, mark=mark, number=number)


class SecondMarkHandler(_Written, BaseApiHandler):
    """Takes a second reader's mark: `{"submission": id, "points": number or null}`."""

    @web.authenticated
    @check_xsrf
    @check_notebook_dir
    def put(self, assignment: str, notebook: str, cell: str) -> None:
        exercise, sample = self.exercise(assignment, notebook, cell), self.sample(assignment)
        body = self.get_json_body()
        body = body if isinstance(body, dict) else {}
        points, submission = body.get("points"), body.get("submission")
        if not (points is None or _is_between(points, exercise.points)):
            raise web.HTTPError(400, f"Points are a number from 0 to {exercise.points:g}, or null.")
        marks = [one for one in find_marks(self.gradebook, exercise) if one.submission == submission]
        answers = read_answers(self.coursedir, exercise, marks)
        try:
            if sample is None or not answers:
                raise KeyError(submission)
            reader = str(getattr(self.current_user, "username", ""))
            sample.mark(exercise.key, answers[0].mark.submission, points, reader, answers[0].digest)
        except KeyError:
            raise web.HTTPError(404, "This answer is not in the sample of the second reader.") from None
        sample.write(Path(self.coursedir.root), assignment)
        self.write({"points": points})


class GradeMeanwhileHandler(GradeHandler):
    """nbgrader's saving of points. With `expected` beside them only if those are in the gradebook still; otherwise 409
    and what there is.
    """

    @web.authenticated
    @check_xsrf
    @check_notebook_dir
    def put(self, key: str) -> None:
        body = self.get_json_body() or {}
        if "expected" in body:
            self.gradebook.db.expire_all()  # another process may have saved
            grade = _found(self.gradebook.find_grade_by_id, key)
            if grade.manual_score not in (body["expected"], body.get("manual_score")):
                self.set_status(409)
                self.write({"now": grade.manual_score, "waits": bool(grade.needs_manual_grade)})
                return
        super().put(key)


class CommentMeanwhileHandler(CommentHandler):
    """The same for comments."""

    @web.authenticated
    @check_xsrf
    @check_notebook_dir
    def put(self, key: str) -> None:
        body = self.get_json_body() or {}
        if "expected" in body:
            self.gradebook.db.expire_all()
            comment = _found(self.gradebook.find_comment_by_id, key).comment or ""
            if _words(comment) not in (_words(body["expected"]), _words(body.get("manual_comment"))):
                self.set_status(409)
                self.write({"now": comment})
                return
        super().put(key)


def _found(find: Callable[[str], Any], key: str) -> Any:
    try:
        return find(key)
    except MissingEntry:
        raise web.HTTPError(404) from None


def _words(text: Any) -> list[str]:
    """What a field of text cannot change: it ends lines in its own way."""
    return str(text or "").split()


def _is_between(points: Any, most: float) -> bool:
    return (
        isinstance(points, int | float)
        and not isinstance(points, bool)
        and math.isfinite(points)
        and 0 <= points <= most
    )


_ONE = r"([^/]+)/([^/]+)/([^/]+)"
HANDLERS: list[tuple[Any, ...]] = [
    (r"/formgrader/written/?", IndexHandler),
    (r"/formgrader/written/([^/]+)/?", IndexHandler),
    (rf"/formgrader/written/{_ONE}/?", WrittenHandler),
    (rf"/formgrader/second/{_ONE}/?", SecondHandler),
    (rf"/formgrader/api/second/{_ONE}", SecondMarkHandler),
    (r"/formgrader/api/grade/([^/]+)", GradeMeanwhileHandler),
    (r"/formgrader/api/comment/([^/]+)", CommentMeanwhileHandler),
    (r"/formgrader/course/(page\.(?:css|js))", web.StaticFileHandler, {"path": str(OURS)}),
]
