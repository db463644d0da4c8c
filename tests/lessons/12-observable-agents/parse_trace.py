import copy
import re

PATTERN = re.compile(r"sk-[A-Za-z0-9]{8,}|Bearer [A-Za-z0-9._-]+")


def parse(spans, texts=True, lists=True, events=True, names=True, whole=False, sort=True, drop_orphans=False,
          all_roots_orphans=False, last=False, count_all=False, keep_twice=False, by_arrival=False):  # fmt: skip
    count = 0

    def clean(value):
        nonlocal count
        if isinstance(value, str):
            found = len(PATTERN.findall(value))
            count += found
            return "[redacted]" if found and whole else PATTERN.sub("[redacted]", value)
        if isinstance(value, dict):
            return {k: clean(v) for k, v in value.items()}
        if isinstance(value, (list, tuple)) and lists:
            return [clean(v) for v in value]
        return value

    nodes, seen, twice = {}, [], []
    for span in spans:
        if span["span_id"] in seen:
            twice.append(span["span_id"])
            if not last:
                if count_all:
                    clean(span)
                continue
        seen.append(span["span_id"])
        node = copy.deepcopy(span)
        if texts:
            node["attributes"] = clean(node["attributes"])
        if events:
            node["events"] = [clean(e) for e in node["events"]]
        if names:
            node["name"] = clean(node["name"])
        node["children"] = []
        nodes[span["span_id"]] = node
    roots, orphans = [], []
    for node in sorted(nodes.values(), key=lambda n: n["start"]) if sort else nodes.values():
        if node["parent_id"] in nodes:
            nodes[node["parent_id"]]["children"].append(node)
        elif node["parent_id"] is None or not drop_orphans:
            roots.append(node)
        if node["parent_id"] not in nodes and (node["parent_id"] is not None or all_roots_orphans):
            orphans.append(node["span_id"])
    twice = sorted(twice) if keep_twice else sorted(set(twice))
    return {"roots": roots, "orphans": sorted(orphans), "duplicates": twice, "redacted": count}


# %% wrong: attributes only, not events -> "a secret is still in the result"
def parse_trace(spans):
    return parse(spans, events=False)


# %% wrong: not inside lists -> "a secret is still in the result"
def parse_trace(spans):
    return parse(spans, lists=False)


# %% wrong: names are not cleaned -> "a secret is still in the result"
def parse_trace(spans):
    return parse(spans, names=False)


# %% wrong: the whole text is replaced -> "replace the secret only"
def parse_trace(spans):
    return parse(spans, whole=True)


# %% wrong: in the order of arrival -> "sorted by start"
def parse_trace(spans):
    return parse(spans, sort=False)


# %% wrong: orphans are dropped -> "is one lost when its parent is missing"
def parse_trace(spans):
    return parse(spans, drop_orphans=True)


# %% wrong: a true root is called an orphan -> "a true root is none"
def parse_trace(spans):
    return parse(spans, all_roots_orphans=True)


# %% wrong: an id for each extra copy -> "each id once"
def parse_trace(spans):
    return parse(spans, keep_twice=True)


# %% wrong: secrets in copies that are dropped are counted -> "in the spans that are kept"
def parse_trace(spans):
    return parse(spans, count_all=True)


# %% wrong: only one root is returned -> "when there are two traces"
def parse_trace(spans):
    found = parse(spans)
    return found | {"roots": found["roots"][:1]}


# %% wrong: doubles stay in the tree -> "each once"
def parse_trace(spans):
    found = parse(spans)
    root = found["roots"][0]
    root["children"] = root["children"] + [n for n in root["children"] if n["span_id"] in found["duplicates"]]
    return found


# %% wrong: the spans that were given are changed -> "changed its argument 1"
def parse_trace(spans):
    found = parse(spans)
    for span in spans:
        span["children"] = []
    return found


# %% wrong: nothing is counted -> "'redacted' should count"
def parse_trace(spans):
    return parse(spans) | {"redacted": 0}


# %% right: with a helper
def parse_trace(spans):
    return parse(spans)


# %% right: through JSON, where every text is one text
def parse_trace(spans):
    import json

    first = {}
    for span in reversed(spans):
        first[span["span_id"]] = span
    ids = [span["span_id"] for span in spans]
    text, count = PATTERN.subn("[redacted]", json.dumps(list(first.values())))
    nodes = {node["span_id"]: node for node in json.loads(text)}

    def under(parent):
        own = [node for node in nodes.values() if node["parent_id"] == parent]
        return [node | {"children": under(node["span_id"])} for node in sorted(own, key=lambda n: n["start"])]

    tops = [node for node in nodes.values() if node["parent_id"] not in nodes]
    return {
        "roots": [n | {"children": under(n["span_id"])} for n in sorted(tops, key=lambda n: n["start"])],
        "orphans": sorted(n["span_id"] for n in tops if n["parent_id"] is not None),
        "duplicates": sorted({i for i in ids if ids.count(i) > 1}),
        "redacted": count,
    }
