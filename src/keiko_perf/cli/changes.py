"""
changes: what changed in a service, when, by how much, how sure, and what was done then.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
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
from keiko_perf.model import (
    Column,
    Comparison,
    Gap,
    Message,
    Report,
    Section,
    Status,
    Table,
    say,
)
from keiko_perf.model.compare import Change
from keiko_perf.monitoring.changes import markers
from keiko_perf.monitoring.changes.changes import ServiceChange, Shift, is_enough
from keiko_perf.monitoring.changes.deploys import Difference
from keiko_perf.monitoring.changes.markers import Marker, MarkerKind
from keiko_perf.monitoring.changes.stretches import step_between
from keiko_perf.monitoring.changes.trends import Trend
from keiko_perf.monitoring.remembering import Past
from keiko_perf.monitoring.storage.journal import Journal
from keiko_perf.monitoring.wording import figure

_MOST_HOURS = 366 * 24.0
_WHOLE = "service"


def changes(
    store: Annotated[
        Path | None, typer.Argument(help="The file that the service's monitor writes to.")
    ] = None,
    hours: Annotated[float, typer.Option("--hours", help="Look at the last so many hours.")] = 24.0,
    format: FormatOption = Format.TEXT,
    output: OutputOption = None,
    lang: LanguageOption = None,
) -> None:
    """What changed in a service, when, and by how much; exit code 5 where it got worse."""
    settings = load_settings()
    file = store_file(store, settings)
    if not 0 < hours <= _MOST_HOURS:
        raise UsageError(
            f"--hours is a number over 0 and up to a year, not {hours:g}",
            cure="Give it as in --hours 24",
        )
    report = changed(file, hours=hours, now=datetime.now(UTC))
    language = lang or Language(settings.lang)
    destination = Destination(format=format, file=output, language=language)
    raise typer.Exit(show(report, destination))


def changed(file: Path, *, hours: float, now: datetime) -> Report:
    """
    What changed in the last *hours* that the store *file* knows, as a report.

    Raises:
        StoreUnavailable: there is no such file, or it cannot be read.
    """
    with opened(file) as store:
        journal = Journal(store)
        past = Past(store, journal)
        stretches = past.stretches(now, hours * 3600)
        step_s = step_between(stretches)
        found = past.changes(stretches)
        trends = past.trends(now)
        deployed = past.since_deploy(now, hours * 3600)
        noted = markers.read(journal, now - timedelta(hours=hours), None)
    enough = is_enough(stretches)
    return Report(
        command="changes",
        title=say("Changes of a service"),
        headline=_headline(found, deployed, hours, is_enough=enough),
        status=_status(found, deployed, is_enough=enough),
        created_at=now,
        sections=tuple(_sections(found, deployed, trends, noted, step_s=step_s, is_enough=enough)),
    )


def _sections(
    found: tuple[ServiceChange, ...],
    deployed: tuple[Difference, ...],
    trends: tuple[Trend, ...],
    noted: tuple[Marker, ...],
    *,
    step_s: float,
    is_enough: bool,
) -> Iterator[Section]:
    judged = [one for one in found if one.is_worse is not None]
    exact = say("Each time is exact to about {step:duration}.", step=step_s)
    yield Section(
        title=say("What changed"),
        paragraphs=(*((exact,) if found else ()), *map(_demand, _neutral(found))),
        comparisons=tuple(_comparison(one, _reason(one)) for one in judged),
        gaps=() if is_enough else (_gap(),),
    )
    if deployed:
        yield _since_deploy(deployed)
    for trend in trends:
        comparison = replace(trend.comparison, subject=_WHOLE)
        yield Section(title=trend.label, comparisons=(comparison,))
    if noted:
        yield Section(title=say("What was done"), tables=(_markers(noted),))


def _since_deploy(deployed: tuple[Difference, ...]) -> Section:
    deploy = deployed[0].deploy
    reason = say("held side by side, minutes before and after the deploy")
    return Section(
        title=say("What differs since the last deploy"),
        paragraphs=(say("Deploy at {at:time}: {text}", at=deploy.at, text=deploy.text),),
        comparisons=tuple(_comparison(one, reason) for one in deployed),
    )


def in_force(found: Iterable[ServiceChange]) -> list[ServiceChange]:
    """The newest change of each figure: what was taken back since is over."""
    newest: dict[tuple[str, str | None], ServiceChange] = {}
    for one in sorted(found, key=lambda one: one.at):
        newest[one.name, one.subject] = one
    return list(newest.values())


def _worse(found: Iterable[ServiceChange]) -> list[ServiceChange]:
    return [one for one in in_force(found) if one.is_worse]


def _headline(
    found: tuple[ServiceChange, ...],
    deployed: tuple[Difference, ...],
    hours: float,
    *,
    is_enough: bool,
) -> Message:
    worse = _worse(found)
    if worse:
        first = max(worse, key=lambda one: (one.subject is None, one.ratio))
        return say(
            "{what} is {factor:factor} what it was, since {at:time}",
            what=_what(first),
            factor=first.ratio,
            at=first.at,
        )
    if deployed and deployed[0].is_worse:
        first_of = max((one for one in deployed if one.is_worse), key=lambda one: one.ratio)
        return say(
            "{what} is {factor:factor} what it was before the deploy at {at:time}",
            what=_what(first_of),
            factor=first_of.ratio,
            at=first_of.deploy.at,
        )
    if not is_enough:
        return say("Too little was measured to tell what changed")
    if found:
        return say("{count:count} changes, none of them for the worse by now", count=len(found))
    return say("Nothing changed over the last {span:duration}", span=hours * 3600)


def _status(
    found: tuple[ServiceChange, ...], deployed: tuple[Difference, ...], *, is_enough: bool
) -> Status:
    if _worse(found) or any(one.is_worse for one in deployed):
        return Status.REGRESSED
    return Status.OK if is_enough else Status.UNDECIDED


def _neutral(found: Iterable[ServiceChange]) -> list[ServiceChange]:
    return [one for one in found if one.is_worse is None]


def _demand(change: ServiceChange) -> Message:
    """What is neither good nor bad, but explains much."""
    return say(
        "{what}: {before} before, {after} since {at:time}.",
        what=_what(change),
        before=figure(change.before, change.format),
        after=figure(change.after, change.format),
        at=change.at,
    )


def _what(change: Shift) -> Message:
    if change.subject is None:
        return change.label
    return say("{kpi} of {subject}", kpi=change.label, subject=change.subject)


def _comparison(change: Shift, reason: Message) -> Comparison:
    return Comparison(
        subject=change.subject or _WHOLE,
        label=change.label,
        format=change.format,
        before=change.before,
        after=change.after,
        ratio=change.ratio,
        low=change.low,
        high=change.high,
        change=Change.REGRESSED if change.is_worse else Change.IMPROVED,
        reason=reason,
    )


def _reason(change: ServiceChange) -> Message:
    since = say("since {at:time}, sure to {sure:ratio}", at=change.at, sure=change.confidence)
    marker = change.marker
    if marker is None:
        return since
    if marker.kind is MarkerKind.DEPLOY:
        return say(
            "{since}; deploy at {at:time}: {text}", since=since, at=marker.at, text=marker.text
        )
    return say("{since}; note of {at:time}: {text}", since=since, at=marker.at, text=marker.text)


def _markers(noted: tuple[Marker, ...]) -> Table:
    return Table(
        title=say("The oldest first"),
        columns=(
            Column(say("when"), "time"),
            Column(say("kind")),
            Column(say("what")),
            Column(say("revision")),
        ),
        rows=tuple((one.at, one.kind.value, one.text, (one.revision or "")[:12]) for one in noted),
    )


def _gap() -> Gap:
    return Gap(
        subject=say("changes"),
        reason=say("too little was measured"),
        remedy=say("Let the service run with its monitor for half an hour or more"),
    )
