import json

from course_utils import telemetry
from course_utils.agents import ToolError

tracer_for_all, finished_for_all = telemetry.start()


def run(
    agent,
    task,
    tracer,
    finished,
    swallow=False,
    late_error=False,
    result_on_error=None,
    keep_plan=None,
    order=1,
):
    """A run with knobs for what may go wrong."""
    documents, results = [], {}

    def span(name, **attributes):
        named = {getattr(telemetry, key): value for key, value in attributes.items()}
        return tracer.start_as_current_span(name, attributes=named)

    with span(f"invoke_agent {agent.name}", OPERATION="invoke_agent", AGENT=agent.name, PROVIDER="course"):
        with span(f"plan {agent.name}", OPERATION="plan") as now:
            plan = agent.plan(task)
            now.set_attribute(
                telemetry.PLAN, json.dumps([s["step"] for s in plan if keep_plan is None or keep_plan(s)])
            )
        for s in plan[::order]:
            if s["step"] == "retrieval":
                with span("retrieval rules", OPERATION="retrieval", QUERY=s["query"]) as now:
                    documents = agent.retrieve(s["query"])
                    now.set_attribute(telemetry.DOCUMENTS, json.dumps(documents))
                continue
            now = None
            try:
                with span(f"execute_tool {s['step']}", OPERATION="execute_tool", TOOL=s["step"]) as now:
                    now.set_attribute(telemetry.ARGUMENTS, json.dumps(s["arguments"]))
                    try:
                        results[s["step"]] = agent.use(s["step"], s["arguments"])
                        now.set_attribute(telemetry.RESULT, results[s["step"]])
                    except ToolError as error:
                        if result_on_error:
                            now.set_attribute(telemetry.RESULT, result_on_error)
                        if not late_error:
                            now.set_attribute(telemetry.ERROR, type(error).__name__)
                        if not swallow:
                            raise
            except ToolError:
                pass
        with span(f"chat {agent.model}", OPERATION="chat", MODEL=agent.model, PROVIDER="course") as now:
            answer = agent.answer(task, documents, results)
            now.set_attribute(telemetry.MESSAGES, telemetry.message(answer))
        with span(f"validate {agent.name}", OPERATION="validate", CHECK="citations") as now:
            now.set_attribute(telemetry.VERDICT, agent.validate(answer))
    return finished()


# %% wrong: the error is swallowed -> "swallowed error"
def record(agent, task):
    return run(agent, task, *telemetry.start(), swallow=True)


# %% wrong: error.type is missing, or set after the span has ended -> "while the span is still open"
def record(agent, task):
    return run(agent, task, *telemetry.start(), late_error=True)


# %% wrong: the error's text as the result -> "has no RESULT"
def record(agent, task):
    return run(agent, task, *telemetry.start(), result_on_error="failed")


# %% wrong: one tracer for all runs -> "should end in this order"
def record(agent, task):
    run(agent, task, tracer_for_all, finished_for_all)
    return run(agent, task, tracer_for_all, finished_for_all)


# %% wrong: the plan lists tools only -> "all planned steps"
def record(agent, task):
    return run(agent, task, *telemetry.start(), keep_plan=lambda s: s["step"] != "retrieval")


# %% wrong: the steps in reverse order -> "should end in this order"
def record(agent, task):
    return run(agent, task, *telemetry.start(), order=-1)


# %% wrong: the tool's error stops the run -> "let the run go on"
def record(agent, task):
    for step in agent.plan(task):
        if step["step"] in agent.broken:
            agent.use(step["step"], step["arguments"])
    return run(agent, task, *telemetry.start())


# %% wrong: no root -> "should end in this order"
def record(agent, task):
    return [s for s in run(agent, task, *telemetry.start()) if s["parent_id"]]


# %% wrong: the steps are no children of the root -> "one root"
def record(agent, task):
    return [s | {"parent_id": None} for s in run(agent, task, *telemetry.start())]


# %% wrong: the answer without its wrapping -> "telemetry.message(answer)"
def record(agent, task):
    spans = run(agent, task, *telemetry.start())
    for s in spans:
        if telemetry.MESSAGES in s["attributes"]:
            s["attributes"][telemetry.MESSAGES] = telemetry.message(f'"{agent.reply(task)}"')
    return spans


# %% wrong: only the ids of the documents -> "content included"
def record(agent, task):
    spans = run(agent, task, *telemetry.start())
    for s in spans:
        if telemetry.DOCUMENTS in s["attributes"]:
            s["attributes"][telemetry.DOCUMENTS] = json.dumps([d["id"] for d in telemetry.documents_of(s)])
    return spans


# %% wrong: a run without the tools that failed, recorded by somebody who looked first -> "should begin in this order"
def record(agent, task):
    return [s for s in run(agent, task, *telemetry.start()) if s["status"] != "ERROR"]


# %% wrong: the provider is forgotten -> "the provider"
def record(agent, task):
    spans = run(agent, task, *telemetry.start())
    for s in spans:
        s["attributes"].pop(telemetry.PROVIDER, None)
    return spans


# %% wrong: nothing returned -> "is there a `return`"
def record(agent, task):
    run(agent, task, *telemetry.start())


# %% right: with knobs, all in order
def record(agent, task):
    return run(agent, task, *telemetry.start())


# %% right: spans by hand, with explicit parents and statuses
def record(agent, task):
    from opentelemetry import trace

    tracer, finished = telemetry.start()
    root = tracer.start_span(f"invoke_agent {agent.name}")
    root.set_attributes(
        {telemetry.OPERATION: "invoke_agent", telemetry.AGENT: agent.name, telemetry.PROVIDER: "course"}
    )
    inside = trace.set_span_in_context(root)

    def note(name, operation, work, attributes=lambda result: {}, **given):
        span = tracer.start_span(name, context=inside)
        span.set_attribute(telemetry.OPERATION, operation)
        span.set_attributes(given)
        result = None
        try:
            result = work()
            span.set_attributes(attributes(result))
        except ToolError as error:
            span.record_exception(error)
            span.set_status(trace.Status(trace.StatusCode.ERROR))
            span.set_attribute(telemetry.ERROR, "ToolError")
        span.end()
        return result

    plan = note(
        f"plan {agent.name}",
        "plan",
        lambda: agent.plan(task),
        lambda steps: {telemetry.PLAN: json.dumps([s["step"] for s in steps])},
    )
    documents, results = [], {}
    for s in plan:
        if "query" in s:
            documents = note(
                "retrieval rules",
                "retrieval",
                lambda: agent.retrieve(s["query"]),
                lambda found: {telemetry.DOCUMENTS: json.dumps(found), telemetry.QUERY: s["query"]},
            )
        else:
            result = note(
                f"execute_tool {s['step']}",
                "execute_tool",
                lambda: agent.use(s["step"], s["arguments"]),
                lambda text: {telemetry.RESULT: text},
                **{telemetry.TOOL: s["step"], telemetry.ARGUMENTS: json.dumps(s["arguments"])},
            )
            if result is not None:
                results[s["step"]] = result
    answer = note(
        f"chat {agent.model}",
        "chat",
        lambda: agent.answer(task, documents, results),
        lambda text: {telemetry.MESSAGES: telemetry.message(text)},
        **{telemetry.MODEL: agent.model, telemetry.PROVIDER: "course"},
    )
    note(
        f"validate {agent.name}",
        "validate",
        lambda: agent.validate(answer),
        lambda label: {telemetry.VERDICT: label},
        **{telemetry.CHECK: "citations"},
    )
    root.end()
    return finished()
