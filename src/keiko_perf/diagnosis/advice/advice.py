"""
Advice: the indexes that help, those that don't and why, and what could not be looked at.
"""

from __future__ import annotations

from dataclasses import dataclass

from keiko_perf.diagnosis.advice.upkeep import NO_UPKEEP, Upkeep
from keiko_perf.diagnosis.candidates.indexes import (
    Index,
    Refusal,
    create_statement,
    drop_statement,
)
from keiko_perf.diagnosis.schema import Table
from keiko_perf.diagnosis.search.search import Gain
from keiko_perf.diagnosis.statements.workload import Statement
from keiko_perf.model import Gap, Message, Recommendation, say

CODE = "indexes.missing"


@dataclass(frozen=True, slots=True, kw_only=True)
class AdvisedIndex:
    """
    Attributes:
        index: what to make.
        name: under which name.
        table: where.
        verified_by: how it was verified; None if it was not.
        gains: the statements that become cheaper, those that save most first.
        losses: those that become dearer; by what its look-ups really cost, where the planner
            takes them for cheaper.
        benefit: what the workload saves, less what its writes cost; None if not verified.
        benefit_ratio: that as a share of the workload's cost, 0 to 1.
        upkeep: what the workload's writes cost more.
        build_s: how long it takes to make without locking out writers; None if not known.
        rows_written: how many rows the workload writes to the table.
        size_bytes: how large it will be once it is made; None if not known.
        planner_size_bytes: how large the planner takes it for while it is hypothetical.
        wanted_by: the statements it was proposed for, where no gain is known.
        replaces: the names of indexes that are there and do nothing that it does not.
    """

    index: Index
    name: str
    table: Table
    verified_by: str | None = None
    gains: tuple[Gain, ...] = ()
    losses: tuple[Gain, ...] = ()
    benefit: float | None = None
    benefit_ratio: float | None = None
    upkeep: Upkeep = NO_UPKEEP
    build_s: float | None = None
    rows_written: float = 0.0
    size_bytes: int | None = None
    planner_size_bytes: int | None = None
    wanted_by: tuple[Statement, ...] = ()
    replaces: tuple[str, ...] = ()

    @property
    def statement(self) -> str:
        """What the user runs."""
        return create_statement(self.index, self.name, table=self.table)

    @property
    def undo(self) -> str:
        """What takes it back."""
        return drop_statement(self.name, table=self.table)

    @property
    def cost_before(self) -> float | None:
        """The mean cost of an execution of the statements that gain, without it."""
        return self._mean([(one.statement.calls, one.cost_before) for one in self.gains])

    @property
    def cost_after(self) -> float | None:
        """The same with it."""
        return self._mean([(one.statement.calls, one.cost_after) for one in self.gains])

    @property
    def answer(self) -> dict[str, object]:
        """What programs read of it."""
        return {
            "statement": self.statement,
            "name": self.name,
            "table": self.table.shown_name,
            "columns": list(self.index.columns),
            "include": list(self.index.include),
            "where": self.index.where or None,
            "method": self.index.method,
            "kind": self.index.kind,
            "size_bytes": self.size_bytes,
            "planner_size_bytes": self.planner_size_bytes,
            "benefit_ratio": self.benefit_ratio,
            "build_s": self.build_s,
            "write_cost": self.upkeep.cost,
            "wal_bytes": self.upkeep.wal_bytes,
            "hot_updates_lost": self.upkeep.hot_lost,
            "verified_by": self.verified_by,
            "replaces": list(self.replaces),
            "undo": self.undo,
            "gains": [one.answer for one in self.gains],
            "losses": [one.answer for one in self.losses],
        }

    @property
    def recommendation(self) -> Recommendation:
        """As the reports show it."""
        gaining = tuple(one.statement for one in self.gains) or self.wanted_by
        return Recommendation(
            code=CODE,
            subject=self.table.shown_name,
            summary=self._summary(),
            statement=self.statement,
            verified_by=self.verified_by,
            evidence=self._evidence(),
            statements=tuple(one.text for one in gaining),
            undo=self.undo,
            replaces=self.replaces,
        )

    def _summary(self) -> Message:
        shown = f"{self.table.shown_name} {self.index.rest}"
        before, after = self.cost_before, self.cost_after
        if before is None or after is None:
            return say(
                "An index on {index} might help {count:count} of the statements;"
                " this is not verified",
                index=shown,
                count=len(self.wanted_by),
            )
        if self.table.is_partitioned:
            return say(
                "With an index on {index} the planner finds {count:count} of the"
                " statements {factor:factor} cheaper. Its making locks the writers of all"
                " partitions out; made on each of them first, CONCURRENTLY, it does not",
                index=shown,
                count=len(self.gains),
                factor=before / max(after, 0.01),
            )
        return say(
            "With an index on {index} the planner finds {count:count} of the"
            " statements {factor:factor} cheaper",
            index=shown,
            count=len(self.gains),
            factor=before / max(after, 0.01),
        )

    def _evidence(self) -> dict[str, float | int | str | None]:
        if self.verified_by is None:
            return {"statements_wanting": len(self.wanted_by)}
        evidence: dict[str, float | int | str | None] = {
            "cost_before": self.cost_before,
            "cost_after": self.cost_after,
            "benefit_ratio": self.benefit_ratio,
            "size_bytes": self.size_bytes,
            "statements_gaining": len(self.gains),
            "build_s": self.build_s,
            "write_cost": self.upkeep.cost,
            "rows_written": self.rows_written,
        }
        if self.planner_size_bytes != self.size_bytes:
            evidence["planner_size_bytes"] = self.planner_size_bytes
        if self.upkeep.entries:
            evidence["wal_per_row_bytes"] = self.upkeep.wal_bytes / self.upkeep.entries
        if self.upkeep.hot_lost:
            evidence["hot_updates_lost"] = self.upkeep.hot_lost
        return evidence

    @staticmethod
    def _mean(costs: list[tuple[float, float]]) -> float | None:
        calls = sum(count for count, _ in costs)
        return sum(count * cost for count, cost in costs) / calls if calls else None


@dataclass(frozen=True, slots=True, kw_only=True)
class Advice:
    """
    Attributes:
        indexes: what to make, the most useful first.
        refusals: what not to make, and why; sorted by table and columns.
        gaps: what could not be looked at.
        cost_before: the planner's cost of the whole workload; None if no planner was asked.
        cost_after: the same with all the indexes, without what they cost to write.
        planner_calls: how often the planner was asked.
        reason: why there is nothing to make; None if there is.
        is_blind: whether no statement could be looked at, so that it says nothing.
    """

    indexes: tuple[AdvisedIndex, ...] = ()
    refusals: tuple[Refusal, ...] = ()
    gaps: tuple[Gap, ...] = ()
    cost_before: float | None = None
    cost_after: float | None = None
    planner_calls: int = 0
    reason: Message | None = None
    is_blind: bool = False

    @property
    def answer(self) -> dict[str, object]:
        """What programs read: members of the report's JSON document."""
        return {
            "indexes": [one.answer for one in self.indexes],
            "cost_before": self.cost_before,
            "cost_after": self.cost_after,
            "planner_calls": self.planner_calls,
        }

    @property
    def recommendations(self) -> tuple[Recommendation, ...]:
        return tuple(one.recommendation for one in self.indexes)
