"""
Trust: how far a result is the service, and not the load generator that measured it.
"""

from __future__ import annotations

from collections.abc import Iterator

from keiko_perf.loadtest.result import Result
from keiko_perf.loadtest.verdicts.validity import LITTLE_SAMPLES
from keiko_perf.model import Column, Message, Section, Table, Text, say


def trust(result: Result) -> Section:
    """The answer in a sentence, what to bear in mind, and the figures."""
    return Section(
        title=say("How far to trust it"),
        paragraphs=(_answer(result), *result.notes, *_remarks(result)),
        tables=(_figures(result),),
    )


def little(result: Result) -> float | None:
    """
    By how much the mean in flight that was seen differs from rate × mean response time.

    The two are the same in any system (Little, 1961), so a difference is one of the books. None
    where too little was in flight to tell: of 20 looks at nothing it is that they were few.
    """
    expected = _expected(result)
    seen = result.in_flight
    if result.unfinished or not expected:
        return None
    if seen.samples * min(seen.mean, expected, 1.0) < LITTLE_SAMPLES:
        return None
    return abs(seen.mean - expected) / max(seen.mean, expected)


def _answer(result: Result) -> Message:
    if result.invalid:
        return say("INVALID: {reasons}.", reasons=result.invalid)
    return say("The measurement is valid: {parts}.", parts=tuple(_parts(result)))


def _parts(result: Result) -> Iterator[Message]:
    late_s = result.late.known_quantile(0.99)
    if late_s is not None and not result.is_closed:
        yield say("the generator was late by {late:duration} (p99)", late=late_s)
    if result.cpu_ratio is not None:
        yield say("it used {cpu:ratio} of its core", cpu=result.cpu_ratio)
    off = little(result)
    if off is not None:
        yield say("Little's law holds within {off:ratio}", off=off)
    yield say("every request that was due was sent")


def _remarks(result: Result) -> Iterator[Text]:
    if result.invalid:
        yield say(
            "To get one that is valid: let this machine do less meanwhile, or make the load from "
            "another one; where a core of the generator is full, ask for less or share the load "
            "(--processes)."
        )
    if result.is_closed:
        yield say(
            "Closed load: a slow service is asked less often, so the percentiles leave out whoever "
            "would have come meanwhile. An open rate shows them."
        )
    if result.waited:
        yield say(
            "{count:count} requests waited until one of {connections:count} connections was free.",
            count=result.waited,
            connections=result.connections,
        )


def _figures(result: Result) -> Table:
    return Table(
        title=say("The generator"),
        columns=(Column(say("figure")), Column(say("value"))),
        rows=tuple(_rows(result)),
    )


def _rows(result: Result) -> Iterator[tuple[Message, Message]]:
    yield say("requests due"), say("{count:count}", count=result.offered)
    yield say("dropped"), say("{count:count}", count=result.dropped)
    yield say("unfinished"), say("{count:count}", count=result.unfinished)
    yield (
        say("in flight"),
        say(
            "{mean:number} on average, {peak:count} at most",
            mean=result.in_flight.mean,
            peak=result.in_flight.peak,
        ),
    )
    expected = _expected(result)
    if expected is not None and little(result) is not None:
        yield (
            say("by Little's law"),
            say("{expected:number} on average", expected=expected),
        )
    yield say("connections made"), say("{count:count}", count=result.opened)
    yield say("measured for"), say("{duration:duration}", duration=result.duration_s)
    yield from _lateness(result)
    for number, one in enumerate(result.generators, 1):
        if len(result.generators) > 1 and one.cpu_ratio is not None:
            yield (
                say("CPU of process {number:count}", number=number),
                say("{cpu:ratio}", cpu=one.cpu_ratio),
            )
    if result.cpu_ratio is not None and len(result.generators) < 2:
        yield say("CPU of its core"), say("{cpu:ratio}", cpu=result.cpu_ratio)


def _lateness(result: Result) -> Iterator[tuple[Message, Message]]:
    if result.is_closed:
        return
    lag_s, late_s = result.lag.known_quantile(0.99), result.late.known_quantile(0.99)
    if lag_s is not None:
        yield say("schedule lag p99"), say("{lag:duration}", lag=lag_s)
    if late_s is not None:
        yield say("of it the generator's own"), say("{late:duration}", late=late_s)


def _expected(result: Result) -> float | None:
    """How many requests are in flight on average, by their rate and response times."""
    return result.response.sum_s / result.duration_s if result.duration_s > 0 else None
