"""
Verify: what the planner says a statement costs if an index were there.

`HypoPg` asks with hypothetical indexes: nothing is built, nobody else sees them, and they are gone
at the end, also after a cancellation. `RolledBackBuild` really builds them, in one transaction
that is rolled back: it locks out the tables' writers meanwhile, so it is for a database that the
caller declares to be its own. Statements are planned, never executed, and by their generic plan,
since recorded statements hold `$1` in place of values.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterable
from collections.abc import Set as AbstractSet
from contextlib import asynccontextmanager, suppress
from typing import Any

from keiko_perf.diagnosis.candidates.indexes import Index
from keiko_perf.diagnosis.failure import StatementFailed
from keiko_perf.diagnosis.postgres import Database
from keiko_perf.diagnosis.pricing.planner import (
    GENERIC,
    LOCK_TIMEOUT,
    Planner,
    forget_prepared,
    not_planned,
    price_of,
    surely,
)
from keiko_perf.diagnosis.pricing.price import IndexRefused, Price, Pricer, Session, TableLocked
from keiko_perf.diagnosis.schema import TableName
from keiko_perf.diagnosis.statements.parser import literal, quoted
from keiko_perf.errors import DatabaseUnavailable, KeikoError, StatementRefused

__all__ = ["HypoPg", "IndexRefused", "Price", "Pricer", "RolledBackBuild", "Session"]

_LONGEST_LOCKED_S = 0.1
"""For how long the locks of plans are kept: giving them back after each costs a question more."""
_SIZED_AT_ONCE = 200
_PATIENCE = {"idle_in_transaction_session_timeout": "300s"}
"""Between two questions the search may reckon for a while, on a slow machine."""
_LEAVES = """
SELECT n.nspname::text AS schema, leaf.relname::text AS name
FROM pg_catalog.pg_class c
JOIN pg_catalog.pg_namespace cn ON cn.oid = c.relnamespace
CROSS JOIN LATERAL pg_catalog.pg_partition_tree(c.oid) AS part
JOIN pg_catalog.pg_class leaf ON leaf.oid = part.relid
JOIN pg_catalog.pg_namespace n ON n.oid = leaf.relnamespace
WHERE c.relkind = 'p' AND part.isleaf AND leaf.relkind = 'r'
  AND cn.nspname = :schema AND c.relname = :name
ORDER BY n.nspname, leaf.relname
"""


class HypoPg:
    """Prices with the extension HypoPG's hypothetical indexes."""

    name = "hypopg"

    @staticmethod
    async def is_there(database: Database) -> bool:
        """Whether the extension was created in the database, and may be used."""
        return await _hypopg_schema(database) is not None

    @staticmethod
    def can_assume(index: Index) -> bool:
        """Whether it knows indexes of this kind."""
        return index.method in ("btree", "brin")

    @asynccontextmanager
    async def session(self, database: Database) -> AsyncIterator[Session]:
        """
        A conversation in one transaction, so that a pooler cannot split it.

        Raises:
            DatabaseUnavailable: the extension is not there, or was lost on the way.
        """
        place = await _hypopg_schema(database)
        if place is None:
            raise DatabaseUnavailable(
                "the extension HypoPG is not there",
                cure="CREATE EXTENSION hypopg, as the database's owner",
            )
        async with database.transaction(settings=GENERIC | _PATIENCE):
            try:
                await database.rows(f"SELECT {place}.hypopg_reset()")
                yield _Hypothetical(database, place)
            finally:
                await surely(database, f"SELECT {place}.hypopg_reset()")
                await forget_prepared(database)


class RolledBackBuild:
    """
    Prices with real indexes, built in a transaction that is rolled back.

    Args:
        own_database: the caller's word that nobody else needs the database meanwhile. Each index
            locks out the writers of its table until the end.
        build_timeout_s: how long one index may take to build.

    Raises:
        StatementRefused: the caller does not give that word.
    """

    name = "build"

    def __init__(self, *, own_database: bool, build_timeout_s: float = 120.0) -> None:
        if not own_database:
            raise StatementRefused(
                "indexes are only built on a database that is declared to be the caller's own",
                cure="Install HypoPG instead, or pass own_database=True for a scratch copy",
            )
        self._build_timeout_s = build_timeout_s

    @asynccontextmanager
    async def session(self, database: Database) -> AsyncIterator[Session]:
        """A conversation in one transaction that is rolled back, with all that it built."""
        timeout = {"statement_timeout": f"{round(self._build_timeout_s * 1000)}ms"}
        try:
            async with database.transaction(read_only=False, settings=GENERIC | timeout):
                yield _Built(database)
        finally:
            await forget_prepared(database)


