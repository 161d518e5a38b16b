"""
Loader: many `load(key)` in one turn of the event loop become one statement. The cure for N+1.

    async def agents_of(ids: Sequence[int]) -> Mapping[int, Agent]:
        rows = await session.scalars(select(Agent).where(Agent.id.in_(ids)))
        return {row.id: row for row in rows}

    agents = Loader(agents_of)
    await asyncio.gather(*(agents.load(task.agent_id) for task in tasks))   # one SELECT

The same key asked for twice is loaded once. With `keep` (the default) the answers stay for the
loader's life, which should be that of one request: make a new loader for each.
A caller that is cancelled takes nothing from the others.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Hashable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Generic, TypeVar

from keiko_perf.errors import Unavailable, UsageError
from keiko_perf.optimization.cancel import cancel_all
from keiko_perf.optimization.limiter import checked_limit

K = TypeVar("K", bound=Hashable)
V = TypeVar("V")


class NotLoaded(Unavailable, LookupError):
    """The function that loads gave no value for a key."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LoaderStatistics:
    """
    Attributes:
        asked: how many values were asked for.
        loaded: how many were loaded.
        batches: how many calls of the function that loads it took.
        kept: how many answers are kept.
    """

    asked: int
    loaded: int
    batches: int
    kept: int


class Loader(Generic[K, V]):
    """
    Loads values by key, many at a time.

    Args:
        load_many: an async function from a sequence of different keys to a mapping of their
            values, or to a sequence of values in the order of the keys.
        most: how many keys one call gets, at most; more are shared out over several.
        keep: whether answers are kept as long as the loader lives. Errors never are.

    Raises:
        UsageError: *most* is not a whole number from 1 on.
    """

    def __init__(
        self,
        load_many: Callable[[Sequence[K]], Awaitable[Mapping[K, V] | Sequence[V]]],
        *,
        most: int = 1000,
        keep: bool = True,
    ) -> None:
        self._load_many = load_many
        self._most = checked_limit(most)
        self._keep = keep
        self._answers: dict[K, asyncio.Future[V]] = {}
        self._new: dict[K, asyncio.Future[V]] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        self._asked = self._loaded = self._batches = 0

    async def load(self, key: K) -> V:
        """
        The value of *key*.

        Raises:
            NotLoaded: there is none.
            Exception: what loading raised; all who asked in the same batch get the same.
        """
        # Shielded: one answer belongs to all who ask for it.
        return await asyncio.shield(self._ask(key))

    async def load_all(self, keys: Iterable[K]) -> list[V]:
        """The values of *keys*, in their order; raises as `load`."""
        asked = [self._ask(key) for key in keys]
        if asked:
            await asyncio.wait(asked)
        return [one.result() for one in asked]

    def forget(self, key: K) -> None:
        """Load *key* anew when it is asked for next."""
        self._answers.pop(key, None)

    async def aclose(self) -> None:
        """Give up what is being loaded; whoever waits for it is cancelled."""
        await cancel_all(self._tasks)

    def statistics(self) -> LoaderStatistics:
        """How things stand now."""
        return LoaderStatistics(
            asked=self._asked,
            loaded=self._loaded,
            batches=self._batches,
            kept=sum(one.done() for one in self._answers.values()),
        )

    def _ask(self, key: K) -> asyncio.Future[V]:
        self._asked += 1
        answer = self._answers.get(key)
        if answer is None:
            loop = asyncio.get_running_loop()
            answer = self._answers[key] = loop.create_future()
            # Looked at here: all who wait for it may have gone by the time it fails.
            answer.add_done_callback(lambda done: done.cancelled() or done.exception())
            if not self._new:
                loop.call_soon(self._begin)
            self._new[key] = answer
        return answer

    def _begin(self) -> None:
        new, self._new = list(self._new.items()), {}
        for start in range(0, len(new), self._most):
            part = dict(new[start : start + self._most])
            task = asyncio.get_running_loop().create_task(self._run(part))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)

    async def _run(self, part: Mapping[K, asyncio.Future[V]]) -> None:
        keys = list(part)
        self._batches += 1
        try:
            values = _by_key(keys, await self._load_many(keys))
        except asyncio.CancelledError:
            for answer in part.values():
                answer.cancel()
            raise
        except Exception as error:  # the function is a stranger's code
            for answer in part.values():
                answer.set_exception(error)
        else:
            for key, answer in part.items():
                if key in values:
                    self._loaded += 1
                    answer.set_result(values[key])
                else:
                    answer.set_exception(_not_loaded(key))
        finally:
            for key, answer in part.items():
                failed = answer.cancelled() or answer.exception() is not None
                if (failed or not self._keep) and self._answers.get(key) is answer:
                    del self._answers[key]


def _by_key(keys: Sequence[K], values: Mapping[K, V] | Sequence[V]) -> Mapping[K, V]:
    if isinstance(values, Mapping):
        return values
    if len(values) != len(keys):
        raise UsageError(
            f"{len(keys)} keys were asked for and {len(values)} values came, so none can be told",
            cure="Return a mapping from key to value, or one value for each key in their order",
        )
    return dict(zip(keys, values, strict=True))


def _not_loaded(key: object) -> NotLoaded:
    return NotLoaded(
        f"there is no value for {key!r}",
        cure="Have the function that loads give None for what does not exist, if that is an answer",
    )
