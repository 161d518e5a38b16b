"""
Telling someone of an alert: to the log, to a webhook, or to any async function of one's own.

What is on the other end may be slow, broken or gone. That never reaches the service: alerts wait
in a bounded queue, each is tried a bounded number of times, and what got lost is counted.
"""

from __future__ import annotations

import asyncio
import json
import logging
from collections import deque
from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass
from http.client import HTTPException
from typing import Protocol
from urllib.error import HTTPError
from urllib.parse import urlsplit
from urllib.request import HTTPRedirectHandler, Request, build_opener

from keiko_perf.errors import ServiceUnavailable, UsageError
from keiko_perf.model import Severity
from keiko_perf.monitoring.alerts import Alert, AlertState
from keiko_perf.render import phrase

_log = logging.getLogger("keiko_perf.alerts")

_LEVELS = {
    Severity.NOTE: logging.INFO,
    Severity.WARNING: logging.WARNING,
    Severity.CRITICAL: logging.ERROR,
}


class Notifier(Protocol):
    """Tells someone of an alert that began to fire, or resolved. It may raise: that is counted."""

    async def __call__(self, alert: Alert, /) -> None: ...


class LogNotifier:
    """Writes alerts to the standard log `keiko_perf.alerts`: as warning, error, or info."""

    def __init__(self, log: logging.Logger = _log) -> None:
        self._log = log

    async def __call__(self, alert: Alert, /) -> None:
        resolved = alert.state is AlertState.RESOLVED
        level = logging.INFO if resolved else _LEVELS[alert.severity]
        self._log.log(level, "%s %s: %s", alert.metric, alert.state, phrase(alert.message))


class WebhookNotifier:
    """
    Posts alerts as JSON: `metric`, `severity`, `state`, `message`, `value`, `since`, and `text`, a
    line that chat services such as Slack and Mattermost show.

    Args:
        url: where to; it may hold a secret, and is never logged beyond its host.
        timeout_s: of one attempt.
        attempts: how often is tried, when the other end is busy or gone. What it refuses (4xx) is
            not tried again, and a redirect is not followed: the secret was meant for this host.
        pause_s: before the second attempt; each further one waits twice as long.

    Raises:
        UsageError: *url* is no http or https address, or a number is out of range.
    """

    def __init__(
        self,
        url: str,
        *,
        timeout_s: float = 5.0,
        attempts: int = 3,
        pause_s: float = 1.0,
        sleep: Callable[[float], Awaitable[object]] = asyncio.sleep,
    ) -> None:
        self._host = _host_of(url)
        if not (timeout_s > 0 and attempts >= 1 and pause_s >= 0):
            raise UsageError(
                "a webhook needs timeout_s > 0, attempts ≥ 1 and pause_s ≥ 0",
                cure="Leave them out to take the defaults",
            )
        self._url = url
        self._timeout_s = timeout_s
        self._attempts = attempts
        self._pause_s = pause_s
        self._sleep = sleep

    def __repr__(self) -> str:
        return f"<WebhookNotifier {self._host}>"

    async def __call__(self, alert: Alert, /) -> None:
        """
        Deliver *alert*.

        Raises:
            ServiceUnavailable: it was not taken, in none of the attempts.
        """
        body = json.dumps(as_document(alert)).encode()
        for attempt in range(self._attempts):
            if attempt:
                await self._sleep(self._pause_s * 2 ** (attempt - 1))
            problem, again = await asyncio.to_thread(self._post, body)
            if problem is None:
                return
            if not again:
                break
        raise ServiceUnavailable(
            f"the webhook at {self._host} did not take an alert: {problem}",
            cure="See that its address is right and that it accepts JSON",
        )

    def _post(self, body: bytes) -> tuple[str | None, bool]:
        """What went wrong, None if nothing did, and whether another attempt may help."""
        request = Request(  # noqa: S310 - the scheme was checked: http or https
            self._url, data=body, headers={"Content-Type": "application/json"}, method="POST"
        )
        try:
            with _OPENER.open(request, timeout=self._timeout_s):
                return None, False
        except HTTPError as error:
            error.close()
            return f"status {error.code}", error.code >= 500 or error.code == 429
        except (OSError, HTTPException) as error:
            # The error's text can hold the address; its kind cannot.
            return type(getattr(error, "reason", None) or error).__name__, True


