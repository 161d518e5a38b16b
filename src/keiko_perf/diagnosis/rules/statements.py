"""
Statements: which of them cost the most.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from keiko_perf.diagnosis.evidence import Evidence, StatementStats
from keiko_perf.model import Finding, Gap, Severity, say

LEAST_MEAN_S = 0.02
"""A statement that is faster than this on average is not slow."""
LEAST_SHARE = 0.05
"""One that takes less of the database's time than this is not worth the attention."""
LEAST_CALLS = 5
"""What ran less often is a job that somebody started, not the service."""
_LINK = "https://www.postgresql.org/docs/current/using-explain.html"
_QUERY = re.compile(
    r"\s*(?:--[^\n]*\n\s*|/\*.*?\*/\s*|\(\s*)*(select|with|insert|update|delete|merge|values|table)\b",
    re.I | re.S,
)


def slow(evidence: Evidence) -> Iterator[Finding | Gap]:
    """`statements.slow`: slow on average, and a notable share of all the time."""
    total_s = evidence.statements_total_s
    for one in evidence.statements:
        if one.calls < LEAST_CALLS or one.mean_s < LEAST_MEAN_S:
            continue
        share = one.total_s / total_s if total_s else 0.0
        if share >= LEAST_SHARE and is_query(one.query):
            yield _finding(one, share)


def is_query(query: str) -> bool:
    """Whether it reads or writes rows; the rest (VACUUM, CREATE INDEX) may take its time."""
    return _QUERY.match(query) is not None


def _finding(one: StatementStats, share: float) -> Finding:
    return Finding(
        code="statements.slow",
        severity=_severity(one, share),
        subject=" ".join(one.query.split()),
        summary=say(
            "a statement takes {mean_s:duration} on average and {share:ratio} of the database's"
            " time",
            mean_s=one.mean_s,
            share=share,
        ),
        evidence={
            "mean_s": one.mean_s,
            "max_s": one.max_s,
            "stddev_s": one.stddev_s,
            "calls": one.calls,
            "total_s": one.total_s,
            "share_ratio": share,
            "rows_per_call": one.rows_per_call,
            "cache_hit_ratio": one.hit_ratio,
            "temp_blocks_written": one.temp_blocks,
        },
        explanation=say(
            "Its plan tells where the time goes: keiko-perf db explain. An index that it lacks is"
            " found and priced by keiko-perf db advise."
        ),
        link=_LINK,
    )


def _severity(one: StatementStats, share: float) -> Severity:
    if one.mean_s >= 1.0 and share >= 0.25:
        return Severity.CRITICAL
    if one.mean_s >= 0.1 or share >= 0.25:
        return Severity.WARNING
    return Severity.NOTE


RULES = (slow,)
