"""
Watching: reads a monitored service's own figures while it is under load, four times a second.

It asks `/performance/prometheus`, in a thread of its own, and on this machine the CPU time of the
service's processes, and how busy the network between the two is. A reading that fails is left out;
that there are none is said. At the beginning the service is asked for its time, by how much its
clock is off.
"""

from __future__ import annotations

import contextlib
import json
import socket
import threading
import time
from collections import deque
from collections.abc import Callable, Collection, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from http.client import HTTPConnection, HTTPException, HTTPSConnection
from urllib.parse import urlsplit

import psutil

from keiko_perf.errors import ServiceUnavailable, UsageError
from keiko_perf.loadtest.result import Result
from keiko_perf.loadtest.watching.exposition import ACCEPT, read_protobuf
from keiko_perf.loadtest.watching.link import Link, link_to
from keiko_perf.loadtest.watching.telemetry import (
    CPU_S,
    WORKERS,
    Reading,
    clock_offset,
    read_text,
)
from keiko_perf.model import Kind

EVERY_S = 0.25
MOST_READINGS = 40_000  # some three hours
_PATH = "/performance/prometheus"
_TIME_PATH = "/performance/attribution?last=1"
_ASKED_FOR_TIME = 5
_TIMEOUT_S = 5.0
_MOST_BYTES = 8 << 20
_TOO_MANY = 429
_UNTIL_IT_ENDS_S = 2 * _TIMEOUT_S


def begun_s(result: Result) -> float:
    """When measuring began, on the monotonic clock; the result itself has the calendar's time."""
    return time.monotonic() - (datetime.now(UTC) - result.started_at).total_seconds()


class Watcher:
    """
    Watches the service at *url* while its context lasts.

    Args:
        url: of the service; with or without `/performance`.
        token: that opens its dashboard.
        kinds: of what all durations are read, and not just how many and how long in all.
        link: finds what lies between here and a host and its port; None where that is not known.

    Raises:
        UsageError: the address names no host.
        ServiceUnavailable: on entering, the service does not answer, or nothing of the kind.
    """

    def __init__(
        self,
        url: str,
        *,
        token: str = "",
        kinds: Collection[Kind] = (),
        link: Callable[[str, int], Link | None] = link_to,
    ) -> None:
        parts = urlsplit(url if "://" in url else f"http://{url}")
        if parts.scheme not in ("http", "https") or not parts.hostname:
            raise UsageError(
                "the address to watch names no host",
                cure="Give it as in --watch http://127.0.0.1:8000",
            )
        self._is_https = parts.scheme == "https"
        self._host, self._port = parts.hostname, parts.port or (443 if self._is_https else 80)
        path = parts.path.rstrip("/").removesuffix("/performance")
        self._path, self._time_path = f"{path}{_PATH}", f"{path}{_TIME_PATH}"
        self._kinds = frozenset(kinds)
        self._headers = {"Accept": ACCEPT if self._kinds else "text/plain"}
        if token:
            self._headers["Authorization"] = f"Bearer {token}"
        self._connection: HTTPConnection | None = None
        self._readings: deque[Reading] = deque(maxlen=MOST_READINGS)
        self._named: tuple[str, ...] = ()
        self._processes: list[psutil.Process] = []
        self._link_to = link
        self._link: Link | None = None
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._watch, name="watching", daemon=True)

    def __enter__(self) -> Watcher:
        try:
            first = self._first()
            self._readings.append(replace(first, values={**first.values, **self._clock()}))
        except BaseException:
            self._close()
            raise
        self._processes = _serving(self._named, self._host, self._port)
        self._link = self._link_to(self._host, self._port)
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._ended.set()
        self._thread.join(_UNTIL_IT_ENDS_S)
        self._close()

    @property
    def readings(self) -> tuple[Reading, ...]:
        """All so far, the oldest first."""
        return tuple(self._readings)

    def _watch(self) -> None:
        due = time.monotonic()
        while not self._ended.wait(max(0.0, due - time.monotonic())):
            # A service that is overloaded answers late, or not; the next reading covers for it.
            with contextlib.suppress(OSError, HTTPException, LookupError, ValueError):
                self._readings.append(self._read())
            due = max(due + EVERY_S, time.monotonic())

    def _first(self) -> Reading:
        shown = f"{self._host}:{self._port}"
        try:
            return self._read()
        except PermissionError as error:
            is_limited = error.args == (_TOO_MANY,)
            raise ServiceUnavailable(
                f"the service at {shown} turns away who asks for its figures: too many requests"
                if is_limited
                else f"the service at {shown} does not let its figures be read",
                cure="Let its rate limiter pass /performance, or ask again in a minute"
                if is_limited
                else "Set KEIKO_PERF_TOKEN to the token that PerformanceMonitor(token=...) has",
            ) from error
        except LookupError as error:
            raise ServiceUnavailable(
                f"the service at {shown} has no figures to read: status {error}",
                cure="Install a monitor in it: PerformanceMonitor().install(app). Behind a prefix"
                " it is named with that, as in http://localhost:8000/api",
            ) from error
        except (OSError, HTTPException, ValueError) as error:
            raise ServiceUnavailable(
                f"the service at {shown} does not answer: {error}",
                cure="See that it runs, and that its address and port are right",
            ) from error

    def _read(self) -> Reading:
        asked_s = time.monotonic()
        body, kind = self._asked(self._path)
        answered_s = time.monotonic()
        if "protobuf" in kind:
            values, histograms = read_protobuf(body, self._kinds)
        else:
            values, histograms = read_text(body.decode("utf-8", "replace")), {}
        values |= self._local()
        if self._link is not None:
            values |= self._link.used_s()
        at_s = (asked_s + answered_s) / 2
        return Reading(at_s, (answered_s - asked_s) / 2, values, histograms)

    def _asked(self, path: str) -> tuple[bytes, str]:
        """The body of an answer, and its media type."""
        if self._connection is None:
            kind = HTTPSConnection if self._is_https else HTTPConnection
            self._connection = kind(self._host, self._port, timeout=_TIMEOUT_S)
        try:
            self._connection.request("GET", path, headers=self._headers)
            answer = self._connection.getresponse()
            body = answer.read(_MOST_BYTES)
        except BaseException:
            self._close()
            raise
        if answer.status in (401, 403, _TOO_MANY):
            raise PermissionError(answer.status)
        if answer.status != 200:
            raise LookupError(answer.status)
        return body, answer.headers.get("content-type") or ""

    def _clock(self) -> dict[str, float]:
        """By how much the service's clock is ahead; nothing where it does not tell."""
        answers = []
        for _ in range(_ASKED_FOR_TIME):
            asked_s = time.time()
            try:
                body, _kind = self._asked(self._time_path)
                answered_s = time.time()
                document = json.loads(body)
                told = datetime.fromisoformat(document["time"]).timestamp()
                self._named = tuple(map(str, document.get("processes", ())))
            except (OSError, HTTPException, LookupError, TypeError, ValueError):
                return {}
            answers.append((asked_s, told, answered_s))
        return clock_offset(answers)

    def _close(self) -> None:
        if self._connection is not None:
            self._connection.close()
            self._connection = None

    def _local(self) -> dict[str, float]:
        """The CPU time of the service's processes, where they are here and may be seen."""
        if not self._processes:
            return {}
        used_s = 0.0
        try:
            for process in self._processes:
                times = process.cpu_times()
                used_s += times.user + times.system
        except psutil.Error:
            return {}
        return {CPU_S: used_s, WORKERS: float(len(self._processes))}


