"""Real components for the tests; what is missing is a visible skip, and a failure in CI."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable, Iterator
from contextlib import AsyncExitStack
from typing import NoReturn

import pytest

from keiko_perf.demo.cluster import Cluster, private_cluster
from keiko_perf.errors import KeikoError


@pytest.fixture(scope="session")
def absent() -> Callable[[str], NoReturn]:
    """Says that a real component is not there: `absent("Chromium. apt install chromium")`."""

    def say_so(what_and_cure: str) -> NoReturn:
        if os.environ.get("CI") == "true":
            pytest.fail(f"needs {what_and_cure}", pytrace=False)
        pytest.skip(f"needs {what_and_cure}")

    return say_so


@pytest.fixture(scope="session")
def postgres(absent: Callable[[str], NoReturn]) -> Iterator[Cluster]:
    """A private PostgreSQL for the whole run; `create_database` gives a test its own."""
    with asyncio.Runner() as runner:
        stack = AsyncExitStack()
        try:
            cluster = runner.run(stack.enter_async_context(private_cluster()))
        except KeikoError as error:
            absent(str(error))
        try:
            yield cluster
        finally:
            runner.run(stack.aclose())
