"""
RedisCache: values that several processes share, in a Redis; the same calls as those of `Cache`.

What it promises:
- Of all processes that miss the same key at the same time, one loads: it holds a short lock,
  which it renews while it loads, and which ends by itself when the process dies.
- What was removed, or its tag invalidated, while it was being loaded is handed to those who
  waited for it already, and not kept. To invalidate a tag takes one write, however much belongs
  to it.
- Without Redis, values are loaded and not kept: a cache that is down takes nothing else down. It
  is asked again after a second. Only to forget something fails then, for it would come back.
- Who loaded a value gets what the others will get: what the codec makes of it.

Clocks of the processes should agree to well within the times that are given.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Hashable, Iterable
from dataclasses import dataclass
from functools import partial
from random import Random
from secrets import token_hex
from typing import TYPE_CHECKING, Any

from keiko_perf.optimization.caching.codec import Codec, JsonCodec
from keiko_perf.optimization.caching.flight import SingleFlight
from keiko_perf.optimization.caching.freshness import Freshness
from keiko_perf.optimization.caching.redis_store import EVERYTHING, RedisStore, Tokens
from keiko_perf.optimization.caching.remote import Record, name_of
from keiko_perf.optimization.cancel import cancel_all

if TYPE_CHECKING:
    from redis.asyncio import Redis

Load = Callable[[Any], Awaitable[Any]]

_FIRST_POLL_S, _LONGEST_POLL_S = 0.005, 0.1


@dataclass(frozen=True, slots=True, kw_only=True)
class RedisStatistics:
    """
    What this process had of the cache.

    Attributes:
        hits: how often a value was there.
        stale_hits: how often one whose time was up, handed out while it was loaded anew.
        misses: how often none was there.
        loads: how many were loaded here.
        failed_loads: how many of these loads raised or were cancelled.
        waited: how often another process's load was waited for.
        load_s: how long all loads took.
        saved_s: how long the loads would have taken that hits made unnecessary.
        refused: how many records could not be read, or were not signed.
        unreachable: how often Redis did not answer.
    """

    hits: int
    stale_hits: int
    misses: int
    loads: int
    failed_loads: int
    waited: int
    load_s: float
    saved_s: float
    refused: int
    unreachable: int

    @property
    def hit_ratio(self) -> float | None:
        """The share of the look-ups that found a value, 0 to 1; None if there was none."""
        found = self.hits + self.stale_hits
        return found / (found + self.misses) if found + self.misses else None


class RedisCache:
    """
    Values by key, in a Redis.

    Args:
        client: of `redis.asyncio`, which hands out bytes. Whoever made it closes it.
        prefix: what all keys here begin with; another one is another cache.
        codec: what makes bytes of values: `JsonCodec`, or `SignedPickle`.
        lock_s: after so long without a sign of life, a process that loads is held to be dead.
        ttl_s, ttl_jitter, stale_s, negative_ttl_s, negative_errors: as of `Cache`. A kept error is
            made anew of its text.
        clock: seconds since 1970.
        random: what shortens the times.

    Raises:
        UsageError: the client decodes answers, or a number makes no sense.
        MissingExtra: the package redis is not installed.
    """

    def __init__(
        self,
        client: Redis,
        *,
        prefix: str = "keiko-perf",
        codec: Codec | None = None,
        lock_s: float = 5.0,
        ttl_s: float | None = None,
        ttl_jitter: float = 0.0,
        stale_s: float = 0.0,
        negative_ttl_s: float | None = None,
        negative_errors: type[Exception] | tuple[type[Exception], ...] = (),
        clock: Callable[[], float] = time.time,
        random: Random | None = None,
    ) -> None:
        self._store = RedisStore(client, prefix=prefix, lock_s=lock_s)
        self._freshness = Freshness(
            ttl_s=ttl_s,
            ttl_jitter=ttl_jitter,
            stale_s=stale_s,
            negative_ttl_s=negative_ttl_s,
            negative_errors=negative_errors,
        )
        errors = negative_errors if isinstance(negative_errors, tuple) else (negative_errors,)
        self._errors = {kind.__qualname__: kind for kind in errors}
        self._codec: Codec = codec or JsonCodec()
        self._clock = clock
        self._random = random or Random()
        self._flights: SingleFlight[Hashable, Any] = SingleFlight()
        self._hits = self._stale_hits = self._misses = self._waited = 0
        self._loads = self._failed_loads = self._refused = 0
        self._load_s = self._saved_s = 0.0

    async def get(
        self, key: Hashable, default: Any = None, *, tags: Iterable[Hashable] = ()
    ) -> Any:
        """The value of *key*, or *default*. Its *tags* have to be given here as well."""
        found, _ = await self._read(name_of(key), frozenset(tags))
        if found is None or found.error is not None or found.is_old:
            self._misses += 1
            return default
        return self._hit(found)

    async def put(
        self,
        key: Hashable,
        value: Any,
        *,
        ttl_s: float | None = None,
        tags: Iterable[Hashable] = (),
    ) -> bool:
        """Keep *value*, in place of what was kept for *key*; whether it is kept."""
        name = name_of(key)
        body = self._codec.dumps(value, name)
        self._flights.forget(key)
        _, tokens = await self._store.read(name, frozenset(tags))
        if tokens is None:
            return False
        record, for_ms = self._record(body, tokens, is_nothing=value is None, ttl_s=ttl_s)
        return await self._store.put(name, record, for_ms=for_ms)

    async def get_or_load(
        self,
        key: Hashable,
        load: Load,
        *,
        ttl_s: float | None = None,
        tags: Iterable[Hashable] = (),
    ) -> Any:
        """
        The value of *key*; if there is none, what `await load(key)` gives, in whichever process.

        Raises:
            Exception: what *load* raised. Nothing is kept then, unless it is one of the
                `negative_errors`.
            UsageError: the key, or the value, cannot be kept outside of the process.
        """
        flight = _Flight(key, name_of(key), load, ttl_s, frozenset(tags))
        found, tokens = await self._read(flight.name, flight.tags)
        if found is None:
            self._misses += 1
            return await self._flights.join(key, partial(self._fly, flight, tokens))
        if found.is_old:
            self._flights.begin(key, partial(self._refresh, flight, tokens))
        return self._hit(found)

    async def remove(self, key: Hashable) -> bool:
        """
        Forget the value of *key*; whether there was one.

        Raises:
            Unavailable: Redis does not answer, so it may still be there.
        """
        self._flights.forget(key)
        return await self._store.remove(name_of(key))

    async def invalidate_tag(self, tag: Hashable) -> int:
        """
        Forget all values that belong to *tag*. How many is not known: the answer is 0.

        Raises:
            Unavailable: Redis does not answer, so they may still be there.
        """
        await self._store.invalidate(tag)
        self._flights.forget_all()  # which of them belong to it is not known here
        return 0

    async def clear(self) -> None:
        """
        Forget everything.

        Raises:
            Unavailable: as of `remove`.
        """
        await self.invalidate_tag(EVERYTHING)

    async def aclose(self) -> None:
        """Give up what is being loaded anew in the background. The client stays open."""
        await self._flights.aclose()

    def statistics(self) -> RedisStatistics:
        """What this process had of it."""
        return RedisStatistics(
            hits=self._hits,
            stale_hits=self._stale_hits,
            misses=self._misses,
            loads=self._loads,
            failed_loads=self._failed_loads,
            waited=self._waited,
            load_s=self._load_s,
            saved_s=self._saved_s,
            refused=self._refused,
            unreachable=self._store.unreachable,
        )

    def _hit(self, found: _Found) -> Any:
        if found.is_old:
            self._stale_hits += 1
        else:
            self._hits += 1
        self._saved_s += found.load_s
        return found.answer()

    async def _read(
        self, name: str, tags: frozenset[Hashable]
    ) -> tuple[_Found | None, Tokens | None]:
        """What is kept, can be read and belongs to nothing that was invalidated since."""
        kept, tokens = await self._store.read(name, tags)
        if kept is None:
            return None, tokens
        try:
            record = Record.of(kept)
            if record.error is not None and record.error not in self._errors:
                return None, tokens
            value = self._codec.loads(record.body, name) if record.error is None else None
        except ValueError:  # of another version, or by another hand
            self._refused += 1
            return None, tokens
        is_old = record.good_until is not None and self._clock() >= record.good_until
        if record.tokens != tokens or (is_old and not self._freshness.stale_s):
            return None, tokens
        error = self._errors[record.error] if record.error is not None else None
        return _Found(value, record, error, is_old), tokens

    async def _refresh(self, flight: _Flight, tokens: Tokens | None) -> Any:
        """Load anew, unless another process is at it."""
        holder = token_hex(8)
        if tokens is not None and await self._store.lock(flight.name, holder):
            return await self._load_held(flight, tokens, holder)
        return None

    async def _fly(self, flight: _Flight, tokens: Tokens | None) -> Any:
        """Load under the lock; or wait until the process that has it is through."""
        holder, poll_s = token_hex(8), _FIRST_POLL_S
        while tokens is not None:
            has_lock = await self._store.lock(flight.name, holder)
            # It may have been loaded between the look before and the lock, or while waiting.
            found, tokens = await self._read(flight.name, flight.tags)
            if found is not None and not found.is_old:
                if has_lock:
                    await self._store.unlock(flight.name, holder)
                return found.answer()
            if has_lock and tokens is not None:
                return await self._load_held(flight, tokens, holder)
            if tokens is None:
                break
            self._waited += poll_s == _FIRST_POLL_S
            await asyncio.sleep(poll_s * (0.5 + self._random.random()))
            poll_s = min(poll_s * 1.5, _LONGEST_POLL_S)
        value, _ = await self._load(flight)
        return self._codec.loads(self._codec.dumps(value, flight.name), flight.name)

    async def _load_held(self, flight: _Flight, tokens: Tokens, holder: str) -> Any:
        name = flight.name
        renewing = asyncio.get_running_loop().create_task(self._store.renew(name, holder))
        is_kept = False
        try:
            value, load_s = await self._load(flight)
            body = self._codec.dumps(value, name)
            record, for_ms = self._record(
                body, tokens, is_nothing=value is None, ttl_s=flight.ttl_s, load_s=load_s
            )
            is_kept = await self._store.keep(name, holder, record, for_ms=for_ms)
            return self._codec.loads(body, name)
        except tuple(self._errors.values()) as error:
            kind = type(error).__qualname__
            if kind in self._errors:  # a subclass could not be told by its name
                body = str(error.args[0] if error.args else "").encode()
                record, for_ms = self._record(body, tokens, is_nothing=True, error=kind)
                is_kept = await self._store.keep(name, holder, record, for_ms=for_ms)
            raise
        finally:
            await cancel_all([renewing])
            if not is_kept:
                await self._store.unlock(name, holder)

    async def _load(self, flight: _Flight) -> tuple[Any, float]:
        began_s = time.monotonic()
        self._loads += 1
        succeeded = False
        try:
            value = await flight.load(flight.key)
            succeeded = True
        except tuple(self._errors.values()):
            succeeded = True
            raise
        finally:
            self._failed_loads += not succeeded
            self._load_s += time.monotonic() - began_s
        return value, time.monotonic() - began_s

    def _record(
        self,
        body: bytes,
        tokens: Tokens,
        *,
        is_nothing: bool,
        ttl_s: float | None = None,
        load_s: float = 0.0,
        error: str | None = None,
    ) -> tuple[Record, int | None]:
        """A record, and for how many milliseconds Redis is to keep it."""
        good_s = self._freshness.good_s(
            is_nothing=is_nothing, ttl_s=ttl_s, chance=self._random.random()
        )
        good_until = None if good_s is None else self._clock() + good_s
        record = Record(good_until=good_until, load_s=load_s, error=error, tokens=tokens, body=body)
        if good_s is None:
            return record, None
        stale_s = 0.0 if is_nothing else self._freshness.stale_s
        return record, max(1, round(1000 * (good_s + stale_s)))


@dataclass(frozen=True, slots=True)
class _Flight:
    key: Hashable
    name: str
    load: Load
    ttl_s: float | None
    tags: frozenset[Hashable]


@dataclass(frozen=True, slots=True)
class _Found:
    """What was kept; *kind* is the error that says that there is nothing."""

    value: Any
    record: Record
    kind: type[Exception] | None
    is_old: bool

    @property
    def error(self) -> str | None:
        return self.record.error

    @property
    def load_s(self) -> float:
        return self.record.load_s

    def answer(self) -> Any:
        if self.kind is not None:
            raise self.kind(self.record.body.decode())
        return self.value
