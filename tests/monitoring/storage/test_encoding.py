from __future__ import annotations

import zlib
from dataclasses import replace
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.monitoring.storage.storing import NOON, window

from keiko_perf.model import BlockingCall, Gauge, Histogram, Kind, Series, Snapshot
from keiko_perf.monitoring.storage.decoding import decode, no_series
from keiko_perf.monitoring.storage.encoding import encode

_histograms = st.lists(st.floats(min_value=0, max_value=1e5), max_size=20).map(Histogram)
_names = st.text(max_size=30)
_calls = st.builds(
    lambda place, stack, count, longest_s, more_s, computed_s, last_at: BlockingCall(
        place=place,
        stack=tuple(stack),
        count=count,
        total_s=longest_s + more_s,
        longest_s=longest_s,
        computed_s=computed_s,
        last_at=last_at,
    ),
    _names,
    st.lists(_names, max_size=4),
    st.integers(1, 1 << 30),
    st.floats(0, 1e6),
    st.floats(0, 1e6),
    st.none() | st.floats(0, 1e6),
    st.datetimes(
        min_value=datetime(1971, 1, 1),  # noqa: DTZ001 - hypothesis adds the zone
        timezones=st.just(UTC),
    ),
)
_snapshots = st.builds(
    lambda started_at, window_s, series, gauges, counters, blocking, worker: Snapshot(
        started_at=started_at,
        window_s=window_s,
        series=tuple(
            Series(
                kind=kind,
                name=name,
                window_s=window_s,
                succeeded=ok,
                failed=bad,
                refused=refused,
                sent_bytes=sent_bytes,
                redirected=redirected,
            )
            for (kind, name), (ok, bad, refused, sent_bytes, redirected) in series.items()
        ),
        gauges=gauges,
        counters=counters,
        blocking=tuple(blocking),
        worker=worker,
    ),
    st.datetimes(
        min_value=datetime(1971, 1, 1),  # noqa: DTZ001 - hypothesis adds the zone
        max_value=datetime(2999, 1, 1),  # noqa: DTZ001
        timezones=st.just(UTC),
    ),
    st.floats(min_value=0, max_value=1e6),
    st.dictionaries(
        st.tuples(st.sampled_from(list(Kind)), _names),
        st.tuples(
            *(_histograms, _histograms, _histograms),
            *(st.integers(0, 1 << 50), st.integers(0, 1 << 50)),
        ),
        max_size=5,
    ),
    st.dictionaries(
        _names,
        st.builds(
            Gauge,
            st.floats(allow_nan=False, allow_infinity=False),
            st.integers(1, 1 << 40),
            st.floats(allow_nan=False, allow_infinity=False),
        ),
        max_size=5,
    ),
    st.dictionaries(_names, st.integers(0, 1 << 70), max_size=5),
    st.lists(_calls, max_size=3),
    st.text(max_size=10),
)


def envelope(snapshot: Snapshot) -> Snapshot:
    return Snapshot(
        started_at=snapshot.started_at, window_s=snapshot.window_s, worker=snapshot.worker
    )


@given(_snapshots)
def test_any_window_survives_its_encoding(snapshot: Snapshot) -> None:
    assert decode(encode(snapshot), envelope(snapshot)) == snapshot
    outline = decode(encode(snapshot), envelope(snapshot), no_series)
    assert outline == replace(snapshot, series=())


def test_a_window_of_the_first_format_is_still_read() -> None:
    # A route of two successes, a gauge and a counter, as the first release wrote them.
    plain = bytes.fromhex(
        "0c010105052000010901010702726f757465474554202f0106000080c6868f01ab084101003f019a999999"
        "9999b93f9a9999999999c93f6370755f726174696f000000000000e03f000000000000e03f6172726976"
        "6564"
    )
    found = decode(zlib.compress(plain), envelope(window()))
    outline = decode(zlib.compress(plain), envelope(window()), no_series)
    assert outline == replace(found, series=())
    assert found.series == (
        Series(kind=Kind.ROUTE, name="GET /", window_s=10.0, succeeded=Histogram((0.1, 0.2))),
    )
    assert found.gauges == {"cpu_ratio": Gauge.of(0.5)}
    assert (found.counters, found.blocking) == ({"arrived": 2}, ())


