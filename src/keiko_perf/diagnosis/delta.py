"""
What happened between two readings of a database's counters.

Counters count from a start that is not ours to choose: resetting them would destroy what every
other tool on that database relies on. So they are read twice and subtracted.
"""

from __future__ import annotations

from dataclasses import replace

from keiko_perf.diagnosis.evidence import Evidence, StatementStats


def between(earlier: Evidence, later: Evidence) -> Evidence:
    """
    *later* with the statements that were executed since *earlier*, and only as far as since then.

    A statement whose counter went down was reset by somebody in between, and counts from there.
    The deviation and the maximum cannot be subtracted: they stay those since the counters' start.
    """
    known = {one.query: one for one in earlier.statements}
    statements = [_since(one, known.get(one.query)) for one in later.statements]
    happened = sorted(
        (one for one in statements if one.calls), key=lambda one: one.total_s, reverse=True
    )
    total_s = later.statements_total_s - earlier.statements_total_s
    return replace(
        later,
        statements=tuple(happened),
        statements_total_s=max(total_s, sum(one.total_s for one in happened)),
        since_at=earlier.read_at,
    )


def _since(later: StatementStats, earlier: StatementStats | None) -> StatementStats:
    if earlier is None or later.calls < earlier.calls:
        return later
    calls = later.calls - earlier.calls
    total_s = max(later.total_s - earlier.total_s, 0.0)
    return replace(
        later,
        calls=calls,
        total_s=total_s,
        mean_s=total_s / calls if calls else 0.0,
        rows=later.rows - earlier.rows,
        hit_blocks=later.hit_blocks - earlier.hit_blocks,
        read_blocks=later.read_blocks - earlier.read_blocks,
        temp_blocks=later.temp_blocks - earlier.temp_blocks,
    )
