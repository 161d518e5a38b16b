"""
Faults that come and go by name, at the start and while the service runs.

Each is what a team does by accident, and does it for real: nothing is simulated by a longer
answer time. `missing-index` is a fact of the database and is read there; so an index that
somebody makes ends the fault, whatever its name.
"""

from __future__ import annotations

from collections.abc import Collection

from keiko_perf.demo.index import add_hot_index, drop_hot_indexes, hot_indexes
from keiko_perf.demo.schema import Document
from keiko_perf.demo.sessions import Sessions
from keiko_perf.demo.settings import DemoSettings, Fault

SMALL_POOL = 2
STARVED_POOL = 5
HELD_S = 0.05
LOOPED = 6
"""How long the fault `starved-pool` holds a connection for a statement."""
LOCKED_S = 0.08
"""How long the fault `row-lock` does something else before its commit."""
BURNT_ROUNDS = 500_000
"""Of the fault `cpu-burn`: some 40 to 100 ms of a processor."""
BLOCKING_S = 0.05
SLOW_TASK_S = 3.0


class SearchCache:
    """Search results, kept by the fault `leaking-cache`, and given back when it is healed."""

    def __init__(self) -> None:
        self.kept: dict[tuple[str, int], list[Document]] = {}

    def clear(self) -> None:
        self.kept.clear()


class Faults:
    """
    Which faults are on.

    Args:
        settings: says which are on from the start, and how large the pool is without `small-pool`.
        sessions: whose pool and database are made faulty.
        cache: what `leaking-cache` fills.
    """

    def __init__(self, settings: DemoSettings, sessions: Sessions, cache: SearchCache) -> None:
        self._settings = settings
        self._sessions = sessions
        self._cache = cache
        self._on = set(settings.faults - {Fault.MISSING_INDEX})

    def __contains__(self, fault: Fault) -> bool:
        """Whether a fault of the service's own code is on."""
        return fault in self._on

    async def start(self) -> None:
        """Bring the database into the state that the settings ask for."""
        if Fault.MISSING_INDEX in self._settings.faults:
            await self.switch_on(Fault.MISSING_INDEX)

    async def current(self) -> list[Fault]:
        """All that are on."""
        async with self._sessions.engine.connect() as db:
            missing = not await hot_indexes(db)
        return [one for one in Fault if one in self._on or (missing and one is Fault.MISSING_INDEX)]

    async def switch_on(self, fault: Fault) -> None:
        """Let it happen from now on. If it is on already, nothing changes."""
        if fault is Fault.MISSING_INDEX:
            async with self._sessions.engine.begin() as db:
                await drop_hot_indexes(db)
            return
        self._on.add(fault)
        self._resize()

    async def switch_off(self, fault: Fault) -> None:
        """Heal it. If it is off already, nothing changes."""
        if fault is Fault.MISSING_INDEX:
            async with self._sessions.engine.begin() as db:
                await add_hot_index(db)
            return
        self._on.discard(fault)
        self._resize()
        if fault is Fault.LEAKING_CACHE:
            self._cache.clear()

    def _resize(self) -> None:
        self._sessions.resize(_pool_size(self._on, self._settings))


def pool_size(settings: DemoSettings) -> int:
    """How many connections the service starts with."""
    return _pool_size(settings.faults, settings)


def _pool_size(on: Collection[Fault], settings: DemoSettings) -> int:
    if Fault.SMALL_POOL in on:
        return SMALL_POOL
    return STARVED_POOL if Fault.STARVED_POOL in on else settings.pool_size
