"""The public callables of the package's lab wing, each of which the audit tries as an answer."""

import importlib
import pkgutil
import sys
from collections.abc import Callable, Iterator
from typing import Any

__all__ = ["NOT_LAB", "lab_callables"]

NOT_LAB = ("grading", "training", "exchange", "hub", "bench", "cli")
"""Parts of the package that lessons do not import."""


def lab_callables(package: str, problem: Callable[[str], None]) -> list[tuple[str, Any]]:
    """Every public callable of the package's lab wing with its dotted name, each object once.

    Public is what a module's `__all__` names; without one, what it defines under a name without underscore. A
    module that cannot be imported is reported to `problem`.
    """
    found: dict[int, tuple[str, Any]] = {}
    for name in _modules(package, problem):
        module = sys.modules[name]
        public = getattr(module, "__all__", None)
        if public is None:
            public = [
                n for n, v in vars(module).items() if n[0] != "_" and getattr(v, "__module__", "") == name
            ]
        for attribute in public:
            value = getattr(module, attribute, None)
            if callable(value):
                found.setdefault(id(value), (f"{name}.{attribute}", value))
    return list(found.values())


def _modules(package: str, problem: Callable[[str], None]) -> Iterator[str]:
    """Names of the package and its modules below, imported, without `NOT_LAB` and private ones."""
    try:
        module = importlib.import_module(package)
    except Exception as error:
        problem(
            f"{package} cannot be imported, so its callables were not tried: {type(error).__name__}: {error}"
        )
        return
    yield package
    for info in pkgutil.iter_modules(getattr(module, "__path__", ())):
        if not info.name.startswith("_") and info.name not in NOT_LAB:
            yield from _modules(f"{package}.{info.name}", problem)
