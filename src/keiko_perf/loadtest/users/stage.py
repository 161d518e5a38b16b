"""
Stage: what scenarios do once for a run, before the load and after it, unmeasured.

It is done in one process, whatever the number of those that load: what is set up goes to all.
"""

from __future__ import annotations

import asyncio
import contextlib
import warnings
from collections.abc import Iterator, Mapping
from typing import Any

from keiko_perf.errors import KeikoError, ServiceUnavailable, UsageError
from keiko_perf.loadtest.engine.alarm import Repeating
from keiko_perf.loadtest.engine.loop import new_loop
from keiko_perf.loadtest.plan import Plan
from keiko_perf.loadtest.processes.share import Share
from keiko_perf.loadtest.transport import Transport
from keiko_perf.loadtest.users.desk import Desk
from keiko_perf.loadtest.users.outcome import place, words
from keiko_perf.loadtest.users.reply import RequestFailed
from keiko_perf.loadtest.users.scenario import Act, Scenario
from keiko_perf.loadtest.users.user import User

_LONGEST_S = 50.0  # of one set-up or tear-down; processes wait a minute for each other
_NUMBER = 0  # of the user who does it


class Stage(Desk):
    """The set-ups and tear-downs of one run; a function that several scenarios name is run once."""

    def __init__(self, plan: Plan, transport: Transport, **options: Any) -> None:
        super().__init__(plan, transport, **options)
        self._alarm.close()  # nothing is due here
        self._given: dict[str, object] = {}

    async def set_up(self) -> Mapping[str, object]:
        """
        Set up all scenarios: what each was given, by its name.

        Raises:
            UsageError: a function raised.
            ServiceUnavailable: a request had no answer.
        """
        done: dict[Act, object] = {}
        try:
            for scenario in self._plan.scenarios:
                act = scenario.set_up
                if act is not None and act not in done:
                    done[act] = await self._do(scenario, act)
                self._given[scenario.name] = None if act is None else done[act]
        except BaseException:
            await self.tear_down()
            raise
        finally:
            self._leave()
        return self._given

    async def tear_down(self) -> None:
        """Tear down what was set up, the last first. What fails is a warning: the run is over."""
        done: set[Act] = set()
        for scenario in reversed(self._plan.scenarios):
            act = scenario.tear_down
            if act is None or act in done or scenario.name not in self._given:
                continue
            done.add(act)
            try:
                await self._do(scenario, act)
            except KeikoError as error:
                warnings.warn(str(error), RuntimeWarning, stacklevel=2)
        self._given = {}
        self._leave()

    async def _do(self, scenario: Scenario, act: Act) -> object:
        user = User(self, scenario, _NUMBER)
        user.given = self._given.get(scenario.name)
        what = f"{act.__name__} of the scenario {scenario.name!r}"
        sweeping = Repeating(self._loop, min(0.1, self._plan.timeout_s / 10), self._sweep)
        try:
            async with asyncio.timeout(_LONGEST_S):
                return await act(user)
        except RequestFailed as error:
            raise ServiceUnavailable(
                f"{what} had no answer: {error}", cure="See that the service answers"
            ) from error
        except KeikoError:
            raise
        except Exception as error:  # the scenario's code
            where = place(error, getattr(act, "__code__", None))
            raise UsageError(
                f"{what} failed: {words(error)} ({where})", cure="Correct it"
            ) from error
        finally:
            sweeping.cancel()
            self._settle(user)

    def _leave(self) -> None:
        for channel in tuple(self._channels):
            channel.close()
        for kept in (self._channels, self._idle, self._line, self.delivery.came):
            kept.clear()

    def _ring(self) -> None:
        """Nothing is ever due here."""


@contextlib.contextmanager
def staged(plan: Plan) -> Iterator[Mapping[str, object]]:
    """
    Set up and tear down around a run by several processes; yields what was given, by scenario.

    Raises:
        UsageError, ServiceUnavailable: as `Stage.set_up`.
    """
    if not any(one.set_up or one.tear_down for one in plan.scenarios):
        yield {}
        return
    from keiko_perf.loadtest.http.http1 import HttpTransport

    async def open_stage() -> tuple[Transport, Stage, Mapping[str, object]]:
        transport = HttpTransport(plan)
        try:
            await transport.open()
            stage = Stage(plan, transport, clock=None, share=Share())
            return transport, stage, await stage.set_up()
        except BaseException:
            await transport.close()
            raise

    async def close_stage(transport: Transport, stage: Stage) -> None:
        try:
            await stage.tear_down()
        finally:
            await transport.close()

    with asyncio.Runner(loop_factory=new_loop) as runner:
        transport, stage, given = runner.run(open_stage())
        try:
            yield given
        finally:
            runner.run(close_stage(transport, stage))
