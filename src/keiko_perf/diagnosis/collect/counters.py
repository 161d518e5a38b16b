"""
Counters: which statements a database spends its time on while it is looked at, second by second.

pg_stat_statements counts up; what was there before the first question is no part of the answer. The
text of a statement is read once, when it begins to matter: each second costs the server a sum over
numbers alone. Statements of ours are left out, and so are those of others that may not be seen.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from keiko_perf.diagnosis.collect.statements import HIDDEN, counters_view
from keiko_perf.diagnosis.failure import StatementFailed
from keiko_perf.diagnosis.postgres import TAG, Database

MOST_TRACKED = 40
"""Statements that are told apart; the rest is one."""
_NEW_AT_ONCE = 5
_MOST_ENTRIES = 5_000


@dataclass(frozen=True, slots=True)
class Counted:
    """How often a statement was executed since the first question, and for how long in all."""

    calls: float
    seconds: float


class StatementCounters:
    """
    Counts from the first question on.

    Args:
        database: is asked.
    """

    def __init__(self, database: Database) -> None:
        self._database = database
        self._view: str | None = None
        self._before: dict[int, Counted] = {}
        self._tracked: dict[int, tuple[str, Counted]] = {}
        self._ours: set[int] = set()

    async def start(self) -> bool:
        """Begin to count; whether the server does."""
        self._view = await counters_view(self._database)
        if self._view is None:
            return False
        try:
            self._before = await self._read()
            rows = await self._database.rows(_OURS.format(view=self._view), ours=f"%{TAG}%")
        except StatementFailed:
            return False  # not loaded at the server's start, or not for this user to read
        self._ours = {int(row["queryid"]) for row in rows}
        return True

    async def read(self) -> tuple[Mapping[str, Counted], Counted]:
        """
        By their text the statements that matter, and the rest.

        A statement that begins to matter is counted from then on; before, it was of the rest.

        Raises:
            StatementFailed: the server does not tell any more.
        """
        now = {
            entry: _less(counted, self._before.get(entry))
            for entry, counted in (await self._read()).items()
            if entry not in self._ours
        }
        await self._track(now)
        now = {entry: counted for entry, counted in now.items() if entry not in self._ours}
        told: dict[str, Counted] = {}
        for entry, (text, since) in self._tracked.items():
            more = _less(now.get(entry, since), since)
            known = told.get(text, Counted(0.0, 0.0))
            told[text] = Counted(known.calls + more.calls, known.seconds + more.seconds)
        calls = sum(one.calls for one in now.values()) - sum(one.calls for one in told.values())
        seconds = sum(one.seconds for one in now.values())
        seconds -= sum(one.seconds for one in told.values())
        return told, Counted(max(calls, 0.0), max(seconds, 0.0))

    async def _track(self, now: Mapping[int, Counted]) -> None:
        """Tell those apart that take most of the time, a few more with each question."""
        room = min(_NEW_AT_ONCE, MOST_TRACKED - len(self._tracked))
        unknown = [entry for entry in now if entry not in self._tracked and now[entry].calls > 0]
        dearest = sorted(unknown, key=lambda entry: -now[entry].seconds)[: max(room, 0)]
        if not dearest or self._view is None:
            return
        rows = await self._database.rows(_TEXTS.format(view=self._view), entries=dearest)
        for row in rows:
            entry, text = int(row["queryid"]), row["query"]
            if text is None or text == HIDDEN:
                continue
            if TAG in text:
                self._ours.add(entry)
            else:
                self._tracked[entry] = (text, now[entry])

    async def _read(self) -> dict[int, Counted]:
        rows = await self._database.rows(_COUNTERS.format(view=self._view), most=_MOST_ENTRIES)
        return {
            int(row["queryid"]): Counted(float(row["calls"]), float(row["ms"]) / 1000)
            for row in rows
        }


def _less(now: Counted, before: Counted | None) -> Counted:
    """What came since; of an entry that was forgotten and began anew, all of it."""
    if before is None or now.calls < before.calls:
        return now
    return Counted(now.calls - before.calls, max(now.seconds - before.seconds, 0.0))


# Without the texts, which the server would read from its disk each time.
_COUNTERS = """
SELECT queryid, sum(calls) AS calls, sum(total_exec_time) AS ms
FROM {view}(false)
WHERE queryid IS NOT NULL
  AND dbid = (SELECT oid FROM pg_catalog.pg_database WHERE datname = current_database())
GROUP BY queryid ORDER BY ms DESC LIMIT :most
"""

_TEXTS = """
SELECT queryid, left(min(query), 2000) AS query
FROM {view}
WHERE queryid = ANY (CAST(:entries AS bigint[]))
  AND dbid = (SELECT oid FROM pg_catalog.pg_database WHERE datname = current_database())
GROUP BY queryid
"""

_OURS = """
SELECT queryid FROM {view}
WHERE queryid IS NOT NULL AND query LIKE :ours
  AND dbid = (SELECT oid FROM pg_catalog.pg_database WHERE datname = current_database())
"""
