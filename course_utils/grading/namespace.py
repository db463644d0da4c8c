"""The names of a test cell: trusted cells' own, and the student's as proxies.

>>> names = Namespace(student, graded={"double"})     # doctest: +SKIP
>>> exec("assert double(2) == 4", names)              # asks the student's process, doctest: +SKIP
"""

import builtins
import contextlib
import importlib
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from course_utils.grading.wall.student import Missing, Student

__all__ = ["Namespace"]


class Namespace(dict):
    """One notebook's namespace in the examiner, which only trusted cells write to.

    A name is looked up in this order: graded names in the student's process; names that given cells and earlier
    test cells made; built-in ones; `imports`, those that the lesson's own cells import; any other name in the
    student's process. Assigning to a graded name, or deleting it, reaches the student's process. A value of
    the student's that is data is read once and kept until more of the student's code has run.

    `imports` maps a name to the `(module, attribute)` that the lesson imports under it: "" for the module itself,
    "*" for all that it offers.
    """

    def __init__(
        self, student: Student, graded: Iterable[str], imports: Mapping[str, tuple[str, str]] | None = None
    ) -> None:
        super().__init__(__name__="__main__")
        self.student, self.graded, self.imports = student, frozenset(graded), dict(imports or {})
        self.stars = [module for module, attribute in self.imports.values() if attribute == "*"]
        self.own: set[str] = set()
        self.given = False
        self.seen: dict[str, Any] = {}
        self.seen_at = -1

    @contextlib.contextmanager
    def only_trusted(self) -> Iterator[None]:
        """While a given cell runs, there are no names of the student's; what it makes is shared by both sides."""
        self.given = True
        try:
            yield
        finally:
            self.given = False

    def belong_to_tests(self, names: Iterable[str]) -> None:
        """Nothing: these names are a test's own. Where it has not made one, the student's is not looked up."""
        self.own |= set(names) - self.graded

    def __missing__(self, name: str) -> Any:
        if name not in self.graded:
            if hasattr(builtins, name) or name.startswith("__"):
                raise KeyError(name)
            if name in self.imports or self.stars:
                with contextlib.suppress(ImportError, AttributeError):
                    return self._imported(name)
            if name in ("get_ipython", "display"):
                return _of_ipython(name)
        if self.given or name in self.own:
            raise KeyError(name)
        if self.seen_at != self.student.ran:
            self.seen, self.seen_at = {}, self.student.ran
        if name not in self.seen:
            try:
                self.seen[name] = self.student.get(name)
            except Missing:
                raise KeyError(name) from None
        return self.seen[name]

    def __setitem__(self, name: str, value: Any) -> None:
        if self.given:
            if name in self.graded:
                return  # the student's process has run the same cell
            self.student.shared[name] = value
        elif name in self.graded:
            self.student.set(name, value)
            return
        super().__setitem__(name, value)

    def __delitem__(self, name: str) -> None:
        if self.given or name not in self.graded:
            super().__delitem__(name)
            return
        try:
            self.student.delete(name)
        except Missing:
            raise KeyError(name) from None

    def _imported(self, name: str) -> Any:
        """The lesson's own import of that name. Raises ImportError or AttributeError."""
        places = [self.imports[name]] if name in self.imports else [(star, name) for star in self.stars]
        for module, attribute in places:
            value: Any = importlib.import_module(module)
            if not attribute or hasattr(value, attribute):
                value = getattr(value, attribute) if attribute else value
                super().__setitem__(name, value)
                return value
        raise AttributeError(name)


def _of_ipython(name: str) -> Any:
    """What IPython puts into every notebook, for given cells and tests that use it."""
    if name == "display":
        from IPython.display import display

        return display
    from IPython.core.interactiveshell import InteractiveShell

    return lambda: InteractiveShell.instance()
