"""The student's side of the wall: answers the examiner's requests from the student's own names and objects.

It runs in the student's process, so nothing that it says is trusted; it only has to be right for honest code.

>>> agent = Agent({"double": lambda n: 2 * n}, channel)     # doctest: +SKIP
>>> agent.serve(turn=1)                                     # until the examiner ends the turn
"""

import contextlib
import importlib
import sys
import traceback
import types
from collections.abc import Callable, Iterator, MutableMapping
from typing import Any

from course_utils.grading.wall.channel import Channel
from course_utils.grading.wall.codec import NotData, decode, encode
from course_utils.grading.wall.peer import Peer

__all__ = ["Agent", "serve"]

MOST_TEXT = 4_000
_agents: dict[int, "Agent"] = {}


def serve(descriptor: int, turn: int, namespace: MutableMapping[str, Any]) -> None:
    """Nothing: the kernel has answered the examiner on that inherited socket until the turn ended."""
    if descriptor not in _agents:
        _agents[descriptor] = Agent(namespace, Channel.of_descriptor(descriptor))
    _agents[descriptor].serve(turn)


class Agent:
    """Names, functions and objects of one student's process, for the examiner at the other end of `channel`."""

    def __init__(self, namespace: MutableMapping[str, Any], channel: Channel) -> None:
        self.namespace = namespace
        self.peer = Peer(channel, self.handle)
        self.objects: dict[int, Any] = {}
        self.numbers: dict[int, int] = {}
        self.models: dict[int, Any] = {}

    def serve(self, turn: int) -> None:
        """Nothing: requests were answered until the turn ended, or the process was interrupted."""
        with contextlib.suppress(KeyboardInterrupt):
            self.peer.serve(turn)

    def handle(self, op: str, fields: dict[str, Any], buffers: list) -> tuple[dict[str, Any], list]:
        """The answer to one request: `value`, `missing` or `error`."""
        try:
            value = getattr(self, f"do_{op}")(buffers=buffers, **fields)
        except _Missing:
            return {"missing": True}, []
        except (
            BaseException
        ) as error:  # SystemExit and KeyboardInterrupt too: they end the call, not the test
            return {"error": _described_safely(error)}, []
        try:
            tree, out = encode(value, self.refer)
        except Exception as error:
            return {"error": {"type": "TypeError", "args": [f"what came back cannot be sent: {error}"]}}, []
        return {"value": tree}, out

    # -- what the examiner may ask for --

    def do_get(self, name: str, buffers: list) -> Any:
        if name not in self.namespace:
            raise _Missing
        return self.namespace[name]

    def do_set(self, name: str, value: Any, buffers: list) -> None:
        self.namespace[name] = self.read(value, buffers)

    def do_delete(self, name: str, buffers: list) -> None:
        if name not in self.namespace:
            raise _Missing
        del self.namespace[name]

    def do_call(self, target: int, args: Any, kwargs: Any, buffers: list) -> Any:
        return self.objects[target](*self.read(args, buffers), **self.read(kwargs, buffers))

    def do_checked_call(self, target: int, args: Any, kwargs: Any, most: int | None, buffers: list) -> Any:
        from course_utils import checks

        args, kwargs = self.read(args, buffers), self.read(kwargs, buffers)
        return checks.call(self.objects[target], *args, max_entries=most, **kwargs)

    def do_model_state(self, model: Any, buffers: list) -> Any:
        from course_utils import checks

        return checks.model_state(self.read(model, buffers))

    def do_getattr(self, target: int, name: str, buffers: list) -> Any:
        return getattr(self.objects[target], name)

    def do_setattr(self, target: int, name: str, value: Any, buffers: list) -> None:
        setattr(self.objects[target], name, self.read(value, buffers))

    def do_getitem(self, target: int, key: Any, buffers: list) -> Any:
        return self.objects[target][self.read(key, buffers)]

    def do_setitem(self, target: int, key: Any, value: Any, buffers: list) -> None:
        self.objects[target][self.read(key, buffers)] = self.read(value, buffers)

    def do_len(self, target: int, buffers: list) -> int:
        return len(self.objects[target])

    def do_iter(self, target: int, buffers: list) -> Any:
        return iter(self.objects[target])

    def do_next(self, target: int, buffers: list) -> Any:
        return next(self.objects[target])

    def do_is_a(self, target: int, value: Any, buffers: list) -> bool:
        return isinstance(self.read(value, buffers), self.objects[target])

    def do_text(self, target: int, how: str, buffers: list) -> str:
        return (str(self.objects[target]) if how == "str" else repr(self.objects[target]))[:MOST_TEXT]

    # -- values --

    def read(self, tree: Any, buffers: list) -> Any:
        return decode(tree, list(buffers), self.resolve)

    def refer(self, value: Any) -> dict[str, Any]:
        """A reference to an object that stays here."""
        if isinstance(value, types.ModuleType):
            return {"kind": "module", "name": value.__name__}
        known = self.numbers.get(id(value))
        if known is None or self.objects[known] is not value:
            known = len(self.objects) + 1
            self.objects[known], self.numbers[id(value)] = value, known
        kind = "class" if isinstance(value, type) else "function" if callable(value) else "object"
        name = getattr(value, "__name__", "")
        return {
            "kind": kind,
            "number": known,
            "name": name if isinstance(name, str) else "",
            "type": type(value).__name__,
        }

    def resolve(self, reference: dict[str, Any]) -> Any:
        """What the examiner means by a reference of its own making."""
        return getattr(self, f"_the_{reference['kind']}")(reference)

    def _the_yours(self, reference: dict[str, Any]) -> Any:
        return self.objects[reference["number"]]

    def _the_name(self, reference: dict[str, Any]) -> Any:
        return self.namespace[reference["name"]]

    def _the_installed(self, reference: dict[str, Any]) -> Any:
        value = importlib.import_module(reference["module"])
        for part in filter(None, reference["name"].split(".")):
            value = getattr(value, part)
        return value

    def _the_function(self, reference: dict[str, Any]) -> Callable[..., Any]:
        number = reference["number"]

        def function(*args: Any, **kwargs: Any) -> Any:
            (args_tree, kwargs_tree), buffers = encode_both(args, kwargs, self.refer)
            fields = {"function": number, "args": args_tree, "kwargs": kwargs_tree}
            answer, received = self.peer.request("call_back", fields, buffers)
            if "error" in answer:
                raise _rebuilt(answer["error"])
            return self.read(answer["value"], received)

        function.__name__ = reference.get("name") or "function"
        return function

    def _the_model(self, reference: dict[str, Any]) -> Any:
        number = reference["number"]
        if number not in self.models:
            self.models[number] = _load(reference["loaded_as"])
        return self.models[number]

    def do_take_model(self, number: int, module: str, name: str, parts: Any, buffers: list) -> None:
        """A model that the test made: built anew from its configuration and weights."""
        config, weights, training, wants_gradient = self.read(parts, buffers)
        model = getattr(importlib.import_module(module), name)(config)
        model.load_state_dict(weights)
        self.models[number] = model.train(training).requires_grad_(wants_gradient)


