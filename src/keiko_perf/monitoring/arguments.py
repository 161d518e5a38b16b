"""
Arguments: what a monitor may be given, and the cure for what it may not.
"""

from __future__ import annotations

from os import PathLike
from pathlib import Path

from keiko_perf.errors import UsageError
from keiko_perf.model import Target
from keiko_perf.monitoring.kpis import PerformanceKPIs
from keiko_perf.monitoring.storage.store import MemoryStore, Store

_YEAR_S = 366 * 86_400.0


def refuse_windows(
    window_s: float, metrics_window_s: float, blocking_after_s: float | None
) -> None:
    """
    Raises:
        UsageError: such windows cannot be judged, or such calls not be found.
    """
    if not 0 < window_s <= metrics_window_s <= _YEAR_S:
        raise UsageError(
            f"windows of {window_s} s cannot be judged over {metrics_window_s} s",
            cure="Let window_s be over 0 and at most metrics_window_s, and that at most a year",
        )
    if blocking_after_s is not None and not 0.005 <= blocking_after_s <= _YEAR_S:
        raise UsageError(
            f"calls that hold the event loop for {blocking_after_s} s cannot be found",
            cure="Let blocking_after_s be 0.005 or more, or None to look for none",
        )


def refuse_strangers(
    kpis: object, targets: tuple[object, ...], token: object, notify: tuple[object, ...] | None
) -> None:
    """
    Raises:
        UsageError: something is of another type than it should be, or an empty token.
    """
    if kpis is not None and not isinstance(kpis, PerformanceKPIs):
        raise UsageError(
            f"kpis are PerformanceKPIs, not {type(kpis).__name__}",
            cure="Give them as in kpis=PerformanceKPIs(api_response_time_p95=150)",
        )
    for target in targets:
        if not isinstance(target, Target):
            raise UsageError(
                f"a target is a Target, not {type(target).__name__}",
                cure="Give it as in targets=[Target(kpi=LATENCY_P95, at_most=0.15)]",
            )
    if token is not None and (not isinstance(token, str) or not token.strip()):
        raise UsageError(
            "an empty token protects nothing"
            if isinstance(token, str)
            else f"a token is text, not {type(token).__name__}",
            cure="Give a secret, or None to answer on loopback only",
        )
    for one in notify or ():
        if not (callable(one) or callable(getattr(one, "tell", None))):
            raise UsageError(
                f"alerts cannot be told to {type(one).__name__}",
                cure="Give async functions of an alert, or notifiers such as WebhookNotifier(url)",
            )


def store_of(store: Store | str | PathLike[str] | None) -> Store:
    """
    The store that was asked for, or the memory of this process.

    Raises:
        UsageError: it is none, nor the path of one.
    """
    if store is None:
        return MemoryStore()
    if isinstance(store, str | PathLike):
        if not str(store):
            raise UsageError(
                "an empty path names no store",
                cure="Name a file, or None to keep the windows in memory",
            )
        from keiko_perf.monitoring.storage.sqlite import SqliteStore

        return SqliteStore(Path(store))
    if not isinstance(store, Store):
        raise UsageError(
            f"windows cannot be kept in {type(store).__name__}",
            cure="Name a file, or give a store with append, between and close",
        )
    return store
