"""
Requests → recorder → snapshots → store → verdicts → alerts → dashboard.

The names are imported when they are first used: the dashboard needs an optional package, and an
application that only counts does not pay for the rest.

What watches requests stands here; `process` watches what they run in, `pools`, `queues` and
`attribution` what they wait for. `storage` keeps it, `alerts` and `changes` make something of it,
and `dashboard`, `export` and `notify` tell it.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from keiko_perf.monitoring.alerts.alerts import Alert, AlertState, Patience
    from keiko_perf.monitoring.alerts.records import Delivery, DeliveryState
    from keiko_perf.monitoring.alerts.silence import Silence
    from keiko_perf.monitoring.alerts.slo import BurnWindow, Slo, SloStatus
    from keiko_perf.monitoring.changes.changepoints import ChangePoint, change_points
    from keiko_perf.monitoring.changes.changes import ServiceChange
    from keiko_perf.monitoring.changes.markers import Marker, MarkerKind
    from keiko_perf.monitoring.changes.trends import Trend
    from keiko_perf.monitoring.collector import MetricsCollector
    from keiko_perf.monitoring.dashboard.router import let_in, performance_router
    from keiko_perf.monitoring.export.app import PrometheusApp
    from keiko_perf.monitoring.export.push import OtlpExporter
    from keiko_perf.monitoring.failing import count_as_failed
    from keiko_perf.monitoring.importance import RouteTargets
    from keiko_perf.monitoring.kpis import PerformanceKPIs
    from keiko_perf.monitoring.middleware import PerfMiddleware
    from keiko_perf.monitoring.monitor import PerformanceMonitor
    from keiko_perf.monitoring.notify import (
        AlertmanagerNotifier,
        AppriseNotifier,
        GroupNotifier,
        LogNotifier,
        Notifier,
        WebhookNotifier,
    )
    from keiko_perf.monitoring.queues import taskiq_middleware, watch_arq, watch_celery
    from keiko_perf.monitoring.recorder import Recorder
    from keiko_perf.monitoring.run_tokens import run_token
    from keiko_perf.monitoring.storage.points import Point
    from keiko_perf.monitoring.storage.sqlite import SqliteStore
    from keiko_perf.monitoring.storage.store import MemoryStore, Store
    from keiko_perf.monitoring.stored import StoredMonitor

__all__ = [
    "Alert",
    "AlertState",
    "AlertmanagerNotifier",
    "AppriseNotifier",
    "BurnWindow",
    "ChangePoint",
    "Delivery",
    "DeliveryState",
    "GroupNotifier",
    "LogNotifier",
    "Marker",
    "MarkerKind",
    "MemoryStore",
    "MetricsCollector",
    "Notifier",
    "OtlpExporter",
    "Patience",
    "PerfMiddleware",
    "PerformanceKPIs",
    "PerformanceMonitor",
    "Point",
    "PrometheusApp",
    "Recorder",
    "RouteTargets",
    "ServiceChange",
    "Silence",
    "Slo",
    "SloStatus",
    "SqliteStore",
    "Store",
    "StoredMonitor",
    "Trend",
    "WebhookNotifier",
    "change_points",
    "count_as_failed",
    "let_in",
    "performance_router",
    "run_token",
    "taskiq_middleware",
    "watch_arq",
    "watch_celery",
]

_HOME = {
    "alerts.alerts": ("Alert", "AlertState", "Patience"),
    "alerts.records": ("Delivery", "DeliveryState"),
    "alerts.silence": ("Silence",),
    "alerts.slo": ("BurnWindow", "Slo", "SloStatus"),
    "changes.changepoints": ("ChangePoint", "change_points"),
    "changes.changes": ("ServiceChange",),
    "changes.markers": ("Marker", "MarkerKind"),
    "changes.trends": ("Trend",),
    "collector": ("MetricsCollector",),
    "dashboard.router": ("let_in", "performance_router"),
    "export.app": ("PrometheusApp",),
    "export.push": ("OtlpExporter",),
    "failing": ("count_as_failed",),
    "importance": ("RouteTargets",),
    "kpis": ("PerformanceKPIs",),
    "middleware": ("PerfMiddleware",),
    "monitor": ("PerformanceMonitor",),
    "notify": (
        "AlertmanagerNotifier",
        "AppriseNotifier",
        "GroupNotifier",
        "LogNotifier",
        "Notifier",
        "WebhookNotifier",
    ),
    "queues": ("taskiq_middleware", "watch_arq", "watch_celery"),
    "recorder": ("Recorder",),
    "run_tokens": ("run_token",),
    "storage.points": ("Point",),
    "storage.sqlite": ("SqliteStore",),
    "storage.store": ("MemoryStore", "Store"),
    "stored": ("StoredMonitor",),
}
_MODULE_OF = {name: module for module, names in _HOME.items() for name in names}


def __getattr__(name: str) -> Any:
    if name not in _MODULE_OF:
        raise AttributeError(f"module 'keiko_perf.monitoring' has no attribute {name!r}")
    return getattr(import_module(f"keiko_perf.monitoring.{_MODULE_OF[name]}"), name)


def __dir__() -> list[str]:
    return sorted(__all__)
