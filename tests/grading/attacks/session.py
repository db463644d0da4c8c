"""One class of attackers and honest neighbours, handed in, graded and looked at.

>>> session = Session(klass, attempts)               # doctest: +SKIP
>>> session.scores["z-after"]                        # doctest: +SKIP
(8.0, [])
"""

import os
import re
import shutil
from itertools import chain
from pathlib import Path

from attacks import evidence, pages
from attacks.course import FULL, NEIGHBOURS, Class
from attacks.kit import Attempt

__all__ = ["Session"]

Score = tuple[float | None, list[str]]
# What nbgrader and our grader write for the whole class.
SHARED = (
    "gradebook.db",
    "gradebook.db-journal",
    "gradebook.db-wal",
    "gradebook.db-shm",
    ".grading",
    "grades.csv",
)
EXCEPTION = re.compile(r"\s{0,4}[A-Za-z_.]+(Error|Exception|TooOld|TooNew)\w*\b")
NOBODY = 12345  # the owner of what attackers hand in through the exchange


class Session:
    """A class that was graded. What is in it is evidence: for one attacker (its marker is on it) or for nobody."""

    def __init__(self, klass: Class, attempts: list[Attempt]) -> None:
        self.klass, self.attempts = klass, attempts
        self.attack = attempts[0].attack
        self.lesson = self.attack.lesson
        self.aborted: list[str] = []
        self.log = ""
        pids = evidence.children()
        self._introduce()
        for round_ in range(max(len(attempt.rounds) for attempt in attempts) + 1):
            self._hand_in(round_)
            before = evidence.snapshot(klass.course)
            self._grade()
        self.left = evidence.still_running(pids, wait=3)
        self.touched = evidence.changed(before, evidence.snapshot(klass.course))
        self.scores = self._scores()
        self._look(pids)

    def _introduce(self) -> None:
        """Nothing: the attackers are in the gradebook, as where a class list was imported."""
        with self.klass.gradebook() as gradebook:
            for attempt in self.attempts:
                gradebook.update_or_create_student(attempt.student, first_name=attempt.first_name)

    def _hand_in(self, round_: int) -> None:
        for attempt in self.attempts:
            folder = [*attempt.rounds, attempt.folder][min(round_, len(attempt.rounds))]
            target = self.klass.course / "submitted" / attempt.student / self.lesson
            if self.attack.by_exchange:
                name = f"{attempt.claims or attempt.student}+{self.lesson}+{attempt.timestamp}+abc"
                target = self.klass.course / ".exchange" / "agai302" / "inbound" / name
                for path in [folder, *folder.rglob("*")]:
                    os.chown(path, NOBODY, NOBODY, follow_symlinks=False)
            if target.exists():
                shutil.rmtree(target)
            target.parent.mkdir(parents=True, exist_ok=True)
            # Not copied: a submission may hold what cannot be.
            folder.rename(target)
            folder.symlink_to(target)

    def _grade(self) -> None:
        if self.attack.by_exchange:
            self._run("collect", self.lesson, "--update")
        limit = self._limit()
        self._note("autograde", limit, *self.klass.autograde(self.lesson, limit))

    def _look(self, pids: set[int]) -> None:
        """Nothing: feedback was made, and the pages that people look at are in `ta_pages`."""
        self._run("generate_feedback", self.lesson)
        self.ta_pages: dict[str, str] = {}
        if self.attack.pages:
            self._run("export")
            self.ta_pages = pages.ta_pages(self.klass, self.lesson)
        self.left += evidence.still_running(pids, wait=2)

    def _run(self, *words: str) -> None:
        limit = self._limit()
        self._note(words[0], limit, *self.klass.run(*words, seconds=limit))

    def _limit(self) -> int:
        return 60 + 60 * len(self.attempts)

    def _note(self, command: str, limit: int, code: int | None, said: str) -> None:
        self.log += said
        if code is None:
            self.aborted.append(f"{command} did not end in {limit} s")
        elif code:
            reasons = [line.strip() for line in said.splitlines() if EXCEPTION.match(line)]
            telling = [line for line in reasons if "NbGraderException" not in line] or reasons or [""]
            self.aborted.append(f"{command} exited with {code}: {telling[-1][:200]}")

    def _scores(self) -> dict[str, Score]:
        """Points and waiting test cells of everybody who was graded in full."""
        found: dict[str, Score] = {}
        try:
            with self.klass.gradebook() as gradebook:
                for submission in gradebook.assignment_submissions(self.lesson):
                    grades = list(chain.from_iterable(notebook.grades for notebook in submission.notebooks))
                    waiting = [grade.name for grade in grades if grade.needs_manual_grade]
                    whole = grades and all(grade.auto_score is not None for grade in grades)
                    found[submission.student.id] = (submission.score if whole else None, waiting)
        except Exception as error:  # whatever an attack made of the gradebook
            self.aborted.append(f"the gradebook cannot be read: {str(error)[:100]}")
        return found

    def suspects(self) -> list[Attempt]:
        """Those whose markers are looked for."""
        return self.attempts

    # -- one attacker's doing, because its marker is on it --

    def left_by(self, attempt: Attempt) -> list[str]:
        """Processes."""
        return [line for line in self.left if attempt.marker in line]

    def planted_by(self, attempt: Attempt) -> list[str]:
        """Files that are neither the submission nor made from it."""
        course, own = self.klass.course, (attempt.student, self.lesson)
        mine = [course.joinpath(kind, *own) for kind in ("submitted", "autograded", "feedback")]
        mine += [course / name for name in SHARED] + [course / ".exchange" / "agai302" / "inbound"]
        places = (course, self.klass.home, self.klass.drop)
        found = [path for place in places for path in evidence.marked_files(place, attempt.marker)]
        found = [path for path in found if not any(path.is_relative_to(place) for place in mine)]
        names = [str(path.relative_to(self.klass.folder)) for path in found]
        return names + list(map(str, evidence.outside(attempt.marker)))

    def loot_of(self, attempt: Attempt) -> list[str]:
        """Secrets where the attacker can fetch them, or where its code put them."""
        graded = self.klass.course / "autograded" / attempt.student / self.lesson
        notebook = graded / f"{self.lesson}.ipynb"
        dropped = evidence.marked_files(self.klass.drop, attempt.marker) + evidence.outside(attempt.marker)
        texts = {
            "drop": "".join(map(evidence.readable, dropped)),
            "outputs": evidence.free_outputs(notebook),
            "own folder": "".join(evidence.readable(path) for path in graded.rglob("*") if path != notebook),
        }
        return [f"{kind} in {place}" for place, text in texts.items() for kind in self._secrets(text)]

    def on_page_of(self, attempt: Attempt) -> list[str]:
        """Secrets on the attacker's own feedback page."""
        return self._secrets(self._feedback(attempt.student))

    def active_by(self, attempt: Attempt) -> list[str]:
        """Content that would run in the pages, the terminal or the spreadsheet that people look at."""
        shown = {"feedback": self._feedback(attempt.student), "TA's": self.ta_pages.get(attempt.student, "")}
        found = [
            f"{part} on the {name} page"
            for name, page in shown.items()
            for part in pages.active_parts(page, attempt.marker)
        ]
        if any("\x1b" in line and attempt.marker in line for line in self.log.splitlines()):
            found.append("ESC in the terminal")
        return found + pages.formulas(self.klass.course / "grades.csv", attempt.student)

    def _secrets(self, text: str) -> list[str]:
        return [kind for token, kind in self.klass.loot.items() if token in text]

    def _feedback(self, student: str) -> str:
        return evidence.readable(
            self.klass.course / "feedback" / student / self.lesson / f"{self.lesson}.html"
        )

    # -- what nobody's marker is on --

    def neighbours(self) -> list[str]:
        """What the honest neighbours lost."""
        scores = {name: self.scores.get(name, (None, [])) for name in NEIGHBOURS}
        lost = [
            f"{name} has {score}{waiting or ''}"
            for name, (score, waiting) in scores.items()
            if score != FULL or waiting
        ]
        return lost + [f"{name} has no feedback" for name in NEIGHBOURS if not self._feedback(name)]

    def strays(self) -> list[str]:
        """Files of the class that were changed, and processes left, by whom nobody knows."""
        known = {path for attempt in self.suspects() for path in self.planted_by(attempt)}
        owned = {line for attempt in self.suspects() for line in self.left_by(attempt)}
        files = [p for p in self.touched if not self._expected(p) and f"course/{p}" not in known]
        return [f"{path} changed" for path in files] + [line for line in self.left if line not in owned]

    def _expected(self, path: str) -> bool:
        """Whether grading itself makes that path of the course folder."""
        kinds = ("autograded", "feedback") + ("submitted", ".exchange") * self.attack.by_exchange
        people = {*NEIGHBOURS, *(attempt.student for attempt in self.attempts)}
        first, *rest = Path(path).parts
        return first in SHARED or (first in kinds and (not rest or rest[0] in people))
