"""A connection to the database that a test file has made."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from keiko_perf.diagnosis.postgres import Database


@pytest.fixture
async def database(url: str) -> AsyncIterator[Database]:
    """To the database at the fixture *url* of the file."""
    async with Database.connect(url) as database:
        yield database
