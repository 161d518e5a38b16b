"""
Sessions: how many of a database are at work, and what they wait for, as a load test samples it.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from functools import partial
from typing import TYPE_CHECKING

from keiko_perf.loadtest.sampling import Ask, Source
from keiko_perf.loadtest.watched import IO, LOCK, OTHER, RUNNING

if TYPE_CHECKING:  # the part needs the extra `postgres`; `load run` without a database must not
    from keiko_perf.diagnosis.collect.looks import Look
    from keiko_perf.diagnosis.postgres import Database

_CLASSES = {None: RUNNING, "Lock": LOCK, "IO": IO}
_IDLE = frozenset(("Client", "Activity"))
"""What a session waits for that waits for the service, and not for the database."""


def sessions_of(url: str) -> Source:
    """What samples the sessions of the database at *url*."""
    from keiko_perf.diagnosis.postgres import Database

    @asynccontextmanager
    async def source() -> AsyncIterator[Ask]:
        async with Database.connect(url, statement_timeout_s=5.0) as database:
            yield partial(_asked, database)

    return source


async def _asked(database: Database) -> Mapping[str, float]:
    from keiko_perf.diagnosis.collect.looks import look

    return counted(await look(database))


def counted(looks: tuple[Look, ...]) -> Mapping[str, float]:
    """How many sessions are at what."""
    classes = Counter(
        _CLASSES.get(one.waits_for, OTHER) for one in looks if one.waits_for not in _IDLE
    )
    return {name: float(classes[name]) for name in (RUNNING, LOCK, IO, OTHER)}