def test_a_window_of_the_second_format_is_still_read() -> None:
    # A route of two successes and a refusal, and a counter, before redirects were told apart.
    plain = bytes.fromhex(
        "0e02010505750035ac020001070300726f757465474554202f0242000000000000000000000000000000"
        "00000000000000000000a3e111000000002bff9a9999999999b93f9a9999999999c93f01000000000000"
        "000000000000000000000000000000000000000000000000000000000000000000000000000000000000"
        "000000000000000000000000000000010242000000000000000000000000000000000000000000000000"
        "00a3e1110000000090ff333333333333d33f333333333333d33f0161727269766564"
    )
    found = decode(zlib.compress(plain), envelope(window()))
    outline = decode(zlib.compress(plain), envelope(window()), no_series)
    assert outline == replace(found, series=())
    assert found.series == (
        Series(
            kind=Kind.ROUTE,
            name="GET /",
            window_s=10.0,
            succeeded=Histogram((0.1, 0.2)),
            refused=Histogram((0.3,)),
            sent_bytes=300,
        ),
    )
    assert found.counters == {"arrived": 3}


def test_a_window_of_the_fourth_format_is_still_read() -> None:
    # A counter, a statement of a route and a slow request, before repeats were told.
    plain = bytes.fromhex(
        "1e0400000107030001050908020403010580e0a5e3acf49103c801070109036172726976656447455420"
        "2f53454c454354202431612e70793a312066000000000000e03f474554202f000000000000e03f000000"
        "000000d03f00000000000000000000000000000000000000000000000000000000000000000000000000"
        "00000053454c454354202431000000000000d03f"
    )
    found = decode(zlib.compress(plain), envelope(window()))
    outline = decode(zlib.compress(plain), envelope(window()), no_series)
    assert outline == replace(found, series=())
    assert found.counters == {"arrived": 3}
    assert [(one.route, one.count) for one in found.asked] == [("GET /", 4)]
    assert [one.duration_s for one in found.exemplars] == [0.5]
    assert found.repeats == ()


def test_a_name_that_is_no_text_survives_too() -> None:
    odd = Snapshot(started_at=NOON, window_s=1.0, counters={"a\udc80b": 1})
    assert decode(encode(odd), envelope(odd)) == odd


@given(st.binary(max_size=200))
def test_foreign_bytes_are_refused(encoded: bytes) -> None:
    with pytest.raises(ValueError, match="window"):
        decode(encoded, envelope(window()))


@given(st.data())
def test_damaged_bytes_are_refused_or_say_the_same(data: st.DataObject) -> None:
    encoded = bytearray(encode(window()))
    position = data.draw(st.integers(0, len(encoded) - 1))
    encoded[position] ^= data.draw(st.integers(1, 255))
    try:
        found = decode(bytes(encoded), envelope(window()))
    except ValueError as error:
        refused = str(error)
    else:
        assert found == window()  # a bit that pads the last byte means nothing
        return
    assert "window" in refused


@given(st.integers(0, 200))
def test_bytes_cut_short_are_refused(length: int) -> None:
    encoded = encode(window())
    with pytest.raises(ValueError, match="window"):
        decode(encoded[: min(length, len(encoded) - 1)], envelope(window()))


@pytest.mark.parametrize(
    ("plain", "reason"),
    [
        (b"\x02\x01\x00", "cut short"),  # a head without its counts
        (b"\x09\x01\x00", "of this format"),  # says of its head that it is longer than all
        (b"\x04\x07\x00\x00\x00", "of this format"),  # a later format
        (b"\x04\x01\x00\x00\x00rest", "more in it"),
        (b"\x05\x02\x00\x00\x00\x00rest", "more in it"),
        (b"\x06\x01\x00\x00\x01\x05\x01abc", "cut short"),  # a counter's name of 5 bytes
        # A call with no name and no stack that was seen once, in no year of the calendar
        (b"\x11\x02\x00\x00\x00\x01\x00\x00\x01" + b"\xff" * 8 + b"\x7f" + bytes(24), "calendar"),
    ],
)
def test_a_window_that_contradicts_itself_is_refused(plain: bytes, reason: str) -> None:
    with pytest.raises(ValueError, match=reason):
        decode(zlib.compress(plain), envelope(window()))


def test_a_few_bytes_do_not_unpack_to_a_gigabyte() -> None:
    bomb = zlib.compress(bytes(65 << 20), 1)
    with pytest.raises(ValueError, match="cut short"):
        decode(bomb, envelope(window()))


def test_a_window_of_twenty_routes_takes_little_room() -> None:
    series = tuple(
        Series(
            kind=Kind.ROUTE,
            name=f"GET /api/v1/things/{number}",
            window_s=10.0,
            succeeded=Histogram(0.001 * 1.05 ** (turn % 80) for turn in range(500)),
        )
        for number in range(20)
    )
    assert len(encode(Snapshot(started_at=NOON, window_s=10.0, series=series))) < 4_000
