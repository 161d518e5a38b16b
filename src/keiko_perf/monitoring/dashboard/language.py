"""
Language: which of ours a reader prefers, by the header `Accept-Language` (RFC 9110, 12.5.4).
"""

from __future__ import annotations

from keiko_perf.render.language import LANGUAGES

_MAX_RANGES = 20


def preferred(accept_language: str | None) -> str:
    """The language of ours that is wanted most; the first one, English, if none is."""
    wanted: list[tuple[float, str]] = []
    for part in (accept_language or "").split(",")[:_MAX_RANGES]:
        tag, _, parameters = part.strip().partition(";")
        primary = tag.strip().partition("-")[0].lower()
        primary = LANGUAGES[0] if primary == "*" else primary
        if primary in LANGUAGES and (weight := _weight(parameters)) > 0:
            wanted.append((weight, primary))
    # Of equal weight the first named.
    return max(wanted, key=lambda one: one[0], default=(0.0, LANGUAGES[0]))[1]


def _weight(parameters: str) -> float:
    name, _, value = parameters.strip().partition("=")
    if name.strip().lower() != "q":
        return 1.0
    try:
        return float(value)
    except ValueError:
        return 0.0
