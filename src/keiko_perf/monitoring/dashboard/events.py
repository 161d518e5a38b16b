"""
Events: the stream that keeps a page live, as server-sent events.

On each beat of the pulse a page gets the state and, if its view is live, the newest points of its
timeline. Every open page of one view is sent the same text. A stream ends after a while, so that
whoever may not look any more does not look on; the page then opens the next one.
"""

from __future__ import annotations

import logging
import time
from collections.abc import AsyncIterator, Callable

from keiko_perf.monitoring.dashboard.live import Live
from keiko_perf.monitoring.dashboard.view import View

LIFE_S = 300.0
MAX_STREAMS = 200
"""Of a process; a further page is refused, and asks again."""
_log = logging.getLogger("keiko_perf.dashboard")


async def stream(
    live: Live, view: View, lang: str, *, clock: Callable[[], float] = time.monotonic
) -> AsyncIterator[str]:
    """
    The events `state` and `points`, until the stream's life or the server's ends, with `bye`.

    An event that could not be made is left out; the next beat tries again.
    """
    ends_s = clock() + LIFE_S
    while True:
        try:
            state = await live.state_text(lang)
            tail = None if view.last_s is None else await live.tail(view, lang)
        except Exception:  # a stranger's store; the page stays open and shows what it has
            _log.exception("the state of the service cannot be told; the page waits for it")
        else:
            yield _event("state", state)
            if tail is not None:
                yield _event("points", tail)
        if not await live.pulse.beat() or clock() >= ends_s:
            yield _event("bye", "{}")
            return


def _event(name: str, text: str) -> str:
    # JSON's text has no line breaks of its own, so one line of data is all of it.
    return f"event: {name}\ndata: {text}\n\n"
