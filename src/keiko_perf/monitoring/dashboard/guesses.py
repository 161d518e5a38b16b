"""
Guesses: how many wrong tokens one address may present before nobody there is heard for a while.

Each address has ten, and gets one back every six seconds. While it has none its tokens are not
even compared, so the answer tells nothing of them; who is logged in already is not concerned. The
addresses are bounded: those on top share one allowance. It is of this process: n workers hear n
times as many.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from ipaddress import IPv6Address, ip_address

_MOST = 10
_EVERY_S = 6.0
_MAX_ADDRESSES = 1_000


class Guesses:
    """
    Args:
        clock: monotonic seconds.
    """

    def __init__(self, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        # When an address will have all of its guesses back.
        self._whole_at_s: dict[str, float] = {}

    def wait_s(self, address: str | None) -> float:
        """How long until a token from *address* is heard; 0 if it is heard now."""
        whole_at_s = self._whole_at_s.get(self._key(address), 0.0)
        return max(0.0, whole_at_s - self._clock() - (_MOST - 1) * _EVERY_S)

    def wrong(self, address: str | None) -> None:
        """A token from *address* was wrong."""
        now_s = self._clock()
        if len(self._whole_at_s) >= _MAX_ADDRESSES:
            whole = [one for one, at_s in self._whole_at_s.items() if at_s <= now_s]
            for one in whole:
                del self._whole_at_s[one]
        key = self._key(address)
        self._whole_at_s[key] = max(self._whole_at_s.get(key, 0.0), now_s) + _EVERY_S

    def _key(self, address: str | None) -> str:
        network = _network(address or "")
        is_room = network in self._whole_at_s or len(self._whole_at_s) < _MAX_ADDRESSES
        return network if is_room else ""


def _network(address: str) -> str:
    """An IPv4 address as it is; of IPv6 the /64 network, all of which one host may use."""
    try:
        parsed = ip_address(address.partition("%")[0])
    except ValueError:
        return ""
    if not isinstance(parsed, IPv6Address):
        return address
    if parsed.ipv4_mapped is not None:
        return str(parsed.ipv4_mapped)
    return parsed.exploded[:19]
