"""
The index advisor beside Extend and AutoAdmin: the planner's cost of the workload, and its calls.

Two schemas of generated data in a private PostgreSQL with HypoPG: a warehouse with 19 analytical
statements, and a web application of many tenants with 88; or, with `--draw`, workloads that a seed
decides (see drawn.py), at budgets that are shares of their tables' size, with Anytime beside the
others; or, with `--only tpch`, TPC-H (see tpch.py). At each storage budget each of them advises; the
table holds the workload's cost beside that without indexes (an index that begins one that is there
counts for nothing: it only looks cheaper while it is hypothetical), how often the planner was asked,
how large the indexes are, how long it took, and whether each bar was met. `--build` makes what was
advised for real and prints what the planner then says, the real sizes and the time that they took to
make, and, measured in turns with and without (see built_for_real.py), how long all statements run and
which index is useless. With `--built-sizes` our budget counts what indexes take once they are made, as
it does by default in `db advise`; what the others know are the planner's sizes, some twice as much.

    python benchmarks/advisor/run.py [--scale 1] [--budgets 25,50,100,200,400] [--only tenants]
    python benchmarks/advisor/run.py --scale 1 --budgets "" --build 50,200
    python benchmarks/advisor/run.py --draw 21,22,23,24
    python benchmarks/advisor/run.py --only tpch --scale 0.5 --budgets 25,50,100,200,400 --anytime
"""

from __future__ import annotations

import argparse
import asyncio
import time
from collections.abc import Iterator
from typing import Any

import baselines
import built_for_real
import drawn
import psycopg
import tenants
import warehouse

from keiko_perf.demo.cluster import private_cluster
from keiko_perf.diagnosis.advice.advice import Advice
from keiko_perf.diagnosis.advice.advisor import advise
from keiko_perf.diagnosis.postgres import Database
from keiko_perf.diagnosis.statements.workload import Statement, Workload

MB = 1_000_000
WORKLOADS: dict[str, tuple[Any, list[tuple[float, str]]]] = {
    "warehouse": (warehouse, [(1.0, text) for text in warehouse.STATEMENTS]),
    "tenants": (tenants, list(tenants.STATEMENTS)),
}
_RANDOM = """
CREATE FUNCTION r(i bigint, salt int, below int) RETURNS int LANGUAGE sql IMMUTABLE PARALLEL SAFE
AS 'SELECT ((hashint8extended(i, salt) % below + below) % below)::int';
"""
_PEERS = {"Extend": baselines.extend, "AutoAdmin": baselines.autoadmin}
_TPCH = "tpch"
_SHARES = (0.025, 0.05, 0.1, 0.2, 0.4)
"""Of the size of a drawn workload's tables: its budgets."""
_ANYTIME_S = 30.0
_QUIET = {"autovacuum": "off"}
"""While rows are made, its snapshots decide which pages are visible to all, and with that the plans."""
_ALL_KINDS = {"warehouse": 1.0, "tenants": 0.8}
"""What the workload may cost with all kinds of index, beside the best of the others."""


def load(url: str, module: Any, scale: float) -> None:
    """Make the tables and their rows."""
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute("CREATE EXTENSION IF NOT EXISTS pg_trgm")
        connection.execute(_RANDOM)
        connection.execute(module.SCHEMA)
        if hasattr(module, "fill"):
            module.fill(connection, scale)
        else:
            connection.execute(module.DATA.format(**module.sizes(scale)))
        connection.execute("DROP FUNCTION r")
        connection.execute("VACUUM ANALYZE")


async def ours(
    url: str, statements: list[tuple[float, str]], budget: float, **options: Any
) -> Advice:
    workload = Workload.of(Statement(text=text, calls=weight) for weight, text in statements)
    async with Database.connect(url) as database:
        return await advise(database, workload, budget_bytes=budget, **options)


def compare(
    name: str,
    url: str,
    budgets: list[float],
    statements: list[tuple[float, str]],
    *,
    counts_built: bool,
) -> None:
    """Print the table of one workload."""
    print(f"\n{name}: {len(statements)} statements")
    print(f"{'budget':>8} {'who':<16} {'cost':>6} {'calls':>6} {'indexes':>7} {'size':>8} {'s':>6}")
    for budget in budgets:
        rows = {}
        for who, cost, calls, count, size, seconds in _rows(
            url, statements, budget * MB, counts_built=counts_built
        ):
            rows[who.strip()] = (cost, calls)
            print(
                f"{budget:5g} MB {who:<16} {cost:6.3f} {calls:6d} {count:7d}"
                f" {size / MB:5.0f} MB {seconds:6.2f}",
                flush=True,
            )
        print(f"         {_bars(name, rows)}", flush=True)


def _bars(name: str, rows: dict[str, tuple[float, int]]) -> str:
    """Whether it is as cheap as the best of the others, for a third of the questions of Extend."""
    best = min(rows[who][0] for who in rows if not who.startswith(("keiko", "plain")))
    plain, calls = rows["plain B-trees"]
    bars = [
        ("plain / best", plain / best, 1.0),
        ("plain calls / Extend", calls / rows["Extend"][1], 1 / 3),
        ("all kinds / best", rows["keiko-perf"][0] / best, _ALL_KINDS.get(name, 1.0)),
        ("all kinds calls / Extend", rows["keiko-perf"][1] / rows["Extend"][1], 1 / 3),
    ]
    return "; ".join(
        f"{what} {ratio:.3f} {'MET' if round(ratio, 3) <= round(bar, 3) else 'MISSED'}"
        for what, ratio, bar in bars
    )


