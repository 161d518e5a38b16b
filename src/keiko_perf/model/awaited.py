"""
AwaitedAt: where requests were seen to wait for something that nothing watches.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class AwaitedAt:
    """
    Where requests of a route were seen to await.

    Attributes:
        route: theirs.
        place: the line of the application that awaits; of a package, where there is none.
        stack: from the outermost line to where it ends.
        looks: in how many looks.
    """

    route: str
    place: str
    stack: tuple[str, ...]
    looks: int
