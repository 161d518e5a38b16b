"""
Claims: which part of the time that users wait each possible cause accounts for. Pure.

Each second of a request is claimed once. A statement's time is claimed by what makes it long: a
lock that it waits for, its being sent again and again, an index that is missing, or just by itself.
What held the event loop claims its own time and that of all who waited for the loop meanwhile. The
wait for a connection belongs to whatever the connections are held for, if that is one thing which
can be cured; else to the pool.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from keiko_perf.doctor.claim import Claim
from keiko_perf.doctor.codes import (
    AWAITS,
    BETWEEN,
    BLOCKS,
    BUSY,
    COMPUTES,
    HTTP,
    HTTP_REPEATED,
    INDEX,
    LOCK,
    MANY,
    OUTSIDE,
    REPEATED_CODE,
    SLOW,
    THREADS,
    THROTTLED,
    UNSEEN,
)
from keiko_perf.doctor.holding import CROWDED, pool_claims
from keiko_perf.doctor.rows import MANY_ROWS, rows_each
from keiko_perf.doctor.shape import is_same, shape
from keiko_perf.doctor.symptoms import IndexCure, LockWait, Reason, RouteTime, Symptoms
from keiko_perf.model import OTHER, Asked, BlockingCall
from keiko_perf.model.asked import asks_for_something
from keiko_perf.model.awaited import AwaitedAt

REPEATED = 5.0
"""A request that sends one statement so often on average asks for each item of a list."""
IN_TURN = 3.0
"""Calls that go on so many at a time are not made in turn; fewer, where some requests go on."""
SLOW_STATEMENT_S = 0.02
SLOW_CALL_S = 0.02
LEAST_FACTOR = 2.0
"""An index that makes a statement no cheaper than this is not why it is slow."""
LEAST_COUNTED = 5
LEAST_LOOKS = 3
"""Sessions that were seen to wait less often just met."""
LEAST_AWAITED = 5
"""Looks in which requests were seen to await at a line."""
_DATABASE = ("sqlalchemy/", "asyncpg/", "psycopg/", "psycopg_pool/")
LEAST_BETWEEN = 0.5
"""Of a statement's time as its service sees it: if the database needs less, it is elsewhere."""


def claims(seen: Symptoms) -> list[Claim]:
    """What each possible cause accounts for; whether it is worth a word is decided elsewhere."""
    of_statements = [*_statements(seen), *_unfinished(seen)]
    others = [*_loop(seen), *_hosts(seen), *_unseen(seen)]
    _move_what_repeating_computes(seen, of_statements, others)
    pool = pool_claims(seen, of_statements, others)
    return [one for one in (*of_statements, *others, *pool) if one.total_s > 0]


# Statements


@dataclass(frozen=True, slots=True)
class _Spent:
    """One statement in one route: the seconds of requests that it accounts for."""

    asked: Asked
    seconds: float


def _statements(seen: Symptoms) -> Iterable[Claim]:
    found: dict[tuple[str, str], Claim] = {}

    def claim(code: str, key: str, subject: str, spent: _Spent, seconds: float) -> Claim:
        one = found.setdefault((code, key), Claim(code=code, subject=subject))
        one.by_route[spent.asked.route] += seconds
        known = one.about.get("asked")
        if known is None or known.total_s < spent.asked.total_s:
            one.about["asked"], one.subject = spent.asked, subject
        return one

    for spent in _spent(seen):
        asked, left_s = spent.asked, spent.seconds
        lock = _lock(asked.statement, seen.locks)
        if lock is not None:
            waited_s = left_s * lock.ratio
            left_s -= waited_s
            locked = claim(LOCK, lock.blocker or lock.on, lock.on, spent, waited_s)
            locked.subject = lock.on
            locked.about.setdefault("lock", lock)
        reason = _reason(asked.statement, seen.reasons)
        cure = _cure(asked.statement, seen.cures)
        if reason is not None and reason.is_before_index:
            cure = None
        is_sent_again = asked.times >= REPEATED and asks_for_something(asked.statement)
        if is_sent_again and asked.route:
            claim(REPEATED_CODE, asked.statement, asked.statement, spent, left_s)
        elif cure is not None:
            one = claim(INDEX, cure.sql, asked.statement, spent, left_s)
            if one.about["asked"] is asked:
                one.about["cure"] = cure
            one.about.setdefault("gaining", {})[shape(asked.statement)] = asked.statement
        elif (rows := rows_each(asked, seen)) is not None and rows >= MANY_ROWS:
            claim(MANY, asked.statement, asked.statement, spent, left_s).about["rows"] = rows
        elif asked.mean_s >= SLOW_STATEMENT_S:
            executed_s = _executed_s(asked, seen)
            if executed_s is not None and executed_s < LEAST_BETWEEN * asked.mean_s:
                between_s = left_s * (1.0 - executed_s / asked.mean_s)
                left_s -= between_s
                # What a busy machine takes from the service's thread is nobody's.
                own_s = between_s * (1.0 - (seen.queued_ratio or 0.0))
                one = claim(BETWEEN, "", asked.statement, spent, own_s)
                if one.about["asked"] is asked:
                    one.about["executed_s"] = executed_s
            slow = claim(SLOW, asked.statement, asked.statement, spent, left_s)
            if reason is not None:
                slow.about["reason"] = reason
    return found.values()


