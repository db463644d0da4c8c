"""Values as plain data: JSON with tags and binary buffers. Exact types only; nothing is ever unpickled.

>>> tree, buffers = encode({"n": (1, 2.5)})
>>> tree
{'d': [['n', {'t': [1, 2.5]}]]}
>>> decode(tree, buffers)
{'n': (1, 2.5)}

None, bool, int, float, complex, str, bytes, list, tuple, dict, set, frozenset, slice, range, `...`, NumPy arrays
and scalars, torch tensors and dtypes, random generators, and dataclasses of `course_utils` cross by value. For
anything else the caller's `refer` makes a reference and `resolve` turns it back. Subclasses of these types cross
as what they are made of: a `Counter` as a dict, a named tuple as a tuple.
"""

import dataclasses
import importlib
import math
import re
import sys
from collections.abc import Callable
from typing import Any

__all__ = ["NotData", "decode", "encode"]

MOST_ITEMS = 2_000_000
MOST_BUFFERS = 9_000  # a channel takes a few more
DEEPEST = 60
ARRAY_KINDS = "biufcmMSU"
ARRAY_TYPE = re.compile(rf"[<>|=]?[{ARRAY_KINDS}]\d*(\[\w+\])?")
TENSOR_DTYPES = [
    "bool", "uint8", "int8", "int16", "int32", "int64", "float16", "bfloat16", "float32", "float64", "complex64",
    "complex128",
]  # fmt: skip
BIT_GENERATORS = ["PCG64", "PCG64DXSM", "SFC64"]  # NumPy checks the states of these, not those of all others
OWN = "course_utils."


class NotData(TypeError):
    """A value that cannot cross, or a tree that is not one of this codec's; the message says why."""


def encode(value: Any, refer: Callable[[Any], Any] | None = None, most: int = 256 << 20) -> tuple[Any, list]:
    """(tree, buffers): `value` as JSON with tags, and the bytes of its arrays. Raises `NotData`.

    `refer(value)` gives the tree of a value that is not data. Arrays and texts of more than `most` bytes
    together are refused.
    """
    writer = _Writer(refer, most)
    return writer.tree(value, 0), writer.buffers


def decode(tree: Any, buffers: list, resolve: Callable[[Any], Any] | None = None) -> Any:
    """The value of a tree made by `encode`; `resolve` is given what `refer` made. Raises `NotData`.

    Safe for trees that somebody else made up: sizes, types and depths are checked before anything is built.
    """
    try:
        return _Reader(buffers, resolve).value(tree, 0)
    except NotData:
        raise
    except (
        ArithmeticError,
        AttributeError,
        ImportError,
        LookupError,
        RuntimeError,
        TypeError,
        ValueError,
    ) as error:
        raise NotData(f"not a value: {type(error).__name__}: {str(error)[:200]}") from None


