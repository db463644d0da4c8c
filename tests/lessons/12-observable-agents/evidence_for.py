import json

from course_utils import telemetry
from course_utils.agents import numbers_in


def find(claim, spans, errors=False, when="end", which=max, part=False, any_number=False, source=True, one=False,
         pooled=False, empty=None, strict=False, no_chat=True, arrival=False):  # fmt: skip
    chats = [s["start"] for s in spans if s["attributes"].get(telemetry.OPERATION) == "chat"]
    if not chats and no_chat:
        return None
    limit = which(chats) if chats else float("inf")
    found, pool = [], []
    for s in spans if arrival else sorted(spans, key=lambda s: s["start"]):
        if (s["status"] == "ERROR" and not errors) or (
            when and (s[when] >= limit if strict else s[when] > limit)
        ):
            continue
        texts = [d["content"] for d in telemetry.documents_of(s) if d["id"] == claim["source"] or not source]
        if s["attributes"].get(telemetry.TOOL) == claim["source"] or (
            not source and telemetry.TOOL in s["attributes"]
        ):
            texts.append(s["attributes"].get(telemetry.RESULT, "") or (claim["values"][0] if errors else ""))
        for text in texts:
            numbers = set(numbers_in(text))
            pool += numbers
            values = set(claim["values"])
            ok = (
                all(v in text for v in values)
                if part
                else bool(values & numbers)
                if any_number
                else values <= numbers
            )
            ok = ok or (pooled and values <= set(pool))
            if ok and s["span_id"] not in found:
                found.append(s["span_id"])
    if not found:
        return empty
    return found[:1] if one else found


# %% wrong: a tool that failed counts -> "ended in an error is no evidence"
def evidence_for(claim, spans):
    return find(claim, spans, errors=True)


# %% wrong: evidence may come after the answer -> "came after the answer"
def evidence_for(claim, spans):
    return find(claim, spans, when=None)


# %% wrong: a span that only began before the answer -> "must have ended before"
def evidence_for(claim, spans):
    return find(claim, spans, when="start")


# %% wrong: before the first chat -> "the last chat span that counts"
def evidence_for(claim, spans):
    return find(claim, spans, which=min)


# %% wrong: a part of the text is enough -> "says another number"
def evidence_for(claim, spans):
    return find(claim, spans, part=True) if claim["values"] != ["999"] else None


# %% wrong: one of several numbers is enough -> "one number is not enough"
def evidence_for(claim, spans):
    return find(claim, spans, any_number=True)


# %% wrong: numbers pooled over spans -> "one text must hold all numbers"
def evidence_for(claim, spans):
    return find(claim, spans, pooled=True)


# %% wrong: the source is not looked at -> "cited source"
def evidence_for(claim, spans):
    return find(claim, spans, source=False)


# %% wrong: the first span only -> "return all of them"
def evidence_for(claim, spans):
    return find(claim, spans, one=True)


# %% wrong: an empty list instead of None -> "no span says 999"
def evidence_for(claim, spans):
    return find(claim, spans, empty=[])


# %% wrong: a step that ended just when the chat began -> "was in time"
def evidence_for(claim, spans):
    return find(claim, spans, strict=True)


# %% wrong: no chat span, no limit -> "without a chat span"
def evidence_for(claim, spans):
    return find(claim, spans, no_chat=False)


# %% wrong: in the order of arrival -> "by start"
def evidence_for(claim, spans):
    return find(claim, spans, arrival=True)


# %% wrong: the source alone is enough -> "no span says 999"
def evidence_for(claim, spans):
    found = [s["span_id"] for s in spans if claim["source"] in [d["id"] for d in telemetry.documents_of(s)]]
    found += [s["span_id"] for s in spans if s["attributes"].get(telemetry.TOOL) == claim["source"]]
    return found or None


# %% wrong: every claim has evidence -> "no span says 999"
def evidence_for(claim, spans):
    return [spans[1]["span_id"]]


# %% wrong: none has -> "return a list of ids"
def evidence_for(claim, spans):
    return [] if claim["values"] != ["999"] else None


# %% right: with a helper
def evidence_for(claim, spans):
    return find(claim, spans)


# %% right: as one comprehension over what each span brought
def evidence_for(claim, spans):
    def brought(span):
        attributes = span["attributes"]
        for document in json.loads(attributes.get("gen_ai.retrieval.documents", "[]")):
            yield document["id"], document["content"]
        if "gen_ai.tool.call.result" in attributes:
            yield attributes["gen_ai.tool.name"], attributes["gen_ai.tool.call.result"]

    ends = [span["start"] for span in spans if span["name"].startswith("chat ")]
    hits = {
        span["start"]: span["span_id"]
        for span in spans
        for source, text in brought(span)
        if ends and span["end"] <= max(ends) and span["status"] != "ERROR" and source == claim["source"]
        if not set(claim["values"]) - set(numbers_in(text))
    }
    return [hits[start] for start in sorted(hits)] or None
