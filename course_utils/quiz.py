"""Graded quiz questions: one letter, marked by a hidden test, explained choice by choice in the feedback.

A test cell of a lesson ends like this (the `why` of each choice is what the student reads afterwards):

>>> from course_utils import quiz
>>> quiz.mark("B", right="B", why={"A": "That is the query axis.", "B": "Rows are queries, and each sums to 1."})
Right: B. Rows are queries, and each sums to 1.
"""

from course_utils import checks

__all__ = ["mark"]


def mark(answer: object, right: str, why: dict[str, str]) -> None:
    """Passes if `answer` is the letter `right`, and prints why; else raises an AssertionError with the choice's `why`.

    `why` maps every choice's letter to one sentence: for the right one why it is right, for a wrong one what is wrong
    with it. An empty or malformed answer gets a message that says how to write it.
    """
    if right not in why:
        raise ValueError(f"`why` explains {sorted(why)}, but the right choice {right!r} is not among them.")
    letter = checks.one_of(answer, "".join(sorted(why)), "The answer")
    if letter != right:
        raise AssertionError(f"{letter} is not it. {why[letter]}")
    print(f"Right: {letter}. {why[letter]}")
