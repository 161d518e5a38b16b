"""
PerfMiddleware: tells the recorder of each HTTP request and WebSocket, and stays out of its way.

It is pure ASGI: it passes every message on as it is, holds none back, changes no answer, and
raises and swallows nothing. Whatever is neither HTTP nor a WebSocket passes through untouched. The
one exception: who presents a run token (`run_token`) gets a `Server-Timing` header.

The clock starts when the request comes in and stops when all of the body is handed to the server,
so background tasks are not counted; after an answer in pieces it waits until the server has taken
the last one, as a slow client lets it wait. A request that failed is a 5xx, an
exception, or a return before the answer was complete; one that was refused is a 4xx. A client that
left before that is counted as `disconnected`, and as none of them: how long it would have taken is
not known. Of an answer in pieces it is told as well when the first one came.
"""

from __future__ import annotations

from keiko_perf.monitoring.exchange import App, Watching
from keiko_perf.monitoring.recorder import Recorder


class PerfMiddleware(Watching):
    """
    Args:
        app: the application, or the next middleware.
        recorder: what is told; its clock is used.
        attribution: whether it is told as well where the time of each request went.
        token: what run tokens are signed with; without one, or without attribution, nobody gets a
            `Server-Timing`.
    """

    def __init__(
        self,
        app: App,
        recorder: Recorder,
        *,
        attribution: bool = False,
        token: str | None = None,
    ) -> None:
        super().__init__(app, recorder, attribution, token)
