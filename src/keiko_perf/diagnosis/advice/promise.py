"""
Promise: what was advised, read back from the report of `db advise`, and whether it held.

An index keeps its promise if it is there, the plans of statements that were to gain use it, and
they cost about what was promised; and, where the server recorded them before and after, if they
run faster. What was not built, or not yet run often enough, is neither kept nor broken.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import Enum
from typing import Any

from keiko_perf.errors import UsageError
from keiko_perf.model import Message, say

LEAST_CALLS = 20
"""Executions since the advice from which on their mean time says something."""
_ABOUT = 1.5
"""A cost up to so many times the promised one is about that."""


class Outcome(Enum):
    KEPT = "kept"
    BROKEN = "broken"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True, kw_only=True)
class PromisedGain:
    """
    One statement that was to become cheaper.

    Attributes:
        query: its text.
        calls: how often it had been executed when it was advised; of a file, its weight.
        total_s: how long that had taken.
        cost_before: of one execution, in the planner's units.
        cost_after: what was promised.
        way_before: how its plan read the index's table; empty if not known.
        rows: how many rows all executions had given or changed; None if not known.
    """

    query: str
    calls: float
    total_s: float
    cost_before: float
    cost_after: float
    way_before: str = ""
    rows: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Promise:
    """An index that was advised; `schema` is empty if its table is on the search path."""

    name: str
    table: str
    statement: str
    gains: tuple[PromisedGain, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Seen:
    """
    What is the case with one statement now.

    Attributes:
        cost: what the planner says; None if it cannot be planned.
        is_used: whether its plan uses the index.
        way: how the plan reads the index's table, in the planner's words; empty if not known.
        calls: how often it was executed in all, as recorded; None if it is not.
        total_s: how long that took.
    """

    cost: float | None
    is_used: bool
    way: str = ""
    calls: float | None = None
    total_s: float = 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Held:
    """
    How it went with one statement.

    Attributes:
        gain: what was promised.
        seen: what is the case.
        calls_since: executions since the advice; None if not recorded both times.
        mean_before_s: how long one took until then.
        mean_after_s: how long one has taken since.
    """

    gain: PromisedGain
    seen: Seen
    calls_since: float | None = None
    mean_before_s: float | None = None
    mean_after_s: float | None = None

    @property
    def is_measured(self) -> bool:
        return self.mean_before_s is not None and self.mean_after_s is not None

    @property
    def is_as_promised(self) -> bool:
        """Whether the planner uses the index at about the promised cost."""
        return (
            self.seen.is_used
            and self.seen.cost is not None
            and self.seen.cost <= _ABOUT * max(self.gain.cost_after, 1.0)
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Judged:
    """A promise with its outcome, the reason, and its statements."""

    promise: Promise
    outcome: Outcome
    reason: Message
    held: tuple[Held, ...] = ()


def promises_of(document: Any) -> list[Promise]:
    """
    The promises in the JSON document of `db advise`.

    Raises:
        UsageError: it is no such document.
    """
    try:
        return [_promise(one) for one in document["indexes"] if one["verified_by"]]
    except (KeyError, TypeError, ValueError):
        raise UsageError(
            "this is no report of db advise",
            cure="Keep the advice with: keiko-perf db advise --format json --output advice.json",
        ) from None


def held_since(gain: PromisedGain, seen: Seen) -> Held:
    """How it went with a statement; a counter that went down was reset, and counts from there."""
    if seen.calls is None or not gain.calls or gain.total_s <= 0:
        return Held(gain=gain, seen=seen)
    was_reset = seen.calls < gain.calls or seen.total_s < gain.total_s
    calls = seen.calls - (0.0 if was_reset else gain.calls)
    total_s = seen.total_s - (0.0 if was_reset else gain.total_s)
    return Held(
        gain=gain,
        seen=seen,
        calls_since=calls,
        mean_before_s=gain.total_s / gain.calls,
        mean_after_s=total_s / calls if calls >= LEAST_CALLS else None,
    )


def judge(promise: Promise, seen: Mapping[str, Seen], *, state: str) -> Judged:
    """
    Whether a promise was kept.

    Args:
        promise: it.
        seen: what is the case with its statements, by their text.
        state: of the index: `valid`, `invalid` or `absent`.
    """
    if state == "absent":
        reason = say("the index was not made: there is none of this name")
        return Judged(promise=promise, outcome=Outcome.UNKNOWN, reason=reason)
    if state == "invalid":
        reason = say("the index is invalid: its making did not end well")
        return Judged(promise=promise, outcome=Outcome.BROKEN, reason=reason)
    held = tuple(held_since(gain, seen[gain.query]) for gain in promise.gains if gain.query in seen)
    outcome, reason = _outcome(held)
    return Judged(promise=promise, outcome=outcome, reason=reason, held=held)


def _outcome(held: Iterable[Held]) -> tuple[Outcome, Message]:
    held = tuple(held)
    planned = [one for one in held if one.seen.cost is not None]
    if not planned:
        return Outcome.UNKNOWN, say("none of its statements can be planned any more")
    used = [one for one in planned if one.seen.is_used]
    if not used:
        return Outcome.BROKEN, say("no plan of its statements uses it")
    as_promised = [one for one in used if one.is_as_promised]
    if not as_promised:
        return Outcome.BROKEN, say("its statements' plans use it, but cost more than was promised")
    measured = [one for one in held if one.is_measured]
    if not measured:
        return Outcome.KEPT, say(
            "{count:count} of its statements' plans use it at the promised cost; their run time"
            " before and after is not recorded",
            count=len(as_promised),
        )
    before = sum((one.mean_before_s or 0.0) * (one.calls_since or 0.0) for one in measured)
    after = sum((one.mean_after_s or 0.0) * (one.calls_since or 0.0) for one in measured)
    if after >= before:
        return Outcome.BROKEN, say("its statements don't run faster than before")
    return Outcome.KEPT, say(
        "its statements run {factor:factor} faster", factor=before / max(after, 1e-9)
    )


def _promise(one: Mapping[str, Any]) -> Promise:
    return Promise(
        name=str(one["name"]),
        table=str(one["table"]),
        statement=str(one["statement"]),
        gains=tuple(
            PromisedGain(
                query=str(gain["query"]),
                calls=float(gain["calls"]),
                total_s=float(gain["total_s"]),
                cost_before=float(gain["cost_before"]),
                cost_after=float(gain["cost_after"]),
                way_before=str(gain.get("plan_before", "")),
                rows=None if gain.get("rows") is None else int(gain["rows"]),
            )
            for gain in one["gains"]
        ),
    )
