"""What a cell's source tells without being run: its names, and the regions that students do not get."""

import ast
import builtins
import symtable
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache

__all__ = ["REGIONS", "Names", "inside", "names_of", "outside", "parses", "top_level_names"]

REGIONS = {
    "solution": ("### BEGIN SOLUTION", "### END SOLUTION"),
    "hidden": ("### BEGIN HIDDEN TESTS", "### END HIDDEN TESTS"),
    "scheme": ("=== BEGIN MARK SCHEME ===", "=== END MARK SCHEME ==="),
}

BUILTINS = frozenset(dir(builtins))


@dataclass(frozen=True)
class Names:
    """What a cell binds at its top level, and what it reads without binding it itself."""

    bound: frozenset[str] = frozenset()
    free: frozenset[str] = frozenset()


def parses(source: str) -> bool:
    """Whether `source` is plain Python (no magics, no shell commands).

    >>> parses("x = 1"), parses("%matplotlib inline")
    (True, False)
    """
    try:
        ast.parse(source)
    except (SyntaxError, ValueError):
        return False
    return True


@lru_cache(maxsize=4096)
def names_of(source: str) -> Names:
    """The names that `source` binds at its top level and those it needs from elsewhere, builtins left out.

        >>> sorted(names_of("import math\\ny = [math.sqrt(x) for x in data]").free)
        ['data']

    A name read inside a function counts as needed, because the function may be called in the same cell. A
    source that is not Python gives two empty sets: the syntax rule reports it.
    """
    try:
        table = symtable.symtable(source, "<cell>", "exec")
    except (SyntaxError, ValueError):
        return Names()
    bound = {
        s.get_name() for s in table.get_symbols() if s.is_assigned() or s.is_imported() or s.is_namespace()
    }
    read = {s.get_name() for s in table.get_symbols() if s.is_referenced()}
    inner = list(table.get_children())
    while inner:
        scope = inner.pop()
        inner.extend(scope.get_children())
        for symbol in scope.get_symbols():
            if symbol.is_global() and symbol.is_referenced():
                read.add(symbol.get_name())
            if symbol.is_declared_global() and symbol.is_assigned():
                bound.add(symbol.get_name())
    return Names(frozenset(bound), frozenset(read - bound - BUILTINS))


def top_level_names(source: str) -> tuple[str, ...]:
    """Names bound by a solution cell's own statements: `def`, `class` and assignment, in order; imports do
    not count.

    >>> top_level_names("import math\\nW: int = 3\\ndef area(r): return math.pi * r * r")
    ('W', 'area')
    """
    try:
        body = ast.parse(source).body
    except (SyntaxError, ValueError):
        return ()
    found: list[str] = []
    for node in body:
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            found.append(node.name)
        elif isinstance(node, ast.Assign | ast.AnnAssign | ast.AugAssign):
            targets = node.targets if isinstance(node, ast.Assign) else [node.target]
            found += [n.id for target in targets for n in ast.walk(target) if isinstance(n, ast.Name)]
    return tuple(dict.fromkeys(found))


def _walk(source: str, region: str) -> Iterator[tuple[str, str]]:
    """Each line and its place (begin, inside, end, outside); a marker is its words, as for nbgrader."""
    begin, end = (marker.strip("#= ") for marker in REGIONS[region])
    place = "outside"
    for line in source.split("\n"):
        if begin in line:
            place = "inside"
            yield "begin", line
        elif end in line:
            place = "outside"
            yield "end", line
        else:
            yield place, line


def inside(source: str, region: str) -> list[str]:
    """The lines of `source` inside its `"solution"`, `"hidden"` or `"scheme"` regions, markers left out.

    >>> inside("a = 0\\n### BEGIN SOLUTION\\na = 1\\n### END SOLUTION", "solution")
    ['a = 1']
    """
    return [line for place, line in _walk(source, region) if place == "inside"]


def outside(source: str, region: str, stub: str = "") -> str:
    """`source` without its regions; where one began stands `stub` (if any), as deeply indented as the marker
    was.

    >>> outside("def f():\\n    ### BEGIN SOLUTION\\n    return 1\\n    ### END SOLUTION", "solution", "pass")
    'def f():\\n    pass'
    """
    lines = []
    for place, line in _walk(source, region):
        if place == "outside":
            lines.append(line)
        elif place == "begin" and stub:
            indent = line[: len(line) - len(line.lstrip())]
            lines += [indent + text for text in stub.split("\n")]
    return "\n".join(lines)
