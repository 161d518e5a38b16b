"""
Families: what a service exports, named as OpenTelemetry's semantic conventions name it. Pure.

Counters and histograms only ever grow; gauges are those of the last minute. What the conventions
do not name begins with `keiko_`. A label's value is a route's template, a statement's normalised
text or a name given in code: no path, query string or parameter.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import Enum

from keiko_perf.model import Histogram, Kind, Outcome, Series, Snapshot, Verdict
from keiko_perf.monitoring.alerts.alerts import Alert, AlertState

Labels = tuple[tuple[str, str], ...]


class Sort(Enum):
    """What a family's samples are."""

    COUNTER = "counter"
    GAUGE = "gauge"
    HISTOGRAM = "histogram"


@dataclass(frozen=True, slots=True)
class Sample:
    """One value, or one histogram, and whose it is."""

    labels: Labels
    value: float | Histogram


@dataclass(frozen=True, slots=True)
class Family:
    """
    Attributes:
        name: without the `_total` of a counter.
        sort: what its samples are.
        help: what it is, in one sentence.
        unit: at the end of the name; empty if it has none.
        samples: one for each set of labels.
    """

    name: str
    sort: Sort
    help: str
    unit: str
    samples: tuple[Sample, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class View:
    """
    All that is exported.

    Attributes:
        totals: everything since *since*, of all workers.
        since: when counting began, aware UTC.
        current: the last minute; None before anything was measured.
        verdicts: by check.
        alerts: as they stand.
        build: what runs: versions and revisions by name.
        figures: further gauges, by name without `keiko_`, such as those of error budgets.
    """

    totals: Snapshot
    since: datetime
    current: Snapshot | None
    verdicts: Mapping[str, Verdict]
    alerts: Iterable[Alert]
    build: Mapping[str, str]
    figures: Mapping[str, tuple[Sample, ...]]


_HISTOGRAMS: dict[Kind, tuple[str, str, str]] = {
    Kind.ROUTE: (
        "http_server_request_duration",
        "http_route",
        "Duration of requests up to the last byte of the answer, or to its first event.",
    ),
    Kind.FIRST_BYTE: (
        "keiko_http_server_first_byte",
        "http_route",
        "Time to the first byte of answers that come in pieces.",
    ),
    Kind.STREAM: (
        "keiko_event_stream_duration",
        "http_route",
        "How long answers of server-sent events lasted that the service ended.",
    ),
    Kind.WEBSOCKET: (
        "keiko_websocket_duration",
        "http_route",
        "How long WebSocket connections lasted.",
    ),
    Kind.STATEMENT: (
        "db_client_operation_duration",
        "db_query_text",
        "Duration of SQL statements, by their normalised text.",
    ),
    Kind.OUTGOING: (
        "http_client_request_duration",
        "server_address",
        "How long requests waited for other services, with attribution.",
    ),
    Kind.POOL: (
        "db_client_connection_wait_time",
        "db_client_connection_pool_name",
        "Waits for a database connection.",
    ),
    Kind.HOLD: (
        "db_client_connection_use_time",
        "db_client_connection_pool_name",
        "For how long database connections were held.",
    ),
    Kind.TASK: ("keiko_task_duration", "task", "Duration of background tasks."),
    Kind.QUEUE: ("keiko_task_queue_time", "task", "Waits of background tasks in their queue."),
    Kind.LOOP: ("keiko_event_loop_lag", "loop", "How late the event loop ran."),
    Kind.GC: ("keiko_gc_pause", "generation", "Pauses for the collection of garbage."),
}
_GAUGES = {
    "cpu_ratio": ("process_cpu_utilization_ratio", "CPU, of what the process may use."),
    "memory_ratio": ("keiko_memory_utilization_ratio", "Memory, of what the service may use."),
    "rss_bytes": ("process_memory_usage_bytes", "Resident memory of a worker."),
    "in_flight": ("http_server_active_requests", "Requests being answered."),
    "open_files": ("process_open_file_descriptors", "Open files of a worker."),
    "threads": ("process_threads", "Threads of a worker."),
    "pool_ratio": ("keiko_db_pool_utilization_ratio", "Connections in use, of the pool."),
}
_MICROSECONDS = "_us"
_UNITS = ("seconds", "ratio", "bytes")
_LONGEST = 300
"""Of a label's value; what is longer is cut, and told apart by its hash."""
_NAME = re.compile(r"[^a-zA-Z0-9_]")


def families(view: View) -> Iterator[Family]:
    """Everything of *view*; a name comes once."""
    for kind in _HISTOGRAMS:
        series = view.totals.of(kind)
        if series:
            yield _histograms(kind, series)
    sent = tuple(_sent(view.totals.of(Kind.ROUTE)))
    if sent:
        yield Family(
            "keiko_http_server_sent_bytes", Sort.COUNTER, "Bodies of answers.", "bytes", sent
        )
    for name, count in sorted(view.totals.counters.items()):
        yield _counter(name, count)
    yield from _gauges(view.current)
    yield from _judgement(view)


def _counter(name: str, count: int) -> Family:
    """What is counted: how often, or in microseconds how long."""
    if not name.endswith(_MICROSECONDS):
        help = f"How often: {name.replace('_', ' ')}."
        return Family(
            f"keiko_{_cleaned(name)}", Sort.COUNTER, help, "", (Sample((), float(count)),)
        )
    name = name.removesuffix(_MICROSECONDS)
    return Family(
        f"keiko_{_cleaned(name)}_seconds",
        Sort.COUNTER,
        f"For how long: {name.replace('_', ' ')}.",
        "seconds",
        (Sample((), count / 1e6),),
    )


def _histograms(kind: Kind, series: Iterable[Series]) -> Family:
    name, label, help = _HISTOGRAMS[kind]
    samples = []
    for one in series:
        labels = _labels(kind, label, one.name)
        samples.append(Sample(labels, one.succeeded))
        for error, histogram in (("4xx", one.refused), ("5xx", one.failed)):
            if histogram:
                error = error if kind is Kind.ROUTE else "_OTHER"
                samples.append(Sample((*labels, ("error_type", error)), histogram))
    return Family(f"{name}_seconds", Sort.HISTOGRAM, help, "seconds", tuple(samples))


def _sent(routes: Iterable[Series]) -> Iterator[Sample]:
    for one in routes:
        yield Sample(_labels(Kind.ROUTE, "http_route", one.name), float(one.sent_bytes))


def _labels(kind: Kind, label: str, name: str) -> Labels:
    method, _, route = name.partition(" ")
    if label == "http_route" and kind is not Kind.WEBSOCKET:
        if not route.startswith("/"):
            method, route = "_OTHER", name
        return (("http_request_method", method), (label, _shortened(route)))
    return ((label, _shortened(name)),)


def _gauges(current: Snapshot | None) -> Iterator[Family]:
    if current is None:
        return
    for name, gauge in sorted(current.gauges.items()):
        called, help = _GAUGES.get(name, (f"keiko_{_cleaned(name)}", f"{name}."))
        if called.endswith("_s"):
            called = f"{called.removesuffix('_s')}_seconds"
        unit = next((one for one in _UNITS if called.endswith(f"_{one}")), "")
        yield Family(called, Sort.GAUGE, help, unit, (Sample((), gauge.mean),))


def _judgement(view: View) -> Iterator[Family]:
    told = tuple(
        Sample((("check", check),), float(verdict.outcome is Outcome.MET))
        for check, verdict in view.verdicts.items()
        if verdict.outcome is not Outcome.UNKNOWN
    )
    if told:
        help = "1 where a target is met, 0 where it is missed; absent where that is not known."
        yield Family("keiko_target_met", Sort.GAUGE, help, "", told)
    firing = tuple(
        Sample((("check", one.metric), ("severity", one.severity.word)), 1.0)
        for one in view.alerts
        if one.state is AlertState.FIRING
    )
    if firing:
        yield Family("keiko_alert_firing", Sort.GAUGE, "1 for each alert that fires.", "", firing)
    for name, samples in view.figures.items():
        unit = next((one for one in _UNITS if name.endswith(f"_{one}")), "")
        yield Family(f"keiko_{name}", Sort.GAUGE, f"{name.replace('_', ' ')}.", unit, samples)
    build = tuple(sorted(view.build.items()))
    yield Family("keiko_build_info", Sort.GAUGE, "What runs.", "", (Sample(build, 1.0),))


def _cleaned(name: str) -> str:
    cleaned = _NAME.sub("_", name).strip("_").lower()
    # The endings that say what a sample is are the format's own.
    return re.sub(r"_(total|count|sum|bucket|created|info)$", "", cleaned) or "unnamed"


def _shortened(value: str) -> str:
    if len(value) <= _LONGEST:
        return value
    # Not Python's hash, which differs from one process to the next.
    checksum = 0
    for byte in value.encode("utf-8", "replace"):
        checksum = (checksum * 16777619 ^ byte) & 0xFFFFFFFF
    return f"{value[: _LONGEST - 11]}… {checksum:08x}"
