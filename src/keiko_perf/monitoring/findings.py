"""
Findings: what the figures of a service say beyond its targets.

Pure, and quiet where nothing costs much: a statement that is sent again and again for one request,
an event loop that stands still, requests that queue for a database connection.
"""

from __future__ import annotations

from collections.abc import Iterator

from keiko_perf.model import OTHER, Finding, Kind, Severity, Snapshot, say

REPEATED = 3.0
"""A statement that is sent so many times for each request of the whole service is no accident."""
LEAST_CALLS = 100
STANDSTILL_S = 0.04
"""A loop that is late by less may just have had to wait for a processor."""
LEAST_STANDSTILLS = 5
LEAST_POOL_WAIT_S = 0.02


def findings(snapshot: Snapshot | None) -> tuple[Finding, ...]:
    """What is worth attention in *snapshot*, the worst first; nothing of None."""
    if snapshot is None:
        return ()
    found = [*_repeated(snapshot), *_standstills(snapshot), *_pool_waits(snapshot)]
    return tuple(sorted(found, key=lambda one: -one.severity))


def _repeated(snapshot: Snapshot) -> Iterator[Finding]:
    requests = snapshot.whole(Kind.ROUTE).count
    for one in snapshot.of(Kind.STATEMENT):
        times = one.count / requests if requests else 0.0
        if times < REPEATED or one.count < LEAST_CALLS or one.name == OTHER:
            continue
        yield Finding(
            code="service.repeated-statement",
            severity=Severity.WARNING,
            subject=one.name,
            summary=say("a statement is sent {times:number} times for each request", times=times),
            evidence={"calls": one.count, "requests": requests, "total_s": one.sum_s},
            explanation=say(
                "A list that asks once more for each of its items does that (N+1). Let one "
                "statement load them all: selectinload() in SQLAlchemy, or WHERE id = ANY(...)."
            ),
        )


def _standstills(snapshot: Snapshot) -> Iterator[Finding]:
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
