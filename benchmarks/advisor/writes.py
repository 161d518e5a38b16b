"""
What an index costs: its making, its bytes, and each row that is written; beside what we reckon.

One table of generated rows in a private PostgreSQL, and on it one index of each kind after the
other, alone. For each: seconds to make it CONCURRENTLY, its size, and what an insert, an update
of its column, and a delete with the VACUUM behind it cost more than without it, in bytes of WAL
(without page images) and in the planner's units: one is the time of the CPU that a sequential scan
takes here, by the planner's own price of it. Behind each measured figure stands what `keiko_perf.diagnosis` reckons
from the catalog alone, and at the end how far it is off in the middle.

    python benchmarks/advisor/writes.py [--rows 200000] [--written 10000]
"""

from __future__ import annotations

import argparse
import asyncio
import json
from collections.abc import Callable
from dataclasses import dataclass
from math import exp, log
from pathlib import Path
from statistics import median
from typing import Any

import psycopg

from keiko_perf.demo.cluster import private_cluster
from keiko_perf.diagnosis.advice.upkeep import entry_cost, wal_bytes
from keiko_perf.diagnosis.candidates.indexes import Index
from keiko_perf.diagnosis.candidates.sizes import built_bytes
from keiko_perf.diagnosis.catalog import read_schema
from keiko_perf.diagnosis.postgres import Database
from keiko_perf.diagnosis.pricing.building import build_s
from keiko_perf.diagnosis.pricing.verify import HypoPg
from keiko_perf.diagnosis.schema import Key, Table, TableName

NAME = TableName("public", "item")
SCHEMA = """
CREATE TABLE item (id bigint NOT NULL, at timestamptz NOT NULL, owner int NOT NULL,
    code text NOT NULL, state text NOT NULL, title text NOT NULL, doc jsonb NOT NULL,
    filler text NOT NULL);
"""
ROWS = """
INSERT INTO item SELECT i, timestamptz '2024-01-01' + i * interval '1 s',
    abs(hashint8(i)) %% 50000, md5(i::text),
    (ARRAY['done','done','done','done','done','done','done','done','done','open'])[1 + i %% 10],
    'task ' || substr(md5((i * 7)::text), 1, 12) || ' of ' || substr(md5((i %% 997)::text), 1, 8),
    jsonb_build_object('ref', i, 'kind', 'k' || i %% 40, 'who', abs(hashint8(i)) %% 5000),
    repeat('x', 60)
FROM generate_series(%s::bigint, %s::bigint) i
"""
KINDS: dict[str, Index] = {
    "ascending": Index(NAME, (Key("at"),)),
    "random int": Index(NAME, (Key("owner"),)),
    "random text": Index(NAME, (Key("code"),)),
    "composite": Index(NAME, (Key("owner"), Key("state"), Key("code"))),
    "covering": Index(NAME, (Key("owner"),), include=("title", "state")),
    "partial 10 %": Index(NAME, (Key("owner"),), where="state = 'open'"),
    "expression": Index(NAME, (Key("lower(code)", is_expression=True),)),
    "gin trigrams": Index(NAME, (Key("title", opclass="gin_trgm_ops"),), method="gin"),
    "gin document": Index(NAME, (Key("doc", opclass="jsonb_path_ops"),), method="gin"),
    "brin": Index(NAME, (Key("at"),), method="brin"),
}
_ROUNDS = 4


@dataclass(frozen=True)
class Cost:
    """Of one kind of write: seconds and bytes of WAL for a row."""

    seconds: float
    wal_bytes: float

    def over(self, other: Cost) -> Cost:
        return Cost(self.seconds - other.seconds, self.wal_bytes - other.wal_bytes)


def cpu_s(db: psycopg.Connection[Any]) -> float:
    """What the server's process behind a connection has used of the CPU."""
    ran_ns, *_ = Path(f"/proc/{db.info.backend_pid}/schedstat").read_text().split()
    return int(ran_ns) / 1e9


def measured(db: psycopg.Connection[Any], rows: int, work: Callable[[], None]) -> Cost:
    """What *work* on so many rows costs for each."""
    lsn = "SELECT pg_current_wal_insert_lsn()"
    (start,) = db.execute(lsn).fetchone() or ("",)
    started = cpu_s(db)
    work()
    seconds = cpu_s(db) - started
    (wal,) = db.execute(
        "SELECT pg_wal_lsn_diff(pg_current_wal_insert_lsn(), %s)", (start,)
    ).fetchone() or (0,)
    return Cost(seconds / rows, float(wal) / rows)


def writes(
    db: psycopg.Connection[Any], rows: int, written: int, *, is_gin: bool = False
) -> dict[str, Cost]:
    """What inserts, updates and deletes cost, each the least of some rounds."""
    found: dict[str, list[Cost]] = {"insert": [], "update": [], "delete": []}
    for _ in range(_ROUNDS):
        db.execute("CHECKPOINT")

        def insert() -> None:
            db.execute(ROWS, (rows + 1, rows + written))
            if is_gin:  # or else the next VACUUM, or a later insert, has the work
                db.execute("SELECT gin_clean_pending_list('probe')")

        def update() -> None:
            db.execute(
                "UPDATE item SET owner = owner + 1, at = at + interval '1 s', code = md5(code),"
                " title = title || '.', doc = doc || '{\"x\": 1}' WHERE id > %s",
                (rows,),
            )
            if is_gin:
                db.execute("SELECT gin_clean_pending_list('probe')")

        def delete() -> None:
            db.execute("DELETE FROM item WHERE id > %s", (rows,))
            db.execute("VACUUM (INDEX_CLEANUP ON, TRUNCATE OFF) item")

        found["insert"].append(measured(db, written, insert))
        found["update"].append(measured(db, written, update))
        db.execute("VACUUM (INDEX_CLEANUP ON, TRUNCATE OFF) item")
        found["delete"].append(measured(db, written, delete))
    return {
        name: Cost(min(one.seconds for one in some), median(one.wal_bytes for one in some))
        for name, some in found.items()
    }


