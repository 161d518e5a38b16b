"""
Story: from a slow service to a proven fix.

    place → seed → service → load, under the doctor's eyes → why it is slow → index, priced →
    index, built → the same load and the same question again → comparison

Each hop hands a value to the next, and the account makes the doctor's page of them, before and
after. The teller is told what happens as it happens. Only the demo builds the index: its tables are
its own.
"""

from __future__ import annotations

import secrets
import tempfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import Protocol

from sqlalchemy import text
from sqlalchemy.ext.asyncio import create_async_engine
from sqlalchemy.pool import NullPool

from keiko_perf.demo.account import Account, Measured, account, is_worth_building
from keiko_perf.demo.asking import service_of
from keiko_perf.demo.child import running_service
from keiko_perf.demo.options import Options
from keiko_perf.demo.place import Place, place
from keiko_perf.demo.rows import Sizes
from keiko_perf.demo.schema import SCHEMA
from keiko_perf.demo.seed import Progress as SeedProgress
from keiko_perf.demo.seed import seed
from keiko_perf.demo.settings import DemoSettings
from keiko_perf.demo.traffic import HOT_STEP, HOT_TARGET, steps
from keiko_perf.diagnosis.advice.advice import Advice
from keiko_perf.diagnosis.advice.advisor import advise
from keiko_perf.diagnosis.collect import collect
from keiko_perf.diagnosis.evidence import Evidence
from keiko_perf.diagnosis.history.delta import between
from keiko_perf.diagnosis.postgres import Database
from keiko_perf.diagnosis.pricing.verify import HypoPg, Pricer, RolledBackBuild
from keiko_perf.diagnosis.statements.workload import Statement, Workload
from keiko_perf.doctor.visit import visit
from keiko_perf.errors import DatabaseUnavailable
from keiko_perf.loadtest.headers import bearer
from keiko_perf.loadtest.pacer import ConstantRate
from keiko_perf.loadtest.plan import Plan
from keiko_perf.loadtest.progress import Progress as LoadProgress
from keiko_perf.loadtest.running import run
from keiko_perf.model import Message, Outcome, Report, Snapshot, Text, Verdict, say
from keiko_perf.monitoring.alerts.alerts import Alert, AlertState, Patience, step
from keiko_perf.monitoring.kpis import checks
from keiko_perf.monitoring.storage.sqlite import SqliteStore

_WARM_UP_S = 4.0
_WINDOW_S = 1.0
_MINUTE = 60
_PATIENCE = Patience(for_s=5.0, good_windows=3)
_BUILD_TIMEOUT_S = 300


