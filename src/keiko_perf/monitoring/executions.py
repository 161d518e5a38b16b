"""
Executions: tells a recorder of each statement that a driver executes, whoever saw it begin and end.
"""

from __future__ import annotations

from keiko_perf.model import OTHER, Kind
from keiko_perf.monitoring.attribution import Account, Part, current
from keiko_perf.monitoring.attribution.places import Places
from keiko_perf.monitoring.recorder import Recorder
from keiko_perf.monitoring.sql_text import Names

_SQL, _STATEMENT = int(Part.SQL), Kind.STATEMENT  # looked up once

Begun = tuple[Account | None, float]
"""For whom a statement is executed, and since when."""


class Executions:
    """
    Any thread may tell it.

    Args:
        recorder: is told, and its account of the request that the statement is for.
        paramstyle: the driver's, as PEP 249 names it.
    """

    def __init__(self, recorder: Recorder, paramstyle: str) -> None:
        self._recorder = recorder
        self._clock, self._record = recorder.clock, recorder.record
        self._names = Names(paramstyle)
        self._place = Places(recorder.clock).here

    def begun(self) -> Begun:
        """A statement begins; `ended` has to follow, with what is returned here."""
        account, now_s = current.get(), self._clock()
        if account is not None:
            if account.owner is self._recorder:
                account.open(_SQL, now_s)
            else:
                account = None
        return account, now_s

    def ended(self, text: str | None, begun: Begun, *, failed: bool) -> tuple[str | None, float]:
        """
        It ended, or failed. Returns its name, None if it has none, and how long it took.

        Args:
            text: as it was sent, without what was added to it; None of one that is counted with the
                request's time, and not by itself.
            begun: what `begun` returned.
            failed: whether the driver raised.
        """
        account, started_s = begun
        now_s = self._clock()
        name = None if text is None else self._names.of(text, other=OTHER)
        if account is not None:
            account.executed(name, started_s, now_s, self._place)
        if name is not None:
            self._record(_STATEMENT, name, now_s - started_s, failed=failed)
        return name, now_s - started_s
