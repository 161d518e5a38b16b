"""The alerts of a service: one set for all workers, through restarts, crashes and full disks."""

from __future__ import annotations

import logging

import pytest

from keiko_perf.errors import StoreUnavailable
from keiko_perf.fakes import FakeClock
from keiko_perf.model import Outcome, Target, Verdict, say
from keiko_perf.model.kpi import LATENCY_P95
from keiko_perf.monitoring import MemoryStore, Patience, SqliteStore
from keiko_perf.monitoring.alerts import alerting, silence
from keiko_perf.monitoring.alerts.alerting import Alerting
from keiko_perf.monitoring.alerts.alerts import AlertState
from keiko_perf.monitoring.alerts.records import DeliveryState
from keiko_perf.monitoring.storage.journal import MOST, Journal

P95 = Target(kpi=LATENCY_P95, at_most=0.2)
MISSED = {"p95": Verdict(P95, Outcome.MISSED, say("over the limit"), 0.412, 100)}
MET = {"p95": Verdict(P95, Outcome.MET, say("within the limit"), 0.1, 100)}
WINDOW_S = 10.0


class Phone:
    """Whoever is told; takes nothing while `is_off`."""

    def __init__(self):
        self.is_off, self.told = False, []

    def __repr__(self):
        return "<Phone>"

    async def tell(self, alerts):
        if self.is_off:
            raise ConnectionError
        self.told += [(one.metric, one.state.value) for one in alerts]


@pytest.fixture
def clock():
    return FakeClock()


@pytest.fixture
def opened(tmp_path):
    """Opens the one store of a service, as each of its worker processes does."""
    stores = []

    def open_store():
        stores.append(SqliteStore(tmp_path / "perf.sqlite"))
        return stores[-1]

    yield open_store
    for one in stores:
        one.close()


def worker(store, phone, clock, **patience):
    patience = {"for_s": 10, "good_windows": 1, **patience}
    return Alerting(
        Journal(store),
        (phone,),
        window_s=WINDOW_S,
        patience=Patience(**patience),
        patience_of={},
        clock=clock,
        now=clock.now,
    )


async def windows(clock, workers, verdicts, count=1):
    for _ in range(count):
        clock.advance(WINDOW_S)
        for one in workers:
            await one.step(verdicts)
            await one.courier.flush()


async def test_of_four_workers_one_tells_and_all_know(opened, clock):
    phone = Phone()
    workers = [worker(opened(), phone, clock) for _ in range(4)]
    await windows(clock, workers, MISSED, 5)
    assert phone.told == [("p95", "firing")]
    assert {tuple(one.state for one in each.alerts) for each in workers} == {(AlertState.FIRING,)}
    await windows(clock, workers, MET, 2)
    assert phone.told == [("p95", "firing"), ("p95", "resolved")]


async def test_when_the_worker_that_tells_dies_another_one_takes_over_and_repeats_nothing(
    opened, clock
):
    phone = Phone()
    first, second = (worker(opened(), phone, clock) for _ in range(2))
    await windows(clock, (first, second), MISSED, 3)
    await windows(clock, (second,), MISSED, 5)  # the first is gone without a word
    await windows(clock, (second,), MET, 2)
    assert phone.told == [("p95", "firing"), ("p95", "resolved")]


async def test_a_restart_neither_forgets_an_alert_nor_starts_its_wait_anew(opened, clock):
    phone = Phone()
    before = worker(opened(), phone, clock, for_s=30)
    await windows(clock, (before,), MISSED, 2)
    await before.close(within_s=1)
    after = worker(opened(), phone, clock, for_s=30)
    await windows(clock, (after,), MISSED, 2)
    assert phone.told == [("p95", "firing")]
    await after.close(within_s=1)
    again = worker(opened(), phone, clock, for_s=30)
    await windows(clock, (again,), MISSED, 3)
    assert phone.told == [("p95", "firing")]
    (alert,) = again.alerts
    assert alert.message == MISSED["p95"].target.kpi.label or "412" in f"{alert.message.values}"


async def test_where_nothing_is_measured_any_more_it_is_told_once_that_an_alert_ends(opened, clock):
    unknown = {"p95": Verdict(P95, Outcome.UNKNOWN, say("no request was seen"))}
    phone = Phone()
    before = worker(opened(), phone, clock, unknown_s=40)
    await windows(clock, [before], MISSED, count=2)
    await windows(clock, [before], unknown, count=3)
    await before.close(within_s=1)
    after = worker(opened(), phone, clock, unknown_s=40)
    await windows(clock, [after], unknown, count=4)
    assert phone.told == [("p95", "firing"), ("p95", "resolved")]
    assert after.alerts[0].unknown_since == before.alerts[0].unknown_since


