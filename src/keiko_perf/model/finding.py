"""
Finding, Recommendation, Gap: what was noticed, what to do, and what could not be looked at.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import IntEnum

from keiko_perf.model.message import Text


class Severity(IntEnum):
    """How much it matters; the larger the worse."""

    NOTE = 1
    WARNING = 2
    CRITICAL = 3

    @property
    def word(self) -> str:
        return self.name.lower()


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """
    One thing worth attention.

    Attributes:
        code: stable, `topic.name`: programs and people look it up by it.
        severity: by what it costs here, not by what it is.
        subject: the table, statement, route or setting.
        summary: what is the case, in one sentence.
        evidence: the figures that show it; each name carries its unit (`mean_s`, `size_bytes`).
        explanation: why it matters and what it comes from.
        cure: the statement or setting that cures it, as the user would type it.
        link: the section of the manual.
        example: a command that shows one case of it again; its secrets are masked.
    """

    code: str
    severity: Severity
    subject: str
    summary: Text
    evidence: Mapping[str, float | int | str | None] = field(default_factory=dict)
    explanation: Text | None = None
    cure: str | None = None
    link: str | None = None
    example: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Recommendation:
    """
    A change that the user can make.

    Attributes:
        code: stable, `topic.name`.
        subject: what it changes.
        summary: what it does, in one sentence.
        statement: the statement that makes the change. This tool never runs it.
        verified_by: how its effect was verified (`hypopg`, `build`); None if it was not.
        evidence: what was found when it was verified, as in `Finding`.
        statements: the statements of the workload that gain, as they were recorded.
        undo: the statement that takes it back.
        replaces: what it makes superfluous.
    """

    code: str
    subject: str
    summary: Text
    statement: str
    verified_by: str | None
    evidence: Mapping[str, float | int | str | None] = field(default_factory=dict)
    statements: tuple[str, ...] = ()
    undo: str | None = None
    replaces: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Gap:
    """
    Something that could not be looked at. It is not an all-clear.

    Attributes:
        subject: what is not known.
        reason: why.
        remedy: what would cure it, as the user would do it.
    """

    subject: Text
    reason: Text
    remedy: Text
