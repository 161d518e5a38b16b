"""
Promises: the targets that the `--max-` and `--min-` options give, for all requests or one step.

    --max-p95 200ms --max-p95 'POST /orders=500ms' --max-errors 0.5
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field

from keiko_perf.errors import UsageError
from keiko_perf.model import Target
from keiko_perf.model.kpi import (
    ERROR_RATIO,
    LATENCY_P50,
    LATENCY_P95,
    LATENCY_P99,
    THROUGHPUT,
    Kpi,
)
from keiko_perf.model.length import read_length

DEFAULT_ERRORS = "1"


@dataclass(frozen=True, slots=True, kw_only=True)
class Promised:
    """The options about targets, as they were given."""

    max_p50: Sequence[str] = field(default_factory=tuple)
    max_p95: Sequence[str] = field(default_factory=tuple)
    max_p99: Sequence[str] = field(default_factory=tuple)
    max_errors: Sequence[str] = field(default_factory=tuple)
    min_rate: Sequence[str] = field(default_factory=tuple)

    @property
    def is_empty(self) -> bool:
        return not (
            self.max_p50 or self.max_p95 or self.max_p99 or self.max_errors or self.min_rate
        )


def promises(promised: Promised, *, others: Iterable[Target] = ()) -> tuple[Target, ...]:
    """
    The targets, errors first. All requests may fail by 1 % unless `--max-errors`, or a target among
    *others*, says otherwise.

    Raises:
        UsageError: a limit cannot be read.
    """
    errors = list(promised.max_errors)
    is_said = any(one.kpi is ERROR_RATIO and one.subject is None for one in others)
    if not is_said and not any(_divided(one)[0] is None for one in errors):
        errors.insert(0, DEFAULT_ERRORS)
    return (
        *_at_most(ERROR_RATIO, errors, _share),
        *_at_most(LATENCY_P50, promised.max_p50, read_length),
        *_at_most(LATENCY_P95, promised.max_p95, read_length),
        *_at_most(LATENCY_P99, promised.max_p99, read_length),
        *(
            Target(kpi=THROUGHPUT, at_least=_rate(limit), subject=subject)
            for subject, limit in map(_divided, promised.min_rate)
        ),
    )


def check_subjects(targets: Iterable[Target], steps: Sequence[str]) -> None:
    """
    Raises:
        UsageError: a target is about a step that there is not.
    """
    for target in targets:
        if target.subject is not None and target.subject not in steps:
            shown = ", ".join(map(repr, steps[:10])) + (" …" if len(steps) > 10 else "")
            raise UsageError(
                f"a target is about {target.subject!r}, and there is no such step",
                cure=f"Name one of {shown}",
            )


def _at_most(kpi: Kpi, given: Iterable[str], read: Callable[[str], float]) -> tuple[Target, ...]:
    return tuple(
        Target(kpi=kpi, at_most=read(limit), subject=subject)
        for subject, limit in map(_divided, given)
    )


def _divided(text: str) -> tuple[str | None, str]:
    """The step, if one is named, and the limit; a step's name may hold `=` itself."""
    subject, equals, limit = text.rpartition("=")
    return (subject.strip() if equals else None), limit.strip()


def _share(text: str) -> float:
    percent = _number(text, "a share of errors in per cent", "0.5, 1 or 5%")
    if not 0 <= percent <= 100:
        raise UsageError(f"{percent:g} % of errors", cure="Use a number from 0 to 100")
    return percent / 100


def _rate(text: str) -> float:
    per_s = _number(text, "a rate", "200: requests a second")
    if per_s <= 0:
        raise UsageError(f"a rate of {per_s:g}/s", cure="Use a number above 0")
    return per_s


def _number(text: str, what: str, form: str) -> float:
    try:
        return float(text.removesuffix("%"))
    except ValueError as error:
        raise UsageError(f"{text!r} is not {what}", cure=f"Write it as {form}") from error
