"""
How much memory a value takes, estimated, at a bounded cost.

A value counts with all that it refers to, however deep, each object once, as `sys.getsizeof`
gives it. Not counted: classes, functions, modules (they are there anyway), None, booleans, small
integers, what the allocator rounds up, and what a C extension does not tell. Of a container with
more than 256 entries as many are looked at, evenly spread, and stand for the rest; after 10,000
objects what is left is taken to be like those seen. On values made of strings, numbers,
containers and plain objects the estimate is within 25 % of what the interpreter allocates.

An object that hangs on to the rest of the program, such as an ORM instance in its session,
counts with what it hangs on to: give its size, or detach it first.
"""

from __future__ import annotations

import gc
from collections import deque
from sys import getsizeof
from types import BuiltinFunctionType, CodeType, FrameType, FunctionType, ModuleType
from typing import Any

_SAMPLE = 256
_MOST_OBJECTS = 10_000
_SHARED = (bool, type, FunctionType, BuiltinFunctionType, ModuleType, CodeType, FrameType)
_SMALL = range(-5, 257)  # the integers that CPython has anyway
_WITHOUT_REFERENTS = frozenset({str, bytes, int, float, complex, bytearray})


def size_of(value: object) -> int:
    """About how many bytes *value* takes."""
    if type(value) in _WITHOUT_REFERENTS:
        return getsizeof(value)
    seen: set[int] = set()
    # An object, and how many others it stands for, itself included.
    left: deque[tuple[Any, float]] = deque([(value, 1.0)])
    size = weighed = 0.0
    for _ in range(_MOST_OBJECTS):
        if not left:
            return round(size)
        one, weight = left.popleft()
        if id(one) in seen or _is_shared(one):
            continue
        seen.add(id(one))
        size += weight * getsizeof(one, 64)
        weighed += weight
        if type(one) not in _WITHOUT_REFERENTS:
            left.extend(_referents(one, weight))
    return round(size + size / max(weighed, 1.0) * sum(weight for _, weight in left))


def _referents(one: object, weight: float) -> list[tuple[Any, float]]:
    # This reads what the garbage collector reads: no property and no stranger's code is run.
    referents = gc.get_referents(one)
    if len(referents) <= 2 * _SAMPLE:
        return [(referent, weight) for referent in referents]
    if isinstance(one, dict):
        # Keys and values take turns: an even sample of the pairs.
        pairs = len(referents) // 2
        chosen = [2 * (i * pairs // _SAMPLE) + side for i in range(_SAMPLE) for side in (0, 1)]
    else:
        chosen = [i * len(referents) // _SAMPLE for i in range(_SAMPLE)]
    share = weight * len(referents) / len(chosen)
    return [(referents[i], share) for i in chosen]


def _is_shared(one: object) -> bool:
    if one is None or isinstance(one, _SHARED):
        return True
    return type(one) is int and one in _SMALL
