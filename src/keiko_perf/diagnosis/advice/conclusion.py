"""
Conclusion: what was asked and what came of it, as `Advice`.

An index that is advised has its name, its size, what it brings and what it costs; one that is not
has a reason. Where nothing is advised, the advice says why, and it never calls well what could not
be looked at.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, replace

from keiko_perf.diagnosis.advice.advice import Advice, AdvisedIndex
from keiko_perf.diagnosis.advice.gaps import late_gap, unplanned_gap
from keiko_perf.diagnosis.advice.upkeep import Upkeep, Writes
from keiko_perf.diagnosis.candidates.indexes import Index, Refusal, is_replaced
from keiko_perf.diagnosis.candidates.proposals import Proposals
from keiko_perf.diagnosis.candidates.sizes import built_bytes, counted_bytes
from keiko_perf.diagnosis.pricing.building import build_s
from keiko_perf.diagnosis.pricing.scratch import Trial
from keiko_perf.diagnosis.schema import Schema, TableName
from keiko_perf.diagnosis.search.choice import Limits
from keiko_perf.diagnosis.search.search import Chosen, Found
from keiko_perf.diagnosis.statements.workload import Query
from keiko_perf.model import Gap, Message, say


@dataclass(frozen=True, slots=True, kw_only=True)
class Task:
    """
    What is to be judged, and within which limits.

    Attributes:
        schema: of the tables that the workload speaks of.
        proposals: its statements, as they were read, and the candidates for them.
        written: what the tables' counters saw of writes, by the table's name.
        limits: what may be chosen.
        unread: statements of the workload that could not be read.
        counts_built: whether a budget counts what indexes take once they are made.
    """

    schema: Schema
    proposals: Proposals
    written: Mapping[str, float]
    limits: Limits
    unread: int
    counts_built: bool = True

    @property
    def queries(self) -> tuple[Query, ...]:
        """The statements that are looked at, those first that take most time."""
        return self.proposals.queries

    def counted_bytes(self, index: Index, planned_bytes: float) -> float:
        """What an index takes of a budget, by its size to the planner; 0 if that is not known."""
        if not self.counts_built or not planned_bytes:
            return planned_bytes
        return counted_bytes(index, self.schema.tables[index.table], planned_bytes)


@dataclass(frozen=True, slots=True, kw_only=True)
class Priced:
    """
    What the planner said.

    Attributes:
        found: what is worth having, and why the rest is not.
        refused: candidates that cannot be made, or are larger than the budget.
        sizes: of the other candidates; None where that is not known.
        writes: what is written to each table.
        upkeeps: what that costs each of them.
        verified_by: how each of those that are worth having was.
        trial: what was tried on samples.
        ways: how each statement's plan reads its tables now, by its text.
        planner_calls: how many questions were asked.
    """

    found: Found
    refused: Sequence[Refusal]
    sizes: Mapping[Index, int | None]
    writes: Mapping[TableName, Writes]
    upkeeps: Mapping[Index, Upkeep]
    verified_by: Mapping[Index, str]
    trial: Trial
    ways: Mapping[str, Mapping[TableName, str]]
    planner_calls: int


def verified(task: Task, priced: Priced, names: Mapping[Index, str], gaps: Iterable[Gap]) -> Advice:
    """
    What the planner thinks worth having.

    Args:
        names: of the indexes that are.
        gaps: what could not be looked at already before it was asked.
    """
    found = priced.found
    unplanned = [(task.queries[number], why) for number, why in found.unplanned.items()]
    advice = Advice(
        indexes=tuple(_advised(one, task, priced, names[one.index]) for one in found.chosen),
        refusals=_sorted((*task.proposals.refusals.values(), *priced.refused, *found.refusals)),
        gaps=(
            *gaps,
            *unplanned_gap(unplanned),
            *late_gap(len(found.late)),
            *priced.trial.gaps,
        ),
        cost_before=found.cost_before,
        cost_after=found.cost_after,
        planner_calls=priced.planner_calls,
        reason=None if found.chosen else _why_nothing(task, found, priced.refused),
    )
    return _with_sight(advice, task, found.unplanned.keys() | set(found.late))


def unverified(
    task: Task, chosen: Sequence[Index], names: Mapping[Index, str], gaps: Iterable[Gap]
) -> Advice:
    """What seems worth having where there is no planner to ask."""
    refusals = dict(task.proposals.refusals)
    for index in task.proposals.wanted_by.keys() - set(chosen):
        reason = say("not verified, and not the first choice")
        refusals[index] = Refusal(index, "second_choice", reason)
    advised = tuple(
        AdvisedIndex(
            index=index,
            name=names[index],
            table=task.schema.tables[index.table],
            wanted_by=task.proposals.statements(index),
        )
        for index in chosen
    )
    advice = Advice(
        indexes=advised,
        refusals=_sorted(refusals.values()),
        gaps=tuple(gaps),
        reason=None if advised else _why_nothing(task, None),
    )
    return _with_sight(advice, task, frozenset())


def _advised(chosen: Chosen, task: Task, priced: Priced, name: str) -> AdvisedIndex:
    index = chosen.index
    table = task.schema.tables[index.table]
    planned_bytes = float(priced.sizes[index] or 0)
    tried = priced.trial.tried.get(index)
    cost_before = priced.found.cost_before
    return AdvisedIndex(
        index=index,
        name=name,
        table=table,
        verified_by=priced.verified_by[index],
        gains=tuple(
            replace(one, way_before=priced.ways.get(one.statement.text, {}).get(index.table, ""))
            for one in chosen.gains
        ),
        losses=chosen.losses,
        benefit=chosen.benefit,
        benefit_ratio=chosen.benefit / cost_before if cost_before else 0.0,
        upkeep=priced.upkeeps[index],
        build_s=tried.build_s if tried else build_s(index, table, planned_bytes),
        rows_written=priced.writes.get(index.table, Writes()).rows,
        size_bytes=round(built_bytes(index, table, planned_bytes)) or None,
        planner_size_bytes=priced.sizes[index],
        replaces=tuple(existing.name for existing in table.indexes if is_replaced(existing, index)),
    )


def _sorted(refusals: Iterable[Refusal]) -> tuple[Refusal, ...]:
    return tuple(sorted(refusals, key=lambda one: one.index))


def _why_nothing(task: Task, found: Found | None, refused: Sequence[Refusal] = ()) -> Message:
    """What is not known is no all-clear."""
    if not task.queries:
        return say("the workload holds no statement that reads or changes rows of a table")
    if task.unread or (found and found.unplanned):
        return say("no index was found for what could be looked at")
    if found and (found.late or any(one.code == "late" for one in found.refusals)):
        return say("the time was up before an index was found")
    count = len(task.proposals.refusals) + len(refused) + (len(found.refusals) if found else 0)
    large = sum(one.code == "budget" for one in refused)
    if large:
        return say(
            "{large:count} of {count:count} indexes are larger than the budget and were not tried:"
            " a larger one tells what they would bring",
            large=large,
            count=count,
        )
    if count:
        return say("no index would help: {count:count} were tried and refused", count=count)
    return say("no index would help: no statement filters, joins or sorts by what has none")


def _with_sight(advice: Advice, task: Task, unplanned: AbstractSet[int]) -> Advice:
    """The advice, which is none where no statement could be looked at."""
    tables = task.schema.tables
    is_blind = all(
        number in unplanned
        or not any((table := tables.get(one)) and table.is_readable for one in query.shape.tables)
        for number, query in enumerate(task.queries)
    )
    if advice.indexes or not task.queries or not is_blind:
        return advice
    return replace(advice, is_blind=True, reason=say("no statement could be looked at"))
