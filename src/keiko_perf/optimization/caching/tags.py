"""
Tags: which keys belong to a tag, so that all of them can be forgotten together.
"""

from __future__ import annotations

from collections.abc import Hashable, Iterable
from typing import Generic, TypeVar

K = TypeVar("K", bound=Hashable)


class Tags(Generic[K]):
    """The tags of the keys that are kept or are being loaded; bounded by those."""

    def __init__(self) -> None:
        self._of: dict[K, frozenset[Hashable]] = {}
        self._keys: dict[Hashable, set[K]] = {}

    def put(self, key: K, tags: Iterable[Hashable]) -> None:
        """*key* belongs to *tags*, and to no others."""
        new = frozenset(tags)
        if new == self._of.get(key, frozenset()):
            return
        self.remove(key)
        if new:
            self._of[key] = new
        for tag in new:
            self._keys.setdefault(tag, set()).add(key)

    def remove(self, key: K) -> None:
        """*key* belongs to no tag."""
        for tag in self._of.pop(key, ()):
            keys = self._keys[tag]
            keys.discard(key)
            if not keys:
                del self._keys[tag]

    def keys(self, tag: Hashable) -> list[K]:
        """What belongs to *tag*."""
        return list(self._keys.get(tag, ()))

    def clear(self) -> None:
        """Nothing belongs to anything."""
        self._of.clear()
        self._keys.clear()
