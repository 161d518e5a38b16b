"""
Eviction: which values a cache keeps when it cannot keep all.

Two ways are known to be good, each where the other is not. By *frequency*: what is new has to be
asked for more often than what it would replace (TinyLFU by Einziger, Friedman and Manes, with
their comparison by aggregated victims where sizes differ); scans and loops cannot wash out what
is asked for again and again. By *recency*: what was not asked for longest goes; what is popular
may change at any time. A `Rehearsal` plays both on a sample of the keys, and the better is used.

How often a kept value was asked for is counted exactly; of those that are gone, a table of one byte
each remembers about how often. All counts are halved now and then, so that old fame fades.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Hashable
from typing import Generic, TypeVar

K = TypeVar("K", bound=Hashable)

NEW_RATIO = 0.01
"""How much of the room is for what is new, where frequency decides."""
_PROVEN_RATIO = 0.8
"""How much of the rest is for what was asked for since it came there."""
_NEW, _TRIED, _PROVEN = range(3)
_FIRST_TO_GO = (_TRIED, _PROVEN, _NEW)
_MOST = 255
_HALVED = bytes(count >> 1 for count in range(_MOST + 1))
_PLACES_PER_ENTRY = 32
_HALVE_AFTER_HITS, _HALVE_AFTER_NEW = 10, 20
"""Counts are halved after so many hits, or so many new keys, for each value kept."""
_MOVES = 8
"""How many leave the room for new ones at a time: a change of ways is no long stop."""
_MIX, _64_BITS = 0x9E3779B97F4A7C15, (1 << 64) - 1


class Kept(Generic[K]):
    """What is kept of one key; *cost* is how much of the room it takes."""

    # Where it stands is a number: a reference would make a circle, and what is dropped would stay
    # until garbage is collected.
    __slots__ = ("cost", "count", "epoch", "is_sampled", "key", "segment")

    def __init__(self, key: K, cost: int) -> None:
        self.key = key
        self.cost = cost
        self.count = 1
        self.epoch = 0
        self.is_sampled = False
        self.segment = _NEW


class Eviction(Generic[K]):
    """
    The keys that are kept, within *capacity*.

    Args:
        capacity: how much all that is kept may cost together.
        new_ratio: how much of it what is new may take without having to prove itself. 1: the
            oldest goes, whatever it is.

    Attributes:
        entries: what is kept, by key.
        cost: what that costs together.
    """

    def __init__(self, capacity: int, *, new_ratio: float = NEW_RATIO) -> None:
        self.capacity = capacity
        self.entries: dict[K, Kept[K]] = {}
        self.cost = 0
        self._segments: list[OrderedDict[K, Kept[K]]] = [OrderedDict() for _ in range(3)]
        self._new_cost = self._proven_cost = 0
        self._table = bytearray(1024)
        self._hits = self._added = self._epoch = 0
        self.set_new_ratio(new_ratio)

    def set_new_ratio(self, new_ratio: float) -> None:
        """How much of the room is for what is new, from now on."""
        self._most_new = max(1, int(self.capacity * new_ratio))
        self._most_proven = int((self.capacity - self._most_new) * _PROVEN_RATIO)

    def hit(self, entry: Kept[K]) -> None:
        """*entry*, which is kept, was asked for."""
        self._hits += 1
        if entry.epoch != self._epoch:
            self._fade(entry)
        if entry.count < _MOST:
            entry.count += 1
        if entry.segment == _TRIED:
            self._prove(entry)
        else:
            self._segments[entry.segment].move_to_end(entry.key)
        if entry.is_sampled:
            self._rehearse(entry)

    def add(self, entry: Kept[K]) -> list[Kept[K]]:
        """
        Keep *entry*, whose key is not kept yet.

        Returns:
            What had to go for it; never *entry* itself, unless it costs more than all there is.
        """
        self._added += 1
        self._tend_table(max(len(self.entries), 64))
        entry.count = self._recall(entry.key)
        entry.epoch = self._epoch
        self.entries[entry.key] = entry
        self.cost += entry.cost
        self._place(entry, _NEW)
        self._new_cost += entry.cost
        return self._make_room()

    def remove(self, entry: Kept[K]) -> None:
        """*entry*, which is kept, goes; how often it was asked for is remembered."""
        del self.entries[entry.key]
        self._leave(entry)
        self.cost -= entry.cost
        self._remember(entry)

    def clear(self) -> None:
        """Keep nothing, and remember nothing."""
        self.entries = {}
        self._segments = [OrderedDict() for _ in range(3)]
        self.cost = self._new_cost = self._proven_cost = 0
        self._table = bytearray(1024)

    def compact(self) -> bool:
        """
        Give up the tables of times when much more was kept, and what they remember; whether they
        were that large.
        """
        entries = max(len(self.entries), 64)
        if len(self._table) <= 4 * entries * _PLACES_PER_ENTRY:
            return False
        self._table = bytearray(1024)
        # Dictionaries do not become smaller by what is taken out of them.
        self.entries = dict(self.entries)
        self._segments = [OrderedDict(segment) for segment in self._segments]
        return True

    def in_order(self) -> list[Kept[K]]:
        """All that is kept: what would have to go first, first."""
        return [entry for one in _FIRST_TO_GO for entry in self._segments[one].values()]

    def count(self, entry: Kept[K]) -> int:
        """How often *entry* was asked for of late."""
        if entry.epoch != self._epoch:
            self._fade(entry)
        return entry.count

    def _rehearse(self, entry: Kept[K]) -> None:
        """*entry*, one of a sample, was asked for; see `TunedEviction`."""

    def _make_room(self) -> list[Kept[K]]:
        gone: list[Kept[K]] = []
        for _ in range(_MOVES):
            # The newest of all stays: what was just put in can be got out.
            new = self._segments[_NEW]
            if self._new_cost <= self._most_new or len(new) < 2:
                break
            candidate = next(iter(new.values()))
            victims = self._victims(candidate)
            if victims is None:
                victims = [candidate]
            else:
                self._leave(candidate)
                self._place(candidate, _TRIED)
            for victim in victims:
                self.remove(victim)
            gone += victims
        while self.cost > self.capacity:
            fullest = next(self._segments[one] for one in _FIRST_TO_GO if self._segments[one])
            oldest = next(iter(fullest.values()))
            self.remove(oldest)
            gone.append(oldest)
        return gone

    def _victims(self, candidate: Kept[K]) -> list[Kept[K]] | None:
        """What has to go so that *candidate* may stay; None if that is worth more than it is."""
        needed = self.cost - self.capacity
        victims: list[Kept[K]] = []
        # Without the question that brought it in: in a loop, what comes next has not had its own.
        left = self.count(candidate) - 1
        for segment in (_TRIED, _PROVEN):
            for victim in self._segments[segment].values():
                if needed <= 0:
                    return victims
                left -= self.count(victim)
                if left <= 0:
                    return None
                needed -= victim.cost
                victims.append(victim)
        return victims if needed <= 0 else None

    def _prove(self, entry: Kept[K]) -> None:
        self._leave(entry)
        self._place(entry, _PROVEN)
        self._proven_cost += entry.cost
        proven = self._segments[_PROVEN]
        while self._proven_cost > self._most_proven and len(proven) > 1:
            oldest = next(iter(proven.values()))
            self._leave(oldest)
            self._place(oldest, _TRIED)

    def _place(self, entry: Kept[K], segment: int) -> None:
        entry.segment = segment
        self._segments[segment][entry.key] = entry

    def _leave(self, entry: Kept[K]) -> None:
        del self._segments[entry.segment][entry.key]
        if entry.segment == _NEW:
            self._new_cost -= entry.cost
        elif entry.segment == _PROVEN:
            self._proven_cost -= entry.cost

    def _tend_table(self, entries: int) -> None:
        if self._hits > _HALVE_AFTER_HITS * entries or self._added > _HALVE_AFTER_NEW * entries:
            self._hits = self._added = 0
            self._epoch += 1
            self._table = self._table.translate(_HALVED)
        while entries * _PLACES_PER_ENTRY > len(self._table):
            self._table = self._table * 2  # a key's places are the same ones in either half

    def _fade(self, entry: Kept[K]) -> None:
        entry.count >>= self._epoch - entry.epoch
        entry.epoch = self._epoch

    def _recall(self, key: K) -> int:
        """How often *key* was asked for, this time included; noted as well."""
        table, first, second = self._table, *self._places(key)
        count = min(table[first], table[second], _MOST - 1) + 1
        table[first] = max(table[first], count)
        table[second] = max(table[second], count)
        return count

    def _remember(self, entry: Kept[K]) -> None:
        table, count = self._table, self.count(entry)
        for place in self._places(entry.key):
            table[place] = max(table[place], count)

    def _places(self, key: K) -> tuple[int, int]:
        mixed, last = mix(key), len(self._table) - 1
        return mixed >> 16 & last, mixed >> 40 & last


def mix(key: Hashable) -> int:
    """64 bits of *key*'s hash of which each depends on all."""
    bits = hash(key) & _64_BITS
    return (bits ^ bits >> 32) * _MIX & _64_BITS