def _unfinished(seen: Symptoms) -> Iterator[Claim]:
    """
    Locks before which statements stand that came to no end, so that no request tells of them. Who
    waits for the connections that they keep waits for that lock.
    """
    for lock in seen.locks:
        told = any(is_same(lock.statement, one.statement) for one in seen.asked)
        if told or lock.looks < LEAST_LOOKS or not seen.looks:
            continue
        waited_s = lock.looks * seen.window_s / seen.looks
        yield Claim(code=LOCK, subject=lock.on, about={"lock": lock, "unfinished_s": waited_s})


def _spent(seen: Symptoms) -> Iterator[_Spent]:
    """
    The time in statements, as far as a request waited for it: two of them at once count once.

    Of a database alone each execution is a request of no route.
    """
    if not seen.routes:
        for one in seen.statements:
            yield _Spent(
                Asked(
                    route="",
                    statement=one.statement,
                    requests=one.count,
                    count=one.count,
                    total_s=one.total_s,
                    most=1,
                ),
                one.total_s,
            )
        return
    sums: defaultdict[str, float] = defaultdict(float)
    for asked in seen.asked:
        sums[asked.route] += asked.total_s
    in_sql = {one.route: one.sql_s for one in seen.routes}
    for asked in seen.asked:
        whole_s = sums[asked.route]
        if whole_s and asked.statement != OTHER:
            waited_s = min(in_sql.get(asked.route, 0.0), whole_s)
            yield _Spent(asked, asked.total_s * waited_s / whole_s)


def _executed_s(asked: Asked, seen: Symptoms) -> float | None:
    """How long the database executed it each time; None where it did not count that."""
    counted = [one for one in seen.statements if is_same(one.statement, asked.statement)]
    calls = sum(one.count for one in counted)
    if not asked.route or calls < LEAST_COUNTED:
        return None
    return sum(one.total_s for one in counted) / calls


def _lock(statement: str, locks: Iterable[LockWait]) -> LockWait | None:
    return next(
        (one for one in locks if one.looks >= LEAST_LOOKS and is_same(one.statement, statement)),
        None,
    )


def _cure(statement: str, cures: Iterable[IndexCure]) -> IndexCure | None:
    """The verified index that helps it most; else one that nobody verified is no cause."""
    fitting = [
        one
        for one in cures
        if one.factor is not None
        and one.factor >= LEAST_FACTOR
        and is_same(one.statement, statement)
    ]
    return max(fitting, key=lambda one: one.factor or 0.0, default=None)


def _reason(statement: str, reasons: Iterable[Reason]) -> Reason | None:
    return next((one for one in reasons if is_same(one.statement, statement)), None)


def _move_what_repeating_computes(
    seen: Symptoms, of_statements: Iterable[Claim], others: Iterable[Claim]
) -> None:
    """
    To send a statement is work of the service's own as well, and so is to read many rows. That of
    a route which sends one again and again, or reads so many, goes with it, by the share that it
    has in the route's statements.
    """
    busy = {one.subject: one for one in others if one.code == BUSY}
    sent: defaultdict[str, int] = defaultdict(int)
    for asked in seen.asked:
        sent[asked.route] += asked.count
    for one in of_statements:
        if one.code not in (REPEATED_CODE, MANY):
            continue
        asked = one.about["asked"]
        own = busy.get(asked.route)
        if own is None:
            continue
        share = asked.count / sent[asked.route]
        for route, seconds in own.by_route.items():
            one.by_route[route] += seconds * share
            own.by_route[route] = seconds * (1.0 - share)


def _is_of_the_database(one: AwaitedAt) -> bool:
    """Whether it stands between two statements, where it waits for no more than the loop."""
    steps = one.stack[one.stack.index(one.place) :] if one.place in one.stack else one.stack
    return any(step.startswith(_DATABASE) for step in steps)


# The event loop


