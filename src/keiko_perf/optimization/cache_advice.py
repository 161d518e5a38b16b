"""
What is worth caching: calls that repeat, and whose answers are the same.

`CacheAdvisor` looks at some of the keys, always the same ones, and keeps digests alone, made with a
secret of its own: no argument and no answer can be read from it. It says what a cache would have
saved; how long an answer may be good for is for whoever knows what it is about to say.
"""

from __future__ import annotations

import time
from collections import OrderedDict
from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass, replace
from functools import wraps
from hashlib import blake2b
from secrets import token_bytes
from typing import ParamSpec, TypeVar

from keiko_perf.errors import UsageError
from keiko_perf.model import Recommendation, say

P = ParamSpec("P")
R = TypeVar("R")

_ENOUGH_CALLS = 100
_WORTH_RATIO = 0.3
_EQUAL_RATIO = 0.99


@dataclass(frozen=True, slots=True, kw_only=True)
class Repeats:
    """
    How often one function, endpoint or statement was asked for the same again.

    Attributes:
        subject: which.
        calls: how often it was called, as far as it was looked at.
        repeats: how many of these asked for what had been asked for before.
        equal: how many of the repeats got the same answer as before.
        took_s: how long all these calls took.
    """

    subject: str
    calls: int = 0
    repeats: int = 0
    equal: int = 0
    took_s: float = 0.0


def advise_caching(seen: Iterable[Repeats]) -> tuple[Recommendation, ...]:
    """What to cache: what would save most time first. Less than 100 calls say nothing."""
    worth = [
        one
        for one in seen
        if one.calls >= _ENOUGH_CALLS
        and one.repeats >= _WORTH_RATIO * one.calls
        and one.equal >= _EQUAL_RATIO * one.repeats
    ]
    worth.sort(key=lambda one: (-_saved_s(one), one.subject))
    return tuple(
        Recommendation(
            code="cache.repeats",
            subject=one.subject,
            summary=say(
                "{share:ratio} of the calls asked for what had been answered before, and got the "
                "same answer: a cache would have saved {saved:duration}",
                share=one.equal / one.calls,
                saved=_saved_s(one),
            ),
            statement="@cached(ttl_s=…, tags=…)  # of keiko_perf.optimization",
            verified_by=None,
            evidence={"calls": one.calls, "total_s": one.took_s},
        )
        for one in worth
    )


class CacheAdvisor:
    """
    Watches functions, or is told of calls.

    Args:
        one_in: of how many keys one is looked at.
        most: how many keys are remembered; the oldest are forgotten.

    Raises:
        UsageError: a number is not from 1 on.
    """

    def __init__(self, *, one_in: int = 8, most: int = 10_000) -> None:
        if one_in < 1 or most < 1:
            raise UsageError(
                f"one_in={one_in!r} and most={most!r} are numbers of keys",
                cure="Give both from 1 on",
            )
        self._one_in, self._most = one_in, most
        self._secret = token_bytes(32)
        self._answers: OrderedDict[bytes, bytes] = OrderedDict()
        self._seen: dict[str, Repeats] = {}

    def watch(self, function: Callable[P, Awaitable[R]]) -> Callable[P, Awaitable[R]]:
        """*function*, whose calls are looked at; arguments and answers are told apart by `repr`."""
        subject = f"{function.__module__}.{function.__qualname__}"

        @wraps(function)
        async def watched(*args: P.args, **kwargs: P.kwargs) -> R:
            question = repr((args, sorted(kwargs.items()))).encode()
            if not self.is_looked_at(subject, question):
                return await function(*args, **kwargs)
            began_s = time.perf_counter()
            answer = await function(*args, **kwargs)
            self.saw(subject, question, repr(answer).encode(), took_s=time.perf_counter() - began_s)
            return answer

        return watched

    def is_looked_at(self, subject: str, question: bytes) -> bool:
        """Whether this question is one of the sample."""
        return self._digest(subject, question)[0] % self._one_in == 0

    def saw(self, subject: str, question: bytes, answer: bytes, *, took_s: float) -> None:
        """*subject*, such as `GET /agents`, was asked *question* and said *answer*."""
        key, said = self._digest(subject, question), self._digest(subject, answer)
        known = self._seen.get(subject, Repeats(subject=subject))
        before = self._answers.pop(key, None)
        self._answers[key] = said
        if len(self._answers) > self._most:
            self._answers.popitem(last=False)
        self._seen[subject] = replace(
            known,
            calls=known.calls + 1,
            repeats=known.repeats + (before is not None),
            equal=known.equal + (before == said),
            took_s=known.took_s + took_s,
        )

    def seen(self) -> tuple[Repeats, ...]:
        """What was looked at so far."""
        return tuple(self._seen.values())

    def advice(self) -> tuple[Recommendation, ...]:
        """What to cache; see `advise_caching`."""
        return advise_caching(self.seen())

    def _digest(self, subject: str, text: bytes) -> bytes:
        return blake2b(subject.encode() + b"\0" + text, key=self._secret, digest_size=16).digest()


def _saved_s(one: Repeats) -> float:
    return one.took_s * one.equal / one.calls
