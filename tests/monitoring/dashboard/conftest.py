"""What the tests of the dashboard share."""

from __future__ import annotations

import pytest


@pytest.fixture
def live(serve):
    """Serves an app until the test ends; open streams do not hold the server up."""

    def serving(app):
        return serve(app, timeout_graceful_shutdown=1)

    return serving
