"""
Failures: what went wrong, by class, as findings with an example that can be repeated.
"""

from __future__ import annotations

from keiko_perf.loadtest.result import ErrorGroup, Result
from keiko_perf.model import Column, Finding, Severity, Table, say

_MOST_FINDINGS = 8


def failures(result: Result) -> tuple[Finding, ...]:
    """The most frequent failures; where all requests of a step failed, that is never fine."""
    return tuple(_finding(result, group) for group in result.errors[:_MOST_FINDINGS])


def further(result: Result) -> tuple[Table, ...]:
    """The failures that are too many for findings, if there are any."""
    groups = result.errors[_MOST_FINDINGS:]
    if not groups:
        return ()
    table = Table(
        title=say("Further failures"),
        columns=(
            Column(say("class")),
            Column(say("detail")),
            Column(say("step")),
            Column(say("requests"), "count"),
            Column(say("first after"), "duration"),
            Column(say("last after"), "duration"),
        ),
        rows=tuple(
            (
                group.failure.value,
                group.detail,
                group.step,
                group.count,
                max(0.0, group.first_s),
                max(0.0, group.last_s),
            )
            for group in groups
        ),
    )
    return (table,)


def _finding(result: Result, group: ErrorGroup) -> Finding:
    step = result.step(group.step)
    has_success = step is None or bool(step.response.succeeded)
    count = group.count if step is None else step.response.count
    return Finding(
        code=f"load.{group.failure.value}",
        severity=Severity.WARNING if has_success else Severity.CRITICAL,
        subject=group.step,
        summary=say(
            "{failed:count} of {all:count} requests: {failure}, {detail}",
            failed=group.count,
            all=count,
            failure=group.failure.value,
            detail=group.detail,
        ),
        evidence={
            "error_ratio": group.count / count if count else None,
            "first_seen_s": max(0.0, group.first_s),
            "last_seen_s": max(0.0, group.last_s),
        },
        example=group.example or None,
    )
