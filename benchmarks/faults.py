"""
Does the doctor name what is wrong? Planted faults in the demo, each alone and in pairs.

A private PostgreSQL is seeded once. For each run the demo service is started with its faults and
put under load, and the doctor looks at it and its database meanwhile, with no more to go by than it
has of any other service. Right is a first name that is one of those planted, with the statement,
line, table or host that is to blame; and on the healthy service no name at all. It is counted as
well how many of all that was planted are named, as a cause or as also found, and how many names are
wrong.

    python benchmarks/faults.py [--runs N] [--seconds S] [--scale F] [--only FAULT[,FAULT]]
    python benchmarks/faults.py --tally faults.jsonl --budget 110    again, until none is left

N is how many runs there are in all, 40 by default: the healthy service, each fault alone, pairs.
The second form does as many of them as begin within so many seconds, and goes on where it stopped.
"""

from __future__ import annotations

import argparse
import asyncio
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import combinations
from pathlib import Path
from random import Random
from typing import Any

import httpx
import uvloop

from keiko_perf.cli.doctor import service_at
from keiko_perf.demo.child import running_service
from keiko_perf.demo.cluster import private_cluster
from keiko_perf.demo.rows import Sizes
from keiko_perf.demo.seed import seed
from keiko_perf.demo.settings import DemoSettings, Fault
from keiko_perf.demo.traffic import customer, steps
from keiko_perf.diagnosis.postgres import Database
from keiko_perf.doctor.visit import visit
from keiko_perf.loadtest.headers import bearer
from keiko_perf.loadtest.pacer import ConstantRate, Users
from keiko_perf.loadtest.plan import Plan, Step
from keiko_perf.loadtest.running import run
from keiko_perf.model import Report
from keiko_perf.render import phrase
from pieces import Pieces, add_options

TOKEN = "a-token-of-the-benchmark"  # noqa: S105 - it opens nothing but what runs here
RATE_PER_S = 20.0
WARM_UP_S = 3.0
SHARE_WANTED = 0.95
PLANTED: dict[Fault, tuple[str, str]] = {
    Fault.MISSING_INDEX: ("indexes.missing", "tasks"),
    Fault.N_PLUS_ONE: ("statements.repeated", "list_agents"),
    Fault.STARVED_POOL: ("pool.exhausted", "pool"),
    Fault.BLOCKING_CALL: ("loop.blocking-call", "_ask_moderation"),
    Fault.CPU_BURN: ("loop.computing", "_fingerprint"),
    Fault.ROW_LOCK: ("locks.waiting", "tenants"),
    Fault.SLOW_HTTP: ("http.slow", "127.0.0.1"),
    Fault.HTTP_LOOP: ("http.repeated", "127.0.0.1"),
    Fault.ASYNC_LOCK: ("service.awaiting", "show_agent"),
    Fault.LEAKING_CACHE: ("memory.growing", "memory"),
}
"""The code of the right name, and what its subject has to name."""
MORE: dict[Fault, tuple[str, int]] = {
    Fault.STARVED_POOL: ("/api/v1/agents/{agent_id}", 15),
    Fault.ROW_LOCK: ("/api/v1/agents/{agent_id}", 4),
    Fault.ASYNC_LOCK: ("/api/v1/agents/{agent_id}", 12),
    Fault.LEAKING_CACHE: ("/api/v1/search?q={q}", 3),
}
"""
What is asked for in addition, and by how many users, one request after the other: contention needs
some who contend, and a leak of some seconds much that leaks.
"""


@dataclass(frozen=True, slots=True)
class Outcome:
    """
    One run: what was planted, what was named in which order, the first sentence, how many of those
    planted were named, and how many names are wrong.
    """

    planted: tuple[Fault, ...]
    named: tuple[str, ...]
    headline: str
    is_right: bool
    seconds: float
    found: int
    wrong: int


def rounds(runs: int, only: Sequence[Fault]) -> list[tuple[Fault, ...]]:
    """Which faults each run has; the same number gives the same runs."""
    if only:
        return [tuple(only)] * runs
    singles: list[tuple[Fault, ...]] = [(), *((one,) for one in PLANTED)]
    pairs = list(combinations(PLANTED, 2))
    cycle = [*singles, *pairs]
    return [cycle[number % len(cycle)] for number in range(runs)]


def plans(url: str, sizes: Sizes, faults: Sequence[Fault], seconds: float) -> Iterator[Plan]:
    common: dict[str, Any] = {
        "base_url": url,
        "duration_s": seconds,
        "timeout_s": 60.0,
        "headers": bearer(TOKEN),
    }
    yield Plan(steps=steps(sizes), load=ConstantRate(RATE_PER_S), **common)
    for fault in faults:
        if fault in MORE:
            path, users = MORE[fault]
            rows = tuple(
                {"agent_id": 1 + number % sizes.agents, "q": customer(Random(number))}
                for number in range(500)
            )
            yield Plan(steps=(Step(path=path, rows=rows),), load=Users(users), **common)


