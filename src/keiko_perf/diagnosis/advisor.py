"""
Advisor: which indexes would make a workload cheaper, proven by the planner.

Candidates come from what the statements filter, join and sort by. Each is either recommended with
its price, or refused with its reason. What could not be looked at is a Gap; nothing is guessed.
It reads only: the statements that make the indexes are for the user to run.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from collections.abc import Set as AbstractSet
from dataclasses import replace

from keiko_perf.diagnosis.advice import Advice, AdvisedIndex, Refusal
from keiko_perf.diagnosis.bits import set_of
from keiko_perf.diagnosis.building import build_s, built_bytes
from keiko_perf.diagnosis.catalog import read_schema, taken_names
from keiko_perf.diagnosis.choice import Limits
from keiko_perf.diagnosis.costs import Costs, Query
from keiko_perf.diagnosis.expressions import overrated
from keiko_perf.diagnosis.gaps import (
    bounds_gap,
    hidden_tables_gap,
    late_gap,
    no_hypopg_gap,
    unknown_tables_gap,
    unnamed_gap,
    unparsed_gap,
    unplanned_gap,
    unresolved_gap,
)
from keiko_perf.diagnosis.gin import gin_size_bytes
from keiko_perf.diagnosis.indexes import Index, index_name, is_replaced, name_stem
from keiko_perf.diagnosis.kinds import ALL
from keiko_perf.diagnosis.memory import InMemory, buffers_bytes
from keiko_perf.diagnosis.postgres import Database
from keiko_perf.diagnosis.price import IndexRefused, Pricer, Session
from keiko_perf.diagnosis.proposals import (
    Proposals,
    first_choices,
    names_of_tables,
    propose,
    queries_of,
)
from keiko_perf.diagnosis.sampling import sampling_of
from keiko_perf.diagnosis.schema import Schema, TableName
from keiko_perf.diagnosis.scratch import Scratch, Trial, Tried, try_out
from keiko_perf.diagnosis.search import Chosen, Found, Search
from keiko_perf.diagnosis.trying import Remembering, WithTried
from keiko_perf.diagnosis.upkeep import Upkeep, Writes, upkeep, with_counters, writes_of
from keiko_perf.diagnosis.verify import HypoPg, RolledBackBuild
from keiko_perf.diagnosis.workload import Workload
from keiko_perf.model import Gap, Message, say

__all__ = ["Advice", "advise"]

MAX_INDEXES = 10
MAX_STATEMENTS = 1000
MAX_CANDIDATES = 2000
_MAX_BUILT = 60
"""Candidates that are built for real to be priced."""


async def advise(
    database: Database,
    workload: Workload,
    *,
    pricer: Pricer | None = None,
    max_indexes: int | None = None,
    budget_bytes: float | None = None,
    kinds: frozenset[str] = ALL,
    is_late: Callable[[], bool] = lambda: False,
    max_statements: int = MAX_STATEMENTS,
    max_candidates: int = MAX_CANDIDATES,
    scratch: Scratch | None = None,
) -> Advice:
    """
    The indexes that are worth having.

    Without a budget those that somebody would notice, and of two that do about the same the
    smaller one; with one, those that make the most of it together.

    Args:
        database: where the tables are.
        workload: what is sent to it, and how often.
        pricer: who says what an index would bring; HypoPG by default, if it is there. Without
            anyone the advice holds candidates that are marked as not verified.
        max_indexes: at most so many; by default 10, and with a budget as many as fit and pay.
        budget_bytes: how large they may be together, by the planner's estimate.
        kinds: which kinds of index, of `kinds.KINDS`.
        is_late: asked now and then; once it says so, the search ends with the best so far.
        max_statements: look only at so many statements, those that take most time.
        max_candidates: try only so many indexes, those for the statements that take most time.
        scratch: where samples of tables may be put, to try the indexes that cannot be assumed.

    Raises:
        DatabaseUnavailable: the connection was lost.
        StatementRefused: the role may not make the schema for scratch.
        UsageError: that schema is not empty.
        ValueError: a bound is less than 1.
    """
    if max_indexes is None and budget_bytes is None:
        max_indexes = MAX_INDEXES
    bounds = (max_indexes, budget_bytes, max_statements, max_candidates)
    if min(one for one in bounds if one is not None) < 1:
        raise ValueError("each bound is at least 1")
    limits = Limits(max_indexes=max_indexes, budget_bytes=budget_bytes, is_late=is_late)
    looked_at = workload.statements[:max_statements]
    schema = await read_schema(database, names_of_tables(looked_at))
    queries = queries_of(looked_at, schema)
    if pricer is None and await HypoPg.is_there(database):
        pricer = HypoPg()
    if isinstance(pricer, RolledBackBuild):
        max_candidates = min(max_candidates, _MAX_BUILT)
    proposals = propose(queries, schema, max_candidates=max_candidates, kinds=kinds)
    gaps = [
        *_workload_gaps(workload, queries, schema),
        *bounds_gap(
            statements=len(workload.statements) - len(looked_at) + workload.left_out,
            candidates=proposals.left_out,
        ),
    ]
    hidden = len(workload.unparsed)
    if pricer is None:
        most = max_indexes or MAX_INDEXES
        advice = await _unverified(database, proposals, schema, most, hidden=hidden)
        advice = _with_gaps(advice, [*gaps, no_hypopg_gap(database.server.major)])
        return _with_sight(advice, queries, schema, frozenset())
    return await _verified(
        database,
        pricer,
        queries,
        proposals,
        schema,
        limits,
        gaps,
        hidden=hidden,
        scratch=scratch,
        written=workload.written,
    )


def _workload_gaps(workload: Workload, queries: tuple[Query, ...], schema: Schema) -> Iterable[Gap]:
    yield from unparsed_gap(workload.unparsed)
    yield from unnamed_gap(workload.unnamed_calls)
    yield from unresolved_gap(queries)
    yield from unknown_tables_gap(queries, schema)
    yield from hidden_tables_gap(queries, schema)


# Without a planner


async def _unverified(
    database: Database, proposals: Proposals, schema: Schema, max_indexes: int, *, hidden: int
) -> Advice:
    """The widest candidate for each statement, those first that take most time."""
    refusals = dict(proposals.refusals)
    chosen: list[Index] = []
    for index in first_choices(proposals, schema):
        if len(chosen) == max_indexes:
            break
        chosen.append(index)
    for index in proposals.wanted_by:
        if index not in chosen:
            refusals[index] = Refusal(
                index, "second_choice", say("not verified, and not the first choice")
            )
    names = await _index_names(database, chosen)
    advised = tuple(
        AdvisedIndex(
            index=index,
            name=names[index],
            table=schema.tables[index.table],
            wanted_by=proposals.statements(index),
        )
        for index in chosen
    )
    return Advice(
        indexes=advised,
        refusals=_sorted(refusals.values()),
        reason=None if advised else _why_nothing(proposals, None, hidden=hidden),
    )


# With one


async def _verified(
    database: Database,
    pricer: Pricer,
    queries: tuple[Query, ...],
    proposals: Proposals,
    schema: Schema,
    limits: Limits,
    gaps: list[Gap],
    *,
    hidden: int,
    scratch: Scratch | None,
    written: Mapping[str, float],
) -> Advice:
    writes = with_counters(writes_of(queries), written, schema.tables)
    for refusal in await overrated(database, proposals.wanted_by, schema.tables):
        proposals.refusals[refusal.index] = refusal
        del proposals.wanted_by[refusal.index]
    sampling = await sampling_of(database, queries, schema)
    trial = Trial()
    if scratch is not None and isinstance(pricer, HypoPg):
        trial = await try_out(
            database,
            scratch,
            [one for one in proposals.wanted_by if not HypoPg.can_assume(one)],
            sampling,
            schema.tables,
            is_late=limits.is_late,
        )
    async with pricer.session(database) as plain:
        sampled = sampling.over(WithTried(plain, trial.tried) if trial.tried else plain)
        session = Remembering(sampled)
        sizes, refused = await _sizes(session, proposals, schema, limits)
        candidates = tuple(sizes)
        upkeeps = {
            one: upkeep(
                one,
                writes.get(one.table, Writes()),
                schema.tables[one.table],
                float(sizes[one] or 0),
            )
            for one in candidates
        }
        search = Search(
            costs=Costs(
                session,
                sampling.queries,
                candidates,
                tuple(float(sizes[one] or 0) for one in candidates),
                schema.tables,
                await buffers_bytes(database),
            ),
            upkeep={one: upkeeps[one].cost for one in candidates},
            limits=limits,
            in_memory=InMemory(database, sampled).price,
            untold=set_of(at for at, one in enumerate(candidates) if not plain.can_assume(one)),
        )
        found = await search.run()
        planner_calls = session.planner_calls + trial.planner_calls
        verified_by = {one.index: _how(one.index, trial, session, pricer) for one in found.chosen}
    names = await _index_names(database, [one.index for one in found.chosen])
    advised = tuple(
        _advised(
            one,
            found,
            verified_by[one.index],
            names,
            schema,
            sizes,
            writes,
            upkeeps[one.index],
            trial.tried.get(one.index),
            session.ways,
        )
        for one in found.chosen
    )
    refusals = (*proposals.refusals.values(), *refused, *found.refusals)
    unplanned = [(queries[number].statement, why) for number, why in found.unplanned.items()]
    advice = Advice(
        indexes=advised,
        refusals=_sorted(refusals),
        gaps=(*gaps, *unplanned_gap(unplanned), *late_gap(len(found.late)), *trial.gaps),
        cost_before=found.cost_before,
        cost_after=found.cost_after,
        planner_calls=planner_calls,
        reason=None if advised else _why_nothing(proposals, found, hidden=hidden),
    )
    return _with_sight(advice, queries, schema, found.unplanned.keys() | set(found.late))


def _with_sight(
    advice: Advice, queries: tuple[Query, ...], schema: Schema, unplanned: AbstractSet[int]
) -> Advice:
    """The advice, which is none where no statement could be looked at."""
    is_blind = all(
        number in unplanned
        or not any((table := schema.tables.get(one)) and table.is_readable for one in tables)
        for number, tables in enumerate(query.shape.tables for query in queries)
    )
    if advice.indexes or not queries or not is_blind:
        return advice
    return replace(advice, is_blind=True, reason=say("no statement could be looked at"))


def _how(index: Index, trial: Trial, session: Session, pricer: Pricer) -> str:
    """By what an index is verified."""
    if index in trial.tried:
        return "scratch"
    return pricer.name if session.can_assume(index) else "estimate"


async def _sizes(
    session: Session, proposals: Proposals, schema: Schema, limits: Limits
) -> tuple[dict[Index, int | None], list[Refusal]]:
    """The candidates that can be made and are within the budget, with their sizes; the others."""
    asked = [one for one in proposals.wanted_by if session.can_assume(one)]
    answers = await session.sizes(asked)
    found: dict[Index, int | None] = {}
    refused: list[Refusal] = []
    for index in proposals.wanted_by:
        size = answers.get(index, round(gin_size_bytes(index, schema.tables[index.table])))
        if isinstance(size, IndexRefused):
            reason = say("the server cannot make it: {reason}", reason=size.reason)
            refused.append(Refusal(index, "impossible", reason))
        elif limits.budget_bytes is not None and size is not None and size > limits.budget_bytes:
            reason = say("it alone is larger than the budget: {size:bytes}", size=size)
            refused.append(Refusal(index, "budget", reason))
        else:
            found[index] = size
    return found, refused


def _advised(
    chosen: Chosen,
    found: Found,
    verified_by: str,
    names: Mapping[Index, str],
    schema: Schema,
    sizes: Mapping[Index, int | None],
    writes: Mapping[TableName, Writes],
    upkeep: Upkeep,
    tried: Tried | None,
    ways: Mapping[str, Mapping[TableName, str]],
) -> AdvisedIndex:
    index = chosen.index
    table = schema.tables[index.table]
    size_bytes = float(sizes[index] or 0)
    return AdvisedIndex(
        index=index,
        name=names[index],
        table=table,
        verified_by=verified_by,
        gains=tuple(
            replace(one, way_before=ways.get(one.statement.text, {}).get(index.table, ""))
            for one in chosen.gains
        ),
        losses=chosen.losses,
        benefit=chosen.benefit,
        benefit_ratio=chosen.benefit / found.cost_before if found.cost_before else 0.0,
        upkeep=upkeep,
        build_s=tried.build_s if tried else build_s(index, table, size_bytes),
        rows_written=writes.get(index.table, Writes()).rows,
        size_bytes=sizes[index],
        built_size_bytes=round(built_bytes(index, table, size_bytes)) or None,
        replaces=tuple(existing.name for existing in table.indexes if is_replaced(existing, index)),
    )


# The end of both


async def _index_names(database: Database, indexes: Iterable[Index]) -> dict[Index, str]:
    """A name for each, by convention, that nothing in its schema has."""
    names: dict[Index, str] = {}
    by_schema: dict[str, list[Index]] = {}
    for index in indexes:
        by_schema.setdefault(index.table.schema, []).append(index)
    for place, mine in by_schema.items():
        taken = set(await taken_names(database, place, {name_stem(one) for one in mine}))
        for index in mine:
            names[index] = index_name(index, taken)
            taken.add(names[index])
    return names


def _sorted(refusals: Iterable[Refusal]) -> tuple[Refusal, ...]:
    return tuple(sorted(refusals, key=lambda one: one.index))


def _with_gaps(advice: Advice, gaps: Iterable[Gap]) -> Advice:
    return replace(advice, gaps=(*advice.gaps, *gaps))


def _why_nothing(proposals: Proposals, found: Found | None, *, hidden: int) -> Message:
    """
    Args:
        hidden: statements that could not be read; what is not known is no all-clear.
    """
    if not proposals.queries:
        return say("the workload holds no statement that reads or changes rows of a table")
    if hidden or (found and found.unplanned):
        return say("no index was found for what could be looked at")
    if found and (found.late or any(one.code == "late" for one in found.refusals)):
        return say("the time was up before an index was found")
    refused = len(proposals.refusals) + (len(found.refusals) if found else 0)
    if refused:
        return say("no index would help: {count:count} were tried and refused", count=refused)
    return say("no index would help: no statement filters, joins or sorts by what has none")
