"""
Advisor: which indexes would make a workload cheaper, proven by the planner.

Candidates come from what the statements filter, join and sort by. Each is either recommended with
its price, or refused with its reason. What could not be looked at is a Gap; nothing is guessed.
It reads only: the statements that make the indexes are for the user to run.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from itertools import islice

from keiko_perf.diagnosis.advice.advice import Advice
from keiko_perf.diagnosis.advice.conclusion import Priced, Task, unverified, verified
from keiko_perf.diagnosis.advice.gaps import (
    bounds_gap,
    hidden_tables_gap,
    no_hypopg_gap,
    unknown_tables_gap,
    unnamed_gap,
    unparsed_gap,
    unresolved_gap,
)
from keiko_perf.diagnosis.advice.upkeep import Upkeep, Writes, upkeep, with_counters, writes_of
from keiko_perf.diagnosis.candidates.expressions import overrated
from keiko_perf.diagnosis.candidates.gin import gin_size_bytes
from keiko_perf.diagnosis.candidates.indexes import Index, Refusal, index_name, name_stem
from keiko_perf.diagnosis.candidates.kinds import ALL
from keiko_perf.diagnosis.candidates.proposals import (
    first_choices,
    names_of_tables,
    propose,
    queries_of,
)
from keiko_perf.diagnosis.catalog import read_schema, taken_names
from keiko_perf.diagnosis.postgres import Database
from keiko_perf.diagnosis.pricing.memory import InMemory, buffers_bytes
from keiko_perf.diagnosis.pricing.price import IndexRefused, Pricer, Session, TableLocked
from keiko_perf.diagnosis.pricing.sampling import Sampling, sampling_of
from keiko_perf.diagnosis.pricing.scratch import Scratch, Trial, try_out
from keiko_perf.diagnosis.pricing.sessions import Patient, Remembering, WithTried
from keiko_perf.diagnosis.pricing.verify import HypoPg, RolledBackBuild
from keiko_perf.diagnosis.schema import TableName
from keiko_perf.diagnosis.search.bits import set_of
from keiko_perf.diagnosis.search.choice import Limits
from keiko_perf.diagnosis.search.costs import Costs
from keiko_perf.diagnosis.search.search import Search
from keiko_perf.diagnosis.statements.workload import Workload
from keiko_perf.model import Gap, say

__all__ = ["Advice", "advise"]

MAX_INDEXES = 10
MAX_STATEMENTS = 1000
MAX_CANDIDATES = 2000
_MAX_BUILT = 60
"""Candidates that are built for real to be priced."""
_MOST_LOCKED = 3
"""So often it begins anew because a table came to be locked meanwhile, and stayed so."""


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
    counts_built: bool = True,
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
        budget_bytes: how large they may be together.
        kinds: which kinds of index, of `kinds.KINDS`.
        is_late: asked now and then; once it says so, the search ends with the best so far.
        max_statements: look only at so many statements, those that take most time.
        max_candidates: try only so many indexes, those for the statements that take most time.
        scratch: where samples of tables may be put, to try the indexes that cannot be assumed.
        counts_built: whether a budget counts what they take once they are made, and not the
            planner's estimate, which is twice as much.

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
    looked_at = workload.statements[:max_statements]
    schema = await read_schema(database, names_of_tables(looked_at))
    queries = queries_of(looked_at, schema)
    if pricer is None and await HypoPg.is_there(database):
        pricer = HypoPg()
    if isinstance(pricer, RolledBackBuild):
        max_candidates = min(max_candidates, _MAX_BUILT)
    task = Task(
        schema=schema,
        proposals=propose(queries, schema, max_candidates=max_candidates, kinds=kinds),
        written=workload.written,
        limits=Limits(max_indexes=max_indexes, budget_bytes=budget_bytes, is_late=is_late),
        counts_built=counts_built,
        unread=len(workload.unparsed),
    )
    gaps = _gaps(workload, task)
    if pricer is None:
        chosen = list(islice(first_choices(task.proposals, schema), max_indexes or MAX_INDEXES))
        names = await _names(database, chosen)
        return unverified(task, chosen, names, [*gaps, no_hypopg_gap(database.server.major)])
    priced = await _priced_beside_locks(database, pricer, task, scratch)
    names = await _names(database, [one.index for one in priced.found.chosen])
    return verified(task, priced, names, gaps)


def _gaps(workload: Workload, task: Task) -> list[Gap]:
    """What cannot be looked at, as far as it is known before the planner is asked."""
    queries, schema = task.queries, task.schema
    left_out = len(workload.statements) - len(queries) + workload.left_out
    return [
        *unparsed_gap(workload.unparsed),
        *unnamed_gap(workload.unnamed_calls),
        *unresolved_gap(queries),
        *unknown_tables_gap(queries, schema),
        *hidden_tables_gap(queries, schema),
        *bounds_gap(statements=left_out, candidates=task.proposals.left_out),
    ]


async def _priced_beside_locks(
    database: Database, pricer: Pricer, task: Task, scratch: Scratch | None
) -> Priced:
    """As `_priced`, anew where a table stays locked: a statement of one that is locked when it is
    asked about first is left out, and told."""
    for _ in range(_MOST_LOCKED):
        with suppress(TableLocked):
            return await _priced(database, pricer, task, scratch)
    return await _priced(database, pricer, task, scratch)


async def _priced(
    database: Database, pricer: Pricer, task: Task, scratch: Scratch | None
) -> Priced:
    """Ask the planner, until it is known what is worth having."""
    await _refuse_overrated(database, task)
    sampling = await sampling_of(database, task.queries, task.schema)
    trial = Trial()
    if scratch is not None and isinstance(pricer, HypoPg):
        trial = await _tried(database, scratch, sampling, task)
    async with pricer.session(database) as plain:
        asked = Patient(plain)
        sampled = sampling.over(WithTried(asked, trial.tried) if trial.tried else asked)
        session = Remembering(sampled)
        sizes, refused = await _sizes(session, task)
        search = Search(
            costs=Costs(
                session,
                sampling.queries,
                tuple(sizes),
                tuple(float(size or 0) for size in sizes.values()),
                task.schema.tables,
                await buffers_bytes(database),
                tuple(task.counted_bytes(one, float(size or 0)) for one, size in sizes.items()),
            ),
            upkeep=lambda: {
                one: found.cost
                for one, found in _upkeeps(task, _writes(task, session), sizes).items()
            },
            limits=task.limits,
            in_memory=InMemory(database, sampled).price,
            untold=set_of(at for at, one in enumerate(sizes) if not plain.can_assume(one)),
        )
        found = await search.run()
        writes = _writes(task, session)
        return Priced(
            found=found,
            refused=refused,
            sizes=sizes,
            writes=writes,
            upkeeps=_upkeeps(task, writes, sizes),
            verified_by={
                one.index: _how(one.index, trial, session, pricer) for one in found.chosen
            },
            trial=trial,
            ways=session.ways,
            planner_calls=session.planner_calls + trial.planner_calls,
        )


async def _refuse_overrated(database: Database, task: Task) -> None:
    """Leave out the indexes over expressions of which the planner expects too much."""
    proposals = task.proposals
    for refusal in await overrated(database, proposals.wanted_by, task.schema.tables):
        proposals.refusals[refusal.index] = refusal
        del proposals.wanted_by[refusal.index]


async def _tried(database: Database, scratch: Scratch, sampling: Sampling, task: Task) -> Trial:
    """What no hypothesis can show, tried on samples of the tables."""
    candidates = [one for one in task.proposals.wanted_by if not HypoPg.can_assume(one)]
    return await try_out(
        database, scratch, candidates, sampling, task.schema.tables, is_late=task.limits.is_late
    )


async def _sizes(session: Session, task: Task) -> tuple[dict[Index, int | None], list[Refusal]]:
    """The candidates that can be made and are within the budget, with their sizes; the others."""
    budget_bytes = task.limits.budget_bytes
    wanted = task.proposals.wanted_by
    answers = await session.sizes([one for one in wanted if session.can_assume(one)])
    found: dict[Index, int | None] = {}
    refused: list[Refusal] = []
    for index in wanted:
        guess = round(gin_size_bytes(index, task.schema.tables[index.table]))
        size = answers.get(index, guess)
        if isinstance(size, IndexRefused):
            reason = say("the server cannot make it: {reason}", reason=size.reason)
            refused.append(Refusal(index, "impossible", reason))
            continue
        counted = task.counted_bytes(index, float(size or 0))
        if budget_bytes is not None and counted > budget_bytes:
            reason = say("it alone is larger than the budget: {size:bytes}", size=round(counted))
            refused.append(Refusal(index, "budget", reason))
        else:
            found[index] = size
    return found, refused


def _writes(task: Task, session: Remembering) -> dict[TableName, Writes]:
    """What is written to each table, as far as the planner was asked about it."""
    seen = writes_of(task.queries, session.rows)
    return with_counters(seen, task.written, task.schema.tables)


def _upkeeps(
    task: Task, writes: Mapping[TableName, Writes], sizes: Mapping[Index, int | None]
) -> dict[Index, Upkeep]:
    """What the writes of its table would cost each candidate."""
    return {
        one: upkeep(
            one,
            writes.get(one.table, Writes()),
            task.schema.tables[one.table],
            float(size or 0),
        )
        for one, size in sizes.items()
    }


def _how(index: Index, trial: Trial, session: Session, pricer: Pricer) -> str:
    """By what an index is verified."""
    if index in trial.tried:
        return "scratch"
    return pricer.name if session.can_assume(index) else "estimate"


async def _names(database: Database, indexes: Iterable[Index]) -> dict[Index, str]:
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
