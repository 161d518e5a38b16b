"""
Parameters: which values stand for a statement's `$n`, and how much each of them counts.

A plan for any value is wrong where values differ: a LIMIT that the planner does not know counts as
a tenth of all rows, and a state that nearly every row has as an average one. So a limit gets about
as many rows as the statement was seen to return, and a column with skewed values its most common,
a middling and a rare one, as the planner's own statistics tell them. All else stays a parameter.
The same statistics give the same values; no row of a table is read.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from keiko_perf.diagnosis.schema import Table, TableName
from keiko_perf.diagnosis.statements.parser import NotUnderstood, ast, enums, literal, parse, walk
from keiko_perf.diagnosis.statements.predicates import Shape
from keiko_perf.diagnosis.statements.tree import names_of

MOST_DRAWS = 3
"""Values for one parameter, and texts for one statement."""
_SKEWED = 3.0
"""From this factor on a value is more, or less, common than an average one."""
_LEAST_ROWS = 100.0
"""Of a most common value that fewer rows have, none is worth a question more."""
_LIMITS = (1, 2, 5, 10, 20, 25, 50, 100, 200, 500, 1000, 10_000, 100_000)
"""As people write them."""
_USUAL_LIMIT = 20
_NUMBERS = frozenset({"int2", "int4", "int8", "numeric", "float4", "float8", "oid"})
_NUMBER = re.compile(r"\d+(\.\d+)?")  # a bare -5 behind a minus would begin a comment
_FORGOTTEN = 0.02
"""A text that counts for less is not asked about."""
_INFORMATIVE = 1.5
"""By this factor the expected rows must differ for the real ones to tell which values are asked."""

ColumnName = tuple[TableName, str]


@dataclass(frozen=True, slots=True)
class Compared:
    """`column = $number`; or a LIMIT (`limit`) or an OFFSET (`offset`) of `$number`."""

    number: int
    kind: str
    column: ColumnName | None = None


@dataclass(frozen=True, slots=True)
class Values:
    """
    What the statistics know of a column.

    Attributes:
        common: its most common values as text, each with its share of the rows, in that order.
        bounds: values at equal distances among the others, in ascending order.
        distinct: how many different ones there are; None if not known.
        null_ratio: the share of NULLs.
    """

    common: tuple[tuple[str, float], ...] = ()
    bounds: tuple[str, ...] = ()
    distinct: float | None = None
    null_ratio: float = 0.0


@dataclass(frozen=True, slots=True)
class Draw:
    """A statement with some of its `$n` filled in: `parameters` are left, and `weight` is its."""

    text: str
    parameters: int
    weight: float


def compared_in(text: str, shape: Shape, tables: Mapping[TableName, Table]) -> list[Compared]:
    """The parameters of a statement that values can be told for; no more than its text says."""
    try:
        statement = parse(text)
    except NotUnderstood:
        return []
    found: dict[int, Compared] = {}
    doubtful: set[int] = set()
    for one in _each(statement, shape, tables):
        known = found.setdefault(one.number, one)
        if known != one:  # one value for two columns: which one it follows, nobody knows
            doubtful.add(one.number)
    return [one for number, one in sorted(found.items()) if number not in doubtful]


def is_skewed(values: Values, rows: float) -> bool:
    """Whether a plan for any value misjudges the most common one, or the rare ones."""
    if not values.common or not values.distinct:
        return False
    share = values.common[0][1]
    average = (1.0 - values.null_ratio) / values.distinct
    rarest = values.common[-1][1]
    if others := max(values.distinct - len(values.common), 0.0):
        known = sum(share for _, share in values.common)
        rarest = min(rarest, max(1.0 - values.null_ratio - known, 0.0) / others)
    is_uneven = share >= _SKEWED * average or average >= _SKEWED * rarest
    return share * rows >= _LEAST_ROWS and is_uneven


def strata(values: Values) -> tuple[tuple[str, float], ...]:
    """A value for the most common one, one for the other common ones, and one for the rest."""
    first, *others = values.common
    rest = 1.0 - values.null_ratio - sum(share for _, share in values.common)
    rare = [(values.bounds[len(values.bounds) // 2], rest)] if values.bounds and rest > 0 else []
    if not rare and len(others) > 1:
        rare = [others.pop()]
    found = [first]
    if others:
        between = sum(share for _, share in others)
        typical = sum(share * share for _, share in others) / between
        value = min(others, key=lambda one: (abs(one[1] - typical), one[0]))[0]
        found.append((value, between))
    return (*found, *rare)


def draws_of(
    text: str,
    compared: Sequence[Compared],
    values: Mapping[ColumnName, Values],
    tables: Mapping[TableName, Table],
    *,
    rows_per_call: float | None,
    most: int = MOST_DRAWS,
) -> tuple[Draw, ...]:
    """
    The texts to ask about in a statement's place; none if its plan for any value is as good.

    Args:
        text: the statement.
        compared: its parameters, by `compared_in`.
        values: what is known of their columns.
        tables: with their statistics.
        rows_per_call: how many rows it gave on average; None if not known.
        most: at most so many texts.
    """
    always = {one.number: _amount(one.kind, rows_per_call) for one in compared if not one.column}
    skewed: list[tuple[int, str, tuple[tuple[str, float], ...]]] = []
    for one in compared:
        known = one.column and values.get(one.column)
        if one.column and known and is_skewed(known, tables[one.column[0]].rows):
            kind = tables[one.column[0]].columns[one.column[1]].type
            skewed.append((one.number, kind, strata(known)))
    if not always and not skewed:
        return ()
    widest = max((len(found) for _, _, found in skewed), default=1)
    texts = []
    for number in range(min(widest, most)):
        filled, weights = dict(always), []
        for place, (parameter, kind, found) in enumerate(skewed):
            # Each in an order of its own: the rare state of a usual customer is asked for, too.
            value, weight = found[number * (place + 1) % len(found)]
            filled[parameter] = value_sql(value, kind)
            weights.append(weight)
        weight = sum(weights) / len(weights) if weights else 1.0
        texts.append((*filled_in(text, filled), weight))
    total = sum(weight for _, _, weight in texts)
    # Nobody knows whether each value is asked for as often as rows have it, or all alike.
    return tuple(
        Draw(sql, left, (weight / total + 1.0 / len(texts)) / 2) for sql, left, weight in texts
    )


def weights_for(
    draws: Sequence[Draw], rows: Sequence[float], rows_per_call: float | None
) -> tuple[float, ...]:
    """
    How much each text counts, given how many rows the planner expects of it.

    A service that asks for the few open orders gets few rows. Where the statement was seen to give
    so many rows on average, those texts count of which the planner expects about as many: the next
    fewer and the next more, so that their mean is what was seen.
    """
    given = tuple(one.weight for one in draws)
    if rows_per_call is None or max(rows) < _INFORMATIVE * max(min(rows), 1.0):
        return given
    fewer = max((one for one in rows if one <= rows_per_call), default=min(rows))
    more = min((one for one in rows if one >= rows_per_call), default=max(rows))
    share = 0.0 if more <= fewer else (rows_per_call - fewer) / (more - fewer)
    found = [0.0] * len(rows)
    found[rows.index(fewer)] += 1.0 - share if share >= _FORGOTTEN else 1.0
    found[rows.index(more)] += share if share >= _FORGOTTEN else 0.0
    return tuple(found)


def filled_in(text: str, values: Mapping[int, str]) -> tuple[str, int]:
    """A statement with SQL in the place of some parameters; the others are numbered anew."""
    refs = sorted(
        (one for one in walk(parse(text)) if isinstance(one, ast.ParamRef) and one.number),
        key=lambda one: one.location,
    )
    left = sorted({one.number for one in refs} - values.keys())
    numbers = {number: place for place, number in enumerate(left, start=1)}
    parts: list[str] = []
    at = 0
    for one in refs:
        sql = values[one.number] if one.number in values else f"${numbers[one.number]}"
        parts += [text[at : one.location], sql]
        at = one.location + len(f"${one.number}")
    return "".join([*parts, text[at:]]), len(left)


def value_sql(text: str, kind: str) -> str:
    """A value as SQL writes it in a comparison with a column of this type."""
    if (kind in _NUMBERS and _NUMBER.fullmatch(text)) or (
        kind == "bool" and text in ("true", "false")
    ):
        return text
    return literal(text)


def _each(statement: Any, shape: Shape, tables: Mapping[TableName, Table]) -> Iterator[Compared]:
    for node in walk(statement):
        match node:
            case ast.SelectStmt():
                for kind, amount in (("limit", node.limitCount), ("offset", node.limitOffset)):
                    yield from (Compared(one, kind) for one in numbers_of(amount))
            case ast.A_Expr() if _is_equality(node):
                for side, other in ((node.lexpr, node.rexpr), (node.rexpr, node.lexpr)):
                    numbers = list(numbers_of(other))
                    column = _column(names_of(side), shape, tables) if numbers else None
                    if column is not None:
                        yield from (Compared(one, "equals", column) for one in numbers)


def _is_equality(node: Any) -> bool:
    kinds = enums.A_Expr_Kind
    return node.kind in (kinds.AEXPR_OP, kinds.AEXPR_IN) and node.name[-1].sval == "="


def numbers_of(node: Any) -> Iterator[int]:
    """The parameters that stand there themselves, with a cast or in a list."""
    if isinstance(node, tuple):
        for one in node:
            yield from numbers_of(one)
    elif isinstance(node, ast.TypeCast):
        yield from numbers_of(node.arg)
    elif isinstance(node, ast.ParamRef) and node.number:
        yield int(node.number)


def _column(
    names: tuple[str, ...], shape: Shape, tables: Mapping[TableName, Table]
) -> ColumnName | None:
    """The table's column that a name means; None if it may be another one's."""
    if not names:
        return None
    mine = {
        use.table
        for use in shape.uses
        if use.table in tables
        and names[-1] in tables[use.table].columns
        and (len(names) == 1 or use.alias == names[-2])
    }
    return (mine.pop(), names[-1]) if len(mine) == 1 else None


def _amount(kind: str, rows_per_call: float | None) -> str:
    if kind == "offset":
        return "0"
    if rows_per_call is None:
        return str(_USUAL_LIMIT)
    return str(next((one for one in _LIMITS if one >= rows_per_call), _LIMITS[-1]))
