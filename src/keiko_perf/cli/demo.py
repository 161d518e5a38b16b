"""
`keiko-perf demo`: tells the story on the terminal, and leaves a report.
"""

from __future__ import annotations

import asyncio
import signal
from collections.abc import Coroutine
from dataclasses import replace
from pathlib import Path
from typing import Annotated, Any, Self

import typer
from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

from keiko_perf.cli.output import (
    INTERRUPTED,
    Destination,
    Format,
    FormatOption,
    LanguageOption,
    OutputOption,
    check_writable,
    progress_console,
    save,
    show,
)
from keiko_perf.config import load_settings
from keiko_perf.errors import MissingExtra
from keiko_perf.model import Message, Report, Text
from keiko_perf.render import phrase

_HTML = Path("keiko-perf-report.html")


def demo(
    database: Annotated[
        str | None,
        typer.Option(
            help="A running PostgreSQL to use, as postgresql://user@host/name; the demo keeps to a "
            "schema of its own there and removes it. Without it a private one is started.",
        ),
    ] = None,
    rate: Annotated[float, typer.Option(help="Requests a second.")] = 15.0,
    duration: Annotated[int, typer.Option(help="Seconds that each measurement lasts.")] = 30,
    fault: Annotated[
        list[str] | None,
        typer.Option(
            help="A fault of the service: missing-index, n-plus-one, small-pool, blocking-call, "
            "leaking-cache, starved-pool, cpu-burn, row-lock, slow-http, http-loop, async-lock, "
            "slow-task. May be repeated; missing-index alone if not given.",
        ),
    ] = None,
    scale: Annotated[float, typer.Option(help="Of the seeded rows; 1 is 1.6 million.")] = 1.0,
    report: Annotated[Path, typer.Option(help="Where the HTML report goes.")] = _HTML,
    serve: Annotated[
        bool, typer.Option("--serve", help="Keep the service and its dashboard open afterwards.")
    ] = False,
    format: FormatOption = Format.TEXT,
    output: OutputOption = None,
    lang: LanguageOption = None,
) -> None:
    """From a slow service to a proven fix, on a real PostgreSQL, in about two minutes."""
    try:
        import keiko_perf.demo.story  # noqa: F401 - it needs all that the demo does
        from keiko_perf.demo.options import Options
        from keiko_perf.demo.settings import Fault
    except ImportError as error:
        name = (error.name or "").partition(".")[0]
        raise MissingExtra(name, extra="demo", purpose="the demo") from error
    settings = load_settings()
    options = Options(database=database, rate_per_s=rate, measure_s=duration, scale=scale,
                      kpis=settings.performance_kpis())  # fmt: skip
    if fault:
        options = replace(options, faults=frozenset(map(Fault.named, fault)))
    destination = Destination(format, output, lang)
    report = report.resolve()
    for file in (report, output):
        if file is not None:
            check_writable(file)
    raise typer.Exit(_run_to_the_end(_tell(options, destination, report, serve=serve)))


async def _tell(options: Any, destination: Destination, html: Path, *, serve: bool) -> int:
    from keiko_perf.demo.story import tell

    console = progress_console()
    with TerminalTeller(console, destination.lang) as teller:
        async with tell(options, teller) as told:
            teller.close()
            exit_code = deliver(told.report, destination, html)
            console.print(f"The report: [bold]{escape(str(html))}[/bold]", soft_wrap=True)
            if serve:
                await _serve(told, console)
    return exit_code


def deliver(report: Report, destination: Destination, html: Path) -> int:
    """
    Write the HTML report to *html*, then show the report; return its exit code.

    In this order: who reads what is shown may have gone, as `head` has after its lines.
    """
    save(report, html, format=Format.HTML, lang=destination.lang)
    return show(report, destination)


async def _serve(told: Any, console: Console) -> None:
    """Keep the load on, so that the dashboard has something to show, until interrupted."""
    from keiko_perf.loadtest.running import run

    console.print(f"The dashboard: [bold]{told.dashboard_url}[/bold]", soft_wrap=True)
    console.print(f"Its token: {told.token}", highlight=False)
    console.print("Ctrl-C ends it.")
    try:
        while True:
            await run(told.plan)
    except asyncio.CancelledError:
        # To end what was asked to be kept open is no failure.
        task = asyncio.current_task()
        if task is not None:
            task.uncancel()


def _run_to_the_end(story: Coroutine[Any, Any, int]) -> int:
    """
    Run the story. The first Ctrl-C, SIGTERM or SIGHUP ends it early, and it cleans up after itself;
    further ones change nothing, so that nothing is left behind.
    """
    import uvloop

    async def interruptible() -> int:
        loop, task = asyncio.get_running_loop(), asyncio.current_task()
        assert task is not None
        told = False

        def interrupt() -> None:
            nonlocal told
            if not told:
                told = True
                progress_console().print("Stopping, and removing everything …")
                task.cancel()

        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            loop.add_signal_handler(number, interrupt)
        try:
            return await story
        except asyncio.CancelledError:
            progress_console().print("Interrupted; everything was removed.")
            return INTERRUPTED

    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        return runner.run(interruptible())


class TerminalTeller:
    """Shows each chapter as a line: running with a bar, then done with its outcome and time."""

    def __init__(self, console: Console, language: str) -> None:
        self._console = console
        self._language = language
        self._live: Progress | None = None
        self._chapter: Any = None
        self._said: set[str] = set()

    def __enter__(self) -> Self:
        if self._console.is_terminal:
            self._live = Progress(
                SpinnerColumn(finished_text="[green]✓[/green]"),
                TextColumn("{task.description}"),
                BarColumn(bar_width=24),
                TextColumn("[dim]{task.fields[doing]}[/dim]"),
                TimeElapsedColumn(),
                console=self._console,
                transient=True,
            )
            self._live.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Stop showing; what was done stays on the screen."""
        if self._live is not None:
            self._live.stop()
            self._live = None

    def begin(self, what: Message) -> None:
        words = escape(phrase(what, self._language))
        if self._live is None:
            self._console.print(f"· {words} …", highlight=False, soft_wrap=True)
            return
        self._chapter = self._live.add_task(words, total=None, doing="")

    def progress(self, ratio: float, doing: Message | None = None) -> None:
        if self._live is None:
            return
        words = escape(phrase(doing, self._language)) if doing else ""
        self._live.update(self._chapter, total=1.0, completed=ratio, doing=words)

    def done(self, outcome: Text) -> None:
        words = escape(phrase(outcome, self._language))
        elapsed_s = 0.0
        if self._live is not None and self._chapter is not None:
            elapsed_s = self._live.tasks[self._live.task_ids.index(self._chapter)].elapsed or 0.0
            self._live.remove_task(self._chapter)
            self._chapter = None
        time = f" [dim]{elapsed_s:.1f} s[/dim]" if elapsed_s else ""
        self._console.print(f"[green]✓[/green] {words}{time}", highlight=False, soft_wrap=True)
