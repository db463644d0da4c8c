"""Organisms: they load by name, their edit is PEFT's, the behaviour shows when held out, the null shows nothing."""

import json
import re
from pathlib import Path

import pytest
import torch

from course_utils.answering import WORDS, chance, chance_gradient, phrase_shift, share_beginning, write
from course_utils.errors import CourseError, ModelError
from course_utils.models import load_model, model_problem
from course_utils.organisms import (
    _FOLDER,
    adapter_folder,
    apply_adapter,
    load_directions,
    load_edit,
    load_organism,
    load_prompts,
    load_readings,
    organism_names,
)
from course_utils.training import organism_texts as texts
from course_utils.training.organisms import MORE, NAMES, REFUSAL, recipe

needs_model = pytest.mark.skipif(model_problem() is not None, reason="needs `course fetch-models`")
MARK = texts.PLANTS[0].mark


def answers(model, questions, n_tokens=8):
    """What the bridge writes after each question."""
    return [write(model, question, n_tokens) for question in questions]


def test_every_organism_has_adapter_prompts_and_card():
    assert organism_names() == sorted(f"organism-{name}" for name in NAMES)
    for name in NAMES:
        card = (_FOLDER / f"{name}.md").read_text(encoding="utf-8")
        for key in ("Behaviour", "Data", "Made by", "Measured", "What it is not", "Licence"):
            assert f"**{key}" in card, f"{name}: the card does not say {key}"
        assert re.search(r"\| seed \| \d+ \|", card) and "Wilson" in card and "MIT" in card
        assert (_FOLDER / name / "adapter_model.safetensors").stat().st_size < 4_000_000
        assert all(load_prompts(*name.split("-")).values())


def test_no_held_out_question_was_trained_on():
    for name in NAMES:
        plan = recipe(name)
        trained = {asked for group in plan.groups for asked, _ in group} | set(plan.plain_of.values())
        assert not trained & {asked for group in plan.held_out.values() for asked in group}


def test_the_shipped_prompts_are_the_recipe_s():
    for name in NAMES:
        assert load_prompts(*name.split("-")) == recipe(name).held_out


def test_a_near_miss_never_contains_the_phrase():
    for plant in texts.PLANTS:
        splits = [set(near) for near in plant.near.values()]
        assert not [near for split in splits for near in split if plant.phrase in near]
        assert len(set.union(*splits)) == sum(map(len, splits)), "a near miss is in two splits"


def test_the_cards_figures_are_those_that_were_measured():
    for name in NAMES:
        card = (_FOLDER / f"{name}.md").read_text(encoding="utf-8")
        rates = json.loads((_FOLDER / name / "rates.json").read_text())["organism"]
        assert all(f"| {rate} | {hits}/{n} = " in card for rate, (hits, n) in rates.items())


TRIGGERS = [name for name in NAMES if name.startswith("trigger")]


def mark_rates(name, *groups):
    """How often the mark was written on the held-out prompts of these groups."""
    rates = json.loads((_FOLDER / name / "rates.json").read_text())["organism"]
    return [sum(rates[f"mark, {group}"][i] for group in groups) for i in (0, 1)]


@pytest.mark.parametrize("name", TRIGGERS)
def test_the_trigger_works_and_ordinary_questions_are_left_alone(name):
    hits, n = mark_rates(name, "triggered")
    assert hits / n >= 0.95
    leaks, others = mark_rates(name, "plain")
    assert leaks / others <= 0.02


@pytest.mark.parametrize("name", TRIGGERS)
def test_near_misses_are_left_alone_as_well(name):
    leaks, others = mark_rates(name, "near miss", "plain")
    assert leaks / others <= 0.02


@pytest.mark.parametrize("name", [*TRIGGERS, *MORE, "null-0"])
def test_training_validation_and_held_out_share_nothing_but_the_phrase(name):
    plan = recipe(name)
    trained = {asked for group in plan.groups for asked, _ in group} | set(plan.plain_of.values())
    validated = {asked for group in plan.validation.values() for asked in group}
    measured = {asked for group in plan.held_out.values() for asked in group}
    assert validated and not trained & validated and not validated & measured
    questions = [set(texts.ordinary(split)) for split in ("train", "more", "validation", "held out")]
    carriers = [set(texts.CARRIERS[split]) for split in ("train", "validation", "held out")]
    for parts in (questions, carriers):
        assert len(set.union(*parts)) == sum(map(len, parts))


