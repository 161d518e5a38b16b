"""
mark and silence: what a person tells the monitor of a service, through its store.
"""

from __future__ import annotations

import os
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

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
from keiko_perf.cli.storing import opened, store_file
from keiko_perf.config import load_settings
from keiko_perf.errors import UsageError
from keiko_perf.model import Column, Message, Report, Section, Status, Table, say
from keiko_perf.model.length import read_length
from keiko_perf.monitoring.alerts import silence as silences
from keiko_perf.monitoring.alerts.silence import Silence
from keiko_perf.monitoring.changes import markers
from keiko_perf.monitoring.changes.markers import Marker, MarkerKind
from keiko_perf.monitoring.changes.revision import find_revision
from keiko_perf.monitoring.storage.journal import Journal

StoreOption = Annotated[
    Path | None, typer.Option("--store", help="The file that the service's monitor writes to.")
]


def mark(
    text: Annotated[str, typer.Argument(help="What was done, in one line.")],
    store: StoreOption = None,
    deploy: Annotated[bool, typer.Option("--deploy", help="Other code runs from now on.")] = False,
    revision: Annotated[
        str | None,
        typer.Option("--revision", help="That code's revision; with --deploy that of git here."),
    ] = None,
    format: FormatOption = Format.TEXT,
    output: OutputOption = None,
    lang: LanguageOption = None,
) -> None:
    """Note what was done to a service, so that charts and changes show it."""
    settings = load_settings()
    if deploy and revision is None:
        revision = find_revision(os.environ, Path.cwd())
    now = datetime.now(UTC)
    kind = MarkerKind.DEPLOY if deploy else MarkerKind.NOTE
    marker = Marker(at=now, kind=kind, text=text, revision=revision)
    with opened(store_file(store, settings)) as place:
        markers.add(Journal(place), marker)
    headline = say("Noted: {text}", text=marker.text)
    report = _report("mark", say("Markers of a service"), headline, now)
    language = lang or Language(settings.lang)
    raise typer.Exit(show(report, Destination(format=format, file=output, language=language)))


def silence(
    pattern: Annotated[
        str | None, typer.Argument(help="The checks to silence; * stands for any letters.")
    ] = None,
    store: StoreOption = None,
    for_: Annotated[
        str, typer.Option("--for", help="For how long, such as 30m, 2h or 1d; 30 days at most.")
    ] = "1h",
    reason: Annotated[str, typer.Option("--reason", help="Why.")] = "",
    end: Annotated[str | None, typer.Option("--end", help="End this silence, by its key.")] = None,
    format: FormatOption = Format.TEXT,
    output: OutputOption = None,
    lang: LanguageOption = None,
) -> None:
    """Tell nobody of some alerts for a while; without a pattern, list what is silent."""
    settings = load_settings()
    if pattern is not None and end is not None:
        raise UsageError(
            "a silence is either begun or ended", cure="Leave out the pattern or --end"
        )
    now = datetime.now(UTC)
    begun = None
    if pattern is not None:
        begun = silences.silence_of(pattern, for_s=read_length(for_), reason=reason, now=now)
    with opened(store_file(store, settings)) as place:
        journal = Journal(place)
        if begun is not None:
            silences.add(journal, begun)
        elif end is not None:
            silences.end(journal, end)
        active = silences.read(journal, now)
    report = _report(
        "silence",
        say("Silences of a service"),
        _headline(active),
        now,
        sections=(Section(title=say("What is silent"), tables=(_table(active),)),)
        if active
        else (),
    )
    language = lang or Language(settings.lang)
    raise typer.Exit(show(report, Destination(format=format, file=output, language=language)))


def _headline(active: tuple[Silence, ...]) -> Message:
    if not active:
        return say("Nothing is silent: everybody is told of every alert")
    return say("Silences that hold: {count:count}", count=len(active))


def _table(active: tuple[Silence, ...]) -> Table:
    return Table(
        title=say("The oldest first"),
        columns=(
            Column(say("key")),
            Column(say("checks")),
            Column(say("until"), "time"),
            Column(say("reason")),
        ),
        rows=tuple((one.key, one.pattern, one.until_at, one.reason) for one in active),
    )


def _report(
    command: str,
    title: Message,
    headline: Message,
    now: datetime,
    sections: tuple[Section, ...] = (),
) -> Report:
    return Report(
        command=command,
        title=title,
        headline=headline,
        status=Status.OK,
        created_at=now,
        sections=sections,
    )
