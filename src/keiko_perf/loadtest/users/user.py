"""
User: who carries out a scenario, with cookies, headers, a row of data and chance of their own.

A request is an awaitable: `reply = await user.get("/items")`. It is due when it is asked for; the
first one of an iteration was due when the iteration was.
"""

from __future__ import annotations

import asyncio
import json as jsons
import re
import time
from collections.abc import Awaitable, Callable, Collection, Iterator, Mapping, MutableMapping
from random import Random
from typing import Any, Protocol
from urllib.parse import quote, urlencode

from keiko_perf.errors import UsageError
from keiko_perf.loadtest.headers import check_headers
from keiko_perf.loadtest.request import Request, Wishes, compose, with_body
from keiko_perf.loadtest.target import VISIBLE, Target
from keiko_perf.loadtest.users.feed import Row
from keiko_perf.loadtest.users.player import Player
from keiko_perf.loadtest.users.reply import Asker, Reply
from keiko_perf.loadtest.users.scenario import Scenario, Think
from keiko_perf.loadtest.users.session import Session

Body = bytes | str
Key = str | tuple[str | None, ...]
Known = dict[Key, Request]
"""
Requests that were asked for before, by path, or by name and path where they have a name. Those that
are no plain GET go by method and kind of body as well, and of these the last one is known.
"""
_MOST_KNOWN = 1000
_LARGEST_KNOWN_BYTES = 16 * 1024
_METHOD = re.compile(r"[A-Z]{1,20}")
_KEPT = "/?&=%:;,+@!$'()*~"  # what a path may hold beside letters and digits


class Taking(Protocol):
    """Who takes requests."""

    def ask(self, user: Asker, request: Request) -> Reply:
        """The reply to *request*, which comes."""


class Counter(Protocol):
    """
    Whom a user asks: what the requests of all users have in common.

    Attributes:
        target: where the requests go.
        seed: of the users' chance.
        wishes: of every request.
        delivery: takes the requests.
    """

    target: Target
    seed: int
    wishes: Wishes

    @property
    def delivery(self) -> Taking: ...

    def check_open(self) -> None:
        """Turn users away once the load is over."""

    def step(self, name: str) -> int:
        """The step that requests of *name* are counted for."""

    def known_to_all(self, scenario: Scenario) -> Known:
        """Requests that any user of *scenario* sends in the same words."""

    def headers_of(self, scenario: Scenario) -> Mapping[str, str]:
        """What each request of *scenario* carries, names in lower case."""

    def name_of(self, request: Request) -> str:
        """What results call *request*."""


