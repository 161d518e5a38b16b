"""
Findings: what the figures of a service say beyond its targets.

Pure, and quiet where nothing costs much: a statement that is sent again and again for one request,
an event loop that stands still and what held it, requests that queue for a database connection,
requests that are refused in masses.
"""

from __future__ import annotations

from collections.abc import Iterator

from keiko_perf.model import OTHER, BlockingCall, Finding, Kind, Message, Severity, Snapshot, say
from keiko_perf.model.asked import asks_for_something
from keiko_perf.monitoring.storage.heaviest import REST

REPEATED = 3.0
"""A statement that is sent so many times for each request of the whole service is no accident."""
REPEATED_IN_ROUTE = 5.0
"""For each request of one route that sends it: as the doctor has it."""
LEAST_CALLS = 100
STANDSTILL_S = 0.04
"""A loop that is late by less may just have had to wait for a processor."""
LEAST_STANDSTILLS = 5
LEAST_POOL_WAIT_S = 0.02
LONG_CALL_S = 0.1
LEAST_BLOCKED_RATIO = 0.01
"""Shorter calls that hold the loop for less of the time cost next to nobody anything."""
MOST_PLACES = 3
REFUSED_RATIO = 0.2
"""More refusals than that are no typing errors; from half on nobody much is served."""


def findings(snapshot: Snapshot | None) -> tuple[Finding, ...]:
    """What is worth attention in *snapshot*, the worst first; nothing of None."""
    if snapshot is None:
        return ()
    found = [
        *_refused(snapshot),
        *_repeated(snapshot),
        *_blocking_calls(snapshot),
        *_standstills(snapshot),
        *_pool_waits(snapshot),
    ]
    return tuple(sorted(found, key=lambda one: -one.severity))


def _refused(snapshot: Snapshot) -> Iterator[Finding]:
    requests = snapshot.whole(Kind.ROUTE)
    ratio = requests.refused_ratio or 0.0
    if requests.count < LEAST_CALLS or ratio < REFUSED_RATIO:
        return
    routes = [one for one in snapshot.of(Kind.ROUTE) if one.name != REST] or [requests]
    worst = max(routes, key=lambda one: one.refused.count)
    yield Finding(
        code="service.refused-requests",
        severity=Severity.WARNING if ratio < 0.5 else Severity.CRITICAL,
        subject=worst.name,
        summary=say(
            "{ratio:ratio} of all requests are refused (4xx), most often {route}",
            ratio=ratio,
            route=worst.name,
        ),
        evidence={"refused": requests.refused.count, "requests": requests.count},
        explanation=say(
            "Refusals are quick and no errors of the service, so response times and the error rate "
            "look well. So many at once are a login that fails, a limit that is hit, or a client "
            "that asks for what is gone."
        ),
    )


def _blocking_calls(snapshot: Snapshot) -> Iterator[Finding]:
    for call in snapshot.blocking[:MOST_PLACES]:
        is_rare = call.total_s < LEAST_BLOCKED_RATIO * snapshot.window_s
        if call.place == OTHER or (is_rare and call.longest_s < LONG_CALL_S):
            continue
        yield Finding(
            code="service.blocking-call",
            severity=Severity.WARNING,
            subject=call.place,
            summary=say(
                "{place} held the event loop {often:count} times, for {total:duration} in all and "
                "once for {longest:duration}",
                place=call.place,
                often=call.count,
                total=call.total_s,
                longest=call.longest_s,
            ),
            evidence={
                "calls": call.count,
                "total_s": call.total_s,
                "longest_s": call.longest_s,
                "computed_s": call.computed_s,
                "stack": " > ".join(call.stack),
            },
            explanation=_held_by(call),
        )


def _held_by(call: BlockingCall) -> Message:
    if call.computed_s is None or call.computed_s < call.total_s / 2:
        return say(
            "It waits without await, and no request gets on meanwhile. Use a client that is "
            "awaited, or let asyncio.to_thread do it."
        )
    return say(
        "It computes, and no request gets on meanwhile. Do less of it, or let a process of its own "
        "do it; a thread helps only where the library lets go of the interpreter."
    )


