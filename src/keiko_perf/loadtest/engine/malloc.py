"""
Malloc: glibc is told to keep memory that it would give back, and soon take again.

Python's TLS reads into a buffer of 256 KiB, which is above the size from which glibc asks the
kernel for pages of their own. Whether it learns better depends on chance: if not, each request
costs an mmap and a munmap, and three times the CPU (28 to 30 µs instead of 11.5 per request). The
price is up to 128 MiB of freed memory that this process keeps.
"""

from __future__ import annotations

import ctypes
import sys

# malloc.h of glibc; other C libraries have no mallopt, or one that does nothing.
_M_TRIM_THRESHOLD, _M_TOP_PAD, _M_MMAP_THRESHOLD = -1, -2, -3
_SETTINGS = (
    (_M_MMAP_THRESHOLD, 32 * 1024 * 1024),  # the most that glibc takes on 64 bits
    (_M_TRIM_THRESHOLD, 128 * 1024 * 1024),
    (_M_TOP_PAD, 16 * 1024 * 1024),
)


def keep_memory() -> bool:
    """Raise the thresholds of this process, and say whether there was a way to."""
    if not sys.platform.startswith("linux"):
        return False
    try:
        library = ctypes.CDLL(None)
    except OSError:
        return False
    if not (hasattr(library, "gnu_get_libc_version") and hasattr(library, "mallopt")):
        return False
    mallopt = library.mallopt
    mallopt.argtypes = (ctypes.c_int, ctypes.c_int)
    mallopt.restype = ctypes.c_int
    taken = [mallopt(name, size) == 1 for name, size in _SETTINGS]
    return all(taken)
