"""
What a statement with `$1` in it costs: by a plan for any value, and by values that are there.

A service asks a private PostgreSQL with values of its own (the few waiting jobs, large customers more
often than small ones, the rare failed order); pg_stat_statements keeps the statements without them.
Under each of some hypothetical indexes the truth is the mean of the planner's costs of all that was
asked, values and all. Beside it stand the price by a plan for any value, and the advisor's. At the
end: by which factor each is off, and how often it is wrong about whether an index helps (by 5 %).

    python benchmarks/advisor/values.py [--rows 60000] [--calls 60]
"""

from __future__ import annotations

import argparse
import asyncio
import json
import re
from collections.abc import Callable
from math import exp, log
from random import Random
from typing import Any

import psycopg

from keiko_perf.demo.cluster import private_cluster
from keiko_perf.diagnosis.candidates.indexes import Index
from keiko_perf.diagnosis.candidates.proposals import queries_of
from keiko_perf.diagnosis.catalog import read_schema, recorded_workload
from keiko_perf.diagnosis.postgres import Database
from keiko_perf.diagnosis.pricing.sampling import sampling_of
from keiko_perf.diagnosis.pricing.verify import HypoPg
from keiko_perf.diagnosis.schema import Key, TableName

TENANTS = 400
LEAST_GAIN = 0.05
SCHEMA = """
CREATE TABLE job (id int PRIMARY KEY, state text NOT NULL, run_at timestamptz NOT NULL,
    payload text NOT NULL);
CREATE TABLE sale (id int PRIMARY KEY, tenant int NOT NULL, status text NOT NULL,
    made_at timestamptz NOT NULL, total numeric NOT NULL, note text NOT NULL);
"""
ROWS = """
INSERT INTO job SELECT i, CASE WHEN i % 600 = 0 THEN 'waiting' WHEN i % 30 = 1 THEN 'failed'
    ELSE 'done' END, timestamptz '2024-01-01' + (i * 7919 % {rows}) * interval '1 s', repeat('x', 90)
FROM generate_series(1, {rows}) i;
INSERT INTO sale SELECT i, 1 + floor({tenants} * power(abs(hashint4(i)) / 2147483648.0, 4)),
    (ARRAY['paid','paid','paid','paid','paid','sent','sent','open','open','back'])
        [1 + (i * 31 % 997) % 10],
    timestamptz '2024-01-01' + i * interval '1 min', i % 900, repeat('x', 60)
FROM generate_series(1, {rows}) i;
UPDATE sale SET status = 'lost' WHERE id % 900 = 7;
VACUUM ANALYZE;
"""
Ask = Callable[[Random], str]


def _tenant(random: Random) -> int:
    """A customer, as often as rows are its."""
    return 1 + int(TENANTS * random.random() ** 4)


ASKED: tuple[Ask, ...] = (
    lambda _: "SELECT * FROM job WHERE state = 'waiting' ORDER BY run_at LIMIT 10",
    lambda _: "SELECT id, run_at FROM job WHERE state = 'failed'",
    lambda r: f"SELECT count(*) FROM job WHERE state = '{r.choice(('done', 'failed'))}'",
    lambda r: f"SELECT * FROM sale WHERE tenant = {_tenant(r)} ORDER BY made_at DESC LIMIT 20",
    lambda r: f"SELECT * FROM sale WHERE tenant = {_tenant(r)} AND status = 'open'",
    lambda r: f"SELECT sum(total) FROM sale WHERE tenant = {r.randint(1, TENANTS)}",
    lambda _: "SELECT id, total FROM sale WHERE status = 'lost'",
    lambda r: f"UPDATE sale SET note = 'y' WHERE tenant = {_tenant(r)} AND status = 'lost'",
    lambda _: "SELECT * FROM sale ORDER BY made_at DESC, id LIMIT 50",
    lambda r: f"SELECT * FROM sale WHERE id = {r.randint(1, 50_000)}",
)
JOB, SALE = TableName("public", "job"), TableName("public", "sale")
INDEXES: tuple[Index | None, ...] = (
    None,
    Index(JOB, (Key("state"),)),
    Index(JOB, (Key("run_at"),), where="state = 'waiting'"),
    Index(JOB, (Key("run_at"),)),
    Index(SALE, (Key("tenant"), Key("made_at", descending=True))),
    Index(SALE, (Key("tenant"), Key("status"))),
    Index(SALE, (Key("status"),)),
    Index(SALE, (Key("made_at"), Key("id"))),
)