def _repeated(snapshot: Snapshot) -> Iterator[Finding]:
    """Where it is recorded which route sends what, that route is told; it may be a rare one."""
    by_route = [
        one
        for one in snapshot.asked
        if one.times >= REPEATED_IN_ROUTE
        and one.count >= LEAST_CALLS
        and one.statement != OTHER
        and asks_for_something(one.statement)
    ]
    for asked in by_route[:MOST_PLACES]:
        yield _sent_again(
            asked.statement,
            say(
                "{route} sends a statement {times:number} times for each request",
                route=asked.route,
                times=asked.times,
            ),
            asked.count,
            asked.requests,
            asked.total_s,
            asked.place,
        )
    # Where it is recorded, or where tasks and WebSockets send statements as well, a count of all of
    # them says nothing of requests.
    if any(snapshot.of(kind) for kind in (Kind.IN_CODE, Kind.TASK, Kind.WEBSOCKET)):
        return
    told = {one.statement for one in by_route}
    requests = snapshot.whole(Kind.ROUTE).count
    for one in snapshot.of(Kind.STATEMENT):
        times = one.count / requests if requests else 0.0
        if times < REPEATED or one.count < LEAST_CALLS or one.name in (OTHER, REST, *told):
            continue
        if not asks_for_something(one.name):
            continue
        summary = say("a statement is sent {times:number} times for each request", times=times)
        yield _sent_again(one.name, summary, one.count, requests, one.sum_s)


def _sent_again(
    statement: str, summary: Message, calls: int, requests: int, total_s: float, place: str = ""
) -> Finding:
    return Finding(
        code="service.repeated-statement",
        severity=Severity.WARNING,
        subject=statement,
        summary=summary,
        evidence={
            "calls": calls,
            "requests": requests,
            "total_s": total_s,
            **({"place": place} if place else {}),
        },
        explanation=say(
            "A list that asks once more for each of its items does that (N+1). Let one "
            "statement load them all: selectinload() in SQLAlchemy, or WHERE id = ANY(...)."
        ),
    )


def _standstills(snapshot: Snapshot) -> Iterator[Finding]:
    if any(_blocking_calls(snapshot)):
        return  # it is known what holds it
    lags = snapshot.whole(Kind.LOOP).succeeded
    often, longest_s = lags.count_above(STANDSTILL_S), lags.max_s
    if often < LEAST_STANDSTILLS or longest_s is None:
        return
    yield Finding(
        code="service.blocked-loop",
        severity=Severity.WARNING,
        subject=_process(snapshot),
        summary=say(
            "the event loop stood still {often:count} times for more than {limit:duration}, once "
            "for {longest:duration}",
            often=often,
            limit=STANDSTILL_S,
            longest=longest_s,
        ),
        evidence={"standstills": often, "max_s": longest_s, "lag_p95_s": lags.quantile(0.95)},
        explanation=say(
            "While a coroutine computes, or waits without await, no other gets on. Let "
            "asyncio.to_thread do what blocks; a processor that is fully busy does it too."
        ),
    )


def _process(snapshot: Snapshot) -> str:
    """Which process it was: the worker, or the whole service if it has several."""
    return snapshot.worker or "service"


def _pool_waits(snapshot: Snapshot) -> Iterator[Finding]:
    waits = snapshot.whole(Kind.POOL)
    p95_s = waits.succeeded.quantile(0.95) or 0.0
    if waits.count < LEAST_CALLS or (p95_s < LEAST_POOL_WAIT_S and not waits.errors):
        return
    yield Finding(
        code="service.pool-wait",
        severity=Severity.WARNING,
        subject=_process(snapshot),
        summary=say(
            "requests wait for a database connection, p95 {p95:duration}; in vain: {vain:count}",
            p95=p95_s,
            vain=waits.errors,
        ),
        evidence={"wait_p95_s": p95_s, "waits": waits.count, "timeouts": waits.errors},
        explanation=say(
            "All connections of the pool were in use. Hold them for a shorter time, or raise "
            "pool_size as far as max_connections allows for all workers together."
        ),
    )
