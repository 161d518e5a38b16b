"""
Bars: what the load engine has to reach, and a list at the end of what it reached.
"""

from __future__ import annotations

_seen: list[tuple[str, str]] = []


def judged(what: str, is_met: bool, bar: str) -> None:
    """Remember a figure and whether it is within its bar."""
    _seen.append(("MET" if is_met else "MISSED", f"{what}, at most {bar}"))


def skipped(what: str) -> None:
    """Remember a bar that nothing could be judged by."""
    _seen.append(("skipped", what))


def summarise() -> None:
    """Print all, in the order in which they were judged."""
    print("\nBars")
    for verdict, what in _seen:
        print(f"  {verdict:<8}{what}")
