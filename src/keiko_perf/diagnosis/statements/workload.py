"""
Workload: the statements that a service sends, with how often and how long.

What is no query (BEGIN, SET, VACUUM) is counted and left out. What cannot be read is listed with
its reason, so that a recommendation never rests on a guess about it.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Self

from keiko_perf.diagnosis.history.delta import together
from keiko_perf.diagnosis.history.history import Period
from keiko_perf.diagnosis.statements.parser import NotUnderstood
from keiko_perf.diagnosis.statements.predicates import Shape
from keiko_perf.diagnosis.statements.reading import read
from keiko_perf.model import OTHER, Kind, Series

_HIDDEN = "<insufficient privilege>"
"""What pg_stat_statements shows of the statements of others."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Statement:
    """
    One normalised statement.

    Attributes:
        text: SQL with `$1`, `$2` in place of its values.
        calls: how often it was executed.
        total_s: how long all its executions took.
        rows: how many rows they returned or changed in all; None if not known.
    """

    text: str
    calls: float = 1
    total_s: float = 0.0
    rows: int | None = None

    def __post_init__(self) -> None:
        if self.calls < 0 or self.total_s < 0:
            raise ValueError("a statement is called and takes time no less than zero")

    @property
    def mean_s(self) -> float:
        """How long one execution took."""
        return self.total_s / self.calls if self.calls else 0.0

    @property
    def rows_written(self) -> float:
        """Rows that it changed, if it is one that writes; where not known, one for each call."""
        return self.calls if self.rows is None else self.rows


@dataclass(frozen=True, slots=True)
class Query:
    """A statement of the workload with its shape."""

    statement: Statement
    shape: Shape


@dataclass(frozen=True, slots=True)
class Unparsed:
    """A statement that cannot be read or planned, and why."""

    statement: Statement
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Workload:
    """
    Attributes:
        statements: those that can be read, the most time-consuming first.
        unparsed: those that cannot.
        not_queries: how many were neither queries nor writes.
        unnamed_calls: executions that fell over the recorder's bound on different statements.
        left_out: statements that were recorded, but not taken in: those that took least time.
        written: rows that each table's own counters saw written meanwhile, also by COPY, triggers
            and functions; by its name, with its schema unless that is `public`.
    """

    statements: tuple[Statement, ...] = ()
    unparsed: tuple[Unparsed, ...] = ()
    not_queries: int = 0
    unnamed_calls: int = 0
    left_out: int = 0
    written: Mapping[str, float] = field(default_factory=dict)

    @property
    def total_s(self) -> float:
        """The time of all that can be read."""
        return sum(one.total_s for one in self.statements)

    @classmethod
    def of(
        cls, statements: Iterable[Statement], *, unnamed_calls: int = 0, left_out: int = 0
    ) -> Self:
        """The workload of some statements; equal texts become one."""
        readable: list[Statement] = []
        unparsed: list[Unparsed] = []
        not_queries = 0
        for statement in _merged(statements):
            if statement.text == _HIDDEN:
                unparsed.append(Unparsed(statement, "the role may not see its text"))
                continue
            try:
                shape = read(statement.text)
            except NotUnderstood as error:
                unparsed.append(Unparsed(statement, str(error)))
                continue
            if shape.is_plannable or shape.writes:
                readable.append(statement)
            else:
                not_queries += 1
        readable.sort(key=lambda one: (-one.total_s, -one.calls, one.text))
        return cls(
            statements=tuple(readable),
            unparsed=tuple(unparsed),
            not_queries=not_queries,
            unnamed_calls=unnamed_calls,
            left_out=left_out,
        )

    @classmethod
    def from_statistics(cls, rows: Iterable[Mapping[str, Any]], *, left_out: int = 0) -> Self:
        """
        The workload of rows of pg_stat_statements.

        Args:
            rows: each with `query`, `calls`, `total_exec_time` (in ms, as it is there) and `rows`.
            left_out: how many more there are.
        """
        return cls.of(
            (
                Statement(
                    text=row["query"],
                    calls=int(row["calls"]),
                    total_s=float(row["total_exec_time"]) / 1000,
                    rows=int(row["rows"]),
                )
                for row in rows
                if row["query"] is not None
            ),
            left_out=left_out,
        )

    @classmethod
    def from_periods(cls, periods: Iterable[Period]) -> Self:
        """The workload between snapshots; a text that was cut when it was kept is not read."""
        periods = list(periods)
        kept = together(one for period in periods for one in period.statements)
        written: dict[str, float] = {}
        for table in (one for period in periods for one in period.tables):
            written[table.name] = written.get(table.name, 0.0) + table.written
        cut = [one for one in kept if one.characters > len(one.query)]
        whole = cls.of(
            Statement(text=one.query, calls=one.calls, total_s=one.total_s, rows=one.rows)
            for one in kept
            if one not in cut
        )
        unparsed = (
            Unparsed(
                Statement(text=one.query, calls=one.calls, total_s=one.total_s, rows=one.rows),
                "its text was too long to be kept whole",
            )
            for one in cut
        )
        return replace(whole, unparsed=(*whole.unparsed, *unparsed), written=written)

    @classmethod
    def from_series(cls, series: Iterable[Series]) -> Self:
        """The workload of what was measured inside the service; other kinds are left out."""
        ours = [one for one in series if one.kind is Kind.STATEMENT]
        return cls.of(
            (
                Statement(text=one.name, calls=one.count, total_s=one.sum_s)
                for one in ours
                if one.name != OTHER
            ),
            unnamed_calls=sum(one.count for one in ours if one.name == OTHER),
        )


def shortened(text: str, most: int) -> str:
    """The beginning of a statement on one line, of at most so many characters."""
    line = " ".join(text.split())
    return line if len(line) <= most else f"{line[: most - 1]}…"


def _merged(statements: Iterable[Statement]) -> Iterable[Statement]:
    """Statements of the same text, such as those of several roles, as one."""
    found: dict[str, Statement] = {}
    for one in statements:
        known = found.get(one.text)
        found[one.text] = one if known is None else _sum(known, one)
    return found.values()


def _sum(one: Statement, other: Statement) -> Statement:
    known = one.rows is not None and other.rows is not None
    return Statement(
        text=one.text,
        calls=one.calls + other.calls,
        total_s=one.total_s + other.total_s,
        rows=(one.rows or 0) + (other.rows or 0) if known else None,
    )