class User:
    """
    Attributes:
        number: which user this is, from 0, among those of all processes.
        scenario: what the user does.
        row: the user's row of the scenario's rows; empty if it has none.
        given: what the scenario's `set_up` returned.
        headers: sent with each request, beside those of the plan and the scenario.
        cookies: what the service's `Set-Cookie` headers left.
    """

    __slots__ = (
        "_ask",
        "_desk",
        "_known",
        "_random",
        "begun",
        "cookies",
        "due",
        "failed",
        "given",
        "got_on",
        "has_started",
        "headers",
        "is_resting",
        "last",
        "more",
        "number",
        "player",
        "row",
        "scenario",
    )

    def __init__(self, desk: Counter, scenario: Scenario, number: int) -> None:
        self._desk = desk
        self._ask = desk.delivery.ask
        self.scenario = scenario
        self.number = number
        self.row: Row = {}
        self.given: Any = None
        self.headers: MutableMapping[str, str] = _Headers(self._forget)
        self.cookies = Session(desk.target, time.time)
        # Requests that were asked for before; of users without headers and cookies they are equal.
        self._known = desk.known_to_all(scenario)
        self._random: Random | None = None
        # What the crew keeps of a user.
        self.due = 0.0  # of the iteration, until its first request takes it
        self.begun = 0.0
        self.has_started = False
        self.is_resting = True
        self.player: Player | None = None
        self.failed = 0
        self.got_on = False  # whether the last request that ended had an answer
        self.last: Reply | None = None  # the last reply, until it is counted
        self.more: list[Reply] = []  # others that were asked for together with it, likewise

    def __repr__(self) -> str:
        return f"User({self.number}, {self.scenario.name!r})"

    @property
    def random(self) -> Random:
        """Chance that is the same in each run for the same seed of the plan and number."""
        if self._random is None:
            self._random = Random(f"{self._desk.seed} {self.scenario.name} {self.number}")
        return self._random

    # Asking

    def get(
        self,
        path: str,
        *,
        name: str = "",
        headers: Mapping[str, str] | None = None,
        params: Mapping[str, object] | None = None,
    ) -> Awaitable[Reply]:
        """`request` with GET."""
        if headers is None and params is None:
            request = self._known.get((name, path) if name else path)
            if request is not None:
                ask = self._ask
                return ask(self, request)
        return self.request("GET", path, name=name, headers=headers, params=params)

    def head(self, path: str, **more: Any) -> Awaitable[Reply]:
        """`request` with HEAD."""
        return self.request("HEAD", path, **more)

    def options(self, path: str, **more: Any) -> Awaitable[Reply]:
        """`request` with OPTIONS."""
        return self.request("OPTIONS", path, **more)

    def post(self, path: str, **more: Any) -> Awaitable[Reply]:
        """`request` with POST."""
        return self.request("POST", path, **more)

    def put(self, path: str, **more: Any) -> Awaitable[Reply]:
        """`request` with PUT."""
        return self.request("PUT", path, **more)

    def patch(self, path: str, **more: Any) -> Awaitable[Reply]:
        """`request` with PATCH."""
        return self.request("PATCH", path, **more)

    def delete(self, path: str, **more: Any) -> Awaitable[Reply]:
        """`request` with DELETE."""
        return self.request("DELETE", path, **more)

    def request(
        self,
        method: str,
        path: str,
        *,
        name: str = "",
        headers: Mapping[str, str] | None = None,
        params: Mapping[str, object] | None = None,
        body: Body | Callable[[User], Body] | None = None,
        json: object = None,
        form: Mapping[str, object] | Callable[[User], Mapping[str, object]] | None = None,
    ) -> Awaitable[Reply]:
        """
        Ask for something. Await what this returns to get the reply.

        Args:
            method: GET, POST…
            path: from the slash on, or a URL of the target; blanks and letters outside ASCII are
                percent-encoded.
            name: what results call it; the method and the path without its query unless given.
                Give a template such as `GET /items/{id}` where the path varies.
            headers: for this request alone; an empty value leaves one of the user's out.
            params: added to the query.
            body: sent as it is, text as UTF-8.
            json: sent as JSON.
            form: sent as a form.

        *body*, *json* and *form* exclude each other; each may be a function that gets the user
        and returns it.

        Raises:
            RequestFailed: when awaited: there is no answer. A status of 400 or more is one.
            UsageError: an argument makes no sense.
        """
        self._desk.check_open()
        path = self._path(path, params)
        payload, kind = self._payload(body, json, form)
        key: Key = (name, path) if name else path
        if method != "GET" or payload is not None:
            key = (name, path, method, None if payload is None else kind)
        request = self._known.get(key) if headers is None else None
        if request is None:
            request = self._composed(method, path, name, headers, payload, kind)
            if headers is None:
                self._know(key, request)
        elif payload is not None and payload != request.body:
            request = with_body(request, payload)
            self._know(key, request)
        return self._ask(self, request)

    # Judging, waiting

    def check(
        self,
        reply: Reply,
        *,
        status: int | Collection[int] | None = None,
        json: object = None,
        contains: str | None = None,
    ) -> bool:
        """
        Whether *reply* is as it should be; if not, its request is a failure of the class `check`.

        Args:
            reply: the last one of this user, or one of those asked for together.
            status: the status, or several that are as good. One from 400 on that is expected
                makes the request a success.
            json: what the JSON body holds: of a mapping the given keys with equal values, at any
                depth, and else an equal value. A function gets the body and says if it is right.
            contains: a text within the body.
        """
        return reply.expect(status=status, json=json, contains=contains)

    async def think(self, for_s: str | float | Think) -> None:
        """Wait for so many seconds, or as long as `500ms` or `0.5s..2s` says."""
        think = for_s if isinstance(for_s, Think) else Think.parsed(for_s)
        await asyncio.sleep(self.drawn(think))

    def drawn(self, think: Think) -> float:
        """A length of *think*, by this user's chance."""
        if think.least_s == think.most_s:
            return think.least_s
        return think.drawn(self.random.random())

    def name_of(self, request: Request) -> str:
        """What results call *request*."""
        return self._desk.name_of(request)

    def received(self, reply: Reply, lines: list[bytes]) -> None:
        """Keep the cookies that an answer sets."""
        self.cookies.take(lines, reply.request.path)
        self._forget()

    # Private

    def _know(self, key: Key, request: Request) -> None:
        """Keep *request* for when the same is asked for again."""
        if self.cookies.is_plain and len(request.body) <= _LARGEST_KNOWN_BYTES:
            if len(self._known) >= _MOST_KNOWN:
                self._known.clear()
            self._known[key] = request

    def _forget(self) -> None:
        """What is sent changed, so what was written beforehand is not what would be written."""
        self._known = {}

    def _path(self, path: str, params: Mapping[str, object] | None) -> str:
        target = self._desk.target
        if not path.startswith("/"):
            rest = path.removeprefix(target.url) if path.startswith(target.url) else ""
            if not rest.startswith("/"):
                raise UsageError(
                    f"{path!r} is no path of {target.url}", cure="Start it with a slash"
                )
            path = rest
        if params:
            path += ("&" if "?" in path else "?") + urlencode(params, doseq=True)
        path = path.partition("#")[0]
        return path if VISIBLE.fullmatch(path) else quote(path, safe=_KEPT)

    def _payload(self, body: object, json: object, form: object) -> tuple[bytes | None, str]:
        if (body is not None) + (json is not None) + (form is not None) > 1:
            raise UsageError("a request with two bodies", cure="Give one of body, json and form")
        body, json, form = (one(self) if callable(one) else one for one in (body, json, form))
        if json is not None:
            try:
                return _as_json(json).encode(), "application/json"
            except (TypeError, ValueError) as error:
                raise UsageError(
                    f"the request's data has no form in JSON: {error}",
                    cure="Use dictionaries, lists, strings, numbers, true, false and None",
                ) from error
        if form is not None:
            encoded = urlencode(form, doseq=True).encode()  # type: ignore[arg-type]  # a mapping
            return encoded, "application/x-www-form-urlencoded"
        if isinstance(body, str):
            return body.encode(), "text/plain; charset=utf-8"
        if body is not None and not isinstance(body, bytes):
            raise UsageError(
                f"a body of the type {type(body).__name__}", cure="Give bytes or text, or json=…"
            )
        return body, ""

    def _composed(
        self,
        method: str,
        path: str,
        name: str,
        headers: Mapping[str, str] | None,
        payload: bytes | None,
        kind: str,
    ) -> Request:
        if not _METHOD.fullmatch(method):
            raise UsageError(f"{method!r} is no HTTP method", cure="Write it in capitals: GET")
        named: dict[str, str] = {**self._desk.headers_of(self.scenario), **self.headers}
        if kind:
            named.setdefault("content-type", kind)
        prefix = self._desk.target.prefix
        if cookies := self.cookies.header(prefix + path):
            named.setdefault("cookie", cookies)
        for key, value in (headers or {}).items():
            named[key.lower()] = value
            if not value:
                del named[key.lower()]
        return compose(
            self._desk.target,
            path,
            step=self._desk.step(name or f"{method} {path.partition('?')[0]}"),
            method=method,
            headers=named,
            body=payload,
            wishes=self._desk.wishes,
        )


_as_json = jsons.JSONEncoder(allow_nan=False).encode


class _Headers(MutableMapping[str, str]):
    """Headers in lower case, which say when they change."""

    __slots__ = ("_changed", "_of")

    def __init__(self, changed: Callable[[], None]) -> None:
        self._of: dict[str, str] = {}
        self._changed = changed

    def __getitem__(self, name: str) -> str:
        return self._of[name.lower()]

    def __setitem__(self, name: str, value: str) -> None:
        check_headers({name: value})
        self._of[name.lower()] = value
        self._changed()

    def __delitem__(self, name: str) -> None:
        del self._of[name.lower()]
        self._changed()

    def __iter__(self) -> Iterator[str]:
        return iter(self._of)

    def __len__(self) -> int:
        return len(self._of)
