"""A plugin for pytest: modules that are compiled are loaded from their sources all the same."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from importlib.machinery import ModuleSpec
from importlib.util import spec_from_file_location
from pathlib import Path
from types import ModuleType

MIDDLEWARE = "keiko_perf.monitoring.middleware"


class FromSource:
    """Finds the source of `middleware`, and nothing else."""

    @staticmethod
    def find_spec(
        name: str, path: Sequence[str] | None, _target: ModuleType | None = None
    ) -> ModuleSpec | None:
        if name != MIDDLEWARE or not path:
            return None
        return spec_from_file_location(name, Path(path[0]) / "middleware.py")


if MIDDLEWARE in sys.modules:
    raise RuntimeError(f"{MIDDLEWARE} was imported before this plugin")
sys.meta_path.insert(0, FromSource)  # type: ignore[arg-type]
