"""
WebhookNotifier: alerts as JSON to an address of one's own, or to a chat's incoming webhook.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping

from keiko_perf.monitoring.alerts.alerts import Alert
from keiko_perf.monitoring.notify.document import as_document, as_text
from keiko_perf.monitoring.notify.posting import Poster, Sleep


class WebhookNotifier:
    """
    Posts the alerts of a moment as one JSON document: `metric`, `severity`, `state`, `message`,
    `value`, `since` and `changed_at` of the worst, `alerts` with the same of each, `labels`, and
    `text`, a line for each that chat services such as Slack and Mattermost show.

    Args:
        url: where to; it may hold a secret, and is never logged beyond its host.
        labels: that tell the service from others, such as `{"service": "agents"}`; they stand in
            the document, and as the first line of its text.
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
        labels: Mapping[str, str] | None = None,
        timeout_s: float = 5.0,
        attempts: int = 3,
        pause_s: float = 1.0,
        sleep: Sleep = asyncio.sleep,
    ) -> None:
        self._labels = dict(labels or {})
        self._poster = Poster(
            url,
            what="webhook",
            timeout_s=timeout_s,
            attempts=attempts,
            pause_s=pause_s,
            sleep=sleep,
        )

    def __repr__(self) -> str:
        return f"<WebhookNotifier {self._poster.host}>"

    async def __call__(self, alert: Alert, /) -> None:
        """
        Deliver *alert*.

        Raises:
            ServiceUnavailable: it was not taken, in none of the attempts.
        """
        await self.tell((alert,))

    async def tell(self, alerts: tuple[Alert, ...], /) -> None:
        """Deliver *alerts*, the worst first; raises as calling it does."""
        head = ", ".join(f"{name}={value}" for name, value in self._labels.items())
        document = {
            **as_document(alerts[0]),
            "labels": self._labels,
            "text": "\n".join(filter(None, (head, as_text(alerts)))),
            "alerts": [as_document(one) for one in alerts],
        }
        await self._poster.post(document)
