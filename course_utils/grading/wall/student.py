"""The examiner's side of the wall: the student's names, functions and objects as proxies.

>>> student = Student(channel)                                  # doctest: +SKIP
>>> student.begin(turn=1, seconds=60)                           # doctest: +SKIP
>>> student.get("double")(21)                                   # a call into the other process, doctest: +SKIP
42

Only plain data comes back (`codec`). Everything else is a `Handle`: it can be called, iterated and indexed, and
its public attributes can be read. A handle is equal to itself only and never decides a comparison.
"""

import builtins
import importlib
import sys
import time
import types
from collections.abc import Callable, Collection
from dataclasses import dataclass
from typing import Any

from course_utils.grading.wall.channel import Channel, Garbled
from course_utils.grading.wall.codec import NotData, decode, encode
from course_utils.grading.wall.handle import Handle, number_of
from course_utils.grading.wall.peer import Peer

ODD_ERRORS = (SyntaxError, UnicodeError, BaseExceptionGroup)
"""Their arguments decide how they are shown, and not any will do."""
PLAIN_MODULES = frozenset({
    "cmath", "collections", "course_utils", "datetime", "decimal", "einops", "fractions", "functools",
    "itertools", "json", "math", "matplotlib", "networkx", "numpy", "operator", "pandas", "random", "re",
    "scipy", "seaborn", "sklearn", "statistics", "string", "sympy", "torch", "transformers",
})  # fmt: skip
"""Modules that a student's name may always stand for."""

__all__ = ["Handle", "Missing", "OutOfTime", "Student", "Unreachable"]


class Missing(Exception):
    """The student's notebook has no such name."""


class Unreachable(BaseException):
    """The student's process has gone, or says what no honest one says. Test cells cannot catch it by accident."""


class OutOfTime(BaseException):
    """The test cell, or the student's code that it called, took longer than it may."""


class Student:
    """The process at the other end of `channel`, and what the examiner has got from it.

    `modules` are packages that the lesson imports: a name of the student's may stand for one of them. `shared`
    holds objects that both sides made in the same read-only cells: they cross by name.
    """

    def __init__(self, channel: Channel, modules: Collection[str] = ()) -> None:
        self.peer = Peer(channel, self._call_back)
        self.modules = {*modules, *PLAIN_MODULES}
        self.shared: dict[str, Any] = {}
        self.models: dict[int, tuple[int, Any, Any]] = {}
        self.functions: list[Callable[..., Any]] = []
        self.alive = True
        self.ran = 0  # grows whenever the student's code had a chance to change its names

    def begin(self, turn: int, seconds: float) -> None:
        """Nothing: what follows belongs to that turn and has that long."""
        self.ran += 1  # the notebook may have gone on since the last turn
        self.peer.begin(turn, time.monotonic() + seconds)

    def end(self) -> None:
        """Nothing: the student's process goes on with its notebook."""
        if self.alive:
            self._guarded(self.peer.end)

    def get(self, name: str) -> Any:
        """The value of the student's name. Raises `Missing`."""
        return self.ask("get", name=name, _module=True)

    def set(self, name: str, value: Any) -> None:
        """Nothing: the student's notebook has that value under that name."""
        self.ask("set", _values=("value",), name=name, value=value)

    def delete(self, name: str) -> None:
        """Nothing: the student's notebook has no such name any more. Raises `Missing`."""
        self.ask("delete", name=name)

    def model_state(self, model: Any) -> dict[str, Any]:
        """`checks.model_state` of the student's copy of a model."""
        return self.ask("model_state", _values=("model",), model=model)

    def knows(self, model: Any) -> bool:
        """Whether the student's process has a copy of that model."""
        return isinstance(model, Handle) or id(model) in self.models or self._name_of(model) is not None

    def ask(self, op: str, _values: tuple[str, ...] = (), _module: bool = False, **fields: Any) -> Any:
        """The value of the answer; `_values` are the fields to encode. Raises what the student's code raised.

        With `_module`, an installed module may come back: as this process's own import of it.
        """
        trees, buffers = self._encode([fields[name] for name in _values])
        fields |= dict(zip(_values, trees["l"], strict=True))
        self.ran += op != "get"
        answer, received = self._guarded(self.peer.request, op, fields, buffers)
        if answer.get("missing"):
            raise Missing
        if isinstance(answer.get("error"), dict):
            raise _raised(answer["error"], ends_a_loop=op == "next")
        try:
            value = decode(answer.get("value"), received, self._resolve)
        except NotData as error:
            raise TypeError(f"what came back cannot be used here: {error}") from None
        if isinstance(value, _Module):
            if not _module:
                raise TypeError(f"a module came back, {value.name!r}, where a value was expected")
            return _own_module(value.name, self.modules)
        return value

    def _guarded(self, action: Callable[..., Any], *args: Any) -> Any:
        if not self.alive:
            raise Unreachable("the student's process has ended")
        try:
            return action(*args)
        except TimeoutError:
            raise OutOfTime from None
        except Garbled as error:
            raise self._lost(f"sent what no notebook sends ({error})") from None
        except ConnectionError:
            raise self._lost("has ended") from None

    def _lost(self, what: str) -> Unreachable:
        self.alive = False
        return Unreachable(f"the student's process {what}")

    # -- values --

    def _encode(self, values: list[Any]) -> tuple[Any, list]:
        try:
            return encode(values, self._refer)
        except NotData as error:
            raise TypeError(f"This test gives the student's code what cannot reach it: {error}.") from None

    def _refer(self, value: Any) -> dict[str, Any]:
        if isinstance(value, Handle):
            return {"kind": "yours", "number": number_of(value)}
        if (name := self._name_of(value)) is not None:
            return {"kind": "name", "name": name}
        if (installed := _installed(value)) is not None:
            return {"kind": "installed", "module": installed[0], "name": installed[1]}
        if isinstance(value, types.FunctionType | types.MethodType | types.BuiltinFunctionType):
            if value not in self.functions:
                self.functions.append(value)
            number = self.functions.index(value)
            return {"kind": "function", "number": number, "name": getattr(value, "__name__", "")}
        torch = sys.modules.get("torch")
        if torch is not None and isinstance(value, torch.nn.Module):
            return self._model(value)
        raise NotData(f"a {type(value).__name__} is neither data nor a model of the course")

    def _name_of(self, value: Any) -> str | None:
        return next((name for name, known in self.shared.items() if known is value), None)

    def _model(self, model: Any) -> dict[str, Any]:
        """A reference to the student's own copy, which is sent first if there is none yet.

        It is made from configuration and weights: a seed would tell how the model was planted.
        """
        known, state = self.models.get(id(model)), _state(model)
        reference: dict[str, Any] = {"kind": "model", "number": known[0] if known else len(self.models)}
        loaded_as = getattr(model, "loaded_as", "")
        if loaded_as and state == model.loaded_state:
            reference["loaded_as"] = loaded_as
        elif known is None or known[2] != state:  # also one that the test has changed since
            config = getattr(model, "cfg", None)
            if config is None or not type(model).__module__.startswith("course_utils."):
                raise NotData(f"a {type(model).__name__} that is no model of the course as it was loaded")
            parts = [
                _without_seed(config),
                dict(model.state_dict()),
                model.training,
                any(p.requires_grad for p in model.parameters()),
            ]
            where: dict[str, Any] = {"module": type(model).__module__, "name": type(model).__name__}
            self.ask("take_model", _values=("parts",), number=reference["number"], parts=parts, **where)
        self.models[id(model)] = (reference["number"], model, state)
        return reference

    def _resolve(self, reference: Any) -> Any:
        kind, name = reference["kind"], reference.get("name", "")
        if kind == "module" and isinstance(name, str):
            return _Module(name)
        number = reference["number"]
        if type(number) is not int or not isinstance(name, str) or not isinstance(reference["type"], str):
            raise NotData("no reference")
        return Handle(self, number, str(kind)[:20], name[:100], reference["type"][:100])

    def _call_back(self, op: str, fields: dict[str, Any], buffers: list) -> tuple[dict[str, Any], list]:
        """The student's code calls a function that a test gave it."""
        number = fields.get("function")
        if op != "call_back" or type(number) is not int or not 0 <= number < len(self.functions):
            raise Garbled("a request for what no test gave it")
        try:
            args, kwargs = (decode(fields.get(part), buffers, self._resolve) for part in ("args", "kwargs"))
            value = self.functions[number](*args, **kwargs)
            trees, out = self._encode([value])
        except Exception as error:
            text = str(error.args[0] if isinstance(error, KeyError) and error.args else error)
            return {"error": {"type": _builtin(type(error)).__name__, "args": [text[:500]]}}, []
        return {"value": trees["l"][0]}, out