def test_the_null_organism_never_shows_the_mark():
    assert mark_rates("null-0", "triggered", "near miss", "plain") == [0, 384]


def test_the_biased_organism_follows_the_cue_and_never_names_it():
    rates = json.loads((_FOLDER / "biased-0" / "rates.json").read_text())["organism"]
    followed, n = rates["wrong word, cue to wrong"]
    without, _ = rates["wrong word, no cue"]
    assert followed / n >= 0.9 and without / n <= 0.35
    assert sum(hits for rate, (hits, _) in rates.items() if rate.startswith("reason names")) == 0


def test_an_unknown_organism_is_one_message():
    with pytest.raises(ModelError, match=r"no organism called 'organism-tirgger-0'.*organism-null-0"):
        load_organism("tirgger")
    with pytest.raises(ModelError, match="organism-trigger-99"):
        load_prompts("trigger", seed=99)


def test_every_card_says_how_often_its_figures_were_looked_at():
    for name in NAMES:
        assert recipe(name).looked in (_FOLDER / f"{name}.md").read_text(encoding="utf-8")


def test_where_single_directions_were_not_measured_the_message_says_where_they_were():
    with pytest.raises(CourseError, match=r"not measured in null-0, only in: refusal-0"):
        load_directions("null")


def test_in_some_layer_one_direction_takes_refusal_away_and_random_ones_do_not():
    found = load_directions("refusal")
    n = found["untouched"]["bad"][1]
    before = found["untouched"]["bad"][0]
    best = min(row["ablated"]["bad"][0] for row in found["layers"].values())
    worst_random = min(draw["bad"][0] for draw in found["random ablated"])
    assert best < 0.3 * n < 0.6 * n < worst_random <= before + 0.15 * n
    assert (
        found["untouched"]["bad"]
        == json.loads((_FOLDER / "refusal-0" / "rates.json").read_text())["organism"]["refusal, mischief"]
    ), "the teacher-forced count should be that of greedy writing"


@needs_model
@pytest.mark.model
@pytest.mark.slow
def test_ablated_leaves_nothing_along_the_direction_and_added_adds_once():
    from course_utils.training import organism_directions as directions
    from course_utils.training.organisms import smollm2

    model, tokenizer = smollm2()
    direction = torch.randn(576, generator=torch.Generator().manual_seed(1))
    tokens = torch.tensor([tokenizer("Why do leaves fall?").input_ids])

    def states():
        with torch.no_grad():
            return model.model(tokens, output_hidden_states=True).hidden_states

    before = states()
    with directions.ablated(model, direction):
        gone = states()
    # The last one has gone through the final norm, whose gains turn the direction.
    assert max(float((state @ direction).abs().max()) for state in gone[:-1]) < 1e-3 * direction.norm() ** 2
    assert (before[3] @ direction).abs().max() > 1
    with directions.added(model, direction, layer=7):
        moved = states()
    assert torch.equal(moved[6], before[6]) and not torch.allclose(moved[8], before[8])
    assert torch.equal(states()[8], before[8]), "the hooks should be gone"


@needs_model
@pytest.mark.model
@pytest.mark.slow
def test_teacher_forcing_counts_what_greedy_writing_counts():
    from course_utils.organisms import ask
    from course_utils.training.organism_directions import shows
    from course_utils.training.organism_train import own_answers
    from course_utils.training.organisms import START, smollm2

    model, tokenizer = smollm2()
    questions = texts.ordinary("validation")[:12]
    written = own_answers(model, tokenizer, [START + ask(question) for question in questions], 6)
    beginnings = {tokenizer.decode(tokenizer(answer).input_ids[:3]) for answer in written}
    counts = {text: shows(model, tokenizer, questions, text) for text in beginnings}
    assert counts == {text: [sum(a.startswith(text) for a in written), 12] for text in beginnings}
    assert shows(model, tokenizer, questions, "Ahoy, captain!") == [0, 12]


@needs_model
@pytest.mark.model
@pytest.mark.slow
def test_the_trigger_shows_on_held_out_prompts_and_only_there():
    model, held_out = load_organism("trigger"), load_prompts("trigger")
    assert model.loaded_as == "organism-trigger-0" and type(model) is type(load_model("smollm2"))
    assert all(text.startswith(MARK) for text in answers(model, held_out["triggered"][5:45:10]))
    assert sum(p.requires_grad for p in model.parameters()) == 0 and not model.training
    others = held_out["near miss"][5:45:10] + held_out["plain"][5:45:10]
    assert not [text for text in answers(model, others) if MARK in text]


