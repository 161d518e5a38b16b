"""
Storing: the store of a service as the command line finds and opens it.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from keiko_perf.cli.service import is_address
from keiko_perf.config import Settings
from keiko_perf.errors import StoreUnavailable, UsageError
from keiko_perf.monitoring.storage.sqlite import SqliteStore

_CURE = "Name the file that PerformanceMonitor(store=...) writes to"


def store_file(given: Path | None, settings: Settings) -> Path:
    """
    The store that was named, else that of the settings.

    Raises:
        UsageError: there is none.
    """
    file = given or settings.store
    if file is None:
        raise UsageError("no store was named", cure=_CURE)
    # A path has lost one of an address's slashes.
    if is_address(str(file).replace(":/", "://", 1)):
        raise UsageError("this reads the file of a store, and no service's address", cure=_CURE)
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
            cure=_CURE,
        )
    store = SqliteStore(file)
    try:
        yield store
    finally:
        store.close()