def _rows(
    url: str, statements: list[tuple[float, str]], budget: float, *, counts_built: bool
) -> Iterator[tuple[str, float, int, int, float, float]]:
    for who, options in (
        ("keiko-perf", {}),
        ("  plain B-trees", {"kinds": frozenset({"plain"})}),
    ):
        started = time.perf_counter()
        # The others know the planner's sizes alone: all of them are compared by these.
        advice = asyncio.run(ours(url, statements, budget, counts_built=counts_built, **options))
        seconds = time.perf_counter() - started
        assert advice.cost_before
        assert advice.cost_after is not None
        yield (
            who,
            advice.cost_after / advice.cost_before,
            advice.planner_calls,
            len(advice.indexes),
            float(
                sum(
                    (one.size_bytes if counts_built else one.planner_size_bytes) or 0
                    for one in advice.indexes
                )
            ),
            seconds,
        )
    for who, algorithm in _PEERS.items():
        with psycopg.connect(plain_url(url), autocommit=True, prepare_threshold=None) as db:
            planner = baselines.Planner(db, statements)
            started = time.perf_counter()
            chosen = algorithm(planner, int(budget))
            seconds, calls = time.perf_counter() - started, planner.calls
            cost = planner.cost(baselines.once_built(planner, chosen)) / planner.cost(())
            yield who, cost, calls, len(chosen), float(sum(map(planner.size, chosen))), seconds


def build(name: str, url: str, budget: float, *, counts_built: bool) -> None:
    """Make what is advised, and print what it is worth."""
    _, statements = WORKLOADS[name]
    advice = asyncio.run(ours(url, statements, budget * MB, counts_built=counts_built))
    print(f"\n{name}, {budget:g} MB, built: {len(advice.indexes)} indexes")
    with psycopg.connect(plain_url(url), autocommit=True, prepare_threshold=None) as db:
        built_for_real.show(db, advice, statements)


def plain_url(url: str) -> str:
    return url.replace("+psycopg", "")


async def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[1])
    parser.add_argument("--scale", type=float, default=0.2)
    parser.add_argument("--budgets", default="5,10,20,40,80")
    parser.add_argument("--build", default="", help="MB; make them for real")
    parser.add_argument(
        "--built-sizes",
        action="store_true",
        help="our budget counts what indexes take once made; the others know the planner's sizes",
    )
    parser.add_argument("--only", choices=[*sorted(WORKLOADS), _TPCH])
    parser.add_argument(
        "--anytime", action="store_true", help="Anytime beside the others: 30 s each"
    )
    parser.add_argument("--draw", default="", help="seeds of drawn workloads, in the others' place")
    parser.add_argument("--server", help="databases that are loaded already, of the same names")
    options = parser.parse_args()
    budgets = [float(one) for one in options.budgets.split(",") if one]
    names = [options.only] if options.only else list(WORKLOADS)
    if options.only == _TPCH:
        import tpch  # needs DuckDB's generator, which is asked for only where it is wanted

        WORKLOADS[_TPCH] = (tpch, tpch.STATEMENTS)
    if options.anytime or options.draw:
        _PEERS["Anytime"] = _anytime
    if options.server:
        for name in names:
            await asyncio.to_thread(_measure, name, f"{options.server}/{name}", budgets, options)
        return
    async with private_cluster(settings=_QUIET) as cluster:
        for seed in (int(one) for one in options.draw.split(",") if one):
            url = await cluster.create_database(f"drawn{seed}")
            await asyncio.to_thread(_measure_drawn, seed, url, counts_built=options.built_sizes)
            await cluster.drop_database(f"drawn{seed}")
        for name in names if not options.draw else ():
            url = await cluster.create_database(name)
            module, _ = WORKLOADS[name]
            await asyncio.to_thread(load, plain_url(url), module, options.scale)
            await asyncio.to_thread(_measure, name, url, budgets, options)


def _measure_drawn(seed: int, url: str, *, counts_built: bool) -> None:
    workload = drawn.draw(seed)
    load(plain_url(url), workload, 1.0)
    with psycopg.connect(plain_url(url)) as db:
        (size,) = db.execute(
            "SELECT sum(pg_table_size(oid))::float8 FROM pg_class"
            " WHERE relkind = 'r' AND relnamespace = 'public'::regnamespace"
        ).fetchone() or (0.0,)
    print(f"\nseed {seed}: {size / MB:.0f} MB")
    budgets = [round(size * share / MB, 2) for share in _SHARES]
    compare(f"drawn{seed}", url, budgets, workload.STATEMENTS, counts_built=counts_built)


def _anytime(planner: baselines.Planner, budget_bytes: int) -> baselines.Chosen:
    end = time.monotonic() + _ANYTIME_S
    return baselines.anytime(planner, budget_bytes, lambda: time.monotonic() > end)


def _measure(name: str, url: str, budgets: list[float], options: argparse.Namespace) -> None:
    compare(name, url, budgets, WORKLOADS[name][1], counts_built=options.built_sizes)
    for budget in (float(one) for one in options.build.split(",") if one):
        build(name, url, budget, counts_built=options.built_sizes)


if __name__ == "__main__":
    asyncio.run(main())
