"""
Stacks: where a thread is in the code, as names that a person can open.

A place is `file:line function`. Files of the application are named as seen from the working
directory, those of packages as seen from site-packages. No source text and no value of a variable
is read. Frames belong to a thread that goes on meanwhile, so nothing here holds one any longer.
"""

from __future__ import annotations

import gc
import os
import site
import sys
import sysconfig
from collections.abc import Callable, Iterable
from functools import lru_cache, wraps
from types import CodeType, FrameType
from typing import ParamSpec, TypeVar

MAX_DEPTH = 60
"""Places that are told of one stack; of a deeper one those in the middle are left out."""
_HALF = MAX_DEPTH // 2
_COMPREHENSIONS = frozenset(("<listcomp>", "<setcomp>", "<dictcomp>", "<genexpr>"))
_LONGEST = 300
Lines = tuple[tuple[CodeType, int], ...]
"""A stack, outermost first: which code, and which line of it."""

P = ParamSpec("P")
T = TypeVar("T")


def without_collecting(look: Callable[P, T]) -> Callable[P, T]:
    """
    Let *look*, which goes through the frames of another thread, do so while nothing is collected.

    Until Python 3.12 an allocation collects garbage there and then, which may let that thread go on
    while a frame of its own is being made for us: what `f_back` gives is then whatever has come to
    lie in its place. See CPython's GH-97002, for frames of one thread.
    """
    if sys.version_info >= (3, 12):
        return look

    @wraps(look)
    def looking(*args: P.args, **options: P.kwargs) -> T:
        if not gc.isenabled():
            return look(*args, **options)
        gc.disable()
        try:
            return look(*args, **options)
        finally:
            gc.enable()

    return looking


def lines_of(frames: Iterable[FrameType]) -> Lines:
    """What is kept of *frames*."""
    return tuple((frame.f_code, frame.f_lineno or 0) for frame in frames)


def place_of(lines: Lines) -> str:
    """
    The place to blame, of a stack with the outermost line first.

    It is the innermost line of the application; where there is none, as in a service that is
    installed as a package, the innermost one beyond the standard library, or else the innermost.
    """
    for is_blamed in (_is_own, _is_packaged):
        for code, line in reversed(lines):
            if is_blamed(code.co_filename):
                return _told(code, line)
    return _told(*lines[-1])


def stack_of(lines: Lines) -> tuple[str, ...]:
    """The places of a stack, outermost first; what watches has no part in it."""
    others = [(code, line) for code, line in lines if not code.co_filename.startswith(_OURS)]
    told = [_told(code, line) for code, line in others or lines]
    if len(told) > MAX_DEPTH:
        left_out = len(told) - MAX_DEPTH
        told[_HALF:-_HALF] = [f"({left_out} more)"]
    return tuple(told)


def _told(code: CodeType, line: int) -> str:
    return f"{_short(code.co_filename)}:{line} {_name(code.co_qualname)}"[-_LONGEST:]


def _name(qualname: str) -> str:
    """The function, without those around it; of a comprehension the function that has it."""
    names = qualname.split(".<locals>.")
    while len(names) > 1 and names[-1] in _COMPREHENSIONS:
        names.pop()
    return names[-1]


@lru_cache(maxsize=2048)
def _short(filename: str) -> str:
    for root in _PACKAGES:
        if filename.startswith(root):
            return filename[len(root) :]
    for root in (os.getcwd() + os.sep, *_LIBRARY):
        if filename.startswith(root):
            return filename[len(root) :]
    return filename


@lru_cache(maxsize=2048)
def _is_packaged(filename: str) -> bool:
    if filename.startswith(_OURS):
        return False  # what watches is called from what it watches, as when garbage is collected
    if filename.startswith(_PACKAGES) or "/site-packages/" in filename:
        return True
    return not (filename.startswith(_LIBRARY) or filename.startswith("<"))


@lru_cache(maxsize=2048)
def _is_own(filename: str) -> bool:
    return _is_packaged(filename) and not (
        filename.startswith(_PACKAGES)
        or "/site-packages/" in filename
        # The command that started the server is the bottom of every stack, and blames nobody.
        or os.path.abspath(filename).startswith(_COMMANDS)
    )


def _with_separator(*paths: str | None) -> tuple[str, ...]:
    return tuple(path.rstrip(os.sep) + os.sep for path in dict.fromkeys(paths) if path)


_PACKAGES = _with_separator(
    sysconfig.get_path("purelib"),
    sysconfig.get_path("platlib"),
    *site.getsitepackages(),
    site.getusersitepackages(),
)
_COMMANDS = _with_separator(sysconfig.get_path("scripts"))
_OURS = os.path.dirname(os.path.dirname(__file__)) + os.sep  # all of the monitor
_LIBRARY = _with_separator(sysconfig.get_path("stdlib"), sysconfig.get_path("platstdlib"))
