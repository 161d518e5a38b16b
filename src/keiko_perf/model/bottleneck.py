"""
Bottleneck: what limits a service, from what its resources did at one or several loads.

The one that is named is nearly all in use at the heaviest load, and requests wait for it there. A
thing that is only used much is no bottleneck, nor is one that is waited for now and then. Where
nothing that was looked at fits, the answer says so, with the phase of a request that grew: what
cannot be seen is not guessed. Under no strain there is no bottleneck, only the next ceiling.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum

from keiko_perf.model.bottleneck_text import grew, limit_words, next_words, nothing_words
from keiko_perf.model.message import Message, say
from keiko_perf.model.usage import WAY, WITHIN, Limit, Resource, Use, Window

FULL_RATIO = 0.85
"""From here on a resource is taken to be all in use: its ceiling is within 15 % of the load."""

OFTEN_FULL_RATIO = 0.5
"""Bursts fill what is half idle on average; then the wait has to be a large part of the time."""

WAITED_SHARE = 0.1
"""Of the response time: a resource that is waited for less than this is not what users feel."""

MOSTLY_SHARE = 0.3

QUEUED_SHARE = 0.3
"""Of the time that one has a full resource, or the one around it, is spent queueing for it."""

_OF_DATABASE = frozenset((Resource.DATABASE_CPU, Resource.DATABASE_IO))

GREW_FACTOR = 1.5
"""A response time that grew by less, from the lightest load to the heaviest, did not grow."""

LEAST_WAY_S = 0.005
"""What the way to the service grew by less is how the machines in between were just scheduled."""


class Limitation(StrEnum):
    """What can be said of the bottleneck."""

    NAMED = "named"  # it was seen
    OUTSIDE = "outside"  # there is one, and it is nothing that was looked at
    NONE = "none"  # there was none at these loads


@dataclass(frozen=True, slots=True, kw_only=True)
class Bottleneck:
    """
    Attributes:
        answer: whether it is named.
        limits: what is, the cause first; behind it what only fills up because of it, and what is
            as short. Empty unless it is named.
        behind: the next ceiling, once these limits are gone; None if no other is known.
        phase: where in a request the time went that it takes longer under load, if any grew.
        grown_s: how much longer a request is there.
        sentence: all that, for a person.
    """

    answer: Limitation
    limits: tuple[Limit, ...] = ()
    behind: Limit | None = None
    phase: str | None = None
    grown_s: float | None = None
    sentence: Message

    @property
    def first(self) -> Limit | None:
        """What is to be cured first."""
        return self.limits[0] if self.limits else None


def bottleneck(windows: Iterable[Window]) -> Bottleneck:
    """
    What limits the service.

    Args:
        windows: what the resources did, each at another load, in any order. One alone is enough
            where the service is under strain; of several, the one with the most requests in the
            service is judged, and against the one with the fewest it is told what grew.
    """
    seen = sorted((one for one in windows if one.rate_per_s > 0), key=_in_service)
    if not seen:
        return Bottleneck(answer=Limitation.NONE, sentence=say("no request was seen"))
    return judged(seen[0], seen[-1])


def judged(lightest: Window, heaviest: Window) -> Bottleneck:
    """What limits the service in the heaviest of two windows; they may be the same one."""
    heaviest = _with_growth(lightest, heaviest)
    limits = [_limit(heaviest, use) for use in heaviest.uses]
    named = _causes_first([one for one in limits if _is_felt(one, limits, heaviest)], heaviest)
    rest = [
        one
        for one in limits
        # What the load generator is able to do is no limit of the service.
        if one not in named
        and one.ceiling_per_s is not None
        and one.resource is not Resource.GENERATOR
    ]
    behind = min(rest, key=lambda one: one.ceiling_per_s or 0.0, default=None)
    phase, grown_s = _grown(lightest, heaviest)
    if named:
        return Bottleneck(
            answer=Limitation.NAMED,
            limits=tuple(named),
            behind=behind,
            phase=phase,
            grown_s=grown_s,
            sentence=limit_words(named, behind),
        )
    if _is_strained(lightest, heaviest):
        return Bottleneck(
            answer=Limitation.OUTSIDE,
            behind=behind,
            phase=phase,
            grown_s=grown_s,
            sentence=grew(phase, grown_s),
        )
    sentence = nothing_words() if behind is None else next_words(behind)
    return Bottleneck(answer=Limitation.NONE, behind=behind, sentence=sentence)


def _with_growth(lightest: Window, heaviest: Window) -> Window:
    """
    The heaviest window, with the waits for those resources of the database of which nobody knows
    how many there are, and with those for a full worker.

    A request demands as much of a resource at any load; so what it has more of it under a heavier
    one is waiting for a turn, which looks like having it from outside. And where the workers have
    no time left to take requests in, those wait before the door, which looks like a longer way.
    """
    if lightest is heaviest:
        return heaviest
    before = {use.resource: lightest.demand_s(use) for use in lightest.uses}
    way_s = _way_grown_s(lightest, heaviest)

    def waited(use: Use) -> Use:
        if use.resource is Resource.CPU and way_s > 0 and (use.ratio or 0.0) >= FULL_RATIO:
            return replace(use, wait_s=(use.wait_s or 0.0) + way_s)
        demand_s, light_s = heaviest.demand_s(use), before.get(use.resource)
        if use.resource not in _OF_DATABASE or use.capacity is not None or use.wait_s is not None:
            return use
        if demand_s is None or light_s is None:
            return use
        return replace(use, wait_s=max(demand_s - light_s, 0.0))

    return replace(heaviest, uses=tuple(map(waited, heaviest.uses)))


def _in_service(window: Window) -> tuple[float, float]:
    """
    How many requests are in the service, by Little's law: unlike their rate it tells a full service
    from an overloaded one.
    """
    return window.rate_per_s * (window.response_s or 0.0), window.rate_per_s


def _limit(window: Window, use: Use) -> Limit:
    return Limit(
        use=use,
        demand_s=window.demand_s(use) or 0.0,
        ceiling_per_s=window.ceiling_per_s(use),
    )


def _is_felt(limit: Limit, all_limits: Sequence[Limit], window: Window) -> bool:
    """Whether a resource is (nearly) all in use, and requests wait for it."""
    use, ratio = limit.use, limit.use.ratio
    share = _waited_share(use, window)
    if ratio is None:
        # Of a lock nobody knows how many could have it; that requests stand before it is enough.
        outer = [one for one in all_limits if use.resource in WITHIN.get(one.resource, ())]
        held_s = sum(one.demand_s for one in outer)
        waits_s = use.wait_s or 0.0
        return share is not None and (
            share >= MOSTLY_SHARE or (held_s > 0 and waits_s >= held_s / 2 and share > WAITED_SHARE)
        )
    if use.resource is Resource.GENERATOR:
        return ratio >= FULL_RATIO
    if share is None:
        return ratio >= FULL_RATIO
    if ratio >= OFTEN_FULL_RATIO and share >= MOSTLY_SHARE:
        return True
    return ratio >= FULL_RATIO and (share >= WAITED_SHARE or _queues_within(limit, all_limits))


def _queues_within(limit: Limit, all_limits: Sequence[Limit]) -> bool:
    """
    Whether who has got to a full resource waits there for long, though most of the waiting is done
    before another one that stands around it: as many sessions as a full pool lets through share
    the cores of the database, as many handlers as there are threads share the connections.
    """
    around = [one for one in all_limits if limit.resource in WITHIN.get(one.resource, ())]
    if limit.resource not in _OF_DATABASE:
        threads = [one for one in around if one.resource is Resource.THREADS]
        if not any((one.use.ratio or 0.0) >= FULL_RATIO for one in threads):
            return False
        if limit.resource is Resource.CPU:  # threads take it from each other, which no lag shows
            return True
    waits_s = limit.use.wait_s or 0.0
    held_s = max((one.demand_s for one in around), default=0.0)
    return waits_s >= QUEUED_SHARE * max(held_s, limit.demand_s)


def _waited_share(use: Use, window: Window) -> float | None:
    """Which share of the response time is spent waiting for it; None if that is not known."""
    if use.wait_s is None or not window.response_s:
        return None
    return use.wait_s / window.response_s


def _causes_first(felt: list[Limit], window: Window) -> list[Limit]:
    """What is short within another resource before that one, and the fullest of what is left."""

    def rank(limit: Limit) -> tuple[bool, int, float]:
        around = sum(limit.resource in WITHIN.get(one.resource, ()) for one in felt)
        ratio = limit.use.ratio
        fullness = ratio if ratio is not None else _waited_share(limit.use, window) or 0.0
        return limit.resource is not Resource.GENERATOR, -around, -fullness

    return sorted(felt, key=rank)


def _grown(lightest: Window, heaviest: Window) -> tuple[str | None, float | None]:
    """The phase that takes longer under load, and by how much."""
    if lightest is heaviest:
        return None, None
    grown = {
        phase: seconds - lightest.phases.get(phase, 0.0)
        for phase, seconds in heaviest.phases.items()
    }
    phase = max(grown, key=lambda one: grown[one], default=None)
    if phase is None or grown[phase] <= 0:
        return None, None
    return phase, grown[phase]


def _is_strained(lightest: Window, heaviest: Window) -> bool:
    """Whether requests took clearly longer at the heaviest load than at the lightest."""
    if not lightest.response_s or not heaviest.response_s:
        return False
    way_s = _way_grown_s(lightest, heaviest)
    if way_s >= max(LEAST_WAY_S, MOSTLY_SHARE * sum(heaviest.phases.values())):
        return True
    return heaviest.response_s >= GREW_FACTOR * lightest.response_s


def _way_grown_s(lightest: Window, heaviest: Window) -> float:
    """How much longer a request is under way between the load generator and the service."""
    return heaviest.phases.get(WAY, 0.0) - lightest.phases.get(WAY, 0.0)
