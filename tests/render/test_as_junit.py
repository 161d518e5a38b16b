"""The report for CI."""

from __future__ import annotations

from dataclasses import replace
from xml.etree import ElementTree

import pytest

from keiko_perf.model import Change, Report, Status
from keiko_perf.render import render


def _read(report: Report, lang: str = "en") -> ElementTree.Element:
    return ElementTree.fromstring(render(report, "junit", lang=lang).encode())  # noqa: S314  # our own


def _case(root: ElementTree.Element, start: str) -> ElementTree.Element:
    return next(one for one in root.iter("testcase") if one.attrib["name"].startswith(start))


def test_each_verdict_comparison_finding_and_gap_is_a_case(sample: Report) -> None:
    answers = (sample.verdicts, sample.comparisons, sample.findings, sample.gaps)

    names = [one.attrib["name"] for one in _read(sample).iter("testcase")]

    assert len(names) == 1 + sum(len([*group]) for group in answers)


def test_what_is_not_known_is_skipped_with_its_reason(sample: Report) -> None:
    root = _read(sample)

    skipped = _case(root, "response time p99 ≤ 500 ms").find("skipped")
    undecided = _case(root, "response time p95 of GET /api/v1/organisations").find("skipped")
    gap = _case(root, "Waits for locks").find("skipped")

    assert skipped is not None
    assert skipped.attrib["message"] == "only 120 seen, 299 are needed to tell"
    assert undecided is not None
    assert "about 140 more seconds" in undecided.attrib["message"]
    assert gap is not None
    assert "GRANT pg_monitor TO keiko;" in gap.attrib["message"]


def test_what_is_bad_fails_and_what_is_good_passes(sample: Report) -> None:
    root = _read(sample)

    missed = _case(root, "response time p95 of GET /api/v1/agents/").find("failure")
    critical = _case(root, "query.scan: public.tasks").find("failure")

    assert missed is not None
    assert missed.attrib["message"] == "1.41 s (≤ 200 ms): over the limit"
    assert critical is not None
    assert critical.text is not None
    assert critical.text.startswith("CREATE INDEX")
    for passed in ("error rate", "pool.waits", "the measurement is valid"):
        assert [one.tag for one in _case(root, passed)] == ["system-out"]


def test_a_regression_fails(sample: Report) -> None:
    section = sample.sections[2]
    worse = replace(section.comparisons[0], change=Change.REGRESSED)
    root = _read(replace(sample, sections=(replace(section, comparisons=(worse,)),)))

    assert [one.tag for one in _case(root, "response time p95 of GET")] == ["failure"]


def test_a_measurement_that_is_not_valid_is_an_error(sample: Report) -> None:
    root = _read(replace(sample, status=Status.INVALID))

    assert [one.tag for one in _case(root, "the measurement is valid")] == ["error"]
    assert root.attrib["errors"] == "1"


@pytest.mark.parametrize("lang", ["en", "de"])
def test_the_sums_are_those_of_the_cases(sample: Report, lang: str) -> None:
    root = _read(sample, lang)

    for kind, tag in (("failures", "failure"), ("errors", "error"), ("skipped", "skipped")):
        assert int(root.attrib[kind]) == len([*root.iter(tag)])
        assert sum(int(one.attrib[kind]) for one in root) == int(root.attrib[kind])
    assert int(root.attrib["tests"]) == len([*root.iter("testcase")])


def test_what_xml_cannot_hold_is_replaced(sample: Report) -> None:
    root = _read(replace(sample, command="a\x00\x0b\ufffe\ud800&<]]>"))

    assert root.attrib["name"] == "keiko-perf a␀␋\ufffd\ufffd&<]]>"
