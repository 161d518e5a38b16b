"""
Looks: what sessions are at, seen several times a second, and for whom those wait that wait.

One look costs the server what a monitoring query does; who is in whose way is asked only where
somebody waits for a lock. No values of parameters are read: a session's text is its statement.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, field

from keiko_perf.diagnosis.postgres import Database

MOST_SESSIONS = 200
MOST_STATEMENTS = 500
"""That are told apart over all looks."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Look:
    """
    One session that was at work when it was looked at.

    Attributes:
        query: its statement, cut by the server.
        waits_for: the class of what it waits for, such as `Lock` or `IO`; None if it runs.
        on: what lock it waits for: a table, or the kind of the lock; empty if for none.
        blocker: the statement of who is in its way; empty if nobody is, or it may not be seen.
        blocker_state: such as `idle in transaction`.
    """

    query: str
    waits_for: str | None = None
    on: str = ""
    blocker: str = ""
    blocker_state: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Waited:
    """
    A statement that was seen to wait for a lock.

    Attributes:
        query: its text.
        ratio: in which share of the looks at it.
        looks: in how many.
        on, blocker, blocker_state: as of `Look`, the most frequent.
    """

    query: str
    ratio: float
    looks: int
    on: str
    blocker: str
    blocker_state: str


async def look(database: Database) -> tuple[Look, ...]:
    """Which sessions of this database are at work now, and what they wait for."""
    rows = await database.rows(_LOOK, most=MOST_SESSIONS)
    return tuple(
        Look(
            query=row["query"] or "",
            waits_for=row["waits_for"],
            on=row["on_what"] or "",
            blocker=row["blocker"] or "",
            blocker_state=row["blocker_state"] or "",
        )
        for row in rows
    )


_KINDS = frozenset(("transactionid", "tuple", "virtualxid", "relation", "advisory", "object"))


@dataclass(slots=True)
class _Seen:
    looks: int = 0
    waits: list[Look] = field(default_factory=list)


def waited(looks: Iterable[Look]) -> tuple[Waited, ...]:
    """The statements that waited for locks, those that did most often first. Pure."""
    seen: defaultdict[str, _Seen] = defaultdict(_Seen)
    for one in looks:
        if one.query in seen or len(seen) < MOST_STATEMENTS:
            known = seen[one.query]
            known.looks += 1
            if one.waits_for == "Lock":
                known.waits.append(one)
    found = [
        Waited(
            query=query,
            ratio=len(known.waits) / known.looks,
            looks=len(known.waits),
            on=_most([one.on for one in known.waits]),
            blocker=_most([one.blocker for one in known.waits]),
            blocker_state=_most([one.blocker_state for one in known.waits]),
        )
        for query, known in seen.items()
        if known.waits
    ]
    return tuple(sorted(found, key=lambda one: -one.looks))


def _most(texts: Iterable[str]) -> str:
    """The most frequent text that says something; a table says more than the kind of a lock."""
    said = [text for text in texts if text]
    counted = Counter([text for text in said if text not in _KINDS] or said)
    return counted.most_common(1)[0][0] if counted else ""


# Of several who are in the way, and who may wait themselves, the one counts that waits for nobody.
_LOOK = """
SELECT left(a.query, 2000) AS query, a.wait_event_type AS waits_for,
       coalesce(l.relname, l.locktype) AS on_what,
       left(b.query, 2000) AS blocker, b.state AS blocker_state
FROM pg_catalog.pg_stat_activity a
LEFT JOIN LATERAL (
    SELECT pg_blocking_pids(a.pid) AS pids WHERE a.wait_event_type = 'Lock'
) p ON true
LEFT JOIN LATERAL (
    SELECT o.query, o.state FROM pg_catalog.pg_stat_activity o
    WHERE o.pid = ANY (p.pids) ORDER BY o.wait_event_type = 'Lock', o.xact_start LIMIT 1
) b ON true
LEFT JOIN LATERAL (
    SELECT w.locktype, c.relname::text AS relname
    FROM pg_catalog.pg_locks w
    LEFT JOIN pg_catalog.pg_locks t
        ON w.locktype = 'transactionid' AND t.pid = w.pid AND t.granted
        AND (t.locktype = 'tuple' OR (t.locktype = 'relation' AND t.mode IN
             ('RowShareLock', 'RowExclusiveLock')))
    LEFT JOIN pg_catalog.pg_class c
        ON c.oid = coalesce(w.relation, t.relation) AND c.relkind IN ('r', 'p', 'm')
    WHERE p.pids IS NOT NULL AND w.pid = a.pid AND NOT w.granted
    ORDER BY c.relname IS NULL, t.locktype = 'tuple' DESC NULLS LAST LIMIT 1
) l ON true
WHERE a.state = 'active' AND a.pid <> pg_backend_pid() AND a.datname = current_database()
  AND a.backend_type = 'client backend'
LIMIT :most
"""