def unit_s(db: psycopg.Connection[Any]) -> float:
    """How long a unit of the planner's costs takes in a sequential scan here."""
    query = "SELECT count(*) FROM item WHERE filler = 'y'"
    (plan,) = db.execute(f"EXPLAIN (FORMAT JSON) {query}").fetchone() or ("[]",)
    plan = json.loads(plan) if isinstance(plan, str) else plan
    took = []
    for _ in range(_ROUNDS):
        started = cpu_s(db)
        for _ in range(_ROUNDS):
            db.execute(query)
        took.append((cpu_s(db) - started) / _ROUNDS)
    return median(took) / float(plan[0]["Plan"]["Total Cost"])


def planned_bytes(db: psycopg.Connection[Any], index: Index, size: float) -> float:
    """What HypoPG says; of a kind that it does not know the real size."""
    if not HypoPg.can_assume(index):
        return size
    (oid,) = db.execute(
        "SELECT indexrelid FROM hypopg_create_index(%s)", (index.definition(),)
    ).fetchone() or (0,)
    (said,) = db.execute("SELECT hypopg_relation_size(%s::oid)", (oid,)).fetchone() or (0,)
    db.execute("SELECT hypopg_reset()")
    return float(said)


def measure(url: str, table: Table, rows: int, written: int) -> None:
    with psycopg.connect(url, autocommit=True, prepare_threshold=None) as db:
        db.execute("SET max_parallel_workers_per_gather = 0")
        db.execute("SET max_parallel_maintenance_workers = 0")
        unit = unit_s(db)
        writes(db, rows, written)  # the first rows find the table as it was loaded
        base = writes(db, rows, written)
        print(f"one unit: {unit * 1e6:.2f} us; a row without index:")
        for name, cost in base.items():
            print(f"  {name}: {cost.seconds / unit:.2f} units, {cost.wal_bytes:.0f} bytes of WAL")
        print(
            f"{'kind':<14}{'build s':>9}{'(ours)':>9}{'MB':>7}{'hypopg':>8}{'(ours)':>8}{'WAL/row':>9}{'(ours)':>8}"
            f"{'insert':>8}{'(ours)':>8}{'update':>8}{'delete':>8}"
        )
        ratios: dict[str, list[float]] = {"size": [], "build": [], "wal": [], "insert": []}
        for kind, index in KINDS.items():
            started = cpu_s(db)
            db.execute(index.definition(name="probe", concurrently=True))
            built = cpu_s(db) - started
            (size,) = db.execute("SELECT pg_relation_size('probe')").fetchone() or (0,)
            now = writes(db, rows, written, is_gin=index.method == "gin")
            more = {name: one.over(base[name]) for name, one in now.items()}
            db.execute("DROP INDEX probe")
            planned = planned_bytes(db, index, size)
            ours = {
                "size": built_bytes(index, table, planned),
                "build": build_s(index, table, size),
                "wal": wal_bytes(index, table, size),
                "insert": entry_cost(index, table, size),
            }
            theirs = {
                "size": float(size),
                "build": built,
                "wal": more["insert"].wal_bytes,
                "insert": more["insert"].seconds / unit,
            }
            for name, figure in ours.items():
                if theirs[name] > 0 and figure > 0:
                    ratios[name].append(abs(log(figure / theirs[name])))
            print(
                f"{kind:<14}{built:9.2f}{ours['build']:9.2f}{size / 1e6:7.1f}"
                f"{planned / 1e6:8.1f}{ours['size'] / 1e6:8.1f}"
                f"{theirs['wal']:9.0f}{ours['wal']:8.0f}"
                f"{theirs['insert']:8.2f}{ours['insert']:8.2f}"
                f"{more['update'].seconds / unit:8.2f}"
                f"{more['delete'].seconds / unit:8.2f}",
                flush=True,
            )
        for name, some in ratios.items():
            print(f"{name}: off by a factor of {exp(median(some)):.2f} in the middle")


async def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[1])
    parser.add_argument("--rows", type=int, default=200_000)
    parser.add_argument("--written", type=int, default=10_000)
    options = parser.parse_args()
    settings = {"autovacuum": "off"}
    async with private_cluster(settings=settings) as cluster:
        url = await cluster.create_database("writes")
        plain = url.replace("+psycopg", "")
        with psycopg.connect(plain, autocommit=True) as db:
            db.execute("CREATE EXTENSION IF NOT EXISTS pg_trgm")
            db.execute(SCHEMA)
            db.execute(ROWS, (1, options.rows))
            db.execute("VACUUM ANALYZE item")
        async with Database.connect(url) as database:
            schema = await read_schema(database, {"item"})
        table = schema.tables[NAME]
        await asyncio.to_thread(measure, plain, table, options.rows, options.written)


if __name__ == "__main__":
    asyncio.run(main())
