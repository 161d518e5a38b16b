"""
Sessions: what a database is at while a load test goes on: how many sessions are at work, what they
wait for, and each second which statements the time is spent on.
"""

from __future__ import annotations

import os
import time
from collections import Counter
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

import psutil

from keiko_perf.loadtest.watching.sampling import Ask, Source
from keiko_perf.loadtest.watching.telemetry import (
    CORES,
    IO,
    LOCK,
    RUNNING,
    SQL_CALLS,
    SQL_S,
    clock_offset,
)
from keiko_perf.loadtest.watching.telemetry import OTHER as WAITING
from keiko_perf.model import OTHER

if TYPE_CHECKING:  # the part needs the extra `postgres`; `load run` without a database must not
    from keiko_perf.diagnosis.collect.counters import StatementCounters
    from keiko_perf.diagnosis.collect.looks import Look
    from keiko_perf.diagnosis.postgres import Database

STATEMENTS_EVERY_S = 1.0
_RATHER_SELDOM = 50.0
"""A question is put again after so many times what it took: a server of very many is asked less."""
_ASKED_FOR_TIME = 5
_LONGEST_TEXT = 120
_CLASSES = {None: RUNNING, "Lock": LOCK, "IO": IO}
_IDLE = frozenset(("Client", "Activity"))
"""What a session waits for that waits for the service, and not for the database."""


def sessions_of(url: str) -> Source:
    """What samples the database at *url*."""
    from keiko_perf.diagnosis.collect.counters import StatementCounters
    from keiko_perf.diagnosis.postgres import Database

    @asynccontextmanager
    async def source() -> AsyncIterator[Ask]:
        async with Database.connect(url, statement_timeout_s=5.0) as database:
            counters = StatementCounters(database)
            counts = await counters.start()
            known = await _clock(database) | await _cores(database)
            yield _Asking(database, counters if counts else None, known)

    return source


async def _clock(database: Database) -> dict[str, float]:
    """By how much the server's clock is ahead of ours."""
    answers = []
    for _ in range(_ASKED_FOR_TIME):
        asked_s = time.time()
        told = await database.value("SELECT extract(epoch FROM clock_timestamp())::float8")
        answers.append((asked_s, float(told), time.time()))
    return clock_offset(answers)


async def _cores(database: Database) -> dict[str, float]:
    """How many cores the server has, if it runs on this machine: then its processes are seen."""
    pid = await database.value("SELECT pg_backend_pid()")
    try:
        is_here = psutil.Process(int(pid)).name().startswith("postgres")
    except psutil.Error:
        return {}
    return {CORES: float(os.cpu_count() or 1)} if is_here else {}


class _Asking:
    """Asks what the sessions are at, and not as often what the statements took."""

    def __init__(
        self,
        database: Database,
        counters: StatementCounters | None,
        known: Mapping[str, float],
    ) -> None:
        self._database, self._counters, self._known = database, counters, known
        self._due_s = 0.0

    async def __call__(self) -> Mapping[str, float]:
        from keiko_perf.diagnosis.collect.looks import look

        values = {**self._known, **counted(await look(self._database))}
        began_s = time.monotonic()
        if self._counters is None or began_s < self._due_s:
            return values
        values |= await spent(self._counters)
        took_s = time.monotonic() - began_s
        self._due_s = began_s + max(STATEMENTS_EVERY_S, _RATHER_SELDOM * took_s)
        return values


async def spent(counters: StatementCounters) -> dict[str, float]:
    """What the statements took so far, by their texts on one line."""
    from keiko_perf.diagnosis.rules.statements import is_query

    values: dict[str, float] = {f"{SQL_S}{OTHER}": 0.0, f"{SQL_CALLS}{OTHER}": 0.0}
    told, rest = await counters.read()
    for text, one in (*told.items(), (OTHER, rest)):
        line = _on_one_line(text) if text == OTHER or is_query(text) else OTHER
        values[f"{SQL_S}{line}"] = values.get(f"{SQL_S}{line}", 0.0) + one.seconds
        values[f"{SQL_CALLS}{line}"] = values.get(f"{SQL_CALLS}{line}", 0.0) + one.calls
    return values


def _on_one_line(text: str) -> str:
    from keiko_perf.doctor.shape import told

    return told(text, _LONGEST_TEXT)


def counted(looks: tuple[Look, ...]) -> Mapping[str, float]:
    """How many sessions are at what."""
    classes = Counter(
        _CLASSES.get(one.waits_for, WAITING) for one in looks if one.waits_for not in _IDLE
    )
    return {name: float(classes[name]) for name in (RUNNING, LOCK, IO, WAITING)}
