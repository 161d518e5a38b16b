"""
Environment: what a result was measured with, so that two results can be told apart later.
"""

from __future__ import annotations

import asyncio
import os
import platform
import sys


def environment(loop: asyncio.AbstractEventLoop) -> dict[str, str]:
    """Versions and machine, by name."""
    return {
        "python": platform.python_version(),
        "event loop": type(loop).__module__.partition(".")[0],
        "platform": f"{sys.platform} {platform.machine()}",
        "cores": str(os.cpu_count() or 1),
    }
