"""
Connections: how near the limit they are, and which transactions have been open for too long.
"""

from __future__ import annotations

from collections.abc import Iterator

from keiko_perf.diagnosis.evidence import Evidence, Session
from keiko_perf.diagnosis.rules.horizon import who
from keiko_perf.diagnosis.statements.parser import literal
from keiko_perf.model import Finding, Gap, Severity, say

NEAR = 0.8
FULL = 0.95
IDLE_S = 10.0
IDLE_LONG_S = 60.0
IDLE_TOO_LONG_S = 900.0
LONG_S = 900.0
TOO_LONG_S = 3600.0
HELD_BACK = 100_000
"""Transactions whose dead rows stay: from here on tables grow for it."""
PREPARED_S = 10.0
LEAST_SESSIONS = 200
_DOCS = "https://www.postgresql.org/docs/current"


def near_limit(evidence: Evidence) -> Iterator[Finding | Gap]:
    """`connections.near-limit`: soon the next one will be refused."""
    known = evidence.connections
    if known is None or known.used_ratio < NEAR:
        return
    states = {f"{state.replace(' ', '_')}": count for state, count in known.by_state if state}
    yield Finding(
        code="connections.near-limit",
        severity=Severity.CRITICAL if known.used_ratio >= FULL else Severity.WARNING,
        subject="max_connections",
        summary=say(
            "{used:count} of {most:count} connections are in use",
            used=known.used,
            most=known.most,
        ),
        evidence={"connections": known.used, "max_connections": known.most, **states},
        explanation=say(
            "The next client is refused when they are used up. Idle ones belong to pools that are"
            " larger than they need to be: make those smaller, or put pgbouncer between."
        ),
        link=f"{_DOCS}/runtime-config-connection.html",
    )


def no_pool(evidence: Evidence) -> Iterator[Finding | Gap]:
    """`connections.no-pool`: a connection is made for nearly each transaction."""
    database, counted_s = evidence.database, evidence.counted_s
    if database is None or database.sessions is None or counted_s is None:
        return
    transactions = database.commits + database.rollbacks
    if database.sessions < LEAST_SESSIONS or database.sessions < 0.2 * transactions:
        return
    if database.sessions / counted_s < 1:
        return
    yield Finding(
        code="connections.no-pool",
        severity=Severity.WARNING,
        subject="connections",
        summary=say(
            "a connection serves {transactions:number} transactions on average,"
            " {rate:rate} are made",
            transactions=transactions / database.sessions,
            rate=database.sessions / counted_s,
        ),
        evidence={"connections_made": database.sessions, "transactions": transactions},
        explanation=say(
            "To make a connection costs the server a new process, more than most statements cost."
            " Keep a pool in the service, or put pgbouncer between."
        ),
        link=f"{_DOCS}/tutorial-arch.html",
    )


def idle_in_transaction(evidence: Evidence) -> Iterator[Finding | Gap]:
    """`connections.idle-in-transaction`: a transaction is open, and nobody works on it."""
    known = evidence.connections
    for one in known.sessions if known else ():
        idle_s = one.state_s or 0.0
        if not one.is_idle_in_transaction or idle_s < IDLE_S:
            continue
        yield Finding(
            code="connections.idle-in-transaction",
            severity=_idleness(one, idle_s),
            subject=who(one),
            summary=say(
                "a transaction is open for {open:duration} and has been idle for {idle:duration}",
                open=one.transaction_s or idle_s,
                idle=idle_s,
            ),
            evidence=_figures(one),
            explanation=say(
                "It keeps its locks, and dead rows of all tables from being cleaned up. Something"
                " is awaited between its statements, or a commit is missing."
            ),
            cure=_timeout(evidence) or f"SELECT pg_terminate_backend({one.pid});",
            link=f"{_DOCS}/runtime-config-client.html#GUC-IDLE-IN-TRANSACTION-SESSION-TIMEOUT",
        )


def long_transaction(evidence: Evidence) -> Iterator[Finding | Gap]:
    """`connections.long-transaction`: it works, but keeps all tables from being cleaned up."""
    known = evidence.connections
    for one in known.sessions if known else ():
        open_s, held = one.transaction_s or 0.0, one.holds_back_rows or 0
        if one.is_idle_in_transaction or open_s < IDLE_S:
            continue
        if open_s < LONG_S and held < HELD_BACK:
            continue
        is_much = open_s >= TOO_LONG_S or held >= 10 * HELD_BACK
        yield Finding(
            code="connections.long-transaction",
            severity=Severity.WARNING if is_much else Severity.NOTE,
            subject=who(one),
            summary=say(
                "a transaction has run for {open:duration} and holds back what"
                " {held:count} later ones left",
                open=open_s,
                held=held,
            ),
            evidence=_figures(one),
            explanation=say(
                "As long as it runs no vacuum removes a row that it might still see, in any table."
                " Split the job, or run it on a standby."
            ),
            cure=f"SELECT pg_cancel_backend({one.pid});",
            link=f"{_DOCS}/routine-vacuuming.html#VACUUM-BASICS",
        )


def prepared(evidence: Evidence) -> Iterator[Finding | Gap]:
    """`connections.prepared-transaction`: nobody ends what was prepared."""
    known = evidence.connections
    for one in known.prepared if known else ():
        if one.age_s < PREPARED_S:
            continue
        severity = Severity.NOTE if one.age_s < 300 else Severity.WARNING
        yield Finding(
            code="connections.prepared-transaction",
            severity=Severity.CRITICAL if one.age_s >= 3600 else severity,
            subject=one.name,
            summary=say(
                "a prepared transaction of {user} waits for its end since {age:duration}",
                user=one.user,
                age=one.age_s,
            ),
            evidence={"age_s": one.age_s, "user": one.user},
            explanation=say(
                "It keeps its locks, and dead rows from being cleaned up, even after a restart."
                " Whoever prepared it has to end it; if that one is gone, you have."
            ),
            cure=f"ROLLBACK PREPARED {literal(one.name)};",
            link=f"{_DOCS}/sql-prepare-transaction.html",
        )


def _idleness(one: Session, idle_s: float) -> Severity:
    if idle_s >= IDLE_TOO_LONG_S and (one.holds_back_rows or 0) >= HELD_BACK:
        return Severity.CRITICAL
    return Severity.WARNING if idle_s >= IDLE_LONG_S else Severity.NOTE


def _timeout(evidence: Evidence) -> str | None:
    """The setting that ends such transactions, if there is none yet."""
    if evidence.settings.number("idle_in_transaction_session_timeout") == 0:
        return "ALTER SYSTEM SET idle_in_transaction_session_timeout = '1min';"
    return None


def _figures(one: Session) -> dict[str, float | int | str | None]:
    return {
        "state": one.state,
        "transaction_s": one.transaction_s,
        "state_s": one.state_s,
        "holds_back_transactions": one.holds_back_rows,
        "statement": one.query,
    }


RULES = (near_limit, no_pool, idle_in_transaction, long_transaction, prepared)
