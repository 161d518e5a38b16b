"""
Predicates: what a statement filters, joins, groups and sorts each of its tables by.

What an index can serve is told apart; the rest counts as a column that is referred to. A column
whose table is not certain is counted, never guessed.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from keiko_perf.diagnosis.schema import Key, TableName


@dataclass(frozen=True, slots=True, order=True)
class Join:
    """`column = other.other_column`; the other's table is None where it is no table."""

    column: str
    other: TableName | None
    other_column: str


@dataclass(frozen=True, slots=True)
class Fixed:
    """A term without parameters that leaves only some of the rows: `sql`, about one column."""

    column: str
    sql: str


@dataclass(frozen=True, slots=True)
class Computed:
    """
    An expression over the table's own columns that is compared with something.

    Attributes:
        sql: the expression, with bare column names.
        kind: `equals`, `listed`, `ranges` or `prefixes`, as of columns.
    """

    sql: str
    kind: str


@dataclass(frozen=True, slots=True)
class Contained:
    """
    What is looked for within values.

    Attributes:
        column: whose values; or an expression's SQL.
        operator: `~~`, `~~*`, `~`, `~*`, `@>`, `&&`, `?`, `?|`, `?&`, `@?`, `@@`, …
        sql: the term with bare column names if it holds no parameter, else empty.
        is_expression: whether it is an expression.
    """

    column: str
    operator: str
    sql: str = ""
    is_expression: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Use:
    """
    How one query level of a statement uses one of its tables.

    Attributes:
        table: with the schema where it is known.
        alias: the name that the statement gave it.
        equals: columns that must equal one value, in the order of their appearance.
        listed: columns with IN or = ANY.
        ranges: columns with <, <=, >, >= or BETWEEN.
        prefixes: columns with a LIKE that fixes their beginning.
        nulls: columns with IS NULL.
        joins: equalities with a column of something else.
        alternatives: columns with an equality or a range in an arm of an OR.
        group_by: columns that it is grouped, or made distinct, by.
        order_by: the first keys that it is sorted by, as far as they are this table's columns.
        is_limited: whether only the first rows are wanted.
        constants: predicates without a parameter, as SQL.
        fixed: those of them that a partial index may be made for.
        computed: expressions that are compared.
        contained: searches within text, documents and arrays.
        columns: all columns that are referred to.
        selected: those that are referred to elsewhere than in conditions.
        reads_all: whether it asks for `*`.
    """

    table: TableName
    alias: str
    equals: tuple[str, ...] = ()
    listed: tuple[str, ...] = ()
    ranges: tuple[str, ...] = ()
    prefixes: tuple[str, ...] = ()
    nulls: tuple[str, ...] = ()
    joins: tuple[Join, ...] = ()
    alternatives: tuple[str, ...] = ()
    group_by: tuple[str, ...] = ()
    order_by: tuple[Key, ...] = ()
    is_limited: bool = False
    constants: tuple[str, ...] = ()
    fixed: tuple[Fixed, ...] = ()
    computed: tuple[Computed, ...] = ()
    contained: tuple[Contained, ...] = ()
    columns: frozenset[str] = frozenset()
    selected: frozenset[str] = frozenset()
    reads_all: bool = False

    @property
    def leading(self) -> frozenset[str]:
        """The columns with which an index must begin to be of use here."""
        searched = {*self.equals, *self.listed, *self.ranges, *self.prefixes, *self.nulls}
        joined = {join.column for join in self.joins}
        sorted_by = {key.column for key in self.order_by}
        return frozenset(searched.union(joined, sorted_by, self.alternatives, self.group_by))


@dataclass(frozen=True, slots=True, kw_only=True)
class Write:
    """
    Attributes:
        table: what is written to.
        kind: `insert`, `update` or `delete`.
        columns: what an update sets.
    """

    table: TableName
    kind: str
    columns: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True, kw_only=True)
class Shape:
    """
    Attributes:
        uses: one for each table of each query level.
        writes: what it writes.
        parameters: the highest number of a `$n`.
        is_plannable: whether it is a SELECT, INSERT, UPDATE, DELETE or MERGE.
        unresolved: columns whose table is not certain.
    """

    uses: tuple[Use, ...] = ()
    writes: tuple[Write, ...] = ()
    parameters: int = 0
    is_plannable: bool = True
    unresolved: tuple[str, ...] = field(default=())

    @property
    def tables(self) -> frozenset[TableName]:
        return frozenset(use.table for use in self.uses)