class Teller(Protocol):
    """Who is told what happens."""

    def begin(self, what: Message) -> None:
        """Something begins; what began before is done."""

    def progress(self, ratio: float, doing: Message | None = None) -> None:
        """It is done to this share, 0 to 1."""

    def done(self, outcome: Text) -> None:
        """It is done, with this outcome."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Told:
    """
    The end of the story, while the service still serves.

    Attributes:
        report: what happened.
        dashboard_url: the live page, for a browser on this machine.
        token: opens it.
        plan: the load, to go on with.
    """

    report: Report
    dashboard_url: str
    token: str = field(repr=False)
    plan: Plan


@asynccontextmanager
async def tell(options: Options, teller: Teller) -> AsyncIterator[Told]:
    """
    Tell the story; the service serves until the context ends, and then nothing of it is left.

    Args:
        options: what is told.
        teller: who is told.

    Raises:
        KeikoError: it could not be told to its end; it says why.
    """
    teller.begin(say("Looking at the database") if options.database else say("Starting PostgreSQL"))
    with tempfile.TemporaryDirectory(prefix="keiko-perf-") as name:
        folder = Path(name)
        async with place(options.database) as where:
            teller.done(_described(where))
            sizes = await _seeded(where, options, teller)
            settings = DemoSettings(
                database_url=where.url,
                token=secrets.token_urlsafe(16),
                store=folder / "measurements.db",
                faults=options.faults,
                window_s=_WINDOW_S,
            )
            teller.begin(say("Starting the service"))
            async with running_service(settings, log=folder / "service.log") as url:
                teller.done(say("The agents API serves at {url}", url=url))
                plan = _plan(url, sizes, settings, options)
                report = await _troubleshoot(where, plan, settings, options, teller)
                dashboard_url = f"{url}/performance/dashboard"
                yield Told(
                    report=report, dashboard_url=dashboard_url, token=settings.token, plan=plan
                )


async def _troubleshoot(
    where: Place, plan: Plan, settings: DemoSettings, options: Options, teller: Teller
) -> Report:
    """Measure, explain, propose, fix, measure again."""
    async with Database.connect(where.url) as database:
        earlier = await collect(database)
        teller.begin(say("Measuring the service under load"))
        before, diagnosis = await _under_the_doctor(plan, settings, options, teller, database)
        teller.done(_slowness(before))
        teller.begin(say("Asking the doctor why it is slow"))
        teller.done(diagnosis.headline)

        teller.begin(say("Looking for the slow statement"))
        evidence = between(earlier, await collect(database))
        workload = _workload(evidence, before.snapshot)
        teller.done(_costliest(workload))

        teller.begin(say("Asking the planner which index would help"))
        advice = await advise(database, workload, pricer=_pricer(where), max_indexes=1)
        teller.done(_advised(advice))

    after: Measured | None = None
    recheck: Report | None = None
    if is_worth_building(advice):
        teller.begin(say("Building the index, since this database is the demo's own"))
        await _build(where.url, advice.recommendations[0].statement)
        teller.done(say("The index is built"))
        teller.begin(say("Measuring again under the same load"))
        async with Database.connect(where.url) as database:
            after, recheck = await _under_the_doctor(plan, settings, options, teller, database)
        teller.done(_slowness(after))
        teller.begin(say("Asking the doctor again"))
        teller.done(recheck.headline)
    return account(
        Account(
            where=where,
            plan=plan,
            faults=options.faults,
            before=before,
            after=after,
            evidence=evidence,
            workload=workload,
            advice=advice,
            hot_step=HOT_STEP,
            diagnosis=diagnosis,
            recheck=recheck,
        )
    )


async def _seeded(where: Place, options: Options, teller: Teller) -> Sizes:
    teller.begin(say("Filling the database"))

    def on_progress(progress: SeedProgress) -> None:
        teller.progress(progress.ratio, progress.doing)

    sizes = await seed(where.url, on_progress, scale=options.scale, faults=options.faults)
    teller.done(
        say("The database is filled: {tasks:count} tasks in the largest table", tasks=sizes.tasks)
    )
    return sizes


def _plan(url: str, sizes: Sizes, settings: DemoSettings, options: Options) -> Plan:
    return Plan(
        base_url=url,
        steps=steps(sizes),
        load=ConstantRate(options.rate_per_s),
        duration_s=options.measure_s,
        warmup_s=_WARM_UP_S,
        timeout_s=30.0,
        headers=bearer(settings.token),
    )


async def _under_the_doctor(
    plan: Plan, settings: DemoSettings, options: Options, teller: Teller, database: Database
) -> tuple[Measured, Report]:
    """One load, and why its requests took as long as they did."""
    measured: list[Measured] = []

    async def load() -> None:
        measured.append(await _measured(plan, settings, options, teller))

    async def verdicts() -> tuple[Verdict, ...]:
        return measured[0].verdicts

    report = await visit(
        service=service_of(plan.base_url, settings.token, verdicts),
        database=database,
        seconds=options.measure_s,
        load=load,
    )
    return measured[0], report


async def _measured(
    plan: Plan, settings: DemoSettings, options: Options, teller: Teller
) -> Measured:
    """One load, seen from outside by the engine and from inside by the service's own monitor."""

    def on_tick(progress: LoadProgress) -> None:
        teller.progress(
            min(progress.elapsed_s / progress.total_s, 1.0),
            say("{rate:rate}, {waiting:count} in flight", rate=progress.rate_per_s,
                waiting=progress.in_flight),
        )  # fmt: skip

    result = await run(plan, on_tick)
    assert settings.store is not None
    store = SqliteStore(settings.store)
    try:
        windows = store.between(result.started_at, result.ended_at + timedelta(seconds=_WINDOW_S))
    finally:
        store.close()
    snapshot = Snapshot.merged(windows)
    if snapshot is None:
        raise DatabaseUnavailable(
            "the service's monitor kept no measurements",
            cure="Make room on the disk of the temporary folder, and try again",
        )
    targets = checks(*options.kpis.targets(), HOT_TARGET)
    alerts: dict[str, Alert] = {}
    for number, window in enumerate(windows, start=1):
        # As the service's own monitor does: each second over all of the last minute.
        minute = Snapshot.merged(windows[max(0, number - _MINUTE) : number])
        verdicts = {name: target.judge(minute) for name, target in targets.items()}
        alerts = step(alerts, verdicts, window.ended_at, patience=_PATIENCE)
    return Measured(
        result=result,
        snapshot=snapshot,
        verdicts=tuple(target.judge(snapshot) for target in targets.values()),
        alerts=tuple(one for one in alerts.values() if one.state is AlertState.FIRING),
    )


