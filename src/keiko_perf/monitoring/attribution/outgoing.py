"""
Outgoing: tells the account of a request how long it waits for other services.

Of httpx a client's `send` is timed, of aiohttp a session's requests are traced. Both until the head
of the answer is there; of httpx also its body, unless it is streamed. Of the address the host and
the port are told, and no path or query.
"""

from __future__ import annotations

from functools import wraps
from typing import Any

from keiko_perf.errors import UsageError
from keiko_perf.model import OTHER, Kind
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
            call, failed = _opened(_host(args, options)), True
            try:
                answer = await send(*args, **options)
                failed = answer.status_code >= 500
                return answer
            finally:
                _shut(call, failed=failed)
    else:

        @wraps(send)
        def timed(*args: Any, **options: Any) -> Any:
            call, failed = _opened(_host(args, options)), True
            try:
                answer = send(*args, **options)
                failed = answer.status_code >= 500
                return answer
            finally:
                _shut(call, failed=failed)

    client.send = timed


def _trace_aiohttp(session: Any) -> None:
    from aiohttp import TraceConfig

    if any(getattr(one, _WATCHED, False) for one in session.trace_configs):
        return

    async def begin(_session: object, context: Any, params: Any) -> None:
        context.keiko_perf_call = _opened(_named(params.url.host, params.url.explicit_port))

    async def end(_session: object, context: Any, params: Any) -> None:
        _shut(context.keiko_perf_call, failed=params.response.status >= 500)

    async def fail(_session: object, context: Any, _params: object) -> None:
        _shut(context.keiko_perf_call, failed=True)

    trace = TraceConfig()
    trace.on_request_start.append(begin)
    trace.on_request_end.append(end)
    trace.on_request_exception.append(fail)
    setattr(trace, _WATCHED, True)
    trace.freeze()
    session.trace_configs.append(trace)


Call = tuple[Account, str, float]


def _host(args: tuple[Any, ...], options: dict[str, Any]) -> str:
    request = args[0] if args else options.get("request")
    url = getattr(request, "url", None)
    return OTHER if url is None else _named(url.host, url.port)


def _named(host: str | None, port: int | None) -> str:
    shown = f"[{host}]" if host and ":" in host else host or OTHER
    return shown if port is None else f"{shown}:{port}"


def _opened(host: str) -> Call | None:
    account = current.get()
    if account is None:
        return None
    account.open(_HTTP)
    return account, host, account.clock()


def _shut(call: Call | None, *, failed: bool) -> None:
    if call is None:
        return
    account, host, began_s = call
    account.shut(_HTTP)
    record = getattr(account.owner, "record", None)
    if record is not None:
        record(Kind.OUTGOING, host, max(account.clock() - began_s, 0.0), failed=failed)
