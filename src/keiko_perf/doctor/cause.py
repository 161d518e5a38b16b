"""
Cause: why users wait, how much of their waiting it is, and what would cure it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from keiko_perf.model import Finding, Message, Recommendation, Severity, Text


@dataclass(frozen=True, slots=True, kw_only=True)
class Cause:
    """
    Attributes:
        code: stable, as of a `Finding`.
        subject: the statement, route, line of code, pool or host.
        share: of all the time that users wait, 0 to 1; None where it costs no time yet.
        each_s: what it costs a request that it meets; None likewise.
        route: where it costs most; empty if it is of no route.
        statement: the text of the statement that it is about, if it is about one.
        said: what it is and what it costs, in one sentence that begins with its share.
        evidence: the figures that show it.
        explanation: where it comes from and what to do.
        cure: what to type, if it can be typed.
        verified_by: who says that the cure helps; None if nobody did.
        recommendation: the change, where there is one that was verified.
    """

    code: str
    subject: str
    share: float | None
    each_s: float | None
    route: str
    statement: str | None = None
    said: Message
    evidence: Mapping[str, float | int | str | None] = field(default_factory=dict)
    explanation: Text
    cure: str | None = None
    verified_by: str | None = None
    recommendation: Recommendation | None = None

    def finding(self, severity: Severity) -> Finding:
        """As reports show it."""
        return Finding(
            code=self.code,
            severity=severity,
            subject=self.subject,
            summary=self.said,
            evidence={name: one for name, one in self.evidence.items() if one is not None},
            explanation=self.explanation,
            cure=self.cure,
        )

    @property
    def answer(self) -> dict[str, object]:
        """What programs read of it."""
        return {
            "code": self.code,
            "subject": self.subject,
            "share": self.share,
            "each_s": self.each_s,
            "route": self.route or None,
            "statement": self.statement,
            "evidence": dict(self.evidence),
            "cure": self.cure,
            "verified_by": self.verified_by,
        }
