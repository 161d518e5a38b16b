"""
Capacity, reported: the bracket first, then what limits the service, then how it was found.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from keiko_perf.loadtest.capacity.search import Capacity, Found, Passed, Tried
from keiko_perf.loadtest.capacity.tables import charts, resources, steps
from keiko_perf.loadtest.capacity.usl import Law, fitted
from keiko_perf.loadtest.reports.resources import clock_sentences
from keiko_perf.loadtest.watching.watched import Watched
from keiko_perf.model import (
    Bottleneck,
    Gap,
    Limitation,
    Message,
    Outcome,
    Report,
    Section,
    Status,
    Target,
    Text,
    Verdict,
    bottleneck,
    say,
)

_HELD_SHARE = 0.9
"""Beyond its capacity a service still gets at least so much of it done, or it gives way."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """
    What a search was asked for.

    Attributes:
        target: the service's address.
        targets: what each step has to keep.
        at_least: the rates that the capacity is to reach, as targets of the throughput.
        is_watched: whether the service's own figures were read.
        seen: what was seen of the service and its database in the last step; None if nothing was.
        notes: what whoever reads the figures should know.
        interrupted: whether it was stopped.
    """

    target: str
    targets: tuple[Target, ...]
    at_least: tuple[Target, ...] = ()
    is_watched: bool = False
    seen: Watched | None = None
    notes: tuple[Message, ...] = ()
    interrupted: bool = False


def capacity_report(
    capacity: Capacity,
    asked: Asked,
    *,
    ended_at: datetime,
    environment: Mapping[str, str] | None = None,
) -> Report:
    """What a search found, as a report."""
    required = tuple(_required(capacity, one) for one in asked.at_least)
    limit = named(capacity)
    return Report(
        command="load capacity",
        title=say("Capacity of {target}", target=asked.target),
        headline=_headline(capacity, limit),
        status=_status(capacity, required),
        created_at=ended_at,
        sections=tuple(_sections(capacity, asked, required, limit)),
        environment=environment or {},
        answer=_answer(capacity, limit),
    )


def named(capacity: Capacity) -> Bottleneck | None:
    """What limits the service; None if it was not watched."""
    windows = [
        one.window
        for one in capacity.tried
        if one.window is not None and one.passed is not Passed.INVALID
    ]
    return bottleneck(windows) if windows else None


def law(capacity: Capacity) -> Law | None:
    """The model of what was measured, if one fits."""
    return fitted(
        [
            (one.in_flight, one.achieved_per_s)
            for one in capacity.tried
            if one.passed is not Passed.INVALID
        ]
    )


# The answer


def _status(capacity: Capacity, required: Sequence[Verdict]) -> Status:
    if capacity.found is Found.INVALID:
        return Status.INVALID
    if capacity.found in (Found.BELOW, Found.GONE) or any(
        one.outcome is Outcome.MISSED for one in required
    ):
        return Status.MISSED
    return Status.UNDECIDED if capacity.found is Found.UNFINISHED else Status.OK


def _headline(capacity: Capacity, limit: Bottleneck | None) -> Message:
    found = _found(capacity)
    if limit is None or limit.answer is not Limitation.NAMED:
        return found
    return say("{found} · {limit}", found=found, limit=limit.sentence)


def _found(capacity: Capacity) -> Message:
    low, high = _rate(capacity.last_pass), _rate(capacity.first_fail)
    if capacity.found is Found.INVALID:
        at = capacity.tried[-1].per_s
        if low is None:
            return say("INVALID: the load generator was the limit at {at:rate}", at=at)
        return say(
            "INVALID: the load generator was the limit at {at:rate}; the service keeps its "
            "promises at {low:rate} at least",
            at=at,
            low=low,
        )
    if capacity.found is Found.GONE:
        return _gone(capacity, low, high)
    if low is None and high is None:
        return say("not one step was finished")
    if low is None:
        return say("below {high:rate}: no rate kept the promises", high=high)
    if high is None:
        return say("at least {low:rate}: nothing failed up to there", low=low)
    if capacity.found is Found.UNFINISHED:
        return say("not finished: between {low:rate} and {high:rate}", low=low, high=high)
    return say(
        "promises are kept up to {low:rate}, and no longer at {high:rate}", low=low, high=high
    )


def _gone(capacity: Capacity, low: float | None, high: float | None) -> Message:
    if low is not None:
        return say(
            "{high:rate} broke the service, and it did not come back; promises were kept up to "
            "{low:rate}",
            low=low,
            high=high,
        )
    if any(one.achieved_per_s for one in capacity.tried):
        return say("{high:rate} broke the service, and it did not come back", high=high)
    return say("not one request succeeded, at {high:rate} and below", high=high)


def _rate(tried: Tried | None) -> float | None:
    return None if tried is None else tried.per_s


def _required(capacity: Capacity, target: Target) -> Verdict:
    low = _rate(capacity.last_pass)
    if low is None and capacity.found not in (Found.BELOW, Found.GONE):
        return Verdict(target, Outcome.UNKNOWN, say("nothing was measured yet"))
    value = low or 0.0
    if value >= target.limit:
        return Verdict(target, Outcome.MET, say("within the capacity"), value, 1, 1)
    broke = _rate(capacity.first_fail) if capacity.found is Found.GONE else None
    is_between = broke is not None and target.limit < broke
    if is_between or capacity.found in (Found.INVALID, Found.UNFINISHED, Found.AT_LEAST):
        return Verdict(target, Outcome.UNKNOWN, say("not tried up to there"), value, 1, 1)
    return Verdict(target, Outcome.MISSED, say("beyond the capacity"), value, 1, 1)


def _answer(capacity: Capacity, limit: Bottleneck | None) -> Mapping[str, object]:
    first = limit.first if limit is not None else None
    return {
        "capacity": {
            "found": capacity.found.value,
            "last_pass_per_s": _rate(capacity.last_pass),
            "first_fail_per_s": _rate(capacity.first_fail),
            "steps": len(capacity.tried),
            "bottleneck": None if first is None else first.resource.value,
            "ceiling_per_s": None if first is None else first.ceiling_per_s,
        }
    }


# The sections


def _sections(
    capacity: Capacity, asked: Asked, required: tuple[Verdict, ...], limit: Bottleneck | None
) -> Iterator[Section]:
    low = capacity.last_pass
    yield Section(
        title=say("Verdict"),
        paragraphs=tuple(_verdict(capacity, asked)),
        verdicts=(*required, *(low.verdicts if low is not None else ())),
    )
    yield Section(
        title=say("What limits it"),
        paragraphs=tuple(_limits(limit, asked)),
        tables=tuple(resources(capacity)),
        gaps=() if asked.is_watched else (_unwatched(),),
    )
    yield Section(
        title=say("How it was found"),
        paragraphs=tuple(_how(capacity, asked)),
        charts=tuple(charts(capacity, asked.targets)),
        tables=(steps(capacity),),
    )


def _verdict(capacity: Capacity, asked: Asked) -> Iterator[Text]:
    if asked.interrupted:
        yield say("The search was stopped; this is what was known by then.")
    if capacity.found is Found.INVALID:
        yield from capacity.tried[-1].reasons
    elif capacity.first_fail is not None and capacity.first_fail.reasons:
        yield say(
            "At {rate:rate}: {reasons}.",
            rate=capacity.first_fail.per_s,
            reasons=capacity.first_fail.reasons,
        )
    if capacity.found is Found.GONE and capacity.first_fail is not None:
        yield _waited_for(capacity, capacity.first_fail)
    if capacity.overload is not None and capacity.last_pass is not None:
        yield from _beyond(capacity.overload, capacity.recovery, capacity.last_pass)


def _waited_for(capacity: Capacity, broke: Tried) -> Message:
    last = capacity.tried[-1]
    return say(
        "For {waited:duration} after that it passed no step, though the last was at {rate:rate}: "
        "see whether it still runs, and what its log says.",
        waited=last.started_s + last.duration_s - broke.started_s - broke.duration_s,
        rate=last.per_s,
    )


def _beyond(overload: Tried, recovery: Tried | None, low: Tried) -> Iterator[Text]:
    done = overload.achieved_per_s
    if done >= _HELD_SHARE * low.achieved_per_s:
        yield say(
            "Under {rate:rate} it still gets {done:rate} done.", rate=overload.per_s, done=done
        )
    else:
        yield say(
            "Under {rate:rate} it gives way: only {done:rate} get done, where {low:rate} did.",
            rate=overload.per_s,
            done=done,
            low=low.achieved_per_s,
        )
    if recovery is None:
        return
    if recovery.passed is Passed.YES:
        yield say("Back at {rate:rate} it recovers.", rate=recovery.per_s)
    elif recovery.passed is Passed.NO:
        yield say("Back at {rate:rate} it does not recover.", rate=recovery.per_s)


def _limits(limit: Bottleneck | None, asked: Asked) -> Iterator[Text]:
    if limit is not None:
        yield say("{found}.", found=limit.sentence)
    if asked.seen is not None:
        yield from clock_sentences(asked.seen)


def _unwatched() -> Gap:
    return Gap(
        subject=say("what limits the service"),
        reason=say("its own figures were not read"),
        remedy=say(
            "Install a monitor in it, PerformanceMonitor().install(app), and give --watch URL"
        ),
    )


def _how(capacity: Capacity, asked: Asked) -> Iterator[Text]:
    yield say(
        "A step passes if the promises are kept and the requests under way do not grow: a service "
        "that takes in more than it gets done looks well as long as its queue is short."
    )
    found = law(capacity)
    if found is not None:
        yield _model(found)
    yield from asked.notes


def _model(found: Law) -> Message:
    most = found.most_per_s
    if most is None:
        return say(
            "Model (Universal Scalability Law, R² {fit:number}): up to the rates that were tried "
            "nothing queues.",
            fit=round(found.fit, 3),
        )
    return say(
        "Model (Universal Scalability Law, R² {fit:number}): no more than {most:rate} would get "
        "through. A model, not a measurement.",
        fit=round(found.fit, 3),
        most=most,
    )
