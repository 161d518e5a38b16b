"""
Lanes: arrays of counts that are added, narrowed and widened as one long number.

Windows are merged, packed and unpacked by the hundred, and a loop over their buckets would be most
of the work. Sums of whole numbers of any length, and slices of bytes, are loops of the
interpreter's own. No count comes near 2^64, so none ever carries into its neighbour.
"""

from __future__ import annotations

from array import array
from collections.abc import Iterable
from sys import byteorder


def added(ours: array[int], theirs: array[int]) -> array[int]:
    """The sums of two arrays of one length, as of one long number: no bucket comes near 2^64."""
    whole = int.from_bytes(ours, byteorder) + int.from_bytes(theirs, byteorder)
    return array("Q", whole.to_bytes(len(ours) * 8, byteorder))


def summed(parts: Iterable[tuple[int, array[int]]], length: int) -> array[int]:
    """The sums of several arrays, each from its own place on, in an array of *length*."""
    whole = 0
    for first, counts in parts:
        away = first if byteorder == "little" else length - first - len(counts)
        whole += int.from_bytes(counts, byteorder) << 64 * away
    return array("Q", whole.to_bytes(length * 8, byteorder))


def narrowed(counts: array[int], width: int) -> bytes:
    """The lowest *width* bytes of each count, little-endian."""
    raw = _little(counts).tobytes()
    narrow = bytearray(len(counts) * width)
    for number in range(width):
        narrow[number::width] = raw[number::8]
    return bytes(narrow)


def narrowest(counts: array[int]) -> bytes | None:
    """The same of one byte each; None if they do not fit, which is found without a look at each."""
    raw = _little(counts).tobytes()
    narrow = raw[::8]
    wide = bytearray(len(raw))
    wide[::8] = narrow
    return narrow if wide == raw else None


def widened(narrow: bytes, width: int) -> array[int]:
    """Undo `narrowed`."""
    raw = bytearray(len(narrow) // width * 8)
    for number in range(width):
        raw[number::8] = narrow[number::width]
    return _little(array("Q", bytes(raw)))


def _little(counts: array[int]) -> array[int]:
    """*counts*, with their bytes the other way round on a machine that is not little-endian."""
    if byteorder == "big":
        counts = counts[:]
        counts.byteswap()
    return counts
