"""
Faults that come and go by name, at the start and while the service runs.

Each is what a team does by accident, and does it for real: nothing is simulated by a longer
answer time. `missing-index` is a fact of the database and is read there; so an index that
somebody makes ends the fault, whatever its name.
"""

from __future__ import annotations

from keiko_perf.demo.index import add_hot_index, drop_hot_indexes, hot_indexes
from keiko_perf.demo.schema import Document
from keiko_perf.demo.sessions import Sessions
from keiko_perf.demo.settings import DemoSettings, Fault

SMALL_POOL = 2
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
        if fault is Fault.SMALL_POOL:
            self._sessions.resize(SMALL_POOL)

    async def switch_off(self, fault: Fault) -> None:
        """Heal it. If it is off already, nothing changes."""
        if fault is Fault.MISSING_INDEX:
            async with self._sessions.engine.begin() as db:
                await add_hot_index(db)
            return
        self._on.discard(fault)
        if fault is Fault.SMALL_POOL:
            self._sessions.resize(self._settings.pool_size)
        if fault is Fault.LEAKING_CACHE:
            self._cache.clear()


def pool_size(settings: DemoSettings) -> int:
    """How many connections the service starts with."""
    return SMALL_POOL if Fault.SMALL_POOL in settings.faults else settings.pool_size
