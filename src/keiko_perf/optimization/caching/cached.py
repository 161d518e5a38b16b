"""
@cached: an async function that remembers what it answered.

    @cached(ttl_s=60, max_entries=10_000)
    async def agent(agent_id: int) -> Agent: ...

    await agent(7)             # asks the database
    await agent(7)             # does not
    await agent.invalidate(7)  # what is known of 7 has changed

The key is made of the arguments and their types, so that `1`, `1.0` and `True` are three, and the
same argument is the same whether it is given by position or by name. Of a method, objects that are
not the same one share nothing.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Coroutine, Hashable, Iterable
from functools import update_wrapper
from inspect import Parameter, iscoroutinefunction, signature
from typing import Any, Concatenate, Generic, ParamSpec, Protocol, TypeVar, overload
from weakref import ref

from keiko_perf.errors import UsageError
from keiko_perf.optimization.caching.cache import Cache
from keiko_perf.optimization.caching.freshness import checked_ttl

P = ParamSpec("P")
R = TypeVar("R")
S = TypeVar("S")

_ENTRIES = 1_000
_PLAIN = frozenset({str, int, bytes, float, bool, type(None)})


class Loading(Protocol):
    """What keeps the answers: a `Cache`, or a `RedisCache`."""

    async def get_or_load(
        self,
        key: Any,
        load: Callable[[Any], Awaitable[Any]],
        *,
        ttl_s: float | None = None,
        tags: Iterable[Any] = (),
    ) -> Any: ...

    def remove(self, key: Any) -> Any: ...

    def invalidate_tag(self, tag: Any) -> Any: ...

    def statistics(self) -> Any: ...


class Cached(Generic[P, R]):
    """
    An async function whose answers are kept.

    Attributes:
        cache: where.
    """

    def __init__(
        self,
        function: Callable[P, Coroutine[Any, Any, R]],
        *,
        cache: Loading,
        ttl_s: float | None,
        key: Callable[..., Hashable] | None,
        tags: Callable[..., Iterable[Hashable]] | None,
    ) -> None:
        if not iscoroutinefunction(function):
            raise UsageError(
                f"@cached keeps the answers of async functions, not of {function!r}",
                cure="Make it an `async def`",
            )
        self.cache = cache
        self._function = function
        self._ttl_s = checked_ttl(ttl_s)
        self._key, self._tags = key, tags
        self._arguments = _Arguments(function)
        self._hit = cache.hit if isinstance(cache, Cache) else None
        update_wrapper(self, function)

    async def __call__(self, *args: P.args, **kwargs: P.kwargs) -> R:
        """
        The answer that is kept, or that of the function.

        Raises:
            Exception: what the function raised.
            UsageError: an argument cannot be part of a key.
        """
        key = (self._key or self._arguments.key)(*args, **kwargs)
        if self._hit is not None:
            found = self._hit(key)
            if found is not None:
                kept: R = found.value
                return kept
        answer: R = await self.cache.get_or_load(
            key,
            lambda _: self._function(*args, **kwargs),
            ttl_s=self._ttl_s,
            tags=() if self._tags is None else self._tags(*args, **kwargs),
        )
        return answer

    def key(self, *args: P.args, **kwargs: P.kwargs) -> Hashable:
        """By what the answer to these arguments is kept."""
        return (self._key or self._arguments.key)(*args, **kwargs)

    async def invalidate(self, *args: P.args, **kwargs: P.kwargs) -> bool:
        """Forget the answer to these arguments; whether there was one."""
        return bool(await _done(self.cache.remove(self.key(*args, **kwargs))))

    async def invalidate_tag(self, tag: Hashable) -> int:
        """Forget all answers that belong to *tag*; how many, as far as that is known."""
        return int(await _done(self.cache.invalidate_tag(tag)))

    def statistics(self) -> Any:
        """Those of the cache."""
        return self.cache.statistics()

    @overload
    def __get__(self, instance: None, owner: type) -> Cached[P, R]: ...

    @overload
    def __get__(
        self: Cached[Concatenate[S, P], R], instance: S, owner: type | None = None
    ) -> BoundCached[P, R]: ...

    def __get__(self, instance: Any, owner: type | None = None) -> Any:
        return self if instance is None else BoundCached(self, instance)


class BoundCached(Generic[P, R]):
    """The same as a method of one object."""

    __slots__ = ("_cached", "_instance")

    def __init__(self, cached: Cached[Any, R], instance: object) -> None:
        self._cached = cached
        self._instance = instance

    async def __call__(self, *args: P.args, **kwargs: P.kwargs) -> R:
        return await self._cached(self._instance, *args, **kwargs)

    @property
    def cache(self) -> Loading:
        """Where the answers are kept, those of the class's other objects among them."""
        return self._cached.cache

    async def invalidate(self, *args: P.args, **kwargs: P.kwargs) -> bool:
        """Forget this object's answer to these arguments; whether there was one."""
        return await self._cached.invalidate(self._instance, *args, **kwargs)

    async def invalidate_tag(self, tag: Hashable) -> int:
        """Forget all answers that belong to *tag*, of whichever object."""
        return await self._cached.invalidate_tag(tag)


