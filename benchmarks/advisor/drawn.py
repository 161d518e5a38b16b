"""
Drawn workloads: schemas, rows and statements that a seed decides, so that nothing was tuned on them.

An even seed draws a service (short statements, written and read, some far more often than others), an
odd one analyses (joins along the references, groups, ranges of dates). How many tables, statements
and rows there are, how skewed the values, and how wide the rows, is drawn, too. The same seed gives
the same workload, whatever else was drawn before.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from random import Random

_NOUNS = (
    "album", "badge", "cargo", "depot", "engine", "ferry", "guest", "hotel", "issue", "journal",
    "kiosk", "lesson", "meter", "nurse", "orchard", "parcel", "quota", "recipe", "sensor", "ticket",
)  # fmt: skip
_WORDS = ("amber", "birch", "coral", "dune", "ember", "fjord", "grove", "heath", "inlet", "jade")
_START = "timestamp '2021-01-01'"
_MINUTES = 2_000_000
"""From the first date to the last."""
_LARGEST_MB = (10, 400)
_ROW_BYTES = 60


@dataclass(frozen=True, slots=True)
class Column:
    """
    Attributes:
        name: of the column.
        type: in SQL.
        rows: what makes its value in row `i`.
        value: draws a literal that occurs.
        role: what a statement may do with it: `ref`, `state`, `number`, `when`, `name` or `text`.
        to: the table that a reference leads to.
    """

    name: str
    type: str
    rows: str
    value: Callable[[Random], str]
    role: str
    to: str = ""


@dataclass(frozen=True, slots=True)
class Table:
    """A table, its number of rows, and its columns besides `id`."""

    name: str
    rows: int
    columns: list[Column] = field(default_factory=list)

    def of(self, *roles: str) -> list[Column]:
        return [one for one in self.columns if one.role in roles]


@dataclass(frozen=True, slots=True)
class Drawn:
    """What `run.py` loads and asks, in the form of the other workloads."""

    SCHEMA: str
    DATA: str
    STATEMENTS: list[tuple[float, str]]

    @staticmethod
    def sizes(scale: float) -> dict[str, int]:
        """A drawn workload has the size that was drawn."""
        return {}


def draw(seed: int) -> Drawn:
    """The workload of a seed."""
    random = Random(seed)
    is_service = seed % 2 == 0
    tables = _tables(random, is_service=is_service)
    draws = _SERVICE if is_service else _ANALYSIS
    count = random.randint(30, 100) if is_service else random.randint(15, 40)
    is_weighted = random.random() < 0.6
    statements: dict[str, float] = {}
    while len(statements) < count:
        text = random.choice(draws)(random, tables)
        if text is not None:
            statements[text] = float(round(60 ** random.random())) if is_weighted else 1.0
    return Drawn(
        SCHEMA="\n".join(_created(one) for one in tables),
        DATA="\n".join(_filled(one) for one in tables),
        STATEMENTS=[(weight, text) for text, weight in statements.items()],
    )


# Tables


def _tables(random: Random, *, is_service: bool) -> list[Table]:
    names = random.sample(_NOUNS, random.randint(5, 11))
    low, high = _LARGEST_MB
    everything = low * 1e6 * (high / low) ** random.random() / _ROW_BYTES / 3
    shares = [random.random() ** 3 + 0.002 for _ in names]
    counts = sorted(max(200, int(everything * one / sum(shares))) for one in shares)
    tables: list[Table] = []
    for name, rows in zip(names, counts, strict=True):
        table = Table(name, rows)
        some = tables[-4:] if is_service else tables
        for parent in random.sample(some, min(len(some), random.randint(1, 3))):
            place = len(tables) * 20 + len(table.columns) + 900
            table.columns.append(_reference(random, parent, place))
        for number in range(random.randint(4, 9)):
            place = len(tables) * 20 + number
            table.columns.append(random.choice(_COLUMNS)(random, place, rows))
        if not table.of("when"):
            table.columns.append(_when(random, len(tables) * 20 + 15, rows))
        width = random.choice((1, 2, 6))
        filler = f"repeat(md5(i::text), {width})"
        table.columns.append(Column("note", "text", filler, lambda _: "''", "text"))
        tables.append(table)
    return tables


def _number(random: Random, salt: int, below: int) -> str:
    """A number from 0 on that is evenly spread, or small far more often."""
    power = random.choice((1, 1, 2, 4))
    if power == 1:
        return f"r(i, {salt}, {below})"
    return f"floor({below} * power(r(i, {salt}, 1000000) / 1e6, {power}))::int"


def _reference(random: Random, parent: Table, place: int) -> Column:
    rows = f"1 + {_number(random, place, parent.rows)}"
    name = f"{parent.name}_id"
    most = parent.rows
    return Column(
        name, "int", rows, lambda draws: str(1 + draws.randrange(most)), "ref", parent.name
    )


def _state(random: Random, place: int, rows: int) -> Column:
    words = random.sample(_WORDS, random.randint(2, 7))
    listed = ", ".join(f"'{one}'" for one in words)
    value = f"(ARRAY[{listed}])[1 + {_number(random, place, len(words))}]"
    return Column(f"state{place}", "text", value, lambda draws: f"'{draws.choice(words)}'", "state")


def _amount(random: Random, place: int, rows: int) -> Column:
    most = random.choice((20, 1000, 100_000))
    value = _number(random, place, most)
    return Column(
        f"amount{place}", "int", value, lambda draws: str(draws.randrange(most)), "number"
    )


def _when(random: Random, place: int, rows: int) -> Column:
    minutes = f"r(i, {place}, {_MINUTES})" if random.random() < 0.5 else f"i * {_MINUTES / rows}"
    value = f"{_START} + {minutes} * interval '1 min'"
    if random.random() < 0.3:
        value = f"CASE WHEN r(i, {place + 500}, 10) < {random.randint(1, 9)} THEN {value} END"
    return Column(f"at{place}", "timestamp", value, _instant, "when")


def _name(random: Random, place: int, rows: int) -> Column:
    most = random.choice((50, 2000, rows))
    value = f"'n' || {_number(random, place, most)}"
    return Column(
        f"name{place}", "text", value, lambda draws: f"'n{draws.randrange(most)}'", "name"
    )


def _flag(random: Random, place: int, rows: int) -> Column:
    value = f"r(i, {place}, {random.choice((2, 10, 200))}) = 0"
    return Column(
        f"is{place}", "bool", value, lambda draws: draws.choice(("true", "false")), "state"
    )


_COLUMNS = (_state, _state, _amount, _amount, _when, _name, _flag)


def _instant(random: Random, minute: int | None = None) -> str:
    minute = random.randrange(_MINUTES) if minute is None else minute
    return f"({_START} + {minute} * interval '1 min')"


def _created(table: Table) -> str:
    columns = ", ".join(f"{one.name} {one.type}" for one in table.columns)
    return f"CREATE TABLE {table.name} (id int PRIMARY KEY, {columns});"


def _filled(table: Table) -> str:
    values = ", ".join(one.rows for one in table.columns)
    return f"INSERT INTO {table.name} SELECT i, {values} FROM generate_series(1, {table.rows}) i;"


# Conditions


def _equal(random: Random, one: Column, to: str = "") -> str:
    if one.role == "when":
        return _range(random, one, to)
    if one.role in ("name", "ref", "number") and random.random() < 0.15:
        return f"{to}{one.name} IN ({', '.join(one.value(random) for _ in range(3))})"
    return f"{to}{one.name} = {one.value(random)}"


def _range(random: Random, one: Column, to: str = "") -> str:
    if one.role != "when":
        sign = random.choice("<>")
        return f"{to}{one.name} {sign} {one.value(random)}"
    length = int(_MINUTES * random.choice((0.3, 0.1, 0.03, 0.003)))
    first = random.randrange(_MINUTES - length)
    if random.random() < 0.3:
        return f"{to}{one.name} > {_instant(random, _MINUTES - length)}"
    return (
        f"{to}{one.name} BETWEEN {_instant(random, first)} AND {_instant(random, first + length)}"
    )


def _filters(random: Random, table: Table, most: int, to: str = "") -> list[str]:
    """One to *most* terms, each about another column."""
    some = table.of("ref", "state", "number", "when", "name")
    chosen = random.sample(some, min(len(some), random.randint(1, most)))
    return [
        (_range if one.role in ("when", "number") and random.random() < 0.7 else _equal)(
            random, one, to
        )
        for one in chosen
    ]


def _selected(random: Random, table: Table, to: str = "") -> str:
    if random.random() < 0.4:
        return f"{to}*"
    some = random.sample(table.columns, min(len(table.columns), random.randint(1, 3)))
    return ", ".join([f"{to}id", *(f"{to}{one.name}" for one in some)])


# A service's statements


def _large(random: Random, tables: list[Table]) -> Table:
    """Any table, the large ones more often."""
    return tables[max(random.randrange(len(tables)) for _ in range(2))]


def _listed(random: Random, tables: list[Table]) -> str | None:
    table = _large(random, tables)
    terms = " AND ".join(_filters(random, table, 3))
    order = random.choice(table.of("when", "number", "name"))
    way = random.choice(("", " DESC"))
    limit = random.choice(("", " LIMIT 10", " LIMIT 50"))
    return f"SELECT {_selected(random, table)} FROM {table.name} WHERE {terms} ORDER BY {order.name}{way}{limit}"


def _owned(random: Random, tables: list[Table]) -> str | None:
    table = _large(random, tables)
    references = table.of("ref")
    if not references:
        return None
    owner = random.choice(references)
    terms = [f"{owner.name} = {owner.value(random)}"]
    if random.random() < 0.6:
        terms += _filters(random, table, 2)
    what = random.choice(("count(*)", _selected(random, table)))
    return f"SELECT {what} FROM {table.name} WHERE {' AND '.join(dict.fromkeys(terms))}"


def _latest(random: Random, tables: list[Table]) -> str | None:
    table = _large(random, tables)
    references, order = table.of("ref", "name"), random.choice(table.of("when"))
    if not references:
        return None
    owner = random.choice(references)
    return (
        f"SELECT {_selected(random, table)} FROM {table.name} WHERE {owner.name} = "
        f"{owner.value(random)} ORDER BY {order.name} DESC LIMIT 20"
    )


def _counted(random: Random, tables: list[Table]) -> str | None:
    table = _large(random, tables)
    terms, by = (
        _filters(random, table, 2),
        random.choice(table.of("state", "ref", "name") or [None]),
    )
    if by is None:
        return None
    return f"SELECT {by.name}, count(*) FROM {table.name} WHERE {' AND '.join(terms)} GROUP BY {by.name}"


def _beside(random: Random, tables: list[Table]) -> str | None:
    table = _large(random, tables)
    references = table.of("ref")
    if not references:
        return None
    to = random.choice(references)
    parent = next(one for one in tables if one.name == to.to)
    terms = _filters(random, parent, 2, "p.") + (
        _filters(random, table, 1, "c.") if random.random() < 0.6 else []
    )
    end = random.choice(("", f" ORDER BY c.{random.choice(table.of('when')).name} DESC LIMIT 20"))
    return (
        f"SELECT {_selected(random, table, 'c.')} FROM {table.name} c JOIN {parent.name} p"
        f" ON p.id = c.{to.name} WHERE {' AND '.join(terms)}{end}"
    )


def _changed(random: Random, tables: list[Table]) -> str | None:
    table = _large(random, tables)
    states = table.of("state", "number")
    if not states:
        return None
    one = random.choice(states)
    terms = " AND ".join(_filters(random, table, 2)) if random.random() < 0.7 else "id = 77"
    return random.choice((
        f"UPDATE {table.name} SET {one.name} = {one.value(random)} WHERE {terms}",
        f"DELETE FROM {table.name} WHERE {terms}",
    ))  # fmt: skip


_SERVICE = (
    _listed,
    _listed,
    _owned,
    _owned,
    _latest,
    _latest,
    _counted,
    _beside,
    _beside,
    _changed,
)


# Analyses


def _joined(random: Random, tables: list[Table]) -> str | None:
    """From a large table along its references, filtered, grouped and summed up."""
    places = [(_large(random, tables), "t0")]
    joins: list[str] = []
    for number in range(1, random.randint(1, 4) + 1):
        table, alias = random.choice(places)
        ways = [one for one in table.of("ref") if f"{alias}.{one.name} " not in " ".join(joins)]
        if not ways:
            continue
        way = random.choice(ways)
        parent = next(one for one in tables if one.name == way.to)
        joins.append(f" JOIN {parent.name} t{number} ON {alias}.{way.name} = t{number}.id")
        places.append((parent, f"t{number}"))
    first = places[0][0]
    filtered = random.sample(places, min(len(places), random.randint(1, 2)))
    terms = [term for table, alias in filtered for term in _filters(random, table, 2, f"{alias}.")]
    if random.random() < 0.15:
        terms.append(_missing(random, tables, places))
    grouped = [
        f"{alias}.{one.name}" for table, alias in places for one in table.of("state", "name", "ref")
    ]
    by = ", ".join(random.sample(grouped, min(len(grouped), random.randint(1, 2))))
    sums = [f"sum(t0.{one.name})" for one in first.of("number")] + ["count(*)"]
    what = random.choice(sums)
    if not by or random.random() < 0.2:
        return f"SELECT {what} FROM {first.name} t0{''.join(joins)} WHERE {' AND '.join(filter(None, terms))}"
    end = random.choice(("", f" ORDER BY {by}", f" ORDER BY {what} DESC LIMIT 20"))
    return (
        f"SELECT {by}, {what} FROM {first.name} t0{''.join(joins)}"
        f" WHERE {' AND '.join(filter(None, terms))} GROUP BY {by}{end}"
    )


def _missing(random: Random, tables: list[Table], places: list[tuple[Table, str]]) -> str:
    """Whether there is, or is not, a row of another table that belongs to it."""
    found = [
        (other, one, alias)
        for table, alias in places
        for other in tables
        for one in other.of("ref")
        if one.to == table.name
    ]
    if not found:
        return ""
    other, one, alias = random.choice(found)
    terms = " AND ".join(_filters(random, other, 1, "x."))
    sign = random.choice(("", "NOT "))
    return (
        f"{sign}EXISTS (SELECT 1 FROM {other.name} x WHERE x.{one.name} = {alias}.id AND {terms})"
    )


_ANALYSIS = (_joined, _joined, _joined, _counted, _listed)