def _serving(named: Sequence[str], host: str, port: int) -> list[psutil.Process]:
    """
    The processes of the service on this machine.

    Args:
        named: those that the service tells of, as host and process id. Without them it is what
            listens at *port*, which is its reverse proxy where it has one.
        host: where it is asked.
        port: where it is asked.
    """
    if named:
        return [one for one in _here(named) if _listens(one)]
    if host not in ("localhost", "::1") and not host.startswith("127."):
        return []
    found = [one for one in psutil.process_iter() if _listens(one, port)]
    # Of a server with several workers the one that started them listens too, and serves nobody.
    children = {child.pid for one in found for child in _children(one)}
    workers = [one for one in found if one.pid in children]
    return workers or found


def _here(named: Sequence[str]) -> list[psutil.Process]:
    here, found = socket.gethostname(), []
    for name in named:
        host, _, pid = name.rpartition(":")
        # One that has ended meanwhile is none.
        if host == here and pid.isdigit() and psutil.pid_exists(int(pid)):
            with contextlib.suppress(psutil.Error):
                found.append(psutil.Process(int(pid)))
    return found


def _listens(process: psutil.Process, port: int | None = None) -> bool:
    """
    Whether a process listens, at *port* or at anything.

    A worker for background tasks shares the store of its service, and listens nowhere.
    """
    try:
        places = [
            one.laddr
            for one in process.net_connections("all")
            if one.status == psutil.CONN_LISTEN or (one.family == socket.AF_UNIX and one.laddr)
        ]
    except psutil.Error:
        return False  # somebody else's: its CPU cannot be seen either
    return any(port is None or place[1:] == (port,) for place in places)


def _children(process: psutil.Process) -> list[psutil.Process]:
    try:
        return list(process.children(recursive=True))
    except psutil.Error:
        return []
