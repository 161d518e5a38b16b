"""
Tuning: all parts of the optimization beside their peers, and each bar MET or MISSED.

    python benchmarks/tuning.py [--only batch adaptive cache memory database repeats loop]

Each part is a script of its own, which says what it measures and how. The peers are among what
`make install` installs. All of it takes some ten minutes; the machine should have nothing else to
do.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))  # the scripts beside this one


def _batch() -> dict[str, bool]:
    import batch

    return batch.run()


def _adaptive() -> dict[str, bool]:
    import adaptive

    run: Callable[[], dict[str, bool]] | None = getattr(adaptive, "run", None)
    if run is not None:
        return run()
    sys.argv = sys.argv[:1]  # it has arguments of its own
    adaptive.main()  # tells its table, and judges in it
    return {}


def _cache() -> dict[str, bool]:
    import cache

    return cache.run()


def _memory() -> dict[str, bool]:
    import memory

    return memory.run()


def _database() -> dict[str, bool]:
    import database

    return database.run()


def _repeats() -> dict[str, bool]:
    import repeats

    return repeats.run()


def _loop() -> dict[str, bool]:
    import loop

    return loop.run()


PARTS: dict[str, Callable[[], dict[str, bool]]] = {
    "batch": _batch,
    "adaptive": _adaptive,
    "cache": _cache,
    "memory": _memory,
    "database": _database,
    "repeats": _repeats,
    "loop": _loop,
}


def main() -> int:
    """The exit code: 0 if each bar is met."""
    parser = argparse.ArgumentParser(description="The bars of the optimization.")
    parser.add_argument("--only", nargs="+", choices=PARTS, default=list(PARTS))
    bars: dict[str, bool] = {}
    for name in parser.parse_args().only:
        print(f"\n=== {name} ===\n", flush=True)
        try:
            bars |= PARTS[name]()
        except ModuleNotFoundError as error:
            print(f"{name} needs {error.name}, which `make install` installs")
            bars[f"{name}: could be measured"] = False
    print("\n=== bars ===\n")
    for bar, is_met in bars.items():
        print(f"{'MET' if is_met else 'MISSED':8}{bar}")
    return 0 if all(bars.values()) else 1


if __name__ == "__main__":
    sys.exit(main())
