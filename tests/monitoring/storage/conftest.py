"""Each kind of store."""

from __future__ import annotations

from pathlib import Path

import pytest

from keiko_perf.monitoring.storage.sqlite import SqliteStore
from keiko_perf.monitoring.storage.store import MemoryStore, Store


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "store.db"


@pytest.fixture(params=["memory", "sqlite"])
def store(request: pytest.FixtureRequest, path: Path) -> Store:
    month_s = 30 * 86_400.0
    if request.param == "memory":
        return MemoryStore(retention_s=month_s)
    return SqliteStore(path, retention_s=month_s)
