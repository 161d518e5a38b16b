"""
Changes: what got slower, more frequent or larger after a moment, beside what was before it.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from keiko_perf.diagnosis.evidence import StatementStats
from keiko_perf.diagnosis.history.history import Changes, Period, TableChange
from keiko_perf.diagnosis.rules.statements import is_query
from keiko_perf.diagnosis.rules.writing import GIB, MIB, one_line
from keiko_perf.model import Finding, Severity, say

LEAST_CALLS = 20
LEAST_SLOWDOWN = 1.5
LEAST_COST = 0.02
"""Of all the time afterwards: what a slower statement costs more."""
SURE = 4.0
"""Standard errors between the means: one in ten thousand comes about by chance."""
LEAST_SHARE = 0.05
NEW_SHARE = 0.1
GREW_BYTES = 16 * MIB
GREW_RATIO = 0.1
_LINK = "https://www.postgresql.org/docs/current/pgstatstatements.html"


@dataclass(frozen=True, slots=True)
class Pair:
    """A statement before and after; None on the side where it was not executed."""

    before: StatementStats | None
    after: StatementStats | None

    @property
    def query(self) -> str:
        known = self.after or self.before
        assert known is not None
        return known.query

    @property
    def factor(self) -> float | None:
        """How many times as long it takes; None if not both are known."""
        if self.before is None or self.after is None or not self.before.mean_s:
            return None
        return self.after.mean_s / self.before.mean_s


def pairs(changes: Changes) -> list[Pair]:
    """The statements of both sides, those that changed most in the time they take first."""
    before = {one.query: one for one in changes.before.statements}
    after = {one.query: one for one in changes.after.statements}
    found = [Pair(before.get(query), after.get(query)) for query in {**after, **before}]
    return sorted(found, key=lambda one: -abs(_more_per_s(one, changes)))


def _more_per_s(one: Pair, changes: Changes) -> float:
    return _per_s(one.after, changes.after) - _per_s(one.before, changes.before)


def _per_s(one: StatementStats | None, period: Period) -> float:
    return one.total_s / period.length_s if one else 0.0


def judge_changes(changes: Changes) -> tuple[Finding, ...]:
    """What is worth attention, the most severe first."""
    found = [
        *(one for pair in pairs(changes) for one in _statement(pair, changes)),
        *(one for table in changes.after.tables for one in _grown(table)),
    ]
    return tuple(sorted(found, key=lambda one: -one.severity))


def _statement(pair: Pair, changes: Changes) -> Iterator[Finding]:
    after, before = pair.after, pair.before
    if after is None or not is_query(after.query):
        return
    share = after.total_s / changes.after.total_s if changes.after.total_s else 0.0
    if before is None:
        if share >= NEW_SHARE and after.calls >= LEAST_CALLS:
            yield _new(after, share)
        return
    if _is_slower(before, after, changes):
        yield _regressed(before, after, changes)
    calls = after.calls / changes.after.length_s
    calls_before = before.calls / changes.before.length_s
    if share >= LEAST_SHARE and after.calls >= LEAST_CALLS and calls >= 2 * calls_before:
        yield _more_often(after, share, calls=calls, calls_before=calls_before)


def _is_slower(before: StatementStats, after: StatementStats, changes: Changes) -> bool:
    if min(before.calls, after.calls) < LEAST_CALLS or not before.mean_s:
        return False
    if after.mean_s < LEAST_SLOWDOWN * before.mean_s:
        return False
    error_s = (before.stddev_s**2 / before.calls + after.stddev_s**2 / after.calls) ** 0.5
    slower_s = after.mean_s - before.mean_s
    return slower_s >= SURE * error_s and _cost(before, after, changes) >= LEAST_COST


def _cost(before: StatementStats, after: StatementStats, changes: Changes) -> float:
    """The share of all the time afterwards that the statement would not have taken before."""
    total_s = changes.after.total_s
    return (after.mean_s - before.mean_s) * after.calls / total_s if total_s else 0.0


def _regressed(before: StatementStats, after: StatementStats, changes: Changes) -> Finding:
    cost = _cost(before, after, changes)
    return Finding(
        code="statements.regressed",
        severity=Severity.CRITICAL if cost >= 0.5 else Severity.WARNING,
        subject=one_line(after.query),
        summary=say(
            "a statement takes {factor:factor} as long as before: {after:duration} instead of"
            " {before:duration}",
            factor=after.mean_s / before.mean_s,
            after=after.mean_s,
            before=before.mean_s,
        ),
        evidence={
            "mean_before_s": before.mean_s,
            "mean_after_s": after.mean_s,
            "stddev_before_s": before.stddev_s,
            "stddev_after_s": after.stddev_s,
            "calls_before": before.calls,
            "calls_after": after.calls,
            "rows_per_call_before": before.rows_per_call,
            "rows_per_call_after": after.rows_per_call,
            "cost_ratio": cost,
        },
        explanation=say(
            "Its plan may be another since then, its table larger, or something keeps it waiting."
            " Compare: keiko-perf db explain. More rows a call point to another use of it."
        ),
        link=_LINK,
    )


def _more_often(
    after: StatementStats, share: float, *, calls: float, calls_before: float
) -> Finding:
    return Finding(
        code="statements.more-often",
        severity=Severity.NOTE,
        subject=one_line(after.query),
        summary=say(
            "a statement is executed {calls:rate}, before it was {before:rate}",
            calls=calls,
            before=calls_before,
        ),
        evidence={
            "calls_per_s": calls,
            "calls_before_per_s": calls_before,
            "mean_s": after.mean_s,
            "share_ratio": share,
        },
        explanation=say(
            "If there are no more users, somebody asks more often than before: for each row of a"
            " list, or for what was kept in a cache."
        ),
        link=_LINK,
    )


def _new(after: StatementStats, share: float) -> Finding:
    return Finding(
        code="statements.new",
        severity=Severity.WARNING if share >= 0.3 else Severity.NOTE,
        subject=one_line(after.query),
        summary=say(
            "a statement that was not there before takes {share:ratio} of the database's time",
            share=share,
        ),
        evidence={
            "mean_s": after.mean_s,
            "calls": after.calls,
            "share_ratio": share,
            "rows_per_call": after.rows_per_call,
        },
        explanation=say(
            "It came with what was changed in between, or with users who do what nobody did before."
            " Its plan tells what it costs: keiko-perf db explain."
        ),
        link=_LINK,
    )


def _grown(table: TableChange) -> Iterator[Finding]:
    if table.bytes_before is None:
        return
    grown = table.bytes_after - table.bytes_before
    if grown < max(GREW_BYTES, GREW_RATIO * table.bytes_before):
        return
    yield Finding(
        code="tables.growing",
        severity=Severity.WARNING if grown >= 10 * GIB else Severity.NOTE,
        subject=table.name,
        summary=say(
            "the table grew by {grown:bytes} to {size:bytes}", grown=grown, size=table.bytes_after
        ),
        evidence={
            "bytes_before": table.bytes_before,
            "bytes_after": table.bytes_after,
            "rows": table.rows,
            "rows_written": table.written,
        },
        explanation=say(
            "See whether what is written is still needed after a while; old rows of a partitioned"
            " table are dropped in no time."
        ),
        link="https://www.postgresql.org/docs/current/ddl-partitioning.html",
    )
