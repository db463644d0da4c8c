"""Real OpenTelemetry, kept in memory: a tracer, what it recorded as plain dictionaries, the names of attributes.

>>> from course_utils import telemetry
>>> tracer, finished = telemetry.start()
>>> with tracer.start_as_current_span("execute_tool fare") as span:
...     span.set_attribute(telemetry.TOOL, "fare")
>>> [(span["name"], span["attributes"]) for span in finished()]
[('execute_tool fare', {'gen_ai.tool.name': 'fare'})]

**To send the same spans to any OTLP collector** as well (Jaeger, Grafana Tempo, a vendor's), say where it listens:
`telemetry.start(collector="http://localhost:4318")`, or set the standard variable `OTEL_EXPORTER_OTLP_ENDPOINT` before
you start Jupyter. Everything in the spans then leaves this machine, arguments and answers included.

The names follow OpenTelemetry's conventions for generative AI, which are in development: they may still change
(https://github.com/open-telemetry/semantic-conventions-genai). Two things here are our own: the attribute `desk.plan`,
and the operation "validate". The conventions put an evaluation into a log event; a span keeps it in the same tree.
"""

import json
import os
from collections.abc import Callable, Mapping
from typing import Any

from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.trace import Tracer

__all__ = [
    "AGENT",
    "ARGUMENTS",
    "CHECK",
    "DOCUMENTS",
    "ERROR",
    "MESSAGES",
    "MODEL",
    "OPERATION",
    "PLAN",
    "PROVIDER",
    "QUERY",
    "RESULT",
    "TOOL",
    "VERDICT",
    "documents_of",
    "message",
    "plain",
    "start",
    "text_of",
]

OPERATION = "gen_ai.operation.name"
"""invoke_agent, plan, retrieval, execute_tool, chat, or our own validate."""
PROVIDER = "gen_ai.provider.name"
"""Who runs the model; required on invoke_agent and chat."""
AGENT = "gen_ai.agent.name"
MODEL = "gen_ai.request.model"
MESSAGES = "gen_ai.output.messages"
"""What the model said, as JSON (`message`)."""
QUERY = "gen_ai.retrieval.query.text"
DOCUMENTS = "gen_ai.retrieval.documents"
"""JSON: a list of documents, each with id and score; the conventions allow more, and we add content."""
TOOL = "gen_ai.tool.name"
ARGUMENTS = "gen_ai.tool.call.arguments"
"""JSON."""
RESULT = "gen_ai.tool.call.result"
CHECK = "gen_ai.evaluation.name"
VERDICT = "gen_ai.evaluation.score.label"
"""pass or fail."""
ERROR = "error.type"
"""The name of the exception with which the step ended."""
PLAN = "desk.plan"
"""JSON: the names of the planned steps. Our own attribute, so it has a prefix of its own."""


def start(collector: str | None = None) -> tuple[Tracer, Callable[[], list[dict[str, Any]]]]:
    """A tracer with a memory of its own, and a function that gives the spans finished so far as plain dictionaries.

    `collector` is the base address of an OTLP collector that speaks HTTP, such as "http://localhost:4318". Without it
    the variable OTEL_EXPORTER_OTLP_ENDPOINT counts, and without that nothing leaves this process.
    """
    memory = InMemorySpanExporter()
    provider = TracerProvider(resource=Resource({"service.name": "agai302-desk"}))
    provider.add_span_processor(SimpleSpanProcessor(memory))
    if collector or os.environ.get("OTEL_EXPORTER_OTLP_ENDPOINT"):
        from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter

        # Without an endpoint the exporter reads the variable by itself, as every OpenTelemetry program does.
        address = f"{collector.rstrip('/')}/v1/traces" if collector else None
        provider.add_span_processor(SimpleSpanProcessor(OTLPSpanExporter(endpoint=address)))
    return provider.get_tracer("course_utils"), lambda: [plain(s) for s in memory.get_finished_spans()]


def plain(span: ReadableSpan) -> dict[str, Any]:
    """A finished span as numbers and text: what this lesson calls a span.

    Keys: `trace_id`, `span_id`, `parent_id` (hexadecimal; None for a root), `name`, `start` and `end` (nanoseconds
    since 1970), `status` ("UNSET", "OK" or "ERROR"), `attributes`, and `events`, each with `name` and `attributes`.
    """
    return {
        "trace_id": f"{span.context.trace_id:032x}",
        "span_id": f"{span.context.span_id:016x}",
        "parent_id": f"{span.parent.span_id:016x}" if span.parent else None,
        "name": span.name,
        "start": span.start_time,
        "end": span.end_time,
        "status": span.status.status_code.name,
        "attributes": _plain_attributes(span.attributes),
        "events": [
            {"name": event.name, "attributes": _plain_attributes(event.attributes)} for event in span.events
        ],
    }


def _plain_attributes(attributes: Mapping[str, Any] | None) -> dict[str, Any]:
    """Attributes as a dictionary; the SDK keeps lists as tuples, which would not survive JSON."""
    return {
        key: list(value) if isinstance(value, tuple) else value for key, value in (attributes or {}).items()
    }


def message(text: str) -> str:
    """The text as the JSON that the conventions want in `gen_ai.output.messages`.

    >>> message("It costs 12 euros.")
    '[{"role": "assistant", "parts": [{"type": "text", "content": "It costs 12 euros."}], "finish_reason": "stop"}]'
    """
    parts = [{"type": "text", "content": text}]
    return json.dumps([{"role": "assistant", "parts": parts, "finish_reason": "stop"}])


def text_of(span: Mapping[str, Any]) -> str:
    """What the model said in this span; empty if nothing was recorded.

    >>> text_of({"attributes": {MESSAGES: message("It costs 12 euros.")}})
    'It costs 12 euros.'
    """
    said = json.loads(span["attributes"].get(MESSAGES, "[]"))
    return "".join(part.get("content", "") for entry in said for part in entry["parts"])


def documents_of(span: Mapping[str, Any]) -> list[dict[str, Any]]:
    """The documents that this span retrieved, each with id, score and content; empty for any other span.

    >>> documents_of({"attributes": {DOCUMENTS: '[{"id": "dogs", "score": 0.5, "content": "Dogs ride free."}]'}})
    [{'id': 'dogs', 'score': 0.5, 'content': 'Dogs ride free.'}]
    """
    return json.loads(span["attributes"].get(DOCUMENTS, "[]"))
