"""
Safety: what the server was told to risk, and what is damaged already.

None of it is slow. It is told all the same: who looks after a database wants to know it first.
"""

from __future__ import annotations

from collections.abc import Iterator

from keiko_perf.diagnosis.evidence import Collation, Evidence
from keiko_perf.diagnosis.rules.settings import setting_finding
from keiko_perf.diagnosis.rules.writing import iso, name_of
from keiko_perf.diagnosis.statements.parser import quoted
from keiko_perf.model import Finding, Gap, Severity, say

DAMAGING = {
    "fsync": True,
    "full_page_writes": True,
    "zero_damaged_pages": False,
    "ignore_checksum_failure": False,
}
"""With the value that is safe: otherwise a loss of power, or one bad page, costs the database."""
_FOR_THIS_START = "command line"
"""Where test servers have it from, whose data may be lost; what was forgotten is in a file."""
_DOCS = "https://www.postgresql.org/docs/current"


def unsafe(evidence: Evidence) -> Iterator[Finding | Gap]:
    """`settings.unsafe`: a crash or a bad page damages the database, and nobody is told."""
    settings = evidence.settings
    found = [
        name
        for name, safe in DAMAGING.items()
        if settings.is_on(name) is (not safe) and settings.by_name[name].source != _FOR_THIS_START
    ]
    if found:
        yield setting_finding(
            "settings.unsafe",
            ", ".join(found),
            Severity.WARNING,
            say("{names}: so set, data can be lost or damaged unseen", names=", ".join(found)),
            {name: settings.text(name) for name in found},
            say(
                "Without fsync or full_page_writes the database may be beyond repair once the"
                " machine loses its power; the others read over what is damaged as if it were"
                " nothing. Only for data that may be lost, as in tests."
            ),
            cure=" ".join(
                f"ALTER SYSTEM SET {name} = {'on' if DAMAGING[name] else 'off'};" for name in found
            ),
            link=f"{_DOCS}/runtime-config-wal.html#GUC-FSYNC",
        )


def checksum_failures(evidence: Evidence) -> Iterator[Finding | Gap]:
    """`server.checksum-failures`: pages came back from the disk other than they were written."""
    known = evidence.database
    if known is None or not known.checksum_failures:
        return
    yield Finding(
        code="server.checksum-failures",
        severity=Severity.CRITICAL,
        subject="data_checksums",
        summary=say(
            "{count:count} times a page was read whose checksum was wrong",
            count=known.checksum_failures,
        ),
        evidence={
            "failures": known.checksum_failures,
            "last_failed_at": iso(known.checksum_failed_at),
        },
        explanation=say(
            "The disk, its controller or the memory has changed what was written. The server's log"
            " names the files. Fetch them from a backup or a standby, copy what can still be read,"
            " and move to another machine."
        ),
        cure="SELECT datname, checksum_failures, checksum_last_failure FROM pg_stat_database"
        " WHERE checksum_failures > 0;",
        link=f"{_DOCS}/checksums.html",
    )


def collations(evidence: Evidence) -> Iterator[Finding | Gap]:
    """`server.collation-changed`: indexes on text are sorted as an older library sorted."""
    for one in evidence.collations:
        yield Finding(
            code="server.collation-changed",
            severity=Severity.WARNING,
            subject=one.name,
            summary=say(
                "the order of texts was that of version {then}, and is that of version {now}:"
                " {count:count} indexes may be sorted wrong",
                then=one.version,
                now=one.actual,
                count=one.indexes,
            ),
            evidence={"version": one.version, "actual": one.actual, "indexes": one.indexes},
            explanation=say(
                "The system's library was upgraded beneath the database. An index in the old order"
                " does not find rows that are there, and lets a unique value in twice. Build them"
                " anew before the new version is noted."
            ),
            cure=f"REINDEX DATABASE CONCURRENTLY {quoted(one.database)}; {_refreshed(one)}",
            link=f"{_DOCS}/sql-altercollation.html#SQL-ALTERCOLLATION-NOTES",
        )


def _refreshed(one: Collation) -> str:
    if one.schema is None:
        return f"ALTER DATABASE {quoted(one.name)} REFRESH COLLATION VERSION;"
    return f"ALTER COLLATION {name_of(one.schema, one.name)} REFRESH VERSION;"


RULES = (unsafe, checksum_failures, collations)
