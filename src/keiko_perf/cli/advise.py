"""
db advise and db verify: which indexes a workload lacks, and whether they held what was promised.
"""

from __future__ import annotations

import json
import re
import time
from collections.abc import Callable
from datetime import UTC, datetime
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from keiko_perf.cli.database import DatabaseOption, TimeoutOption, answer_with
from keiko_perf.cli.output import (
    Destination,
    Format,
    FormatOption,
    LanguageOption,
    OutputOption,
    progress_console,
)
from keiko_perf.errors import UsageError
from keiko_perf.model import Report

if TYPE_CHECKING:  # the part needs the extra `postgres`; `--help` must not
    from keiko_perf.diagnosis.postgres import Database
    from keiko_perf.diagnosis.statements.workload import Workload

_SIZE = re.compile(r"(\d+(?:\.\d+)?)\s*([a-z]*)", re.I)
_UNITS = {
    **dict.fromkeys(("", "b", "bytes"), 1.0),
    **dict.fromkeys(("k", "kb"), 1e3),
    **dict.fromkeys(("m", "mb"), 1e6),
    **dict.fromkeys(("g", "gb"), 1e9),
    **dict.fromkeys(("t", "tb"), 1e12),
    "kib": 2.0**10,
    "mib": 2.0**20,
    "gib": 2.0**30,
    "tib": 2.0**40,
}


class Sizes(StrEnum):
    """Whose sizes of indexes a budget counts."""

    BUILT = "built"
    PLANNER = "planner"


def advise(
    database: DatabaseOption = None,
    workload: Annotated[
        Path | None,
        typer.Option(
            help="A file of statements: SQL, each ended by ; and weighed by a comment such as"
            " -- weight: 12, or JSON. By default what pg_stat_statements has recorded.",
            show_default=False,
        ),
    ] = None,
    history: Annotated[
        Path | None,
        typer.Option(
            help="A file of snapshots, as db snapshot keeps them: the statements between these.",
            show_default=False,
        ),
    ] = None,
    budget: Annotated[
        str | None,
        typer.Option(help="How large all the indexes may be together, such as 500MB."),
    ] = None,
    sizes: Annotated[
        Sizes,
        typer.Option(
            help="Whose sizes the budget counts: built, what an index takes once it is made, or"
            " planner, what the planner takes it for, as other advisors do."
        ),
    ] = Sizes.BUILT,
    max_indexes: Annotated[
        int | None,
        typer.Option(help="How many indexes at most; 10, or with a budget as many as pay.", min=1),
    ] = None,
    kinds: Annotated[
        str | None,
        typer.Option(
            help="Which kinds, with commas: plain, covering, partial, expression, gin, brin."
            " By default all.",
            show_default=False,
        ),
    ] = None,
    time_limit: Annotated[
        float | None,
        typer.Option(help="Seconds after which the best so far is given.", min=0.1),
    ] = None,
    scratch_schema: Annotated[
        str | None,
        typer.Option(
            help="Try GIN indexes for real on samples of at most 50,000 rows or 64 MB a table, in a"
            " schema of this name: made, and rolled back with all that is in it, in one"
            " transaction a table. It needs CREATE on the database.",
            show_default=False,
        ),
    ] = None,
    timeout: TimeoutOption = 30.0,
    format: FormatOption = Format.TEXT,
    output: OutputOption = None,
    lang: LanguageOption = None,
) -> None:
    """The indexes that the statements lack, each priced by the planner."""
    budget_bytes = None if budget is None else bytes_of(budget)
    if workload is not None and history is not None:
        raise UsageError(
            "the statements cannot come from a workload and from a history",
            cure="Leave --workload or --history out",
        )
    text = None if workload is None else _text_of(workload)

    async def answer(connected: Database) -> Report:
        from keiko_perf.diagnosis.advice.advisor import advise as advised
        from keiko_perf.diagnosis.candidates.kinds import ALL, kinds_of
        from keiko_perf.diagnosis.catalog import recorded_workload
        from keiko_perf.diagnosis.pricing.scratch import Scratch, check
        from keiko_perf.diagnosis.reports import advice_report
        from keiko_perf.diagnosis.statements.workload_text import workload_of

        scratch = None if scratch_schema is None else Scratch(scratch_schema)
        if scratch is not None:
            await check(connected, scratch)
        chosen = ALL if kinds is None else kinds_of([one.strip() for one in kinds.split(",")])
        if text is not None:
            statements = workload_of(text)
        elif history is not None:
            statements = _between_snapshots(history, connected.place)
        else:
            statements = await recorded_workload(connected)
        with progress_console().status("asking the planner"):
            advice = await advised(
                connected,
                statements,
                max_indexes=max_indexes,
                budget_bytes=budget_bytes,
                kinds=chosen,
                is_late=_lateness(time_limit),
                scratch=scratch,
                counts_built=sizes is Sizes.BUILT,
            )
        return advice_report(advice, read_at=datetime.now(UTC), server=connected.server)

    answer_with(answer, database, timeout, Destination(format, output, lang))


def _between_snapshots(file: Path, place: str) -> Workload:
    from keiko_perf.diagnosis.history.file import HistoryFile
    from keiko_perf.diagnosis.statements.workload import Workload

    periods = HistoryFile(file).periods(place)
    if not periods:
        raise UsageError(
            f"there are no two snapshots of {place} in {file}",
            cure="Take one: keiko-perf db snapshot, and another one after some time",
        )
    return Workload.from_periods(periods)


def _lateness(time_limit_s: float | None) -> Callable[[], bool]:
    if time_limit_s is None:
        return lambda: False
    end = time.monotonic() + time_limit_s
    return lambda: time.monotonic() >= end


def verify(
    advice: Annotated[
        Path,
        typer.Argument(
            help="What db advise --format json --output FILE has written.", show_default=False
        ),
    ],
    database: DatabaseOption = None,
    timeout: TimeoutOption = 30.0,
    format: FormatOption = Format.TEXT,
    output: OutputOption = None,
    lang: LanguageOption = None,
) -> None:
    """Whether the indexes that were advised hold what was promised, once they are made."""
    text = _text_of(
        advice, "Keep the advice with: keiko-perf db advise --format json --output advice.json"
    )

    async def answer(connected: Database) -> Report:
        from keiko_perf.diagnosis.advice.fulfilment import fulfilment
        from keiko_perf.diagnosis.advice.promise import promises_of
        from keiko_perf.diagnosis.reports import promises_report

        try:
            document = json.loads(text)
        except ValueError:
            document = None
        judged = await fulfilment(connected, promises_of(document))
        return promises_report(judged, read_at=datetime.now(UTC), server=connected.server)

    answer_with(answer, database, timeout, Destination(format, output, lang))


def bytes_of(size: str) -> float:
    """
    A size as people write it: `500MB`, `1.5 GB`, `2GiB`, or a number of bytes.

    Raises:
        UsageError: it is none.
    """
    match = _SIZE.fullmatch(size.strip())
    unit = _UNITS.get(match[2].lower()) if match else None
    number = float(match[1]) * unit if match and unit else 0.0
    if number < 1:
        raise UsageError(f"{size!r} is no size", cure="Write it such as 500MB, 1.5GB or 2GiB")
    return number


def _text_of(file: Path, cure: str = "Name a file of SQL or JSON") -> str:
    try:
        return file.read_text(encoding="utf-8")
    except UnicodeDecodeError:
        raise UsageError(f"{file} is no text in UTF-8", cure="Save it as UTF-8") from None
    except OSError as error:
        raise UsageError(f"{file} cannot be read: {error.strerror}", cure=cure) from None
