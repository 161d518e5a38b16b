"""
Words for what a service itself makes its users wait for: its code, its loop, what it awaits, and
its memory. Pure.
"""

from __future__ import annotations

from keiko_perf.doctor import codes
from keiko_perf.doctor.case import Case, Evidence
from keiko_perf.doctor.cause import Cause
from keiko_perf.doctor.rows import fetched
from keiko_perf.doctor.shape import told as statement_told
from keiko_perf.doctor.symptoms import Growth, ThreadUse
from keiko_perf.model import Asked, BlockingCall, Message, say

_CALLERS = 4
"""Of a place in the code: so many before it are told."""
_CALLED = 6
"""And so many of what it calls, and where that ends: what lies between is a library's."""
_MANY_BLOCKS_PER_S = 50.0
LONG_CODE_S = 0.1
"""Own code of a request that takes longer is not many short steps."""
LEAST_FAILED = 5
LEAST_FAILED_RATIO = 0.1
"""Of the calls of another service: from here on what they wait for is that they fail."""


def blocking(case: Case) -> Cause:
    call: BlockingCall = case.claim.about["call"]
    computes = case.claim.code == codes.COMPUTES
    rows = fetched(case.seen) if computes else None
    figures = {
        "share": case.share,
        "place": call.place,
        "count": call.count,
        "mean": call.total_s / call.count,
    }
    return case.cause(
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
            **of_call(call),
            **({} if rows is None else {"rows_per_call": rows[1]}),
        },
        explanation=what_holds_the_loop(is_computing=computes) if rows is None else _of_rows(*rows),
    )


def of_call(call: BlockingCall) -> Evidence:
    """What was seen of a call that holds the event loop."""
    return {
        "calls": call.count,
        "total_s": call.total_s,
        "longest_s": call.longest_s,
        "computed_s": call.computed_s,
        "stack": _way_to(call) or None,
    }


def what_holds_the_loop(*, is_computing: bool) -> Message:
    """What to do about a call that holds the event loop."""
    if is_computing:
        return say(
            "No request gets on meanwhile. Do less of it, or let a process of its own do it; a "
            "thread helps only where the library lets go of the interpreter. This is not "
            "verified: measure again after the change."
        )
    return say(
        "No request gets on meanwhile. Use a client that is awaited, or let "
        "asyncio.to_thread do it. This is not verified: measure again after the change."
    )


def _of_rows(asked: Asked, rows: float) -> Message:
    return say(
        "No request gets on meanwhile. Most that the service computes is for {route}, which makes "
        "something of {rows:count} rows each time: {statement}. Let that return a page (WHERE id > "
        "the last one ORDER BY id LIMIT 100), or count and sum in the database; where all are "
        "needed, stream them. This is not verified: measure again after the change.",
        route=asked.route,
        rows=round(rows),
        statement=statement_told(asked.statement),
    )


def _way_to(call: BlockingCall) -> str:
    """The stack from the last callers of the place on: what is before is the server's and the
    framework's, and the same for every handler."""
    stack = call.stack
    first = stack.index(call.place) if call.place in stack else 0
    shown = stack[max(first - _CALLERS, 0) :]
    if len(shown) > _CALLERS + 1 + 2 * _CALLED:
        shown = (*shown[: _CALLERS + 1 + _CALLED], "…", *shown[-_CALLED:])
    return " > ".join(shown if first <= _CALLERS else ("…", *shown))


def busy(case: Case) -> Cause:
    own = next(one for one in case.seen.routes if one.route == case.claim.subject)
    return case.cause(
        said=say(
            "{share:ratio} of the time that users wait is the own code of {route}, {own:duration} "
            "of each request, and those who wait for the event loop meanwhile",
            share=case.share,
            route=case.claim.subject,
            own=own.code_s / own.count if own.count else None,
        ),
        evidence={"requests": own.count, "code_s": own.code_s, "loop_s": own.loop_s},
        explanation=say(
            "It takes that long in one piece or in some: rows become objects, these are validated, "
            "and become JSON. Return less, or a Response with what is ready (FastAPI validates and "
            "converts whatever else a handler returns); a process of its own for what must be "
            "computed. py-spy record shows what takes the time. This is not verified: measure "
            "again after the change."
        )
        if own.count and own.code_s >= LONG_CODE_S * own.count
        else say(
            "Many short steps, none of which holds the event loop for long. A profile of the "
            "process (py-spy record) shows what they do; a further worker process shares the load."
        ),
    )


def throttled(case: Case) -> Cause:
    return case.cause(
        said=say(
            "{share:ratio} of the time that users wait the container stands still: its quota of "
            "processors is used up for {throttled:ratio} of the time",
            share=case.share,
            throttled=case.seen.throttled_ratio,
        ),
        evidence={
            "throttled_ratio": case.seen.throttled_ratio,
            "queued_ratio": case.seen.queued_ratio,
            "workers": case.seen.workers,
        },
        explanation=say(
            "A limit (limits.cpu of Kubernetes, --cpus of Docker) stops all of its threads for the "
            "rest of each tenth of a second in which it is used up, also where it is not reached "
            "on average. Raise or drop it, or let fewer workers and threads share it."
        ),
    )


