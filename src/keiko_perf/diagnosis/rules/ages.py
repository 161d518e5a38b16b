"""
Ages: what comes to its end slowly, and then at once: transaction numbers, multixacts, sequences.
"""

from __future__ import annotations

from collections.abc import Iterator

from keiko_perf.diagnosis.evidence import Evidence, SequenceStats, TableStats
from keiko_perf.diagnosis.rules.horizon import keeper_of, kept
from keiko_perf.diagnosis.rules.tables import setting_of
from keiko_perf.diagnosis.rules.writing import iso, name_of
from keiko_perf.model import Finding, Gap, Severity, Text, say

LATE = 1.5
"""Autovacuum freezes at its age: at so many times of it, it does not come through."""
URGENT_AGE = 1_000_000_000
"""Half of the way to where the server takes no more writes."""
LAST_AGE = 2_147_483_647
USED = 0.75
URGENT_USED = 0.9
_NUMBERS = "https://www.postgresql.org/docs/current/datatype-numeric.html#DATATYPE-SERIAL"
_LINK = "https://www.postgresql.org/docs/current/routine-vacuuming.html"


def wraparound(evidence: Evidence) -> Iterator[Finding | Gap]:
    """`tables.wraparound`: rows that nobody freezes, while the transaction numbers run out."""
    for table in evidence.tables:
        limit = _freezes_at(table, "autovacuum_freeze_max_age", evidence.autovacuum.freeze_max_age)
        age = table.frozen_age
        if age is not None and age >= LATE * limit:
            found = _too_old(
                "tables.wraparound",
                table,
                age,
                limit,
                say(
                    "the table's oldest row is {age:count} transactions old: {part:ratio} of what"
                    " the server can tell apart",
                    age=age,
                    part=age / LAST_AGE,
                ),
                section="VACUUM-FOR-WRAPAROUND",
            )
            keeper = keeper_of(table, evidence)
            # To end one that is younger than what autovacuum freezes would change nothing.
            is_held = keeper is not None and keeper.held >= limit
            yield kept(found, keeper if is_held else None)


def multixacts(evidence: Evidence) -> Iterator[Finding | Gap]:
    """`tables.multixacts`: the same for rows that several transactions had locked."""
    for table in evidence.tables:
        limit = _freezes_at(
            table,
            "autovacuum_multixact_freeze_max_age",
            evidence.autovacuum.multixact_freeze_max_age,
        )
        age = table.multixact_age
        if age is not None and age >= LATE * limit:
            yield _too_old(
                "tables.multixacts",
                table,
                age,
                limit,
                say(
                    "the table's oldest shared lock is {age:count} multixacts old: {part:ratio} of"
                    " what the server can tell apart",
                    age=age,
                    part=age / LAST_AGE,
                ),
                section="VACUUM-FOR-MULTIXACT-WRAPAROUND",
            )


def other_database(evidence: Evidence) -> Iterator[Finding | Gap]:
    """`server.wraparound`: another database of the server is what will stop them all."""
    server = evidence.database
    if server is None:
        return
    oldest_here = max((one.frozen_age or 0 for one in evidence.tables), default=0)
    limit = evidence.autovacuum.freeze_max_age
    if server.oldest_age < LATE * limit or oldest_here >= LATE * limit:
        return
    yield Finding(
        code="server.wraparound",
        severity=_urgency(server.oldest_age),
        subject=server.oldest,
        summary=say(
            "the oldest row of the database {database} is {age:count} transactions old",
            database=server.oldest,
            age=server.oldest_age,
        ),
        evidence={"age": server.oldest_age, "freeze_age": limit},
        explanation=say(
            "When the numbers run out, the server takes no writes to any of its databases. Connect"
            " to that one and see what keeps its tables from being frozen."
        ),
        cure="VACUUM (FREEZE);",
        link=f"{_LINK}#VACUUM-FOR-WRAPAROUND",
    )


