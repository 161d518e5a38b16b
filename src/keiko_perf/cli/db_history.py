"""
db snapshot and changes: what a database did from one time to another, kept in a file.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from keiko_perf.cli.database import DatabaseOption, TimeoutOption, answer_with, url_of
from keiko_perf.cli.output import (
    Destination,
    Format,
    FormatOption,
    LanguageOption,
    OutputOption,
    show,
)
from keiko_perf.errors import UsageError
from keiko_perf.model import Report
from keiko_perf.model.length import read_length

if TYPE_CHECKING:  # the part needs the extra `postgres`; `--help` must not
    from keiko_perf.diagnosis.history.file import HistoryFile
    from keiko_perf.diagnosis.postgres import Database

app = typer.Typer()

HistoryOption = Annotated[
    Path, typer.Option("--history", help="The file in which snapshots are kept.")
]
DEFAULT = Path("keiko-perf-history.sqlite")


@app.command()
def snapshot(
    database: DatabaseOption = None,
    history: HistoryOption = DEFAULT,
    note: Annotated[str, typer.Option(help="What was changed, such as a deployment.")] = "",
    timeout: TimeoutOption = 30.0,
    format: FormatOption = Format.TEXT,
    output: OutputOption = None,
    lang: LanguageOption = None,
) -> None:
    """Keep the counters of statements and tables, and what happened since the last snapshot."""

    async def answer(connected: Database) -> Report:
        from keiko_perf.diagnosis.history.file import HistoryFile
        from keiko_perf.diagnosis.history.keeping import take
        from keiko_perf.diagnosis.history.report import snapshot_report

        kept = HistoryFile(history)
        evidence, period = await take(connected, kept, note=note)
        return snapshot_report(evidence, period, place=connected.place, file=str(history))

    answer_with(answer, database, timeout, Destination(format, output, lang))


@app.command()
def changes(
    database: DatabaseOption = None,
    history: HistoryOption = DEFAULT,
    since: Annotated[
        str | None,
        typer.Option(
            help="The moment to compare at: how long ago (90min, 2h) or when (2026-03-01T12:00,"
            " UTC). By default the time between the last two snapshots is held against all before.",
            show_default=False,
        ),
    ] = None,
    before: Annotated[str, typer.Option(help="How far back before that moment to look.")] = "1d",
    format: FormatOption = Format.TEXT,
    output: OutputOption = None,
    lang: LanguageOption = None,
) -> None:
    """What got slower, more frequent or larger between snapshots; exit code 5 if it got slower."""
    from keiko_perf.diagnosis.history.file import HistoryFile
    from keiko_perf.diagnosis.history.history import split
    from keiko_perf.diagnosis.history.report import changes_report

    now = datetime.now(UTC)
    kept = HistoryFile(history)
    place = _place(kept, database)
    since_at = None if since is None else _moment(since, now)
    found = split(kept.periods(place), since_at=since_at, before_s=read_length(before))
    report = changes_report(found, place=place, now=now)
    raise typer.Exit(show(report, Destination(format, output, lang)))


def _place(kept: HistoryFile, database: str | None) -> str:
    """The database whose history is asked for: the one that is named, else the only one."""
    from keiko_perf.diagnosis.source import place_of

    places = kept.places()
    if not places:
        raise UsageError(
            f"there is no snapshot in {kept.path}",
            cure="Take one: keiko-perf db snapshot, or name another file with --history",
        )
    if database is None and len(places) == 1:
        return places[0]
    place = place_of(url_of(database))
    if place not in places:
        raise UsageError(
            f"there is no snapshot of {place} in {kept.path}",
            cure=f"Name one of these with --database: {', '.join(places[:5])}",
        )
    return place


def _moment(text: str, now: datetime) -> datetime:
    try:
        moment = datetime.fromisoformat(text.strip())
    except ValueError:
        cure = "Write how long ago, such as 90min, 2h or 1d, or when: 2026-03-01T12:00"
        return now - timedelta(seconds=read_length(text, what="moment", cure=cure))
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)
