"""
Case: a claim, and what is said alike of every one of them. Pure.
"""

from __future__ import annotations

from dataclasses import dataclass

from keiko_perf.doctor.cause import Cause
from keiko_perf.doctor.claim import Claim
from keiko_perf.doctor.symptoms import Symptoms
from keiko_perf.model import Message, Recommendation, Text, say

Evidence = dict[str, float | int | str | None]


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """
    Attributes:
        claim: on a part of what users wait for.
        seen: what it was read off.
        share: of all that they wait for, 0 to 1.
        each_s: of one request.
        route: which has the most of it.
    """

    claim: Claim
    seen: Symptoms
    share: float
    each_s: float
    route: str

    @property
    def who(self) -> Message:
        """Who waits."""
        return say("users") if self.seen.routes else say("clients of the database")

    def cause(
        self,
        *,
        said: Message,
        explanation: Text,
        evidence: Evidence,
        subject: str | None = None,
        cure: str | None = None,
        verified_by: str | None = None,
        recommendation: Recommendation | None = None,
    ) -> Cause:
        """The claim as a cause, in these words."""
        about = self.claim.about
        own = {"share_ratio": self.share, "each_s": self.each_s, "route": self.route or None}
        return Cause(
            code=self.claim.code,
            subject=subject or self.claim.subject,
            share=self.share,
            each_s=self.each_s,
            route=self.route,
            statement=about["asked"].statement if "asked" in about else None,
            said=said,
            evidence={**own, **evidence},
            explanation=explanation,
            cure=cure,
            verified_by=verified_by,
            recommendation=recommendation,
        )
