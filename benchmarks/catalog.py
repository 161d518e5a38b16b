"""
How long `db check` takes on a large catalog, how much memory, and what it does to the server.

It makes a database of so many tables, five times as many indexes and half as many recorded
statements on a PostgreSQL of its own, runs the command as a user would, and prints what it took and
what the server itself recorded of it: its longest question, and how many connections it had.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import resource
import subprocess
import sys
import time
from pathlib import Path

import psycopg

from keiko_perf.demo.cluster import private_cluster

TAG = "%/* keiko-perf */%"


def fill(url: str, tables: int) -> None:
    """Tables of six columns with a key and four further indexes each, and statements on them."""
    with psycopg.connect(url, autocommit=True) as db:
        db.execute("SET pg_stat_statements.track_utility = off")
        for start in range(0, tables, 100):
            with db.transaction():
                for number in range(start, min(start + 100, tables)):
                    name = f"t{number:06}"
                    db.execute(
                        f"CREATE TABLE {name} (id serial PRIMARY KEY, a int, b int, c text, d int)"
                    )
                    for column in "abcd":
                        db.execute(f"CREATE INDEX {name}_{column} ON {name} ({column})")
        for number in range(tables // 2):
            db.execute(f"TABLE t{number:06} ORDER BY a LIMIT 2")
        db.execute("ANALYZE pg_class, pg_index, pg_attribute, pg_constraint, pg_sequence")


BARE = """
CREATE PROCEDURE fill(tables int) LANGUAGE plpgsql AS $$ BEGIN
    FOR i IN 1..tables LOOP
        EXECUTE format('CREATE TABLE bare_%s (id int, a int)', i);
        IF i % 500 = 0 THEN COMMIT; END IF;
    END LOOP;
END $$
"""


def fill_bare(url: str, tables: int) -> None:
    """Tables of two columns without an index, which are made ten times as quickly."""
    with psycopg.connect(url, autocommit=True) as db:
        db.execute(BARE)
        db.execute("CALL fill(%s)", (tables,))
        db.execute("ANALYZE pg_class, pg_index, pg_attribute, pg_constraint, pg_sequence")


def check(url: str) -> tuple[float, float, float]:
    """Seconds, seconds of CPU and MB at most, of one run of the command."""
    program = Path(sys.executable).with_name("keiko-perf")
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    started = time.perf_counter()
    process = subprocess.Popen(
        [program, "db", "check", "--format", "json"],
        env={**os.environ, "KEIKO_PERF_DATABASE": url},
        stdout=subprocess.DEVNULL,
    )
    _, status, used = os.wait4(process.pid, 0)
    took_s = time.perf_counter() - started
    assert os.waitstatus_to_exitcode(status) in (0, 3), "the check could not be done"
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    cpu_s = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return took_s, cpu_s, used.ru_maxrss * 1024 / 1e6


async def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--tables", type=int, default=10_000)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--bare", action="store_true", help="no indexes and no statements")
    options = parser.parse_args()
    settings = {"pg_stat_statements.max": "20000", "max_locks_per_transaction": "256"}
    async with private_cluster(settings=settings) as cluster:
        url = (await cluster.create_database("large")).replace("+psycopg", "")
        await asyncio.to_thread(fill_bare if options.bare else fill, url, options.tables)
        of_each = 0 if options.bare else options.tables
        print(f"{options.tables:,} tables, {of_each * 5:,} indexes, {of_each // 2:,} statements")
        with psycopg.connect(url, autocommit=True) as db:
            (made,) = db.execute(
                "SELECT sessions FROM pg_stat_database WHERE datname = 'large'"
            ).fetchone() or (0,)
            for number in range(options.rounds):
                took_s, cpu_s, size_mb = await asyncio.to_thread(check, url)
                print(f"round {number + 1}: {took_s:.2f} s, {cpu_s:.2f} s of CPU, {size_mb:.0f} MB")
            (now,) = db.execute(
                "SELECT sessions FROM pg_stat_database WHERE datname = 'large'"
            ).fetchone() or (0,)
            longest, query = db.execute(
                "SELECT max_exec_time, query FROM pg_stat_statements WHERE query LIKE %s"
                " ORDER BY 1 DESC LIMIT 1",
                (TAG,),
            ).fetchone() or (0.0, "")
        print(f"connections made: {(now - made) / options.rounds:g} a round")
        print(f"its longest question: {longest / 1000:.2f} s: {' '.join(query.split())[:70]}…")


if __name__ == "__main__":
    asyncio.run(main())