async def test_what_was_not_delivered_before_a_restart_is_delivered_after_it(opened, clock):
    phone = Phone()
    phone.is_off = True
    before = worker(opened(), phone, clock)
    await windows(clock, (before,), MISSED, 3)
    await before.close(within_s=1)
    (delivery,) = alerting.deliveries(Journal(opened()))
    assert (delivery.state, delivery.problem) == (DeliveryState.WAITING, "ConnectionError")
    assert delivery.notifier == "1 Phone"
    phone.is_off = False
    after = worker(opened(), phone, clock)
    await windows(clock, (after,), MISSED, 2)
    assert phone.told == [("p95", "firing")]
    (delivery,) = alerting.deliveries(Journal(opened()))
    assert delivery.state is DeliveryState.DELIVERED
    assert delivery.alerts[0].metric == "p95"


async def test_the_history_has_each_beginning_and_each_end(opened, clock):
    one = worker(opened(), Phone(), clock, for_s=0)
    for verdicts in (MISSED, MISSED, MET, MISSED, MET):
        await windows(clock, (one,), verdicts)
    history = alerting.history(Journal(opened()))
    assert [alert.state.value for alert in history] == ["resolved", "firing"] * 2
    assert [alert.value for alert in history] == [0.1, 0.412] * 2
    since = clock.now()
    assert alerting.history(Journal(opened()), since) == history[:1]


async def test_a_silence_that_another_process_made_holds(opened, clock):
    phone = Phone()
    one = worker(opened(), phone, clock, for_s=0)
    theirs = Journal(opened())
    made = silence.silence_of("p95", for_s=3600, reason="a deploy", now=clock.now())
    silence.add(theirs, made)
    await windows(clock, (one,), MISSED, 3)
    assert phone.told == []
    assert one.alerts[0].is_silenced
    silence.end(theirs, made.key)
    await windows(clock, (one,), MISSED)
    assert phone.told == [("p95", "firing")]


async def test_a_clock_that_was_wrong_does_not_keep_the_lease_for_ever(opened, clock):
    ahead = FakeClock(now_at=clock.now().replace(year=2036))
    first, second = worker(opened(), Phone(), ahead), worker(opened(), phone := Phone(), clock)
    await windows(ahead, (first,), MET)
    await windows(clock, (second,), MISSED, 3)
    assert phone.told == [("p95", "firing")]


class FullDisk(MemoryStore):
    is_full = False

    def change(self, work):
        if self.is_full:
            raise StoreUnavailable("the disk is full", cure="Make room")
        return super().change(work)


async def test_on_a_full_disk_alerts_are_told_all_the_same_and_it_is_said_once(clock, caplog):
    caplog.set_level(logging.ERROR)
    store, phone = FullDisk(), Phone()
    one = worker(store, phone, clock)
    await windows(clock, (one,), MISSED)
    store.is_full = True
    await windows(clock, (one,), MISSED, 3)
    assert phone.told == [("p95", "firing")]
    store.is_full = False
    await windows(clock, (one,), MET, 2)
    assert phone.told == [("p95", "firing"), ("p95", "resolved")]
    said = [record for record in caplog.records if "disk is full" in record.getMessage()]
    assert len(said) == 1
    assert [alert.state.value for alert in alerting.states(Journal(store))] == ["resolved"]


def test_a_journal_is_bounded_and_gives_up_its_oldest(clock):
    journal = Journal(MemoryStore())

    def fill(page):
        for number in range(MOST + 5):
            clock.advance(1)
            page.put("note", f"{number}", clock.now(), {"number": number})

    journal.write(fill)
    kept = journal.read(lambda page: page.entries("note"), absent=[])
    assert len(kept) == MOST
    assert kept[0].body == {"number": 5}


def test_what_fails_amid_a_page_leaves_nothing_of_it(clock):
    journal = Journal(MemoryStore())

    def fail(page):
        page.put("note", "1", clock.now(), {})
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        journal.write(fail)
    assert journal.read(lambda page: page.entries("note"), absent=[]) == []


def test_reading_a_store_that_has_no_journal_yet_makes_none(tmp_path, clock):
    journal = Journal(SqliteStore(tmp_path / "none.sqlite"))
    assert alerting.history(journal) == ()
    assert list(tmp_path.iterdir()) == []


def test_a_journal_without_room_says_so_with_its_cure(clock):
    journal = Journal(MemoryStore(max_bytes=1 << 17))

    def fill(number):
        journal.write(lambda page: page.put("note", f"{number}", clock.now(), {"text": "x" * 5000}))

    with pytest.raises(StoreUnavailable, match="full") as caught:
        any(fill(number) for number in range(100))
    assert "max_bytes" in caught.value.cure
    assert len(journal.read(lambda page: page.entries("note"), absent=[])) > 1
