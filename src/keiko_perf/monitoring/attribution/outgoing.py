"""
Outgoing: tells the account of a request how long it waits for other services.

Of httpx a client's `send` is timed, of aiohttp a session's requests are traced. Both until the head
of the answer is there; of httpx also its body, unless it is streamed. No address is looked at.
"""

from __future__ import annotations

from functools import wraps
from typing import Any

from keiko_perf.errors import UsageError
from keiko_perf.monitoring.attribution.account import Account, current
from keiko_perf.monitoring.attribution.split import Part

_WATCHED = "_keiko_perf_is_watched"
_HTTP = Part.HTTP


def watch_client(client: Any) -> None:
    """
    Tell what *client* waits for. To watch it twice is no mistake.

    Args:
        client: an `httpx.AsyncClient`, an `httpx.Client` or an `aiohttp.ClientSession`.

    Raises:
        UsageError: it is none of them.
    """
    if getattr(client, _WATCHED, False):
        return
    module = {base.__module__.partition(".")[0] for base in type(client).__mro__}
    if "httpx" in module and callable(getattr(client, "send", None)):
        _time_httpx(client)
        setattr(client, _WATCHED, True)
    elif "aiohttp" in module and hasattr(client, "trace_configs"):
        _trace_aiohttp(client)
    else:
        raise UsageError(
            f"what a {type(client).__name__} asks for cannot be watched",
            cure="Give an httpx.AsyncClient, an httpx.Client or an aiohttp.ClientSession",
        )


def _time_httpx(client: Any) -> None:
    send = client.send
    if hasattr(client, "aclose"):

        @wraps(send)
        async def timed(*args: Any, **options: Any) -> Any:
            account = _opened()
            try:
                return await send(*args, **options)
            finally:
                _shut(account)
    else:

        @wraps(send)
        def timed(*args: Any, **options: Any) -> Any:
            account = _opened()
            try:
                return send(*args, **options)
            finally:
                _shut(account)

    client.send = timed


def _trace_aiohttp(session: Any) -> None:
    from aiohttp import TraceConfig

    if any(getattr(one, _WATCHED, False) for one in session.trace_configs):
        return

    async def begin(_session: object, context: Any, _params: object) -> None:
        context.keiko_perf_account = _opened()

    async def end(_session: object, context: Any, _params: object) -> None:
        _shut(context.keiko_perf_account)

    trace = TraceConfig()
    trace.on_request_start.append(begin)
    trace.on_request_end.append(end)
    trace.on_request_exception.append(end)
    setattr(trace, _WATCHED, True)
    trace.freeze()
    session.trace_configs.append(trace)


def _opened() -> Account | None:
    account = current.get()
    if account is not None:
        account.open(_HTTP)
    return account


def _shut(account: Account | None) -> None:
    if account is not None:
        account.shut(_HTTP)
