"""
Allocator: what the C library holds on to though nobody uses it, and how to have it give that back.

Only glibc can be asked; elsewhere nothing is known, and nothing is done. Both calls go through all
free blocks: milliseconds, in which other threads run, but for those that want memory themselves.
"""

from __future__ import annotations

import ctypes
from functools import cache
from typing import Any, ClassVar


class _Mallinfo2(ctypes.Structure):
    # mallinfo2(3). Only `fordblks` is read: the bytes in free blocks, of all arenas.
    _names = (
        *("arena", "ordblks", "smblks", "hblks", "hblkhd"),
        *("usmblks", "fsmblks", "uordblks", "fordblks", "keepcost"),
    )
    _fields_: ClassVar[Any] = [(name, ctypes.c_size_t) for name in _names]


def trim() -> bool:
    """Let the C library give free pages back to the system; whether it could be asked."""
    call = _function("malloc_trim")
    if call is None:
        return False
    call(0)
    return True


def free_bytes() -> int | None:
    """
    How many bytes of what was asked for are in free blocks; None where that is not told.

    Blocks count also after their pages were given back, so only a rise says that there is more.
    """
    call = _function("mallinfo2")
    if call is None:
        return None
    call.restype = _Mallinfo2
    return int(call().fordblks)


@cache
def _function(name: str) -> Any:
    try:
        return getattr(ctypes.CDLL(None), name)
    except (AttributeError, OSError, TypeError):
        return None
