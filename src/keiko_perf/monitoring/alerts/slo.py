"""
SLOs: a share of requests that is promised over weeks, and how fast the rest of it is used up. Pure.

An objective of 99.9 % leaves an error budget of 0.1 %. A burn rate of 1 uses it up just within the
period; an alert fires when it burns so fast that a given share of the budget goes within a given
window, over a long window and, so that it ends soon after the trouble does, over a short one as
well: the multi-window, multi-burn-rate alerts of Google's Site Reliability Workbook, chapter 5,
with its windows.
"""

from __future__ import annotations

from array import array
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime

from keiko_perf.errors import UsageError
from keiko_perf.model import (
    Kind,
    Kpi,
    Outcome,
    Reading,
    Series,
    Severity,
    Snapshot,
    Target,
    Verdict,
    say,
)

MINUTE_S = 60.0
HOUR_S = 3600.0
DAY_S = 86_400.0
_LEAST_BAD = 5
"""Requests that went wrong in the long window: one of a quiet night is no trend."""
_LEAST_SEEN = 20


@dataclass(frozen=True, slots=True)
class BurnWindow:
    """
    When an alert of an error budget fires.

    Attributes:
        long_s: the window over which so much goes.
        short_s: the window that must burn as fast, so that the alert ends with the trouble.
        budget_ratio: the share of the budget that goes within the long window.
        severity: of the alert.
    """

    long_s: float
    short_s: float
    budget_ratio: float
    severity: Severity

    def burn(self, period_s: float) -> float:
        """The burn rate at which that share goes within the long window."""
        return self.budget_ratio * period_s / self.long_s


