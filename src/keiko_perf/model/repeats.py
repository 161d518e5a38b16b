"""
Repeats: how often the same was asked again, and what a cache would have spared.

A cache is played beside what really happens: it would have kept each answer for so long, and have
given it to whoever asked the same meanwhile. What it would have said is compared with what was
said, so it is known as well how often it would have been out of date.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace

from keiko_perf.model.series import Kind

TTLS_S = (1.0, 10.0, 60.0, 600.0)
"""For how long the caches that are played keep an answer."""
MAX_REPEATS = 100
"""How many subjects are told; those that took the least time are left out."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Kept:
    """
    What a cache would have done that keeps each answer for so long.

    Attributes:
        ttl_s: how long.
        hits: how many questions it would have answered.
        stale: how many of these otherwise than they were answered.
        spared_s: how long they took.
    """

    ttl_s: float
    hits: int = 0
    stale: int = 0
    spared_s: float = 0.0

    def __post_init__(self) -> None:
        if not 0 <= self.stale <= self.hits or not self.spared_s >= 0:
            raise ValueError("what a cache says out of date, it says")


@dataclass(frozen=True, slots=True, kw_only=True)
class Repeats:
    """
    How often one endpoint, statement or function was asked for the same again.

    Attributes:
        kind: what it is; None of a function.
        subject: which, such as `GET /agents`.
        calls: how often it was looked at.
        took_s: how long these calls took.
        kept: what caches would have done, the one that keeps for the shortest time first.
    """

    kind: Kind | None = None
    subject: str
    calls: int
    took_s: float
    kept: tuple[Kept, ...]

    def __post_init__(self) -> None:
        if (
            self.calls < 1
            or not self.took_s >= 0
            or any(self.calls < one.hits for one in self.kept)
        ):
            raise ValueError("what was asked again was looked at")

    def merge(self, other: Repeats) -> Repeats:
        """Both as one."""
        kept = {one.ttl_s: one for one in self.kept}
        for one in other.kept:
            known = kept.get(one.ttl_s, Kept(ttl_s=one.ttl_s))
            kept[one.ttl_s] = Kept(
                ttl_s=one.ttl_s,
                hits=known.hits + one.hits,
                stale=known.stale + one.stale,
                spared_s=known.spared_s + one.spared_s,
            )
        return replace(
            self,
            calls=self.calls + other.calls,
            took_s=self.took_s + other.took_s,
            kept=tuple(kept[ttl_s] for ttl_s in sorted(kept)),
        )


def merged_repeats(repeats: Iterable[Repeats], *, most: int = MAX_REPEATS) -> tuple[Repeats, ...]:
    """One for each subject, that which took the most time first; at *most* so many."""
    known: dict[tuple[str, str], Repeats] = {}
    for one in repeats:
        key = one.kind or "", one.subject
        before = known.get(key)
        known[key] = one if before is None else before.merge(one)
    return tuple(sorted(known.values(), key=lambda one: (-one.took_s, one.subject))[:most])