def http(case: Case) -> Cause:
    host = case.claim.about["host"]
    return case.cause(
        said=say(
            "{share:ratio} of the time that users wait is for {host}, {mean:duration} a call, "
            "most of it in {route}",
            share=case.share,
            host=host.host,
            mean=host.total_s / host.count,
            route=case.route,
        ),
        evidence={"calls": host.count, "total_s": host.total_s, "failed": host.failed},
        explanation=say(
            "{failed:count} of {count:count} calls failed or ran into their time limit, and what a "
            "request waits before it tries again comes on top. Give up sooner (a shorter time "
            "limit, fewer tries, a circuit breaker), or answer with what is kept. This is not "
            "verified: measure again after the change.",
            failed=host.failed,
            count=host.count,
        )
        if host.failed >= max(LEAST_FAILED, LEAST_FAILED_RATIO * host.count)
        else say(
            "The other service takes that long. Ask it concurrently, keep its answers, or let a "
            "background task ask; and give each call a timeout. This is not verified: measure "
            "again after the change."
        ),
    )


def http_repeated(case: Case) -> Cause:
    host = case.claim.about["host"]
    times: float = case.claim.about["times"]
    return case.cause(
        said=say(
            "{share:ratio} of the time that users wait is for {host}, which {route} asks "
            "{times:number} times for each request, one after the other, {mean:duration} each",
            share=case.share,
            host=host.host,
            route=case.route,
            times=round(times, 1),
            mean=host.total_s / host.count,
        ),
        evidence={
            "calls": host.count,
            "total_s": host.total_s,
            "failed": host.failed,
            "times": times,
        },
        explanation=say(
            "A loop over a list that asks for each of its items does that. Ask for all of them at "
            "once where the other service can, else at the same time (asyncio.gather, with a bound "
            "on how many), or keep its answers. This is not verified: measure again after the "
            "change."
        ),
    )


def unseen(case: Case) -> Cause:
    if any(one.route == case.claim.subject and one.in_thread for one in case.seen.routes):
        return in_thread(case)
    return case.cause(
        said=say(
            "{share:ratio} of the time that users wait is outside of what can be seen here, in "
            "{route}: {each:duration} of each request",
            share=case.share,
            route=case.route,
            each=case.each_s,
        ),
        evidence={"elsewhere_s": case.claim.total_s},
        explanation=say(
            "It awaits something that nothing watches: a thread, as that of a handler without "
            "async, a sleep, a queue, a connection that comes from no watched pool, a client of "
            "another service. monitor.watch_engine, watch_pool and watch_client tell which."
        ),
    )


def threads(case: Case) -> Cause:
    pool: ThreadUse = case.claim.about["threads"]
    return case.cause(
        subject="thread pool",
        said=say(
            "{share:ratio} of the time that users wait is for one of the {size:number} threads "
            "that handlers without async run in, {each:duration} of each request; all are at work "
            "and {waiting:number} more wait",
            share=case.share,
            size=pool.size,
            each=case.each_s,
            waiting=round(pool.waiting, 1),
        ),
        evidence={"size": pool.size, "in_use": pool.in_use, "waiting": pool.waiting},
        explanation=say(
            "Make the handlers async where what they wait for can be awaited, or allow more "
            "threads: anyio.to_thread.current_default_thread_limiter().total_tokens. Threads that "
            "compute share one interpreter; more of them cure nothing then. This is not verified: "
            "measure again after the change."
        ),
    )


def in_thread(case: Case) -> Cause:
    return case.cause(
        said=say(
            "{share:ratio} of the time that users wait is the handler of {route}, which runs in a "
            "thread: {each:duration} of each request, in no statement and no call that is watched",
            share=case.share,
            route=case.route,
            each=case.each_s,
        ),
        evidence={"elsewhere_s": case.claim.total_s},
        explanation=say(
            "It computes, sleeps, or asks something that nothing watches; if it computes, it keeps "
            "the event loop and the other threads waiting as well. py-spy dump shows what it "
            "does; monitor.watch_engine and watch_client tell what it waits for."
        ),
    )


def outside(case: Case) -> Cause:
    return case.cause(
        said=say(
            "{share:ratio} of the time that users wait is for the event loop, while no request's "
            "own code holds it",
            share=case.share,
        ),
        evidence={"loop_s": case.claim.total_s},
        explanation=say(
            "Something else keeps it from its work: threads that compute, and share the "
            "interpreter with it, background tasks, or another program on the machine. py-spy dump "
            "shows what the threads of the process do."
        ),
    )


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
            "Python objects are kept: look for a cache or a list that only grows. keiko-perf "
            "memory run tells by line who made what is kept, and so does memray."
        )
        if is_python
        else say(
            "Something is kept: a cache without a bound, or memory of a C library. memray tells "
            "who made what is kept."
        ),
    )