def _loop(seen: Symptoms) -> Iterator[Claim]:
    code_s = sum(one.code_s for one in seen.routes)
    blocked_s = sum(one.total_s for one in seen.blocking)
    # On the clock, as are the waits that are shared out: also while it queued for a processor.
    held_s = max(code_s, blocked_s)
    if not held_s:
        return  # without a step of its own no request was answered
    for call in (one for one in seen.blocking if one.place != OTHER):
        one = Claim(code=kind_of(call), subject=call.place, about={"call": call})
        _divide(one, seen.routes, _own_s(call) / held_s)
        yield one
    # What a busy machine takes from a thread is nobody's.
    rest = (1.0 - blocked_s / held_s) * (1.0 - (seen.queued_ratio or 0.0))
    # Short steps let others wait only where there are so many that the loop has little rest.
    there_s = seen.window_s * CROWDED
    crowded = min(max(_work_s(code_s, seen), blocked_s) / there_s, 1.0) if there_s else 1.0
    for route in seen.routes:
        busy = Claim(code=BUSY, subject=route.route)
        busy.by_route[route.route] = route.code_s * rest
        share = route.code_s / code_s if code_s else 0.0
        for other in seen.routes:
            busy.by_route[other.route] += other.loop_s * rest * share * crowded
        yield busy
    outside = Claim(code=OUTSIDE, subject="event loop")
    for route in seen.routes:
        outside.by_route[route.route] = route.loop_s * rest * (1.0 - crowded)
    yield outside
    yield _throttled(seen, rest=1.0 - blocked_s / held_s)


def _throttled(seen: Symptoms, *, rest: float) -> Claim:
    """What the container's quota takes from its threads, of what is nobody's otherwise."""
    claim = Claim(code=THROTTLED, subject="CPU")
    queued = seen.queued_ratio or 0.0
    share = min((seen.throttled_ratio or 0.0) / queued, 1.0) if queued else 0.0
    for route in seen.routes:
        claim.by_route[route.route] = (route.code_s + route.loop_s) * rest * queued * share
    return claim


def _work_s(code_s: float, seen: Symptoms) -> float:
    """For how long the loop was at work: not while it queued, as no call without await does."""
    waiting_s = max(sum(one.total_s - (one.computed_s or 0.0) for one in seen.blocking), 0.0)
    computing_s = max(code_s - waiting_s, 0.0)
    return code_s - computing_s * (seen.queued_ratio or 0.0)


def kind_of(call: BlockingCall) -> str:
    """Whether a call that holds the event loop computes, or waits without await."""
    computes = call.computed_s is not None and call.computed_s >= call.total_s / 2
    return COMPUTES if computes else BLOCKS


def _own_s(call: BlockingCall) -> float:
    """For how long it holds the loop itself: what computes may have waited for a processor."""
    return call.total_s if kind_of(call) == BLOCKS else min(call.computed_s or 0.0, call.total_s)


def _divide(claim: Claim, routes: Iterable[RouteTime], share: float) -> None:
    """A call's share of what held the loop: of the routes' own code, and of all who waited."""
    for one in routes:
        claim.by_route[one.route] += (one.code_s + one.loop_s) * share


# Other services, and what nothing watches


def _hosts(seen: Symptoms) -> Iterator[Claim]:
    whole_s = sum(one.total_s for one in seen.outgoing)
    asking = sum(one.count for one in seen.routes if one.http_s)
    http_s = sum(one.http_s for one in seen.routes)
    for host in seen.outgoing:
        claim = Claim(code=HTTP, subject=host.host, about={"host": host})
        times = host.count / asking if asking else 0.0
        # Calls that overlap take longer in all than their requests wait for them.
        if times >= REPEATED and whole_s <= IN_TURN * http_s:
            claim.code, claim.about["times"] = HTTP_REPEATED, times
        for route in seen.routes:
            claim.by_route[route.route] += route.http_s * host.total_s / whole_s if whole_s else 0
        yield claim


def _unseen(seen: Symptoms) -> Iterator[Claim]:
    """Who waits for a thread is not in one yet; what he does once he is, nothing tells."""
    threads = seen.threads
    waiting = 0.0 if threads is None else threads.waiting_ratio
    pool = Claim(code=THREADS, subject="threads", about={"threads": threads})
    for one in seen.routes:
        share = waiting if one.in_thread else 0.0
        pool.by_route[one.route] += one.elsewhere_s * share
        rest_s = one.elsewhere_s * (1.0 - share)
        for awaits, awaited_s in () if one.in_thread else _awaiting(one.route, rest_s, seen):
            rest_s -= awaited_s
            awaits.by_route[one.route] = awaited_s
            yield awaits
        claim = Claim(code=UNSEEN, subject=one.route)
        claim.by_route[one.route] = rest_s
        yield claim
    yield pool


def _awaiting(route: str, elsewhere_s: float, seen: Symptoms) -> Iterator[tuple[Claim, float]]:
    """What it was seen to await while it was elsewhere, each line by its share of the looks."""
    own = [one for one in seen.awaited if one.route == route]
    looks = sum(one.looks for one in own)
    if seen.pool is not None or seen.asked:  # what its driver waits for is told elsewhere
        own = [one for one in own if not _is_of_the_database(one)]
    by_place: defaultdict[str, list[AwaitedAt]] = defaultdict(list)
    for one in own:
        by_place[one.place].append(one)
    for place, alike in by_place.items():
        count = sum(one.looks for one in alike)
        if count >= LEAST_AWAITED:
            most = max(alike, key=lambda one: one.looks)
            about = {"awaited": most, "looks": count}
            yield Claim(code=AWAITS, subject=place, about=about), elsewhere_s * count / looks
