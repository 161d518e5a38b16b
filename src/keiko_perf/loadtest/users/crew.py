"""
Crew: an engine whose arrivals are not requests but users, who carry out scenarios.

Open load: each arrival starts one iteration, by a user who is free or a new one; its first request
was due when the arrival was. Closed load: so many users repeat their scenario. What a scenario
raises is counted with its line, and ends an iteration and not the run, unless no iteration ever
gets through.

When the load ends, users who wait for an answer get it, and then all are cancelled where they are.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Mapping
from heapq import heappop, heappush
from itertools import count, cycle
from math import inf
from typing import Any

from keiko_perf.errors import UsageError
from keiko_perf.loadtest.engine.engine import AT_ONCE, Engine
from keiko_perf.loadtest.engine.traffic import PAUSE_S
from keiko_perf.loadtest.pacer import Users, weighted_order
from keiko_perf.loadtest.plan import Plan
from keiko_perf.loadtest.processes.share import Share
from keiko_perf.loadtest.progress import OnTick
from keiko_perf.loadtest.result import Result
from keiko_perf.loadtest.transport import Failure, Transport
from keiko_perf.loadtest.users.desk import Desk
from keiko_perf.loadtest.users.feed import Row
from keiko_perf.loadtest.users.outcome import Outcomes, place, words
from keiko_perf.loadtest.users.player import Player
from keiko_perf.loadtest.users.reply import RequestFailed
from keiko_perf.loadtest.users.scenario import Scenario, Think
from keiko_perf.loadtest.users.stage import Stage
from keiko_perf.loadtest.users.user import User

_LEAVING_S = 5.0  # how long cancelled users may take to clean up


class Crew(Desk, Engine):
    """
    One run of scenarios.

    Args:
        given: what the scenarios were given by their `set_up`, by name, if that is done already.
            It is torn down where it was set up.
    """

    def __init__(
        self,
        plan: Plan,
        transport: Transport,
        on_tick: OnTick | None,
        *,
        given: Mapping[str, object] | None = None,
        **options: Any,
    ) -> None:
        super().__init__(plan, transport, on_tick, **options)
        self._given = given
        self._stage: Stage | None = None
        self._in_order = weighted_order(tuple(one.weight for one in plan.scenarios))
        self._order = self._share.sequence(cycle(self._in_order))
        self._numbers = self._share.sequence(count())
        self._rows: dict[int, Iterator[Row]] = {}  # by feed
        self._outcomes = Outcomes()
        self._tasks: dict[asyncio.Task[None], User] = {}
        self._resting: dict[str, list[User]] = {one.name: [] for one in plan.scenarios}
        self._turns: list[tuple[float, int, User]] = []  # when users of closed load are due
        self._busy = 0  # iterations under way

    # Users come and go

    def _start(self) -> None:
        super()._start()
        if not isinstance(self._load, Users):
            return
        self._users = []
        scenarios, order = self._plan.scenarios, self._in_order
        numbers = self._share.sequence(range(self._load.count))
        members = [scenarios[order[number % len(order)]] for number in numbers]
        for scenario in scenarios:
            size = members.count(scenario)
            spread_s = scenario.pacing_s or self._think(scenario).mean_s
            for position in range(size):
                user = self._enlist(scenario)
                if user is None:
                    raise self._dry(scenario)
                self._due_at(user, self._begun + spread_s * position / size)

    def _arrive(self, due: float, now: float) -> None:
        scenario = self._plan.scenarios[next(self._order)]
        resting = self._resting[scenario.name]
        if self._busy >= self._most_in_flight:
            is_measured = due >= self._books.begins
            self._books.offered += is_measured
            self._books.dropped += is_measured
            return
        user = resting.pop() if resting else self._enlist(scenario)
        if user is None:
            self._run_dry(scenario, due)
            return
        self._busy += 1
        self._call(user, due)

    def _ring_for_users(self) -> None:
        now, turns, left = self._clock(), self._turns, AT_ONCE
        while turns and turns[0][0] <= now < self._until and left:
            due, _, user = heappop(turns)
            self._call(user, due)
            now = self._clock()
            left -= 1
        if now >= self._until:
            self._end_arrivals()
        else:
            self._alarm.set(min(turns[0][0] if turns else inf, self._until) - now)

    def _enlist(self, scenario: Scenario) -> User | None:
        """A new user, who waits to be called; None if there is no row for one."""
        row = self._row(scenario, "user")
        if row is None:
            return None
        user = User(self, scenario, next(self._numbers))
        user.row, user.given = row, (self._given or {}).get(scenario.name)
        user.player = Player(self._loop, self._live(user))
        self._tasks[user.player.task] = user
        user.player.task.add_done_callback(self._left)
        return user

    def _call(self, user: User, due: float) -> None:
        user.is_resting = False
        user.due = due
        assert user.player is not None
        user.player.go_on()

    def _due_at(self, user: User, at: float) -> None:
        heappush(self._turns, (at, user.number, user))

    def _left(self, task: asyncio.Task[None]) -> None:
        user = self._tasks.pop(task)
        self._settle(user)
        error = None if task.cancelled() else task.exception()
        if error is not None and not self._over.done():
            self._over.set_exception(error)

    # What a user does

    async def _live(self, user: User) -> None:
        scenario, outcomes = user.scenario, self._outcomes
        run = scenario.run
        # A user who has neither to begin nor to rest saves what that costs.
        begins = bool(scenario.on_start or (scenario.rows and scenario.rows.per == "iteration"))
        rests = bool(not self._is_closed or scenario.pacing_s or self._think(scenario).most_s)
        assert user.player is not None
        until_called = user.player.until_called
        while True:
            while user.is_resting:
                await until_called()
            if rests:
                user.begun = self._clock()
            failed, user.got_on = user.failed, False
            try:
                if begins and not await self._begin(user):
                    continue
                await run(user)
                while user.got_on and not (begins or rests):  # nothing comes between
                    outcomes.passed += 1
                    failed, user.got_on = user.failed, False
                    await run(user)
            except BaseException as error:  # the scenario's code
                self._broke(user, error, failed)
                self._rest(user, got_on=False)
            else:
                outcomes.passed += 1
                if rests or not user.got_on:
                    # Who got no answer may not ask again at once, and for ever.
                    self._rest(user, got_on=user.got_on)

    async def _begin(self, user: User) -> bool:
        """What comes before an iteration; whether that may begin."""
        scenario = user.scenario
        if scenario.on_start is not None and not user.has_started:
            await scenario.on_start(user)
            user.has_started = True
        row = self._row(scenario, "iteration")
        if row is None:
            self._run_dry(scenario, self._clock())
            self._rest(user, got_on=False)
            return False
        user.row = row or user.row
        return True

    def _rest(self, user: User, *, got_on: bool) -> None:
        """Let the user wait for the next call, unless it is due at once."""
        user.due = 0.0
        self._settle(user)
        if not self._is_closed:
            self._busy -= 1
            user.is_resting = True
            self._resting[user.scenario.name].append(user)
            return
        now, scenario = self._clock(), user.scenario
        if scenario.pacing_s:
            at = max(now, user.begun + scenario.pacing_s)
        else:
            at = now + user.drawn(self._think(scenario))
        if not got_on:
            at = max(at, now + PAUSE_S)
        if at > now:
            user.is_resting = True
            self._due_at(user, at)
            if self._turns[0][2] is user and self._has_arrivals:
                self._alarm.set(min(at, self._until) - now)

    def _broke(self, user: User, error: BaseException, failed: int) -> None:
        """
        An iteration was ended by *error*; *failed* of the user's requests had failed before it.

        Raises:
            BaseException: it is none of the scenario's: the user is cancelled, or all is.
        """
        self._settle(user)
        if isinstance(error, asyncio.CancelledError):
            task = asyncio.current_task()
            if not self.delivery.is_open or task is None or task.cancelling():
                raise error
        elif not isinstance(error, Exception):
            raise error
        # One or several at once, all counted already.
        group = isinstance(error, BaseExceptionGroup) and not error.split(RequestFailed)[1]
        if isinstance(error, RequestFailed) or group:
            self._outcomes.passed += 1
            return
        name = user.scenario.name
        where = place(error, getattr(user.scenario.run, "__code__", None))
        detail, told = f"{type(error).__name__} at {where}", f"{words(error)} ({where})"
        now = self._clock()
        self._books.broke(Failure.SCENARIO, name, detail, example=told, due=now)
        if user.failed == failed:
            self._outcomes.broke(name, told)
        else:
            self._outcomes.passed += 1
        if self._outcomes.is_hopeless and not self._over.done():
            self._over.set_exception(self._outcomes.verdict() or error)

    def _think(self, scenario: Scenario) -> Think:
        if scenario.think.most_s or not isinstance(self._load, Users):
            return scenario.think
        return Think(self._load.think_s, self._load.think_s)

    # Rows

    def _row(self, scenario: Scenario, per: str) -> Row | None:
        """The next row of *scenario*; an empty one if it needs none, None if none is left."""
        feed = scenario.rows
        if feed is None or feed.per != per:
            return {}
        rows = self._rows.get(id(feed))
        if rows is None:
            rows = self._rows[id(feed)] = feed.share(self._share)
        return next(rows, None)

    def _dry(self, scenario: Scenario) -> UsageError:
        assert scenario.rows is not None
        return UsageError(
            f"{scenario.rows.name} has fewer rows than {scenario.name!r} has users",
            cure="Give more rows, fewer users, or repeats=True",
        )

    def _run_dry(self, scenario: Scenario, due: float) -> None:
        """No row is left, so the load ends here: the result says why."""
        assert scenario.rows is not None
        detail = f"no row is left in {scenario.rows.name}"
        if self._has_arrivals:
            self._books.broke(Failure.GENERATOR, scenario.name, detail, example=detail, due=due)
            self._interrupt()

    # Before and after

    def _end_arrivals(self, drain_s: float | None = None) -> None:
        if not self._has_arrivals:
            return
        self.delivery.shut()
        super()._end_arrivals(drain_s)
        waiting = {id(user) for user in self._under_way()}
        for task, user in self._tasks.items():
            if id(user) not in waiting:
                task.cancel()

    async def _prepare(self) -> None:
        if self._given is None:
            clock = self._clock if self._is_virtual else None
            self._stage = Stage(self._plan, self._transport, clock=clock, share=Share())
            self._given = await self._stage.set_up()

    async def _clean_up(self) -> None:
        self.delivery.close()
        tasks = tuple(self._tasks)
        for task in tasks:
            task.cancel()
        if tasks:
            await asyncio.wait(tasks, timeout=_LEAVING_S)
        if self._stage is not None:
            await self._stage.tear_down()

    # What the engine tells

    def _pending(self) -> list[float]:
        users = self._tasks.values()
        unsettled = [one.due for user in users for one in (user.last, *user.more) if one]
        return super()._pending() + unsettled

    def _look(self) -> None:
        # An answer that came is no longer under way, though its user is not told yet.
        self._books.looks.count = self._in_flight - len(self.delivery.came)
        super()._look()

    def _result(self) -> Result:
        for user in self._tasks.values():
            self._settle(user)
        broken = self._outcomes.verdict()
        if broken is not None:
            raise broken
        # What has no answer was offered, too.
        self._books.offered += sum(due >= self._books.begins for due in self._pending())
        return super()._result()