class _Missing(Exception):
    """There is no such name."""


def encode_both(args: tuple, kwargs: dict[str, Any], refer: Callable[[Any], Any]) -> tuple[list, list]:
    """([tree of args, tree of kwargs], buffers) with one list of buffers for both."""
    tree, buffers = encode([args, kwargs], refer)
    return tree["l"], buffers


def _load(name: str) -> Any:
    from course_utils import load_model

    return load_model(name)


def _described_safely(error: BaseException) -> dict[str, Any]:
    try:
        return _described(error)
    except Exception:
        return {"type": "RuntimeError", "args": ["an exception that cannot be described"]}


def _described(error: BaseException) -> dict[str, Any]:
    """An exception as plain data: its nearest built-in type, its arguments, and where it happened."""
    kind = next(base for base in type(error).__mro__ if base.__module__ == "builtins")
    args = [a if a is None or isinstance(a, bool | int | float) else str(a)[:MOST_TEXT] for a in error.args]
    if isinstance(error, NotData):
        kind, args = TypeError, [f"an argument cannot be received: {error}"]
    return {
        "type": kind.__name__,
        "args": args[:5],
        "text": str(error)[:MOST_TEXT],
        "trace": "".join(_student_lines(error))[-MOST_TEXT:],
    }


def _student_lines(error: BaseException) -> Iterator[str]:
    """The traceback without this module's own frames."""
    frames = traceback.extract_tb(error.__traceback__)
    if frames and frames[-1].filename == getattr(sys.modules.get("course_utils.checks"), "__file__", None):
        return  # `checks.call` complains: its message says it all
    yield from traceback.format_list([frame for frame in frames if frame.filename != __file__])
    yield from traceback.format_exception_only(error)


def _rebuilt(description: dict[str, Any]) -> BaseException:
    kind = getattr(sys.modules["builtins"], description["type"], RuntimeError)
    return kind(*description.get("args", []))
