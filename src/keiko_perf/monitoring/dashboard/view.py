"""
View: what a page looks at: a stretch of time, and the whole service or one subject of it.

It comes from the page's address, so that every view can be shared, and is refused with the cure
where it makes no sense. A range of the last so many minutes is live; one between two instants
is not. Points stand at whole multiples of their distance, so that all pages share them.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from hashlib import sha256

from keiko_perf.errors import UsageError
from keiko_perf.model import Kind
from keiko_perf.monitoring.storage.points import STRETCHES_S

RANGES_S = {"15m": 900.0, "1h": 3_600.0, "24h": 86_400.0, "7d": 604_800.0, "30d": 2_592_000.0}
MAX_POINTS = 360
"""About as many as a chart is wide in millimetres."""

_MINUTE_S, _HOUR_S = 60, 3_600
_STEPS_S = (
    *(1, 2, 5, 10, 15, 20, 30),
    *(_MINUTE_S * n for n in (1, 2, 4, 8, 12, 30)),
    *(_HOUR_S * n for n in (1, 2, 4, 6, 12, 24, 48)),
)
"""From 20 s on those that a store keeps, which it has at once, and multiples of them."""
_SHORT_S = 1_800.0
_SUBJECTS = {"endpoint": Kind.ROUTE, "task": Kind.TASK, "statement": Kind.STATEMENT}
_MAX_KEY = 400
_LONGEST_S = 366 * 86_400.0
_SHORTEST_S = 10.0


@dataclass(frozen=True, slots=True)
class Subject:
    """
    One series of the service.

    Attributes:
        kind: what it is.
        key: its name; of a statement, whose name is long, the name's `ident`.
    """

    kind: Kind
    key: str

    def is_of(self, name: str) -> bool:
        """Whether a series of this kind with that name is the one."""
        return self.key == (ident(name) if self.kind is Kind.STATEMENT else name)


@dataclass(frozen=True, slots=True)
class View:
    """
    Attributes:
        last_s: the last so many seconds, of a live view; else None.
        start_at: where a view that stands still begins, aware UTC.
        end_at: where that ends.
        subject: what is looked at; None for the whole service.
    """

    last_s: float | None = 900.0
    start_at: datetime | None = None
    end_at: datetime | None = None
    subject: Subject | None = None

    def bounds(self, now: datetime) -> tuple[datetime, datetime]:
        """From when to when it shows."""
        if self.last_s is not None:
            return now - timedelta(seconds=self.last_s), now
        assert self.start_at is not None
        assert self.end_at is not None
        return self.start_at, self.end_at

    def step_s(self, window_s: float) -> int:
        """How far its points stand apart, if windows are *window_s* long."""
        start_at, end_at = self.bounds(datetime.now(UTC))
        seconds = (end_at - start_at).total_seconds()
        kept_s = STRETCHES_S[0] if seconds > _SHORT_S else 1
        least_s = max(window_s, seconds / MAX_POINTS)
        fitting = (one for one in _STEPS_S if one >= least_s and one % kept_s == 0)
        return next(fitting, _STEPS_S[-1] * 4)


def view_of(parameters: Mapping[str, str]) -> View:
    """
    The view that an address names: `range=1h`, or `from=` and `to=` in ISO 8601 or in seconds
    since 1970; and `endpoint=`, `task=` or `statement=`.

    Raises:
        UsageError: it makes no sense.
    """
    subject = _subject(parameters)
    if "from" in parameters or "to" in parameters:
        start_at, end_at = _instant(parameters, "from"), _instant(parameters, "to")
        length_s = (end_at - start_at).total_seconds()
        if not _SHORTEST_S <= length_s <= _LONGEST_S:
            raise UsageError(
                "a range goes from an instant to one that is 10 s to a year later",
                cure="Give it as in from=2026-01-05T12:00Z&to=2026-01-05T13:00Z",
            )
        return View(None, start_at, end_at, subject)
    name = parameters.get("range", "15m")
    if name not in RANGES_S:
        raise UsageError(
            f"there is no range {name[:40]!r}",
            cure=f"Take one of {', '.join(RANGES_S)}, or from= and to=",
        )
    return View(RANGES_S[name], subject=subject)


@lru_cache(maxsize=4096)
def ident(name: str) -> str:
    """A short name for a long one, the same for ever."""
    return sha256(name.encode("utf-8", "surrogatepass")).hexdigest()[:12]


def _subject(parameters: Mapping[str, str]) -> Subject | None:
    for name, kind in _SUBJECTS.items():
        key = parameters.get(name)
        if key:
            if len(key) > _MAX_KEY:
                raise UsageError(
                    f"no {name} has a name of {len(key)} characters",
                    cure="Follow a link of the dashboard's tables",
                )
            return Subject(kind, key)
    return None


def _instant(parameters: Mapping[str, str], name: str) -> datetime:
    text = parameters.get(name, "")
    try:
        try:
            at = datetime.fromtimestamp(float(text), UTC)
        except ValueError:
            at = datetime.fromisoformat(text)
        return (at if at.tzinfo else at.replace(tzinfo=UTC)).astimezone(UTC)
    except (ValueError, OverflowError, OSError):
        raise UsageError(
            f"{name} is an instant, not {text[:40]!r}",
            cure=f"Give it as in {name}=2026-01-05T12:00Z",
        ) from None
