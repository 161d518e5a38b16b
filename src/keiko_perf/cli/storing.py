"""
Storing: the store of a service as the command line finds and opens it.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from keiko_perf.config import Settings
from keiko_perf.errors import StoreUnavailable, UsageError
from keiko_perf.monitoring.sqlite import SqliteStore


def store_file(given: Path | None, settings: Settings) -> Path:
    """
    The store that was named, else that of the settings.

    Raises:
        UsageError: there is none.
    """
    file = given or settings.store
    if file is None:
        raise UsageError(
            "no store was named", cure="Name the file that PerformanceMonitor(store=...) writes to"
        )
    return file


@contextmanager
def opened(file: Path) -> Iterator[SqliteStore]:
    """
    The store *file*, which is there already: a name that was mistyped makes no new one.

    Raises:
        StoreUnavailable: there is no such file.
    """
    if not os.path.isfile(file):  # unlike Path's own, it takes any name
        raise StoreUnavailable(
            f"there is no store {file}",
            cure="Name the file that PerformanceMonitor(store=...) writes to",
        )
    store = SqliteStore(file)
    try:
        yield store
    finally:
        store.close()
