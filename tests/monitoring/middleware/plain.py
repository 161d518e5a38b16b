"""Run with `interpreted`: a check that it does what it says."""

from __future__ import annotations

from keiko_perf.monitoring import middleware


def test_it_is_plain_python() -> None:
    assert str(middleware.__file__).endswith("middleware.py")
