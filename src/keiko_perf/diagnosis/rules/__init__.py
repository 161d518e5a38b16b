"""
Evidence → findings: pure functions, one topic a file.

A rule looks at the evidence and says what it noticed, and where it lacks evidence, a gap. It is
silent on what costs nothing here.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass

from keiko_perf.diagnosis.evidence import Evidence
from keiko_perf.diagnosis.rules import (
    ages,
    checkpoints,
    connections,
    indexes,
    locks,
    memory,
    patterns,
    planner,
    replication,
    safety,
    settings,
    statements,
    tables,
)
from keiko_perf.model import Finding, Gap

Rule = Callable[[Evidence], Iterator[Finding | Gap]]

RULES: tuple[Rule, ...] = (
    *locks.RULES,
    *connections.RULES,
    *statements.RULES,
    *patterns.RULES,
    *tables.RULES,
    *ages.RULES,
    *indexes.RULES,
    *planner.RULES,
    *replication.RULES,
    *safety.RULES,
    *checkpoints.RULES,
    *memory.RULES,
    *settings.RULES,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Judgement:
    """
    Attributes:
        findings: the most severe first.
        gaps: what could not be judged; it is no all-clear.
    """

    findings: tuple[Finding, ...]
    gaps: tuple[Gap, ...]

    def about(self, *topics: str) -> Judgement:
        """The findings whose code begins with one of the topics, with all gaps."""
        found = [one for one in self.findings if one.code.partition(".")[0] in topics]
        return Judgement(findings=tuple(found), gaps=self.gaps)


def judge(evidence: Evidence, rules: Iterable[Rule] = RULES) -> Judgement:
    """What the rules say of the evidence."""
    said = [one for rule in rules for one in rule(evidence)]
    findings = [one for one in said if isinstance(one, Finding)]
    findings.sort(key=lambda one: -one.severity)
    gaps = list(evidence.gaps)
    gaps += [one for one in said if isinstance(one, Gap) and one not in gaps]
    return Judgement(findings=tuple(findings), gaps=tuple(gaps))
