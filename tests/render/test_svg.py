"""Charts: scales, gaps, thinning."""

from __future__ import annotations

import re
from math import inf, nan
from xml.etree import ElementTree

import pytest
from hypothesis import given
from hypothesis import strategies as st

from keiko_perf.model import Chart, Line
from keiko_perf.render.axis import time_scale, value_scale
from keiko_perf.render.sparkline import sparklines
from keiko_perf.render.svg import NARROW, WIDE, describe, draw


def _chart(*points: tuple[float, float | None], logarithmic: bool = False) -> Chart:
    return Chart(title="t", format="duration", lines=(Line("a", points),), logarithmic=logarithmic)


def _paths(chart: Chart) -> list[str]:
    return re.findall(r'<path d="([^"]*)"', draw(chart, "en", id="c", frame=WIDE))


def test_a_line_breaks_where_nothing_was_measured() -> None:
    [path] = _paths(
        _chart((0, 1.0), (1, 2.0), (2, None), (3, nan), (4, 1.0), (5, inf), (6, 2.0), (7, 1.0))
    )

    assert path.count("M") == 2
    assert path.count("L") == 2


def test_a_lone_point_is_a_dot() -> None:
    drawn = draw(_chart((0, 1.0), (1, None), (2, 2.0)), "en", id="c", frame=WIDE)

    assert drawn.count("<circle") == 2


def test_lines_have_their_names_at_their_ends_and_a_lone_one_has_it_in_its_legend() -> None:
    line = Line("in flight", ((0.0, 1.0), (1.0, 2.0)))
    lone, two = (
        draw(Chart(title="t", format="number", lines=lines), "en", id="c", frame=WIDE)
        for lines in ((line,), (line, Line("waiting", line.points)))
    )
    assert lone.count('class="name') == 0
    assert two.count('class="name') == 2


def test_a_peak_survives_the_thinning_of_a_long_line() -> None:
    points = tuple((float(i), 100.0 if i == 54_321 else 1.0 + i % 7) for i in range(100_000))

    [path] = _paths(_chart(*points))
    heights = [float(y) for y in re.findall(r" ([\d.]+)", path)]

    assert len(heights) < 4 * WIDE.columns + 4
    assert min(heights) == pytest.approx(WIDE.top, abs=0.2)
    assert sorted(heights)[1] > WIDE.height / 2


@pytest.mark.parametrize(
    ("values", "logarithmic", "labels"),
    [
        pytest.param(
            [0.0, 0.41],
            False,
            ["0 ms", "100 ms", "200 ms", "300 ms", "400 ms", "500 ms"],
            id="from 0, to a tick",
        ),
        pytest.param([0.3, 1.4], False, ["0 s", "0.5 s", "1 s", "1.5 s"], id="in one unit"),
        pytest.param([], False, ["0 s", "0.2 s", "0.4 s", "0.6 s", "0.8 s", "1 s"], id="nothing"),
        pytest.param(
            [0.06, 1.4], True, ["50 ms", "100 ms", "200 ms", "500 ms", "1 s", "2 s"], id="1, 2, 5"
        ),
        pytest.param(
            [0.0, 0.002, 40.0], True, ["10 ms", "100 ms", "1 s", "10 s"], id="decades, without 0"
        ),
        pytest.param([0.1, 0.1], True, ["100 ms", "200 ms"], id="one value"),
        pytest.param(
            [0.0], True, ["0 s", "0.2 s", "0.4 s", "0.6 s", "0.8 s", "1 s"], id="no logarithm of 0"
        ),
    ],
)
def test_ticks_are_round(values: list[float], logarithmic: bool, labels: list[str]) -> None:
    scale = value_scale(values, "duration", "en", logarithmic=logarithmic)

    assert [label for _, label in scale.ticks] == labels


def test_ticks_of_bytes_are_whole_in_their_unit() -> None:
    scale = value_scale([9e6], "bytes", "en", logarithmic=False)

    labels = [label for _, label in scale.ticks]

    assert labels == ["0 MiB", "2 MiB", "4 MiB", "6 MiB", "8 MiB", "10 MiB"]


@pytest.mark.parametrize(
    ("seconds", "labels"),
    [
        (60.0, ["0", "10 s", "20 s", "30 s", "40 s", "50 s", "60 s"]),
        (150.0, ["0", "30 s", "60 s", "90 s", "2:00", "2:30"]),
        (3600.0, ["0", "10 min", "20 min", "30 min", "40 min", "50 min", "60 min"]),
        (86400.0, ["0", "6 h", "12 h", "18 h", "24 h"]),
        (2_592_000.0, ["0", "5 d", "10 d", "15 d", "20 d", "25 d", "30 d"]),
    ],
)
def test_time_has_round_ticks(seconds: float, labels: list[str]) -> None:
    assert [label for _, label in time_scale(0, seconds).ticks] == labels


@given(
    st.lists(st.floats(min_value=1e-6, max_value=1e9), min_size=1),
    st.booleans(),
    st.sampled_from(["duration", "bytes", "ratio", "rate"]),
)
def test_every_value_has_its_place_between_few_ticks(
    values: list[float], logarithmic: bool, format: str
) -> None:
    scale = value_scale(values, format, "en", logarithmic=logarithmic)

    places = [scale.place(value) for value in sorted(values)]

    assert all(-1e-9 <= place <= 1 + 1e-9 for place in places)
    assert places == sorted(places)
    assert scale.low <= min(values) * (1 + 1e-6)
    assert scale.high >= max(values) * (1 - 1e-6)
    assert 1 <= len(scale.ticks) <= 8


@given(
    st.lists(st.tuples(st.floats(0, 1e7), st.one_of(st.none(), st.floats()))),
    st.booleans(),
    st.sampled_from([WIDE, NARROW]),
)
def test_whatever_the_points_the_drawing_is_well_formed_and_inside(
    points: list[tuple[float, float | None]], logarithmic: bool, frame: object
) -> None:
    assert frame in (WIDE, NARROW)
    drawn = draw(_chart(*points, logarithmic=logarithmic), "en", id="c", frame=WIDE)

    ElementTree.fromstring(drawn)  # noqa: S314  # our own
    assert "nan" not in drawn
    assert "inf" not in drawn
    for x, y in re.findall(r"[ML]([-\d.]+) ([-\d.]+)", drawn):
        assert WIDE.left <= float(x) <= WIDE.width - WIDE.right
        assert WIDE.top <= float(y) <= WIDE.height - WIDE.bottom


def test_a_chart_is_described_to_those_who_do_not_see_it() -> None:
    assert describe(_chart((0, 0.1), (1, 0.3), (2, None), (3, 0.2)), "en") == (
        "a: 100 ms to 300 ms, median 200 ms."
    )
    assert describe(_chart((0, None)), "de") == "a: keine Daten."


def test_a_sparkline_has_the_shape_and_the_gap_of_its_line() -> None:
    chart = _chart((0, 1.0), (1, 1.0), (2, 4.5), (4, None), (7, 8.0), (8, 8.0), (9, 8.0))

    assert sparklines(chart) == ["▁▅  ██"]
    assert sparklines(_chart((0, None))) == [""]
