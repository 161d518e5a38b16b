"""Alerts are told, tried again within bounds, and never reach the service when that fails."""

from __future__ import annotations

import asyncio
import json
import logging
import re
import shutil
import subprocess
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import httpx
import pytest
from tests.monitoring.export.exported import eventually

from keiko_perf.errors import ServiceUnavailable, UsageError
from keiko_perf.fakes import FakeClock
from keiko_perf.model import Severity, say
from keiko_perf.monitoring.alerts.alerts import Alert, AlertState
from keiko_perf.monitoring.notify import (
    AlertmanagerNotifier,
    AppriseNotifier,
    Courier,
    LogNotifier,
    WebhookNotifier,
)
from keiko_perf.monitoring.notify.courier import PAUSES_S

T0 = datetime(2026, 1, 5, 12, 0, tzinfo=UTC)
SECRET = "T00SECRET"


def alert(metric="api_response_time", *, state=AlertState.FIRING, severity=Severity.CRITICAL):
    message = say("{what} is {value:duration}", what="p95", value=0.412)
    return Alert(
        metric=metric,
        severity=severity,
        state=state,
        message=message,
        since=T0,
        changed_at=T0,
        value=0.412,
    )


@contextmanager
def webhook(*statuses: int) -> Iterator[tuple[str, list[dict]]]:
    """A real HTTP server that answers with *statuses*, the last one for ever."""
    taken: list[dict] = []
    answers = list(statuses)

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self):
            length = int(self.headers["Content-Length"])
            taken.append(json.loads(self.rfile.read(length)))
            self.send_response(answers.pop(0) if len(answers) > 1 else answers[0])
            self.send_header("Location", "/elsewhere")
            self.end_headers()

        def log_message(self, *_):
            """Keep the test's output quiet."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}/hooks/{SECRET}", taken
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


class Pauses(list):
    """A sleep that takes no time and remembers how long it was to be."""

    async def __call__(self, seconds: float) -> None:
        self.append(seconds)


@pytest.mark.parametrize(
    ("severity", "state", "level"),
    [
        (Severity.CRITICAL, AlertState.FIRING, logging.ERROR),
        (Severity.WARNING, AlertState.FIRING, logging.WARNING),
        (Severity.NOTE, AlertState.FIRING, logging.INFO),
        (Severity.CRITICAL, AlertState.RESOLVED, logging.INFO),
    ],
)
async def test_the_log_has_it_at_its_severity(caplog, severity, state, level):
    caplog.set_level(logging.DEBUG, "keiko_perf.alerts")
    await LogNotifier()(alert(severity=severity, state=state))
    (record,) = caplog.records
    assert record.levelno == level
    assert record.getMessage() == f"api_response_time {state}: p95 is 412 ms"


async def test_a_webhook_gets_it_as_json_with_a_line_for_chats():
    with webhook(200) as (url, taken):
        await WebhookNotifier(url)(alert())
    document = {
        "metric": "api_response_time",
        "severity": "critical",
        "state": "firing",
        "message": "p95 is 412 ms",
        "value": 0.412,
        "since": "2026-01-05T12:00:00+00:00",
        "changed_at": "2026-01-05T12:00:00+00:00",
        "unknown_since": None,
        "text": "[firing] api_response_time (critical): p95 is 412 ms",
    }
    assert taken == [{**document, "labels": {}, "alerts": [document]}]


async def test_of_several_services_at_one_webhook_each_says_which_it_is():
    with webhook(200) as (url, taken):
        await WebhookNotifier(url, labels={"service": "agents", "region": "eu"})(alert())
    (document,) = taken
    assert document["labels"] == {"service": "agents", "region": "eu"}
    assert document["text"].splitlines() == [
        "service=agents, region=eu",
        "[firing] api_response_time (critical): p95 is 412 ms",
    ]


async def test_a_webhook_gets_the_alerts_of_a_moment_as_one_message_the_worst_in_front():
    with webhook(200) as (url, taken):
        courier = Courier((WebhookNotifier(url),))
        courier.send([alert("error_rate"), alert("cpu_usage", severity=Severity.WARNING)])
        await courier.flush()
    (document,) = taken
    assert document["metric"] == "error_rate"
    assert [one["metric"] for one in document["alerts"]] == ["error_rate", "cpu_usage"]
    assert document["text"].splitlines() == [
        "[firing] error_rate (critical): p95 is 412 ms",
        "[firing] cpu_usage (warning): p95 is 412 ms",
    ]
    assert courier.statistics().delivered == 2


async def test_a_busy_webhook_is_tried_again_with_growing_pauses():
    pauses = Pauses()
    with webhook(503, 429, 204) as (url, taken):
        await WebhookNotifier(url, pause_s=0.5, sleep=pauses)(alert())
    assert len(taken) == 3
    assert pauses == [0.5, 1.0]


@pytest.mark.parametrize(
    ("status", "attempts"), [(500, 3), (404, 1), (302, 1)], ids=["broken", "refused", "elsewhere"]
)
async def test_it_gives_up_within_bounds_and_keeps_the_secret(status, attempts):
    with webhook(status) as (url, taken):
        notifier = WebhookNotifier(url, sleep=Pauses())
        with pytest.raises(ServiceUnavailable, match=f"127.0.0.1.*status {status}") as caught:
            await notifier(alert())
    assert len(taken) == attempts
    assert SECRET not in f"{caught.value} {notifier!r}"


async def test_nobody_there_is_said_by_its_kind():
    with webhook(200) as (url, _):
        pass  # it is closed again
    with pytest.raises(ServiceUnavailable, match="ConnectionRefusedError"):
        await WebhookNotifier(url, attempts=2, sleep=Pauses())(alert())


@pytest.mark.parametrize("url", ["", "ftp://host/x", "file:///etc/passwd", "http://", "http://[x/"])
def test_an_address_that_is_none_is_refused(url):
    with pytest.raises(UsageError, match="http"):
        WebhookNotifier(url)


@pytest.mark.parametrize("option", [{"timeout_s": 0}, {"attempts": 0}, {"pause_s": -1}])
def test_a_number_out_of_range_is_refused(option):
    with pytest.raises(UsageError, match=next(iter(option))):
        WebhookNotifier("http://localhost/", **option)


async def test_a_notifier_that_fails_is_counted_and_keeps_none_of_the_others_from_it(caplog):
    told = []

    async def broken(_alert):
        raise RuntimeError(SECRET)

    async def good(one):
        told.append(one.metric)

    courier = Courier((broken, good))
    courier.send([alert("a"), alert("b")])
    await courier.flush()
    assert told == ["a", "b"]
    assert (courier.statistics().delivered, courier.statistics().failed) == (2, 1)
    assert courier.statistics().waiting == 2  # both are tried again, in their order
    assert "RuntimeError" in caplog.text
    assert SECRET not in caplog.text


async def test_what_finds_the_queue_full_is_counted():
    async def never(_alert):
        await asyncio.Event().wait()

    courier = Courier((never,), max_waiting=2)
    courier.send(alert(name) for name in "abcde")
    assert courier.statistics().waiting == 2
    assert courier.statistics().dropped == 3


async def test_it_closes_in_time_and_counts_what_was_not_delivered():
    async def never(_alert):
        await asyncio.Event().wait()

    courier = Courier((never,))
    courier.send(alert(name) for name in "abc")
    await courier.close(within_s=0.01)
    assert courier.statistics().dropped == 3
    assert courier.statistics().waiting == 0


async def test_cancelled_amid_a_delivery_it_loses_no_count():
    begun = asyncio.Event()

    async def slow(_alert):
        begun.set()
        await asyncio.Event().wait()

    courier = Courier((slow,))
    running = asyncio.create_task(courier.run())
    courier.send([alert("a"), alert("b")])
    await begun.wait()
    running.cancel()
    await asyncio.wait((running,))
    assert running.cancelled()
    statistics = courier.statistics()
    assert statistics.delivered + statistics.failed + statistics.dropped + statistics.waiting == 2


class Other:
    """The other end of a notifier: takes nothing until it is told to."""

    def __init__(self):
        self.works, self.taken = False, []

    async def tell(self, alerts):
        if not self.works:
            raise ServiceUnavailable("nobody answers", cure="Wait")
        self.taken.append([one.metric for one in alerts])


async def test_what_failed_is_tried_again_later_and_what_became_of_it_is_on_record():
    clock, other, record = FakeClock(), Other(), []
    courier = Courier((other,), clock=clock, now=clock.now, record=record.append)
    courier.send([alert("a"), alert("b")])
    for pause_s in (0, PAUSES_S[0] - 1, 1):
        clock.advance(pause_s)
        await courier.flush()
    assert [(one.state.value, one.attempts) for one in record] == [("waiting", 1), ("waiting", 2)]
    assert record[-1].problem == "nobody answers"
    other.works = True
    clock.advance(PAUSES_S[1])
    await courier.flush()
    assert other.taken == [["a", "b"]]
    assert (record[-1].state.value, record[-1].attempts) == ("delivered", 3)
    assert record[-1].changed_at == clock.now()


async def test_it_is_given_up_after_its_last_attempt_and_what_is_refused_at_once():
    clock, record = FakeClock(), []
    courier = Courier((Other(),), clock=clock, now=clock.now, record=record.append)
    courier.send([alert()])
    for pause_s in (0, *PAUSES_S):
        clock.advance(pause_s)
        await courier.flush()
    assert record[-1].state.value == "failed"
    assert record[-1].attempts == 1 + len(PAUSES_S)
    assert (courier.statistics().dropped, courier.statistics().waiting) == (1, 0)
    with webhook(404) as (url, taken):
        courier = Courier((WebhookNotifier(url),), record=record.append)
        courier.send([alert()])
        await courier.flush()
    assert (record[-1].state.value, record[-1].attempts, len(taken)) == ("failed", 1, 1)
    assert SECRET not in f"{record[-1]}"


async def test_a_notifier_that_hangs_keeps_nothing_from_the_others():
    told = asyncio.Event()

    async def never(_alert):
        await asyncio.Event().wait()

    async def good(_alert):
        told.set()

    courier = Courier((never, good))
    running = asyncio.create_task(courier.run())
    courier.send([alert()])
    async with asyncio.timeout(10):
        await told.wait()
    running.cancel()
    await asyncio.wait((running,))


async def test_alertmanager_is_told_and_told_again_while_it_fires():
    clock = FakeClock()
    with webhook(200) as (url, taken):
        base = url.partition("/hooks")[0]
        notifier = AlertmanagerNotifier(base, labels={"service": "agents"}, refresh_s=60)
        courier = Courier((notifier,), clock=clock, now=clock.now)
        firing = alert("api_response_time[GET /agents]")
        courier.send([firing])
        for passed_s in (0, 30, 30, 30, 30):
            clock.advance(passed_s)
            await courier.flush()
            courier.refresh((firing,))
        await courier.flush()
    assert len(taken) == 4  # once since it began, then at 0, 60 and 120 s
    (document,) = taken[0]
    assert document["labels"] == {
        "service": "agents",
        "alertname": "api_response_time[GET /agents]",
        "severity": "critical",
    }
    assert document["annotations"] == {"summary": "p95 is 412 ms"}
    assert document["startsAt"] == "2026-01-05T12:00:00+00:00"


def test_a_real_alertmanager_takes_alerts_and_their_end(tmp_path, absent):
    program = shutil.which("prometheus-alertmanager") or absent(
        "Alertmanager. apt install prometheus-alertmanager"
    )
    config, said = tmp_path / "alertmanager.yml", tmp_path / "log"
    config.write_text("route: {receiver: nobody}\nreceivers: [{name: nobody}]\n")
    options = (f"--config.file={config}", f"--storage.path={tmp_path}", "--cluster.listen-address=")
    listen = "--web.listen-address=127.0.0.1:0"
    with said.open("wb") as log:
        process = subprocess.Popen([program, *options, listen], stdout=log, stderr=log)
    try:
        address = r'"Listening on" address=(\S+)'
        url = f"http://{eventually(lambda: re.search(address, said.read_text()))[1]}"
        notifier = AlertmanagerNotifier(url, labels={"service": "agents"})
        fires = replace(alert("error_rate"), since=datetime.now(UTC))
        asyncio.run(notifier(fires))
        (known,) = eventually(lambda: httpx.get(f"{url}/api/v2/alerts").json())
        assert known["labels"] == {
            "alertname": "error_rate",
            "service": "agents",
            "severity": "critical",
        }
        assert known["annotations"] == {"summary": "p95 is 412 ms"}
        ended = replace(fires, state=AlertState.RESOLVED, changed_at=datetime.now(UTC))
        asyncio.run(notifier(ended))
        assert eventually(lambda: httpx.get(f"{url}/api/v2/alerts").json() == [])
    finally:
        process.terminate()
        process.wait(30)


# Apprise asks for the standard library's imghdr, which Python 3.11 warns of.
apprise = pytest.mark.filterwarnings("ignore:'imghdr':DeprecationWarning")


@apprise
async def test_apprise_sends_the_alerts_of_a_moment_as_one_message():
    with webhook(200) as (url, taken):
        notifier = AppriseNotifier(url.replace("http://", "json://"))
        await notifier.tell((alert("a"), alert("b", state=AlertState.RESOLVED)))
    (document,) = taken
    assert document["title"] == "keiko-perf: 1 firing, 1 resolved"
    assert document["message"].splitlines() == [
        "[firing] a (critical): p95 is 412 ms",
        "[resolved] b (critical): p95 is 412 ms",
    ]
    assert document["type"] == "failure"
    assert SECRET not in repr(notifier)


@apprise
async def test_apprise_says_when_a_service_did_not_take_it(caplog):
    with webhook(500) as (url, _):
        notifier = AppriseNotifier(url.replace("http://", "json://"))
        with pytest.raises(ServiceUnavailable, match="json"):
            await notifier(alert())


@apprise
@pytest.mark.parametrize("urls", [(), ("nonsense",)])
def test_addresses_that_apprise_does_not_know_are_refused(urls):
    with pytest.raises(UsageError, match=r"address|nobody"):
        AppriseNotifier(*urls)


async def test_without_notifiers_nothing_piles_up():
    courier = Courier(())
    courier.send([alert()])
    assert courier.statistics().waiting == 0
