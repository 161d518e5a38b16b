"""
Statements: which of them cost the most, and on what they spend it.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from keiko_perf.diagnosis.evidence import Evidence, StatementStats
from keiko_perf.diagnosis.pages import PAGE_BYTES
from keiko_perf.diagnosis.rules.writing import GIB, LARGE_SHARE, MIB, by_share, iso, one_line
from keiko_perf.model import Finding, Gap, Severity, Text, say

LEAST_MEAN_S = 0.02
"""A statement that is faster than this on average is not slow."""
LEAST_SHARE = 0.05
"""One that takes less of the database's time than this is not worth the attention."""
LEAST_CALLS = 5
"""What ran less often is a job that somebody started, not the service."""
FREQUENT_SHARE = 0.4
FREQUENT_CALLS = 1_000
FREQUENT_MEAN_S = 0.0005
"""What is faster than this has little to gain but not to be asked at all."""
MANY_ROWS = 5_000
"""Nobody looks at so many at once, and to make objects of them holds a service for long."""
_READS = ("select", "with", "values", "table")
_WRITES = re.compile(r"\b(?:insert\s+into|update\s+\S+\s+set|delete\s+from|merge\s+into)\b", re.I)
UNSTEADY_CALLS = 100
_LINK = "https://www.postgresql.org/docs/current/using-explain.html"
_STATISTICS = "https://www.postgresql.org/docs/current/pgstatstatements.html"
_QUERY = re.compile(
    r"\s*(?:--[^\n]*\n\s*|/\*.*?\*/\s*|\(\s*)*(select|with|insert|update|delete|merge|values|table)\b",
    re.I | re.S,
)


def is_query(query: str) -> bool:
    """Whether it reads or writes rows; the rest (VACUUM, CREATE INDEX) may take its time."""
    return _QUERY.match(query) is not None


def returns_rows(query: str) -> bool:
    """Whether its rows are those that it returns, and not those that it changes."""
    match = _QUERY.match(query)
    return match is not None and match[1].lower() in _READS and _WRITES.search(query) is None


def share_of(one: StatementStats, evidence: Evidence) -> float:
    """The share of all statements' time that this one takes."""
    total_s = evidence.statements_total_s
    # What called a function may be hidden or forgotten, and what the function executed is not.
    return min(one.total_s / total_s, 1.0) if total_s else 0.0


def notable(
    evidence: Evidence, *, least_calls: int = LEAST_CALLS, least_share: float = LEAST_SHARE
) -> Iterator[tuple[StatementStats, float]]:
    """The queries that are executed again and again and take a notable share, with that share."""
    for one in evidence.statements:
        share = share_of(one, evidence)
        if one.calls >= least_calls and share >= least_share and is_query(one.query):
            yield one, share


def slow(evidence: Evidence) -> Iterator[Finding | Gap]:
    """`statements.slow`: slow on average, and a notable share of all the time."""
    for one, share in notable(evidence):
        if one.mean_s < LEAST_MEAN_S:
            continue
        yield _finding(
            "statements.slow",
            one,
            share,
            say(
                "a statement takes {mean_s:duration} on average and {share:ratio} of the"
                " database's time",
                mean_s=one.mean_s,
                share=share,
            ),
            say(
                "Its plan tells where the time goes: keiko-perf db explain. An index that it lacks"
                " is found and priced by keiko-perf db advise."
            ),
            severity=_slowness(one, share),
        )


def many_rows(evidence: Evidence) -> Iterator[Finding | Gap]:
    """`statements.many-rows`: it returns more rows each time than anybody reads."""
    for one, share in notable(evidence):
        each = one.rows / one.calls
        if each < MANY_ROWS or one.mean_s < LEAST_MEAN_S or not returns_rows(one.query):
            continue
        yield _finding(
            "statements.many-rows",
            one,
            share,
            say("a statement returns {rows:count} rows each time", rows=round(each)),
            say(
                "Nobody reads so many at once, and whoever asked makes objects of all of them. Let"
                " it return a page (WHERE id > the last one ORDER BY id LIMIT 100), or what is"
                " counted and summed of them; where all are needed, fetch them piece by piece."
            ),
        )


