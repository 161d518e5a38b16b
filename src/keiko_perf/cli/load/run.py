"""
load run: put a service under load, show how it goes, report what it took.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import NoReturn

from rich.console import Console

from keiko_perf.cli.course import Course
from keiko_perf.cli.live import LiveView
from keiko_perf.cli.load.arrivals import Asked, arrivals
from keiko_perf.cli.load.asking import asks, tell_left_out
from keiko_perf.cli.load.ending import end
from keiko_perf.cli.load.options import (
    AcceptsGzip,
    CaFile,
    CertFile,
    Connections,
    DatabaseUrl,
    Duration,
    FollowRedirects,
    IsInsecure,
    IsOwnTarget,
    IsPoisson,
    KeyFile,
    MaxDuration,
    MaxErrors,
    MaxP50,
    MaxP95,
    MaxP99,
    MaxRate,
    MinRate,
    Processes,
    Rate,
    ReplayFile,
    ResolvesEach,
    SaveFile,
    SloText,
    Spike,
    StagesText,
    ThinkTime,
    Timeout,
    UnixSocket,
    UserCount,
    UsesProxy,
    Warmup,
    WatchUrl,
)
from keiko_perf.cli.load.promises import Promised, check_subjects, promises
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
    Promise,
    Result,
    Users,
    read_promises,
    report,
    run_in_own_loop,
    save,
)
from keiko_perf.loadtest.target import Tls
from keiko_perf.loadtest.verdicts.breaking import together
from keiko_perf.loadtest.verdicts.judging import Judge
from keiko_perf.loadtest.verdicts.steady import warmup as warmup_of
from keiko_perf.loadtest.watching.meanwhile import Meanwhile
from keiko_perf.model.length import read_length

AUTO = "auto"


@asks
def run_command(
    given: Given,
    rate: Rate = None,
    users: UserCount = None,
    stages: StagesText = None,
    replay_file: ReplayFile = None,
    poisson: IsPoisson = False,
    spike: Spike = None,
    think: ThinkTime = None,
    duration: Duration = None,
    warmup: Warmup = "0s",
    processes: Processes = 1,
    timeout: Timeout = "10s",
    connections: Connections = 100,
    ca: CaFile = None,
    cert: CertFile = None,
    key: KeyFile = None,
    insecure: IsInsecure = False,
    unix_socket: UnixSocket = None,
    follow_redirects: FollowRedirects = 0,
    gzip: AcceptsGzip = False,
    proxy_from_env: UsesProxy = False,
    dns_per_connection: ResolvesEach = False,
    max_p50: MaxP50 = None,
    max_p95: MaxP95 = None,
    max_p99: MaxP99 = None,
    max_errors: MaxErrors = None,
    min_rate: MinRate = None,
    slo: SloText = None,
    watch: WatchUrl = None,
    database: DatabaseUrl = None,
    own_target: IsOwnTarget = False,
    max_duration: MaxDuration = "1h",
    max_rate: MaxRate = 20_000.0,
    save_to: SaveFile = None,
    format: FormatOption = Format.TEXT,
    output: OutputOption = None,
    lang: LanguageOption = None,
) -> None:
    """Put TARGET under load and report what it took. Open load, at a fixed rate, unless --users."""
    load, duration_s = arrivals(
        Asked(
            rate=rate,
            users=users,
            stages=stages,
            replay=replay_file,
            poisson=poisson,
            spike=spike,
            think=think,
            duration=duration,
        )
    )
    options = Promised(
        max_p50=max_p50 or (),
        max_p95=max_p95 or (),
        max_p99=max_p99 or (),
        max_errors=max_errors or (),
        min_rate=min_rate or (),
    )
    promised = read_promises(slo or ())
    asked = source(given)
    if not promised and options.is_empty:
        promised = asked.promises
    targets = promises(options, others=[one.target for one in promised])
    plan = Plan(
        base_url=asked.base_url,
        steps=asked.steps,
        scenarios=asked.scenarios,
        load=load,
        duration_s=duration_s,
        warmup_s=0.0 if warmup == AUTO else read_length(warmup),
        timeout_s=read_length(timeout),
        connections=connections,
        headers=given.headers,
        own_target=own_target,
        limits=Limits(duration_s=read_length(max_duration), per_s=max_rate),
        tls=Tls(
            ca_file=_path(ca),
            cert_file=_path(cert),
            key_file=_path(key),
            verify=asked.verify and not insecure,
        ),
        unix_socket=_path(unix_socket),
        follow_redirects=follow_redirects,
        accept_gzip=gzip,
        uses_proxy=proxy_from_env,
        resolves_each=dns_per_connection,
    )
    judged = (*targets, *(one.target for one in promised))
    if plan.steps:
        check_subjects(judged, asked.names)
    if warmup == AUTO and not isinstance(load, ConstantRate | Poisson | Users):
        raise UsageError(
            "--warmup auto goes with a load that stays the same", cure="Give it a length, or none"
        )
    for file in filter(None, (save_to, output)):
        check_writable(file)
    console = progress_console()
    tell_left_out(asked, console)
    meanwhile = Meanwhile(
        watch=watch,
        database=sessions_of(database) if database else None,
        token=given.token,
        targets=judged,
    )
    course = Course(plan.load, judged, warmup_s=plan.warmup_s, meanwhile=meanwhile)
    with meanwhile, LiveView(console, course) as view:
        result = _measured(plan, promised, meanwhile, view, processes=processes)
    if warmup == AUTO:
        result = replace(result, warmup=warmup_of(together(result.steps)[0]))
    destination = Destination(format=format, file=output, language=lang)
    _tell(replace(result, targets=targets), save_to, destination, console)


def _measured(
    plan: Plan,
    promised: tuple[Promise, ...],
    meanwhile: Meanwhile,
    view: LiveView,
    *,
    processes: int,
) -> Result:
    """What came of it, with what was watched meanwhile; a promise may stop it."""
    judge = Judge(promised, warmup_s=plan.warmup_s, inside=meanwhile.lately)
    result = run_in_own_loop(plan, view, processes=processes, stops=judge.take)
    seen = meanwhile.watched(result)
    return replace(result, promises=promised, stopped=judge.stopped, watched=seen)


def _tell(
    result: Result, save_to: Path | None, destination: Destination, console: Console
) -> NoReturn:
    try:
        if save_to is not None:
            save(result, save_to)
    finally:  # what was measured is shown, even if it cannot be kept
        told = report(result)
        exit_code = show(told, destination)
    was_interrupted = result.interrupted and result.stopped is None
    end(told, exit_code, destination, console, saved=save_to, interrupted=was_interrupted)


def _path(file: Path | None) -> str:
    return "" if file is None else str(file)