def sequence_end(evidence: Evidence) -> Iterator[Finding | Gap]:
    """`sequences.near-end`: the next numbers will not fit."""
    for one in evidence.sequences:
        if one.used_ratio >= USED:
            yield _near_end(one)


def narrow_keys(evidence: Evidence) -> Iterator[Finding | Gap]:
    """`sequences.key-near-end`: keys that no sequence of this column numbers, or that refer."""
    told = {(one.table, one.column) for one in evidence.sequences if one.used_ratio >= USED}
    for one in evidence.narrow_keys:
        if one.used_ratio < USED or (one.table, one.column) in told:
            continue
        yield Finding(
            code="sequences.key-near-end",
            severity=Severity.CRITICAL if one.used_ratio >= URGENT_USED else Severity.WARNING,
            subject=f"{one.table} ({one.column})",
            summary=say(
                "the largest value is {largest:count}, {used:ratio} of what fits into its type",
                largest=one.largest,
                used=one.used_ratio,
            ),
            evidence={
                "largest": one.largest,
                "limit": one.limit,
                "column_type": one.column_type,
            },
            explanation=say(
                "What is larger cannot be written: each INSERT fails, though what numbers it goes"
                " on. To make the column a bigint writes the table anew under a lock, so it is done"
                " before it is urgent."
            ),
            cure=f"ALTER TABLE {one.table} ALTER COLUMN {one.column} TYPE bigint;",
            link=_NUMBERS,
        )


def _near_end(one: SequenceStats) -> Finding:
    return Finding(
        code="sequences.near-end",
        severity=Severity.CRITICAL if one.used_ratio >= URGENT_USED else Severity.WARNING,
        subject=one.full_name,
        summary=say(
            "{used:ratio} of the numbers for {table}.{column} are used up",
            used=one.used_ratio,
            table=one.table,
            column=one.column,
        )
        if one.table is not None
        else say("{used:ratio} of the sequence's numbers are used up", used=one.used_ratio),
        evidence={
            "last_value": one.last_value,
            "limit": one.limit,
            "column_type": one.column_type,
        },
        explanation=say(
            "After the last number each INSERT fails. To make the column a bigint writes the table"
            " anew under a lock, so it is done before it is urgent; so do columns that refer to it."
        ),
        cure=" ".join(_widened(one)),
        link=_NUMBERS,
    )


def _widened(one: SequenceStats) -> Iterator[str]:
    """The column, and its sequence, unless that gets wider with it as an identity's does."""
    is_narrow = one.table is not None and one.column_type != "bigint"
    if is_narrow:
        yield f"ALTER TABLE {one.table} ALTER COLUMN {one.column} TYPE bigint;"
    if not is_narrow or one.is_narrow:
        yield (
            f"ALTER SEQUENCE {name_of(one.schema, one.name)} AS bigint"
            " MAXVALUE 9223372036854775807;"
        )


def _too_old(
    code: str, table: TableStats, age: int, limit: float, summary: Text, *, section: str
) -> Finding:
    return Finding(
        code=code,
        severity=_urgency(age),
        subject=table.full_name,
        summary=summary,
        evidence={
            "age": age,
            "freeze_age": limit,
            "size_bytes": table.size_bytes,
            "last_vacuum_at": iso(table.last_vacuum_at),
        },
        explanation=say(
            "Autovacuum freezes old rows, but does not get through here: a long transaction, a"
            " replication slot or a lock is in its way, or it is too slow for the table."
        ),
        cure=f"VACUUM (FREEZE) {name_of(table.schema, table.name)};",
        link=f"{_LINK}#{section}",
    )


def _freezes_at(table: TableStats, setting: str, server: float) -> float:
    """The age at which autovacuum comes; a table's own setting can only make it come earlier."""
    return min(setting_of(table.options, setting, server), server)


def _urgency(age: int) -> Severity:
    return Severity.CRITICAL if age >= URGENT_AGE else Severity.WARNING


RULES = (wraparound, multixacts, other_database, sequence_end, narrow_keys)
