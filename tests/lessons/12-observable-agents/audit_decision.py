import json

from course_utils import telemetry


def audit(spans, late="start", first_answer=False, any_attempt=False, order=("unplanned", "missing", "failed"), empty_ok=False,
          plan_late=True, context_late=True, strip=True, validation="after", verdict=True, last_verdict=True,
          retrieval_planned=False, need_documents=True, plan_end=False, start_late=False, arrival=False):  # fmt: skip
    def of(name):
        found = [s for s in spans if s["attributes"].get(telemetry.OPERATION) == name]
        return found if arrival else sorted(found, key=lambda s: s["start"])

    plans, tools, searches, chats, checked = map(
        of, ("plan", "execute_tool", "retrieval", "chat", "validate")
    )
    answer = (chats[0] if first_answer else chats[-1]) if chats else None
    out = dict.fromkeys(["plan", "tools", "context", "output", "validation"], "ok")
    actions = [s["start"] for s in tools + searches]
    if not plans:
        out["plan"] = "missing"
    elif plan_late and actions and plans[0]["end" if plan_end else "start"] > min(actions):
        out["plan"] = "late"
    planned = {n for s in plans for n in json.loads(s["attributes"].get(telemetry.PLAN, "[]"))}
    if not retrieval_planned:
        planned -= {"retrieval"}
    used = [s["attributes"][telemetry.TOOL] for s in tools]
    last = {s["attributes"][telemetry.TOOL]: s["status"] for s in tools}
    failed = any(s["status"] == "ERROR" for s in tools) if any_attempt else "ERROR" in last.values()
    holds = {"unplanned": bool(set(used) - planned), "missing": bool(planned - set(used)), "failed": failed}
    out["tools"] = next((name for name in order if holds[name]), "ok")
    brought = [s for s in searches if telemetry.documents_of(s) or not need_documents]
    if not brought:
        out["context"] = "missing"
    elif (
        context_late
        and answer
        and all(s["start" if start_late else "end"] > answer["start"] for s in brought)
    ):
        out["context"] = "late"
    text = telemetry.text_of(answer) if answer else ""
    if answer is None or (not empty_ok and not (text.strip() if strip else text)):
        out["output"] = "missing"
    if validation == "after":
        checked = [s for s in checked if answer and s["start"] >= answer["end"]]
    elif validation == "strict":
        checked = [s for s in checked if answer and s["start"] > answer["end"]]
    elif validation == "begun":
        checked = [s for s in checked if answer and s["start"] >= answer["start"]]
    if not checked:
        out["validation"] = "missing"
    elif verdict and checked[-1 if last_verdict else 0]["attributes"].get(telemetry.VERDICT) != "pass":
        out["validation"] = "failed"
    return out


# %% wrong: any failed attempt counts -> "may have failed first"
def audit_decision(spans):
    return audit(spans, any_attempt=True)


# %% wrong: unplanned stands below the others -> "unplanned stands above"
def audit_decision(spans):
    return audit(spans, order=("missing", "failed", "unplanned"))


# %% wrong: failed stands above missing -> "first line of the table counts"
def audit_decision(spans):
    return audit(spans, order=("unplanned", "failed", "missing"))


# %% wrong: unplanned tools are not noticed -> "a tool was used that the plan does not name"
def audit_decision(spans):
    return audit(spans, order=("missing", "failed"))


# %% wrong: a late plan is no matter -> "after the first action"
def audit_decision(spans):
    return audit(spans, plan_late=False)


# %% wrong: a plan must have ended before the first action -> "began before the first action"
def audit_decision(spans):
    return audit(spans, plan_end=True)


# %% wrong: late documents are fine -> "after the answer began"
def audit_decision(spans):
    return audit(spans, context_late=False)


# %% wrong: documents that began to come in time -> "a search that ended after the answer began"
def audit_decision(spans):
    return audit(spans, start_late=True)


# %% wrong: a search without documents is context -> "a search that found nothing"
def audit_decision(spans):
    return audit(spans, need_documents=False)


# %% wrong: an empty answer is an answer -> "an empty answer is none"
def audit_decision(spans):
    return audit(spans, empty_ok=True)


# %% wrong: blanks are an answer -> "an empty answer is none"
def audit_decision(spans):
    return audit(spans, strip=False)


# %% wrong: any validation will do -> "validat"
def audit_decision(spans):
    return audit(spans, validation="any")


# %% wrong: validation while the answer was written -> "before the answer was whole"
def audit_decision(spans):
    return audit(spans, validation="begun")


# %% wrong: validation must begin strictly later -> "began when the answer ended"
def audit_decision(spans):
    return audit(spans, validation="strict")


# %% wrong: the verdict is not read -> "although validation failed"
def audit_decision(spans):
    return audit(spans, verdict=False)


# %% wrong: the first verdict counts -> "the last verdict counts"
def audit_decision(spans):
    return audit(spans, last_verdict=False)


# %% wrong: the first chat is the answer -> "draft"
def audit_decision(spans):
    return audit(spans, first_answer=True)


# %% wrong: retrieval is taken for a tool that was planned and never used -> "nothing is wrong with this run"
def audit_decision(spans):
    return audit(spans, retrieval_planned=True)


# %% wrong: everything is in order -> "a tool was used that the plan does not name"
def audit_decision(spans):
    return dict.fromkeys(["plan", "tools", "context", "output", "validation"], "ok")


# %% wrong: the order of arrival is taken for the order of events -> "should be"
def audit_decision(spans):
    return audit(spans, arrival=True)


# %% right: with a helper
def audit_decision(spans):
    return audit(spans)


# %% right: one function for each stage
def audit_decision(spans):
    spans = sorted(spans, key=lambda s: s["start"])
    of = lambda *names: [s for s in spans if s["attributes"].get("gen_ai.operation.name") in names]
    answer = next(iter(of("chat")[::-1]), None)

    def plan():
        if not of("plan"):
            return "missing"
        first = of("plan", "retrieval", "execute_tool")[0]
        same = [s for s in of("retrieval", "execute_tool") if s["start"] < of("plan")[0]["start"]]
        return "late" if same and first else "ok"

    def tools():
        names = []
        for s in of("plan"):
            names += json.loads(s["attributes"]["desk.plan"])
        attempts = {}
        for s in of("execute_tool"):
            attempts.setdefault(s["attributes"]["gen_ai.tool.name"], []).append(s["status"])
        if any(name not in names for name in attempts):
            return "unplanned"
        if any(name not in attempts for name in names if name != "retrieval"):
            return "missing"
        return "failed" if any(states[-1] == "ERROR" for states in attempts.values()) else "ok"

    def context():
        ends = [
            s["end"]
            for s in of("retrieval")
            if json.loads(s["attributes"].get("gen_ai.retrieval.documents", "[]"))
        ]
        if not ends:
            return "missing"
        return "late" if answer is not None and min(ends) > answer["start"] else "ok"

    def validation():
        labels = [
            s["attributes"].get(telemetry.VERDICT)
            for s in of("validate")
            if answer and answer["end"] <= s["start"]
        ]
        return "missing" if not labels else {"pass": "ok"}.get(labels[-1], "failed")

    said = telemetry.text_of(answer).split() if answer else []
    return {
        "plan": plan(), "tools": tools(), "context": context(), "output": "ok" if said else "missing", "validation": validation(),
    }  # fmt: skip
