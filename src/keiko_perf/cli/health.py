"""
health: does a service keep its targets, by what it tells itself or wrote into its store?
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Annotated, Any

import typer

from keiko_perf.cli.output import (
    Destination,
    Format,
    FormatOption,
    Language,
    LanguageOption,
    OutputOption,
    show,
)
from keiko_perf.cli.picture import Picture, of_service
from keiko_perf.cli.service import is_address, read_health
from keiko_perf.cli.storing import opened, store_file
from keiko_perf.config import load_settings
from keiko_perf.errors import StoreUnavailable, UsageError
from keiko_perf.model import (
    Column,
    Gap,
    Kind,
    Outcome,
    Report,
    Section,
    Snapshot,
    Status,
    Table,
    Verdict,
    say,
)
from keiko_perf.monitoring.attribution import parts_table
from keiko_perf.monitoring.kpis import PerformanceKPIs
from keiko_perf.monitoring.wording import headline

_MAX_ROUTES = 20
_YEAR_S = 366 * 86_400.0
_STALE_S = 120.0
"""A service that wrote nothing for this long is perhaps not running, and the report says so."""


def health(
    source: Annotated[
        str | None,
        typer.Argument(
            metavar="[URL|STORE]",
            help="The address of a service, or the file that its monitor writes to.",
        ),
    ] = None,
    last: Annotated[
        float,
        typer.Option(
            "--last", help="Judge the last so many seconds that were measured (of a store)."
        ),
    ] = 60.0,
    format: FormatOption = Format.TEXT,
    output: OutputOption = None,
    lang: LanguageOption = None,
) -> None:
    """Hold a service against its targets; exit code 3 where one is missed."""
    settings = load_settings()
    if not 0 < last <= _YEAR_S:
        raise UsageError(
            f"--last is a number of seconds over 0 and up to a year, not {last:g}",
            cure="Give it as in --last 60",
        )
    now = datetime.now(UTC)
    language = lang or Language(settings.lang)
    if source is not None and is_address(source):
        token = None if settings.token is None else settings.token.get_secret_value()
        report = told(read_health(source, token, lang=language.value), now=now)
    else:
        if source is None and settings.store is None:
            raise UsageError(
                "neither a store nor a service was named",
                cure="Name the file that PerformanceMonitor(store=...) writes to, or the URL",
            )
        file = store_file(None if source is None else Path(source), settings)
        report = judge(file, kpis=settings.performance_kpis(), last_s=last, now=now)
    destination = Destination(format=format, file=output, language=language)
    raise typer.Exit(show(report, destination))


def told(document: Mapping[str, Any], *, now: datetime) -> Report:
    """
    The verdicts that a service tells of itself, by its own targets, as a report.

    Raises:
        ServiceUnavailable: it tells them in a form that is not known.
    """
    picture = of_service("", document, now)
    verdicts = tuple((picture.verdicts or {}).values())
    window_s = document.get("window_s")
    measured = say("The service judged itself over {window:duration}", window=window_s)
    return Report(
        command="health",
        title=say("Health of a service"),
        headline=picture.headline,
        status=_status(verdicts, 0.0),
        created_at=now,
        sections=(
            Section(
                title=say("Targets"),
                paragraphs=(measured,) if isinstance(window_s, int | float) else (),
                verdicts=verdicts,
                gaps=_gaps(verdicts, 0.0),
            ),
            Section(title=say("Routes"), tables=(_told_routes(picture),)),
        ),
    )


def _told_routes(picture: Picture) -> Table:
    return Table(
        title=say("By the time that they took in all"),
        columns=(
            Column(say("route")),
            Column(say("rate"), "rate"),
            Column(say("errors"), "ratio"),
            Column(say("response time p95"), "duration"),
            Column(say("time in all"), "duration"),
        ),
        rows=tuple(
            (one.name, one.rate_per_s, one.error_ratio, one.p95_s, one.sum_s)
            for one in picture.routes
        ),
    ).first(_MAX_ROUTES)


def judge(file: Path, *, kpis: PerformanceKPIs, last_s: float, now: datetime) -> Report:
    """
    The verdicts over the last *last_s* that the store *file* knows, as a report.

    Raises:
        StoreUnavailable: there is no such file, it cannot be read, or it holds nothing.
    """
    snapshot, ended_at = _last(file, last_s, now)
    verdicts = tuple(target.judge(snapshot) for target in kpis.targets())
    age_s = max((now - ended_at).total_seconds(), 0.0)
    return Report(
        command="health",
        title=say("Health of a service"),
        headline=headline(verdicts, snapshot),
        status=_status(verdicts, age_s),
        created_at=now,
        sections=(
            Section(
                title=say("Targets"),
                paragraphs=(
                    say(
                        "Measured over {window:duration} up to {ended:time}",
                        window=snapshot.window_s,
                        ended=ended_at,
                    ),
                ),
                verdicts=verdicts,
                gaps=_gaps(verdicts, age_s),
            ),
            Section(
                title=say("Routes"),
                tables=tuple(filter(None, (_routes(snapshot), parts_table(snapshot)))),
            ),
        ),
    )


def _status(verdicts: tuple[Verdict, ...], age_s: float) -> Status:
    """What is too old says nothing of the service as it is now, unless it was bad already."""
    status = Status.of(verdicts=verdicts)
    return Status.UNDECIDED if status is Status.OK and age_s > _STALE_S else status


def _last(file: Path, last_s: float, now: datetime) -> tuple[Snapshot, datetime]:
    """All of the last *last_s* that were measured, and when they ended."""
    with opened(file) as store:
        # The newest window first, wherever it is: the service may have ended some time ago.
        for reach_s in (last_s + 600.0, 86_400.0, _YEAR_S):
            windows = store.between(now - timedelta(seconds=reach_s), now + timedelta(hours=1))
            if windows:
                break
    if not windows:
        raise StoreUnavailable(
            f"the store {file} holds no measurement",
            cure="Let the service run with its monitor for some seconds",
        )
    ended_at = max(one.ended_at for one in windows)
    start_at = ended_at - timedelta(seconds=last_s)
    snapshot = Snapshot.merged(one for one in windows if one.ended_at > start_at)
    assert snapshot is not None
    return snapshot, ended_at


def _gaps(verdicts: tuple[Verdict, ...], age_s: float) -> tuple[Gap, ...]:
    if age_s <= _STALE_S and any(one.outcome is not Outcome.UNKNOWN for one in verdicts):
        return ()
    if age_s <= _STALE_S:
        return (
            Gap(
                subject=say("every target"),
                reason=say("too little was measured"),
                remedy=say("Judge a longer time, as in --last 600"),
            ),
        )
    return (
        Gap(
            subject=say("the service as it is now"),
            reason=say("the last measurement is {age:duration} old", age=age_s),
            remedy=say("See that the service is running and writes to this store"),
        ),
    )


def _routes(snapshot: Snapshot) -> Table:
    """The routes by the time that they took in all, the longest first."""
    routes = sorted(snapshot.of(Kind.ROUTE), key=lambda one: (-one.sum_s, one.name))
    return Table(
        title=say("By the time that they took in all"),
        columns=(
            Column(say("route")),
            Column(say("requests"), "count"),
            Column(say("rate"), "rate"),
            Column(say("errors"), "ratio"),
            Column(say("response time p95"), "duration"),
            Column(say("time in all"), "duration"),
        ),
        rows=tuple(
            (
                one.name,
                one.count,
                one.rate_per_s,
                one.error_ratio,
                one.succeeded.known_quantile(0.95),
                one.sum_s,
            )
            for one in routes
        ),
    ).first(_MAX_ROUTES)
