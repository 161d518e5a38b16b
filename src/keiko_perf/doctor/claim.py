"""Claim: a part of the time that users wait, with the code of the cause that accounts for it."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, field
from typing import Any

from keiko_perf.doctor.codes import AWAITS, BETWEEN, BUSY, OUTSIDE, POOL, SLOW, THREADS, UNSEEN


@dataclass(slots=True, kw_only=True)
class Claim:
    """
    Attributes:
        code: of the cause.
        subject: what it is about.
        by_route: seconds, by route.
        pool_s: how much of that is waiting for connections that are held because of it.
        about: what the sentence about it needs.
    """

    code: str
    subject: str
    by_route: defaultdict[str, float] = field(default_factory=lambda: defaultdict(float))
    pool_s: float = 0.0
    about: dict[str, Any] = field(default_factory=dict)

    @property
    def total_s(self) -> float:
        return sum(self.by_route.values())

    @property
    def is_curable(self) -> bool:
        """Whether it is known how it could be gone."""
        if "reason" in self.about:
            return True
        return self.code not in (SLOW, BUSY, UNSEEN, AWAITS, OUTSIDE, POOL, THREADS, BETWEEN)
