"""
Plugin: keiko-perf's fixtures, for every project that uses pytest. It imports nothing until asked.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from keiko_perf.loadtest.costs import RequestCosts


@pytest.fixture
def request_costs() -> Callable[..., Awaitable[RequestCosts]]:
    """What one request of an ASGI application takes: statements, bytes, CPU; see the function."""
    from keiko_perf.loadtest.costs import request_costs as function

    asked: Any = function
    return asked  # type: ignore[no-any-return]