class _Hypothetical:
    """A session with HypoPG. What is assumed is kept between two questions, not made anew."""

    def __init__(self, database: Database, place: str) -> None:
        self._database = database
        self._place = place
        self._planner = Planner(database)
        self._there: dict[Index, list[tuple[int, str]]] = {}
        self._leaves: dict[TableName, list[str]] = {}
        self._planned: set[str] = set()
        self._released_at = asyncio.get_running_loop().time()

    @property
    def planner_calls(self) -> int:
        return self._planner.planner_calls

    def can_assume(self, index: Index) -> bool:
        return HypoPg.can_assume(index)

    async def price(self, text: str, parameters: int, indexes: frozenset[Index]) -> Price:
        plan = await self._plan(text, parameters, indexes)
        await self._release()
        assumed = {name: one for one, made in self._there.items() for _, name in made}
        return price_of(plan, assumed)

    async def _plan(self, text: str, parameters: int, indexes: frozenset[Index]) -> dict[str, Any]:
        if text in self._planned:
            # What was planned before will be again, so all can be said in one message.
            with suppress(StatementRefused):
                return await self._plan_at_once(text, parameters, indexes)
            # How far it came is not known. Step by step it shows what is wrong.
            await self._reset()
        await self._drop(self._there.keys() - indexes)
        await self._create(indexes - self._there.keys())
        plan = await self._planner.plan(text, parameters)
        self._planned.add(text)
        return plan

    async def _plan_at_once(
        self, text: str, parameters: int, indexes: frozenset[Index]
    ) -> dict[str, Any]:
        gone = sorted(self._there.keys() - indexes)
        new = await self._made_where(sorted(indexes - self._there.keys()))
        before = []
        if oids := [oid for index in gone for oid, _ in self._there[index]]:
            before.append(self._dropping(f"ARRAY[{', '.join(map(str, oids))}]"))
        if new:
            definitions = ", ".join(literal(sql) for _, sql in new)
            before.append(self._creating(f"ARRAY[{definitions}]"))
        plan, answers = await self._planner.plan_after(before, text, parameters)
        for index in gone:
            del self._there[index]
        self._keep(new, answers[-1] if new else [])
        return plan

    async def size_bytes(self, index: Index) -> int | None:
        if index not in self._there:
            # Few at a time: each that is there is one more for the next plan.
            await self._create({index})
        size = await self._database.value(
            f"SELECT sum({self._place}.hypopg_relation_size(made.oid))"  # noqa: S608
            " FROM pg_catalog.unnest(CAST(CAST(:oids AS pg_catalog.int8[])"
            " AS pg_catalog.oid[])) AS made(oid)",
            oids=[oid for oid, _ in self._there[index]],
        )
        return None if size is None else int(size)

    async def sizes(self, indexes: Iterable[Index]) -> dict[Index, int | IndexRefused | None]:
        """How large many indexes would be, each alone; those that cannot be made say why."""
        found: dict[Index, int | IndexRefused | None] = {}
        ordered = sorted(indexes)
        for start in range(0, len(ordered), _SIZED_AT_ONCE):
            some = ordered[start : start + _SIZED_AT_ONCE]
            try:
                await self._create(frozenset(some))
                found |= await self._sizes_of(some)
            except StatementRefused:
                await self._drop(self._there.keys())
                for index in some:
                    try:
                        found[index] = await self.size_bytes(index)
                    except IndexRefused as refusal:
                        found[index] = refusal
                    except TableLocked as locked:
                        found[index] = IndexRefused(index, locked.what)
            await self._drop(self._there.keys())
            await self._release()
        return found

    async def _sizes_of(self, indexes: list[Index]) -> dict[Index, int]:
        owners = {oid: index for index in indexes for oid, _ in self._there[index]}
        rows = await self._database.rows(
            "SELECT CAST(made.oid AS pg_catalog.int8) AS oid,"  # noqa: S608
            f" {self._place}.hypopg_relation_size(made.oid) AS size"
            " FROM pg_catalog.unnest(CAST(CAST(:oids AS pg_catalog.int8[])"
            " AS pg_catalog.oid[])) AS made(oid)",
            oids=list(owners),
        )
        found = dict.fromkeys(indexes, 0)
        for row in rows:
            found[owners[row["oid"]]] += int(row["size"])
        return found

    async def _release(self) -> None:
        now = asyncio.get_running_loop().time()
        if now - self._released_at >= _LONGEST_LOCKED_S:
            await self._database.release()
            self._released_at = now

    async def _create(self, indexes: AbstractSet[Index]) -> None:
        """Assume them all with one question, or find the one that cannot be made."""
        ordered = sorted(indexes)
        try:
            await self._create_at_once(ordered)
        except StatementFailed as failure:
            # What it made before it failed has no transaction that would undo it.
            everything = sorted(indexes | self._there.keys())
            await self._reset()
            if failure.sqlstate == LOCK_TIMEOUT:
                raise not_planned(failure) from None
            if len(ordered) == 1:
                raise IndexRefused(ordered[0], failure.message) from None
            for index in everything:
                await self._create({index})

    async def _create_at_once(self, indexes: list[Index]) -> None:
        if new := await self._made_where(indexes):
            definitions = [sql for _, sql in new]
            query = self._creating(":definitions")
            self._keep(new, await self._database.rows(query, definitions=definitions))

    async def _made_where(self, indexes: list[Index]) -> list[tuple[Index, str]]:
        """How each is made, in every place where its table's rows are."""
        return [
            (index, index.definition(table=place))
            for index in indexes
            for place in await self._places(index.table)
        ]

    def _creating(self, definitions: str) -> str:
        """Assumes indexes; how they are made is an array in SQL."""
        return (
            "SELECT CAST(made.indexrelid AS pg_catalog.int8) AS oid,"  # noqa: S608
            " CAST(made.indexname AS pg_catalog.text) AS name"
            f" FROM pg_catalog.unnest(CAST({definitions} AS pg_catalog.text[]))"
            " WITH ORDINALITY AS wanted(sql, place)"
            f" CROSS JOIN LATERAL {self._place}.hypopg_create_index(wanted.sql) AS made"
            " ORDER BY wanted.place"
        )

    def _keep(self, new: list[tuple[Index, str]], rows: list[dict[str, Any]]) -> None:
        for (index, _), row in zip(new, rows, strict=True):
            self._there.setdefault(index, []).append((row["oid"], row["name"]))

    async def _places(self, table: TableName) -> list[str]:
        """Where its rows are: the table, or its partitions, in which no hypothesis goes for all."""
        if table not in self._leaves:
            rows = await self._database.rows(_LEAVES, schema=table.schema, name=table.name)
            leaves = [str(TableName(row["schema"], row["name"])) for row in rows]
            self._leaves[table] = leaves or [str(table)]
        return self._leaves[table]

    async def _drop(self, indexes: AbstractSet[Index]) -> None:
        oids = [oid for index in sorted(indexes) for oid, _ in self._there.pop(index)]
        if oids:
            await self._database.rows(self._dropping(":oids"), oids=oids)

    def _dropping(self, oids: str) -> str:
        """No longer assumes indexes; which is an array in SQL."""
        return (
            f"SELECT {self._place}.hypopg_drop_index(gone.oid)"  # noqa: S608
            f" FROM pg_catalog.unnest(CAST(CAST({oids} AS pg_catalog.int8[])"
            " AS pg_catalog.oid[])) AS gone(oid)"
        )

    async def _reset(self) -> None:
        self._there.clear()
        await self._database.rows(f"SELECT {self._place}.hypopg_reset()")


