"""
Stuck: requests are under way and hardly one was answered, so nothing tells where their time goes.

Then the database tells, if its sessions stand before a lock, else the watchdog, if the event loop
was held for most of the time, else the pool, if it has no connection left, else nothing does, and
that is said. Pure.
"""

from __future__ import annotations

from keiko_perf.doctor.case import Evidence
from keiko_perf.doctor.cause import Cause
from keiko_perf.doctor.claims import LEAST_LOOKS, kind_of
from keiko_perf.doctor.codes import COMPUTES, LOCK, POOL, UNSEEN
from keiko_perf.doctor.shape import told
from keiko_perf.doctor.symptoms import LockWait, PoolUse, Symptoms, ThreadUse
from keiko_perf.doctor.words_of_database import blocker_of, of_deadlocks, of_lock
from keiko_perf.doctor.words_of_process import of_call, what_holds_the_loop
from keiko_perf.model import BlockingCall, Message, Text, say

_FULL = 0.9
_MOST = 0.5
"""Of the time for which the service had a processor: who holds the loop for so long holds it up."""


def stuck_causes(seen: Symptoms) -> tuple[Cause, ...]:
    """The one cause that all wait for."""
    lock = max(
        (one for one in seen.locks if one.looks >= LEAST_LOOKS),
        key=lambda one: one.looks,
        default=None,
    )
    if lock is not None:
        return (_locked(lock, seen),)
    held_s = sum(one.total_s for one in seen.blocking)
    if held_s and held_s >= _MOST * seen.window_s * (1.0 - (seen.queued_ratio or 0.0)):
        return (_held(max(seen.blocking, key=lambda one: one.total_s), seen),)
    pool = seen.pool
    if pool is not None and pool.size and (pool.in_use or 0.0) >= _FULL * pool.size:
        return (_exhausted(pool, seen),)
    return (
        _cause(
            UNSEEN,
            "service",
            seen,
            said=say(
                "{count:number} requests are under way and {answered}; what they wait for is "
                "outside of what can be seen here",
                count=_near(seen),
                answered=_answered(seen),
            ),
            explanation=say(
                "py-spy dump shows what the threads of the process do. With --database the "
                "sessions of the database are looked at as well."
            ),
        ),
    )


def _locked(lock: LockWait, seen: Symptoms) -> Cause:
    return _cause(
        LOCK,
        lock.on,
        seen,
        said=say(
            "{count:number} requests are under way and {answered}: {statement} waits for a lock on "
            "{on}, which a transaction holds whose last statement was {blocker}",
            count=_near(seen),
            answered=_answered(seen),
            statement=told(lock.statement, 80),
            on=lock.on,
            blocker=blocker_of(lock),
        ),
        evidence=of_lock(lock),
        explanation=of_deadlocks(seen)
        or say(
            "Let that transaction commit, or end it: pg_stat_activity has its pid, and "
            "pg_terminate_backend(pid) rolls it back. A migration takes such a lock with SET "
            "lock_timeout, tries again if it is refused, and commits at once. This is not verified."
        ),
    )


def _held(call: BlockingCall, seen: Symptoms) -> Cause:
    code = kind_of(call)
    return _cause(
        code,
        call.place,
        seen,
        said=say(
            "{count:number} requests are under way and {answered}: {place} holds the event loop, "
            "for {longest:duration} at a time",
            count=_near(seen),
            answered=_answered(seen),
            place=call.place,
            longest=call.longest_s,
        ),
        evidence=of_call(call),
        explanation=what_holds_the_loop(is_computing=code == COMPUTES),
    )


def _exhausted(pool: PoolUse, seen: Symptoms) -> Cause:
    return _cause(
        POOL,
        "database pool",
        seen,
        said=say(
            "{count:number} requests are under way and {answered}: all {size:number} connections "
            "of the pool are in use, and none comes back",
            count=_near(seen),
            answered=_answered(seen),
            size=pool.size,
        ),
        evidence={"size": pool.size, "in_use": pool.in_use, "timeouts": pool.failed},
        explanation=_waits_in_threads(seen.threads)
        or say(
            "Somebody takes a connection and does not give it back, or waits with it for something "
            "else. pg_stat_activity shows what their sessions are at; with --database the doctor "
            "looks there. This is not verified."
        ),
    )


def _waits_in_threads(threads: ThreadUse | None) -> Message | None:
    """Handlers without `async` that wait for connections keep those who have one from going on."""
    if threads is None or threads.in_use < _FULL * threads.size:
        return None
    return say(
        "All {size:count} threads that handlers without async run in are at work as well: who has "
        "one waits for a connection there, and who has a connection waits for a thread. Let the "
        "pool have as many connections as there are threads, or allow fewer threads: "
        "anyio.to_thread.current_default_thread_limiter().total_tokens. This is not verified.",
        size=round(threads.size),
    )


def _answered(seen: Symptoms) -> Message:
    if not seen.requests:
        return say("not one was answered within {window:duration}", window=seen.window_s)
    return say(
        "only {answered:count} were answered within {window:duration}",
        answered=seen.requests,
        window=seen.window_s,
    )


def _near(seen: Symptoms) -> float:
    return round(seen.in_flight or 0.0, 1)


def _cause(
    code: str,
    subject: str,
    seen: Symptoms,
    *,
    said: Message,
    explanation: Text,
    evidence: Evidence | None = None,
) -> Cause:
    return Cause(
        code=code,
        subject=subject,
        share=1.0,
        each_s=seen.window_s,
        route="",
        said=said,
        evidence={"in_flight": seen.in_flight, **(evidence or {})},
        explanation=explanation,
    )
