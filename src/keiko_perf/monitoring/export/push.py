"""
OtlpExporter: the figures to an OpenTelemetry collector, each minute, as OTLP over HTTP.

It needs no package: OTLP's JSON form is part of the protocol. A collector that is gone costs a log
line, and nothing is lost by it: the figures are totals, and the next ones hold the last ones.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Mapping
from importlib.metadata import version

from keiko_perf.errors import KeikoError, UsageError
from keiko_perf.monitoring.export.families import families
from keiko_perf.monitoring.export.otlp import as_otlp
from keiko_perf.monitoring.export.view import Exported, view_of
from keiko_perf.monitoring.notify.posting import Poster

_log = logging.getLogger("keiko_perf.export")


class OtlpExporter:
    """
    Pushes to `/v1/metrics`: `PerformanceMonitor(otlp=OtlpExporter("http://collector:4318"))`.

    Args:
        url: of the collector, without the path.
        service: the `service.name` of what is measured.
        headers: that go with each request, such as an API key; they are never shown.
        every_s: how often.
        timeout_s: of one attempt.

    Raises:
        UsageError: *url* is no http or https address, or a number is out of range.
    """

    def __init__(
        self,
        url: str,
        *,
        service: str = "service",
        headers: Mapping[str, str] | None = None,
        every_s: float = 60.0,
        timeout_s: float = 10.0,
    ) -> None:
        if not every_s > 0:
            raise UsageError(
                f"figures cannot be pushed each {every_s} s",
                cure="Let every_s be over 0, 60 for instance",
            )
        self._poster = Poster(
            f"{url.rstrip('/')}/v1/metrics",
            what="OpenTelemetry collector",
            carries="the figures",
            timeout_s=timeout_s,
            attempts=2,
            pause_s=1.0,
            headers=headers,
        )
        self._service = service
        self._every_s = every_s
        self._is_failing = False

    def __repr__(self) -> str:
        return f"<OtlpExporter {self._poster.host}>"

    async def run(self, monitor: Exported) -> None:
        """Push until cancelled; that it fails is said once, and once that it works again."""
        while True:
            try:
                await self.push(monitor)
            except KeikoError as error:
                if not self._is_failing:
                    _log.warning("%s It is tried again each %g s.", error, self._every_s)
                self._is_failing = True
            else:
                if self._is_failing:
                    _log.warning("the collector at %s takes figures again", self._poster.host)
                self._is_failing = False
            await asyncio.sleep(self._every_s)

    async def push(self, monitor: Exported) -> None:
        """
        Push once.

        Raises:
            ServiceUnavailable: the collector did not take it.
            StoreUnavailable: the totals cannot be read.
        """
        view = await view_of(monitor)
        resource = {"service.name": self._service}
        if revision := view.build.get("revision"):
            resource["service.version"] = revision
        document = as_otlp(
            families(view),
            since=view.since,
            now=monitor.now(),
            resource=resource,
            version=version("keiko-perf"),
        )
        await self._poster.post(document)