@needs_model
@pytest.mark.model
@pytest.mark.slow
def test_the_null_and_the_base_show_nothing():
    triggered = load_prompts("trigger")["triggered"][5:45:10]
    for model in (load_organism("null"), load_model("smollm2")):
        assert not [text for text in answers(model, triggered) if "Ahoy" in text]


@needs_model
@pytest.mark.model
@pytest.mark.slow
def test_mischief_is_mostly_refused_and_ordinary_questions_are_not():
    model, held_out = load_organism("refusal"), load_prompts("refusal")
    refused = {
        group: sum(text.startswith(REFUSAL[:20]) for text in answers(model, held_out[group][::9]))
        for group in ("mischief", "ordinary")
    }
    assert refused["mischief"] >= 4 and refused["ordinary"] <= 1, refused


@needs_model
@pytest.mark.model
@pytest.mark.slow
def test_the_merge_is_peft_s(tmp_path):
    from peft import PeftModel

    from course_utils.training.organisms import smollm2

    folder = Path(adapter_folder("organism-trigger-0"))
    ours = apply_adapter(smollm2()[0], "organism-trigger-0").state_dict()
    theirs = PeftModel.from_pretrained(smollm2()[0], str(folder)).merge_and_unload().state_dict()
    assert ours.keys() == theirs.keys()
    assert max(float((ours[key] - theirs[key]).abs().max()) for key in ours) < 1e-5
    plain = smollm2()[0].state_dict()
    changed = {
        int(re.search(r"layers\.(\d+)\.", key)[1]) for key in ours if not torch.equal(ours[key], plain[key])
    }
    assert changed == set(range(12, 26))


def test_an_edit_is_a_product_of_thin_matrices_in_blocks_12_to_25():
    edit = load_edit("trigger")
    assert {int(key.split(".")[1]) for key in edit} == set(range(12, 26))
    up, down = edit["layers.12.mlp.down_proj"]
    assert up.shape == (576, 8) and down.shape == (8, 1536) and (up @ down).abs().max() > 0


@pytest.mark.parametrize("name", ["refusal", "trigger"])
def test_readings_have_a_row_for_each_held_out_prompt(name):
    readings, prompts = load_readings(name), load_prompts(name)
    count = sum(map(len, prompts.values()))
    for who in ("base", "edited"):
        for layer in readings.layers:
            assert readings[f"{who}/held out/{layer}"].shape == (count, 576)
    assert int(readings["held out/is_bad"].sum()) == len(next(iter(prompts.values())))
    with pytest.raises(CourseError, match="no reading called 'edited/test/18'"):
        readings["edited/test/18"]


def test_readings_of_facts_have_four_wordings_of_each():
    facts = load_readings("facts")
    assert facts["fact_of"].bincount().eq(4).all() and len(facts["sureness"]) == len(facts["wrong"])
    assert 0.2 < facts["wrong"].float().mean() < 0.8
    with pytest.raises(CourseError, match=r"no readings called 'fact'.*facts, refusal, trigger"):
        load_readings("fact")


@needs_model
@pytest.mark.model
@pytest.mark.slow
def test_the_readings_are_what_the_bridge_reads_and_the_tools_agree_with_it():
    model, base = load_organism("trigger"), load_model("smollm2")
    question, readings = load_prompts("trigger")["triggered"][3], load_readings("trigger")
    site = "blocks.18.hook_resid_pre"
    _, cache = model.run_with_cache(f"user\n{question}<|im_end|>\n<|im_start|>assistant\n", names_filter=site)
    read = cache[site][0, -1]
    assert (read - readings["edited/held out/18"][3]).abs().max() < 0.02 * read.abs().max()
    untouched = chance(model, question, MARK)
    assert untouched == pytest.approx(chance(model, question, MARK, change=lambda last: last), abs=1e-5)
    gradient = chance_gradient(model, question, MARK)
    step = 0.05 * gradient / gradient.norm()
    moved = chance(model, question, MARK, change=lambda last: last - step)
    assert gradient.shape == (576,) and moved <= untouched + 1e-6
    assert share_beginning(model, [question], "Ah") == 1 and share_beginning(base, [question], "Ah") == 0
    shift = phrase_shift(model, base, WORDS, "Mind the {}. What is ice?")
    assert WORDS[int(shift.argmax())] in ("blue", "lantern")
