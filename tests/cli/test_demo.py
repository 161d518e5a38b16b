"""`keiko-perf demo`: what it leaves, whoever listens. Its story has tests of its own."""

from __future__ import annotations

import io
import os
import sys
from datetime import UTC, datetime
from pathlib import Path

import pytest

from keiko_perf.cli.demo import deliver
from keiko_perf.cli.output import Destination
from keiko_perf.model import Report, say
from keiko_perf.model.report import Status


def test_the_html_report_is_left_also_when_nobody_reads_the_text(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    reading, writing = os.pipe()
    os.close(reading)
    html = tmp_path / "report.html"
    report = Report(
        command="demo",
        title=say("A story"),
        headline=say("told"),
        status=Status.OK,
        created_at=datetime(2026, 1, 5, tzinfo=UTC),
    )
    with io.TextIOWrapper(io.FileIO(writing, "w"), write_through=True) as nobody:
        monkeypatch.setattr(sys, "stdout", nobody)
        assert deliver(report, Destination(), html) == 0
        monkeypatch.undo()
    assert "A story" in html.read_text()
