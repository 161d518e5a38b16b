"""
load ab: two versions of a service under the same load, in turns, until it is decided.
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.text import Text

from keiko_perf.cli.course import Course
from keiko_perf.cli.live import LiveView
from keiko_perf.cli.load.asking import monitors_token
from keiko_perf.cli.load.ending import end
from keiko_perf.cli.load.options import Header, JsonBody, Method, Token, UserCount
from keiko_perf.cli.load.source import Given, source
from keiko_perf.cli.load.values import headers
from keiko_perf.cli.output import (
    INTERRUPTED,
    Destination,
    Format,
    FormatOption,
    LanguageOption,
    OutputOption,
    check_writable,
    progress_console,
    show,
)
from keiko_perf.errors import ServiceUnavailable, UsageError
from keiko_perf.loadtest import (
    ConstantRate,
    Plan,
    Progress,
    Users,
    bearer,
    load,
    run_in_own_loop,
)
from keiko_perf.loadtest.comparison.ab import (
    ALL,
    BYTES,
    CPU_S,
    STATEMENTS,
    Pair,
    Run,
    ab_report,
    compare_pairs,
    is_decided,
    order,
)
from keiko_perf.loadtest.comparison.served import PORT, RESULT, Served, made, served
from keiko_perf.loadtest.watching.watcher import Watcher
from keiko_perf.model import Comparison, Message
from keiko_perf.model.length import read_length
from keiko_perf.model.pairing import LEAST_PAIRS
from keiko_perf.render import phrase
from keiko_perf.render.words import name

_REPEATS = 2
_MOST_PAIRS = 100


def ab_command(
    before: Annotated[
        str,
        typer.Argument(metavar="A", help="The command of the first version; {port} in it."),
    ],
    after: Annotated[str, typer.Argument(metavar="B", help="That of the second.")],
    url: Annotated[
        str | None,
        typer.Option(
            help="What is asked for, such as http://127.0.0.1:{port}/items. Not needed where the "
            "commands write results themselves, to {result}.",
        ),
    ] = None,
    rate: Annotated[
        float, typer.Option(help="Requests a second: well below the capacity of both.")
    ] = 50.0,
    users: UserCount = None,
    duration: Annotated[str, typer.Option(help="How long each run is measured.")] = "10s",
    warmup: Annotated[str, typer.Option(help="Load before measuring begins.")] = "2s",
    pairs: Annotated[
        int, typer.Option(help="The most pairs; it ends before, once it is decided.")
    ] = 10,
    percentile: Annotated[float, typer.Option(help="Of the response times.")] = 95.0,
    min_effect: Annotated[
        float, typer.Option(help="The least change that matters, in per cent.")
    ] = 5.0,
    method: Method = None,
    header: Header = None,
    json_body: JsonBody = None,
    token: Token = "",
    format: FormatOption = Format.TEXT,
    output: OutputOption = None,
    lang: LanguageOption = None,
) -> None:
    """Say whether version B is slower than version A, by runs of both that take turns."""
    _check(percentile, min_effect, pairs)
    if output is not None:
        check_writable(output)
    console = progress_console()
    commands = (before, after)
    measure: Callable[[str], Run] = _from_file
    if not all(RESULT in one for one in commands):
        url = _with_a_port(url)
        sent = bearer(token) | headers(header or [])
        # The port is not known yet; the rest is read now, so that an error shows at once.
        asked = source(
            Given(target=url.replace(PORT, "1"), method=method, body=json_body, headers=sent)
        )
        plan = Plan(
            base_url=asked.base_url,
            steps=asked.steps,
            load=ConstantRate(rate) if users is None else Users(users),
            duration_s=read_length(duration),
            warmup_s=read_length(warmup),
            headers=sent,
        )
        measure = _Measured(plan, url, console, monitors_token() or token)
    turns = _Turns(commands, measure, console)
    q, effect = percentile / 100, min_effect / 100
    while len(turns.pairs) < pairs and turns.another():
        found = compare_pairs(turns.pairs, q=q, min_effect=effect)
        turns.tell(found)
        if is_decided(found):
            break
    if not turns.pairs:
        console.print(Text("stopped before the first pair", "bold yellow"))
        raise typer.Exit(4 if turns.invalid else INTERRUPTED)
    told = ab_report(
        turns.pairs,
        commands,
        q=q,
        min_effect=effect,
        invalid=turns.invalid,
        interrupted=turns.is_interrupted,
    )
    destination = Destination(format=format, file=output, language=lang)
    exit_code = show(told, destination)
    end(told, exit_code, destination, console, interrupted=turns.is_interrupted)


def _with_a_port(url: str | None) -> str:
    if url is None or PORT not in url:
        raise UsageError(
            "what is asked for is not said",
            cure="Give --url http://127.0.0.1:{port}/…, or let both commands write to {result}",
        )
    return url


def _check(percentile: float, min_effect: float, pairs: int) -> None:
    if not 0 < percentile < 100:
        raise UsageError(f"there is no percentile {percentile:g}", cure="Use one between 0 and 100")
    if not min_effect > 0:
        raise UsageError(f"an effect of {min_effect:g} %", cure="Use a number above 0")
    if not LEAST_PAIRS <= pairs <= _MOST_PAIRS:
        raise UsageError(
            f"{pairs} pairs", cure=f"Use {LEAST_PAIRS} to {_MOST_PAIRS}: fewer tell nothing"
        )


class _Turns:
    """Pair after pair, the versions in turns."""

    def __init__(
        self, commands: tuple[str, str], measure: Callable[[str], Run], console: Console
    ) -> None:
        self._commands, self._measure, self._console = commands, measure, console
        self.pairs: list[Pair] = []
        self.invalid: tuple[Message, ...] = ()
        self.is_interrupted = False

    def another(self) -> bool:
        """Measure one pair more; whether it could be."""
        runs: dict[int, Run] = {}
        try:
            for version in order(len(self.pairs)):
                run = self._valid(self._commands[version])
                if run is None:
                    return False
                runs[version] = run
        except KeyboardInterrupt:
            self.is_interrupted = True
            return False
        self.pairs.append(Pair(runs[0], runs[1]))
        return True

    def tell(self, found: tuple[Comparison, ...]) -> None:
        told = " · ".join(_told(one) for one in found)
        self._console.print(Text(f"pair {len(self.pairs)}  {told}", "dim"), soft_wrap=True)

    def _valid(self, command: str) -> Run | None:
        """A run that may be believed; one that may not is repeated."""
        for _ in range(_REPEATS + 1):
            run = self._measure(command)
            if run.result.interrupted:
                self.is_interrupted = True
                return None
            if not run.result.invalid:
                return run
            self._console.print(Text("a run was invalid, and is repeated", "yellow"))
        self.invalid = run.result.invalid
        return None


def _from_file(command: str) -> Run:
    """The result that a command writes itself."""
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "result.json"
        made(command, file)
        result = load(file)
    size, count = result.received_bytes, result.response.count
    return Run(result=result, costs={BYTES: size / count} if size and count else {})


@dataclass(frozen=True, slots=True)
class _Measured:
    """Starts a version, puts it under load and stops it."""

    plan: Plan
    url: str
    console: Console
    token: str

    def __call__(self, command: str) -> Run:
        with ExitStack() as stack:
            service = stack.enter_context(served(command))
            base_url = source(Given(target=self.url.replace(PORT, str(service.port)))).base_url
            plan = replace(self.plan, base_url=base_url)
            watcher = self._watched(stack, base_url)
            cpu = _Cpu(service)
            view = stack.enter_context(LiveView(self.console, Course(plan.load)))

            def tick(progress: Progress) -> None:
                view(progress)
                cpu.take(progress)

            result = run_in_own_loop(plan, tick, processes=1)
            readings = () if watcher is None else watcher.readings
        costs = dict(cpu.costs)
        size, count = result.received_bytes, result.response.count
        if size and count:
            costs[BYTES] = size / count
        if len(readings) > 1:
            statements = readings[-1].statements_since(readings[0])
            if statements is not None:
                costs[STATEMENTS] = statements
        return Run(result=result, costs=costs)

    def _watched(self, stack: ExitStack, base_url: str) -> Watcher | None:
        try:
            return stack.enter_context(Watcher(base_url, token=self.token))
        except ServiceUnavailable:
            return None  # it has no monitor, so its statements are not counted


class _Cpu:
    """The CPU time of a service's processes for each request, from the end of the warm-up on."""

    def __init__(self, service: Served) -> None:
        self._service = service
        self._first: tuple[float, int] | None = None
        self._last: tuple[float, int] | None = None

    def take(self, progress: Progress) -> None:
        if progress.is_warming_up:
            return
        seen = self._service.cpu_s(), progress.succeeded + progress.failed
        self._first = self._first or seen
        self._last = seen

    @property
    def costs(self) -> dict[str, float]:
        if self._first is None or self._last is None:
            return {}
        used_s, count = self._last[0] - self._first[0], self._last[1] - self._first[1]
        return {CPU_S: used_s / count} if count > 0 and used_s > 0 else {}


def _told(one: Comparison) -> str:
    """`GET /items response time p95 regressed (+12.0 %)`; of all requests the figure alone."""
    whose = "" if one.subject == ALL else f"{one.subject} "
    by = "" if one.ratio is None else f" ({one.ratio - 1:+.1%})".replace("%", " %")
    return f"{whose}{phrase(one.label)} {phrase(name(one.change))}{by}"
