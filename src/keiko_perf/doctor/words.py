"""
Words: a claim as a cause, with its sentence, its figures and its cure. Pure.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from keiko_perf.doctor import claims as c
from keiko_perf.doctor.cause import Cause
from keiko_perf.doctor.shape import told as statement_told
from keiko_perf.doctor.symptoms import Growth, IndexCure, LockWait, Symptoms
from keiko_perf.model import Asked, BlockingCall, Message, Recommendation, Text, say

_Evidence = dict[str, float | int | str | None]


def told(claim: c.Claim, seen: Symptoms, *, each_s: float) -> Cause:
    """The cause that *claim* is."""
    share = min(claim.total_s / seen.total_s, 1.0)
    route = max(claim.by_route, key=lambda one: claim.by_route[one])
    cause = _TELLERS[claim.code](claim, seen, share, each_s, route)
    if claim.pool_s and claim.code != c.POOL:
        wait_ratio = claim.pool_s / claim.total_s
        return replace(cause, evidence={**cause.evidence, "pool_wait_ratio": wait_ratio})
    return cause


def _cause(
    claim: c.Claim,
    share: float,
    each_s: float,
    route: str,
    *,
    said: Message,
    explanation: Text,
    evidence: _Evidence,
    subject: str | None = None,
    cure: str | None = None,
    verified_by: str | None = None,
    recommendation: Recommendation | None = None,
) -> Cause:
    return Cause(
        code=claim.code,
        subject=subject or claim.subject,
        share=share,
        each_s=each_s,
        route=route,
        statement=claim.about["asked"].statement if "asked" in claim.about else None,
        said=said,
        evidence={"share_ratio": share, "each_s": each_s, "route": route or None, **evidence},
        explanation=explanation,
        cure=cure,
        verified_by=verified_by,
        recommendation=recommendation,
    )


def _index(claim: c.Claim, seen: Symptoms, share: float, each_s: float, route: str) -> Cause:
    asked: Asked = claim.about["asked"]
    cure: IndexCure = claim.about["cure"]
    after_s = asked.mean_s / (cure.factor or 1.0)
    said = say(
        "{share:ratio} of the time that {who} wait is the statement {statement}, {mean:duration} "
        "each; an index on {index} cuts it to about {after:duration} (verified by the planner)",
        share=share,
        who=_who(seen),
        statement=statement_told(asked.statement),
        mean=asked.mean_s,
        index=cure.on,
        after=after_s,
    )
    evidence = {**_of_statement(asked), "cost_factor": cure.factor, "after_s": after_s}
    return _cause(
        claim,
        share,
        each_s,
        route,
        said=said,
        evidence=evidence,
        explanation=say(
            "It reads far more rows than it returns. The planner was asked what it would cost "
            "with the index; the time is reckoned from that. Make the index, then measure again."
        ),
        cure=cure.sql,
        verified_by=cure.verified_by,
        recommendation=Recommendation(
            code=c.INDEX,
            subject=cure.on,
            summary=said,
            statement=cure.sql,
            verified_by=cure.verified_by,
            evidence=evidence,
            statements=(asked.statement,),
            undo=cure.undo,
        ),
    )


def _repeated(claim: c.Claim, seen: Symptoms, share: float, each_s: float, route: str) -> Cause:
    asked: Asked = claim.about["asked"]
    where = asked.place or route
    return _cause(
        claim,
        share,
        each_s,
        route,
        subject=asked.place or claim.subject,
        said=say(
            "{share:ratio} of the time that users wait is one statement that {route} sends "
            "{times:number} times for each request (N+1), from {place}: {statement}",
            share=share,
            route=route,
            times=asked.times,
            place=where,
            statement=statement_told(asked.statement),
        ),
        evidence={
            **_of_statement(asked),
            "times": asked.times,
            "most": asked.most,
            "place": asked.place or None,
        },
        explanation=say(
            "A list that asks once more for each of its items does that. Let one statement load "
            "them all: selectinload() in SQLAlchemy, or WHERE id = ANY(...). This is not verified: "
            "measure again after the change."
        ),
    )


def _slow(claim: c.Claim, seen: Symptoms, share: float, each_s: float, route: str) -> Cause:
    asked: Asked = claim.about["asked"]
    return _cause(
        claim,
        share,
        each_s,
        route,
        said=say(
            "{share:ratio} of the time that {who} wait is the statement {statement}, "
            "{mean:duration} each",
            share=share,
            who=_who(seen),
            statement=statement_told(asked.statement),
            mean=asked.mean_s,
        ),
        evidence=_of_statement(asked),
        explanation=say(
            "No index that the planner was asked about makes it much cheaper, and it waits for no "
            "lock. keiko-perf db explain shows what its plan spends the time on."
        )
        if seen.has_database
        else say(
            "Only the service was asked. With --database URL the planner is asked for an index "
            "that helps, and the server who waits for locks."
        ),
    )


def _locked(claim: c.Claim, seen: Symptoms, share: float, each_s: float, route: str) -> Cause:
    lock: LockWait = claim.about["lock"]
    blocker = statement_told(lock.blocker, 100) if lock.blocker else say("another session")
    is_idle = lock.blocker_state.startswith("idle in transaction")
    return _cause(
        claim,
        share,
        each_s,
        route,
        said=say(
            "{share:ratio} of the time that {who} wait is for a lock on {on}, which a transaction "
            "holds whose last statement was {blocker}",
            share=share,
            who=_who(seen),
            on=lock.on,
            blocker=blocker,
        ),
        evidence={
            "lock_wait_ratio": lock.ratio,
            "looks": lock.looks,
            "on": lock.on,
            "blocker_state": lock.blocker_state or None,
        },
        explanation=say(
            "Whoever holds the lock does something else before its commit: its transaction is "
            "idle. Do that before it takes the lock, or after the commit. This is not verified: "
            "measure again after the change."
        )
        if is_idle
        else say(
            "The transactions take turns. Let them hold the lock for a shorter time: lock last, "
            "commit at once, write fewer rows at a time. This is not verified: measure again "
            "after the change."
        ),
    )


def _blocking(claim: c.Claim, seen: Symptoms, share: float, each_s: float, route: str) -> Cause:
    call: BlockingCall = claim.about["call"]
    computes = claim.code == c.COMPUTES
    figures = {
        "share": share,
        "place": call.place,
        "count": call.count,
        "mean": call.total_s / call.count,
    }
    return _cause(
        claim,
        share,
        each_s,
        route,
        said=say(
            "{share:ratio} of the time that users wait is {place}, which computes and holds the "
            "event loop: {count:count} times, {mean:duration} each",
            **figures,
        )
        if computes
        else say(
            "{share:ratio} of the time that users wait is {place}, which waits without await and "
            "holds the event loop: {count:count} times, {mean:duration} each",
            **figures,
        ),
        evidence={
            "calls": call.count,
            "total_s": call.total_s,
            "longest_s": call.longest_s,
            "computed_s": call.computed_s,
            "stack": " > ".join(call.stack) or None,
        },
        explanation=say(
            "No request gets on meanwhile. Do less of it, or let a process of its own do it; a "
            "thread helps only where the library lets go of the interpreter. This is not "
            "verified: measure again after the change."
        )
        if computes
        else say(
            "No request gets on meanwhile. Use a client that is awaited, or let "
            "asyncio.to_thread do it. This is not verified: measure again after the change."
        ),
    )


def _busy(claim: c.Claim, seen: Symptoms, share: float, each_s: float, route: str) -> Cause:
    own = next(one for one in seen.routes if one.route == claim.subject)
    return _cause(
        claim,
        share,
        each_s,
        claim.subject,
        said=say(
            "{share:ratio} of the time that users wait is the own code of {route}, {own:duration} "
            "of each request, and those who wait for the event loop meanwhile",
            share=share,
            route=claim.subject,
            own=own.code_s / own.count if own.count else None,
        ),
        evidence={"requests": own.count, "code_s": own.code_s, "loop_s": own.loop_s},
        explanation=say(
            "Many short steps, none of which holds the event loop for long. A profile of the "
            "process (py-spy record) shows what they do; a further worker process shares the load."
        ),
    )


def _exhausted(claim: c.Claim, seen: Symptoms, share: float, each_s: float, route: str) -> Cause:
    pool = seen.pool
    size = None if pool is None else pool.size
    figures = {"share": share, "hold": None if pool is None else pool.mean_hold_s}
    return _cause(
        claim,
        share,
        each_s,
        route,
        subject="database pool",
        said=say(
            "{share:ratio} of the time that users wait is for one of the {size:number} database "
            "connections of the pool, each of which is held for {hold:duration}: at most "
            "{ceiling:rate}",
            size=size,
            ceiling=None if pool is None else pool.ceiling_per_s,
            **figures,
        )
        if size
        else say(
            "{share:ratio} of the time that users wait is for a database connection; each is "
            "held for {hold:duration}",
            **figures,
        ),
        evidence={}
        if pool is None
        else {
            "waits": pool.waits,
            "wait_s": pool.wait_s,
            "timeouts": pool.failed,
            "hold_s": pool.mean_hold_s,
            "size": size,
            "in_use": pool.in_use,
            "ceiling_per_s": pool.ceiling_per_s,
        },
        explanation=say(
            "The pool has no bound that is known. Without one that keeps connections (NullPool) "
            "each request opens its own, which takes some tens of milliseconds: let a pool keep "
            "them. This is not verified: measure again after the change."
        )
        if pool is not None and not size
        else say(
            "Hold connections for a shorter time (no other work between the first statement and "
            "the commit, quicker statements), or raise pool_size as far as max_connections allows "
            "for all workers together. This is not verified: measure again after the change."
        ),
    )


def _http(claim: c.Claim, seen: Symptoms, share: float, each_s: float, route: str) -> Cause:
    host = claim.about["host"]
    return _cause(
        claim,
        share,
        each_s,
        route,
        said=say(
            "{share:ratio} of the time that users wait is for {host}, {mean:duration} a call, "
            "most of it in {route}",
            share=share,
            host=host.host,
            mean=host.total_s / host.count,
            route=route,
        ),
        evidence={"calls": host.count, "total_s": host.total_s, "failed": host.failed},
        explanation=say(
            "The other service takes that long. Ask it concurrently, keep its answers, or let a "
            "background task ask; and give each call a timeout. This is not verified: measure "
            "again after the change."
        ),
    )


def _unseen(claim: c.Claim, seen: Symptoms, share: float, each_s: float, route: str) -> Cause:
    if any(one.route == claim.subject and one.in_thread for one in seen.routes):
        return _in_thread(claim, share, each_s, route)
    return _cause(
        claim,
        share,
        each_s,
        route,
        said=say(
            "{share:ratio} of the time that users wait is outside of what can be seen here, in "
            "{route}: {each:duration} of each request",
            share=share,
            route=route,
            each=each_s,
        ),
        evidence={"elsewhere_s": claim.total_s},
        explanation=say(
            "It awaits something that nothing watches: a thread, as that of a handler without "
            "async, a sleep, a queue, a driver that is used without SQLAlchemy, a client of "
            "another service. monitor.watch_engine, watch_pool and watch_client tell which."
        ),
    )


def _in_thread(claim: c.Claim, share: float, each_s: float, route: str) -> Cause:
    return _cause(
        claim,
        share,
        each_s,
        route,
        said=say(
            "{share:ratio} of the time that users wait is the handler of {route}, which runs in a "
            "thread: {each:duration} of each request, in no statement and no call that is watched",
            share=share,
            route=route,
            each=each_s,
        ),
        evidence={"elsewhere_s": claim.total_s},
        explanation=say(
            "It computes, sleeps, or asks something that nothing watches; if it computes, it keeps "
            "the event loop and the other threads waiting as well. py-spy dump shows what it "
            "does; monitor.watch_engine and watch_client tell what it waits for."
        ),
    )


def _outside(claim: c.Claim, seen: Symptoms, share: float, each_s: float, route: str) -> Cause:
    return _cause(
        claim,
        share,
        each_s,
        route,
        said=say(
            "{share:ratio} of the time that users wait is for the event loop, while no request's "
            "own code holds it",
            share=share,
        ),
        evidence={"loop_s": claim.total_s},
        explanation=say(
            "Something else keeps it from its work: threads that compute, and share the "
            "interpreter with it, background tasks, or another program on the machine. py-spy dump "
            "shows what the threads of the process do."
        ),
    )


_TELLERS: dict[str, Callable[[c.Claim, Symptoms, float, float, str], Cause]] = {
    c.INDEX: _index,
    c.REPEATED_CODE: _repeated,
    c.SLOW: _slow,
    c.LOCK: _locked,
    c.COMPUTES: _blocking,
    c.BLOCKS: _blocking,
    c.BUSY: _busy,
    c.POOL: _exhausted,
    c.HTTP: _http,
    c.UNSEEN: _unseen,
    c.OUTSIDE: _outside,
}


def memory_cause(growth: Growth) -> Cause:
    """Memory that grows: no time that users wait yet."""
    is_python = growth.blocks_per_s is not None and growth.blocks_per_s > _MANY_BLOCKS_PER_S
    per_minute = growth.per_s * 60
    return Cause(
        code="memory.growing",
        subject="memory",
        share=None,
        each_s=None,
        route="",
        said=say(
            "The memory of a worker grows by {pace:bytes} a minute and does not stop; at this pace "
            "it is used up in {left:duration}",
            pace=per_minute,
            left=growth.full_in_s,
        )
        if growth.full_in_s is not None
        else say(
            "The memory of a worker grows by {pace:bytes} a minute and does not stop",
            pace=per_minute,
        ),
        evidence={
            "grown_bytes": growth.grown_bytes,
            "over_s": growth.over_s,
            "rss_bytes": growth.rss_bytes,
            "blocks_per_s": growth.blocks_per_s,
        },
        explanation=say(
            "Python objects are kept: look for a cache or a list that only grows. tracemalloc, or "
            "memray, tells who made what is kept."
        )
        if is_python
        else say(
            "Something is kept: a cache without a bound, or memory of a C library. memray tells "
            "who made what is kept."
        ),
    )


_MANY_BLOCKS_PER_S = 50.0


def _who(seen: Symptoms) -> Message:
    return say("users") if seen.routes else say("clients of the database")


def _of_statement(asked: Asked) -> _Evidence:
    return {
        "calls": asked.count,
        "requests": asked.requests if asked.route else None,
        "mean_s": asked.mean_s,
        "total_s": asked.total_s,
    }
