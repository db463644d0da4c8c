"""A small agent that answers travellers: two tools, a few documents, no network, no model that could surprise.

>>> from course_utils.agents import make_agent
>>> agent = make_agent(seed=1)
>>> task = agent.some_task("fare", "bicycles")
>>> agent.reply(task)
'The fare from Elmshaw to Gilstead is 51 euros [fare]. A bicycle ticket costs 31 euros [bicycles].'

It is scripted: rules where a language model would be. What lesson 12 does to it (recording, auditing, testing) does
not ask what is inside. Its steps are `plan`, then `use` (a tool) or `retrieve` (documents) for each planned step, then
`answer` and `validate`.
"""

import re
from dataclasses import dataclass
from typing import Any

import numpy as np

__all__ = ["TOPICS", "Agent", "ToolError", "claims_of", "make_agent", "numbers_in"]

TOWNS = (
    "Aldmoor",
    "Brenwick",
    "Cawdale",
    "Dunsey",
    "Elmshaw",
    "Farnby",
    "Gilstead",
    "Hexford",
    "Ilkham",
    "Kelby",
)
RULES = {
    "bicycles": "A bicycle ticket costs {a} euros. Bicycles travel in coach {b}.",
    "delays": "After a delay of {a} minutes half the fare is paid back. Ask within {b} days.",
    "dogs": "A dog ticket costs {a} euros. Dogs travel in coach {b}.",
    "luggage": "Each traveller may bring {a} kilograms of luggage. A locker costs {b} euros.",
    "meals": "A hot meal costs {a} euros. Meals are served in coach {b}.",
    "refunds": "A refund costs {a} euros. Refunds are paid up to {b} days before travel.",
    "seats": "A seat reservation costs {a} euros. Seats are sold until {b} minutes before departure.",
    "sleepers": "A sleeper berth costs {a} euros. Sleepers run in coach {b}.",
}  # fmt: skip
TOPICS = tuple(RULES)
"""The documents' ids."""
SYNONYMS = {"bike": "bicycle", "suitcase": "luggage", "dinner": "meal", "dining": "meal", "berth": "sleeper"}


class ToolError(Exception):
    """A tool did not answer."""


@dataclass(frozen=True)
class Agent:
    """A help desk of a small railway: what it knows, and how it behaves when something goes wrong."""

    name: str
    """As it appears in traces."""
    documents: dict[str, str]
    """Text by id: the rules of this railway."""
    fares: dict[str, int]
    """Euros by "Start-End"."""
    departures: dict[str, str]
    """Time of the next train by "Start-End"."""
    broken: tuple[str, ...] = ()
    """Tools that raise `ToolError` whenever they are used."""
    bluffs: bool = False
    """Whether it states a number, with a citation, when the tool that should have given it failed."""
    version: int = 1
    """Version 2 understands more ways to ask, and believes what travellers say."""
    model: str = "rules-1"
    """As it appears in traces, where a language model's name would be."""

    def plan(self, task: str) -> list[dict[str, Any]]:
        """The steps for this task: each has "step" ("retrieval" or a tool's name) and "query" or "arguments"."""
        text = task if self.version == 1 else task.title()
        towns = sorted((town for town in TOWNS if town in text), key=text.index)
        words = {"fare": ["fare"], "departure": ["leave"]}
        if self.version > 1:
            words = {"fare": ["fare", "how much", "price"], "departure": ["leave", "when", "depart"]}
        steps: list[dict[str, Any]] = []
        for tool, cues in words.items():
            if len(towns) == 2 and any(cue in task.lower() for cue in cues):
                steps.append({"step": tool, "arguments": {"start": towns[0], "end": towns[1]}})
        return [*steps, {"step": "retrieval", "query": task}]

    def use(self, tool: str, arguments: dict[str, str]) -> str:
        """What the tool says: "fare" an amount, "departure" a time. Raises `ToolError` if it does not answer."""
        if tool in self.broken:
            raise ToolError(f"{tool}: no answer from the timetable service")
        route = f"{arguments['start']}-{arguments['end']}"
        return f"{self.fares[route]} euros" if tool == "fare" else self.departures[route]

    def retrieve(self, query: str, most: int = 2) -> list[dict[str, Any]]:
        """The documents that share most words with the query, best first: each has "id", "score" and "content"."""
        asked = self._asked(query)
        found: list[dict[str, Any]] = []
        for name, content in self.documents.items():
            score = len(asked & (_words(content) | _words(name))) / len(asked)
            found.append({"id": name, "score": round(score, 3), "content": content})
        found.sort(key=lambda document: (-document["score"], document["id"]))
        return [document for document in found[:most] if document["score"] > 0]

    def answer(self, task: str, documents: list[dict[str, Any]], results: dict[str, str]) -> str:
        """One sentence for each thing asked, each with its source in square brackets.

        `results` holds what the tools said, by name; a tool that failed is not in it.
        """
        if self.version > 1 and (told := re.search(r"I was told .*? is (\d+) euros", task)):
            return f"Yes, it is {told[1]} euros [fare]."
        sentences = []
        for step in self.plan(task)[:-1]:
            tool, route = step["step"], step["arguments"]
            said = results.get(tool) or (self._look_up(tool, route) if self.bluffs else "")
            start = (
                "The fare from {start} to {end} is"
                if tool == "fare"
                else "The train from {start} to {end} leaves at"
            )
            failed = f"The {tool} service gave no answer."
            sentences.append(f"{start.format(**route)} {said} [{tool}]." if said else failed)
        for document in documents:
            if _words(document["id"]) & self._asked(task):
                first = document["content"].split(". ")[0].rstrip(".")
                sentences.append(f"{first} [{document['id']}].")
        return " ".join(sentences) or "I cannot find that."

    def validate(self, answer: str) -> str:
        """ "pass" if every sentence that gives a number names a source, else "fail". It does not look the source up."""
        return "fail" if any(numbers_in(s) and "[" not in s for s in _sentences(answer)) else "pass"

    def reply(self, task: str) -> str:
        """The answer alone, as a traveller gets it: nothing is recorded."""
        documents: list[dict[str, Any]] = []
        results = {}
        for step in self.plan(task):
            if step["step"] == "retrieval":
                documents = self.retrieve(step["query"])
            elif step["step"] not in self.broken:
                results[step["step"]] = self.use(step["step"], step["arguments"])
        return self.answer(task, documents, results)

    def some_task(self, tool: str = "fare", topic: str = "bicycles", which: int = 0) -> str:
        """A question about a route and a topic; other numbers `which` ask about other routes."""
        start, end = list(self.fares)[which % len(self.fares)].split("-")
        asks = {"fare": "What is the fare from {} to {}", "departure": "When does the train leave {} for {}"}
        return f"{asks[tool].format(start, end)}, and what is the rule on {topic}?"

    def _look_up(self, tool: str, route: dict[str, str]) -> str:
        """What the table behind a tool says. A bluffing agent states it without having asked, so it may be right."""
        key = f"{route['start']}-{route['end']}"
        return f"{self.fares[key]} euros" if tool == "fare" else self.departures[key]

    def _asked(self, task: str) -> set[str]:
        """The words of the task, with those that version 2 has learned to understand."""
        words = _words(task)
        return words | {SYNONYMS[w] for w in words & set(SYNONYMS)} if self.version > 1 else words