def frequent(evidence: Evidence) -> Iterator[Finding | Gap]:
    """`statements.frequent`: not slow, but asked so often that it takes most of the time."""
    for one, share in notable(evidence, least_calls=FREQUENT_CALLS, least_share=FREQUENT_SHARE):
        if not FREQUENT_MEAN_S <= one.mean_s < LEAST_MEAN_S:
            continue
        since_at = evidence.statements_since_at
        period_s = max((evidence.read_at - since_at).total_seconds(), 1.0) if since_at else None
        busy = one.total_s / period_s if period_s else 0.0
        lasts = period_s is not None and period_s >= 3600
        yield _finding(
            "statements.frequent",
            one,
            share,
            say(
                "a statement of {mean_s:duration} is executed so often that it takes {share:ratio}"
                " of the database's time",
                mean_s=one.mean_s,
                share=share,
            ),
            say(
                "To ask it less often helps more than to make it faster: fetch several rows at"
                " once, or keep the answer for a while."
            ),
            severity=Severity.WARNING if lasts and busy >= 0.5 else Severity.NOTE,
        )


def unsteady(evidence: Evidence) -> Iterator[Finding | Gap]:
    """`statements.unsteady`: mostly fast, and now and then very slow."""
    for one, share in notable(evidence, least_calls=UNSTEADY_CALLS):
        if one.stddev_s < 2 * one.mean_s or one.mean_s + 2 * one.stddev_s < 0.1 or one.max_s < 0.5:
            continue
        yield _finding(
            "statements.unsteady",
            one,
            share,
            say(
                "a statement takes {mean_s:duration} on average, but has taken {max_s:duration}",
                mean_s=one.mean_s,
                max_s=one.max_s,
            ),
            say(
                "Such a statement waits for a lock at times, reads what is not in the cache, or is"
                " slow for some values: keiko-perf db explain it with a value that is frequent."
            ),
        )


def temp_files(evidence: Evidence) -> Iterator[Finding | Gap]:
    """`statements.temp-files`: what it sorts or hashes does not fit into its memory."""
    for one, share in notable(evidence):
        spilled = one.temp_blocks * PAGE_BYTES
        if spilled / one.calls < MIB:
            continue
        wanted_mib = 2 ** max(3, (int(2.5 * spilled / one.calls / MIB)).bit_length())
        yield _finding(
            "statements.temp-files",
            one,
            share,
            say(
                "a statement writes {spilled:bytes} of temporary files each time",
                spilled=spilled / one.calls,
            ),
            say(
                "What it sorts or hashes does not fit into work_mem. Let it sort fewer rows: an"
                " index may hand them over sorted. More work_mem for this one statement spares"
                " the files, which is little where the system keeps them in memory: try it first."
            ),
            severity=max(by_share(share), _much(spilled >= 10 * GIB)),
            cure=f"SET LOCAL work_mem = '{wanted_mib}MB';" if wanted_mib <= 1024 else None,
        )


def cache_misses(evidence: Evidence) -> Iterator[Finding | Gap]:
    """`statements.cache-misses`: it spends its time to fetch blocks from outside."""
    for one, share in notable(evidence):
        ratio = one.hit_ratio
        if ratio is None or ratio >= 0.9 or one.read_blocks / one.calls < 1_000:
            continue
        if one.read_s is not None and one.read_s < 0.3 * one.total_s:
            continue
        yield _finding(
            "statements.cache-misses",
            one,
            share,
            say(
                "a statement fetches {read:bytes} each time that are not in shared buffers",
                read=one.read_blocks * PAGE_BYTES / one.calls,
            ),
            say(
                "It reads more than the cache keeps for it. Let it read less, by an index or fewer"
                " columns, before the cache is made larger."
            ),
        )


def write_ahead(evidence: Evidence) -> Iterator[Finding | Gap]:
    """`statements.wal`: most of what is written to the log is its doing."""
    total = sum(one.wal_bytes for one in evidence.statements)
    for one, share in notable(evidence):
        if one.wal_bytes < max(64 * MIB, 0.5 * total) or not one.rows:
            continue
        if one.wal_bytes / one.rows < 2_000:
            continue
        yield _finding(
            "statements.wal",
            one,
            share,
            say(
                "a statement writes {wal_bytes:bytes} to the log, {per_row:bytes} for each row",
                wal_bytes=one.wal_bytes,
                per_row=one.wal_bytes / one.rows,
            ),
            say(
                "Long rows, many indexes, and the first change of each page after a checkpoint"
                " make the log long; standbys and backups get all of it."
            ),
        )


