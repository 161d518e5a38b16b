"""
Checks: whether an answer is what a scenario expects, and in a few words why not.

The words don't vary with what the service said, so that a thousand equal failures are one line.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from typing import Any, Protocol


class Checked(Protocol):
    """What is looked at of an answer."""

    @property
    def status(self) -> int: ...

    @property
    def text(self) -> str: ...

    def json(self) -> Any: ...


def why_not(
    answer: Checked,
    *,
    status: int | Collection[int] | None = None,
    json: object = None,
    contains: str | None = None,
) -> str:
    """
    Why *answer* is not as it should be; empty if it is.

    Args:
        answer: what is looked at.
        status: the status, or several that are as good.
        json: what the JSON body holds: of a mapping the given keys with equal values, at any
            depth, and else an equal value. A function gets the body and says whether it is right.
        contains: a text within the body.
    """
    if status is not None:
        expected = (status,) if isinstance(status, int) else tuple(sorted(status))
        if answer.status not in expected:
            wanted = " or ".join(map(str, expected))
            return f"status {answer.status}, not {wanted}"
    if contains is not None and contains not in answer.text:
        return f"the body does not contain {contains!r}"
    if json is not None:
        return _why_not_json(answer, json)
    return ""


def difference(found: object, expected: object, where: str = "") -> str:
    """Where *found* lacks what *expected* holds; empty if it lacks nothing."""
    if isinstance(expected, Mapping):
        if not isinstance(found, Mapping):
            return f"{where or 'the JSON'} is no object"
        for key, value in expected.items():
            inner = f"{where}.{key}" if where else str(key)
            if key not in found:
                return f"{inner} is missing"
            if words := difference(found[key], value, inner):
                return words
        return ""
    # True is 1 in Python and not in JSON.
    is_same = found == expected and isinstance(found, bool) == isinstance(expected, bool)
    return "" if is_same else f"{where or 'the JSON'} is not {expected!r:.60}"


def _why_not_json(answer: Checked, expected: object) -> str:
    found = answer.json()
    if callable(expected):
        judge: Callable[[Any], object] = expected
        name = getattr(judge, "__name__", "the function")
        return "" if judge(found) else f"the JSON does not hold {name}"
    return difference(found, expected)
