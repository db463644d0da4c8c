"""The heads of each kind of planted circuit, as plain descriptions; `planted.py` turns them into weights.

A signal is a direction of the residual stream: "bit" and "noise" (written by the embedding of a word), "known" (the
bit, but of some words only), "s1" to "s3" (between heads), "out" (read by the logits), "unread" (read by nothing),
"here" (1 at the position looked at).
"""

from dataclasses import dataclass
from itertools import cycle, islice
from typing import Any

import torch

__all__ = ["Part", "decoys", "planted_parts"]


@dataclass(frozen=True)
class Part:
    """One head: at position `at` it looks at `look` (while its gate is open) and moves signal `read` to `write`."""

    role: str
    depth: int
    at: int
    look: int
    read: str
    write: tuple[str, ...]
    opens: tuple[tuple[str, float], ...] = ()  # weights of signals at `at`, whose sum must exceed `threshold`
    threshold: float = -0.5
    senders: tuple[tuple[str, str], ...] = ()  # (role or "embed", input of this head)


def planted_parts(kind: str, places: list[int], last: int) -> tuple[list[Part], list[set[str]]]:
    """The planted heads of this kind, and every smallest set of roles that is enough."""
    first, relay, second = places
    carry: dict[str, Any] = {"at": last, "read": "bit", "senders": (("embed", "V"),)}
    gate: dict[str, Any]
    wanted: tuple[tuple[str, str], ...]
    if kind == "chain":
        return [
            Part("first link", 0, relay, first, "bit", ("s1",), senders=(("embed", "V"),)),
            Part("second link", 1, last, relay, "s1", ("s2",), senders=(("first link", "V"),)),
            Part("last link", 2, last, last, "s2", ("out",), senders=(("second link", "V"),)),
        ], [{"first link", "second link", "last link"}]
    if kind in ("and", "or"):
        gate = {"opens": (("s1", 1.0), ("s2", 1.0)), "threshold": 1.5 if kind == "and" else 0.5}
        wanted = (("carrier one", "Q"), ("carrier two", "Q"))
        both = [{"carrier one", "gate"}, {"carrier two", "gate"}]
        return [
            Part("carrier one", 0, look=first, write=("s1",), **carry),
            Part("carrier two", 0, look=second, write=("s2",), **carry),
            Part("gate", 1, last, last, "here", ("out",), senders=wanted, **gate),
        ], both if kind == "or" else [both[0] | both[1]]
    if kind == "constant":
        return [
            Part("supplies a constant", 0, last, relay, "here", ("s1",)),
            Part("reader", 1, look=first, write=("s2",), opens=(("s1", 1.0),), threshold=0.5, **carry),
            Part("writer", 2, last, last, "s2", ("out",), senders=(("reader", "V"),)),
        ], [{"reader", "writer"}]
    if kind == "nothing":
        return [], []
    part_time, maze = kind.startswith("part-time"), kind.endswith("maze")
    result = ("s2",) if maze else ("s2", "out")
    # A part-time backup sees for itself, but only some of the words; the other one reads what the sender copied.
    reads: dict[str, Any] = (
        {"look": first, "read": "known", "senders": (("embed", "V"), ("main", "Q"))}
        if part_time
        else {"look": relay, "read": "s1", "senders": (("sender", "V"), ("main", "Q"))}
    )
    parts = [
        Part("sender", 0, relay, first, "bit", ("s1",), senders=(("embed", "V"),)),
        Part("main", 1, last, relay, "s1", result, senders=(("sender", "V"),)),
        Part("backup", 2, last, write=result[-1:], opens=(("s2", -1.0),), threshold=-0.5, **reads),
    ]
    ways = [{"sender", "main"}, {"backup"} if part_time else {"sender", "backup"}]
    if maze:
        parts.append(Part("second carrier", 1, look=second, write=("s3",), **carry))
        gate = {"opens": (("s2", 1.0), ("s3", 1.0)), "threshold": 1.5}
        wanted = tuple((name, "Q") for name in ("main", "backup", "second carrier"))
        parts.append(Part("gate", 3, last, last, "here", ("out",), senders=wanted, **gate))
        ways = [way | {"second carrier", "gate"} for way in ways]
    return parts, ways


def decoys(count: int, sources: tuple[int, ...], last: int, generator: torch.Generator) -> list[Part]:
    """`count` heads that do nothing to the answer, in random order."""
    names = [
        *(
            Part("decoy: carries a source's bit, unread", 0, last, place, "bit", ("unread",))
            for place in sources
        ),
        Part("decoy: looks at a source, moves noise", 0, last, sources[0], "noise", ("unread",)),
        Part("decoy: carries a source's bit, unread", 0, last, sources[0], "bit", ("unread",)),
        Part("decoy: random", 0, last, 0, "noise", ("unread",)),
    ]
    return [list(islice(cycle(names), count))[i] for i in torch.randperm(count, generator=generator).tolist()]
