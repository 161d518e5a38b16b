"""
Queue: who waits for a place, who is next, and who has waited long enough.

Three disciplines:
- `fifo`: first come, first served. Under a lasting overload everybody waits as long as is allowed.
- `lifo`: the newest first. Under a lasting overload most are served at once, and some never.
- `codel`: first come, first served as long as the queue is a passing one. Once it has stood for
  `interval_s` without being empty, and others go on coming, the newest is served first, and whoever
  has waited longer than `target_s` is turned away: nobody is served whose caller has given up long
  ago. The last two stay until their patience is over: without them a place that comes free would
  stand idle. So do all who came at once where nobody came after them: that queue only shrinks.

It owns no clock: each call is told the time.
"""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass
from typing import Generic, Literal, TypeVar, get_args

from keiko_perf.errors import UsageError

W = TypeVar("W")

Discipline = Literal["fifo", "lifo", "codel"]

_KEPT = 2  # so many who wait are not turned away for the target's sake


@dataclass(frozen=True, slots=True, kw_only=True)
class QueueRules:
    """
    Attributes:
        discipline: who is next; see above.
        most: how many may wait; who comes then is turned away at once.
        patience_s: how long anybody may wait.
        target_s: how long somebody may wait in a queue that stands, by `codel`, unless two at
            most wait.
        interval_s: how long a queue may be without being empty before it stands; nor does it if
            nobody has come for as long.

    Raises:
        UsageError: a number or the discipline makes no sense.
    """

    discipline: Discipline = "codel"
    most: int = 1000
    patience_s: float = 1.0
    target_s: float = 0.02
    interval_s: float = 0.1

    def __post_init__(self) -> None:
        if self.discipline not in get_args(Discipline):
            raise UsageError(
                f"the queue discipline {self.discipline!r} is not known",
                cure="Give fifo, lifo or codel",
            )
        if self.most < 0 or min(self.patience_s, self.target_s, self.interval_s) <= 0:
            raise UsageError(
                "a queue needs times over 0, and room for nobody or for some",
                cure="Give patience_s, target_s and interval_s over 0, and most from 0 on",
            )


class Queue(Generic[W]):
    """
    Those who wait, by *rules*.

    Attributes:
        waiting: who waits, and since when, from the oldest on; only to be looked at.
    """

    __slots__ = ("_came_s", "_empty_at", "_is_codel", "_is_lifo", "_rules", "waiting")

    def __init__(self, rules: QueueRules) -> None:
        self._rules = rules
        self._is_lifo, self._is_codel = rules.discipline == "lifo", rules.discipline == "codel"
        self.waiting: OrderedDict[W, float] = OrderedDict()
        self._empty_at = self._came_s = 0.0

    @property
    def is_full(self) -> bool:
        """Whether nobody more may wait."""
        return len(self.waiting) >= self._rules.most

    def join(self, waiter: W, now_s: float) -> bool:
        """
        *waiter* begins to wait.

        Returns:
            Whether `next_look_s` may be sooner for it.
        """
        if not self.waiting:
            self._empty_at = now_s
        self.waiting[waiter] = now_s
        last_s, self._came_s = self._came_s, now_s
        # The oldest is the next to be turned away; among a few nobody is for the target's sake.
        # Where nobody had come for long, or only at the beginning, the queue may stand from now on.
        few = len(self.waiting) <= _KEPT + 1
        return few or last_s == self._empty_at or self._has_passed(last_s, now_s)

    def begin_anew(self, since_s: float, now_s: float) -> None:
        """Whoever has come since then begins to wait now."""
        for waiter, came_s in reversed(self.waiting.items()):
            if came_s < since_s:
                break
            self.waiting[waiter] = now_s
        if self._empty_at >= since_s:
            self._empty_at = now_s
        if self._came_s >= since_s:
            self._came_s = now_s

    def leave(self, waiter: W) -> None:
        """*waiter* gives up, if it still waits."""
        self.waiting.pop(waiter, None)

    def next(self, now_s: float) -> W:
        """Whoever is to be served now; only where somebody waits."""
        newest = self._is_lifo or (self._is_codel and self._stands(now_s))
        return self.waiting.popitem(newest)[0]

    def turn_away(self, now_s: float) -> list[W]:
        """Take out all who have waited too long."""
        allowed_s, kept_from = self._allowed_s(now_s), len(self.waiting) - _KEPT
        gone = []
        for at, (waiter, since_s) in enumerate(self.waiting.items()):
            if at >= kept_from:
                allowed_s = self._rules.patience_s
            # Who leaves at this very instant may be a rounding early.
            if now_s - since_s < allowed_s * (1 - 1e-9):
                break
            gone.append(waiter)
        for waiter in gone:
            del self.waiting[waiter]
        return gone

    def next_look_s(self, now_s: float) -> float | None:
        """When somebody will have waited too long; None where nobody waits."""
        if not self.waiting:
            return None
        oldest_s = next(iter(self.waiting.values()))
        if len(self.waiting) <= _KEPT:
            return oldest_s + self._rules.patience_s
        due_s = oldest_s + self._allowed_s(now_s)
        is_young = not self._has_passed(self._empty_at, now_s)
        if self._is_codel and is_young and self._came_s > self._empty_at:
            # The queue may stand before that, and patience is shorter then.
            stands_s = self._empty_at + self._rules.interval_s
            due_s = min(due_s, max(stands_s, oldest_s + self._rules.target_s))
        return due_s

    def _allowed_s(self, now_s: float) -> float:
        rules = self._rules
        return min(rules.target_s, rules.patience_s) if self._stands(now_s) else rules.patience_s

    def _stands(self, now_s: float) -> bool:
        if not self._is_codel or not self.waiting:
            return False
        return self._has_passed(self._empty_at, now_s) and not self._has_passed(self._came_s, now_s)

    def _has_passed(self, since_s: float, now_s: float) -> bool:
        return now_s - since_s >= self._rules.interval_s * (1 - 1e-9)
