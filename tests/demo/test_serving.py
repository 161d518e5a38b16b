"""The service as a process of its own: it says when it serves, and it always ends."""

from __future__ import annotations

import asyncio
import os
import signal
import socket
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import httpx
import pytest
from sqlalchemy import make_url

from keiko_perf.demo.settings import PREFIX, DemoSettings

from .conftest import TOKEN

pytestmark = pytest.mark.postgres

PROGRAM = (sys.executable, "-m", "keiko_perf.demo.service")


def environment(url: str, **settings: object) -> dict[str, str]:
    ours = DemoSettings(database_url=url, token=TOKEN, **settings)  # type: ignore[arg-type]
    return {**os.environ, **ours.to_environment()}


@asynccontextmanager
async def started(environ: dict[str, str]) -> AsyncIterator[asyncio.subprocess.Process]:
    pipe = asyncio.subprocess.PIPE
    process = await asyncio.create_subprocess_exec(
        *PROGRAM, env=environ, stdin=pipe, stdout=pipe, stderr=pipe
    )
    try:
        yield process
    finally:
        if process.returncode is None:
            process.kill()
        await process.communicate()


async def ready(process: asyncio.subprocess.Process) -> str:
    assert process.stdout is not None
    word, url = (await process.stdout.readline()).decode().split()
    assert word == "ready"
    return url


async def test_it_serves_on_a_free_port_with_a_store(shared_url: str, tmp_path: Path) -> None:
    store = tmp_path / "measurements.db"
    async with started(environment(shared_url, store=store)) as process:
        url = await ready(process)
        async with httpx.AsyncClient(base_url=url) as client:
            assert (await client.get("/health")).json() == {"status": "ok"}
            answer = await client.get(
                "/api/v1/agents", headers={"authorization": f"Bearer {TOKEN}"}
            )
            assert answer.status_code == 200
        process.send_signal(signal.SIGTERM)
        out, err = await process.communicate()
        assert (process.returncode, out, err) == (0, b"", b"")
    assert store.stat().st_size > 0


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
async def test_a_signal_ends_it_in_good_order(shared_url: str, number: signal.Signals) -> None:
    async with started(environment(shared_url)) as process:
        url = await ready(process)
        async with httpx.AsyncClient(base_url=url) as client:
            await client.get("/health")  # a connection that stays open
            process.send_signal(number)
            _, err = await process.communicate()
        assert (process.returncode, err) == (0, b"")


async def test_it_ends_when_its_standard_input_closes(shared_url: str) -> None:
    async with started(environment(shared_url)) as process:
        await ready(process)
        assert process.stdin is not None
        process.stdin.close()
        assert await process.wait() == 0


async def test_it_ends_when_its_parent_dies(shared_url: str) -> None:
    # The parent hands it /dev/null as standard input, says its id, and is killed. Our end of
    # the pipe that both write to closes when the last of them is gone.
    parent = (
        "import subprocess, sys, time\n"
        "child = subprocess.Popen([sys.executable, '-m', 'keiko_perf.demo.service'],"
        " stdin=subprocess.DEVNULL)\n"
        "time.sleep(600)\n"
    )
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-c",
        parent,
        env=environment(shared_url),
        stdout=asyncio.subprocess.PIPE,
    )
    url = await ready(process)
    process.kill()
    assert process.stdout is not None
    assert await process.stdout.read() == b""
    await process.wait()
    async with httpx.AsyncClient(base_url=url) as client:
        with pytest.raises(httpx.ConnectError):
            await client.get("/health")


async def said(environ: dict[str, str]) -> tuple[int | None, str]:
    """The exit code and what was said of a service that does not get to serve."""
    async with started(environ) as process:
        out, err = await process.communicate()
        assert out == b""
        return process.returncode, err.decode()


async def test_a_port_that_is_taken_is_one_sentence_with_the_cure(shared_url: str) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        code, words = await said(environment(shared_url, port=port))
    assert code == 1
    assert f"cannot listen on 127.0.0.1:{port}" in words
    assert "KEIKO_DEMO_PORT" in words
    assert words.count("\n") == 1


async def test_a_database_that_is_down_is_one_sentence_with_the_cure(
    shared_url: str, unused_tcp_port: int
) -> None:
    url = make_url(shared_url).set(port=unused_tcp_port)
    code, words = await said(environment(url.render_as_string(hide_password=False)))
    assert code == 1
    assert f"127.0.0.1:{unused_tcp_port} cannot be reached" in words
    assert str(url.password) not in words
    assert words.count("\n") == 1


async def test_a_database_that_is_not_seeded_is_one_sentence_with_the_cure(
    empty_url: str,
) -> None:
    code, words = await said(environment(empty_url))
    assert code == 1
    assert "has no schema keiko_demo. Seed it" in words
    assert words.count("\n") == 1


async def test_a_setting_that_is_missing_is_one_sentence_and_a_mistake_in_use() -> None:
    environ = {name: value for name, value in os.environ.items() if not name.startswith(PREFIX)}
    code, words = await said(environ)
    assert code == 2
    assert words == ("KEIKO_DEMO_DATABASE_URL is not set. Give postgresql://user@host/name.\n")