def make_agent(seed: int, **behaviour: Any) -> Agent:
    """An agent with towns, fares, times and rules of its own; `behaviour` may set broken, bluffs, version or name.

    >>> make_agent(seed=1, broken=("fare",), bluffs=True).broken
    ('fare',)

    The same seed gives the same railway.
    """
    rng = np.random.default_rng([seed, 12])
    towns = rng.permutation(TOWNS)[:6]
    routes = [f"{start}-{end}" for start in towns for end in towns if start != end]
    fares = dict(zip(routes, (int(n) for n in rng.integers(20, 100, len(routes))), strict=True))
    times = [f"{rng.integers(6, 23):02d}:{rng.integers(10, 60)}" for _ in routes]
    documents = {}
    for name, text in RULES.items():
        a, b = rng.choice(np.arange(3, 60), 2, replace=False)
        documents[name] = text.format(a=a, b=b)
    given = {"name": "desk"} | behaviour
    return Agent(documents=documents, fares=fares, departures=dict(zip(routes, times, strict=True)), **given)


def numbers_in(text: str) -> list[str]:
    """The numbers and times of a text, as they are written.

    >>> numbers_in("At 07:45 it costs 12 euros, or 12.50.")
    ['07:45', '12', '12.50']
    """
    return re.findall(r"\d+(?:[:.]\d+)*", text)


def claims_of(answer: str) -> list[dict[str, Any]]:
    """What an answer claims: for each sentence with a source its "text", its "source" and the "values" (numbers) in it.

    >>> claims_of("A bicycle ticket costs 12 euros [bicycles]. Have a good trip.")
    [{'text': 'A bicycle ticket costs 12 euros', 'source': 'bicycles', 'values': ['12']}]
    """
    found = re.findall(r"([^.\[\]]+(?:\.\d[^.\[\]]*)*) \[(\w+)\]", answer)
    return [{"text": text.strip(), "source": source, "values": numbers_in(text)} for text, source in found]


def _sentences(text: str) -> list[str]:
    return re.findall(r"[^.]+\.", text)


def _words(text: str) -> set[str]:
    """The words of three letters or more, in lower case, without a plural s and without those that say nothing."""
    words = {word.removesuffix("s") for word in re.findall(r"[a-z]{3,}", text.lower())}
    return words - {"the", "and", "what", "how", "for", "from", "rule", "does", "are"}
