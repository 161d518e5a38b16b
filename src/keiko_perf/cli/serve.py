"""
serve: the live dashboard of one or several services, from the stores that they write to.
"""

from __future__ import annotations

import socket
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from keiko_perf.cli.database import DatabaseOption
from keiko_perf.config import Settings, load_settings
from keiko_perf.errors import MissingExtra, ServiceUnavailable, UsageError
from keiko_perf.model import Report
from keiko_perf.monitoring.opening import is_this_machine

if TYPE_CHECKING:
    from keiko_perf.monitoring.stored import StoredMonitor


def serve(
    stores: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="[NAME=]STORE...",
            help="The file that a service's monitor writes to; of several, each with a name.",
        ),
    ] = None,
    host: Annotated[str, typer.Option(help="The address to answer on.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(min=0, max=65_535, help="The port to answer on.")] = 8765,
    token: Annotated[
        str | None,
        typer.Option(
            envvar="KEIKO_PERF_DASHBOARD_TOKEN",
            help="The secret that opens the dashboard; without one it answers to this machine.",
            show_default=False,
        ),
    ] = None,
    database: DatabaseOption = None,
) -> None:
    """Show the live dashboard of services that run elsewhere, from their stores."""
    settings = load_settings()
    monitors = _monitors(stores or [], settings, token)
    if token is None and not is_this_machine(host):
        raise UsageError(
            f"without a token the dashboard answers to this machine only, and not on {host}",
            cure="Set KEIKO_PERF_DASHBOARD_TOKEN to a secret, and log in with it",
        )
    url = database or (settings.database.get_secret_value() if settings.database else None)
    from keiko_perf.doctor import tuning_of

    for monitor in monitors.values():
        monitor.reports.append(tuning_of(monitor))
        if url:
            monitor.reports.append(_check_of(url))
    _run(monitors, host, port)


def _monitors(stores: list[str], settings: Settings, token: str | None) -> dict[str, StoredMonitor]:
    from keiko_perf.monitoring.stored import StoredMonitor

    stores = stores or ([str(settings.store)] if settings.store else [])
    if not stores:
        raise UsageError(
            "no store was named",
            cure="Name the file that PerformanceMonitor(store=...) writes to, as in agents.db",
        )
    monitors: dict[str, StoredMonitor] = {}
    for one in stores:
        name, is_named, file = one.rpartition("=")
        name = name if is_named else Path(file).stem
        if name in monitors:
            raise UsageError(
                f"two services are called {name}", cure="Name them, as in a=one.db b=other.db"
            )
        monitors[name] = StoredMonitor(file, kpis=settings.performance_kpis(), token=token)
    return monitors


def _check_of(url: str) -> Callable[[], Awaitable[Report]]:
    """What is worth attention in the database, asked anew each time."""

    async def check() -> Report:
        from keiko_perf.diagnosis.collect import collect
        from keiko_perf.diagnosis.overview import check_report
        from keiko_perf.diagnosis.postgres import Database
        from keiko_perf.diagnosis.rules import judge

        async with Database.connect(url) as connected:
            evidence = await collect(connected)
            return check_report(evidence, judge(evidence), server=connected.server)

    return check


def _run(monitors: dict[str, StoredMonitor], host: str, port: int) -> None:
    try:
        import uvicorn

        from keiko_perf.monitoring.dashboard.serving import dashboards
    except ImportError as error:
        package = error.name or "uvicorn"
        raise MissingExtra(package, extra="serve", purpose="serving the dashboard") from error
    app = dashboards(monitors)
    with _listener(host, port) as listener:
        shown = f"[{host}]" if ":" in host else host
        typer.echo(f"The dashboard is at http://{shown}:{listener.getsockname()[1]}/ (Ctrl-C ends)")
        config = uvicorn.Config(app, log_level="warning", timeout_graceful_shutdown=2)
        uvicorn.Server(config).run(sockets=[listener])


def _listener(host: str, port: int) -> socket.socket:
    try:
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        return socket.create_server((host, port), family=family)
    except OSError as error:
        raise ServiceUnavailable(
            f"nobody can listen on {host}:{port}: {error.strerror or error}",
            cure="Take another port, as in --port 8766, or end what uses it",
        ) from error
