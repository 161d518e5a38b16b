"""
Planner: what it could know and does not: columns that depend on each other, older extensions.
"""

from __future__ import annotations

from collections.abc import Iterator

from keiko_perf.diagnosis.evidence import ColumnGroup, Evidence
from keiko_perf.diagnosis.rules.statements import LEAST_SHARE
from keiko_perf.diagnosis.rules.writing import by_share, one_line
from keiko_perf.diagnosis.statements.parser import quoted
from keiko_perf.model import Finding, Gap, Severity, say

LEAST_FACTOR = 5.0
LEAST_ROWS = 1_000.0
LONGEST_NAME_BYTES = 63
_DOCS = "https://www.postgresql.org/docs/current"


def correlated_columns(evidence: Evidence) -> Iterator[Finding | Gap]:
    """`statistics.correlated-columns`: far more rows agree in several columns than by chance."""
    told: set[tuple[str, frozenset[str]]] = set()
    for one in evidence.column_groups:
        share = one.total_s / evidence.statements_total_s if evidence.statements_total_s else 0.0
        key = one.table, frozenset(one.columns)
        if share < LEAST_SHARE or one.has_statistics or key in told:
            continue
        if one.rows_found < max(LEAST_ROWS, LEAST_FACTOR * one.rows_expected):
            continue
        told.add(key)
        yield _correlated(one, share)


def _correlated(one: ColumnGroup, share: float) -> Finding:
    columns = ", ".join(one.columns)
    return Finding(
        code="statistics.correlated-columns",
        severity=by_share(share),
        subject=f"{one.table} ({columns})",
        summary=say(
            "{found:count} rows agree in these columns, where the planner expects {expected:count}"
            " at most",
            found=round(one.rows_found),
            expected=round(one.rows_expected),
        ),
        evidence={
            "rows_per_call": one.rows_found,
            "rows_expected": one.rows_expected,
            "share_ratio": share,
            "statement": one_line(one.query)[:200],
        },
        explanation=say(
            "It takes the columns for independent of each other and multiplies their shares. With"
            " statistics on them together it knows better, and chooses joins that fit."
        ),
        cure=f"CREATE STATISTICS {_name(one)} (dependencies, ndistinct, mcv) ON {columns}"
        f" FROM {one.table}; ANALYZE {one.table};",
        link=f"{_DOCS}/planner-stats.html#PLANNER-STATS-EXTENDED",
    )


def _name(one: ColumnGroup) -> str:
    """A name for the statistics: before PostgreSQL 16 they need one."""
    parts = (one.table.rpartition(".")[2], *one.columns, "stats")
    whole = "_".join(part.strip('"') for part in parts)
    return quoted(whole.encode()[-LONGEST_NAME_BYTES:].decode(errors="ignore"))


def outdated_extensions(evidence: Evidence) -> Iterator[Finding | Gap]:
    """`extensions.outdated`: the server has a newer version than the database uses."""
    for one in evidence.extensions:
        if one.available is None or one.available == one.version:
            continue
        yield Finding(
            code="extensions.outdated",
            severity=Severity.NOTE,
            subject=one.name,
            summary=say(
                "the extension is of version {version}, and the server has {available}",
                version=one.version,
                available=one.available,
            ),
            evidence={"version": one.version, "available": one.available},
            explanation=say(
                "After an upgrade of the server the objects of an extension stay as they were until"
                " they are updated as well."
            ),
            cure=f"ALTER EXTENSION {quoted(one.name)} UPDATE;",
            link=f"{_DOCS}/sql-alterextension.html",
        )


RULES = (correlated_columns, outdated_extensions)
