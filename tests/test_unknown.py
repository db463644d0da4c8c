"""Unknown boxes: what is planted is what a bench finds, and a report of the truth predicts it."""

import numpy as np
import pytest
import torch

from course_utils import unknown
from course_utils.planted import FIRST_WORD, KINDS, MORE_KINDS, build_planted
from course_utils.unknown import Bench, draw_off, draw_prompts, draw_unknown, says_yes, survival

PLANTED = [kind for kind in KINDS + MORE_KINDS if kind != "nothing"]
each_kind = pytest.mark.parametrize("kind", PLANTED)


def bench_of(box, n=40, seed=0):
    return Bench(box.model, box.behaviour, n, np.random.default_rng(seed))


@each_kind
@pytest.mark.parametrize("seed", [0, 2, 5])
def test_every_way_answers_its_share_and_no_part_of_it_answers_more_than_another_way(kind, seed):
    box = draw_unknown(seed, kind)
    bench = bench_of(box, 200)
    for nodes, share in box.ways:
        rest = set(bench.nodes) - nodes
        assert abs(bench(rest).mean() - share) < 0.15, "4 standard errors of a share from 200 prompts"
        for node in nodes:
            assert bench(rest | {node}).mean() == 0


@each_kind
def test_the_true_ways_predict_interventions(kind):
    box = draw_unknown(11, kind)
    bench = bench_of(box, 150)
    for off in draw_off(bench.nodes, 40, np.random.default_rng(1)):
        assert abs(bench(off).mean() - survival(box.ways, off)) < 0.17, off


@each_kind
def test_the_behaviour_decides_every_prompt(kind):
    box = draw_unknown(4, kind)
    tokens = draw_prompts(box.model, 300, np.random.default_rng(0))
    right = np.stack([np.isin(tokens[:, place], list(words)) for place, words in box.behaviour.items()])
    want = right.any(0) if kind == "or" else right.all(0)
    assert (says_yes(box.model, tokens) == want).all()


def test_the_circuit_is_every_head_of_every_way():
    for kind in PLANTED:
        box = draw_unknown(3, kind)
        assert box.circuit == {node for nodes, _ in box.ways for node in nodes if not isinstance(node, str)}


def test_a_part_time_backup_knows_some_of_the_words_and_not_others():
    for seed in range(6):
        (one, full), (other, part) = draw_unknown(seed, "part-time").ways
        assert full == 1 and part in {round(k / 12, 4) for k in range(5, 9)} and one != other
        answers = bench_of(draw_unknown(seed, "part-time"), 120)
        word = answers.clean[:, answers.places[0]]
        yes = answers(set(answers.nodes) - other)
        for token in word.unique():
            assert len(set(yes[(word == token).numpy()])) == 1, "a word is known or it is not"


def test_where_nothing_is_planted_the_answer_never_changes():
    box = draw_unknown(8, "nothing")
    tokens = draw_prompts(box.model, 400, np.random.default_rng(0))
    assert not says_yes(box.model, tokens).any() and not box.behaviour and not box.ways and not box.circuit
    _, cache = box.model.run_with_cache(tokens[:8])
    looks = [
        cache["pattern", layer][:, head, -1, 1:-1].sum(-1).mean() for layer in range(4) for head in range(4)
    ]
    assert max(looks) > 0.9, "its heads look at words like any others"


def test_kinds_are_drawn_from_the_seed_and_the_same_seed_gives_the_same_box():
    kinds = [draw_unknown(seed).kind for seed in range(40)]
    assert set(kinds) == set(PLANTED)
    one, again = draw_unknown(17), draw_unknown(17)
    assert one.ways == again.ways and torch.equal(one.model.W_E, again.model.W_E)
    assert len({draw_unknown(seed).model.cfg.n_ctx for seed in range(12)}) > 2


def test_the_old_kinds_are_what_they_were_and_new_ones_are_accepted():
    assert KINDS == ("chain", "and", "or", "backup", "constant", "maze")
    assert all(
        build_planted(kind, 1).circuit.shares == (1.0,) * len(build_planted(kind, 1).circuit.minimal)
        for kind in KINDS
    )
    with pytest.raises(ValueError, match="part-time maze, nothing"):
        build_planted("sometimes", 0)


def test_a_bench_swaps_what_it_says_and_leaves_the_model_alone():
    box = draw_unknown(2, "and")
    bench = bench_of(box)
    differ = (bench.clean != bench.twins).any(0).nonzero()[:, 0].tolist()
    assert differ == bench.places == sorted(box.behaviour)
    assert bench(set()).all() and not bench(set(bench.nodes)).any()
    assert not bench({f"word {bench.places[0]}"}).any(), "in an AND box one word gone is enough"
    assert says_yes(box.model, bench.clean).all() and not says_yes(box.model, bench.twins).any()
    assert not any(hook._forward_hooks for hook in box.model.modules())


def test_prompts_have_a_frame_and_words_between():
    box = draw_unknown(1)
    tokens = draw_prompts(box.model, 50, np.random.default_rng(3))
    assert tokens.shape == (50, box.model.cfg.n_ctx) and set(tokens[:, 0].tolist()) == {0}
    assert int(tokens[:, 1:-1].min()) >= FIRST_WORD and tokens[:, 1:-1].unique().numel() == 24


def test_survival_is_that_of_the_best_way_that_is_left():
    ways = [({(0, 1), "word 2"}, 1.0), ({(2, 0), "word 2"}, 0.6)]
    offs = [set(), {(2, 0)}, {(0, 1)}, {"word 2"}, {(0, 1), (2, 0)}, {(3, 3)}]
    assert [survival(ways, off) for off in offs] == [1.0, 1.0, 0.6, 0.0, 0.0, 1.0]
    assert survival([], set()) == 0.0


def test_what_cannot_be_is_refused_in_one_sentence():
    box = draw_unknown(0, "chain")
    with pytest.raises(ValueError, match="no position"):
        Bench(box.model, {}, 10, np.random.default_rng(0))
    with pytest.raises(ValueError, match="words for YES and words for NO"):
        Bench(box.model, {1: set()}, 10, np.random.default_rng(0))
    with pytest.raises(ValueError, match="no node of this box"):
        bench_of(box)({(9, 9)})
    for seed in (-1, 1.5, True):
        with pytest.raises(ValueError, match="whole number"):
            draw_unknown(seed)


def test_all_lists_what_exists():
    assert all(hasattr(unknown, name) for name in unknown.__all__)