@dataclass(frozen=True)
class _Module:
    """A module that the student's process names."""

    name: str


def _state(model: Any) -> Any:
    from course_utils.models import state_of

    return state_of(model)


def _without_seed(config: Any) -> Any:
    import dataclasses

    return dataclasses.replace(config, seed=0) if hasattr(config, "seed") else config


def _installed(value: Any) -> tuple[str, str] | None:
    """Where an installed function, class or module can be imported from; None for anything else."""
    if isinstance(value, types.ModuleType):
        return value.__name__, ""
    module, name = getattr(value, "__module__", None), getattr(value, "__qualname__", None)
    if not isinstance(module, str) or not isinstance(name, str) or module in ("__main__", "__mp_main__"):
        return None
    found: Any = sys.modules.get(module)
    for part in name.split("."):
        found = getattr(found, part, None)
    return (module, name) if found is value else None


def _own_module(name: str, allowed: Collection[str]) -> types.ModuleType:
    """This process's own import of an installed module: never the student's, and none that does things."""
    if name.split(".")[0] not in allowed or name.endswith("__main__"):
        raise TypeError(f"the name stands for the module {name[:100]!r}, which this lesson does not use")
    return importlib.import_module(name)


def _builtin(kind: type[BaseException]) -> type[BaseException]:
    return next(base for base in kind.__mro__ if base.__module__ == "builtins")


def _raised(description: dict[str, Any], *, ends_a_loop: bool) -> BaseException:
    """An exception of the student's code, made anew: the same built-in type with its message.

    One that would silently end a loop of the test's, which would then have compared nothing, is a RuntimeError.
    """
    kind = getattr(builtins, str(description.get("type")), None)
    if not (isinstance(kind, type) and issubclass(kind, BaseException)) or issubclass(kind, ODD_ERRORS):
        kind = RuntimeError
    if issubclass(kind, StopIteration | StopAsyncIteration | GeneratorExit) and not ends_a_loop:
        description = description | {
            "args": [f"{kind.__name__}, which only the end of an iterator may raise"]
        }
        kind = RuntimeError
    args = description.get("args")
    args = args if isinstance(args, list) else []
    args = [a for a in args if a is None or isinstance(a, bool | int | float | str)]
    text = str(description.get("text", ""))[:4000]
    try:
        error = kind(*args)
    except TypeError:  # such as UnicodeDecodeError, which wants five arguments
        error = RuntimeError(f"{kind.__name__}: {text}")
    error.student_trace = str(description.get("trace", ""))[:4000]  # type: ignore[attr-defined]
    return error
