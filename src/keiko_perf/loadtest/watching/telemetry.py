"""
Telemetry: what a watched service told of itself while it was under load, on the load's clock.

A service counts up (how many requests, how long connections were held), so the difference of two
readings is what happened between them, exactly, however seldom it is read. A reading stands in the
middle between question and answer on the clock of whoever asked; it may be off by half of that
time, and that is told.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from keiko_perf.model import Histogram, Kind, Resource, Use, Window

REQUESTS = "http_server_request_duration_seconds"
WAITS = "db_client_connection_wait_time_seconds"
HOLDS = "db_client_connection_use_time_seconds"
LAGS = "keiko_event_loop_lag_seconds"
STATEMENTS = "db_client_operation_duration_seconds"
OUTGOING = "http_client_request_duration_seconds"
ACTIVE = "http_server_active_requests"
POOL_SIZE = "keiko_pool_size"
POOL_IN_USE = "keiko_pool_in_use"
POOL_WAITING = "keiko_pool_waiting"
THREADS_SIZE = "keiko_handler_threads_size"
THREADS_IN_USE = "keiko_handler_threads_in_use"
THREADS_WAITING = "keiko_handler_threads_waiting"
THREADS_BUSY_S = "keiko_handler_threads_busy_seconds_total"
THREADS_QUEUED_S = "keiko_handler_threads_queued_seconds_total"
MEMORY = "keiko_memory_utilization_ratio"
CPU_S = "cpu_seconds"
"""Of the service's processes, where whoever reads can see them."""
WORKERS = "workers"
LINK_IN_S, LINK_OUT_S = "link in seconds", "link out seconds"
"""For how long the network between here and the service took in, and sent, at its full speed."""

RUNNING, LOCK, IO, OTHER = "running", "lock", "io", "other"
SESSIONS = (RUNNING, LOCK, IO, OTHER)
"""Active sessions of the database by what they wait for; those that wait for nothing run."""
SQL_S, SQL_CALLS = "sql seconds: ", "sql calls: "
"""Before a statement's text: for how long the database executed it so far, and how often."""
CORES = "cores"
"""That the database's sessions can run on, where whoever asks can see them."""
OFFSET_S, OFFSET_ERROR_S = "clock offset", "clock offset error"
"""By how much the clock of who was asked is ahead of the asker's, and how sure that is."""

_COUNTED = (REQUESTS, WAITS, HOLDS, LAGS, STATEMENTS, OUTGOING)
_COUNTERS = tuple(f"{name}_{end}" for name in _COUNTED for end in ("sum", "count"))
_GAUGES = (ACTIVE, POOL_SIZE, POOL_IN_USE, POOL_WAITING, THREADS_IN_USE, THREADS_WAITING, MEMORY)
KNOWN = frozenset((*_COUNTERS, *_GAUGES, THREADS_SIZE, THREADS_BUSY_S, THREADS_QUEUED_S))
KINDS = {
    REQUESTS: Kind.ROUTE,
    WAITS: Kind.POOL,
    HOLDS: Kind.HOLD,
    LAGS: Kind.LOOP,
    STATEMENTS: Kind.STATEMENT,
    OUTGOING: Kind.OUTGOING,
}
"""What the durations that are counted under a name are of."""
_LINE = re.compile(r"([A-Za-z_:][\w:]*)(?:\{.*\})? (\S+)")
_LEAST_S = 0.5


@dataclass(frozen=True, slots=True)
class Reading:
    """
    Attributes:
        at_s: when, on the clock of whoever asked.
        error_s: by how much that may be off.
        values: the sums of what is counted, and gauges, by name.
        histograms: all durations of what is counted, where they were asked for.
    """

    at_s: float
    error_s: float
    values: Mapping[str, float]
    histograms: Mapping[Kind, Histogram] = field(default_factory=dict)

    def statements_since(self, first: Reading) -> float | None:
        """How many statements a request sent since *first*; None if that is not counted."""
        requests = _more(first, self, f"{REQUESTS}_count")
        statements = _more(first, self, f"{STATEMENTS}_count")
        if not requests or requests < 0 or statements is None or statements < 0:
            return None
        return statements / requests


def clock_offset(answers: Iterable[tuple[float, float, float]]) -> dict[str, float]:
    """
    By how much a clock is ahead of ours, by the quickest of some answers: it was read at some
    instant between question and answer.

    Args:
        answers: when it was asked, what it said, and when that was there.
    """
    error_s, offset_s = min(
        ((answered_s - asked_s) / 2, told_s - (asked_s + answered_s) / 2)
        for asked_s, told_s, answered_s in answers
    )
    return {OFFSET_S: offset_s, OFFSET_ERROR_S: error_s}