WORKBOOK = (
    BurnWindow(HOUR_S, 5 * MINUTE_S, 0.02, Severity.CRITICAL),
    BurnWindow(6 * HOUR_S, 30 * MINUTE_S, 0.05, Severity.CRITICAL),
    BurnWindow(3 * DAY_S, 6 * HOUR_S, 0.1, Severity.WARNING),
)
"""Table 5-8: over 30 days burn rates of 14.4, 6 and 1."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Slo:
    """
    A share of requests that is promised over a period.

    Attributes:
        name: what it is called; its alert is `slo[name]`.
        objective: the share that must be good, such as 0.999.
        within_s: a request is good if it succeeded within this time; None: if it succeeded.
        subject: the route that it is about; None for the whole service.
        period_s: over how long, 30 days if not given.
        windows: when its alert fires.

    Raises:
        UsageError: a value is out of range.
    """

    name: str
    objective: float
    within_s: float | None = None
    subject: str | None = None
    period_s: float = 30 * DAY_S
    windows: tuple[BurnWindow, ...] = WORKBOOK

    def __post_init__(self) -> None:
        if not 0 < self.objective < 1:
            raise UsageError(
                f"the objective of an SLO lies between 0 and 1, not at {self.objective!r}",
                cure="Give 0.999 for 99.9 %; 100 % leaves nothing to burn",
            )
        if self.within_s is not None and not self.within_s > 0:
            raise UsageError(
                f"no request succeeds within {self.within_s!r} s", cure="Give within_s over 0"
            )
        longest_s = max((one.long_s for one in self.windows), default=0.0)
        if not longest_s <= self.period_s <= 366 * DAY_S or not self.windows:
            raise UsageError(
                f"an SLO over {self.period_s / DAY_S:g} days cannot be watched over windows of "
                f"up to {longest_s / DAY_S:g} days",
                cure="Let period_s be as long as its windows, and at most a year",
            )

    @property
    def check(self) -> str:
        """What its alert is called."""
        return f"slo[{self.name}]"

    def count(self, snapshot: Snapshot) -> tuple[int, int]:
        """How many requests of *snapshot* were bad, and how many there were."""
        whole = snapshot.whole(Kind.ROUTE) if self.subject is None else None
        series = whole or snapshot.find(Kind.ROUTE, self.subject or "")
        if series is None:
            return 0, 0
        return self._bad(series), series.count

    def _bad(self, series: Series) -> int:
        if self.within_s is None:
            return series.errors
        return series.errors + series.succeeded.count_above(self.within_s)


@dataclass(frozen=True, slots=True, kw_only=True)
class SloStatus:
    """
    How an SLO stands.

    Attributes:
        slo: the promise.
        bad: how many requests of the period were bad, as far as it was read.
        total: how many there were.
        since: from when on they are counted, aware UTC.
        burns: the burn rate over each window that an alert looks at, by its length in seconds;
            None where nothing was asked.
        verdict: MISSED while its alert's condition holds.
    """

    slo: Slo
    bad: int
    total: int
    since: datetime
    burns: dict[float, float | None]
    verdict: Verdict

    @property
    def good_ratio(self) -> float | None:
        """The share that was good; None if there was none."""
        return 1 - self.bad / self.total if self.total else None

    @property
    def budget_left_ratio(self) -> float | None:
        """How much of the error budget is left; under 0 once it is overdrawn."""
        if not self.total:
            return None
        return 1 - self.bad / (self.total * (1 - self.slo.objective))


class Ledger:
    """
    The bad and all requests of each minute of a period, in a ring of fixed size.

    Args:
        period_s: how far it reaches back.
    """

    def __init__(self, period_s: float) -> None:
        self.minutes = int(period_s // MINUTE_S) + 2
        self._bad = array("Q", bytes(8 * self.minutes))
        self._total = array("Q", bytes(8 * self.minutes))
        self._newest: int | None = None

    def put(self, minute: int, bad: int, total: int) -> None:
        """Set what a minute since 1970 had; one that is too old is left out."""
        newest = self._newest
        if newest is None or minute > newest:
            first = minute - self.minutes + 1 if newest is None else newest + 1
            for passed in range(max(first, minute - self.minutes + 1), minute + 1):
                self._bad[passed % self.minutes] = self._total[passed % self.minutes] = 0
            self._newest = newest = minute
        if minute > newest - self.minutes:
            self._bad[minute % self.minutes] = bad
            self._total[minute % self.minutes] = total

    def sums(self, end_s: float, span_s: float) -> tuple[int, int]:
        """The bad and all requests of the *span_s* before *end_s*, to a minute."""
        if self._newest is None:
            return 0, 0
        last = min(int(end_s // MINUTE_S), self._newest)
        first = max(int((end_s - span_s) // MINUTE_S) + 1, self._newest - self.minutes + 1)
        if first > last:
            return 0, 0
        return self._sum(self._bad, first, last), self._sum(self._total, first, last)

    def _sum(self, counts: array[int], first: int, last: int) -> int:
        low, high = first % self.minutes, last % self.minutes
        if low <= high:
            return sum(counts[low : high + 1])
        return sum(counts[low:]) + sum(counts[: high + 1])


def tallies(slo: Slo, windows: Iterable[Snapshot]) -> dict[int, tuple[int, int]]:
    """The bad and all requests of *windows*, by the minute since 1970 in which each began."""
    found: dict[int, tuple[int, int]] = {}
    for window in windows:
        minute = int(window.started_at.timestamp() // MINUTE_S)
        bad, total = slo.count(window)
        known = found.get(minute, (0, 0))
        found[minute] = known[0] + bad, known[1] + total
    return found


def status(slo: Slo, ledger: Ledger, now: datetime, since: datetime) -> SloStatus:
    """How *slo* stands by what *ledger* has counted."""
    end_s = now.timestamp()
    spans = sorted({span for one in slo.windows for span in (one.short_s, one.long_s)})
    sums = {span: ledger.sums(end_s, span) for span in spans}
    burns = {span: _burn(slo, *sums[span]) for span in spans}
    bad, total = ledger.sums(end_s, slo.period_s)
    return SloStatus(
        slo=slo, bad=bad, total=total, since=since, burns=burns, verdict=_verdict(slo, sums, burns)
    )


def _burn(slo: Slo, bad: int, total: int) -> float | None:
    return bad / total / (1 - slo.objective) if total else None


def _verdict(
    slo: Slo, sums: dict[float, tuple[int, int]], burns: dict[float, float | None]
) -> Verdict:
    # An outage exceeds the low limit of days by more than the high one of an hour, and is critical.
    burning = [one for one in slo.windows if _is_burning(one, slo, sums, burns)]
    gravest = max((one.severity for one in burning), default=None)
    judged = [one for one in burning if one.severity is gravest] or slo.windows
    worst = max(judged, key=lambda one: _excess(one, slo, burns))
    burn, limit = burns[worst.long_s], worst.burn(slo.period_s)
    target = Target(kpi=_burning(slo), at_most=limit, subject=slo.name, severity=worst.severity)
    _bad, total = sums[worst.long_s]
    if burn is None or total < _LEAST_SEEN:
        reason = say(
            "only {seen:count} seen, {needed:count} are needed to tell",
            seen=total,
            needed=_LEAST_SEEN,
        )
        return Verdict(target, Outcome.UNKNOWN, reason, burn, total, _LEAST_SEEN)
    if burning:
        reason = say(
            "{share:ratio} of the error budget goes within {window:duration}",
            share=burn * worst.long_s / slo.period_s,
            window=worst.long_s,
        )
        return Verdict(target, Outcome.MISSED, reason, burn, total, _LEAST_SEEN)
    return Verdict(target, Outcome.MET, say("within the limit"), burn, total, _LEAST_SEEN)


def _is_burning(
    window: BurnWindow,
    slo: Slo,
    sums: dict[float, tuple[int, int]],
    burns: dict[float, float | None],
) -> bool:
    bad, total = sums[window.long_s]
    enough = total >= _LEAST_SEEN and bad >= _LEAST_BAD
    return enough and _excess(window, slo, burns) > 1


def _excess(window: BurnWindow, slo: Slo, burns: dict[float, float | None]) -> float:
    """How many times its limit both windows burn at least."""
    slowest = min(burns[window.long_s] or 0.0, burns[window.short_s] or 0.0)
    return slowest / window.burn(slo.period_s)


def _burning(slo: Slo) -> Kpi:
    """The burn rate of any snapshot, so that a target of it can be judged as every other one."""

    def read(snapshot: Snapshot, _subject: str | None) -> Reading:
        bad, total = slo.count(snapshot)
        if not total:
            return Reading(None, why=say("no request was seen"))
        return Reading(_burn(slo, bad, total), total, _LEAST_SEEN)

    return Kpi("burn_factor", say("error budget burn"), "factor", read)
