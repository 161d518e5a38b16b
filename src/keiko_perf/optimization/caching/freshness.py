"""
Freshness: how long what a cache keeps is good for, and what may be done with it afterwards.
"""

from __future__ import annotations

from dataclasses import dataclass

from keiko_perf.errors import UsageError


@dataclass(frozen=True, slots=True, kw_only=True)
class Freshness:
    """
    Attributes:
        ttl_s: how long a value is good for; None: as long as there is room.
        ttl_jitter: the share of this by which it is shortened at random, 0 to 1.
        stale_s: for how long after that it may be handed out while it is loaded anew.
        negative_ttl_s: how long it is good for that there is nothing; None: None is a value like
            any other, and no error is kept.
        negative_errors: the errors that say that there is nothing.

    Raises:
        UsageError: a number makes no sense, or one is missing.
    """

    ttl_s: float | None = None
    ttl_jitter: float = 0.0
    stale_s: float = 0.0
    negative_ttl_s: float | None = None
    negative_errors: type[Exception] | tuple[type[Exception], ...] = ()

    def __post_init__(self) -> None:
        checked_ttl(self.ttl_s)
        checked_ttl(self.negative_ttl_s)
        if not 0 <= self.ttl_jitter <= 1:
            raise UsageError(
                f"ttl_jitter={self.ttl_jitter!r} is no share", cure="Give a number from 0 to 1"
            )
        if not self.stale_s >= 0 or (self.stale_s and self.ttl_s is None):
            raise UsageError(
                f"stale_s={self.stale_s!r} is for what has had its time",
                cure="Give a stale_s from 0 on, and a ttl_s with it",
            )
        if self.negative_errors and self.negative_ttl_s is None:
            raise UsageError(
                "negative_errors are kept for negative_ttl_s, which is not given",
                cure="Give negative_ttl_s as well",
            )

    def good_s(self, *, is_nothing: bool, ttl_s: float | None, chance: float) -> float | None:
        """
        How long something is good for.

        Args:
            is_nothing: whether it is that there is nothing.
            ttl_s: how long, if not as long as all others.
            chance: what decides about the jitter, 0 to 1.
        """
        if is_nothing and self.negative_ttl_s is not None:
            good_s: float | None = self.negative_ttl_s
        else:
            good_s = self.ttl_s if ttl_s is None else checked_ttl(ttl_s)
        return None if good_s is None else good_s * (1 - self.ttl_jitter * chance)


def checked_ttl(ttl_s: float | None) -> float | None:
    """*ttl_s*, if it is a time for which something can be good."""
    if ttl_s is not None and not ttl_s > 0:
        raise UsageError(
            f"a value that is good for {ttl_s!r} s is never good",
            cure="Give a positive ttl_s, or None for no limit",
        )
    return ttl_s
