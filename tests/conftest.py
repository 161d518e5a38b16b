"""Real components for the tests; what is missing is a visible skip, and a failure in CI."""

from __future__ import annotations

import asyncio
import os
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, AsyncExitStack, contextmanager
from typing import Any, NoReturn

import pytest
import uvicorn

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


@pytest.fixture(scope="session")
def serve() -> Callable[[Any], AbstractContextManager[str]]:
    """Serves an app on a port of its own while the context lasts: `with serve(app) as url:`."""

    @contextmanager
    def serving(app: Any, **options: Any) -> Iterator[str]:
        with socket.create_server(("127.0.0.1", 0)) as listener:
            config = uvicorn.Config(app, log_level="critical", **options)
            server = uvicorn.Server(config)
            thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]})
            thread.start()
            try:
                yield f"http://127.0.0.1:{listener.getsockname()[1]}"
            finally:
                server.should_exit = True
                thread.join(20)

    return serving
