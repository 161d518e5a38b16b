"""What the tests of the middleware share."""

from __future__ import annotations

import pytest

from keiko_perf.monitoring.recorder import Recorder


@pytest.fixture
def recorder() -> Recorder:
    return Recorder()
