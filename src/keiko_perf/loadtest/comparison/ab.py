"""
A/B: two versions under the same load, in turns, and what the pairs of runs say. Pure.

The costs come first: how many statements, bytes and how much CPU a request takes differ hardly from
run to run, so they decide where response times need many pairs to.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from math import ceil

from keiko_perf.loadtest.reports.summary import load_words
from keiko_perf.loadtest.result import Result
from keiko_perf.model import (
    Change,
    Column,
    Comparison,
    Message,
    Report,
    Section,
    Status,
    Table,
    holm,
    noise_floor,
    paired,
    say,
)

ALL = "all requests"
"""What is compared that no step has by itself."""
STATEMENTS = "statements"
BYTES = "bytes"
CPU_S = "cpu_s"
COST_EFFECT = 0.01
"""Statements and bytes are counted, so a change of more than this is one."""

_COSTS: Mapping[str, tuple[Message, str]] = {
    STATEMENTS: (say("statements a request"), "number"),
    BYTES: (say("bytes a request"), "bytes"),
    CPU_S: (say("CPU a request"), "duration"),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Run:
    """
    One run of one version.

    Attributes:
        result: what was measured.
        costs: what a request took, by the words above; what is not known is absent.
    """

    result: Result
    costs: Mapping[str, float] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Pair:
    """One run of each version, one right after the other."""

    before: Run
    after: Run


def order(number: int) -> tuple[int, int]:
    """Which version goes first in pair *number*: A B, B A, A B… so that a drift favours neither."""
    return (0, 1) if number % 2 == 0 else (1, 0)


def compare_pairs(
    pairs: Sequence[Pair], *, q: float = 0.95, min_effect: float = 0.05
) -> tuple[Comparison, ...]:
    """The costs, then each step's response time; Holm's correction over all of them."""
    found = [*_costs(pairs, min_effect), *_responses(pairs, q, min_effect)]
    return holm(found)


def is_decided(found: Sequence[Comparison]) -> bool:
    """Whether more pairs would tell nothing new."""
    return bool(found) and all(one.change is not Change.UNDECIDED for one in found)


def ab_report(
    pairs: Sequence[Pair],
    names: tuple[str, str],
    *,
    q: float = 0.95,
    min_effect: float = 0.05,
    invalid: Sequence[Message] = (),
    interrupted: bool = False,
) -> Report:
    """
    What the pairs say.

    Args:
        pairs: in the order in which they were measured; at least one.
        names: what the two versions are called.
        q: the quantile of the response times that is compared.
        min_effect: the least relative change that matters.
        invalid: why a run could not be believed, however often it was repeated.
        interrupted: whether it was stopped.
    """
    found = compare_pairs(pairs, q=q, min_effect=min_effect)
    last = pairs[-1].after.result
    return Report(
        command="load ab",
        title=say("{before} against {after}", before=names[0], after=names[1]),
        headline=_headline(found, len(pairs), invalid),
        status=Status.INVALID if invalid else Status.of(comparisons=found),
        created_at=last.ended_at,
        sections=(
            Section(
                title=say("What changed"),
                paragraphs=(
                    *invalid,
                    *((say("It was stopped; this is what was known by then."),) * interrupted),
                    *_how(pairs, q),
                ),
                comparisons=found,
                tables=(_runs(pairs, q),),
            ),
        ),
        environment={**last.environment, "load": load_words(last.load)},
        answer={"pairs": len(pairs), "is_decided": is_decided(found)},
    )


def _headline(found: Sequence[Comparison], pairs: int, invalid: Sequence[Message]) -> Message:
    if invalid:
        return say("INVALID: a measurement cannot be trusted")
    worse = [one for one in found if one.change is Change.REGRESSED]
    if worse:
        first = worse[0]
        return say(
            "{label} of {subject}: worse by {more:ratio}",
            label=first.label,
            subject=first.subject,
            more=(first.ratio or 1.0) - 1,
        )
    unsure = [one for one in found if one.change is Change.UNDECIDED]
    if unsure or not found:
        return say(
            "undecided after {pairs:count} pairs; about {more:count} more would tell",
            pairs=pairs,
            more=max((_more(one) for one in unsure), default=1),
        )
    better = [one for one in found if one.change is Change.IMPROVED]
    if better:
        first = better[0]
        return say(
            "{label} of {subject}: better by {less:ratio}",
            label=first.label,
            subject=first.subject,
            less=1 - (first.ratio or 1.0),
        )
    return say("no difference that matters, after {pairs:count} pairs", pairs=pairs)


def _more(one: Comparison) -> int:
    more = one.reason.values.get("more", 1)
    return more if isinstance(more, int) else ceil(float(str(more)))


def _costs(pairs: Sequence[Pair], min_effect: float) -> Iterator[Comparison]:
    for cost, (label, format) in _COSTS.items():
        known = [
            (pair.before.costs[cost], pair.after.costs[cost])
            for pair in pairs
            if cost in pair.before.costs and cost in pair.after.costs
        ]
        if known:
            yield paired(
                [one for one, _ in known],
                [two for _, two in known],
                subject=ALL,
                label=label,
                format=format,
                min_effect=min_effect if cost == CPU_S else COST_EFFECT,
            )


def _responses(pairs: Sequence[Pair], q: float, min_effect: float) -> Iterator[Comparison]:
    names = dict.fromkeys(step.name for pair in pairs for step in pair.before.result.steps)
    for name in names:
        known = [
            (one, two)
            for pair in pairs
            if (one := _response(pair.before, name, q)) and (two := _response(pair.after, name, q))
        ]
        if known:
            yield paired(
                [one for one, _ in known],
                [two for _, two in known],
                subject=name,
                label=say("response time p{percent}", percent=f"{q * 100:g}"),
                format="duration",
                min_effect=min_effect,
            )


def _response(run: Run, name: str, q: float) -> float | None:
    step = run.result.step(name)
    return None if step is None else step.response.succeeded.known_quantile(q)


def _how(pairs: Sequence[Pair], q: float) -> Iterator[Message]:
    yield say(
        "{pairs:count} pairs of runs took turns, A B and B A; the pair is the sample, for two runs "
        "of one version differ by more than the requests within one of them show.",
        pairs=len(pairs),
    )
    for name in [step.name for step in pairs[0].before.result.steps][:1]:
        floor = noise_floor(
            [one for pair in pairs if (one := _response(pair.before, name, q)) is not None]
        )
        if floor is not None:
            yield say(
                "Noise floor: two runs of the first version alone differ by up to {floor:ratio} "
                "here, so one run of each would not show less.",
                floor=floor,
            )


def _runs(pairs: Sequence[Pair], q: float) -> Table:
    return Table(
        title=say("The runs"),
        columns=(
            Column(say("pair"), "count"),
            Column(say("first")),
            *(
                column
                for version in ("A", "B")
                for column in (
                    Column(f"{version} p{q * 100:g}", "duration"),
                    Column(say("{version} failed", version=version), "ratio"),
                )
            ),
        ),
        rows=tuple(
            (number + 1, "AB"[order(number)[0]], *_row(pair.before, q), *_row(pair.after, q))
            for number, pair in enumerate(pairs)
        ),
    )


def _row(run: Run, q: float) -> tuple[float | None, float | None]:
    response = run.result.response
    return response.succeeded.known_quantile(q), response.error_ratio
