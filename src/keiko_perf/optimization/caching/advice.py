"""
What is worth caching: what is asked again, and is answered the same meanwhile.

`PerformanceMonitor` looks at endpoints and statements, `CacheAdvisor` at functions; both keep
digests alone. What they saw says what a cache would have spared, and how often it would have been
out of date, by how long it keeps an answer. Whether an answer may be so old is for whoever knows
what it is about to say.
"""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable, Iterable
from functools import wraps
from typing import ParamSpec, TypeVar

from keiko_perf.errors import UsageError
from keiko_perf.model import Kept, Kind, Recommendation, Repeats, say
from keiko_perf.model.message import Message
from keiko_perf.model.repeating import MASK, Repeating

P = ParamSpec("P")
R = TypeVar("R")

ENOUGH_CALLS = 100
WORTH_RATIO = 0.3
STALE_RATIO = 0.01
_NEARLY_ALL = 0.9


def advise_caching(seen: Iterable[Repeats]) -> tuple[Recommendation, ...]:
    """
    What to cache, and for how long; what would spare most of the time that it took comes first.

    It is advised where 100 calls were looked at, a cache would have answered 3 in 10 of them, and
    1 in 100 of what it said would have been out of date at most. Of several such times the
    shortest is taken that spares nearly as much as the longest.
    """
    worth = [(one, kept) for one in seen if (kept := worth_keeping(one)) is not None]
    worth.sort(key=lambda pair: (-pair[1].spared_s, pair[0].subject))
    return tuple(_advice(one, kept) for one, kept in worth)


def worth_keeping(one: Repeats) -> Kept | None:
    """The cache that pays for *one*; None if none does."""
    if one.calls < ENOUGH_CALLS:
        return None
    fit = [
        kept
        for kept in one.kept
        if kept.hits >= WORTH_RATIO * one.calls and kept.stale <= STALE_RATIO * kept.hits
    ]
    most_s = max((kept.spared_s for kept in fit), default=0.0)
    enough = (kept for kept in fit if kept.spared_s >= _NEARLY_ALL * most_s > 0)
    return min(enough, key=lambda kept: kept.ttl_s, default=None)


class CacheAdvisor:
    """
    Watches functions, or is told of calls.

    Args:
        most: how many questions of each are remembered; of more a sample is looked at.
        subjects: how many functions are told apart; what comes later is not looked at.
        clock: monotonic seconds.

    Raises:
        UsageError: a number is not from 1 on.
    """

    def __init__(
        self,
        *,
        most: int = 1_000,
        subjects: int = 100,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        if most < 1 or subjects < 1:
            raise UsageError(
                f"most={most!r} and subjects={subjects!r} are numbers of what is remembered",
                cure="Give both from 1 on",
            )
        self._most, self._subjects, self._clock = most, subjects, clock
        self._known: dict[str, Repeating] = {}

    def watch(self, function: Callable[P, Awaitable[R]]) -> Callable[P, Awaitable[R]]:
        """*function*, whose calls are looked at; arguments and answers are told apart by `repr`."""
        subject = f"{function.__module__}.{function.__qualname__}"

        @wraps(function)
        async def watched(*args: P.args, **kwargs: P.kwargs) -> R:
            question = repr((args, sorted(kwargs.items()))).encode("utf-8", "replace")
            began_s = self._clock()
            answer = await function(*args, **kwargs)
            took_s = self._clock() - began_s
            if self.is_looked_at(subject, question):
                said = repr(answer).encode("utf-8", "replace")
                self._note(subject, question, said, took_s=took_s)
            return answer

        return watched

    def is_looked_at(self, subject: str, question: bytes) -> bool:
        """Whether this question is one of the sample."""
        known = self._of(subject)
        return known is not None and known.wants(hash(question) & MASK, self._clock())

    def saw(self, subject: str, question: bytes, answer: bytes, *, took_s: float) -> None:
        """*subject*, such as a job's name, was asked *question* and said *answer*."""
        if self.is_looked_at(subject, question):
            self._note(subject, question, answer, took_s=took_s)

    def seen(self) -> tuple[Repeats, ...]:
        """What was looked at so far."""
        return tuple(
            Repeats(subject=subject, calls=one.calls, took_s=one.took_s, kept=one.kept())
            for subject, one in self._known.items()
            if one.calls
        )

    def advice(self) -> tuple[Recommendation, ...]:
        """What to cache; see `advise_caching`."""
        return advise_caching(self.seen())

    def _note(self, subject: str, question: bytes, answer: bytes, *, took_s: float) -> None:
        known = self._known[subject]
        known.saw(
            hash(question) & MASK,
            known.digest(question),
            known.digest(answer),
            at_s=self._clock(),
            took_s=took_s,
        )

    def _of(self, subject: str) -> Repeating | None:
        known = self._known.get(subject)
        if known is None and len(self._known) < self._subjects:
            known = self._known[subject] = Repeating(most=self._most)
        return known


def _advice(one: Repeats, kept: Kept) -> Recommendation:
    return Recommendation(
        code="cache.repeats",
        subject=one.subject,
        summary=_summary(one, kept),
        statement=_statement(one.kind, kept.ttl_s),
        verified_by=None,
        evidence={
            "calls": one.calls,
            "hits": kept.hits,
            "stale": kept.stale,
            "ttl_s": kept.ttl_s,
            "took_s": one.took_s,
            "spared_s": kept.spared_s,
        },
    )


def _summary(one: Repeats, kept: Kept) -> Message:
    return say(
        "{share:ratio} of the {calls:count} answers that were looked at within the last hour could "
        "have come from a "
        "cache that keeps them for {ttl:duration}: it would have spared {spared:duration} of the "
        "{took:duration} that they took, and {stale:count} of its answers would have been out of "
        "date",
        share=kept.hits / one.calls,
        calls=one.calls,
        ttl=kept.ttl_s,
        spared=kept.spared_s,
        took=one.took_s,
        stale=kept.stale,
    )


def _statement(kind: Kind | None, ttl_s: float) -> str:
    cached = f"@cached(ttl_s={ttl_s:g})"
    if kind is Kind.ROUTE:
        return f"{cached}  # what the endpoint asks for; who asks is part of the key"
    if kind is Kind.STATEMENT:
        return f"{cached}  # the function that sends the statement"
    return cached
