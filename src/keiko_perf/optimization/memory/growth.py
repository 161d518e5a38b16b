"""
Growth: which lines of a program hold more memory than before, and the report that says so.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from keiko_perf.model import Column, Finding, Message, Report, Section, Severity, Status, Table, say

_MB = 1024 * 1024


@dataclass(frozen=True, slots=True, kw_only=True)
class Growth:
    """
    What one line holds more than before.

    Attributes:
        place: where, as in `service/routes.py:42`.
        code: what stands there; empty if it cannot be read.
        grown_bytes: how much more it holds than at the beginning.
        size_bytes: how much it holds now.
        blocks: how many blocks that are.
        is_steady: whether it grew from look to look, as a leak does, and not once.
    """

    place: str
    code: str
    grown_bytes: int
    size_bytes: int
    blocks: int
    is_steady: bool


def growth_report(
    growth: Sequence[Growth],
    *,
    rss_bytes: Sequence[int],
    traced_bytes: int,
    at: datetime,
    leak_bytes: int = _MB,
) -> Report:
    """
    Which lines grew.

    Args:
        growth: those that hold most more.
        rss_bytes: what the process held, look by look.
        traced_bytes: what of the last is known by line.
        at: when the last look was.
        leak_bytes: from how much on a line that grows steadily is a finding.
    """
    findings = tuple(_finding(one) for one in growth if _leaks(one, leak_bytes))
    first, last = (rss_bytes[0], rss_bytes[-1]) if rss_bytes else (0, 0)
    status, headline = _concluded(findings, is_seen_twice=len(rss_bytes) > 1)
    return Report(
        command="memory",
        title=say("What grows in memory"),
        headline=headline,
        status=status,
        created_at=at,
        sections=(
            Section(
                title=say("The process"),
                paragraphs=(
                    say(
                        "It held {first:bytes} at the first look and {last:bytes} at the last, of "
                        "which {traced:bytes} are known by line; what C libraries allocate is not",
                        first=first,
                        last=last,
                        traced=traced_bytes,
                    ),
                ),
                findings=findings,
                tables=(_table(growth),) if growth else (),
            ),
        ),
        answer={
            "rss_bytes": list(rss_bytes),
            "traced_bytes": traced_bytes,
            "lines": [
                {
                    "place": one.place,
                    "grown_bytes": one.grown_bytes,
                    "size_bytes": one.size_bytes,
                    "blocks": one.blocks,
                    "is_steady": one.is_steady,
                }
                for one in growth
            ],
        },
    )


def _concluded(findings: Sequence[Finding], *, is_seen_twice: bool) -> tuple[Status, Message]:
    if findings:
        return Status.MISSED, say(
            "{count:count} place(s) of the program hold more and more memory", count=len(findings)
        )
    if not is_seen_twice:
        return Status.UNDECIDED, say("Nothing was looked at twice, so nothing is known to grow")
    return Status.OK, say("No line of the program holds more and more memory")


def _leaks(one: Growth, leak_bytes: int) -> bool:
    return one.is_steady and one.grown_bytes >= leak_bytes


def _finding(one: Growth) -> Finding:
    return Finding(
        code="memory.grows",
        severity=Severity.CRITICAL,
        subject=one.place,
        summary=say(
            "It holds {grown:bytes} more than at the beginning, and more from look to look",
            grown=one.grown_bytes,
        ),
        evidence={
            "grown_bytes": one.grown_bytes,
            "size_bytes": one.size_bytes,
            "blocks": one.blocks,
            "code": one.code,
        },
        explanation=say(
            "What is made there is kept by something that only grows: a list, a dict, a cache "
            "without a bound"
        ),
    )


def _table(growth: Sequence[Growth]) -> Table:
    return Table(
        title=say("Lines that hold more than at the beginning"),
        columns=(
            Column(say("Place")),
            Column(say("Grown by"), "bytes"),
            Column(say("Holds"), "bytes"),
            Column(say("Blocks"), "count"),
            Column(say("From look to look")),
            Column(say("Code")),
        ),
        rows=tuple(
            (
                one.place,
                one.grown_bytes,
                one.size_bytes,
                one.blocks,
                say("more and more") if one.is_steady else say("not steadily"),
                one.code,
            )
            for one in growth
        ),
    )
