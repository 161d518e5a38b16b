"""
load: put a service under load, show a saved result again, compare two.
"""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.live import Live
from rich.text import Text

from keiko_perf.cli.output import (
    Destination,
    Format,
    FormatOption,
    Language,
    LanguageOption,
    OutputOption,
    progress_console,
    show,
)
from keiko_perf.errors import UsageError
from keiko_perf.loadtest import (
    ConstantRate,
    Limits,
    Load,
    Plan,
    Poisson,
    Progress,
    Stage,
    Stages,
    Step,
    Users,
    bearer,
    compare_results,
    report,
    run_in_own_loop,
    save,
)
from keiko_perf.loadtest import load as load_result
from keiko_perf.model import Target
from keiko_perf.model.kpi import ERROR_RATIO, LATENCY_P95, LATENCY_P99
from keiko_perf.render.units import show as show_value

_INTERRUPTED = 130
_DEFAULT_PER_S = 10.0
_UNITS_S = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0}
_DURATION = re.compile(r"(\d+(?:\.\d+)?)(ms|s|m|h)?")
_PLAIN_LINES_EVERY = 10

app = typer.Typer(help="Put a service under load, and compare results.", no_args_is_help=True)


@app.command("run")
def run_command(
    url: Annotated[str, typer.Argument(help="What is asked, such as http://127.0.0.1:8000/api.")],
    rate: Annotated[
        float | None, typer.Option(help="Open load: requests a second. 10 unless given.")
    ] = None,
    users: Annotated[
        int | None, typer.Option(help="Closed load: users who ask one after the other.")
    ] = None,
    stages: Annotated[
        str | None, typer.Option(help="Open load in stages: 50@30s,200@2m,0@10s.")
    ] = None,
    poisson: Annotated[
        bool, typer.Option("--poisson", help="Random distances between requests, with --rate.")
    ] = False,
    think: Annotated[str, typer.Option(help="How long a user thinks, with --users.")] = "0s",
    duration: Annotated[
        str | None, typer.Option(help="How long is measured: 500ms, 30s, 5m, 1h. 30s unless given.")
    ] = None,
    warmup: Annotated[str, typer.Option(help="Load before measuring begins.")] = "0s",
    timeout: Annotated[str, typer.Option(help="How long an answer may take.")] = "10s",
    connections: Annotated[int, typer.Option(help="Most connections of open load.")] = 100,
    method: Annotated[
        str | None, typer.Option("--method", "-X", help="GET, or POST with --json, unless given.")
    ] = None,
    header: Annotated[
        list[str] | None, typer.Option("--header", "-H", help="'Name: value', as often as needed.")
    ] = None,
    json_body: Annotated[
        str | None, typer.Option("--json", help="The body, as JSON; @FILE reads it from a file.")
    ] = None,
    token: Annotated[
        str,
        typer.Option(
            envvar="KEIKO_PERF_TOKEN",
            show_default=False,
            help="The bearer token. The environment variable keeps it out of the process list.",
        ),
    ] = "",
    save_to: Annotated[
        Path | None, typer.Option("--save", help="Keep the result in this file.")
    ] = None,
    max_p95: Annotated[
        str | None, typer.Option(help="Target: the p95 of the response times, such as 200ms.")
    ] = None,
    max_p99: Annotated[
        str | None, typer.Option(help="Target: the p99 of the response times.")
    ] = None,
    max_errors: Annotated[
        float, typer.Option(help="Target: the share of requests that may fail, in per cent.")
    ] = 1.0,
    own_target: Annotated[
        bool,
        typer.Option("--i-own-this-target", help="Allow a public address: it is yours to load."),
    ] = False,
    max_duration: Annotated[str, typer.Option(help="Refuse a longer test.")] = "1h",
    max_rate: Annotated[float, typer.Option(help="Refuse a higher rate.")] = 20_000.0,
    format: FormatOption = Format.TEXT,
    output: OutputOption = None,
    lang: LanguageOption = Language.ENGLISH,
) -> None:
    """Put URL under load and report what it took. Open load, at a fixed rate, unless --users."""
    base_url, path = _split(url)
    load = _load(rate=rate, users=users, stages=stages, poisson=poisson, think_s=_seconds(think))
    headers = _headers(header or [])
    plan = Plan(
        base_url=base_url,
        steps=(_step(path, method=method, body=json_body),),
        load=load,
        duration_s=_duration_s(duration, load),
        warmup_s=_seconds(warmup),
        timeout_s=_seconds(timeout),
        connections=connections,
        headers=bearer(token) | headers,
        own_target=own_target,
        limits=Limits(duration_s=_seconds(max_duration), per_s=max_rate),
    )
    targets = _targets(max_p95=max_p95, max_p99=max_p99, max_errors=max_errors)
    with _Watch(progress_console()) as watch:
        result = run_in_own_loop(plan, watch)
    if save_to is not None:
        save(result, save_to)
    exit_code = show(
        report(result, targets), Destination(format=format, file=output, language=lang)
    )
    raise typer.Exit(_INTERRUPTED if result.interrupted else exit_code)


