"""
load show and load compare: what was saved says it again, or says what changed.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Annotated

import typer

from keiko_perf.cli.load.options import MaxErrors, MaxP50, MaxP95, MaxP99, MinRate, SloText
from keiko_perf.cli.load.promises import Promised, check_subjects, promises
from keiko_perf.cli.output import (
    Destination,
    Format,
    FormatOption,
    LanguageOption,
    OutputOption,
    show,
)
from keiko_perf.errors import UsageError
from keiko_perf.loadtest import compare_results, load, read_promises, report


def show_command(
    result: Annotated[Path, typer.Argument(help="A file that `load run --save` wrote.")],
    max_p50: MaxP50 = None,
    max_p95: MaxP95 = None,
    max_p99: MaxP99 = None,
    max_errors: MaxErrors = None,
    min_rate: MinRate = None,
    slo: SloText = None,
    format: FormatOption = Format.TEXT,
    output: OutputOption = None,
    lang: LanguageOption = None,
) -> None:
    """Report on a saved result again, in any form; held against other targets if any are given."""
    found = load(result)
    promised = Promised(
        max_p50=max_p50 or (),
        max_p95=max_p95 or (),
        max_p99=max_p99 or (),
        max_errors=max_errors or (),
        min_rate=min_rate or (),
    )
    targets = found.targets if promised.is_empty else promises(promised)
    if slo:
        found = replace(found, promises=read_promises(slo), stopped=None)
    about = (*targets, *(one.target for one in found.promises))
    check_subjects(about, [step.name for step in found.steps])
    shown = report(found, targets, command="load show")
    raise typer.Exit(show(shown, Destination(format=format, file=output, language=lang)))


def compare_command(
    before: Annotated[Path, typer.Argument(help="The result of the first run.")],
    after: Annotated[Path, typer.Argument(help="The result of the second run.")],
    percentile: Annotated[float, typer.Option(help="Of the response times.")] = 95.0,
    min_effect: Annotated[
        float, typer.Option(help="The least change that matters, in per cent.")
    ] = 5.0,
    format: FormatOption = Format.TEXT,
    output: OutputOption = None,
    lang: LanguageOption = None,
) -> None:
    """Say whether the second run is slower than the first, by how much, and how sure that is."""
    if not 0 < percentile < 100:
        raise UsageError(f"there is no percentile {percentile:g}", cure="Use one between 0 and 100")
    if not min_effect > 0:
        raise UsageError(f"an effect of {min_effect:g} %", cure="Use a number above 0")
    found = compare_results(
        load(before), load(after), q=percentile / 100, min_effect=min_effect / 100
    )
    raise typer.Exit(show(found, Destination(format=format, file=output, language=lang)))
