"""
Report: what every command returns, and what every renderer takes.

A report is a headline, a status and sections in reading order. A section holds typed values,
not prose, so that the terminal, the page, CI and a program can never disagree.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from enum import Enum
from typing import Self

from keiko_perf.model.compare import Change, Comparison
from keiko_perf.model.finding import Finding, Gap, Recommendation, Severity
from keiko_perf.model.message import Text
from keiko_perf.model.target import Outcome, Verdict
from keiko_perf.model.tree import Tree

SCHEMA_VERSION = 1
"""Of the JSON form; raised whenever a reader of the old one could be misled."""


class Status(Enum):
    """How a command ended, with its exit code."""

    OK = "ok", 0
    MISSED = "missed", 3  # a target was missed, or a finding is severe
    INVALID = "invalid", 4  # the measurement is not valid
    REGRESSED = "regressed", 5
    UNDECIDED = "undecided", 6

    def __init__(self, word: str, exit_code: int) -> None:
        self.word = word
        self.exit_code = exit_code

    @classmethod
    def of(
        cls,
        *,
        verdicts: Iterable[Verdict] = (),
        findings: Iterable[Finding] = (),
        comparisons: Iterable[Comparison] = (),
    ) -> Self:
        """The status that follows: the worst of what the values say."""
        verdicts = tuple(verdicts)
        changes = {one.change for one in comparisons}
        if Change.REGRESSED in changes:
            return cls.REGRESSED
        if any(one.outcome is Outcome.MISSED for one in verdicts):
            return cls.MISSED
        if any(one.severity is Severity.CRITICAL for one in findings):
            return cls.MISSED
        # Promises of which not one could be judged are not kept ones.
        unknown = verdicts and all(one.outcome is Outcome.UNKNOWN for one in verdicts)
        return cls.UNDECIDED if unknown or Change.UNDECIDED in changes else cls.OK


@dataclass(frozen=True, slots=True)
class Column:
    """A column of a table: its title, and the format of `render.units` that shows its cells."""

    title: Text
    format: str = "text"


@dataclass(frozen=True, slots=True, kw_only=True)
class Table:
    """Rows of cells, each a value in this project's units; None is shown as "no data"."""

    title: Text
    columns: tuple[Column, ...]
    rows: tuple[tuple[object, ...], ...]
    left_out: int = 0  # rows that were not taken in, so that the table stays readable

    def __post_init__(self) -> None:
        if any(len(row) != len(self.columns) for row in self.rows):
            raise ValueError("each row of a table has one cell for each column")

    def first(self, most: int) -> Self:
        """The first rows alone, at *most* so many; the others are left out too."""
        over = max(0, len(self.rows) - most)
        return replace(self, rows=self.rows[:most], left_out=self.left_out + over)


@dataclass(frozen=True, slots=True)
class Line:
    """One line of a chart: x in seconds from its start, y in the chart's unit; None is a gap."""

    name: Text
    points: tuple[tuple[float, float | None], ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Chart:
    """Lines over time, on a logarithmic scale where they span decades; limit is drawn across."""

    title: Text
    format: str
    lines: tuple[Line, ...]
    limit: float | None = None
    marks: tuple[tuple[float, Text], ...] = ()
    logarithmic: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Section:
    """A part of a report; what it does not have is empty."""

    title: Text
    paragraphs: tuple[Text, ...] = ()
    verdicts: tuple[Verdict, ...] = ()
    comparisons: tuple[Comparison, ...] = ()
    findings: tuple[Finding, ...] = ()
    recommendations: tuple[Recommendation, ...] = ()
    charts: tuple[Chart, ...] = ()
    tables: tuple[Table, ...] = ()
    trees: tuple[Tree, ...] = ()
    gaps: tuple[Gap, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """
    Attributes:
        command: what was run, such as `demo`; it holds no secret.
        title: what it is about.
        headline: the answer, in one sentence.
        status: how it ended; the exit code follows from it.
        created_at: when, aware UTC.
        sections: in reading order.
        environment: what it was measured with: versions, machine, sizes.
        answer: what the command was asked for, for programs: members of the JSON document.
    """

    command: str
    title: Text
    headline: Text
    status: Status
    created_at: datetime
    sections: tuple[Section, ...] = ()
    environment: Mapping[str, str] = field(default_factory=dict)
    answer: Mapping[str, object] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if self.created_at.tzinfo is None:
            raise ValueError("a report's time is aware, in UTC")

    @property
    def verdicts(self) -> Iterator[Verdict]:
        return (one for section in self.sections for one in section.verdicts)

    @property
    def findings(self) -> Iterator[Finding]:
        return (one for section in self.sections for one in section.findings)

    @property
    def recommendations(self) -> Iterator[Recommendation]:
        return (one for section in self.sections for one in section.recommendations)

    @property
    def comparisons(self) -> Iterator[Comparison]:
        return (one for section in self.sections for one in section.comparisons)

    @property
    def gaps(self) -> Iterator[Gap]:
        return (one for section in self.sections for one in section.gaps)