@app.command("show")
def show_command(
    result: Annotated[Path, typer.Argument(help="A file that `load run --save` wrote.")],
    format: FormatOption = Format.TEXT,
    output: OutputOption = None,
    lang: LanguageOption = Language.ENGLISH,
) -> None:
    """Report on a saved result again, in any form."""
    found = report(load_result(result), command="load show")
    raise typer.Exit(show(found, Destination(format=format, file=output, language=lang)))


@app.command("compare")
def compare_command(
    before: Annotated[Path, typer.Argument(help="The result of the first run.")],
    after: Annotated[Path, typer.Argument(help="The result of the second run.")],
    percentile: Annotated[float, typer.Option(help="Of the response times.")] = 95.0,
    min_effect: Annotated[
        float, typer.Option(help="The least change that matters, in per cent.")
    ] = 5.0,
    format: FormatOption = Format.TEXT,
    output: OutputOption = None,
    lang: LanguageOption = Language.ENGLISH,
) -> None:
    """Say whether the second run is slower than the first, by how much, and how sure that is."""
    if not 0 < percentile < 100:
        raise UsageError(f"there is no percentile {percentile:g}", cure="Use one between 0 and 100")
    if not min_effect > 0:
        raise UsageError(f"an effect of {min_effect:g} %", cure="Use a number above 0")
    found = compare_results(
        load_result(before), load_result(after), q=percentile / 100, min_effect=min_effect / 100
    )
    raise typer.Exit(show(found, Destination(format=format, file=output, language=lang)))


