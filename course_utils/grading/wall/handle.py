"""An object of the student's that stays in the student's process, as the examiner sees it.

>>> stack = student.get("Stack")()                  # doctest: +SKIP
>>> stack.push(3)                                   # runs in the student's process, doctest: +SKIP
"""

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from course_utils.grading.wall.student import Student

__all__ = ["Handle", "number_of"]

DECISIONS = frozenset({"all", "allclose", "any", "eq", "equal", "isclose", "ne"})
"""Methods by which tests compare arrays and tensors: no object of the student's may answer to them."""


class Handle:
    """An object of the student's that stays in the student's process.

    Its methods all ask that process; what they return is data, or another handle.
    """

    __slots__ = ("_Handle__kind", "_Handle__name", "_Handle__number", "_Handle__student", "_Handle__type")

    def __init__(self, student: "Student", number: int, kind: str, name: str, type_: str) -> None:
        for slot, value in (
            ("number", number),
            ("kind", kind),
            ("name", name),
            ("type", type_),
            ("student", student),
        ):
            object.__setattr__(self, f"_Handle__{slot}", value)

    def __ask(self, op: str, _values: tuple[str, ...] = (), **fields: Any) -> Any:
        return self.__student.ask(op, _values=_values, target=self.__number, **fields)

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        return self.__ask("call", ("args", "kwargs"), args=args, kwargs=kwargs)

    def __checked_call__(self, args: tuple, kwargs: dict[str, Any], max_entries: int | None) -> Any:
        """`checks.call` of this function, on the other side."""
        return self.__ask("checked_call", ("args", "kwargs"), args=args, kwargs=kwargs, most=max_entries)

    def __getattr__(self, name: str) -> Any:
        if name in ("__name__", "__qualname__") and self.__name:
            return self.__name
        if name.startswith("_"):
            raise AttributeError(
                f"{name!r} is not public: a test reads public attributes of a student's object"
            )
        if name in DECISIONS:
            raise AttributeError(
                f"this is a {self.__type} of your own, no array or tensor: it has no {name!r}"
            )
        return self.__ask("getattr", name=name)

    def __setattr__(self, name: str, value: Any) -> None:
        if name.startswith("_"):
            raise AttributeError(f"{name!r} is not public")
        self.__ask("setattr", ("value",), name=name, value=value)

    def __getitem__(self, key: Any) -> Any:
        return self.__ask("getitem", ("key",), key=key)

    def __setitem__(self, key: Any, value: Any) -> None:
        self.__ask("setitem", ("key", "value"), key=key, value=value)

    def __len__(self) -> int:
        length = self.__ask("len")
        if type(length) is not int:
            raise TypeError(f"the length of a {self.__type} is no whole number")
        return length

    def __bool__(self) -> bool:
        return True

    def __iter__(self) -> Iterator[Any]:
        return self.__ask("iter")

    def __next__(self) -> Any:
        return self.__ask("next")

    def __instancecheck__(self, value: Any) -> bool:
        return isinstance(value, Handle) and self.__ask("is_a", ("value",), value=value) is True

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Handle) and number_of(self) == number_of(other)

    def __hash__(self) -> int:
        return hash(("student's object", self.__number))

    def __repr__(self) -> str:
        return f"<the student's {self.__name or self.__type}>"

    __str__ = __repr__


def number_of(handle: Handle) -> int:
    """The number under which the student's process keeps the object."""
    return object.__getattribute__(handle, "_Handle__number")
