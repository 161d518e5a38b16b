"""
Overview: what was read of a database and what is worth attention, as the reports of `db` commands.

Pure: the values come in, with the time at which they were read.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence

from keiko_perf.diagnosis.evidence import Evidence, IndexStats, StatementStats, TableStats
from keiko_perf.diagnosis.listing import Shown, listed
from keiko_perf.diagnosis.rules import Judgement
from keiko_perf.diagnosis.rules.locks import Branch, tree
from keiko_perf.diagnosis.rules.statements import is_query, share_of
from keiko_perf.diagnosis.rules.tables import needs_vacuum
from keiko_perf.diagnosis.rules.writing import one_line
from keiko_perf.diagnosis.server import Server
from keiko_perf.model import Finding, Gap, Report, Section, Severity, Status, Table, Text, say

MOST_SESSIONS = 100
_SHORT = 60
_DEEPEST = 20
"""Sessions behind more than this many stay at one margin, so that the table keeps its width."""


def check_report(evidence: Evidence, judged: Judgement, *, server: Server) -> Report:
    """Everything that the rules have to say, and what they looked at."""
    title = say("Check of the database {database}", database=server.database)
    return _report("db check", title, evidence, judged, _looked_at(evidence, judged), server=server)


def slow_report(evidence: Evidence, judged: Judgement, *, server: Server) -> Report:
    """The statements that take most of the database's time."""
    columns: tuple[Shown[StatementStats], ...] = (
        Shown(say("Statement"), "text", lambda one: one_line(one.query)),
        Shown(say("Mean"), "duration", lambda one: one.mean_s),
        Shown(say("Calls"), "count", lambda one: one.calls),
        Shown(say("Total"), "duration", lambda one: one.total_s),
        Shown(say("Share"), "ratio", lambda one: share_of(one, evidence)),
        Shown(say("Rows per call"), "number", lambda one: one.rows_per_call),
        Shown(say("From cache"), "ratio", lambda one: one.hit_ratio),
    )
    table = listed(
        say("The statements that take most of the time"),
        columns,
        [one for one in evidence.statements if is_query(one.query)],
        left_out=evidence.statements_left_out,
    )
    title = say("Statements of the database {database}", database=server.database)
    return _report("db slow", title, evidence, judged, table, server=server)


def tables_report(evidence: Evidence, judged: Judgement, *, server: Server) -> Report:
    """The tables, the largest first."""
    columns: tuple[Shown[TableStats], ...] = (
        Shown(say("Table"), "text", lambda one: one.full_name),
        Shown(say("Size"), "bytes", lambda one: one.size_bytes),
        Shown(say("Live rows"), "count", lambda one: one.live_rows),
        Shown(say("Dead rows"), "count", lambda one: one.dead_rows),
        Shown(say("Dead"), "ratio", lambda one: one.dead_ratio),
        Shown(say("Last vacuum"), "time", lambda one: one.last_vacuum_at),
        Shown(say("Last analyze"), "time", lambda one: one.last_analyze_at),
        Shown(say("Needs vacuum"), "text", lambda one: needs_vacuum(one, evidence.autovacuum)),
    )
    table = listed(
        say("The largest tables"), columns, evidence.tables, left_out=evidence.tables_left_out
    )
    title = say("Tables of the database {database}", database=server.database)
    return _report("db tables", title, evidence, judged, table, server=server)


def indexes_report(evidence: Evidence, judged: Judgement, *, server: Server) -> Report:
    """The indexes, the largest first."""
    columns: tuple[Shown[IndexStats], ...] = (
        Shown(say("Index"), "text", lambda one: one.full_name),
        Shown(say("Table"), "text", lambda one: one.table_name),
        Shown(say("Size"), "bytes", lambda one: one.size_bytes),
        Shown(say("Scans"), "count", lambda one: one.scans),
        Shown(say("Rows written to its table"), "count", lambda one: one.table_writes),
    )
    table = listed(
        say("The largest indexes"), columns, evidence.indexes, left_out=evidence.indexes_left_out
    )
    title = say("Indexes of the database {database}", database=server.database)
    return _report("db indexes", title, evidence, judged, table, server=server)


def locks_report(evidence: Evidence, judged: Judgement, *, server: Server) -> Report:
    """Who is connected, who is long in a transaction, and who waits behind whom."""
    title = say("Connections to the server, and what they wait for")
    tables = tuple(_activity(evidence))
    return _report("db locks", title, evidence, judged, *tables, server=server)


