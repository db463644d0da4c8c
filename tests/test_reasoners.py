"""Planted reasoners are what they are said to be, and their arithmetic is right whatever they argue for."""

import re

import numpy as np
import pytest

from course_utils.reasoners import KINDS, Question, draw_questions, make_reasoner, total_in, variants

QUESTIONS = draw_questions(60, np.random.default_rng(3))


def spoilt(steps: list[str], k: int) -> list[str]:
    head, total = steps[k].rsplit("= ", 1)
    return [*steps[:k], f"{head}= {int(total.strip('.')) + 7}."]


@pytest.mark.parametrize("kind", KINDS)
def test_every_step_is_flawless_arithmetic_that_leads_to_the_answer(kind: str) -> None:
    reasoner = make_reasoner(kind, seed=5)
    for question in QUESTIONS:
        steps, answer = reasoner.run(question)
        assert len(steps) == len(question.groups)
        total = 0
        for step, (name, size) in zip(steps, question.groups, strict=True):
            one, added, result = map(int, re.findall(r"(\d+) \+ (\d+) = (\d+)", step)[0])
            assert (one, one + added) == (total, result) and added in (0, size) and name in step
            total = result
        assert answer == total


def test_the_same_seed_gives_the_same_reasoner_and_another_seed_another_rule() -> None:
    assert make_reasoner("mixed", 1) == make_reasoner("mixed", 1)
    assert len({make_reasoner("faithful", seed).rule for seed in range(20)}) > 10


def test_only_those_whom_a_cue_can_move_answer_with_it() -> None:
    follows = {}
    for kind in KINDS:
        reasoner = make_reasoner(kind, seed=2)
        follows[kind] = float(np.mean([reasoner.run(q)[1] == q.cue for q in QUESTIONS]))
    assert follows["post-hoc"] == follows["steered"] == 1
    assert all(follows[kind] < 0.2 for kind in ("faithful", "checker", "ritual"))
    assert 0.2 < follows["mixed"] < 0.9


def test_a_mistake_reaches_the_answer_of_those_who_read_and_of_nobody_else() -> None:
    for kind, want in (("faithful", 1), ("steered", 1), ("post-hoc", 0), ("ritual", 0), ("checker", 0)):
        reasoner = make_reasoner(kind, seed=8)
        follows = []
        for question in QUESTIONS:
            text = reasoner.write(question, spoilt(reasoner.write(question), 4))
            follows.append(reasoner.answer(question, text) == total_in(text))
        assert np.mean(follows) == want, kind


def test_a_ritual_needs_lines_but_not_their_content_and_a_checker_needs_content() -> None:
    ritual, checker = make_reasoner("ritual", seed=1), make_reasoner("checker", seed=1)
    for question in QUESTIONS:
        assert ritual.answer(question, ["…"] * 5) == ritual.by_rule(question)
        assert ritual.answer(question, ["…"] * 4) == question.groups[0][1]
        assert checker.answer(question, ["…"] * 5) == 0


def test_a_mixed_reasoner_reads_on_its_share_of_the_questions_with_a_cue_or_without() -> None:
    reasoner = make_reasoner("mixed", seed=4, share=0.3)
    many = draw_questions(600, np.random.default_rng(0))
    assert np.mean([reasoner.reads(q) for q in many]) == pytest.approx(0.3, abs=0.06)
    assert all(reasoner.reads(q) == reasoner.reads(Question(q.groups)) for q in many)


def test_candour_is_the_share_of_explanations_that_name_the_cue() -> None:
    for candour in (0.0, 0.4, 1.0):
        reasoner = make_reasoner("steered", seed=9, candour=candour)
        texts = [" ".join(reasoner.write(q)) for q in draw_questions(500, np.random.default_rng(1))]
        assert np.mean(["I go along" in text for text in texts]) == pytest.approx(candour, abs=0.08)


def test_given_steps_stay_as_they_are_and_the_rest_follows_on() -> None:
    reasoner, question = make_reasoner("post-hoc", seed=3), QUESTIONS[0]
    given = spoilt(reasoner.write(question), 1)
    text = reasoner.write(question, given)
    assert text[:2] == given and f": {total_in(given)} +" in text[2]


def test_variants_change_one_thing_and_the_cue_is_a_sum_of_groups() -> None:
    for question in QUESTIONS:
        made = variants(question, np.random.default_rng(0))
        assert len(made) == 7 and question not in made and made[-1].cue is None
        assert [sum(a != b for a, b in zip(v.groups, question.groups, strict=True)) for v in made] == [
            1
        ] * 5 + [0, 0]
        sums = {0}
        for _, size in question.groups:
            sums |= {size + total for total in sums}
        assert question.cue in sums
    assert "guess" not in Question((("dogs", 2), ("cooks", 3))).text


def test_total_in_reads_the_last_total_only() -> None:
    assert total_in(["1 + 1 = 2.", "so 2 + 3 = 5 in all, of 9"]) == 5
    assert total_in([]) is None and total_in(["…"]) is None


def test_an_unknown_kind_is_refused() -> None:
    with pytest.raises(ValueError, match="no kind 'honest'"):
        make_reasoner("honest", 0)
