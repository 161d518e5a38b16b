"""
What happened between two readings of a database's counters.

Counters count from a start that is not ours to choose: resetting them would destroy what every
other tool on that database relies on. So they are read twice and subtracted.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from typing import TypedDict

from keiko_perf.diagnosis.evidence import Evidence, StatementStats


class Timing(TypedDict):
    """The part of a statement's figures that is computed from sums."""

    calls: int
    total_s: float
    mean_s: float
    stddev_s: float


def between(earlier: Evidence, later: Evidence) -> Evidence:
    """
    *later* with the statements that were executed since *earlier*, and only as far as since then.

    A statement whose counter went down was reset by somebody in between, and counts from there.
    The maximum cannot be subtracted: it stays the one since the counters' start.
    """
    since_at = later.statements_since_at
    was_reset = since_at is not None and since_at > earlier.read_at
    known = {} if was_reset else _by_text(earlier.statements)
    statements = [_since(one, known.get(text)) for text, one in _by_text(later.statements).items()]
    happened = sorted(
        (one for one in statements if one.calls), key=lambda one: one.total_s, reverse=True
    )
    total_s = later.statements_total_s - (0.0 if was_reset else earlier.statements_total_s)
    return replace(
        later,
        statements=tuple(happened),
        statements_total_s=_whole_s(total_s, happened),
        statements_since_at=earlier.read_at,
    )


def together(statements: Iterable[StatementStats]) -> tuple[StatementStats, ...]:
    """The statements of several periods, each text once, those that took most time first."""
    return tuple(sorted(_by_text(statements).values(), key=lambda one: -one.total_s))


def _whole_s(total_s: float, happened: list[StatementStats]) -> float:
    """The time of all; if somebody reset the counters in between, that of those that are listed."""
    if total_s <= 0:
        return sum(one.total_s for one in happened)
    return max(total_s, max((one.total_s for one in happened), default=0.0))


def _by_text(statements: Iterable[StatementStats]) -> dict[str, StatementStats]:
    """
    The statements by their text. Of one text there can be several, which the server tells apart by
    the types of their parameters; they become one.
    """
    found: dict[str, StatementStats] = {}
    for one in statements:
        known = found.get(one.query)
        found[one.query] = one if known is None else _sum(known, one)
    return found


def _sum(one: StatementStats, other: StatementStats) -> StatementStats:
    calls, total_s = one.calls + other.calls, one.total_s + other.total_s
    return replace(
        one,
        **_timing(calls, total_s, one.square_s2 + other.square_s2),
        max_s=max(one.max_s, other.max_s),
        rows=one.rows + other.rows,
        hit_blocks=one.hit_blocks + other.hit_blocks,
        read_blocks=one.read_blocks + other.read_blocks,
        temp_blocks=one.temp_blocks + other.temp_blocks,
        read_s=_plus(one.read_s, other.read_s),
        plan_s=_plus(one.plan_s, other.plan_s),
        jit_s=_plus(one.jit_s, other.jit_s),
        wal_bytes=one.wal_bytes + other.wal_bytes,
    )


def _since(later: StatementStats, earlier: StatementStats | None) -> StatementStats:
    if earlier is None or later.calls < earlier.calls:
        return later
    calls, total_s = later.calls - earlier.calls, max(later.total_s - earlier.total_s, 0.0)
    return replace(
        later,
        **_timing(calls, total_s, later.square_s2 - earlier.square_s2),
        rows=later.rows - earlier.rows,
        hit_blocks=later.hit_blocks - earlier.hit_blocks,
        read_blocks=later.read_blocks - earlier.read_blocks,
        temp_blocks=later.temp_blocks - earlier.temp_blocks,
        read_s=_minus(later.read_s, earlier.read_s),
        plan_s=_minus(later.plan_s, earlier.plan_s),
        jit_s=_minus(later.jit_s, earlier.jit_s),
        wal_bytes=later.wal_bytes - earlier.wal_bytes,
    )


def _timing(calls: int, total_s: float, square_s2: float) -> Timing:
    mean_s = total_s / calls if calls else 0.0
    # What is left of two large sums may come out a little below what it can be.
    variance = max(square_s2 / calls - mean_s**2, 0.0) if calls else 0.0
    return Timing(calls=calls, total_s=total_s, mean_s=mean_s, stddev_s=variance**0.5)


def _plus(one: float | None, other: float | None) -> float | None:
    return one if other is None else other if one is None else one + other


def _minus(later: float | None, earlier: float | None) -> float | None:
    return None if later is None else max(later - (earlier or 0.0), 0.0)