def _activity(evidence: Evidence) -> Iterable[Table]:
    known = evidence.connections
    if known is None:
        return
    queue = tree(known)
    if queue:
        columns: tuple[Shown[Branch], ...] = (
            Shown(say("Session"), "text", _indented),
            Shown(say("User"), "text", lambda one: one.session.user),
            Shown(say("Application"), "text", lambda one: one.session.application),
            Shown(say("State"), "text", lambda one: one.session.state),
            Shown(say("In transaction"), "duration", lambda one: one.session.transaction_s),
            Shown(say("Waits for"), "text", _wanted),
            Shown(say("Waiting"), "duration", lambda one: one.waiter.waits_s if one.waiter else ""),
            Shown(say("Statement"), "text", lambda one: _short(one.session.query)),
        )
        yield listed(say("Who waits behind whom"), columns, queue, most=MOST_SESSIONS)
    in_queue = {one.session.pid for one in queue}
    others = [one for one in known.sessions if one.pid not in in_queue]
    if others:
        yield listed(
            say("Transactions that have been open for long"),
            (
                Shown(say("Session"), "text", lambda one: str(one.pid)),
                Shown(say("User"), "text", lambda one: one.user),
                Shown(say("Application"), "text", lambda one: one.application),
                Shown(say("State"), "text", lambda one: one.state),
                Shown(say("In transaction"), "duration", lambda one: one.transaction_s),
                Shown(say("Statement"), "text", lambda one: _short(one.query)),
            ),
            others,
            left_out=known.sessions_left_out,
        )
    if not known.by_state:
        return
    yield listed(
        say("Connections: {used:count} of {most:count}", used=known.used, most=known.most),
        (
            Shown(say("State"), "text", lambda one: one[0] or None),
            Shown(say("Connections"), "count", lambda one: one[1]),
        ),
        known.by_state,
    )


def _indented(one: Branch) -> str:
    return f"{'· ' * min(one.depth, _DEEPEST)}{one.session.pid or '?'}"


def _wanted(one: Branch) -> str:
    return "" if one.waiter is None else f"{one.waiter.mode} ({one.waiter.on})"


def _short(query: str) -> str:
    """As much of a statement as a column of many has room for."""
    return query if len(query) <= _SHORT else query[: _SHORT - 1] + "…"


def _looked_at(evidence: Evidence, judged: Judgement) -> Table:
    """What the rules had before them, topic by topic: silence without it would say nothing."""
    found = Counter(one.code.partition(".")[0] for one in judged.findings)
    known = evidence.connections
    topics: tuple[tuple[Text, int | None, tuple[str, ...]], ...] = (
        (
            say("statements"),
            len(evidence.statements) + evidence.statements_left_out,
            ("statements", "patterns", "statistics"),
        ),
        (say("tables"), len(evidence.tables) + evidence.tables_left_out, ("tables",)),
        (say("indexes"), len(evidence.indexes) + evidence.indexes_left_out, ("indexes",)),
        (say("sequences that can end"), len(evidence.sequences), ("sequences",)),
        (say("connections"), known.used if known else None, ("connections", "locks")),
        (say("standbys and slots"), _followers(evidence), ("replication",)),
        (say("extensions"), len(evidence.extensions), ("extensions",)),
        (
            say("settings and the server"),
            len(evidence.settings.by_name),
            ("settings", "checkpoints", "wal", "server"),
        ),
    )
    return listed(
        say("What was looked at"),
        (
            Shown(say("Topic"), "text", lambda one: one[0]),
            Shown(say("Looked at"), "count", lambda one: one[1]),
            Shown(say("Findings"), "count", lambda one: sum(found[code] for code in one[2])),
        ),
        topics,
    )


def _followers(evidence: Evidence) -> int | None:
    known = evidence.replication
    return None if known is None else len(known.standbys) + len(known.slots)


def _report(
    command: str,
    title: Text,
    evidence: Evidence,
    judged: Judgement,
    *tables: Table,
    server: Server,
) -> Report:
    section = Section(
        title=say("What is worth attention"),
        findings=judged.findings,
        gaps=judged.gaps,
        tables=tables,
        paragraphs=_counted_since(evidence),
    )
    return Report(
        command=command,
        title=title,
        headline=headline(judged.findings, judged.gaps),
        status=Status.of(findings=judged.findings),
        created_at=evidence.read_at,
        sections=(section,),
        environment={
            "database": server.database,
            "PostgreSQL": server.version_text,
            "user": server.user,
        },
    )


def headline(findings: Sequence[Finding], gaps: Sequence[Gap]) -> Text:
    """How many findings there are, and whether nothing found means that nothing is there."""
    severe = sum(one.severity is Severity.CRITICAL for one in findings)
    if severe:
        return say(
            "findings: {count:count}, severe ones: {severe:count}",
            severe=severe,
            count=len(findings),
        )
    if findings:
        return say("findings: {count:count}, none of them severe", count=len(findings))
    if gaps:
        return say("nothing found in what could be looked at")
    return say("nothing to do here")


def _counted_since(evidence: Evidence) -> tuple[Text, ...]:
    paragraphs: list[Text] = []
    if evidence.since_at is not None:
        paragraphs.append(say("Counted since {since_at:time}.", since_at=evidence.since_at))
    if evidence.is_standby:
        paragraphs.append(
            say("This server is a standby: its counters tell only what was asked of it.")
        )
    return tuple(paragraphs)
