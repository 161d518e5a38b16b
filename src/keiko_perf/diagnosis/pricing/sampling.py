"""
Sampling: prices a statement with `$n` by values that are really there.

What is put in the place of its parameters is decided by `parameters`, from the planner's
statistics, which show a role only what it may read. The price is the mean of the plans, each as its
value counts; an index is used if any of them uses it.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from keiko_perf.diagnosis.candidates.indexes import Index
from keiko_perf.diagnosis.postgres import Database
from keiko_perf.diagnosis.pricing.price import Around, IndexRefused, Price, Session, TableLocked
from keiko_perf.diagnosis.pricing.visits import weighed
from keiko_perf.diagnosis.schema import Schema, Table, TableName
from keiko_perf.diagnosis.statements.parameters import (
    MOST_DRAWS,
    ColumnName,
    Draw,
    Values,
    compared_in,
    draws_of,
    weights_for,
)
from keiko_perf.diagnosis.statements.predicates import Use
from keiko_perf.diagnosis.statements.reading import read
from keiko_perf.diagnosis.statements.scope import Tables
from keiko_perf.diagnosis.statements.workload import Query, Statement
from keiko_perf.errors import StatementRefused

_MOST_EXTRA_SHARE = 0.25
"""Texts more than there are statements, at most: each is a question more for the planner."""
_LEAST_EXTRA = 10


@dataclass(frozen=True, slots=True)
class Drawn:
    """The texts to ask about in a statement's place, and how many rows it gave on average."""

    draws: tuple[Draw, ...]
    rows_per_call: float | None


@dataclass(frozen=True, slots=True)
class Sampling:
    """
    Attributes:
        queries: the workload; a shape that knows which states the values are in.
        drawn: for the statements that are not priced by their plan for any value, by their text.
    """

    queries: tuple[Query, ...]
    drawn: Mapping[str, Drawn]

    def over(self, session: Session) -> Session:
        """A session that prices by the values."""
        return Sampled(session, dict(self.drawn)) if self.drawn else session


async def sampling_of(database: Database, queries: Sequence[Query], schema: Schema) -> Sampling:
    """
    Decide by which values to price a workload; those statements first that take most time.

    Raises:
        DatabaseUnavailable: the connection was lost.
    """
    compared = {
        query.statement.text: compared_in(query.statement.text, query.shape, schema.tables)
        for query in queries
        if query.shape.parameters and query.shape.is_plannable
    }
    columns = {one.column for some in compared.values() for one in some if one.column}
    values = await _values(database, columns, schema.tables)
    left = max(_LEAST_EXTRA, round(_MOST_EXTRA_SHARE * len(queries)))
    drawn: dict[str, Drawn] = {}
    for query in queries:
        statement = query.statement
        rows = rows_per_call(statement)
        draws = draws_of(
            statement.text,
            compared.get(statement.text, ()),
            values if left > 0 else {},
            schema.tables,
            rows_per_call=rows,
            most=min(MOST_DRAWS, 1 + left),
        )
        if draws:
            left -= len(draws) - 1
            drawn[statement.text] = Drawn(draws, rows)
    tables = Tables(columns=schema.columns, search_path=schema.search_path, views=schema.views)
    return Sampling(tuple(_seen(query, drawn, tables) for query in queries), drawn)


def rows_per_call(statement: Statement) -> float | None:
    """How many rows one execution gave or changed; None if not known."""
    if statement.rows is None or not statement.calls:
        return None
    return statement.rows / statement.calls


@dataclass(slots=True)
class Sampled(Around):
    """A session that asks another one about the texts that stand for a statement."""

    drawn: dict[str, Drawn]
    _weights: dict[str, tuple[float, ...]] = field(default_factory=dict)

    async def price(self, text: str, parameters: int, indexes: frozenset[Index]) -> Price:
        drawn = self.drawn.get(text)
        if drawn is None:
            return await self.session.price(text, parameters, indexes)
        try:
            return await self._mean(text, drawn, indexes)
        except (IndexRefused, TableLocked):
            raise
        except StatementRefused:
            # A value that does not fit, such as one of a domain: any value must do, from now on.
            del self.drawn[text]
            return await self.session.price(text, parameters, indexes)

    async def _mean(self, text: str, drawn: Drawn, indexes: frozenset[Index]) -> Price:
        weights = self._weights.get(text)
        prices = [
            await self.session.price(draw.text, draw.parameters, indexes)
            if weights is None or weights[place] > 0
            else None
            for place, draw in enumerate(drawn.draws)
        ]
        if weights is None:
            rows = [one.rows for one in prices if one is not None and one.rows is not None]
            known = len(rows) == len(drawn.draws)
            weights = self._weights[text] = (
                weights_for(drawn.draws, rows, drawn.rows_per_call)
                if known
                else tuple(draw.weight for draw in drawn.draws)
            )
        return mean_price(
            [
                (weight, one)
                for weight, one in zip(weights, prices, strict=True)
                if one is not None and weight > 0
            ]
        )


