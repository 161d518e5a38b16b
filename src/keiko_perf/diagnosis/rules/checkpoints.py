"""
Checkpoints and the write-ahead log: written too often, or not archived.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime

from keiko_perf.diagnosis.evidence import Checkpoints, Evidence
from keiko_perf.diagnosis.rules.writing import GIB, MIB, iso
from keiko_perf.model import Finding, Gap, Severity, say

LEAST_CHECKPOINTS = 10
MANY_CHECKPOINTS = 50
_REACHED = 0.5
"""A checkpoint is asked for when about so much of max_wal_size has been written."""
_LINK = "https://www.postgresql.org/docs/current/wal-configuration.html"


def requested(evidence: Evidence) -> Iterator[Finding | Gap]:
    """`checkpoints.requested`: they come because the log is full, not because it is time."""
    known, limit = evidence.checkpoints, evidence.settings.number("max_wal_size")
    if known is None or limit is None or known.requested < LEAST_CHECKPOINTS:
        return
    age_s = _age_s(evidence, known.since_at)
    due_s = evidence.settings.number("checkpoint_timeout") or 300.0
    if age_s is None:
        return
    count = _by_size(known, evidence, limit, age_s)
    if count < LEAST_CHECKPOINTS or count < known.timed or age_s / count > due_s / 2:
        return
    wanted = _wanted_bytes(limit, age_s / count, due_s)
    yield Finding(
        code="checkpoints.requested",
        severity=Severity.WARNING
        if count >= MANY_CHECKPOINTS and age_s / count <= due_s / 4
        else Severity.NOTE,
        subject="max_wal_size",
        summary=say(
            "a checkpoint is made every {gap:duration} because max_wal_size is full, not every"
            " {due:duration} as set",
            gap=age_s / count,
            due=due_s,
        ),
        evidence={
            "requested": known.requested,
            "timed": known.timed,
            "max_wal_size_bytes": limit,
            "counted_since": iso(known.since_at),
        },
        explanation=say(
            "After each checkpoint the first change of a page writes the whole page to the log, so"
            " the log grows all the faster. Give it room; only recovery after a crash takes longer."
        ),
        cure=f"ALTER SYSTEM SET max_wal_size = '{_size(wanted)}';",
        link=_LINK,
    )


def _by_size(known: Checkpoints, evidence: Evidence, limit: float, age_s: float) -> float:
    """
    How many were asked for by the size of the log: CHECKPOINT, DROP DATABASE and backups ask for
    some too. Before PostgreSQL 14, which does not count the log, all are taken for such.
    """
    wal = evidence.wal
    wal_age_s = _age_s(evidence, wal.since_at) if wal else None
    if wal is None or wal_age_s is None:
        return known.requested
    return min(known.requested, wal.bytes / wal_age_s * age_s / (_REACHED * limit))


def _wanted_bytes(limit: float, gap_s: float, due_s: float) -> float:
    """So much that the time comes first; at most 16 times what it is."""
    return min(limit * due_s / max(gap_s, 1.0) * 1.5, limit * 16)


def archiver(evidence: Evidence) -> Iterator[Finding | Gap]:
    """`wal.archiver`: files of the log are not archived, so they are kept."""
    known = evidence.archiver
    if known is None or known.last_failed_at is None or not known.failed:
        return
    if known.last_archived_at is not None and known.last_archived_at >= known.last_failed_at:
        return
    since_at = known.last_archived_at
    is_long = since_at is not None and (known.last_failed_at - since_at).total_seconds() >= 3600
    yield Finding(
        code="wal.archiver",
        severity=Severity.CRITICAL if is_long else Severity.WARNING,
        subject="archive_command",
        summary=say(
            "the last {failed:count} attempts to archive the log failed", failed=known.failed
        )
        if since_at is None
        else say("the log was last archived at {since_at:time}", since_at=since_at),
        evidence={
            "failed": known.failed,
            "last_failed_at": iso(known.last_failed_at),
            "last_failed_file": known.last_failed,
        },
        explanation=say(
            "Until it is archived the log is kept: the disk fills up, and no backup can be brought"
            " up to date. The server's log tells what the command said."
        ),
        link="https://www.postgresql.org/docs/current/continuous-archiving.html",
    )


def _age_s(evidence: Evidence, since_at: datetime | None) -> float | None:
    if since_at is None:
        return None
    return max((evidence.read_at - since_at).total_seconds(), 1.0)


def _size(size_bytes: float) -> str:
    return (
        f"{round(size_bytes / GIB)}GB" if size_bytes >= 4 * GIB else f"{round(size_bytes / MIB)}MB"
    )


RULES = (requested, archiver)