def _workload(evidence: Evidence, snapshot: Snapshot) -> Workload:
    """
    What the service asked the database: as the server counted it, else as the service did.

    Only the demo's own tables are looked at: a database that was given serves others as well.
    """
    if evidence.statements:
        return Workload.of(
            Statement(text=one.query, calls=one.calls, total_s=one.total_s, rows=one.rows)
            for one in evidence.statements
            if SCHEMA in one.query
        )
    return Workload.from_series(one for one in snapshot.series if SCHEMA in one.name)


def _pricer(where: Place) -> Pricer:
    # The tables are the demo's own, so a candidate may be built and rolled back where there is no
    # HypoPG; see docs/adr/0005.
    return HypoPg() if where.has_hypopg else RolledBackBuild(own_database=True)


async def _build(url: str, statement: str) -> None:
    engine = create_async_engine(url, poolclass=NullPool, isolation_level="AUTOCOMMIT")
    try:
        async with engine.connect() as db:
            await db.execute(text(f"SET statement_timeout = '{_BUILD_TIMEOUT_S}s'"))
            await db.execute(text(statement))
    finally:
        await engine.dispose()


# What the teller is told


def _described(where: Place) -> Message:
    return say(
        "PostgreSQL {version} from {label}, {statistics}, {hypopg}",
        version=where.version.split()[0],
        label=where.label,
        statistics=say("with pg_stat_statements")
        if where.has_statement_statistics
        else say("statements counted by the service itself"),
        hypopg=say("with HypoPG") if where.has_hypopg else say("without HypoPG"),
    )


def _slowness(measured: Measured) -> Message:
    hot = measured.result.step(HOT_STEP)
    return say(
        "{missed:count} of {all:count} targets missed, alerts firing: {alerts:count}; "
        "p95 of {step} is {p95:duration}",
        missed=sum(one.outcome is Outcome.MISSED for one in measured.verdicts),
        all=len(measured.verdicts),
        alerts=len(measured.alerts),
        step=HOT_STEP.partition("?")[0],
        p95=hot.response.succeeded.quantile(0.95) if hot else None,
    )


def _costliest(workload: Workload) -> Message:
    if not workload.statements:
        return say("No statement was seen")
    worst = workload.statements[0]
    return say(
        "One statement takes {share:ratio} of all time in the database, {mean:duration} a call",
        share=worst.total_s / workload.total_s if workload.total_s else None,
        mean=worst.mean_s,
    )


def _advised(advice: Advice) -> Message:
    if not is_worth_building(advice) or not advice.cost_before or not advice.cost_after:
        return say(
            "No index would help much, priced in {calls:count} questions to the planner",
            calls=advice.planner_calls,
        )
    return say(
        "An index on {table} makes the workload {factor:factor} cheaper, priced in {calls:count} "
        "questions to the planner",
        table=advice.recommendations[0].subject,
        factor=advice.cost_before / advice.cost_after,
        calls=advice.planner_calls,
    )
