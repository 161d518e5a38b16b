"""
Queues: tasks that arq, Celery or taskiq run, watched by what hooks each of them has.

Each tells how long a task took and whether it failed, how long it waited in its queue, and how
often it was tried again. None of the three is needed to import this.
"""

from keiko_perf.monitoring.queues.of_arq import watch_arq
from keiko_perf.monitoring.queues.of_celery import watch_celery
from keiko_perf.monitoring.queues.of_taskiq import taskiq_middleware

__all__ = ["taskiq_middleware", "watch_arq", "watch_celery"]