async def one(
    database_url: str, sizes: Sizes, faults: tuple[Fault, ...], *, seconds: float, folder: Path
) -> Outcome:
    began_s = time.monotonic()
    settings = DemoSettings(
        database_url=database_url,
        token=TOKEN,
        store=folder / f"store-{time.monotonic_ns()}.db",
        faults=frozenset(faults),
        window_s=1.0,
    )
    async with running_service(settings, log=folder / "service.log") as url:
        if Fault.MISSING_INDEX not in faults:
            async with httpx.AsyncClient(trust_env=False, timeout=60) as client:
                path = f"{url}/demo/faults/{Fault.MISSING_INDEX}"
                (await client.delete(path, headers=bearer(TOKEN))).raise_for_status()
        await asyncio.gather(*(run(plan) for plan in plans(url, sizes, (), WARM_UP_S)))

        async def load() -> None:
            await asyncio.gather(*(run(plan) for plan in plans(url, sizes, faults, seconds)))

        async with Database.connect(database_url) as database:
            report = await visit(
                service=service_at(url, TOKEN), database=database, seconds=seconds, load=load
            )
    return outcome(faults, report, time.monotonic() - began_s)


def outcome(faults: tuple[Fault, ...], report: Report, seconds: float) -> Outcome:
    causes: Any = report.answer["causes"]
    everything = [*causes, *report.answer["smaller"]]
    named = tuple(f"{one['code']} {one['subject']}" for one in everything)
    wanted = [PLANTED[fault] for fault in faults]
    if not wanted:
        is_right = not causes
    else:
        is_right = bool(causes) and any(
            causes[0]["code"] == code and subject in told(causes[0]) for code, subject in wanted
        )
    hits = [
        {fault for fault in wanted if one["code"] == fault[0] and fault[1] in told(one)}
        for one in everything
    ]
    found, wrong = len(set().union(*hits)), sum(not one for one in hits)
    return Outcome(faults, named, phrase(report.headline), is_right, seconds, found, wrong)


def told(cause: dict[str, Any]) -> str:
    """What the name blames."""
    return f"{cause['subject']} {cause['cure'] or ''}"


async def measure(options: argparse.Namespace) -> int:
    only = [Fault.named(name) for name in options.only.split(",") if name]
    pieces = Pieces(options)
    todo = rounds(options.runs, only)[len(pieces.found) :]
    with tempfile.TemporaryDirectory(prefix="keiko-perf-faults-") as name:
        async with private_cluster() as cluster:
            url = await cluster.create_database("faults")
            sizes = await seed(url, scale=options.scale, faults=())
            for faults in todo:
                if not pieces.has_time:
                    break
                done = await one(url, sizes, faults, seconds=options.seconds, folder=Path(name))
                pieces.add(
                    {
                        "faults": list(faults),
                        "right": done.is_right,
                        "named": list(done.named),
                        "found": done.found,
                        "wrong": done.wrong,
                    }
                )
                tell(done)
    right, count = sum(bool(one["right"]) for one in pieces.found), len(pieces.found)
    print(f"\nright first name: {right} of {count} ({right / max(count, 1):.0%})")
    planted = sum(len(one["faults"]) for one in pieces.found)
    found = sum(one["found"] for one in pieces.found)
    names, wrong = (
        sum(len(one["named"]) for one in pieces.found),
        sum(one["wrong"] for one in pieces.found),
    )
    print(f"named of all that was planted: {found} of {planted}; wrong names: {wrong} of {names}")
    for missed in (one for one in pieces.found if not one["right"]):
        print(f"  not {' + '.join(missed['faults']) or 'healthy'}: {missed['named'][:2]}")
    print(f"{options.runs - count} left")
    return 0 if right >= SHARE_WANTED * count else 1


def tell(done: Outcome) -> None:
    planted = " + ".join(done.planted) or "healthy"
    print(f"{'✓' if done.is_right else '✗'} {planted:34} {done.seconds:4.0f} s  {done.headline}")
    for number, cause in enumerate(done.named[1:4], start=2):
        print(f"{'':44}{number}. {cause[:110]}")
    sys.stdout.flush()


def main() -> int:
    parser = argparse.ArgumentParser(description="Does the doctor name what is wrong?")
    parser.add_argument("--runs", type=int, default=40)
    parser.add_argument("--seconds", type=float, default=18.0)
    parser.add_argument("--scale", type=float, default=0.3)
    parser.add_argument("--only", default="")
    add_options(parser)
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        return runner.run(measure(parser.parse_args()))


if __name__ == "__main__":
    sys.exit(main())
