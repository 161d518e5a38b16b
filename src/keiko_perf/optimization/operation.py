"""
Operation: one thing to do on a database, which reads or writes, in whatever form it is given.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Coroutine, Iterable, Mapping
from dataclasses import dataclass, field
from inspect import isawaitable
from typing import Any

from keiko_perf.errors import UsageError

_NAMES = ("run", "operation", "func", "function", "execute", "query", "callable")
"""The names by which a mapping, or an object, may carry what is to be run; the first one counts."""


@dataclass(frozen=True, slots=True)
class Operation:
    """
    Attributes:
        run: an async function without arguments; of a write in one transaction it may take one
            without a default, the session or connection of that transaction.
        is_read: whether it changes nothing.
        name: what to call it in a report.
    """

    run: Callable[..., Awaitable[Any]] = field(repr=False)
    is_read: bool = True
    name: str = ""

    def __post_init__(self) -> None:
        # A caller without a type checker may pass anything.
        run: object = self.run
        is_read: object = self.is_read
        if not callable(run):
            raise UsageError(
                f"an operation cannot run {type(run).__name__}",
                cure="Give an async function without arguments",
            )
        if not isinstance(is_read, bool):
            raise UsageError(
                f"is_read={is_read!r} does not say whether the operation reads",
                cure="Give True or False",
            )


def as_operations(given: Iterable[Any]) -> list[Operation]:
    """
    What was given, as operations.

    Each is an Operation; an async function, or an object that can be called like one; a
    coroutine or another awaitable; or an object or mapping that carries one of these as `run`,
    `operation`, `func`, `function`, `execute`, `query` or `callable`. `is_read` and `name` are
    taken from it, if it has them.

    Raises:
        UsageError: one is none of these. Coroutines among the others are closed unrun.
    """
    given = list(given)
    try:
        return [_as_operation(one, index) for index, one in enumerate(given)]
    except UsageError:
        close_unrun(given)
        raise


def close_unrun(given: Iterable[Any]) -> None:
    """Close the coroutines among *given*, bare or in mappings and objects, that never ran."""
    for one in given:
        for held in (one, _carried(one)):
            if isinstance(held, Coroutine):
                held.close()


def _as_operation(given: Any, index: int) -> Operation:
    if isinstance(given, Operation):
        return given
    run = given if callable(given) or isawaitable(given) else _carried(given)
    if run is None:
        raise UsageError(
            f"operation {index} is {type(given).__name__}, in which there is nothing to run",
            cure=f"Give an async function, an Operation, or a mapping with one of {_NAMES}",
        )
    is_read, name = _attribute(given, "is_read", True), _attribute(given, "name", None)
    if not isinstance(name, str):
        name = getattr(run, "__qualname__", "")
    if isawaitable(run):
        return Operation(lambda: run, is_read, name)
    return Operation(run, is_read, name)


def _carried(given: Any) -> Any:
    """What a mapping or an object carries to be run; None if nothing."""
    for name in _NAMES:
        held = _attribute(given, name, None)
        if callable(held) or isawaitable(held):
            return held
    return None


def _attribute(given: Any, name: str, default: Any) -> Any:
    if isinstance(given, Mapping):
        return given.get(name, default)
    return getattr(given, name, default)
