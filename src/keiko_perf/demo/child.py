"""
Child: the demo service as a process of its own, for as long as it is wanted.

It says one line when it serves. It ends by itself when its standard input closes, so that it
cannot outlive us, whatever our death. If it ends before it should, so does what was done with it.
"""

from __future__ import annotations

import asyncio
import os
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path

from keiko_perf.demo.settings import PREFIX, DemoSettings
from keiko_perf.errors import ServiceUnavailable

_READY = "ready "
_PATIENCE_S = 30.0
_FAREWELL_S = 10.0
_MODULE = "keiko_perf.demo.service"


@asynccontextmanager
async def running_service(
    settings: DemoSettings, *, log: Path, module: str = _MODULE, patience_s: float = _PATIENCE_S
) -> AsyncIterator[str]:
    """
    The service while the context lasts; yields its base URL.

    Args:
        settings: what the service is told.
        log: the file for what it says on standard error.
        module: what is run as `python -m`.
        patience_s: how long it may take until it serves.

    Raises:
        ServiceUnavailable: it did not serve in time, or it ended, also in the middle of the
            context, which is then cancelled; what it said is named.
    """
    ours = {name: value for name, value in os.environ.items() if not name.startswith(PREFIX)}
    with log.open("ab") as output:
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-m", module,
            stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE, stderr=output,
            env=ours | settings.to_environment(),
            # Ctrl-C reaches only us, and we end it in our own order.
            start_new_session=True,
        )  # fmt: skip
    try:
        url = await _base_url(process, log, patience_s)
        async with _as_long_as_it_runs(process, log):
            yield url
    finally:
        await _end(process)


@asynccontextmanager
async def _as_long_as_it_runs(
    process: asyncio.subprocess.Process, log: Path
) -> AsyncIterator[None]:
    owner = asyncio.current_task()
    assert owner is not None
    is_over = False

    async def watch() -> None:
        nonlocal is_over
        await process.wait()
        is_over = True
        owner.cancel()

    watching = asyncio.create_task(watch())
    try:
        yield
    except asyncio.CancelledError:
        # Somebody else may have cancelled as well, and that goes on.
        if not is_over or owner.uncancel():
            raise
    finally:
        watching.cancel()
    if is_over:
        raise ServiceUnavailable(
            f"the demo service ended in the middle{_last_words(log)}",
            cure="See what ended it, such as a lack of memory, and try again",
        )


async def _base_url(process: asyncio.subprocess.Process, log: Path, patience_s: float) -> str:
    assert process.stdout is not None
    try:
        async with asyncio.timeout(patience_s):
            async for line in process.stdout:
                said = line.decode(errors="replace").strip()
                if said.startswith(_READY):
                    return said.removeprefix(_READY)
    except TimeoutError as error:
        raise ServiceUnavailable(
            f"the demo service was not ready within {patience_s:g} s{_last_words(log)}",
            cure="Try again on a machine with less to do",
        ) from error
    await process.wait()
    raise ServiceUnavailable(
        f"the demo service ended before it was ready{_last_words(log)}",
        cure="What it said names the cause; with a database of your own, check its URL and rights",
    )


async def _end(process: asyncio.subprocess.Process) -> None:
    assert process.stdin is not None
    process.stdin.close()
    with suppress(ProcessLookupError):
        process.terminate()
    try:
        async with asyncio.timeout(_FAREWELL_S):
            await process.wait()
    except TimeoutError:
        with suppress(ProcessLookupError):
            process.kill()
        await process.wait()


def _last_words(log: Path) -> str:
    lines = [line for line in log.read_text(errors="replace").splitlines() if line.strip()]
    return f": {lines[-1].strip()}" if lines else ""
