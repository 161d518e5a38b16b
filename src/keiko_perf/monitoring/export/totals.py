"""
Totals: everything that was counted since somebody first asked, of all workers, over restarts.

Prometheus wants counters that only grow, from whichever worker answers. So each worker adds its
windows to one merged snapshot in the journal, in a transaction, and any of them reads it there.
Until somebody asks nothing is added and nothing is paid. In a store that is this process's own
the window that is still going on is counted as well; where there are several workers it cannot
be, or the totals of one scrape could be less than those of the one before.
"""

from __future__ import annotations

import base64
from collections.abc import Callable
from dataclasses import replace
from datetime import datetime, timedelta
from threading import Lock

from keiko_perf.errors import StoreUnavailable
from keiko_perf.model import Snapshot
from keiko_perf.monitoring.recorder import Recorder
from keiko_perf.monitoring.storage.decoding import decode
from keiko_perf.monitoring.storage.encoding import encode
from keiko_perf.monitoring.storage.journal import Journal, Page
from keiko_perf.monitoring.storage.steady import SteadyStore
from keiko_perf.monitoring.storage.store import Store

_TOPIC, _KEY = "totals", "all"
_LOOK_BACK_S = 600.0


class Totals:
    """
    Args:
        journal: where they are kept.
        store: where the windows are, for those just before somebody first asked.
        recorder: of this process.
        now: the wall clock, aware UTC.
    """

    def __init__(
        self,
        journal: Journal,
        store: SteadyStore | Store,
        recorder: Recorder,
        now: Callable[[], datetime],
    ) -> None:
        self._journal = journal
        self._store = store
        self._recorder = recorder
        self._now = now
        self._pending: Snapshot | None = None
        self._lock = Lock()

    def take(self, window: Snapshot) -> None:
        """Take a window that was just cut; it neither waits nor raises."""
        self._pending = _sum(self._pending, window)

    def settle(self) -> None:
        """Add what was taken to the totals, if anybody wants them. It blocks and does not raise."""
        with self._lock:
            pending = self._pending
            try:
                if pending is not None and self._journal.read(_is_wanted, absent=False):
                    self._journal.write(lambda page: _add(page, pending))
            except StoreUnavailable:
                return  # kept for the next time
            self._pending = None

    def read(self) -> tuple[Snapshot, datetime]:
        """
        The totals, and since when they are counted. It blocks.

        Raises:
            StoreUnavailable: the journal cannot be read or written.
        """
        with self._lock:
            kept = self._journal.read(_read, absent=None)
            if kept is None:
                self._begin()
                kept = self._journal.read(_read, absent=None)
            assert kept is not None
            totals, since = kept
            if self._journal.is_shared:
                return totals, since
            current = _sum(self._pending, self._recorder.peek())
            return _sum(totals, current), since

    def _begin(self) -> None:
        now = self._now()
        start_at = now - timedelta(seconds=_LOOK_BACK_S)
        windows = self._store.between(start_at, now)
        first = Snapshot.merged(windows) or Snapshot(started_at=now, window_s=0.0)
        # What is pending is in the store already.
        self._pending = None
        self._journal.write(lambda page: _begin(page, first))


def _is_wanted(page: Page) -> bool:
    return page.find(_TOPIC, _KEY) is not None


def _read(page: Page) -> tuple[Snapshot, datetime] | None:
    entry = page.find(_TOPIC, _KEY)
    if entry is None:
        return None
    envelope = Snapshot(started_at=entry.at, window_s=entry.body["window_s"])
    return decode(base64.b64decode(entry.body["totals"]), envelope), entry.at


def _begin(page: Page, first: Snapshot) -> None:
    if not _is_wanted(page):  # another worker may have been asked at the same time
        _write(page, first, first.started_at)


def _add(page: Page, window: Snapshot) -> None:
    kept = _read(page)
    if kept is not None:
        totals, since = kept
        _write(page, _sum(totals, window), since)


def _write(page: Page, totals: Snapshot, since: datetime) -> None:
    body = {
        "window_s": totals.window_s,
        "totals": base64.b64encode(encode(_countable(totals))).decode("ascii"),
    }
    page.put(_TOPIC, _KEY, since, body)


def _sum(one: Snapshot | None, other: Snapshot) -> Snapshot:
    merged = Snapshot.merged([_countable(each) for each in (one, other) if each is not None])
    assert merged is not None
    return merged


def _countable(snapshot: Snapshot) -> Snapshot:
    """Without what does not add up over time."""
    return replace(snapshot, gauges={}, blocking=(), worker="")
