"""
AppriseNotifier: alerts to mail, Slack, Teams, Telegram, PagerDuty and whatever else Apprise knows.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from keiko_perf.errors import MissingExtra, ServiceUnavailable, UsageError
from keiko_perf.model import Severity
from keiko_perf.monitoring.alerts.alerts import Alert, AlertState
from keiko_perf.monitoring.notify.document import as_text


class AppriseNotifier:
    """
    Sends the alerts of a moment as one message to each of some addresses in Apprise's form.

    Args:
        urls: such as `mailto://…`, `slack://…`, `tgram://…`; they hold secrets, and only their
            kind is ever shown.
        title: of the message.

    Raises:
        MissingExtra: the package `apprise` is not installed.
        UsageError: there is no address, or one that Apprise does not understand.
    """

    def __init__(self, *urls: str, title: str = "keiko-perf") -> None:
        try:
            import apprise
        except ImportError as error:
            raise MissingExtra(
                "apprise", extra="apprise", purpose="the Apprise notifier"
            ) from error
        self._services = apprise.Apprise()
        self._types = apprise.NotifyType
        self._title = title
        self._kinds = ", ".join(one.partition(":")[0] for one in urls)
        for number, url in enumerate(urls, 1):
            if not self._services.add(url):
                raise UsageError(
                    f"address {number} of {len(urls)} is none that Apprise understands",
                    cure="Give it in one of the forms that Apprise's documentation lists",
                )
        if not urls:
            raise UsageError("nobody is told of alerts", cure="Give at least one address")

    def __repr__(self) -> str:
        return f"<AppriseNotifier {self._kinds}>"

    async def __call__(self, alert: Alert, /) -> None:
        """
        Deliver *alert*.

        Raises:
            ServiceUnavailable: one of the services did not take it.
        """
        await self.tell((alert,))

    async def tell(self, alerts: tuple[Alert, ...], /) -> None:
        """Deliver *alerts*, the worst first; raises as calling it does."""
        taken = await self._services.async_notify(
            body=as_text(alerts), title=_titled(self._title, alerts), notify_type=self._type(alerts)
        )
        if not taken:
            raise ServiceUnavailable(
                f"an alert could not be delivered to all of {self._kinds}",
                cure="See that the addresses are right and that the services answer",
            )

    def _type(self, alerts: Iterable[Alert]) -> Any:
        firing = [one.severity for one in alerts if one.state is AlertState.FIRING]
        if not firing:
            return self._types.SUCCESS
        return self._types.FAILURE if max(firing) is Severity.CRITICAL else self._types.WARNING


def _titled(title: str, alerts: tuple[Alert, ...]) -> str:
    firing = sum(one.state is AlertState.FIRING for one in alerts)
    parts = [f"{firing} firing"] if firing else []
    if resolved := len(alerts) - firing:
        parts.append(f"{resolved} resolved")
    return f"{title}: {', '.join(parts)}"
