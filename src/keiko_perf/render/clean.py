"""
Clean: text from outside without what could act on its reader's program.

A route or a statement can carry terminal escapes, marks that turn the reading direction, or
halves of characters that no encoding takes. Each is replaced by something that is seen.
"""

from __future__ import annotations

import re

_ACTING = re.compile(
    "[\x00-\x08\x0b-\x1f\x7f-\x9f"  # C0 without tab and line feed, DEL, C1
    "\u200e\u200f\u202a-\u202e\u2066-\u2069"  # the direction of reading
    "\ud800-\udfff\ufffe\uffff]"  # what XML and UTF-8 refuse
)


def clean(text: str) -> str:
    """*text* as it can be printed anywhere; tabs and line feeds stay."""
    return _ACTING.sub(_seen, text.replace("\r\n", "\n"))


def clean_line(text: str) -> str:
    """*text* as one line: each run of white space is one space."""
    return " ".join(clean(text).split())


def _seen(found: re.Match[str]) -> str:
    code = ord(found[0])
    if code < 0x20:
        return chr(0x2400 + code)  # the pictures of the control characters: ␛ for escape
    return "␡" if code == 0x7F else "\N{REPLACEMENT CHARACTER}"