class _Writer:
    def __init__(self, refer: Callable[[Any], Any] | None, most: int) -> None:
        self.refer, self.most = refer, most
        self.buffers: list[Any] = []
        self.items = self.bytes = 0

    def tree(self, value: Any, depth: int) -> Any:
        kind = type(value)
        if value is None or kind is bool or (kind is str and len(value) < 1 << 16):
            return value
        self.items += 1
        if self.items > MOST_ITEMS:
            raise NotData(f"more than {MOST_ITEMS:,} values in one; send an array instead")
        if depth > DEEPEST:
            raise NotData(f"nested more than {DEEPEST} deep, or contains itself")
        if isinstance(value, (int, float, complex)) and not isinstance(value, bool):
            return self._number(value)
        if isinstance(value, str):
            self._count(len(value))
            return str.__str__(value)
        if isinstance(value, (bytes, bytearray)):
            return {"b": self._buffer(bytes(value))}
        if isinstance(value, (list, tuple, dict, set, frozenset)):
            return self._container(value, depth + 1)
        return self._array(value) or self._other(value, depth)

    def _number(self, value: Any) -> Any:
        if isinstance(value, int):
            value = int(value)
            return value if abs(value) < 1 << 63 else {"i": hex(value)}
        if _module("numpy") is not None and isinstance(value, _module("numpy").generic):
            return self._array(value)
        if isinstance(value, float):
            return float(value) if math.isfinite(value) else {"f": repr(float(value))}
        value = complex(value)
        return {"c": [self._number(value.real), self._number(value.imag)]}

    def _container(self, value: Any, depth: int) -> Any:
        if isinstance(value, dict):
            return {"d": [[self.tree(k, depth), self.tree(v, depth)] for k, v in dict.items(value)]}
        tag = next(
            tag
            for tag, kind in (("l", list), ("t", tuple), ("s", set), ("z", frozenset))
            if isinstance(value, kind)
        )
        return {tag: [self.tree(item, depth) for item in value]}

    def _array(self, value: Any) -> Any:
        torch, numpy = _module("torch"), _module("numpy")
        if torch is not None and isinstance(value, torch.Tensor):
            return self._tensor(value, torch)
        if numpy is not None and isinstance(value, (numpy.ndarray, numpy.generic)):
            array = numpy.asarray(value)
            if array.dtype.kind not in ARRAY_KINDS:
                return None
            tag = "n" if isinstance(value, numpy.generic) else "a"
            data = numpy.ascontiguousarray(array).reshape(-1).view(numpy.uint8) if array.size else b""
            return {tag: [array.dtype.str, list(array.shape), self._buffer(data)]}
        if torch is not None and isinstance(value, torch.dtype):
            return {"y": str(value).removeprefix("torch.")}
        return None

    def _tensor(self, value: Any, torch: Any) -> Any:
        name = str(value.dtype).removeprefix("torch.")
        if value.layout is not torch.strided or value.device.type != "cpu" or name not in TENSOR_DTYPES:
            return None
        plain = (
            value.detach()
            .resolve_conj()
            .resolve_neg()
            .clone(memory_format=torch.contiguous_format)
            .reshape(-1)
        )
        data = plain.view(torch.uint8).numpy() if plain.numel() else b""
        return {"T": [name, list(value.shape), self._buffer(data), bool(value.requires_grad)]}

    def _other(self, value: Any, depth: int) -> Any:
        if value is ...:
            return {"e": 0}
        if isinstance(value, slice):
            return {"x": [self.tree(part, depth + 1) for part in (value.start, value.stop, value.step)]}
        if isinstance(value, range):
            return {"r": [self._number(part) for part in (value.start, value.stop, value.step)]}
        kind = type(value)
        if (random := _random(value)) is not None:
            return {"g": [random[0], self.tree(random[1], depth + 1)]}
        if dataclasses.is_dataclass(kind) and f"{kind.__module__}.".startswith(OWN):
            fields = {f.name: self.tree(getattr(value, f.name), depth + 1) for f in dataclasses.fields(kind)}
            return {"D": [kind.__module__, kind.__qualname__, fields]}
        if self.refer is None:
            raise NotData(f"a {kind.__name__} cannot cross")
        return {"h": self.refer(value)}

    def _buffer(self, data: Any) -> int:
        self._count(memoryview(data).nbytes)
        self.buffers.append(data)
        return len(self.buffers) - 1

    def _count(self, size: int) -> None:
        self.bytes += size
        if len(self.buffers) >= MOST_BUFFERS:
            raise NotData(f"more than {MOST_BUFFERS:,} arrays in one value; stack them")
        if self.bytes > self.most:
            raise NotData(f"larger than the {self.most >> 20} MB that may cross at once")


