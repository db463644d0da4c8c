"""Assertions whose messages teach, and fresh inputs for every attempt. What test cells are made of.

>>> from course_utils import checks
>>> rng = checks.seeded("attention")                       # new numbers for every attempt, the same when it is regraded
>>> q = checks.normal(rng, 2, 5, 3, 8)                     # float32 tensor
>>> out = checks.call(lambda q: q * 2, q)                  # also proves that `q` was left as it was
>>> checks.shape(out, (2, 5, 3, 8), "the result")
>>> checks.close(out, q * 2, "the result should be twice q")
"""

import contextlib
import copy
import hashlib
import math
import os
import secrets
from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.utils._python_dispatch import TorchDispatchMode

__all__ = ["call", "close", "far", "model_state", "normal", "one_of", "raises", "seeded", "shape", "tensor"]

elsewhere: Callable[[Any], dict[str, Any] | None] | None = None
"""Set by the examiner, where the student's copy of a model is in another process: gives that copy's state."""

_ATTEMPT = secrets.randbits(32)  # used where nobody set COURSE_SEED: a student's own kernel


def seeded(label: str = "") -> np.random.Generator:
    """A NumPy generator that is fresh for every attempt and reproducible within it.

    The seed is `$COURSE_SEED` (set by the grader) or drawn once per kernel; `label` keeps the tests of one attempt
    independent of each other and of their order.
    """
    attempt = os.environ.get("COURSE_SEED") or str(_ATTEMPT)
    digest = hashlib.sha256(f"{attempt}/{label}".encode()).digest()
    return np.random.default_rng(int.from_bytes(digest[:8], "big"))


def normal(rng: np.random.Generator, *size: int) -> Tensor:
    """A float32 tensor of that size with standard normal entries."""
    return torch.tensor(rng.standard_normal(size), dtype=torch.float32)


def tensor(value: Any, name: str) -> Tensor:
    """`value` itself, or an AssertionError that says what came instead of a tensor."""
    if value is None or value is ...:
        raise AssertionError(
            f"{name} is {value}: expected a tensor. Is the `...` replaced, and is there a `return`?"
        )
    if not isinstance(value, Tensor):
        raise AssertionError(f"{name} is a {type(value).__name__}, expected a torch tensor.")
    if value.is_floating_point() and not torch.isfinite(value).all():
        raise AssertionError(
            f"{name} contains {_nonfinite(value)}. A row without any finite score gives nan."
        )
    return value


def shape(value: Any, want: tuple[int, ...], name: str) -> Tensor:
    """`value` if it is a tensor of shape `want`, else an AssertionError with both shapes."""
    found = tuple(tensor(value, name).shape)
    if found != tuple(want):
        raise AssertionError(f"{name} has shape {found}, expected {tuple(want)}. Check which axis is which.")
    return value


def close(got: Any, want: Any, message: str, atol: float = 1e-4) -> None:
    """Passes if `got` and `want` (numbers, arrays or tensors) agree to `atol` in every entry.

    The AssertionError is `message`, then the largest difference and where it is.
    """
    got_t, want_t = (torch.as_tensor(x).detach().to(torch.float64) for x in (_number(got, message), want))
    if got_t.shape != want_t.shape:
        raise AssertionError(f"{message} (shape {tuple(got_t.shape)}, expected {tuple(want_t.shape)})")
    if got_t.numel() == 0:
        return
    gap = (got_t - want_t).abs().nan_to_num(nan=float("inf"))
    if gap.max() > atol:
        where = tuple(int(i) for i in np.unravel_index(int(gap.argmax()), tuple(gap.shape)))
        raise AssertionError(
            f"{message} (largest difference {gap.max():.3g}"
            + (f" at index {where}" if where else "")
            + f": got {got_t[where]:.4g}, expected {want_t[where]:.4g})"
        )


def far(got: Any, other: Any, message: str, atol: float = 1e-3) -> None:
    """Passes if `got` and `other` differ by more than `atol` somewhere: the opposite of `close`."""
    if torch.allclose(torch.as_tensor(got).double(), torch.as_tensor(other).double(), rtol=0, atol=atol):
        raise AssertionError(message)


def one_of(value: Any, choices: str, name: str) -> str:
    """The one letter of `choices` that `value` is, blanks and case aside; an AssertionError says how to write it."""
    letter = value.strip().upper() if isinstance(value, str) else ""
    if len(letter) != 1 or letter not in choices:
        allowed = ", ".join(repr(c) for c in choices)
        raise AssertionError(f"{name} should be one letter in quotes ({allowed}); it is {value!r}.")
    return letter


def raises(
    kind: type[Exception] | tuple[type[Exception], ...], function: Callable[..., Any], *args: Any
) -> str:
    """The message of the exception of that kind that `function(*args)` raises; an AssertionError if it raises none."""
    wanted = " or ".join(k.__name__ for k in (kind if isinstance(kind, tuple) else (kind,)))
    try:
        result = function(*args)
    except kind as error:
        return str(error)
    except Exception as error:
        raise AssertionError(f"expected {wanted}, but {type(error).__name__} was raised: {error}") from None
    raise AssertionError(
        f"expected {wanted}, but {_name(function)} returned {type(result).__name__} without complaint."
    )


