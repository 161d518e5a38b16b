"""
doctor: why is it slow, in one sentence with a number, and what would cure it.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Mapping
from contextlib import AsyncExitStack
from typing import Annotated, Any
from urllib.parse import urlsplit

import typer

from keiko_perf.cli.output import (
    Destination,
    Format,
    FormatOption,
    LanguageOption,
    OutputOption,
    check_writable,
    progress_console,
    show,
)
from keiko_perf.cli.service import is_address, read_document, read_health
from keiko_perf.config import load_settings
from keiko_perf.doctor.visit import Service, visit
from keiko_perf.errors import DatabaseFull, UsageError
from keiko_perf.model import Report, Verdict
from keiko_perf.monitoring.export.health import verdicts_of
from keiko_perf.optimization.memory.startup import source_line

DEFAULT_S = 20.0
LONGEST_S = 600.0
MOST_PER_S = 1_000.0
PATIENCE_S = 60.0
"""Who is asked why he is slow answers slowly."""
UrlOption = Annotated[
    str | None,
    typer.Option(
        "--url",
        "-u",
        help="The service, as http://localhost:8000. KEIKO_PERF_TOKEN opens it.",
        show_default=False,
    ),
]
DoctorDatabaseOption = Annotated[
    str | None,
    typer.Option(
        "--database",
        "-d",
        help="Its database, as postgresql://user:password@host/name; KEIKO_PERF_DATABASE keeps the"
        " password out of the process list.",
        show_default=False,
    ),
]


def doctor(
    url: UrlOption = None,
    database: DoctorDatabaseOption = None,
    seconds: Annotated[float, typer.Option(help="How long to look.")] = DEFAULT_S,
    load: Annotated[
        float | None,
        typer.Option(
            help="Make load meanwhile: so many requests a second, of what the service's own"
            " /openapi.json describes, GET only. Without it the doctor makes none.",
            show_default=False,
        ),
    ] = None,
    token: Annotated[
        str,
        typer.Option(
            envvar="KEIKO_PERF_LOAD_TOKEN", help="The bearer token of the load's requests."
        ),
    ] = "",
    format: FormatOption = Format.TEXT,
    output: OutputOption = None,
    lang: LanguageOption = None,
) -> None:
    """Why users wait: the causes by their share of it, each with its cure; makes no load itself."""
    _check(url, seconds, load)
    if output is not None:
        check_writable(output)
    settings = load_settings()
    named = database or (settings.database.get_secret_value() if settings.database else None)
    secret = None if settings.token is None else settings.token.get_secret_value()
    making = None if load is None or url is None else _load(url, load, seconds, token)
    destination = Destination(format, output, lang)
    with progress_console().status(f"looking for {seconds:g} s"):
        asking = ask(url, named, seconds, load=making, token=secret, lang=destination.lang)
        report = asyncio.run(asking)
    raise typer.Exit(show(report, destination))


async def ask(
    url: str | None,
    database: str | None,
    seconds: float,
    *,
    load: Callable[[], Awaitable[object]] | None = None,
    token: str | None = None,
    lang: str = "en",
) -> Report:
    """
    The doctor's answer.

    Raises:
        UsageError: neither a service nor a database is named.
        Unavailable: one that is named does not answer.
    """
    async with AsyncExitStack() as stack:
        connected, is_full = None, False
        if database:
            from keiko_perf.diagnosis.postgres import Database

            try:
                connected = await stack.enter_async_context(Database.connect(database))
            except DatabaseFull:
                # It is what the service waits for: that is told, and not that we could not ask.
                if url is None:
                    raise
                is_full = True
        return await visit(
            service=None if url is None else service_at(url, token, lang=lang),
            database=connected,
            is_full=is_full,
            seconds=seconds,
            load=load,
            line_of=source_line,
        )


def service_at(url: str, token: str | None, *, lang: str = "en") -> Service:
    """How the service at *url* is asked; its answers are waited for in a thread."""

    async def attribution(last_s: float) -> Mapping[str, Any]:
        path = f"/attribution?last={min(max(last_s, 1.0), 86_400.0):.1f}"
        return await asyncio.to_thread(
            read_document,
            url,
            path,
            token,
            known_by="attribution",
            timeout_s=PATIENCE_S,
            lang=lang,
        )

    async def verdicts() -> Iterable[Verdict]:
        document = await asyncio.to_thread(read_health, url, token, timeout_s=PATIENCE_S, lang=lang)
        return verdicts_of(document).values()

    return Service(attribution=attribution, verdicts=verdicts, label=url.partition("://")[2])


def _check(url: str | None, seconds: float, load: float | None) -> None:
    if url is not None and not is_address(url):
        raise UsageError(
            f"{url[:80]!r} is no address", cure="Give it as in --url http://localhost:8000"
        )
    if not seconds <= LONGEST_S:
        raise UsageError(
            f"{seconds:g} s are too long to look", cure=f"Look for {LONGEST_S:g} s at most"
        )
    if load is None:
        return
    if url is None:
        raise UsageError("load needs a service", cure="Name it, as in --url http://localhost:8000")
    if not 0 < load <= MOST_PER_S:
        raise UsageError(
            f"{load:g} requests a second are no load to look by",
            cure=f"Give a rate over 0 and up to {MOST_PER_S:g}",
        )


def _load(url: str, rate_per_s: float, seconds: float, token: str) -> Callable[[], Awaitable[Any]]:
    """Load of what the service describes of itself, GET only."""
    from keiko_perf.cli.load.source import Given, source
    from keiko_perf.loadtest import Plan, bearer
    from keiko_perf.loadtest.pacer import ConstantRate
    from keiko_perf.loadtest.running import run

    base = url.rstrip("/").removesuffix("/performance")
    asked = source(Given(openapi=f"{base}/openapi.json", headers=bearer(token)))
    # Behind a proxy with a prefix the paths have it already, if the service knows (root_path).
    prefix = urlsplit(base).path
    knows = prefix and all(step.path.startswith(f"{prefix}/") for step in asked.steps)
    plan = Plan(
        base_url=asked.base_url if knows else base,
        steps=asked.steps,
        load=ConstantRate(rate_per_s),
        duration_s=seconds,
        headers=bearer(token),
    )
    return lambda: run(plan)
