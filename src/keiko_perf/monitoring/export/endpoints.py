"""
Endpoints: where other tools read a service: Prometheus its figures, an orchestrator its health.

`/performance/prometheus`, `/performance/health` and `/performance/attribution`, which the doctor
reads, are protected as the dashboard is. `livez` and
`readyz` answer anybody, as orchestrators want it, and tell nothing but their own status: `livez`
that the event loop turns, `readyz` that the monitor does its work. Neither turns with a slow
answer: a service that is restarted because it is slow does not get quicker.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import cast

from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, Response

from keiko_perf.errors import StoreUnavailable
from keiko_perf.monitoring.dashboard.language import preferred
from keiko_perf.monitoring.export.attributed import attributed
from keiko_perf.monitoring.export.exporting import Exporting
from keiko_perf.monitoring.export.health import MEDIA, document_of, status_of
from keiko_perf.monitoring.export.negotiation import answer
from keiko_perf.monitoring.export.view import Exported, view_of
from keiko_perf.monitoring.protocol import Monitor

Answer = Callable[[Request], Awaitable[Response]]
_HEADERS = {"Cache-Control": "no-store", "X-Content-Type-Options": "nosniff"}
_LEAST_LAST_S, _MOST_LAST_S = 1.0, 86_400.0
_WHICH_LAST = "last= is a number of seconds from 1 to 86400\n"
_ELSEWHERE = PlainTextResponse(
    "this is told by the service itself, and not by whoever looks at its store\n",
    status_code=404,
    headers=_HEADERS,
)


def endpoints(
    refusal: Callable[[Request], Response | None], monitor_of: Callable[[Request], Monitor]
) -> tuple[tuple[str, Answer], ...]:
    """
    The paths beneath the dashboard's prefix, and what answers each.

    Args:
        refusal: why a request may not read; None if it may.
        monitor_of: the monitor of the application that a request came to.
    """

    def exported(request: Request) -> Exported | None:
        monitor = monitor_of(request)
        if not isinstance(monitor, Exporting):
            return None
        monitor.start()  # as the dashboard does: whoever asks wants the figures to go on
        return cast(Exported, monitor)

    async def prometheus(request: Request) -> Response:
        if (refused := refusal(request)) is not None:
            return refused
        monitor = exported(request)
        return _ELSEWHERE if monitor is None else await scraped(monitor, request)

    async def health(request: Request) -> Response:
        if (refused := refusal(request)) is not None:
            return refused
        monitor = exported(request)
        return _ELSEWHERE if monitor is None else await _health(monitor, _lang(request))

    async def attribution(request: Request) -> Response:
        if (refused := refusal(request)) is not None:
            return refused
        if exported(request) is None:
            return _ELSEWHERE
        try:
            last_s = _seconds(request.query_params.get("last"))
        except ValueError:
            return PlainTextResponse(_WHICH_LAST, status_code=422, headers=_HEADERS)
        return await _attribution(monitor_of(request), last_s, _lang(request))

    async def livez(_request: Request) -> Response:
        return PlainTextResponse("ok\n", headers=_HEADERS)

    async def readyz(request: Request) -> Response:
        monitor = exported(request)
        ready = monitor is not None and monitor.is_recording and monitor.is_ticking
        said = "ok\n" if ready else "the monitor does not watch this service\n"
        return PlainTextResponse(said, status_code=200 if ready else 503, headers=_HEADERS)

    return (
        ("/prometheus", prometheus),
        ("/health", health),
        ("/attribution", attribution),
        ("/livez", livez),
        ("/readyz", readyz),
    )


async def scraped(monitor: Exported, request: Request) -> Response:
    """The figures of *monitor* in the format that the request likes best."""
    try:
        view = await view_of(monitor)
    except StoreUnavailable as error:
        return PlainTextResponse(f"{error}\n", status_code=503, headers=_HEADERS)
    media, body = answer(view, request.headers.get("accept", ""))
    return Response(body, media_type=media, headers=_HEADERS)


async def _attribution(monitor: Monitor, last_s: float | None, lang: str) -> Response:
    try:
        document = await attributed(monitor, last_s, lang=lang)
    except StoreUnavailable as error:
        return PlainTextResponse(f"{error}\n", status_code=503, headers=_HEADERS)
    return JSONResponse(document, headers=_HEADERS)


def _lang(request: Request) -> str:
    """The language of what a person reads in a document; English where none is asked for."""
    return preferred(request.headers.get("accept-language"))


def _seconds(text: str | None) -> float | None:
    if text is None:
        return None
    last_s = float(text)
    if not _LEAST_LAST_S <= last_s <= _MOST_LAST_S:
        raise ValueError(text)
    return last_s


async def _health(monitor: Exported, lang: str) -> Response:
    snapshot = await monitor.current()
    verdicts = monitor.judge(snapshot)
    # Of thousands of routes it takes a while to tell where a miss comes from.
    document = await asyncio.to_thread(
        document_of,
        verdicts,
        snapshot,
        monitor.alerts,
        build=monitor.build(),
        now=monitor.now(),
        lang=lang,
    )
    failed = status_of(verdicts.values()) == "fail"
    return JSONResponse(
        document, status_code=503 if failed else 200, media_type=MEDIA, headers=_HEADERS
    )
