"""
Layout: what `encoding` writes of a window and `decoding` reads, and in which formats.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from struct import Struct

FORMAT = 5
FOURTH_FORMAT = 4  # without what is asked again; still read
# The third had neither the statements of routes nor the slow requests; it is still read as well.
SECOND_FORMAT = 2  # without redirects as well; still read
FIRST_FORMAT = 1  # without refusals, sizes and blocking calls as well; still read
CALL = Struct("<ddd")
SECONDS = Struct("<d")
GAUGE = Struct("<dd")
KEPT = Struct("<dd")
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
MICROSECOND = timedelta(microseconds=1)
