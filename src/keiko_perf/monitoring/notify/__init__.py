"""
Telling someone of an alert: the log, a webhook, a hundred services by Apprise, Alertmanager, or
any async function of one's own.

What is on the other end may be slow, broken or gone. That never reaches the service: alerts wait
in bounded queues, one for each notifier, are tried again within bounds, and what got lost is
counted and kept on record.
"""

from keiko_perf.monitoring.notify.alertmanager import AlertmanagerNotifier
from keiko_perf.monitoring.notify.by_apprise import AppriseNotifier
from keiko_perf.monitoring.notify.courier import Courier, Deliveries
from keiko_perf.monitoring.notify.document import as_document
from keiko_perf.monitoring.notify.notifier import GroupNotifier, LogNotifier, Notifier
from keiko_perf.monitoring.notify.webhook import WebhookNotifier

__all__ = [
    "AlertmanagerNotifier",
    "AppriseNotifier",
    "Courier",
    "Deliveries",
    "GroupNotifier",
    "LogNotifier",
    "Notifier",
    "WebhookNotifier",
    "as_document",
]