def read_text(text: str) -> dict[str, float]:
    """What is known of the text form of Prometheus: each name summed over its labels."""
    found: dict[str, float] = {}
    for line in text.splitlines():
        matched = _LINE.match(line)
        if matched is None or matched[1] not in KNOWN:
            continue
        try:
            value = float(matched[2])
        except ValueError:
            continue
        found[matched[1]] = found.get(matched[1], 0.0) + value
    return found


def window_between(readings: Sequence[Reading], begun_s: float, ended_s: float) -> Window | None:
    """
    What the service did between two instants; None if it was not read twice in that time, or did
    nothing, or began to count anew.
    """
    within = [one for one in readings if begun_s <= one.at_s <= ended_s]
    if len(within) < 2 or within[-1].at_s - within[0].at_s < _LEAST_S:
        return None
    return window_of_readings(within[0], within[-1])


def window_of_readings(first: Reading, last: Reading) -> Window | None:
    """What the service did between two readings; None if that cannot be told."""
    lasted_s = last.at_s - first.at_s
    requests = _more(first, last, f"{REQUESTS}_count")
    if lasted_s <= 0 or not requests or requests < 0:
        return None
    response_s = max(0.0, _more(first, last, f"{REQUESTS}_sum") or 0.0) / requests
    lags = _more(first, last, f"{LAGS}_count")
    lag_s = max(0.0, _more(first, last, f"{LAGS}_sum") or 0.0) / lags if lags else None
    uses = [
        *_pool(first, last, lasted_s, requests),
        *_threads(first, last, lasted_s, requests),
        *_cpu(first, last, lasted_s, lag_s),
        *_network(first, last, lasted_s),
    ]
    return Window(
        rate_per_s=requests / lasted_s,
        response_s=response_s,
        uses=tuple(uses),
        phases=_phases(first, last, requests, response_s),
    )


def _phases(
    first: Reading, last: Reading, requests: float, response_s: float
) -> Mapping[str, float]:
    """The waits for other services; what is asked for at the same time is no longer than all."""
    asked_s = max(0.0, _more(first, last, f"{OUTGOING}_sum") or 0.0) / requests
    return {Kind.IN_HTTP.value: min(asked_s, response_s)} if asked_s else {}


def _pool(first: Reading, last: Reading, lasted_s: float, requests: float) -> Sequence[Use]:
    held_s, size = _more(first, last, f"{HOLDS}_sum"), last.values.get(POOL_SIZE)
    if held_s is None or held_s < 0:
        return ()
    waited_s = _more(first, last, f"{WAITS}_sum")
    workers = max(1.0, last.values.get(WORKERS, 1.0))
    capacity = size * workers if size else None
    busy = held_s / lasted_s
    return (
        Use(
            resource=Resource.POOL,
            # What was held before the first reading, and came back after it, may be too much.
            busy=busy if capacity is None else min(busy, capacity),
            capacity=capacity,
            wait_s=None if waited_s is None else max(0.0, waited_s) / requests,
        ),
    )


def _threads(first: Reading, last: Reading, lasted_s: float, requests: float) -> Sequence[Use]:
    """The threads that handlers without async run in, which are told of once one was used."""
    busy_s, size = _more(first, last, THREADS_BUSY_S), last.values.get(THREADS_SIZE)
    if busy_s is None or busy_s < 0 or not size:
        return ()
    queued_s = _more(first, last, THREADS_QUEUED_S) or 0.0
    capacity = size * max(1.0, last.values.get(WORKERS, 1.0))
    return (
        Use(
            resource=Resource.THREADS,
            busy=min(busy_s / lasted_s, capacity),
            capacity=capacity,
            wait_s=max(0.0, queued_s) / requests,
        ),
    )


def _network(first: Reading, last: Reading, lasted_s: float) -> Sequence[Use]:
    """The fuller direction of a link whose speed is known."""
    ways = [_more(first, last, name) for name in (LINK_IN_S, LINK_OUT_S)]
    busy_s = max((one for one in ways if one is not None), default=-1.0)
    if busy_s < 0:
        return ()
    return (Use(resource=Resource.NETWORK, busy=min(busy_s / lasted_s, 1.0), capacity=1.0),)


def _cpu(first: Reading, last: Reading, lasted_s: float, lag_s: float | None) -> Sequence[Use]:
    used_s = _more(first, last, CPU_S)
    if used_s is None or used_s < 0:
        return ()
    workers = max(1.0, last.values.get(WORKERS, 1.0))
    # One interpreter keeps one core busy at a time, so a worker has one.
    busy = min(used_s / lasted_s, workers)
    return (Use(resource=Resource.CPU, busy=busy, capacity=workers, wait_s=lag_s),)


def _more(first: Reading, last: Reading, name: str) -> float | None:
    if name not in last.values:
        return None
    return last.values[name] - first.values.get(name, 0.0)
