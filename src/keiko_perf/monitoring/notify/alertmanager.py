"""
AlertmanagerNotifier: alerts to a Prometheus Alertmanager, which then routes, groups and silences.

Alertmanager takes an alert for resolved once nobody repeats it, so what fires is sent again each
minute, with an end some minutes ahead: a service that dies does not leave its alerts behind.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from datetime import datetime, timedelta

from keiko_perf.monitoring.alerts.alerts import Alert, AlertState
from keiko_perf.monitoring.notify.posting import Poster, Sleep
from keiko_perf.monitoring.recorder import utc_now
from keiko_perf.render import phrase


class AlertmanagerNotifier:
    """
    Posts to `/api/v2/alerts`. Labels are `alertname` (the check), `severity` and *labels*; the
    sentence is the annotation `summary`.

    Args:
        url: of the Alertmanager, such as `http://alertmanager:9093`.
        labels: that each alert has besides, such as `{"service": "agents"}`; without any it is
            `{"job": "keiko-perf"}`.
        refresh_s: how often what fires is sent again.
        token: a bearer token, if a proxy in front asks for one.
        timeout_s: of one attempt.
        attempts: how often is tried when it is busy or gone.
        pause_s: before the second attempt; each further one waits twice as long.

    Raises:
        UsageError: *url* is no http or https address, or a number is out of range.
    """

    def __init__(
        self,
        url: str,
        *,
        labels: Mapping[str, str] | None = None,
        refresh_s: float = 60.0,
        token: str | None = None,
        timeout_s: float = 5.0,
        attempts: int = 3,
        pause_s: float = 1.0,
        sleep: Sleep = asyncio.sleep,
    ) -> None:
        self.refresh_s = refresh_s
        self._labels = dict(labels or {"job": "keiko-perf"})
        self._poster = Poster(
            f"{url.rstrip('/')}/api/v2/alerts",
            what="Alertmanager",
            timeout_s=timeout_s,
            attempts=attempts,
            pause_s=pause_s,
            sleep=sleep,
            headers=None if token is None else {"Authorization": f"Bearer {token}"},
        )

    def __repr__(self) -> str:
        return f"<AlertmanagerNotifier {self._poster.host}>"

    async def __call__(self, alert: Alert, /) -> None:
        """
        Deliver *alert*.

        Raises:
            ServiceUnavailable: it was not taken, in none of the attempts.
        """
        await self.tell((alert,))

    async def tell(self, alerts: tuple[Alert, ...], /) -> None:
        """Deliver *alerts*; raises as calling it does."""
        now = utc_now()
        await self._poster.post([self._document(one, now) for one in alerts])

    def _document(self, alert: Alert, now: datetime) -> dict[str, object]:
        resolved = alert.state is AlertState.RESOLVED
        # Three repetitions may get lost before it is taken for resolved.
        end_at = alert.changed_at if resolved else now + timedelta(seconds=4 * self.refresh_s)
        return {
            "labels": {
                **self._labels,
                "alertname": alert.metric,
                "severity": alert.severity.word,
            },
            "annotations": {"summary": phrase(alert.message)},
            "startsAt": alert.since.isoformat(),
            "endsAt": end_at.isoformat(),
        }
