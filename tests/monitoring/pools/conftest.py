"""A recorder, and a database as the drivers alone are told of it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager

import pytest

from keiko_perf.monitoring.recorder import Recorder


@pytest.fixture
def recorder() -> Recorder:
    return Recorder()


@pytest.fixture(scope="module")
def url(new_database: Callable[..., AbstractContextManager[str]]) -> Iterator[str]:
    with new_database("pools") as url:
        yield url.replace("postgresql+psycopg://", "postgresql://")
