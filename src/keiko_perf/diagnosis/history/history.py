"""
History: what a database did from one reading of its counters to the next, and over many of them.

The counters are read and subtracted, never reset. A reading that finds them smaller than before,
after a restart or a reset by others, counts from there; so no period counts anything twice.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from keiko_perf.diagnosis.evidence import Evidence, StatementStats, TableStats
from keiko_perf.diagnosis.history.delta import between, together
from keiko_perf.errors import UsageError

MOST_STATEMENTS = 500
"""Kept of a period: those that took most of its time."""
MOST_TABLES = 500


@dataclass(frozen=True, slots=True, kw_only=True)
class TableChange:
    """
    What happened to a table in a period.

    Attributes:
        name: as one would write it.
        bytes_before: its size at the beginning, with TOAST, without indexes; None if it was new.
        bytes_after: its size at the end.
        rows: live rows at the end.
        written: rows inserted, updated and deleted.
        seq_scans: sequential scans.
    """

    name: str
    bytes_before: int | None
    bytes_after: int
    rows: int
    written: int
    seq_scans: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Period:
    """
    What happened from one reading to another.

    Attributes:
        start_at: when the first reading was, aware UTC, by the database's clock.
        end_at: when the last one was.
        total_s: the time that all statements took, also those that are not kept.
        statements: those that took most of it.
        tables: the largest.
        note: what whoever took the last reading said of it, such as what was deployed.
    """

    start_at: datetime
    end_at: datetime
    total_s: float = 0.0
    statements: tuple[StatementStats, ...] = ()
    tables: tuple[TableChange, ...] = ()
    note: str = ""

    @property
    def length_s(self) -> float:
        return max((self.end_at - self.start_at).total_seconds(), 1e-6)


def period_between(earlier: Evidence, later: Evidence, *, note: str = "") -> Period:
    """
    What happened between two readings of the same database.

    Raises:
        UsageError: they are not in this order.
    """
    if later.read_at <= earlier.read_at:
        raise UsageError(
            "the reading is not later than the one before it",
            cure="Set the server's clock right, and take another snapshot",
        )
    happened = between(earlier, later)
    known = {one.full_name: one for one in earlier.tables}
    return Period(
        start_at=earlier.read_at,
        end_at=later.read_at,
        total_s=happened.statements_total_s,
        statements=happened.statements[:MOST_STATEMENTS],
        tables=tuple(_change(known.get(one.full_name), one) for one in later.tables[:MOST_TABLES]),
        note=note,
    )


def _change(earlier: TableStats | None, later: TableStats) -> TableChange:
    written = _written(later) - (_written(earlier) if earlier else 0)
    scans = later.seq_scans - (earlier.seq_scans if earlier else 0)
    # Less than before: somebody reset the counters, and they count from there.
    return TableChange(
        name=later.full_name,
        bytes_before=earlier.size_bytes if earlier else None,
        bytes_after=later.size_bytes,
        rows=later.live_rows,
        written=written if written >= 0 else _written(later),
        seq_scans=scans if scans >= 0 else later.seq_scans,
    )


def _written(table: TableStats) -> int:
    return table.inserts + table.updates + table.deletes


def merged(periods: Sequence[Period]) -> Period:
    """
    Several periods as one, from the first's beginning to the last's end.

    Raises:
        ValueError: there is none.
    """
    if not periods:
        raise ValueError("no periods to merge")
    ordered = sorted(periods, key=lambda one: one.start_at)
    statements = together(one for period in ordered for one in period.statements)
    return Period(
        start_at=ordered[0].start_at,
        end_at=max(one.end_at for one in ordered),
        total_s=sum(one.total_s for one in ordered),
        statements=statements[:MOST_STATEMENTS],
        tables=_tables(ordered),
        note="; ".join(dict.fromkeys(one.note for one in ordered if one.note)),
    )


def _tables(periods: Iterable[Period]) -> tuple[TableChange, ...]:
    found: dict[str, TableChange] = {}
    for period in periods:
        for one in period.tables:
            known = found.get(one.name)
            found[one.name] = one if known is None else _one_table(known, one)
    return tuple(sorted(found.values(), key=lambda one: -one.bytes_after)[:MOST_TABLES])


def _one_table(earlier: TableChange, later: TableChange) -> TableChange:
    return replace(
        later,
        bytes_before=earlier.bytes_before,
        written=earlier.written + later.written,
        seq_scans=earlier.seq_scans + later.seq_scans,
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Changes:
    """What was before, and what came after."""

    before: Period
    after: Period


def split(periods: Sequence[Period], *, since_at: datetime | None, before_s: float) -> Changes:
    """
    The periods before a moment, and those after it; one that it lies within counts for neither.

    Args:
        periods: those that are known.
        since_at: the moment; by default the beginning of the last period.
        before_s: how far back before it is looked.

    Raises:
        UsageError: on one of the sides there is none.
    """
    ordered = sorted(periods, key=lambda one: one.start_at)
    if len(ordered) < 2:
        raise UsageError(
            "there is nothing to compare yet: that takes three snapshots",
            cure="Run keiko-perf db snapshot before a change, once more right before it, and after",
        )
    moment = since_at or ordered[-1].start_at
    earliest = moment - timedelta(seconds=before_s)
    after = [one for one in ordered if one.start_at >= moment]
    before = [one for one in ordered if one.end_at <= moment and one.end_at > earliest]
    if not after or not before:
        raise UsageError(
            f"there is no snapshot {'after' if not after else 'before'} that moment",
            cure=f"There are some from {_utc(ordered[0].start_at)} to {_utc(ordered[-1].end_at)}:"
            " name a --since between, or a longer --before",
        )
    return Changes(before=merged(before), after=merged(after))


def _utc(at: datetime) -> str:
    return at.strftime("%Y-%m-%dT%H:%M:%SZ")