def truth(db: psycopg.Connection[Any], asked: list[str], index: Index | None) -> float:
    """The mean cost of all that was asked, with its values."""
    db.execute("SELECT hypopg_reset()")
    if index is not None:
        db.execute("SELECT * FROM hypopg_create_index(%s)", (index.definition(),))
    costs = []
    for text in asked:
        (plan,) = db.execute(f"EXPLAIN (FORMAT JSON) {text}".encode()).fetchone() or ("[]",)
        plan = json.loads(plan) if isinstance(plan, str) else plan
        costs.append(float(plan[0]["Plan"]["Total Cost"]))
    return sum(costs) / len(costs)


def serve(url: str, rows: int, calls: int) -> list[list[str]]:
    """Make the tables, and ask as the service does; what was asked, by statement."""
    random = Random(7)
    asked = [[ask(random) for _ in range(calls)] for ask in ASKED]
    with psycopg.connect(url, autocommit=True, prepare_threshold=None) as db:
        db.execute(SCHEMA)
        for one in ROWS.format(rows=rows, tenants=TENANTS).split(";"):
            db.execute(one.encode())
        db.execute("SELECT pg_stat_statements_reset()")
        for some in asked:
            for text in some:
                with db.transaction(force_rollback=True):
                    db.execute(text.encode())
    return asked


async def compare(url: str, asked: list[list[str]]) -> None:
    async with Database.connect(url) as database:
        workload = await recorded_workload(database)
        schema = await read_schema(database, {"job", "sale"})
        queries = [
            one for one in queries_of(workload.statements, schema) if one.shape.tables & {JOB, SALE}
        ]
        sampling = await sampling_of(database, queries, schema)
        plain = url.replace("+psycopg", "")
        off: dict[str, list[float]] = {"any value": [], "keiko-perf": []}
        wrong = dict.fromkeys(off, 0)
        calls = dict.fromkeys(off, 0)
        with psycopg.connect(plain, autocommit=True, prepare_threshold=None) as db:
            async with HypoPg().session(database) as session:
                for some in asked:
                    query = next(one for one in queries if _is_it(one.statement.text, some[0]))
                    print(" ".join(query.statement.text.split())[:100])
                    before: dict[str, float] = {}
                    for index in INDEXES:
                        real = truth(db, some, index)
                        indexes = frozenset() if index is None else frozenset({index})
                        found = {}
                        for who, asking in (
                            ("any value", session),
                            ("keiko-perf", sampling.over(session)),
                        ):
                            start = session.planner_calls
                            text, parameters = query.statement.text, query.shape.parameters
                            found[who] = (await asking.price(text, parameters, indexes)).cost
                            calls[who] += session.planner_calls - start
                        if index is None:
                            before = {"truth": real, **found}
                        helps = real < (1 - LEAST_GAIN) * before["truth"]
                        for who, cost in found.items():
                            off[who].append(abs(log(cost / real)))
                            wrong[who] += helps != (cost < (1 - LEAST_GAIN) * before[who])
                        if index is None or helps:
                            print(
                                f"  {real:9.0f} really {found['any value']:9.0f} any value"
                                f" {found['keiko-perf']:9.0f} keiko-perf  {index or 'no index'}",
                                flush=True,
                            )
    for who, errors in off.items():
        worst, mean = exp(max(errors)), exp(sum(errors) / len(errors))
        print(
            f"{who:<10}: off by a factor of {mean:.2f} on average, {worst:.1f} at worst; wrong about"
            f" an index {wrong[who]} of {len(errors)} times; {calls[who]} questions"
        )


def _is_it(recorded: str, text: str) -> bool:
    """Whether a recorded statement is one that was asked: the same but for its values."""
    pattern = "(.*?)".join(re.escape(part) for part in re.split(r"\$\d+", recorded))
    return re.fullmatch(pattern, text, re.DOTALL) is not None


async def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[1])
    parser.add_argument("--rows", type=int, default=60_000)
    parser.add_argument("--calls", type=int, default=60)
    options = parser.parse_args()
    async with private_cluster() as cluster:
        url = await cluster.create_database("values")
        plain = url.replace("+psycopg", "")
        asked = await asyncio.to_thread(serve, plain, options.rows, options.calls)
        await compare(url, asked)


if __name__ == "__main__":
    asyncio.run(main())