class _Built:
    """
    A session with real indexes. Each is built once and stays until the end; one that is not to be
    there is dropped behind a savepoint, which costs next to nothing and is undone at once.
    """

    def __init__(self, database: Database) -> None:
        self._database = database
        self._planner = Planner(database)
        self._there: dict[Index, str] = {}

    @property
    def planner_calls(self) -> int:
        return self._planner.planner_calls

    def can_assume(self, index: Index) -> bool:
        return True

    async def sizes(self, indexes: Iterable[Index]) -> dict[Index, int | IndexRefused | None]:
        """How large they are; those that cannot be made say why."""
        found: dict[Index, int | IndexRefused | None] = {}
        for index in sorted(indexes):
            try:
                found[index] = await self.size_bytes(index)
            except IndexRefused as refusal:
                found[index] = refusal
        return found

    async def price(self, text: str, parameters: int, indexes: frozenset[Index]) -> Price:
        for index in sorted(indexes - self._there.keys()):
            await self._create(index)
        async with self._without(sorted(self._there.keys() - indexes)):
            plan = await self._planner.plan(text, parameters)
        return price_of(plan, {self._there[one]: one for one in indexes})

    async def size_bytes(self, index: Index) -> int | None:
        if index not in self._there:
            await self._create(index)
        name = f"{quoted(index.table.schema)}.{quoted(self._there[index])}"
        size = await self._database.value(
            "SELECT pg_catalog.pg_relation_size("
            "CAST(CAST(:name AS pg_catalog.text) AS pg_catalog.regclass))",
            name=name,
        )
        return int(size)

    async def _create(self, index: Index) -> None:
        name = f"keiko_perf_probe_{len(self._there) + 1}"
        try:
            await self._database.send(index.definition(name=name))
        except StatementFailed as failure:
            raise IndexRefused(index, failure.message) from None
        self._there[index] = name

    @asynccontextmanager
    async def _without(self, indexes: Iterable[Index]) -> AsyncIterator[None]:
        names = [f"{quoted(one.table.schema)}.{self._there[one]}" for one in indexes]
        if not names:
            yield
            return
        await self._database.send("SAVEPOINT keiko_perf_price")
        # After a cancellation the transaction takes no more statements, and ends as a whole.
        try:
            await self._database.send(f"DROP INDEX {', '.join(names)}")
            yield
        except KeikoError:
            await self._database.send("ROLLBACK TO SAVEPOINT keiko_perf_price")
            raise
        await self._database.send("ROLLBACK TO SAVEPOINT keiko_perf_price")


async def _hypopg_schema(database: Database) -> str | None:
    """Where the extension's functions are, as SQL writes it; None if they cannot be used."""
    name = await database.value(
        "SELECT n.nspname::text FROM pg_catalog.pg_extension e"
        " JOIN pg_catalog.pg_namespace n ON n.oid = e.extnamespace"
        " WHERE e.extname = 'hypopg' AND has_schema_privilege(n.oid, 'USAGE')"
    )
    return None if name is None else quoted(name)
