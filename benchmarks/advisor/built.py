"""
The demo's database: what the advisor gives is made for real, and every statement is timed.

The demo's service answers its own mix of requests, in this process, on a private PostgreSQL; what
pg_stat_statements then holds, `$1` and all, is the workload. The indexes are made, the same requests
come again, and each statement's mean time is compared. An index is useless if no statement that was
to gain by it runs 5 % faster, or if all statements together, the writes among them, take longer.
Once with the one index missing that the demo is about, and once without any index but those of
constraints.

    python benchmarks/advisor/built.py [--scale 0.1] [--rounds 4]
"""

from __future__ import annotations

import argparse
import asyncio
import time
from collections.abc import Mapping, Sequence
from typing import Any
from urllib.parse import quote

import httpx
import psycopg
from built_for_real import LEAST_GAIN

from keiko_perf.demo.cluster import private_cluster
from keiko_perf.demo.rows import Sizes
from keiko_perf.demo.seed import seed
from keiko_perf.demo.service import create_app
from keiko_perf.demo.settings import DemoSettings, Fault
from keiko_perf.demo.traffic import steps
from keiko_perf.diagnosis.advice.advice import Advice
from keiko_perf.diagnosis.advice.advisor import advise
from keiko_perf.diagnosis.catalog import recorded_workload
from keiko_perf.diagnosis.postgres import Database
from keiko_perf.diagnosis.pricing.scratch import Scratch
from keiko_perf.diagnosis.statements.workload import Statement

MB = 1_000_000
_TOKEN = "benchmark"  # noqa: S105 - of a service that nobody else reaches
_SECONDARY = """
SELECT x.indexrelid::regclass::text FROM pg_index x JOIN pg_class c ON c.oid = x.indrelid
WHERE c.relnamespace NOT IN ('pg_catalog'::regnamespace, 'pg_toast'::regnamespace)
AND NOT x.indisunique AND NOT EXISTS (SELECT FROM pg_constraint n WHERE n.conindid = x.indexrelid)
"""

Times = Mapping[str, Statement]


async def traffic(url: str, sizes: Sizes, rounds: int) -> Times:
    """Let the service answer its requests; what each statement took."""
    app = create_app(DemoSettings(database_url=url, token=_TOKEN))
    async with app.router.lifespan_context(app):
        transport = httpx.ASGITransport(app)
        headers = {"authorization": f"Bearer {_TOKEN}"}
        async with httpx.AsyncClient(
            transport=transport, base_url="http://service", headers=headers
        ) as client:
            for number in range(-1, rounds):
                if number == 0:  # the first round warms up
                    _execute(url, "SELECT pg_stat_statements_reset()")
                for step in steps(sizes):
                    for place in range(step.weight):
                        row = step.rows[(number * step.weight + place) % len(step.rows)]
                        path = step.path.format(
                            **{name: quote(str(value)) for name, value in row.items()}
                        )
                        answer = await client.request(
                            step.method, path, content=step.body, headers=dict(step.headers)
                        )
                        answer.raise_for_status()
        async with Database.connect(url) as database:
            workload = await recorded_workload(database)
    return {one.text: one for one in workload.statements if "keiko" in one.text}


async def compare(url: str, sizes: Sizes, rounds: int) -> None:
    """Advise, make, and print what each index is worth."""
    before = await traffic(url, sizes, rounds)
    async with Database.connect(url) as database:
        workload = await recorded_workload(database)
        advice = await advise(database, workload, scratch=Scratch("keiko_scratch"))
    built = [_made(url, one.statement) for one in advice.indexes]
    _execute(url, "VACUUM ANALYZE")
    after = await traffic(url, sizes, rounds)
    _print(url, advice, built, before, after)


def _print(url: str, advice: Advice, built: Sequence[float], before: Times, after: Times) -> None:
    print(f"  {len(before)} statements, {len(advice.indexes)} indexes")
    for index, took_s in zip(advice.indexes, built, strict=True):
        schema = index.table.name.schema
        size = _value(url, f"SELECT pg_relation_size('{schema}.{index.name}')")
        gains = [
            1 - after[gain.statement.text].mean_s / before[gain.statement.text].mean_s
            for gain in index.gains
            if gain.statement.text in before and gain.statement.text in after
        ]
        best = max(gains, default=0.0)
        print(
            f"  {'ok     ' if best >= LEAST_GAIN else 'USELESS'} {best:5.0%} faster"
            f"  {(index.size_bytes or 0) / MB:6.2f} MB promised {size / MB:6.2f} real,"
            f" {index.build_s or 0:5.2f} s promised {took_s:5.2f} real  {index.verified_by}"
            f"  {index.statement[26:130]}"
        )
    both = before.keys() & after.keys()
    spent = sum(before[one].total_s for one in both)
    now = sum(before[one].calls * after[one].mean_s for one in both)
    promised = (advice.cost_after or 0) / (advice.cost_before or 1)
    print(
        f"  all statements: {now / spent:.3f} of the time before (cost promised {promised:.3f})"
        f" {'' if now < spent else 'NO BENEFIT'}",
        flush=True,
    )


def _made(url: str, statement: str) -> float:
    started = time.perf_counter()
    _execute(url, statement)
    return time.perf_counter() - started


def _execute(url: str, statement: str) -> None:
    with psycopg.connect(url.replace("+psycopg", ""), autocommit=True) as db:
        db.execute(statement.encode())


def _value(url: str, query: str) -> Any:
    with psycopg.connect(url.replace("+psycopg", ""), autocommit=True) as db:
        return (db.execute(query.encode()).fetchone() or (0,))[0]


async def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[1])
    parser.add_argument("--scale", type=float, default=0.1)
    parser.add_argument("--rounds", type=int, default=4)
    options = parser.parse_args()
    async with private_cluster() as cluster:
        url = await cluster.create_database("demo")
        sizes = await seed(url, scale=options.scale, faults=(Fault.MISSING_INDEX,))
        print("the demo with its missing index")
        await compare(url, sizes, options.rounds)
        with psycopg.connect(url.replace("+psycopg", ""), autocommit=True) as db:
            for (name,) in db.execute(_SECONDARY.encode()).fetchall():
                db.execute(f"DROP INDEX {name}".encode())
        print("the demo without any index but those of constraints")
        await compare(url, sizes, options.rounds)


if __name__ == "__main__":
    asyncio.run(main())
