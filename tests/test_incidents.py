"""Planted traces: they are what an exporter gives, and hold the incident that they promise where they say."""

import json

import pytest

from course_utils import telemetry
from course_utils.agents import numbers_in
from course_utils.incidents import INCIDENTS, STAGES, Planted, plant

KINDS = (None, *INCIDENTS)
SEEDS = range(40)


def of(case: Planted, operation: str) -> list[dict]:
    return [span for span in case.spans if span["attributes"][telemetry.OPERATION] == operation]


def test_the_same_seed_gives_the_same_trace() -> None:
    assert plant(5, "secret in a log") == plant(5, "secret in a log") != plant(6, "secret in a log")


@pytest.mark.parametrize("incident", KINDS)
def test_spans_end_in_order_below_one_root_and_survive_json(incident: str | None) -> None:
    tracer, finished = telemetry.start()
    with tracer.start_as_current_span("x"):
        pass
    for seed in SEEDS:
        spans = plant(seed, incident).spans
        assert all(list(span) == list(finished()[0]) for span in spans)  # the same keys as the SDK's
        assert [span["end"] for span in spans] == sorted(span["end"] for span in spans)
        root = spans[-1]
        assert root["parent_id"] is None and {s["parent_id"] for s in spans[:-1]} == {root["span_id"]}
        assert all(root["start"] <= span["start"] < span["end"] <= root["end"] for span in spans)
        assert len({span["span_id"] for span in spans}) == len(spans)
        assert json.loads(json.dumps(spans)) == spans


@pytest.mark.parametrize("incident", KINDS)
def test_the_truth_about_each_claim_is_in_the_trace(incident: str | None) -> None:
    for seed in SEEDS:
        case = plant(seed, incident)
        said = {
            document["id"]: document["content"]
            for span in case.spans
            for document in telemetry.documents_of(span)
        }
        for span in of(case, "execute_tool"):
            said[span["attributes"][telemetry.TOOL]] = span["attributes"].get(telemetry.RESULT, "")
        found = tuple(set(c["values"]) <= set(numbers_in(said.get(c["source"], ""))) for c in case.claims)
        assert found == case.supported and len(case.claims) == 2
        assert all(case.supported) == (incident not in ("hallucinated citation", "swallowed error"))


def test_each_incident_shows_where_it_says() -> None:
    for seed in SEEDS:
        where = {
            i: next(s for s in plant(seed, i).spans if s["span_id"] == plant(seed, i).where)
            for i in INCIDENTS
        }
        assert where["hallucinated citation"]["name"].startswith("chat")
        assert where["swallowed error"]["status"] == "ERROR"
        assert "voucher" in where["injected instruction"]["attributes"][telemetry.DOCUMENTS]
        secret = plant(seed, "secret in a log").secret
        assert secret and secret in str(where["secret in a log"]["events"])
        assert len([s for s in plant(seed, "secret in a log").spans if secret in str(s)]) == 1


def test_sound_runs_may_look_odd() -> None:
    cases = [plant(seed) for seed in SEEDS]
    assert all(case.where is None and case.secret == "" for case in cases)
    assert any(
        span["status"] == "ERROR" for case in cases for span in case.spans
    )  # and answered when tried again
    assert any("Show your ticket" in str(case.spans) for case in cases)
    assert not any("voucher" in str(case.spans) or "sk-" in str(case.spans) for case in cases)


def test_a_wrong_number_may_be_part_of_the_right_one() -> None:
    cases = [plant(seed, "hallucinated citation") for seed in range(100)]
    texts = [str([d for s in case.spans for d in telemetry.documents_of(s)]) for case in cases]
    inside = [case.claims[-1]["values"][0] in text for case, text in zip(cases, texts, strict=True)]
    assert sum(inside) > 5  # where a search for text would be fooled


@pytest.mark.parametrize("stage", STAGES)
def test_a_stage_can_be_left_out(stage: str) -> None:
    operation = {
        "tools": "execute_tool",
        "context": "retrieval",
        "validation": "validate",
        "output": "chat",
    }.get(stage, stage)
    case = plant(3, without=(stage,))
    assert not of(case, operation) and len({s["name"] for s in case.spans}) == 5


def test_what_does_not_exist_is_refused() -> None:
    with pytest.raises(ValueError, match="got 'a theft'"):
        plant(1, "a theft")
    with pytest.raises(ValueError, match="lunch"):
        plant(1, without=("lunch",))