def planning(evidence: Evidence) -> Iterator[Finding | Gap]:
    """`statements.planning`: to plan it takes as long as to execute it."""
    for one in evidence.statements:
        plan_s = one.plan_s
        if plan_s is None or one.calls < LEAST_CALLS or plan_s / one.calls < 0.001:
            continue
        share = plan_s / (evidence.statements_total_s + plan_s)
        if plan_s < 0.3 * (plan_s + one.total_s) or share < LEAST_SHARE:
            continue
        yield _finding(
            "statements.planning",
            one,
            share,
            say(
                "to plan a statement takes {plan_s:duration}, to execute it {mean_s:duration}",
                plan_s=plan_s / one.calls,
                mean_s=one.mean_s,
            ),
            say(
                "Many joins or partitions are dear to plan. A prepared statement is planned once,"
                " and a condition on the partition key spares the other partitions."
            ),
        )


def compiling(evidence: Evidence) -> Iterator[Finding | Gap]:
    """`statements.jit`: it is compiled at a price that its execution does not earn."""
    for one, share in notable(evidence):
        if one.jit_s is None or one.jit_s < 0.2 * one.total_s:
            continue
        yield _finding(
            "statements.jit",
            one,
            share,
            say(
                "{part:ratio} of a statement's time is spent to compile it",
                part=min(one.jit_s / one.total_s, 1.0),
            ),
            say(
                "The planner took it for a long one and let it be compiled. Raise the cost from"
                " which on that is done, or switch it off for the service's role."
            ),
            cure="ALTER SYSTEM SET jit_above_cost = 1000000;",
        )


def evicted(evidence: Evidence) -> Iterator[Finding | Gap]:
    """`statements.evicted`: more different statements than the server keeps apart."""
    count, since_at = evidence.statements_evicted, evidence.statements_since_at
    if not count or since_at is None or count < 10:
        return
    hours = max((evidence.read_at - since_at).total_seconds(), 1.0) / 3600
    if count / hours < 1:
        return
    yield Finding(
        code="statements.evicted",
        severity=Severity.NOTE,
        subject="pg_stat_statements",
        summary=say(
            "the server has forgotten the rarest statements {count:count} times for want of room",
            count=count,
        ),
        evidence={
            "evictions": count,
            "counted_since": iso(since_at),
            "statements": len(evidence.statements) + evidence.statements_left_out,
        },
        explanation=say(
            "What is said about statements is not the whole truth then. Lists of different length"
            " and names in the text make many statements of one; else keep more of them."
        ),
        cure="ALTER SYSTEM SET pg_stat_statements.max = 20000;",
        link=_STATISTICS,
    )


def _finding(
    code: str,
    one: StatementStats,
    share: float,
    summary: Text,
    explanation: Text,
    *,
    severity: Severity | None = None,
    cure: str | None = None,
) -> Finding:
    return Finding(
        code=code,
        severity=by_share(share) if severity is None else severity,
        subject=one_line(one.query),
        summary=summary,
        evidence=figures(one, share),
        explanation=explanation,
        cure=cure,
        link=_LINK,
    )


def figures(one: StatementStats, share: float) -> dict[str, float | int | str | None]:
    """What is known of a statement, as a finding shows it."""
    found: dict[str, float | int | str | None] = {
        "mean_s": one.mean_s,
        "max_s": one.max_s,
        "stddev_s": one.stddev_s,
        "calls": one.calls,
        "total_s": one.total_s,
        "share_ratio": share,
        "rows_per_call": one.rows_per_call,
        "cache_hit_ratio": one.hit_ratio,
        "temp_blocks_written": one.temp_blocks,
    }
    return found


def _slowness(one: StatementStats, share: float) -> Severity:
    if one.mean_s >= 1.0 and share >= LARGE_SHARE:
        return Severity.CRITICAL
    if one.mean_s >= 0.1 or share >= LARGE_SHARE:
        return Severity.WARNING
    return Severity.NOTE


def _much(is_much: bool) -> Severity:
    return Severity.WARNING if is_much else Severity.NOTE


RULES = (
    slow, many_rows, frequent, unsteady, temp_files, cache_misses, write_ahead, planning, compiling,
    evicted,
)  # fmt: skip