@dataclass(frozen=True, slots=True)
class Deliveries:
    """
    Attributes:
        delivered: how many were taken. An alert counts once for each notifier, here and below.
        failed: how many a notifier raised on.
        dropped: how many found the queue full, or were still waiting when it was closed.
        waiting: how many wait now, or are on their way.
    """

    delivered: int
    failed: int
    dropped: int
    waiting: int


class Courier:
    """
    Carries alerts to notifiers, in order, one at a time, so that nobody waits for it.

    Args:
        notifiers: whom to tell.
        max_waiting: how many deliveries wait at most; further ones are dropped and counted.
    """

    def __init__(self, notifiers: Iterable[Notifier], *, max_waiting: int = 100) -> None:
        self._notifiers = tuple(notifiers)
        self._max_waiting = max_waiting
        self._waiting: deque[tuple[Notifier, Alert]] = deque()
        self._called = asyncio.Event()
        self._delivered = self._failed = self._dropped = 0

    def send(self, alerts: Iterable[Alert]) -> None:
        """Take *alerts* for delivery; it neither waits nor raises."""
        for alert in alerts:
            for notifier in self._notifiers:
                if len(self._waiting) < self._max_waiting:
                    self._waiting.append((notifier, alert))
                else:
                    self._dropped += 1
        self._called.set()

    async def run(self) -> None:
        """Deliver what waits and what is sent, until cancelled."""
        # An event belongs to the loop in which it was waited for, and this may be another one.
        self._called = called = asyncio.Event()
        while True:
            await self.flush()
            await called.wait()
            called.clear()

    async def flush(self) -> None:
        """Deliver all that waits."""
        while self._waiting:
            # It leaves the queue afterwards: if this is cancelled, the next turn delivers it.
            await self._deliver(*self._waiting[0])
            self._waiting.popleft()

    async def close(self, *, within_s: float) -> None:
        """Deliver what waits, but give up after *within_s*; what is left is counted as dropped."""
        try:
            async with asyncio.timeout(within_s):
                await self.flush()
        except TimeoutError:
            _log.warning("alerts were not delivered in time: %d", len(self._waiting))
            self._dropped += len(self._waiting)
            self._waiting.clear()

    def statistics(self) -> Deliveries:
        return Deliveries(self._delivered, self._failed, self._dropped, len(self._waiting))

    async def _deliver(self, notifier: Notifier, alert: Alert) -> None:
        try:
            await notifier(alert)
        except Exception as error:  # a stranger's code: its failure must not reach the service
            self._failed += 1
            said = error if isinstance(error, ServiceUnavailable) else type(error).__name__
            _log.warning("alert %s was not delivered by %r: %s", alert.metric, notifier, said)
        else:
            self._delivered += 1


def as_document(alert: Alert) -> dict[str, object]:
    """The alert in JSON's types, in English."""
    message = phrase(alert.message)
    return {
        "metric": alert.metric,
        "severity": alert.severity.word,
        "state": alert.state.value,
        "message": message,
        "value": alert.value,
        "since": alert.since.isoformat(),
        "changed_at": alert.changed_at.isoformat(),
        "text": f"[{alert.state}] {alert.metric} ({alert.severity.word}): {message}",
    }


class _NoRedirect(HTTPRedirectHandler):
    def redirect_request(self, *_: object) -> None:
        return None


_OPENER = build_opener(_NoRedirect)


def _host_of(url: str) -> str:
    try:
        parts = urlsplit(url)
        host = parts.hostname
    except ValueError:
        host = None
    if not host or parts.scheme not in ("http", "https"):
        raise UsageError(
            "a webhook's address begins with http:// or https:// and names a host",
            cure="Give it as in https://hooks.example.com/…",
        )
    return host