def mean_price(prices: Sequence[tuple[float, Price]]) -> Price:
    """Several plans as one, each as it counts."""
    scans: dict[TableName, float] | None = {}
    for weight, one in prices:
        if one.scans is None or scans is None:
            scans = None
            break
        for name, cost in one.scans.items():
            scans[name] = scans.get(name, 0.0) + weight * cost
    return Price(
        cost=sum(weight * one.cost for weight, one in prices),
        used=frozenset().union(*(one.used for _, one in prices)),
        scans=scans,
        rows=sum(weight * (one.rows or 0.0) for weight, one in prices),
        given=_mean_given(prices),
        ways=max(prices, key=lambda one: one[0])[1].ways,
        visits=tuple(visit for weight, one in prices for visit in weighed(one.visits, weight)),
    )


def _mean_given(prices: Sequence[tuple[float, Price]]) -> dict[TableName, float]:
    found: dict[TableName, float] = {}
    for weight, one in prices:
        for name, rows in one.given.items():
            found[name] = found.get(name, 0.0) + weight * rows
    return found


def _seen(query: Query, drawn: Mapping[str, Drawn], tables: Tables) -> Query:
    """A query whose shape names the states that its values are in: partial indexes hold those."""
    mine = drawn.get(query.statement.text)
    if mine is None:
        return query
    others = [read(draw.text, tables).uses for draw in mine.draws]
    uses = tuple(
        _with_states(use, [one[place] for one in others if len(one) == len(query.shape.uses)])
        for place, use in enumerate(query.shape.uses)
    )
    return replace(query, shape=replace(query.shape, uses=uses))


def _with_states(use: Use, others: Iterable[Use]) -> Use:
    states = dict.fromkeys(use.fixed) | {one: None for other in others for one in other.fixed}
    return replace(use, fixed=tuple(states))


async def _values(
    database: Database,
    columns: Iterable[ColumnName | None],
    tables: Mapping[Any, Table],
) -> dict[ColumnName, Values]:
    wanted = sorted(one for one in columns if one is not None)
    if not wanted:
        return {}
    rows = await database.rows(
        _STATISTICS,
        schemas=[table.schema for table, _ in wanted],
        tables=[table.name for table, _ in wanted],
        columns=[column for _, column in wanted],
        parents=[tables[table].is_partitioned for table, _ in wanted],
    )
    found: dict[ColumnName, Values] = {}
    for row in rows:
        table, column = wanted[row["place"] - 1]
        known = tables[table].columns[column]
        common = zip(_texts(row["common"]), row["frequencies"] or (), strict=False)
        found[table, column] = Values(
            common=tuple((value, float(share)) for value, share in common),
            bounds=_texts(row["bounds"]),
            distinct=known.distinct,
            null_ratio=known.null_ratio,
        )
    return found


def _texts(array: str | None) -> tuple[str, ...]:
    # Numbers stay as they are written: as floats they would not be the same values.
    read_in = json.loads(array, parse_float=str, parse_int=str) if array else []
    return tuple(one if isinstance(one, str) else json.dumps(one) for one in read_in)


_STATISTICS = """
SELECT wanted.place::int AS place, pg_catalog.to_json(s.most_common_vals)::text AS common,
       s.most_common_freqs::float8[] AS frequencies,
       pg_catalog.to_json(s.histogram_bounds)::text AS bounds
FROM ROWS FROM (
    unnest(CAST(:schemas AS text[])), unnest(CAST(:tables AS text[])),
    unnest(CAST(:columns AS text[])), unnest(CAST(:parents AS bool[]))
) WITH ORDINALITY AS wanted (schema, name, attribute, is_parent, place)
JOIN pg_catalog.pg_stats s ON s.schemaname = wanted.schema AND s.tablename = wanted.name
     AND s.attname = wanted.attribute AND s.inherited = wanted.is_parent
ORDER BY wanted.place
"""
