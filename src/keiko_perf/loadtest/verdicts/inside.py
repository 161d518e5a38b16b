"""
Inside: figures of a service and its database that a load test can promise like response times.

    pool.wait.p95<20ms, loop.lag.p99<50ms, cpu<80%, pool.use<90%, db.locks<1

A percentile is one of all that was counted in the stretch, the service's workers merged; a level
is the mean over it. What was not read is not known, and breaks no promise. Pure.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cache, partial

from keiko_perf.model import Kind, Kpi, Message, Series, Snapshot, say
from keiko_perf.model.kpi import gauge_mean, time_quantile

WATCH, DATABASE = "--watch", "--database"


@dataclass(frozen=True, slots=True)
class Times:
    """
    Attributes:
        kind: of the series that has the durations.
        label: what a person calls it.
        per_s: how often it is measured a second, where that does not depend on the load.
    """

    kind: Kind
    label: Message
    per_s: float | None = None


TIMES = {
    "pool.wait": Times(Kind.POOL, say("wait for a database connection")),
    "pool.hold": Times(Kind.HOLD, say("hold of a database connection")),
    "loop.lag": Times(Kind.LOOP, say("lag of the event loop"), per_s=10.0),
    "sql": Times(Kind.STATEMENT, say("time of a statement")),
    "server": Times(Kind.ROUTE, say("response time inside the service")),
}

POOL_USE, POOL_WAITING, IN_FLIGHT = "pool_use_ratio", "pool_waiting", "in_service"
THREADS_USE, THREADS_WAITING = "threads_use_ratio", "threads_waiting"
CPU, MEMORY, PER_REQUEST = "cpu_ratio", "memory_ratio", "statements_per_request"
DB_RUNNING, DB_LOCKS, DB_IO = "db_running", "db_locks", "db_io"

_UNREAD = say("the service's own figures were not read")
_UNSAMPLED = say("the sessions of the database were not looked at")
_NO_THREAD = say("no handler ran in a thread")
_NO_CPU = say("the service's processes cannot be seen from here")

LEVELS: dict[str, Kpi] = {
    "pool.use": gauge_mean(POOL_USE, say("share of the pool in use"), _UNREAD),
    "pool.waiting": gauge_mean(
        POOL_WAITING, say("requests that wait for a connection"), _UNREAD, format="number"
    ),
    "threads.use": gauge_mean(
        THREADS_USE, say("share of the threads for handlers in use"), _NO_THREAD
    ),
    "threads.waiting": gauge_mean(
        THREADS_WAITING, say("handlers that wait for a thread"), _NO_THREAD, format="number"
    ),
    "in_flight": gauge_mean(IN_FLIGHT, say("requests in the service"), _UNREAD, format="number"),
    "cpu": gauge_mean(CPU, say("CPU of the workers"), _NO_CPU),
    "memory": gauge_mean(MEMORY, say("memory of the service"), _UNREAD),
    "sql.per_request": gauge_mean(
        PER_REQUEST, say("statements a request"), _UNREAD, format="number"
    ),
    "db.running": gauge_mean(
        DB_RUNNING, say("running sessions of the database"), _UNSAMPLED, format="number"
    ),
    "db.locks": gauge_mean(
        DB_LOCKS, say("sessions that wait for a lock"), _UNSAMPLED, format="number"
    ),
    "db.io": gauge_mean(DB_IO, say("sessions that wait for I/O"), _UNSAMPLED, format="number"),
}
WORDS = (*(f"{name}.p95" for name in TIMES), *LEVELS)
"""What a sentence can name; of the first each other percentile as well."""

_PERCENTILE = re.compile(r"(.+)\.p(\d{1,2}(?:\.\d+)?)", re.I)
_NAMED = re.compile(r"(.+)_p(\d{1,2}(?:_\d+)?)_s")


def read_word(word: str) -> Kpi | None:
    """The figure that a sentence calls *word*; None if there is none of that name."""
    if word in LEVELS:
        return LEVELS[word]
    found = _PERCENTILE.fullmatch(word)
    if found is None or found[1] not in TIMES or not float(found[2]) > 0:
        return None
    return _quantile(found[1], float(found[2]))


def kpi_named(name: str) -> Kpi | None:
    """The figure whose own name is *name*, as a saved result has it; None if there is none."""
    level = next((one for one in LEVELS.values() if one.name == name), None)
    found = _quantile_named(name)
    return level or (found and _quantile(*found))


def _quantile_named(name: str) -> tuple[str, float] | None:
    """Which of `TIMES`, and which per cent of it; None if it is no such name."""
    found = _NAMED.fullmatch(name)
    word = found and next((one for one in TIMES if one.replace(".", "_") == found[1]), None)
    return (word, float(found[2].replace("_", "."))) if found and word else None


def is_inside(kpi: Kpi) -> bool:
    """Whether it is a figure of the service or of its database, and not of the load test."""
    return kpi_named(kpi.name) is not None


def times_of(kpi: Kpi) -> tuple[Times, float] | None:
    """Of which durations it is a quantile, and which, 0 to 1; None if it is none of this kind."""
    found = _quantile_named(kpi.name)
    return None if found is None else (TIMES[found[0]], found[1] / 100)


def needs(kpi: Kpi) -> str | None:
    """The option without which it cannot be known; None if it takes none."""
    if not is_inside(kpi):
        return None
    return DATABASE if kpi.name in (DB_RUNNING, DB_LOCKS, DB_IO) else WATCH


def kinds_of(kpis: Iterable[Kpi]) -> frozenset[Kind]:
    """Of which series all durations are needed, and not just how many and how long in all."""
    return frozenset(found[0].kind for one in kpis if (found := times_of(one)) is not None)


@cache
def _quantile(word: str, percent: float) -> Kpi:
    times = TIMES[word]
    told = f"{percent:g}"
    return time_quantile(
        percent / 100,
        name=f"{word.replace('.', '_')}_p{told.replace('.', '_')}_s",
        label=say("{what} {percentile}", what=times.label, percentile=f"p{told}"),
        of=partial(_whole, times.kind),
        why=_UNREAD,
    )


def _whole(kind: Kind, snapshot: Snapshot, _subject: str | None) -> Series:
    return snapshot.whole(kind)
