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
from importlib import import_module
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))  # the scripts beside this one


PARTS = ("batch", "adaptive", "cache", "memory", "database", "repeats", "loop")
"""The scripts; each has a `run` that returns its bars."""


def main() -> int:
    """The exit code: 0 if each bar is met."""
    parser = argparse.ArgumentParser(description="The bars of the optimization.")
    parser.add_argument("--only", nargs="+", choices=PARTS, default=PARTS)
    bars: dict[str, bool] = {}
    for name in parser.parse_args().only:
        print(f"\n=== {name} ===\n", flush=True)
        try:
            bars |= import_module(name).run()
        except ModuleNotFoundError as error:
            print(f"{name} needs {error.name}, which `make install` installs")
            bars[f"{name}: could be measured"] = False
    print("\n=== bars ===\n")
    for bar, is_met in bars.items():
        print(f"{'MET' if is_met else 'MISSED':8}{bar}")
    return 0 if all(bars.values()) else 1


if __name__ == "__main__":
    sys.exit(main())
