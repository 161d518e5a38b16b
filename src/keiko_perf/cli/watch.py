"""
watch: how a service is doing, on the terminal, drawn anew each second.

It only reads: a store's file, or a running service's health. Where nothing can be drawn twice it
says one line each five seconds instead.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.live import Live
from rich.text import Text

from keiko_perf.cli.output import Language, LanguageOption
from keiko_perf.cli.picture import Picture, after, of_service, of_store
from keiko_perf.cli.service import is_address, read_health
from keiko_perf.cli.storing import opened, store_file
from keiko_perf.cli.watch_screen import History, plain, screen
from keiko_perf.config import Settings, load_settings
from keiko_perf.errors import KeikoError, StoreUnavailable, UsageError
from keiko_perf.monitoring.storage.journal import Journal

_PLAIN_EVERY_S = 5.0


def watch(
    source: Annotated[
        str | None,
        typer.Argument(
            metavar="[URL|STORE]",
            help="The address of a service, or the file that its monitor writes to.",
        ),
    ] = None,
    last: Annotated[
        float, typer.Option("--last", help="Judge the last so many seconds (of a store).")
    ] = 60.0,
    every: Annotated[float, typer.Option("--every", help="Look each so many seconds.")] = 1.0,
    times: Annotated[
        int | None, typer.Option("--times", help="Stop after so many looks.", hidden=True)
    ] = None,
    lang: LanguageOption = None,
) -> None:
    """How a service is doing, live on the terminal; Ctrl-C ends it."""
    settings = load_settings()
    if not (0.2 <= every <= 3600 and 0 < last <= 86_400):
        raise UsageError(
            "--every is 0.2 to 3600 seconds, and --last over 0 and up to a day",
            cure="Give them as in --every 1 --last 60",
        )
    language = (lang or Language(settings.lang)).value
    look = _look(source, settings, last, language)
    first = look()  # what cannot be read at all is an error, and no empty screen
    console = Console()
    with _Shown(console, language) as shown:
        shown.show(first)
        looks, seen = 1, first
        while times is None or looks < times:
            time.sleep(every)
            seen = after(seen, _tried(look, first.source))
            shown.show(seen)
            looks += 1


class _Shown:
    """The view on a console, or its lines where nothing can be drawn."""

    def __init__(self, console: Console, lang: str) -> None:
        self._console, self._lang = console, lang
        self._draws = console.is_terminal and not console.is_dumb_terminal
        self._live = Live(console=console, auto_refresh=False, screen=self._draws)
        self._history = History()
        self._said_s = 0.0

    def __enter__(self) -> _Shown:
        if self._draws:
            self._live.start()
        return self

    def __exit__(self, *_: object) -> None:
        if self._draws:
            self._live.stop()

    def show(self, picture: Picture) -> None:
        self._history.take(picture)
        if self._draws:
            width, height = (one - 1 for one in self._console.size)
            drawn = screen(picture, self._history, width=width, height=height, lang=self._lang)
            self._live.update(drawn, refresh=True)
            return
        now_s = time.monotonic()
        if not self._said_s or now_s - self._said_s >= _PLAIN_EVERY_S:
            self._said_s = now_s
            self._console.print(Text(plain(picture, self._lang)), soft_wrap=True)


def _tried(look: Callable[[], Picture], source: str) -> Picture:
    """What is seen now; a service that is gone for a while is a picture too."""
    try:
        return look()
    except KeikoError as error:
        return Picture(source=source, taken_at=datetime.now(UTC), problem=str(error))


def _look(
    source: str | None, settings: Settings, last_s: float, lang: str
) -> Callable[[], Picture]:
    token = None if settings.token is None else settings.token.get_secret_value()
    if source is not None and is_address(source):
        return lambda: of_service(source, read_health(source, token, lang=lang), datetime.now(UTC))
    file = store_file(None if source is None else Path(source), settings)
    if not os.path.isfile(file):
        raise StoreUnavailable(
            f"there is no store {file}",
            cure="Name the file that PerformanceMonitor(store=...) writes to, or the service's URL",
        )
    kpis = settings.performance_kpis()

    def look() -> Picture:
        with opened(file) as store:
            now = datetime.now(UTC)
            return of_store(str(file), store, Journal(store), kpis=kpis, last_s=last_s, now=now)

    return look
