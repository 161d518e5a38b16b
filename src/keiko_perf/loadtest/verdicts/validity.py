"""
Validity: whether what a load test measured is the service, or the load generator itself.

A run that its generator limited is invalid, whatever its figures look like.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from keiko_perf.loadtest.plan import MOST_STEPS
from keiko_perf.loadtest.transport import Failure
from keiko_perf.model import OTHER, Message, samples_needed, say

if TYPE_CHECKING:
    from keiko_perf.loadtest.result import Result

CPU_LIMIT_RATIO = 0.9
"""A generator's thread that is busier than this was itself what limited the load."""

LATE_SHARE = 0.1
LATE_FLOOR_S = 0.005
"""A woken thread waits for a time slice of whatever else runs, up to 4 ms: less is no fault."""

_TOLD = (0.5, 0.95, 0.99, 0.999)
_PAUSED_SHARE = 0.01  # more than that is in the p99
_LITTLE_SHARE = 0.3
LITTLE_SAMPLES = 200
_LITTLE_FLOOR_S = 50e-6
"""A look comes as late as waking up takes; answers are timed better than that."""
_PORTS_SHARE = 0.5  # the kernel looks ever longer for a free one
_FILES_SHARE = 0.9


def why_invalid(result: Result) -> tuple[Message, ...]:
    """Why *result* may not be believed, each reason with its figures."""
    checks = (
        _nothing,
        _lost,
        _dropped,
        _unfinished,
        _starved,
        _busy,
        _late,
        _collecting,
        _against_little,
    )
    return tuple(reason for check in checks if (reason := check(result)) is not None)


def spoilt(result: Result) -> tuple[Message, ...]:
    """What the load generator itself spoilt, alone: that a service does not answer is no part."""
    checks = (_lost, _starved, _busy, _late, _collecting, _against_little)
    return tuple(reason for check in checks if (reason := check(result)) is not None)


def notes(result: Result) -> tuple[Message, ...]:
    """What is worth knowing about *result*, and makes it neither wrong nor invalid."""
    found = (
        _same_host(result),
        _short_of_ports(result),
        _short_of_files(result),
        _folded(result),
        _broken(result),
    )
    return tuple(note for note in found if note is not None)


def _same_host(result: Result) -> Message | None:
    if not result.same_host:
        return None
    return say("The service runs on the generator's machine: both share its cores.")


def _short_of_ports(result: Result) -> Message | None:
    """A port is free again a minute after its connection was closed (TIME_WAIT)."""
    ports = min((one.ports for one in result.generators if one.ports), default=0)
    per_minute = result.opened * 60.0 / max(60.0, result.duration_s)
    if not ports or per_minute <= _PORTS_SHARE * ports:
        return None
    return say(
        "Connections are hardly used again: {opened:count} were made for {count:count} requests. "
        "This machine has {ports:count} ports for those of a minute.",
        opened=result.opened,
        count=result.response.count,
        ports=ports,
    )


def _short_of_files(result: Result) -> Message | None:
    fullest = max(
        (one for one in result.generators if one.files_limit),
        key=lambda one: one.files / one.files_limit,
        default=None,
    )
    if fullest is None or fullest.files <= _FILES_SHARE * fullest.files_limit:
        return None
    return say(
        "The load generator had {files:count} files open, of {limit:count} that it may open.",
        files=fullest.files,
        limit=fullest.files_limit,
    )


def _folded(result: Result) -> Message | None:
    folded = result.step(OTHER)
    if folded is None:
        return None
    return say(
        "The requests have more than {most:count} names, so {count:count} of them are counted as "
        "{other}: give those whose paths vary one name, such as GET /items/ID.",
        most=MOST_STEPS,
        count=folded.response.count,
        other=OTHER,
    )


def _broken(result: Result) -> Message | None:
    broken = [one for one in result.errors if one.failure is Failure.SCENARIO]
    if not broken:
        return None
    return say(
        "The scenarios' own code ended {count:count} iterations, most often by {example}.",
        count=sum(one.count for one in broken),
        example=broken[0].example,
    )