def call(function: Callable[..., Any], *args: Any, max_entries: int | None = None, **kwargs: Any) -> Any:
    """What `function(*args, **kwargs)` returns, after proving that it left every argument as it was.

    A function that returns nothing gets an AssertionError that says so: an exercise not yet begun.

    Tensors, arrays, lists and dicts are compared with copies; models by `model_state` (hooks, weights, train or eval
    mode). Test cells use it instead of calling directly wherever "the input is not modified" is part of the contract.
    With `max_entries`, an operation that makes a larger tensor stops with an AssertionError before memory runs out.
    """
    beyond = getattr(type(function), "__checked_call__", None)
    if beyond is not None:  # the function is in the student's process: so is the call, and what it may change
        return beyond(function, args, kwargs, max_entries)
    named = [*((f"argument {i + 1}", a) for i, a in enumerate(args)), *kwargs.items()]
    before = [(name, value, _snapshot(value)) for name, value in named]
    with _SizeGuard(max_entries) if max_entries else contextlib.nullcontext():
        result = function(*args, **kwargs)
    for name, value, old in before:
        complaint = _changed(value, old)
        if complaint:
            raise AssertionError(f"{_name(function)} changed its {name}: {complaint}")
    if result is None or result is ...:
        raise AssertionError(
            f"{_name(function)} returned {result}. Is the `...` replaced, and is there a `return`?"
        )
    return result


def model_state(model: nn.Module) -> dict[str, Any]:
    """Counts and sums that change when hooks stay behind, weights are edited or the mode is switched."""
    if elsewhere is not None and (state := elsewhere(model)) is not None:
        return state
    hooks = sum(
        len(m._forward_hooks) + len(m._forward_pre_hooks) + len(m._backward_hooks) for m in model.modules()
    )
    weights = tuple(
        (p._version, p.data_ptr(), float(p.detach().reshape(-1)[:4096].double().sum()))
        for p in model.parameters()
    )
    return {"hooks": hooks, "weights": weights, "training": model.training}


class _SizeGuard(TorchDispatchMode):
    """Refuses tensors that are too large; matrix products before they are computed, all else right after."""

    def __init__(self, max_entries: int) -> None:
        super().__init__()
        self.max_entries = max_entries

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        kwargs = kwargs or {}
        if func in (
            torch.ops.aten.mm.default,
            torch.ops.aten.bmm.default,
        ):  # products are what grows without warning
            self._refuse_if_large((*args[0].shape[:-1], args[1].shape[-1]))
        result = func(*args, **kwargs)
        if isinstance(result, Tensor):
            self._refuse_if_large(tuple(result.shape))
        return result

    def _refuse_if_large(self, size: tuple[int, ...]) -> None:
        if math.prod(size) > self.max_entries:
            raise AssertionError(
                f"a tensor of shape {tuple(size)} was made on the way: {math.prod(size):,} entries, "
                f"allowed are {self.max_entries:,}. Multiply in another order, or keep the factors apart."
            )


_ADVICE = {
    "hooks": "a hook was left on the model. Use `run_with_hooks`, or `with model.hooks(...)`, which remove them. "
    "Until you call the model's `reset_hooks()`, or restart the kernel, this one changes every later result.",
    "weights": "the model's weights are not what they were.",
    "training": "the model is no longer in the mode (train or eval) that it was in.",
}


def _snapshot(value: Any) -> Any:
    if isinstance(value, nn.Module):
        return model_state(value)
    if isinstance(value, Tensor):
        return value.detach().clone()
    return copy.deepcopy(value) if isinstance(value, np.ndarray | list | dict | set) else None


def _changed(value: Any, old: Any) -> str | None:
    if isinstance(value, nn.Module):
        new = model_state(value)
        return next((_ADVICE[key] for key in new if new[key] != old[key]), None)
    if isinstance(value, Tensor):
        same = value.shape == old.shape and torch.equal(value.nan_to_num(), old.nan_to_num())
        return None if same else "work on a copy (`.clone()`), or use operations that return a new tensor."
    if isinstance(value, np.ndarray):
        return None if np.array_equal(value, old) else "work on a copy (`.copy()`)."
    if isinstance(value, list | dict | set):
        return None if _plain(value) == _plain(old) else "work on a copy."
    return None


def _plain(value: Any) -> Any:
    """`value` with tensors and arrays as nested lists, so that == gives one truth value."""
    if isinstance(value, Tensor | np.ndarray):
        return value.tolist()
    if isinstance(value, dict):
        return {k: _plain(v) for k, v in value.items()}
    return [_plain(v) for v in value] if isinstance(value, list | tuple) else value


def _number(value: Any, message: str) -> Any:
    if isinstance(value, Tensor | np.ndarray | float | int | list | tuple | np.generic):
        return value
    raise AssertionError(f"{message} (got {value!r} instead of a number or tensor; is there a `return`?)")


def _nonfinite(value: Tensor) -> str:
    return "nan" if torch.isnan(value).any() else "infinity"


def _name(function: Callable[..., Any]) -> str:
    return getattr(function, "__name__", "your function")