class _Watch:
    """Shows how a run is going: one line that changes on a terminal, some plain lines elsewhere."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._live = Live(console=console, auto_refresh=False, transient=True)
        self._ticks = 0

    def __enter__(self) -> _Watch:
        if self._console.is_terminal:
            self._live.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._live.stop()

    def __call__(self, progress: Progress) -> None:
        self._ticks += 1
        if self._console.is_terminal:
            self._live.update(Text(_line(progress)), refresh=True)
        elif self._ticks % _PLAIN_LINES_EVERY == 0:
            self._console.print(Text(_line(progress)))


def _line(progress: Progress) -> str:
    p50_s, p95_s = progress.recent.succeeded.quantiles((0.5, 0.95))
    words = [
        f"{progress.elapsed_s:.0f}/{progress.total_s:.0f} s",
        "warming up" if progress.is_warming_up else show_value(progress.rate_per_s, "rate"),
        f"p50 {_shown(p50_s)}",
        f"p95 {_shown(p95_s)}",
        f"{progress.in_flight} in flight",
        f"{progress.failed} failed",
    ]
    if progress.dropped:
        words.append(f"{progress.dropped} dropped")
    return " · ".join(words)


def _shown(duration_s: float | None) -> str:
    return "–" if duration_s is None else show_value(duration_s, "duration")


def _split(url: str) -> tuple[str, str]:
    """The base URL and the path of a URL; a URL without a scheme is taken for http."""
    if "://" not in url:
        url = f"http://{url}"
    scheme, _, rest = url.partition("://")
    end = min((at for sign in "/?#" if (at := rest.find(sign)) >= 0), default=len(rest))
    path = rest[end:].partition("#")[0]
    return f"{scheme}://{rest[:end]}", path if path.startswith("/") else f"/{path}"


def _load(
    *, rate: float | None, users: int | None, stages: str | None, poisson: bool, think_s: float
) -> Load:
    if sum(one is not None for one in (rate, users, stages)) > 1:
        raise UsageError(
            "--rate, --users and --stages exclude each other", cure="Give one of the three"
        )
    if poisson and (users is not None or stages is not None):
        raise UsageError("--poisson goes with --rate alone", cure="Leave it out, or give --rate")
    if think_s and users is None:
        raise UsageError("--think goes with --users alone", cure="Leave it out, or give --users")
    if users is not None:
        return Users(users, think_s)
    if stages is not None:
        return Stages(tuple(_stage(one) for one in stages.split(",")))
    per_s = _DEFAULT_PER_S if rate is None else rate
    return Poisson(per_s) if poisson else ConstantRate(per_s)


def _stage(text: str) -> Stage:
    per_s, at, duration = text.strip().partition("@")
    try:
        return Stage(_seconds(duration if at else ""), float(per_s))
    except ValueError as error:
        raise UsageError(
            f"{text!r} is no stage",
            cure="Write stages as 50@30s,200@2m: a rate, and how long to it",
        ) from error


def _targets(*, max_p95: str | None, max_p99: str | None, max_errors: float) -> list[Target]:
    if not 0 <= max_errors <= 100:
        raise UsageError(f"{max_errors:g} % of errors", cure="Use a number from 0 to 100")
    targets = [Target(kpi=ERROR_RATIO, at_most=max_errors / 100)]
    for kpi, limit in ((LATENCY_P95, max_p95), (LATENCY_P99, max_p99)):
        if limit is not None:
            targets.append(Target(kpi=kpi, at_most=_seconds(limit)))
    return targets


def _duration_s(duration: str | None, load: Load) -> float:
    if duration is not None:
        return _seconds(duration)
    return load.duration_s if isinstance(load, Stages) else 30.0


def _seconds(text: str) -> float:
    found = _DURATION.fullmatch(text.strip())
    if found is None:
        raise UsageError(f"{text!r} is no duration", cure="Write it as 500ms, 30s, 5m or 1h")
    return float(found[1]) * _UNITS_S[found[2] or "s"]


def _headers(given: list[str]) -> dict[str, str]:
    headers = {}
    for one in given:
        name, colon, value = one.partition(":")
        if not colon:
            # It may be a secret that lost its name, so it is not repeated.
            raise UsageError("a header without a colon", cure="Write it as 'Name: value'")
        headers[name.strip().lower()] = value.strip()
    return headers


def _step(path: str, *, method: str | None, body: str | None) -> Step:
    if body is None:
        return Step(method=method or "GET", path=path)
    return Step.with_json(_parsed(body), path, method=method or "POST")


def _parsed(body: str) -> Any:
    if body.startswith("@"):
        try:
            body = Path(body[1:]).read_text(encoding="utf-8")
        except (OSError, UnicodeDecodeError) as error:
            raise UsageError(
                f"the body cannot be read from {body[1:]}", cure="Name a file of JSON in UTF-8"
            ) from error
    try:
        return json.loads(body)
    except ValueError as error:
        raise UsageError(f"--json is no JSON: {error}", cure="Quote it for the shell") from error
