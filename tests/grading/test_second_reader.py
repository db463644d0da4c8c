"""Agreement of two readers: figures that can be computed by hand, and a sample that loses no mark."""

import json
import random
from fractions import Fraction
from pathlib import Path

import pytest
from nbgrader.api import Gradebook
from small import LESSON
from written_class import put_answer, written_class

from course_utils.errors import ClassError
from course_utils.grading.demo_class import api_for
from course_utils.grading.second_reader import Sample, agreement, report_on, weighted_kappa
from course_utils.grading.skeleton import read_gradebook, skeleton
from course_utils.grading.written import find_marks, read_answers, written_exercises


def by_table(first: list[int], second: list[int]) -> Fraction:
    """Cohen's formula as it is written, over the table of categories: another way than by pairs of marks."""
    n, every = len(first), sorted({*first, *second})
    observed = expected = Fraction(0)
    for i in every:
        for j in every:
            weight = (i - j) ** 2
            observed += weight * Fraction(sum(pair == (i, j) for pair in zip(first, second, strict=True)), n)
            expected += weight * Fraction(first.count(i), n) * Fraction(second.count(j), n)
    return 1 - observed / expected


def test_kappa_by_hand() -> None:
    # The table [[2, 1], [1, 4]]: observed 2/8, by chance (3·5 + 5·3)/64.
    first, second = [0, 0, 0, 1, 1, 1, 1, 1], [0, 0, 1, 0, 1, 1, 1, 1]
    assert weighted_kappa(first, second) == pytest.approx(1 - (2 / 8) / (30 / 64))


def test_kappa_is_cohens_for_any_marks() -> None:
    draw = random.Random(1)
    for _ in range(50):
        pairs = [(draw.randint(0, 10), draw.randint(0, 10)) for _ in range(draw.randint(2, 30))]
        first, second = [list(of) for of in zip(*pairs, strict=True)]
        if len({*first, *second}) > 1:
            assert weighted_kappa(first, second) == pytest.approx(float(by_table(first, second)))


def test_kappa_knows_agreement_chance_and_contradiction() -> None:
    assert weighted_kappa([0, 3, 7, 10], [0, 3, 7, 10]) == 1
    assert weighted_kappa([0, 10], [10, 0]) == -1
    draw = random.Random(0)
    chance = weighted_kappa(
        [draw.randint(0, 10) for _ in range(2000)], [draw.randint(0, 10) for _ in range(2000)]
    )
    assert chance is not None and abs(chance) < 0.1  # its standard deviation is about 1/√2000 = 0.022
    assert weighted_kappa([5, 5], [5, 5]) is None and weighted_kappa([], []) is None


def test_figures_of_an_exercise() -> None:
    pairs = [(5, 5), (4, 6), (3, 3), (8, 7.5)] * 3
    one = agreement("w", 10, 12, pairs)
    assert (one.n, one.exact, one.difference, one.shift) == (12, 0.5, 0.625, 0.375)
    assert one.kappa == pytest.approx(weighted_kappa(*zip(*pairs, strict=True))) and "rough" in one.notes[0]
    assert agreement("w", 10, 60, pairs * 5).notes == ()


def test_too_few_is_said_and_nothing_is_made_up() -> None:
    none, one = agreement("w", 10, 10, []), agreement("w", 10, 10, [(3, 5)])
    assert none.exact is none.difference is none.shift is none.kappa is None
    assert one.kappa is None and one.difference == 2
    assert all("too few" in found.notes[-1] for found in (none, one))
    assert "all marks are the same" in agreement("w", 10, 10, [(3, 3)] * 12).notes[-1]


def test_the_same_seed_draws_the_same_and_every_answer_has_a_chance() -> None:
    ids = [f"id{number:02}" for number in range(40)]
    one, again = Sample.drawn({"w": ids}, 10, 3), Sample.drawn({"w": ids[::-1]}, 10, 3)
    assert one == again and len(set(one.answers["w"])) == 10
    assert {i for seed in range(60) for i in Sample.drawn({"w": ids}, 10, seed).answers["w"]} == set(ids)
    assert sorted(Sample.drawn({"w": ids[:4]}, 10, 0).answers["w"]) == ids[:4]


def test_a_damaged_file_is_said_and_kept(tmp_path: Path) -> None:
    assert Sample.read(tmp_path, "w") is None
    Sample.drawn({"w": ["a", "b"]}, 1, 0).write(tmp_path, "w")
    path = tmp_path / ".grading" / "second-reader" / "w.json"
    for damage in (
        "{",
        "[]",
        '{"seed": 0}',
        '{"seed": 0, "answers": {}, "marks": {"w": {"a": {"points": 1}}}}',
    ):
        path.write_text(damage)
        with pytest.raises(ClassError, match="back-up"):
            Sample.read(tmp_path, "w")
        assert path.read_text() == damage


@pytest.mark.slow
def test_the_class_of_two_readers(tmp_path: Path) -> None:
    course = written_class(tmp_path / "class", {f"s{number:02}": f"Answer {number}." for number in range(14)})

    def report(**more):
        return report_on(course, LESSON, most=10, seed=0, **{"fresh": False, **more})

    drawn = report()
    assert drawn.drawn and [one.sampled for one in drawn.exercises] == [10, 0]
    api = api_for(course)
    with api.gradebook as gradebook:
        exercise = written_exercises(gradebook, LESSON)[0]
        found = read_answers(api.coursedir, exercise, find_marks(gradebook, exercise))
        whole = skeleton(
            course / "release" / LESSON / f"{LESSON}.ipynb", *read_gradebook(gradebook, LESSON, LESSON)
        )
    answers, sample = {answer.mark.submission: answer for answer in found}, Sample.read(course, LESSON)
    first = {submission: index % 5 for index, submission in enumerate(sample.answers["written_why"])}
    for index, (submission, points) in enumerate(first.items()):
        sample.mark("written_why", submission, points - (index == 4), "ta2", answers[submission].digest)
    sample.write(course, LESSON)
    row = report().exercises[0]
    assert row.n == 0 and "10 wait for the first reader" in row.notes
    with Gradebook(api.coursedir.db_url) as gradebook:
        for submission, points in first.items():
            grade = gradebook.find_grade_by_id(answers[submission].mark.grade)
            grade.manual_score, grade.needs_manual_grade = points, False
        gradebook.db.commit()
    row = report().exercises[0]
    assert (row.n, row.exact, row.difference, row.shift) == (10, 0.9, 0.1, -0.1) and 0.9 < row.kappa < 1
    assert json.loads(json.dumps(report().to_dict()))
    with pytest.raises(ClassError, match="lose the marks"):
        report(fresh=True)
    put_answer(
        course, whole, answers[next(iter(first))].mark.student, "Another."
    )  # the mark was for another text
    row = report().exercises[0]
    assert row.n == 9 and "1 changed" in row.notes[0]


@pytest.mark.slow
def test_nothing_to_read_is_said(tmp_path: Path) -> None:
    course = written_class(tmp_path / "class", {"dot": ""})
    with pytest.raises(ClassError, match="course autograde"):
        report_on(course, LESSON, most=10, seed=0, fresh=False)
    with pytest.raises(ClassError, match="no assignment none"):
        report_on(course, "none", most=10, seed=0, fresh=False)
    assert not (course / ".grading" / "second-reader").exists()
