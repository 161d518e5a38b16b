"""
RedisStore: the questions that a cache asks a Redis, and what they mean when there is no answer.

Every key begins with the cache's prefix: `v:` are values, `l:` locks, `t:` what tags are at. A
tag is invalidated by writing another token there, so that takes one write, however much belongs
to it.
"""

from __future__ import annotations

import asyncio
from collections.abc import Hashable, Mapping
from secrets import token_hex
from typing import TYPE_CHECKING, Any

from keiko_perf.errors import MissingExtra, Unavailable, UsageError
from keiko_perf.optimization.caching.remote import Record, name_of

if TYPE_CHECKING:
    from redis.asyncio import Redis

EVERYTHING = ""
"""The tag that everything belongs to."""
_RETRY_S = 1.0
_TAG_LIVES_MS = 30 * 24 * 3600 * 1000

# Both compare the lock's holder and act in one step, so that no other process comes in between.
_KEEP = """
if redis.call('get', KEYS[2]) ~= ARGV[1] then return 0 end
if ARGV[3] == '' then redis.call('set', KEYS[1], ARGV[2])
else redis.call('set', KEYS[1], ARGV[2], 'px', ARGV[3]) end
redis.call('del', KEYS[2])
return 1
"""
_HELD = """
if redis.call('get', KEYS[1]) ~= ARGV[1] then return 0 end
if ARGV[2] == '0' then return redis.call('del', KEYS[1]) end
return redis.call('pexpire', KEYS[1], ARGV[2])
"""

Tokens = Mapping[str, str]


class RedisStore:
    """
    Args:
        client: of `redis.asyncio`, which hands out bytes.
        prefix: what all keys begin with.
        lock_s: how long a lock holds without being renewed.

    Attributes:
        unreachable: how often Redis did not answer.

    Raises:
        UsageError: the client decodes answers, or *lock_s* is not positive.
        MissingExtra: the package redis is not installed.
    """

    def __init__(self, client: Redis, *, prefix: str, lock_s: float) -> None:
        self._failure = _failure_of_redis()
        whole: Any = client  # whose own types are not complete
        if whole.get_encoder().decode_responses:
            raise UsageError(
                "the client decodes what it reads, and values are bytes",
                cure="Make it with decode_responses=False",
            )
        if not lock_s > 0:
            raise UsageError(f"lock_s={lock_s!r} is not positive", cure="Give a number over 0")
        self._client = whole
        self._prefix = prefix
        self._lock_ms = max(1, round(lock_s * 1000))
        self._ask_at = 0.0
        self.unreachable = 0

    async def read(
        self, name: str, tags: frozenset[Hashable]
    ) -> tuple[bytes | None, Tokens | None]:
        """What is kept, and what its tags are at now; no tokens if Redis does not answer."""
        if asyncio.get_running_loop().time() < self._ask_at:
            return None, None
        names = sorted(name_of(tag) for tag in tags | {EVERYTHING})
        try:
            kept, *tokens = await self._client.mget(
                self._key("v", name), *(self._key("t", tag) for tag in names)
            )
        except self._failure:
            self._did_not_answer()
            return None, None
        return kept, {tag: (one or b"").decode() for tag, one in zip(names, tokens, strict=True)}

    async def put(self, name: str, record: Record, *, for_ms: int | None) -> bool:
        """Keep *record*, whoever loads meanwhile; whether it is kept."""
        try:
            # What is being loaded is older than this: it loses its lock.
            await self._client.delete(self._key("l", name))
            await self._client.set(self._key("v", name), record.to_bytes(), px=for_ms)
        except self._failure:
            self._did_not_answer()
            return False
        return True

    async def lock(self, name: str, holder: str) -> bool:
        """Take the lock of *name*; whether it was free."""
        try:
            taken = await self._client.set(self._key("l", name), holder, nx=True, px=self._lock_ms)
        except self._failure:
            self._did_not_answer()
            return False
        return bool(taken)

    async def renew(self, name: str, holder: str) -> None:
        """Go on holding the lock, until cancelled."""
        while True:
            await asyncio.sleep(self._lock_ms / 3000)
            await self._hold(name, holder, for_ms=self._lock_ms)

    async def unlock(self, name: str, holder: str) -> None:
        """Give the lock back, if it is still held."""
        await self._hold(name, holder, for_ms=0)

    async def keep(self, name: str, holder: str, record: Record, *, for_ms: int | None) -> bool:
        """Keep *record* and give the lock back, if it is still held; whether that was so."""
        names = (self._key("v", name), self._key("l", name))
        lives = "" if for_ms is None else for_ms
        try:
            kept = await self._client.eval(_KEEP, 2, *names, holder, record.to_bytes(), lives)
        except self._failure:
            self._did_not_answer()
            return False
        return bool(kept)

    async def remove(self, name: str) -> bool:
        """
        Forget *name*, and what is being loaded of it; whether there was anything.

        Raises:
            Unavailable: Redis does not answer, so it may still be there.
        """
        try:
            await self._client.delete(self._key("l", name))
            return bool(await self._client.delete(self._key("v", name)))
        except self._failure as error:
            raise _not_forgotten() from error

    async def invalidate(self, tag: Hashable) -> None:
        """
        Forget all that belongs to *tag*.

        Raises:
            Unavailable: as of `remove`.
        """
        try:
            await self._client.set(self._key("t", name_of(tag)), token_hex(8), px=_TAG_LIVES_MS)
        except self._failure as error:
            raise _not_forgotten() from error

    def _key(self, kind: str, name: str) -> str:
        return f"{self._prefix}:{kind}:{name}"

    async def _hold(self, name: str, holder: str, *, for_ms: int) -> None:
        try:
            await self._client.eval(_HELD, 1, self._key("l", name), holder, for_ms)
        except self._failure:
            self._did_not_answer()

    def _did_not_answer(self) -> None:
        self.unreachable += 1
        self._ask_at = asyncio.get_running_loop().time() + _RETRY_S


def _not_forgotten() -> Unavailable:
    return Unavailable(
        "what Redis keeps cannot be forgotten, for it does not answer",
        cure="Try again; until then it may be handed out until its time is up",
    )


def _failure_of_redis() -> type[Exception]:
    try:
        from redis.exceptions import RedisError
    except ImportError:
        raise MissingExtra("redis", extra="redis", purpose="a cache in Redis") from None
    return RedisError
