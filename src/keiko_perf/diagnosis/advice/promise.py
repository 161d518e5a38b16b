"""
Promise: what was advised, read back from the report of `db advise`, and whether it held.

An index keeps its promise if it is there, the plans of statements that were to gain use it, and
they cost about what was promised; and, where the server recorded them before and after, if they
run faster. What was not built, or not yet run often enough, is neither kept nor broken.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum
from typing import Any

from keiko_perf.errors import UsageError
from keiko_perf.model import Message, say

LEAST_CALLS = 20
"""Executions since the advice from which on their mean time says something."""
_SLOWER = 1.2
_MOST = 0.5
"""Of the executions since the advice: if the index was used in fewer, it is younger than that."""
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
class Made:
    """
    The index that a promise is about, as it is now.

    Attributes:
        is_valid: whether queries may use it.
        name: what it is called, which may be another name than was advised.
        scans: how often it was used since it was made, or since the counters were reset.
    """

    is_valid: bool
    name: str
    scans: int = 0


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
    def is_slower(self) -> bool:
        before_s, after_s = self.mean_before_s, self.mean_after_s
        return before_s is not None and after_s is not None and after_s > _SLOWER * before_s

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


def judge(promise: Promise, seen: Mapping[str, Seen], made: Made | None) -> Judged:
    """
    Whether a promise was kept.

    Args:
        promise: it.
        seen: what is the case with its statements, by their text.
        made: the index; None if there is none.
    """
    if made is None:
        reason = say("there is no such index: it was not made, or it is gone again")
        return Judged(promise=promise, outcome=Outcome.UNKNOWN, reason=reason)
    held = tuple(held_since(gain, seen[gain.query]) for gain in promise.gains if gain.query in seen)
    if made.is_valid:
        outcome, reason = _outcome(held, made)
    else:
        outcome = Outcome.BROKEN
        reason = say("the index is invalid: its making did not end well")
    if made.name != promise.name:
        reason = say("it was made as {name}: {reason}", name=made.name, reason=reason)
    return Judged(promise=promise, outcome=outcome, reason=reason, held=held)


def _outcome(held: tuple[Held, ...], made: Made) -> tuple[Outcome, Message]:
    planned = [one for one in held if one.seen.cost is not None]
    if not planned:
        return Outcome.UNKNOWN, say("none of its statements can be planned any more")
    used = [one for one in planned if one.seen.is_used]
    if not used:
        return Outcome.BROKEN, say(
            "no plan of its statements uses it; it was used {scans:count} times in all",
            scans=made.scans,
        )
    measured = [one for one in used if one.is_measured]
    calls = sum(one.calls_since or 0.0 for one in measured)
    # When it was made stands nowhere, and what ran between the advice and then counts as well.
    if measured and made.scans >= _MOST * calls:
        return _measured(measured, len(planned))
    as_promised = [one for one in used if one.is_as_promised]
    if not as_promised:
        return Outcome.BROKEN, say("its statements' plans use it, but cost more than was promised")
    return Outcome.KEPT, say(
        "{count:count} of {planned:count} plans of its statements use it at the promised cost;"
        " {why}",
        count=len(as_promised),
        planned=len(planned),
        why=_why_not_measured(held, calls, made),
    )


def _why_not_measured(held: tuple[Held, ...], calls: float, made: Made) -> Message:
    if calls:
        return say(
            "it was used {scans:count} times, in {calls:count} executions since the advice: too"
            " seldom to tell",
            scans=made.scans,
            calls=calls,
        )
    if any(one.calls_since is not None for one in held):
        return say(
            "under {least:count} executions since don't tell how they run", least=LEAST_CALLS
        )
    return say("their run time before and after is not recorded")


def _measured(measured: list[Held], planned: int) -> tuple[Outcome, Message]:
    """What the server recorded: it weighs more than what the planner says."""
    before = sum((one.mean_before_s or 0.0) * (one.calls_since or 0.0) for one in measured)
    after = sum((one.mean_after_s or 0.0) * (one.calls_since or 0.0) for one in measured)
    if after >= before:
        return Outcome.BROKEN, say("its statements don't run faster than before")
    factor = before / max(after, 1e-9)
    slower = sum(one.is_slower for one in measured)
    if slower:
        return Outcome.KEPT, say(
            "its statements run {factor:factor} faster in all, but {slower:count} of"
            " {count:count} slower than before",
            factor=factor,
            slower=slower,
            count=len(measured),
        )
    if not any(one.is_as_promised for one in measured):
        return Outcome.KEPT, say(
            "its statements run {factor:factor} faster, though by now the planner expects more work"
            " of them than was promised",
            factor=factor,
        )
    if len(measured) < planned:
        return Outcome.KEPT, say(
            "{count:count} of its {planned:count} statements run {factor:factor} faster; of the"
            " others the plans do not use it, or they were executed too seldom",
            count=len(measured),
            planned=planned,
            factor=factor,
        )
    return Outcome.KEPT, say("its statements run {factor:factor} faster", factor=factor)


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
