"""When the rules about connections and locks speak, and when they keep quiet."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from tests.diagnosis.rules.judging import CRITICAL, EMPTY, NOTE, WARNING, Said, check, said, set_to

from keiko_perf.diagnosis.evidence import (
    Connections,
    DatabaseStats,
    Evidence,
    PreparedTransaction,
    Session,
    Waiter,
)
from keiko_perf.diagnosis.rules import judge
from keiko_perf.diagnosis.rules.locks import tree


def connected(*sessions: Session, **changes: Any) -> Evidence:
    known = Connections(used=10, most=100, sessions=sessions)
    return replace(EMPTY, connections=replace(known, **changes))


@check([
    ("plenty left", {"used": 50}, []),
    ("few left", {"used": 85}, [("connections.near-limit", WARNING)]),
    ("none left", {"used": 100}, [("connections.near-limit", CRITICAL)]),
    ("prepared a moment ago",
     {"prepared": (PreparedTransaction(name="x", age_s=1.0, user="me"),)}, []),
    ("prepared and forgotten", {"prepared": (PreparedTransaction(name="it's", age_s=400.0,
                                                                 user="me"),)},
     [("connections.prepared-transaction", WARNING)]),
])  # fmt: skip
def test_connections(why: str, changes: dict[str, Any], expected: Said) -> None:
    assert said(connected(**changes)) == expected


@check([
    ("idle for a moment", {"state_s": 2.0}, []),
    ("idle for half a minute", {}, [("connections.idle-in-transaction", NOTE)]),
    ("idle for minutes", {"state_s": 300.0}, [("connections.idle-in-transaction", WARNING)]),
    ("idle for long, and nothing can be cleaned up",
     {"state_s": 3600.0, "holds_back_rows": 500_000},
     [("connections.idle-in-transaction", CRITICAL)]),
    ("at work for a minute", {"state": "active", "transaction_s": 60.0}, []),
    ("at work for an hour", {"state": "active", "transaction_s": 3700.0},
     [("connections.long-transaction", WARNING)]),
    ("at work for a minute, while much was changed",
     {"state": "active", "transaction_s": 60.0, "holds_back_rows": 200_000},
     [("connections.long-transaction", NOTE)]),
    ("its state is not seen", {"state": None, "state_s": None, "transaction_s": None}, []),
])  # fmt: skip
def test_transactions_that_stay_open(why: str, changes: dict[str, Any], expected: Said) -> None:
    one = Session(pid=7, state="idle in transaction", transaction_s=31.0, state_s=30.0)
    assert said(connected(replace(one, **changes))) == expected


def test_where_no_timeout_ends_idle_transactions_that_is_the_cure() -> None:
    idle = Session(pid=7, state="idle in transaction", transaction_s=31.0, state_s=30.0)
    evidence = replace(connected(idle), settings=set_to(idle_in_transaction_session_timeout="0"))
    (found,) = judge(evidence).findings
    assert found.cure == "ALTER SYSTEM SET idle_in_transaction_session_timeout = '1min';"
    evidence = replace(evidence, settings=set_to(idle_in_transaction_session_timeout="60000"))
    assert judge(evidence).findings[0].cure == "SELECT pg_terminate_backend(7);"


def waiter(pid: int, *blockers: int, waits_s: float | None = 20.0) -> Waiter:
    return Waiter(pid=pid, blockers=blockers, mode="ShareLock", on="tasks", waits_s=waits_s)


def test_who_waits_behind_whom_is_a_tree() -> None:
    known = Connections(
        used=5, most=100, waiters=(waiter(2, 1), waiter(3, 2), waiter(4, 2, 1), waiter(5, 9))
    )
    shown = [(one.depth, one.session.pid) for one in tree(known)]
    assert shown == [(0, 1), (1, 2), (2, 3), (2, 4), (0, 9), (1, 5)]


def test_a_circle_of_waiters_has_an_end() -> None:
    known = Connections(used=2, most=100, waiters=(waiter(1, 2), waiter(2, 1)))
    assert [(one.depth, one.session.pid) for one in tree(known)] == [(0, 1), (1, 2)]
    assert [code for code, _ in said(replace(EMPTY, connections=known))] == ["locks.waiting"]


@pytest.mark.parametrize(
    ("why", "waiters", "expected"),
    [
        ("a moment", (waiter(2, 1, waits_s=0.1),), []),
        (
            "a queue of moments",
            tuple(waiter(pid, 1, waits_s=0.2) for pid in (2, 3, 4)),
            [("locks.waiting", NOTE)],
        ),
        (
            "a long queue of moments",
            tuple(waiter(pid, 1, waits_s=0.2) for pid in range(2, 14)),
            [("locks.waiting", NOTE)],
        ),
        (
            "a queue that passes at once",
            tuple(waiter(pid, 1, waits_s=0.01) for pid in (2, 3, 4)),
            [],
        ),
        ("seconds", (waiter(2, 1, waits_s=3.0),), [("locks.waiting", NOTE)]),
        ("long", (waiter(2, 1), waiter(3, 2)), [("locks.waiting", WARNING)]),
        ("too long", (waiter(2, 1, waits_s=90.0),), [("locks.waiting", CRITICAL)]),
        ("many", tuple(waiter(pid, 1) for pid in range(2, 14)), [("locks.waiting", CRITICAL)]),
        ("behind two", (waiter(2, 1), waiter(4, 3)), [("locks.waiting", WARNING)] * 2),
        ("since when is not known", (waiter(2, 1, waits_s=None),), []),
        ("behind a prepared one", (waiter(2, 0),), [("locks.waiting", WARNING)]),
    ],
)
def test_waiting(why: str, waiters: tuple[Waiter, ...], expected: Said) -> None:
    assert said(connected(waiters=waiters)) == expected


def test_one_that_is_idle_is_ended_and_one_at_work_is_cancelled() -> None:
    idle = Session(pid=1, state="idle in transaction", state_s=2.0, transaction_s=2.0)
    (found,) = judge(connected(idle, waiters=(waiter(2, 1),))).findings
    assert found.cure == "SELECT pg_terminate_backend(1);"
    (found,) = judge(connected(replace(idle, state="active"), waiters=(waiter(2, 1),))).findings
    assert found.cure == "SELECT pg_cancel_backend(1);"


@check([
    ("some an hour", {"deadlocks": 6}, [("locks.deadlocks", NOTE)]),
    ("many an hour", {"deadlocks": 100}, [("locks.deadlocks", WARNING)]),
    ("one", {"deadlocks": 1}, []),
    ("a connection for each transaction", {"sessions": 50_000, "commits": 60_000},
     [("connections.no-pool", WARNING)]),
    ("a pool", {"sessions": 5_000, "commits": 600_000}, []),
    ("how many connections is not told", {"sessions": None, "commits": 60_000}, []),
])  # fmt: skip
def test_what_the_database_counts(why: str, changes: dict[str, Any], expected: Said) -> None:
    evidence = replace(EMPTY, database=replace(DatabaseStats(), **changes))
    assert said(evidence) == expected
    assert said(replace(evidence, since_at=None)) == []