class _Reader:
    def __init__(self, buffers: list, resolve: Callable[[Any], Any] | None) -> None:
        self.buffers, self.resolve = buffers, resolve
        self.items = 0

    def value(self, tree: Any, depth: int) -> Any:
        if tree is None or isinstance(tree, (bool, int, float, str)):
            return tree
        self.items += 1
        if self.items > MOST_ITEMS or depth > DEEPEST:
            raise NotData("too many values, or nested too deeply")
        if not isinstance(tree, dict) or len(tree) != 1:
            raise NotData(f"not a value: {str(tree)[:80]}")
        ((tag, content),) = tree.items()
        read = getattr(self, f"_{tag}", None) if len(tag) == 1 else None
        if read is None:
            raise NotData(f"no such kind of value: {tag[:20]!r}")
        return read(content, depth + 1)

    def _list(self, content: Any, depth: int) -> list:
        if not isinstance(content, list):
            raise NotData("expected a list of values")
        return [self.value(item, depth) for item in content]

    def _l(self, content: Any, depth: int) -> list:
        return self._list(content, depth)

    def _t(self, content: Any, depth: int) -> tuple:
        return tuple(self._list(content, depth))

    def _s(self, content: Any, depth: int) -> set:
        found = set()
        for item in self._list(
            content, depth
        ):  # one by one, so that a set of colliding items can be interrupted
            found.add(item)
        return found

    def _z(self, content: Any, depth: int) -> frozenset:
        return frozenset(self._s(content, depth))

    def _d(self, content: Any, depth: int) -> dict:
        return {self.value(key, depth): self.value(value, depth) for key, value in content}

    def _i(self, content: Any, depth: int) -> int:
        return int(content, 16)

    def _f(self, content: Any, depth: int) -> float:
        return {"inf": math.inf, "-inf": -math.inf, "nan": math.nan}[content]

    def _c(self, content: Any, depth: int) -> complex:
        real, imaginary = (float(self.value(part, depth)) for part in content)
        return complex(real, imaginary)

    def _b(self, content: Any, depth: int) -> bytes:
        return bytes(self._bytes(content))

    def _e(self, content: Any, depth: int) -> Any:
        return ...

    def _x(self, content: Any, depth: int) -> slice:
        start, stop, step = self._list(content, depth)
        return slice(start, stop, step)

    def _r(self, content: Any, depth: int) -> range:
        made = range(*self._list(content, depth))
        if made and (abs(made[-1] - made[0]) // abs(made.step)) >= MOST_ITEMS:
            raise NotData(f"a range of more than {MOST_ITEMS:,} numbers")
        return made

    def _y(self, content: Any, depth: int) -> Any:
        return getattr(importlib.import_module("torch"), _one_of(content, TENSOR_DTYPES))

    def _a(self, content: Any, depth: int) -> Any:
        numpy = importlib.import_module("numpy")
        text, shape, index = content
        if not (isinstance(text, str) and ARRAY_TYPE.fullmatch(text)):
            raise NotData(f"no array of that type: {str(text)[:40]}")
        dtype = numpy.dtype(text)
        if dtype.kind not in ARRAY_KINDS or dtype.itemsize == 0:
            raise NotData(f"no array of that type: {str(text)[:40]}")
        data = self._bytes(index, _count(shape) * dtype.itemsize)
        if not data:
            return numpy.empty(shape, dtype)
        if dtype.kind == "b":  # a byte that is neither 0 nor 1 would be a truth value of its own
            return (numpy.frombuffer(data, numpy.uint8) != 0).reshape(shape)
        return numpy.frombuffer(data, dtype).reshape(shape)

    def _n(self, content: Any, depth: int) -> Any:
        return self._a(content, depth)[()]

    def _T(self, content: Any, depth: int) -> Any:
        torch = importlib.import_module("torch")
        name, shape, index, wants_gradient = content
        dtype = getattr(torch, _one_of(name, TENSOR_DTYPES))
        data = self._bytes(index, _count(shape) * dtype.itemsize)
        flat = torch.frombuffer(data, dtype=torch.uint8) if data else torch.empty(0, dtype=torch.uint8)
        tensor = (flat != 0 if dtype is torch.bool else flat.view(dtype)).reshape(shape)
        return tensor.requires_grad_() if wants_gradient is True else tensor

    def _g(self, content: Any, depth: int) -> Any:
        name, state = content
        state = self.value(state, depth)
        if name == "torch":
            return importlib.import_module("torch").Generator().set_state(state)
        bits = getattr(importlib.import_module("numpy.random"), _one_of(name, BIT_GENERATORS))()
        bits.state = state
        return importlib.import_module("numpy.random").Generator(bits)

    def _D(self, content: Any, depth: int) -> Any:
        module, name, fields = content
        if not isinstance(module, str) or not f"{module}.".startswith(OWN):
            raise NotData("no dataclass of the course")
        kind = getattr(importlib.import_module(module), name, None) if _is_data_module(module) else None
        if not (isinstance(kind, type) and dataclasses.is_dataclass(kind) and kind.__module__ == module):
            raise NotData("no dataclass of the course")
        return kind(**{key: self.value(value, depth) for key, value in fields.items()})

    def _h(self, content: Any, depth: int) -> Any:
        if self.resolve is None:
            raise NotData("no references here")
        return self.resolve(content)

    def _bytes(self, index: Any, size: int | None = None) -> Any:
        if type(index) is not int or not 0 <= index < len(self.buffers):
            raise NotData("no such buffer")
        data, self.buffers[index] = self.buffers[index], None
        if data is None:
            raise NotData("a buffer was used twice")
        if size is not None and len(data) != size:
            raise NotData(f"{len(data):,} bytes where the shape needs {size:,}")
        return data


def _is_data_module(name: str) -> bool:
    """Whether that module of ours may be imported because somebody else names it: the grader's may not."""
    return not f"{name}.".startswith((f"{OWN}grading.", f"{OWN}cli.", f"{OWN}training."))


def _random(value: Any) -> tuple[str, Any] | None:
    """A random generator's kind and state: the copy draws the same numbers, and the original is not advanced."""
    torch, numpy = _module("torch"), _module("numpy")
    if torch is not None and isinstance(value, torch.Generator):
        return "torch", value.get_state()
    if numpy is not None and isinstance(value, numpy.random.Generator):
        return type(value.bit_generator).__name__, value.bit_generator.state
    return None


def _count(shape: Any) -> int:
    if not isinstance(shape, list) or len(shape) > 32 or not all(type(n) is int and n >= 0 for n in shape):
        raise NotData("no shape")
    return math.prod(shape)


def _one_of(name: Any, allowed: list[str]) -> str:
    if name not in allowed:
        raise NotData(f"no such type: {str(name)[:40]}")
    return name


def _module(name: str) -> Any:
    """The module if this process has imported it; without it there can be no value of its types."""
    return sys.modules.get(name)
