"""Real components for the tests; what is missing is a visible skip, and a failure in CI."""

from __future__ import annotations

import asyncio
import os
import shutil
import socket
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, AsyncExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn
from uuid import uuid4

import psycopg
import pytest
import uvicorn
from hypothesis import HealthCheck, settings

from keiko_perf.demo.cluster import Cluster, private_cluster
from keiko_perf.errors import KeikoError
from keiko_perf.monitoring import middleware

if TYPE_CHECKING:
    from playwright.sync_api import Browser

CHROMIUM = Path("/usr/bin/chromium")

# No assertion is timed, and so no example either: a busy machine proves nothing.
settings.register_profile("calm", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("calm")


def pytest_sessionstart() -> None:
    """A compiled module that is older than its source would be tested in the source's place."""
    source = Path(middleware.__file__).parent / "middleware.py"
    if Path(middleware.__file__).stat().st_mtime < source.stat().st_mtime:
        pytest.exit("middleware.py has changed since it was compiled: make install", returncode=1)


@pytest.fixture(scope="session")
def absent() -> Callable[[str], NoReturn]:
    """Says that a real component is not there: `absent("Chromium. apt install chromium")`."""

    def say_so(what_and_cure: str) -> NoReturn:
        if os.environ.get("CI") == "true":
            pytest.fail(f"needs {what_and_cure}", pytrace=False)
        pytest.skip(f"needs {what_and_cure}")

    return say_so


@pytest.fixture(scope="module")
def browser(absent: Callable[[str], NoReturn]) -> Iterator[Browser]:
    """Chromium without a network of its own. Playwright's loop is gone with the module."""
    if not CHROMIUM.exists():
        absent(f"Chromium at {CHROMIUM}. apt-get install chromium")
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=str(CHROMIUM), args=["--no-sandbox", "--disable-background-networking"]
        )
        yield browser
        browser.close()


@pytest.fixture(scope="module")
def redis_port(
    absent: Callable[[str], NoReturn], tmp_path_factory: pytest.TempPathFactory
) -> Iterator[int]:
    """The port of a Redis that keeps nothing on disk, for the tests of a file."""
    program, directory = shutil.which("redis-server"), tmp_path_factory.mktemp("redis")
    if program is None:
        absent("redis-server. apt install redis-server")
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    options = ["--port", str(port), "--bind", "127.0.0.1", "--save", "", "--dir", str(directory)]
    running = subprocess.Popen([program, *options], stdout=subprocess.DEVNULL)
    try:
        while True:
            try:
                socket.create_connection(("127.0.0.1", port)).close()
                break
            except OSError:
                assert running.poll() is None, "redis-server ended"
                time.sleep(0.01)
        yield port
    finally:
        running.terminate()
        running.wait()


@pytest.fixture(scope="session")
def postgres(absent: Callable[[str], NoReturn]) -> Iterator[Cluster]:
    """A private PostgreSQL for the whole run; `create_database` gives a test its own."""
    with asyncio.Runner() as runner:
        stack = AsyncExitStack()
        try:
            # Autovacuum is on, as anywhere, but does not come by amid a test and tidy up.
            # The statements of all tests find room, and none is forgotten that a test asks for.
            settings = {"autovacuum_naptime": "1d", "pg_stat_statements.max": "50000"}
            cluster = runner.run(stack.enter_async_context(private_cluster(settings=settings)))
        except KeikoError as error:
            absent(str(error))
        try:
            yield cluster
        finally:
            runner.run(stack.aclose())


@pytest.fixture(scope="session")
def new_database(postgres: Cluster) -> Callable[..., AbstractContextManager[str]]:
    """
    Makes a database for the tests of one file, and gives its URL.

    Its name begins with what it is given first; then come the statements that fill it.
    """

    @contextmanager
    def made(label: str, setup: str = "") -> Iterator[str]:
        name = f"{label}_{uuid4().hex[:12]}"
        with asyncio.Runner() as runner:
            url = runner.run(postgres.create_database(name))
            try:
                with psycopg.connect(url.replace("+psycopg", ""), autocommit=True) as db:
                    for statement in filter(str.strip, setup.split(";")):
                        db.execute(statement.encode())
                yield url
            finally:
                runner.run(postgres.drop_database(name))

    return made


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


@dataclass(frozen=True)
class Machine:
    """A /proc and a /sys of a test's own making, beneath `root`."""

    root: Path

    def write(self, name: str, text: str) -> None:
        file = self.root / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)

    def hold(self, rss_bytes: int, vms_bytes: int = 4 * 1024**3) -> None:
        """Let the process hold so much; whole pages."""
        page_bytes = os.sysconf("SC_PAGE_SIZE")
        pages = f"{vms_bytes // page_bytes} {rss_bytes // page_bytes}"
        self.write("proc/self/statm", f"{pages} 100 1 0 200 0\n")


@pytest.fixture
def machine(tmp_path: Path) -> Machine:
    """8 GiB of which 6 are available, and 4 cores; the process holds 512 MiB."""
    made = Machine(tmp_path)
    made.write(
        "proc/meminfo",
        "MemTotal:        8388608 kB\nMemFree:               1 kB\nMemAvailable:    6291456 kB\n",
    )
    # As in proc_stat(5): user nice system idle iowait irq softirq steal guest guest_nice.
    cores = "".join(f"cpu{core} 1 0 0 0 0 0 0 0 0 0\n" for core in range(4))
    made.write("proc/stat", f"cpu  1000 20 300 6000 500 10 40 30 700 0\n{cores}intr 1 2\nctxt 3\n")
    made.hold(512 * 1024**2)
    return made
