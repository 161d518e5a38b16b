"""A service that is a process of its own never outlives us, and says why it did not serve."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from pathlib import Path

import psutil
import pytest

from keiko_perf.demo.child import running_service
from keiko_perf.demo.settings import DemoSettings
from keiko_perf.errors import ServiceUnavailable

SETTINGS = DemoSettings(database_url="postgresql://nobody@127.0.0.1/none", token="secret-token")

Module = Callable[[str], str]


@pytest.fixture
def module(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Module:
    """Makes a module that a child can run: `module("print('ready http://x')")`."""
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))

    def make(code: str) -> str:
        (tmp_path / "a_service.py").write_text(code)
        return "a_service"

    return make


def _children() -> list[psutil.Process]:
    return [one for one in psutil.Process().children() if "a_service" in one.cmdline()]


async def test_it_serves_until_the_context_ends(tmp_path: Path, module: Module) -> None:
    name = module(
        "import sys\nprint('hello')\nprint('ready http://x:1', flush=True)\nsys.stdin.read()"
    )
    async with running_service(SETTINGS, log=tmp_path / "log", module=name) as url:
        assert url == "http://x:1"
        assert len(_children()) == 1
    assert _children() == []


async def test_one_that_never_gets_ready_is_given_up(tmp_path: Path, module: Module) -> None:
    name = module(
        "import sys\nprint('still loading', file=sys.stderr, flush=True)\nsys.stdin.read()"
    )
    with pytest.raises(ServiceUnavailable, match=r"not ready within 0\.8 s: still loading"):
        async with running_service(SETTINGS, log=tmp_path / "log", module=name, patience_s=0.8):
            pass
    assert _children() == []


async def test_one_that_ends_at_once_is_quoted(tmp_path: Path, module: Module) -> None:
    name = module("raise SystemExit('the port is taken')")
    with pytest.raises(ServiceUnavailable, match="ended before it was ready: the port is taken"):
        async with running_service(SETTINGS, log=tmp_path / "log", module=name):
            pass


async def test_one_that_dies_in_the_middle_ends_what_is_done_with_it(
    tmp_path: Path, module: Module
) -> None:
    name = module(
        "import sys\nprint('ready http://x:1', flush=True)\nsys.exit('the memory is used up')\n"
    )
    with pytest.raises(ServiceUnavailable, match="ended in the middle: the memory is used up"):
        async with running_service(SETTINGS, log=tmp_path / "log", module=name):
            await asyncio.sleep(30)
    task = asyncio.current_task()
    assert task is not None
    assert task.cancelling() == 0, "what comes next is not cancelled"


async def test_one_that_dies_is_said_also_by_who_takes_no_notice_of_it(
    tmp_path: Path, module: Module
) -> None:
    name = module("print('ready http://x:1', flush=True)")

    async def use() -> None:
        async with running_service(SETTINGS, log=tmp_path / "log", module=name):
            try:
                await asyncio.sleep(30)
            except asyncio.CancelledError:
                task = asyncio.current_task()
                assert task is not None
                task.uncancel()

    with pytest.raises(ServiceUnavailable, match="ended in the middle"):
        await use()


async def test_who_is_cancelled_himself_stays_cancelled(tmp_path: Path, module: Module) -> None:
    name = module("import sys\nprint('ready http://x:1', flush=True)\nsys.stdin.read()")
    begun = asyncio.Event()

    async def use() -> None:
        async with running_service(SETTINGS, log=tmp_path / "log", module=name):
            begun.set()
            await asyncio.sleep(30)

    task = asyncio.create_task(use())
    await begun.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert _children() == []


async def test_one_that_takes_no_notice_is_killed(
    tmp_path: Path, module: Module, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("keiko_perf.demo.child._FAREWELL_S", 0.3)
    name = module(
        "import signal, time\n"
        "signal.signal(signal.SIGTERM, signal.SIG_IGN)\n"
        "print('ready http://x:1', flush=True)\n"
        "time.sleep(60)\n"
    )
    async with running_service(SETTINGS, log=tmp_path / "log", module=name):
        pass
    assert _children() == []


async def test_a_cancelled_start_leaves_no_process(tmp_path: Path, module: Module) -> None:
    name = module("import sys\nsys.stdin.read()")

    async def use() -> None:
        async with running_service(SETTINGS, log=tmp_path / "log", module=name):
            pass

    task = asyncio.create_task(use())
    while not _children():  # noqa: ASYNC110  # a process sets no event
        await asyncio.sleep(0.01)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert _children() == []


async def test_the_settings_reach_it_by_its_environment_alone(
    tmp_path: Path, module: Module
) -> None:
    name = module(
        "import os, sys\n"
        "print('ready', os.environ['KEIKO_DEMO_TOKEN'], flush=True)\n"
        "sys.stdin.read()\n"
    )
    async with running_service(SETTINGS, log=tmp_path / "log", module=name) as said:
        assert said == "secret-token"
        (child,) = _children()
        assert "secret-token" not in " ".join(child.cmdline())
