"""
Words for what requests await where nothing that is watched tells it. Pure.
"""

from __future__ import annotations

import re
from itertools import takewhile

from keiko_perf.doctor.case import Case
from keiko_perf.doctor.cause import Cause
from keiko_perf.model import Message, say
from keiko_perf.model.awaited import AwaitedAt

_MOST_STEPS = 6
_STANDARD = ("asyncio", "anyio", "concurrent")
_LOCK = re.compile(r"(?:asyncio/locks\.py|anyio/).*(?:Lock|Semaphore|Condition)\w*\.")
_SLEEP = re.compile(r"(?:asyncio/tasks\.py|anyio/).*\bsleep$")
_THREAD = re.compile(r"anyio/.*run_sync|concurrent/futures|asyncio/threads\.py")
_QUEUE = re.compile(r"asyncio/queues\.py|anyio/streams/memory\.py")
_COMPRESSES = re.compile(r"(?:gzip|brotli|zstd|compress)", re.I)
_REDIS = re.compile(r"^(?:redis|valkey|coredis)/")


def awaiting(case: Case) -> Cause:
    """The line of the application that awaits, and what."""
    awaited: AwaitedAt = case.claim.about["awaited"]
    steps = _beyond(awaited)
    what = _told(steps)
    return case.cause(
        said=say(
            "{share:ratio} of the time that users wait is {route} at {place}, which awaits {what}: "
            "{each:duration} of each request",
            share=case.share,
            route=case.route,
            place=awaited.place,
            what=what or say("a task or a future"),
            each=case.each_s,
        ),
        evidence={
            "elsewhere_s": case.claim.total_s,
            "looks": case.claim.about["looks"],
            "stack": " > ".join((awaited.place, *_shortened(steps))),
        },
        explanation=_cure(awaited.place, what, steps),
    )


def _beyond(awaited: AwaitedAt) -> tuple[str, ...]:
    """What the place awaits, of which it ends in the last."""
    stack = awaited.stack
    return stack[stack.index(awaited.place) + 1 :] if awaited.place in stack else ()


def _told(steps: tuple[str, ...]) -> str:
    """
    What is called: of a library what the application asks it for, and not the lock or the socket
    in which that ends; of the standard library just that.
    """
    if not steps:
        return ""
    package = steps[0].partition("/")[0]
    own = list(takewhile(lambda one: one.partition("/")[0] == package, steps))
    return own[-1] if package in _STANDARD else own[0]


def _shortened(steps: tuple[str, ...]) -> tuple[str, ...]:
    return steps if len(steps) <= _MOST_STEPS else (*steps[:3], "…", *steps[-2:])


def _cure(place: str, what: str, steps: tuple[str, ...]) -> Message:
    if _LOCK.search(what):
        return say(
            "Requests take turns there, one after the other, whatever the lock is held for. Hold "
            "it for what it protects alone, and over no await of a database or another service. "
            "This is not verified: measure again after the change."
        )
    if _QUEUE.search(what):
        return say(
            "Whoever takes from the queue is slower than those who put into it, or nobody puts. "
            "Let more take from it at the same time, or don't wait for it; a longer queue only "
            "puts it off. This is not verified: measure again after the change."
        )
    if _SLEEP.search(what):
        return say(
            "It sleeps: a pause before it tries again, or a poll for something that could tell by "
            "itself. This is not verified: measure again after the change."
        )
    if _COMPRESSES.search(place) or _COMPRESSES.search(what):
        return say(
            "It compresses the answer. Send less, take a lower level (compresslevel=1), or leave "
            "it to the proxy. This is not verified: measure again after the change."
        )
    if _REDIS.search(what):
        return say(
            "Redis does one command after the other: SLOWLOG GET 10 tells which take long. KEYS "
            "reads every key there is (SCAN, or a set of those that are wanted), and a large value "
            "keeps all others waiting. This is not verified: measure again after the change."
        )
    if any(map(_THREAD.search, steps)):
        return say(
            "A thread does it meanwhile; py-spy dump shows what. If it computes, it shares the "
            "interpreter with the event loop."
        )
    return say(
        "Whatever answers there takes that long, and nothing that is watched tells of it. Ask it "
        "less often, at the same time as others, or keep its answers; monitor.watch_client and "
        "watch_pool tell more of what they know."
    )
