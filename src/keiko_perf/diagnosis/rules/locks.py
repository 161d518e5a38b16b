"""
Locks: who is in whose way, as a tree, and how often it came to a deadlock.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass

from keiko_perf.diagnosis.evidence import Connections, Evidence, Session, Waiter
from keiko_perf.diagnosis.rules.horizon import who
from keiko_perf.diagnosis.rules.writing import iso
from keiko_perf.model import Finding, Gap, Severity, say

NOTED_S = 1.0
QUEUE = 3
QUEUED_S = 0.1
"""All together. Each waits but a moment, and they never end: a row that all of them write."""
LONG_S = 10.0
TOO_LONG_S = 60.0
MANY = 10
LEAST_DEADLOCKS = 5
MOST_BRANCHES = 500
_LINK = "https://www.postgresql.org/docs/current/explicit-locking.html"
_PREPARED = 0


@dataclass(frozen=True, slots=True)
class Branch:
    """
    One session in the tree of those that block and wait.

    Attributes:
        depth: 0 is in the way of others and waits for nobody.
        session: who it is; only its pid may be known.
        waiter: what it waits for; None at the root.
    """

    depth: int
    session: Session
    waiter: Waiter | None = None


def tree(known: Connections) -> tuple[Branch, ...]:
    """
    Who is in whose way, roots first, each with those behind it. Who waits for several stands
    under the first of them; what waits in a circle stands once, under its smallest pid.
    """
    waiting = {one.pid: one for one in known.waiters}
    sessions = {one.pid: one for one in known.sessions}
    behind: defaultdict[int, list[int]] = defaultdict(list)
    for one in known.waiters:
        for blocker in one.blockers:
            behind[blocker].append(one.pid)
    roots = sorted(pid for pid in behind if pid not in waiting)
    found: dict[int, Branch] = {}
    for start in (*roots, *sorted(waiting)):
        todo = [(start, 0)]
        while todo and len(found) < MOST_BRANCHES:
            pid, depth = todo.pop()
            if pid in found:
                continue
            session = sessions.get(pid) or Session(pid=pid)
            found[pid] = Branch(depth, session, waiting.get(pid))
            todo += [(other, depth + 1) for other in reversed(behind[pid])]
    return tuple(found.values())


def waiting(evidence: Evidence) -> Iterator[Finding | Gap]:
    """`locks.waiting`: sessions stand still behind one, which is named."""
    if evidence.connections is None:
        return
    branches = tree(evidence.connections)
    if not branches:
        return
    starts = [number for number, one in enumerate(branches) if one.depth == 0]
    for start, end in zip(starts, [*starts[1:], len(branches)], strict=True):
        root, behind = branches[start], branches[start + 1 : end]
        waiters = [one.waiter for one in behind if one.waiter]
        waited_s = [one.waits_s or 0.0 for one in waiters]
        # Of a row the wait begins anew with each who gets it: it is the queue that tells.
        is_queue = len(waiters) >= QUEUE and sum(waited_s) >= QUEUED_S
        longest_s = max(waited_s, default=0.0)
        if longest_s >= NOTED_S or is_queue:
            yield _waiting(root.session, waiters, longest_s)


def _waiting(root: Session, behind: list[Waiter], waits_s: float) -> Finding:
    first = max(behind, key=lambda one: one.waits_s or 0.0)
    is_prepared = root.pid == _PREPARED
    is_idle = root.is_idle_in_transaction
    return Finding(
        code="locks.waiting",
        severity=_severity(len(behind), waits_s),
        subject="a prepared transaction" if is_prepared else who(root),
        summary=say(
            "{count:count} sessions wait behind it for a lock on {on}, for up to {waits:duration}",
            count=len(behind),
            on=first.on,
            waits=waits_s,
        ),
        evidence={
            "waiting": len(behind),
            "waits_s": waits_s,
            "wanted_lock": first.mode,
            "held_lock": first.held or None,
            "state": root.state,
            "transaction_s": root.transaction_s,
            "statement": root.query or None,
        },
        explanation=say(
            "It is idle within its transaction: nothing but its commit, or its end, lets the others"
            " go on. keiko-perf db locks shows the whole queue."
        )
        if is_idle
        else say(
            "The others go on when its transaction ends. A change of the schema waits for all"
            " before it, and all after it wait for the change: give such a one a lock_timeout."
        ),
        cure="SELECT gid FROM pg_prepared_xacts ORDER BY prepared;"
        if is_prepared
        else f"SELECT pg_{'terminate' if is_idle else 'cancel'}_backend({root.pid});",
        link=_LINK,
    )


def _severity(count: int, waits_s: float) -> Severity:
    if waits_s >= TOO_LONG_S or (count >= MANY and waits_s >= LONG_S):
        return Severity.CRITICAL
    return Severity.WARNING if waits_s >= LONG_S else Severity.NOTE


def deadlocks(evidence: Evidence) -> Iterator[Finding | Gap]:
    """`locks.deadlocks`: transactions take the same locks in different order."""
    database, counted_s = evidence.database, evidence.counted_s
    if database is None or counted_s is None or database.deadlocks < LEAST_DEADLOCKS:
        return
    per_hour = database.deadlocks / max(counted_s, 3600.0) * 3600
    if per_hour < 1:
        return
    is_silent = evidence.settings.is_on("log_lock_waits") is False
    yield Finding(
        code="locks.deadlocks",
        severity=Severity.WARNING if per_hour >= 10 else Severity.NOTE,
        subject="deadlocks",
        summary=say(
            "{deadlocks:count} transactions were ended to resolve a deadlock",
            deadlocks=database.deadlocks,
        ),
        evidence={
            "deadlocks": database.deadlocks,
            "per_hour": per_hour,
            "counted_since": iso(evidence.since_at),
        },
        explanation=say(
            "Let all transactions lock their rows in one order, such as by key. The server's log"
            " names the statements of each deadlock, and with log_lock_waits the waits before it."
        ),
        cure="ALTER SYSTEM SET log_lock_waits = on;" if is_silent else None,
        link=f"{_LINK}#LOCKING-DEADLOCKS",
    )


RULES = (waiting, deadlocks)
