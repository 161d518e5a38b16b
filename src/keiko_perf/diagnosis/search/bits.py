"""
Bits: sets of candidates as numbers, one bit each, so that they are compared in one step.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

Bits = int
"""A set of candidates."""


def bits_of(some: Bits) -> Iterator[int]:
    """The numbers of the candidates in a set, in ascending order."""
    while some:
        low = some & -some
        yield low.bit_length() - 1
        some ^= low


def set_of(numbers: Iterable[int]) -> Bits:
    """The set of some candidates."""
    some = 0
    for one in numbers:
        some |= 1 << one
    return some


def without(some: Bits, *numbers: int) -> Bits:
    """The set without these candidates."""
    return some & ~set_of(numbers)
