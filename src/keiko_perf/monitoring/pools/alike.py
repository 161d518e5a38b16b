"""
Alike: classes that are another class but for some methods, for what has no events to listen to.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any


class Alike:
    """
    Makes of each class one that is alike, once; none of one that it made, or that was made of such.

    Args:
        methods: those that differ, of a class.
    """

    def __init__(self, methods: Callable[[Any], Mapping[str, Any]]) -> None:
        self._methods = methods
        self._of: dict[type, type] = {}
        self._made: set[type] = set()

    def of(self, own: type) -> type:
        """What takes the place of *own*; itself if it is one already."""
        if not self._made.isdisjoint(own.__mro__):
            return own
        if own not in self._of:
            names = {
                "__slots__": (),
                "__module__": own.__module__,
                "__qualname__": own.__qualname__,
            }
            made = type(own)(own.__name__, (own,), {**names, **self._methods(own)})
            self._of[own] = made
            self._made.add(made)
        return self._of[own]