def cached(
    *,
    ttl_s: float | None = None,
    key: Callable[..., Hashable] | None = None,
    tags: Callable[..., Iterable[Hashable]] | None = None,
    cache: Loading | None = None,
    max_entries: int | None = None,
    max_bytes: int | None = None,
    stale_s: float = 0.0,
    ttl_jitter: float = 0.0,
    negative_ttl_s: float | None = None,
    negative_errors: type[Exception] | tuple[type[Exception], ...] = (),
) -> Callable[[Callable[P, Coroutine[Any, Any, R]]], Cached[P, R]]:
    """
    Keep the answers of an async function, or method.

    Args:
        ttl_s: how long an answer is good for; None: as long as there is room.
        key: what the answer depends on, made of the arguments; all of them by default.
        tags: what the answer belongs to, made of the arguments; see `Cache.invalidate_tag`.
        cache: where to keep them, instead of in a cache of the function's own. The keys have to
            tell the functions apart that share one: give *key*.
        max_entries: how many answers to keep; 1,000 if no bound is given.
        max_bytes: how much they may take together.
        stale_s, ttl_jitter, negative_ttl_s, negative_errors: as of `Cache`.

    Raises:
        UsageError: it is no async function, or the arguments exclude each other.
    """
    if cache is not None:
        if max_entries or max_bytes or stale_s or ttl_jitter or negative_ttl_s or negative_errors:
            raise UsageError(
                "a cache has bounds and times of its own",
                cure="Give them to the cache, or leave the cache out",
            )
    elif max_entries is None and max_bytes is None:
        max_entries = _ENTRIES

    def decorate(function: Callable[P, Coroutine[Any, Any, R]]) -> Cached[P, R]:
        own: Loading = (
            cache
            if cache is not None
            else Cache[Any, Any](
                max_bytes,
                max_entries=max_entries,
                ttl_s=ttl_s,
                ttl_jitter=ttl_jitter,
                stale_s=stale_s,
                negative_ttl_s=negative_ttl_s,
                negative_errors=negative_errors,
            )
        )
        return Cached(function, cache=own, ttl_s=ttl_s, key=key, tags=tags)

    return decorate


class _Self:
    """An object by its identity: another one at the same address is another one."""

    __slots__ = ("_hash", "_ref", "_whole")

    def __init__(self, instance: object) -> None:
        self._hash = id(instance)
        try:
            self._ref: Callable[[], object] = ref(instance)
        except TypeError:  # without weak references it has to be held, or its address may be reused
            self._ref = lambda: instance

    def __hash__(self) -> int:
        return self._hash

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, _Self):
            return NotImplemented
        mine = self._ref()
        return mine is not None and mine is other._ref()


class _Arguments:
    """Makes keys of a function's arguments."""

    def __init__(self, function: Callable[..., object]) -> None:
        self._signature = signature(function)
        parameters = list(self._signature.parameters.values())
        self._is_method = bool(parameters) and parameters[0].name == "self"
        simple = (Parameter.POSITIONAL_ONLY, Parameter.POSITIONAL_OR_KEYWORD)
        # The common case needs no binding: everything by position, and nothing left out.
        self._count = len(parameters) if all(one.kind in simple for one in parameters) else -1

    def key(self, *args: Any, **kwargs: Any) -> Hashable:
        if not kwargs and len(args) == self._count:
            if self._count == 1:
                kind = type(args[0])
                if kind in _PLAIN:
                    return (args[0], kind)
            elif _PLAIN.issuperset(map(type, args)):
                return (*args, *map(type, args))
        bound = self._signature.bind(*args, **kwargs)
        bound.apply_defaults()
        args, named = bound.args, tuple(sorted(bound.kwargs.items()))
        if not named and _PLAIN.issuperset(map(type, args)):
            return (*args, *map(type, args))
        first: Hashable = None
        if self._is_method:
            first, args = _Self(args[0]), args[1:]
        # Never equal to one from above, which has no tuple in it.
        key = (first, args, named, _type_of(args), *(_type_of(one) for _, one in named))
        try:
            hash(key)
        except TypeError:
            raise UsageError(
                "an argument cannot be part of a key, for it may change",
                cure="Give @cached(key=…), a function of the arguments that says what counts",
            ) from None
        return key


def _type_of(value: object) -> Any:
    """The type of *value*, and of what is in it if it is a tuple."""
    kind = type(value)
    if isinstance(value, tuple):
        return (kind, *map(_type_of, value))
    return kind


async def _done(answer: Any) -> Any:
    """The answer of a cache in memory, or of one that has to be waited for."""
    return await answer if isinstance(answer, Awaitable) else answer