def _nothing(result: Result) -> Message | None:
    return None if result.response.count else say("no request was finished")


def _lost(result: Result) -> Message | None:
    if not result.lost:
        return None
    return say(
        "{lost:count} of {all:count} processes of the load generator ended before the run did, "
        "so their share of the load is missing",
        lost=result.lost,
        all=result.lost + len(result.generators),
    )


def _dropped(result: Result) -> Message | None:
    if not result.dropped:
        return None
    return say(
        "{dropped:count} requests were not sent, because too many were in flight",
        dropped=result.dropped,
    )


def _unfinished(result: Result) -> Message | None:
    # Whoever stops a run knows that what was under way is left out.
    if not result.unfinished or result.interrupted:
        return None
    return say(
        "{count:count} requests had no answer when the run ended, the oldest after {age:duration}",
        count=result.unfinished,
        age=result.unfinished_s,
    )


def _starved(result: Result) -> Message | None:
    count = sum(one.count for one in result.errors if one.failure is Failure.GENERATOR)
    if not count:
        return None
    return say(
        "{count:count} requests failed for want of ports, files, memory or rows on this machine",
        count=count,
    )


def _busy(result: Result) -> Message | None:
    if result.cpu_ratio is None or result.cpu_ratio <= CPU_LIMIT_RATIO:
        return None
    return say(
        "the load generator used {cpu:ratio} of its core, so it was the limit itself",
        cpu=result.cpu_ratio,
    )


def _late(result: Result) -> Message | None:
    q = 0.99 if result.late.count >= samples_needed(0.99) else 0.5
    if result.late.count < samples_needed(q):
        return None
    late_s = result.late.quantile(q) or 0.0
    response_s = result.response.succeeded.quantile(q) or 0.0
    if late_s <= max(LATE_FLOOR_S, LATE_SHARE * response_s) or not _is_in_the_figures(result):
        return None
    return say(
        "the load generator was late by {late:duration} (p{percent}): the response times hold that",
        late=late_s,
        percent=f"{q * 100:g}",
    )


def _is_in_the_figures(result: Result) -> bool:
    """
    Whether lateness is more than a small part of a percentile that is told: few late requests
    among many slow ones change none. Without waiting for connections it is all that lies between
    response and service time; with it the two cannot be told apart here.
    """
    if result.waited:
        return True
    response, service = result.response.succeeded, result.service.succeeded
    return any(
        told_s - (service.quantile(q) or 0.0) > LATE_SHARE * told_s
        for q in _TOLD
        if (told_s := response.known_quantile(q)) is not None
    )


def _collecting(result: Result) -> Message | None:
    worst = max(result.generators, key=lambda one: one.gc_paused_s, default=None)
    if worst is None or worst.gc_longest_s <= LATE_FLOOR_S:
        return None
    share = worst.gc_paused_s / result.duration_s if result.duration_s > 0 else 1.0
    if share <= _PAUSED_SHARE:
        return None
    return say(
        "the garbage collector held up the load generator for {share:ratio} of the time, "
        "at most for {longest:duration} at once",
        share=share,
        longest=worst.gc_longest_s,
    )


def _against_little(result: Result) -> Message | None:
    """Mean in flight = rate x mean response time, whatever the distribution (Little, 1961)."""
    seen = result.in_flight
    if result.unfinished or not result.duration_s:
        return None
    expected = result.response.sum_s / result.duration_s
    if seen.samples * min(seen.mean, expected, 1.0) < LITTLE_SAMPLES:
        return None
    tolerance = _LITTLE_SHARE * max(seen.mean, expected)
    tolerance += _LITTLE_FLOOR_S * result.response.count / result.duration_s
    if abs(seen.mean - expected) <= tolerance:
        return None
    return say(
        "on average {seen:number} requests were in flight, by the response times {expected:number}",
        seen=seen.mean,
        expected=expected,
    )
