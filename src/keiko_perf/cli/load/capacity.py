"""
load capacity: find the highest rate at which a service keeps its promises, and what limits it.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import Annotated

import typer
from rich.console import Console
from rich.text import Text

from keiko_perf.cli.course import Course
from keiko_perf.cli.live import LiveView
from keiko_perf.cli.load.asking import asks, tell_left_out
from keiko_perf.cli.load.ending import end
from keiko_perf.cli.load.options import (
    CaFile,
    DatabaseUrl,
    IsInsecure,
    IsOwnTarget,
    IsPoisson,
    MaxDuration,
    Processes,
    Timeout,
    WatchUrl,
)
from keiko_perf.cli.load.promises import check_subjects
from keiko_perf.cli.load.sessions import sessions_of
from keiko_perf.cli.load.source import Given, source
from keiko_perf.cli.output import (
    Destination,
    Format,
    FormatOption,
    LanguageOption,
    OutputOption,
    check_writable,
    progress_console,
    show,
)
from keiko_perf.errors import UsageError
from keiko_perf.loadtest import (
    ConstantRate,
    Limits,
    Plan,
    Poisson,
    Progress,
    Promise,
    read_promises,
    run_in_own_loop,
)
from keiko_perf.loadtest.capacity.report import Asked, capacity_report
from keiko_perf.loadtest.capacity.search import Passed, Search, Trial, Tried, start_per_s
from keiko_perf.loadtest.capacity.trial import hopeless, judged
from keiko_perf.loadtest.target import Tls
from keiko_perf.loadtest.watching.meanwhile import Meanwhile
from keiko_perf.loadtest.watching.watched import Watched
from keiko_perf.model import Message, Report, Target
from keiko_perf.model.kpi import THROUGHPUT
from keiko_perf.model.length import read_length
from keiko_perf.render import phrase
from keiko_perf.render.units import show as shown

DEFAULT_SLO = "p95<200ms, errors<0.1%"
_CONNECTIONS = 1000
_SHORTEST_S = 3.0
_WARMUP_SHARE = 0.1
_LEAST_WARMUP_S = 1.0
_REST_S = 1.0
"""After a step that failed, for what the service still has on its hands."""


@asks
def capacity_command(
    given: Given,
    slo: Annotated[
        list[str] | None,
        typer.Option(
            "--slo",
            help="What each step has to keep; if not given, what the file of the scenarios says in "
            f"its `slo`, or '{DEFAULT_SLO}'. 'rps>500' asks for a capacity of at least that.",
        ),
    ] = None,
    start: Annotated[
        float | None, typer.Option("--start", help="The first rate, requests a second.")
    ] = None,
    most: Annotated[
        float, typer.Option("--max", help="The highest rate that may be tried.")
    ] = 5000.0,
    step_seconds: Annotated[
        float, typer.Option(help="How long a step lasts, unless its percentiles need more.")
    ] = 10.0,
    watch: WatchUrl = None,
    database: DatabaseUrl = None,
    poisson: IsPoisson = False,
    processes: Processes = 1,
    timeout: Timeout = "10s",
    ca: CaFile = None,
    insecure: IsInsecure = False,
    own_target: IsOwnTarget = False,
    max_duration: MaxDuration = "1h",
    format: FormatOption = Format.TEXT,
    output: OutputOption = None,
    lang: LanguageOption = None,
) -> None:
    """Find the highest rate at which TARGET keeps its promises, and with --watch what limits it."""
    promised = read_promises(slo or ())
    asked = source(given)
    kept, required = _promised(promised or asked.promises or read_promises(DEFAULT_SLO))
    if not step_seconds >= _SHORTEST_S:
        raise UsageError(
            f"steps of {step_seconds:g} s",
            cure=f"Use steps of {_SHORTEST_S:g} s or longer: no queue that grows shows sooner",
        )
    first = min(start_per_s(kept, step_seconds), most) if start is None else start
    search = Search(kept, start_per_s=first, most_per_s=most, asked_s=step_seconds)
    plan = Plan(
        base_url=asked.base_url,
        steps=asked.steps,
        scenarios=asked.scenarios,
        load=ConstantRate(first),
        duration_s=step_seconds,
        timeout_s=read_length(timeout),
        connections=_CONNECTIONS,
        headers=given.headers,
        own_target=own_target,
        limits=Limits(duration_s=read_length(max_duration), per_s=max(most * 2, first)),
        tls=Tls(ca_file="" if ca is None else str(ca), verify=asked.verify and not insecure),
    )
    if plan.steps:
        check_subjects(kept, asked.names)
    if output is not None:
        check_writable(output)
    console = progress_console()
    tell_left_out(asked, console)
    steps = _Steps(
        plan=plan,
        targets=kept,
        console=console,
        processes=processes,
        load=Poisson if poisson else ConstantRate,
        meanwhile=Meanwhile(
            watch=watch,
            database=sessions_of(database) if database else None,
            token=given.token,
            targets=kept,
        ),
    )
    with steps.meanwhile:
        _carry_out(search, steps, longest_s=read_length(max_duration))
    found = steps.report(search, required, is_watched=watch is not None)
    destination = Destination(format=format, file=output, language=lang)
    exit_code = show(found, destination)
    end(found, exit_code, destination, console, interrupted=steps.is_interrupted)


def _promised(promises: Sequence[Promise]) -> tuple[tuple[Target, ...], tuple[Target, ...]]:
    """What each step has to keep, and what the capacity has to reach."""
    if any(one.window_s is not None or one.stops for one in promises):
        raise UsageError(
            "a promise with a window, or that stops the run, in a search",
            cure="Leave 'for' and 'stop as failed' out, or give others with --slo: each step is a "
            "window of its own",
        )
    targets = [one.target for one in promises]
    kept = tuple(one for one in targets if one.kpi is not THROUGHPUT)
    required = tuple(one for one in targets if one.kpi is THROUGHPUT)
    if not kept:
        raise UsageError(
            "a capacity without a promise to keep",
            cure=f"Give one about response times or errors, such as --slo '{DEFAULT_SLO}'",
        )
    if any(one.subject is not None for one in required):
        raise UsageError("a capacity of one step alone", cure="Write it as rps>500")
    return kept, required


@dataclass(kw_only=True, slots=True)
class _Steps:
    """Measures one step after the other."""

    plan: Plan
    targets: tuple[Target, ...]
    console: Console
    processes: int
    load: Callable[[float], ConstantRate | Poisson]
    meanwhile: Meanwhile
    begun_s: float = field(default_factory=time.monotonic)
    notes: tuple[Message, ...] = ()
    environment: dict[str, str] = field(default_factory=dict)
    seen: Watched | None = None
    is_interrupted: bool = False

    @property
    def passed_s(self) -> float:
        return time.monotonic() - self.begun_s

    def measure(self, trial: Trial) -> Tried:
        """Put the service under one rate."""
        plan = replace(
            self.plan,
            load=self.load(trial.per_s),
            duration_s=trial.duration_s,
            warmup_s=max(_LEAST_WARMUP_S, _WARMUP_SHARE * trial.duration_s),
        )
        ended = _Hopeless(trial, self.targets)
        started_s = self.passed_s
        course = Course(plan.load, self.targets, warmup_s=plan.warmup_s, meanwhile=self.meanwhile)
        with LiveView(self.console, course) as view:
            result = run_in_own_loop(plan, view, processes=self.processes, stops=ended)
        self.is_interrupted = result.interrupted and not ended.is_hopeless
        self.notes, self.environment = result.notes, dict(result.environment)
        self.seen = self.meanwhile.watched(result)
        return judged(
            replace(result, watched=self.seen),
            trial,
            self.targets,
            started_s=started_s,
            window=None if self.seen is None else self.seen.window,
            was_hopeless=ended.is_hopeless,
        )

    def report(self, search: Search, required: tuple[Target, ...], *, is_watched: bool) -> Report:
        """What the search has found, in the light of all steps."""
        asked = Asked(
            target=self.plan.target.url,
            targets=self.targets,
            at_least=required,
            is_watched=is_watched,
            seen=self.seen,
            notes=self.notes,
            interrupted=self.is_interrupted,
        )
        return capacity_report(
            search.capacity, asked, ended_at=datetime.now(UTC), environment=self.environment
        )

    def tell(self, number: int, tried: Tried) -> None:
        why = f": {phrase(tried.reasons[0])}" if tried.reasons else ""
        p95 = "–" if tried.p95_s is None else shown(tried.p95_s, "duration")
        line = (
            f"step {number}  {tried.trial.purpose.value:<8} {shown(tried.per_s, 'rate'):>8}  "
            f"p95 {p95:>7}  {tried.passed.value}{why}"
        )
        style = {Passed.YES: "green", Passed.NO: "red"}.get(tried.passed, "yellow")
        self.console.print(Text(line, style), soft_wrap=True)


class _Hopeless:
    """Whether a step need not go on."""

    def __init__(self, trial: Trial, targets: tuple[Target, ...]) -> None:
        self._trial, self._targets = trial, targets
        self.is_hopeless = False

    def __call__(self, progress: Progress) -> bool:
        if not progress.is_draining and not progress.is_warming_up and not self.is_hopeless:
            self.is_hopeless = hopeless(progress, self._trial, self._targets)
            return self.is_hopeless
        return False


def _carry_out(search: Search, steps: _Steps, *, longest_s: float) -> None:
    """Step after step, until nothing is left to find out, or whoever waits has had enough."""
    number = 0
    while (trial := search.next()) is not None and steps.passed_s < longest_s:
        number += 1
        try:
            tried = steps.measure(trial)
        except KeyboardInterrupt:  # a second one, while the step was stopping
            steps.is_interrupted = True
            return
        if steps.is_interrupted:
            return
        search.take(tried)
        steps.tell(number, tried)
        if tried.passed is Passed.NO:
            time.sleep(_REST_S)
