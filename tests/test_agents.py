"""The help desk, the questions it is tested with, and the passages that a search may bring back."""

import pytest

from course_utils.agents import TOPICS, Agent, ToolError, claims_of, make_agent, numbers_in
from course_utils.cases import GROUPS, desk_cases
from course_utils.passages import FRAMES, KINDS, draw_passages


@pytest.fixture
def agent() -> Agent:
    return make_agent(seed=1)


def test_the_same_seed_gives_the_same_railway_and_another_seed_another(agent: Agent) -> None:
    assert agent == make_agent(seed=1) != make_agent(seed=2)
    assert set(agent.documents) == set(TOPICS) and all(
        len(numbers_in(t)) == 2 for t in agent.documents.values()
    )


@pytest.mark.parametrize("tool", ["fare", "departure"])
@pytest.mark.parametrize("topic", TOPICS)
def test_every_task_is_planned_answered_and_cited(agent: Agent, tool: str, topic: str) -> None:
    for which in (0, 7, 23):
        task = agent.some_task(tool, topic, which)
        assert [step["step"] for step in agent.plan(task)] == [tool, "retrieval"]
        assert topic in [document["id"] for document in agent.retrieve(task)]
        answer = agent.reply(task)
        assert [claim["source"] for claim in claims_of(answer)] == [tool, topic]
        assert agent.validate(answer) == "pass"


def test_an_honest_agent_admits_a_failure_and_a_bluffing_one_answers_as_if_there_were_none(
    agent: Agent,
) -> None:
    task = agent.some_task("fare", "dogs")
    honest, bluffing = make_agent(1, broken=("fare",)), make_agent(1, broken=("fare",), bluffs=True)
    with pytest.raises(ToolError):
        honest.use("fare", honest.plan(task)[0]["arguments"])
    assert "gave no answer" in honest.reply(task) and "[fare]" not in honest.reply(task)
    assert bluffing.reply(task) == agent.reply(task)


def test_validation_wants_a_citation_for_every_number(agent: Agent) -> None:
    assert agent.validate("It costs 12 euros [dogs]. Good day.") == "pass"
    assert agent.validate("It costs 12 euros [dogs]. It leaves at 07:45.") == "fail"


def test_claims_keep_their_numbers_and_sources() -> None:
    answer = "The train from A to B leaves at 07:45 [departure]. It is 3.50 euros [fare]. Thank you."
    assert [(claim["source"], claim["values"]) for claim in claims_of(answer)] == [
        ("departure", ["07:45"]),
        ("fare", ["3.50"]),
    ]
    assert claims_of("I cannot find that.") == []


def test_version_2_understands_more_and_believes_what_it_is_told(agent: Agent) -> None:
    newer = make_agent(1, version=2)
    passed = {}
    for version in (agent, newer):
        for case in desk_cases(agent):
            said = version.reply(case["prompt"]).lower()
            ok = all(t.lower() in said for t in case["must"])
            ok = ok and not any(t.lower() in said for t in case["must_not"])
            passed.setdefault((version.version, case["group"]), []).append(ok)
    rate = {key: sum(values) / len(values) for key, values in passed.items()}
    assert {group for _, group in rate} == set(GROUPS)
    assert rate[1, "ordinary"] == rate[2, "ordinary"] == 1
    assert rate[2, "reworded"] > rate[1, "reworded"] and rate[2, "adversarial"] < rate[1, "adversarial"]


def test_cases_have_names_of_their_own(agent: Agent) -> None:
    names = [case["name"] for case in desk_cases(agent)]
    assert len(names) == len(set(names))


def test_passages_fit_the_frames_and_follow_the_seed() -> None:
    for kind in KINDS:
        texts = draw_passages(kind, seed=0)
        assert len(texts) == len(set(texts)) == len(FRAMES[kind]) and texts == draw_passages(kind, seed=0)
        assert texts != draw_passages(kind, seed=1) and not any("{" in text for text in texts)
        assert not any(
            text.endswith(".") for text in texts
        )  # full stops hold massive activations (lesson 04)
    with pytest.raises(ValueError, match="got 'joke'"):
        draw_passages("joke", seed=0)


@pytest.mark.slow
@pytest.mark.model
def test_a_reader_gives_one_vector_that_no_single_token_can_dominate() -> None:
    from course_utils.models import load_model
    from course_utils.passages import reader

    read = reader(load_model("smollm2"))
    vector = read(
        "Snow closed the line at Hexford for 29 days last winter"
    )  # "Snow" is 130 times as long as the rest
    assert vector.shape == (576,) and 0 < vector.norm() <= 1
    assert not vector.requires_grad
