"""Spans: recorded by the real SDK, kept in memory, sent to a collector when one is named, and written as plain data."""

import json
import threading
from http.server import BaseHTTPRequestHandler, HTTPServer

import pytest
from opentelemetry.semconv._incubating.attributes import gen_ai_attributes
from opentelemetry.semconv.attributes import error_attributes

from course_utils import telemetry

THEIR_NAMES = {
    "OPERATION": "GEN_AI_OPERATION_NAME",
    "PROVIDER": "GEN_AI_PROVIDER_NAME",
    "AGENT": "GEN_AI_AGENT_NAME",
    "MODEL": "GEN_AI_REQUEST_MODEL",
    "MESSAGES": "GEN_AI_OUTPUT_MESSAGES",
    "QUERY": "GEN_AI_RETRIEVAL_QUERY_TEXT",
    "DOCUMENTS": "GEN_AI_RETRIEVAL_DOCUMENTS",
    "TOOL": "GEN_AI_TOOL_NAME",
    "ARGUMENTS": "GEN_AI_TOOL_CALL_ARGUMENTS",
    "RESULT": "GEN_AI_TOOL_CALL_RESULT",
    "CHECK": "GEN_AI_EVALUATION_NAME",
    "VERDICT": "GEN_AI_EVALUATION_SCORE_LABEL",
}


@pytest.fixture(autouse=True)
def no_collector(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("OTEL_EXPORTER_OTLP_ENDPOINT", raising=False)


@pytest.mark.parametrize("ours", THEIR_NAMES)
def test_names_are_those_of_the_conventions(ours: str) -> None:
    assert getattr(telemetry, ours) == getattr(gen_ai_attributes, THEIR_NAMES[ours])


def test_our_own_attribute_does_not_pretend_to_be_theirs() -> None:
    assert telemetry.ERROR == error_attributes.ERROR_TYPE
    assert telemetry.PLAN not in {v for k, v in vars(gen_ai_attributes).items() if k.isupper()}
    assert not telemetry.PLAN.startswith("gen_ai.")


def test_spans_nest_end_in_order_and_survive_json() -> None:
    tracer, finished = telemetry.start()
    with tracer.start_as_current_span("outer") as outer:
        outer.set_attribute("list", ["a", "b"])
        with tracer.start_as_current_span("inner") as inner:
            inner.add_event("log", {"message": "hello"})
        assert [span["name"] for span in finished()] == ["inner"]  # the outer one is still open
    inner_span, outer_span = finished()
    assert inner_span["parent_id"] == outer_span["span_id"] and outer_span["parent_id"] is None
    assert inner_span["trace_id"] == outer_span["trace_id"] and len(outer_span["trace_id"]) == 32
    assert outer_span["start"] <= inner_span["start"] <= inner_span["end"] <= outer_span["end"]
    assert inner_span["events"] == [{"name": "log", "attributes": {"message": "hello"}}]
    assert json.loads(json.dumps(finished())) == finished()


def test_an_exception_marks_the_span_and_goes_on() -> None:
    tracer, finished = telemetry.start()
    with pytest.raises(RuntimeError), tracer.start_as_current_span("step"):
        raise RuntimeError("no answer")
    (span,) = finished()
    assert span["status"] == "ERROR" and span["events"][0]["name"] == "exception"


def test_every_start_has_a_memory_of_its_own() -> None:
    (tracer, finished), (_, other) = telemetry.start(), telemetry.start()
    with tracer.start_as_current_span("step"):
        pass
    assert len(finished()) == 1 and other() == []


def test_what_a_model_said_comes_back_and_is_valid_json() -> None:
    text = 'It costs "12" euros: \u00fcber alles {gut}.'
    span = {"attributes": {telemetry.MESSAGES: telemetry.message(text)}}
    assert telemetry.text_of(span) == text
    assert telemetry.text_of({"attributes": {}}) == "" and telemetry.documents_of({"attributes": {}}) == []


@pytest.mark.parametrize("by_variable", [False, True])
def test_spans_reach_a_collector_that_is_named(by_variable: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    received: list[tuple[str, bytes]] = []

    class Collector(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            received.append((self.path, self.rfile.read(int(self.headers["Content-Length"]))))
            self.send_response(200)
            self.end_headers()

        def log_message(self, *args: object) -> None:
            """Quiet."""

    with HTTPServer(("127.0.0.1", 0), Collector) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        address = f"http://127.0.0.1:{server.server_port}"
        if by_variable:
            monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", address)
        tracer, finished = telemetry.start(collector=None if by_variable else address + "/")
        with tracer.start_as_current_span("execute_tool fare"):
            pass
        server.shutdown()
    ((path, body),) = received
    assert path == "/v1/traces" and b"execute_tool fare" in body and b"agai302-desk" in body
    assert [span["name"] for span in finished()] == ["execute_tool fare"]  # kept in memory all the same


def test_without_a_collector_nothing_that_could_send_is_even_imported() -> None:
    import subprocess
    import sys

    code = (
        "import sys; from course_utils import telemetry; tracer, finished = telemetry.start()\n"
        "with tracer.start_as_current_span('x'): pass\n"
        "print(len(finished()), any('otlp' in name for name in sys.modules))"
    )
    run = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, timeout=120, check=True
    )
    assert run.stdout.split() == ["1", "False"] and run.stderr == ""
