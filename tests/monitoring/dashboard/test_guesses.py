"""Tokens cannot be tried without end, from however many addresses."""

from __future__ import annotations

import asyncio

import pytest
from tests.monitoring.dashboard.asking import TOKEN, asked, service

from keiko_perf.monitoring.dashboard.guesses import Guesses


class Clock:
    def __init__(self):
        self.s = 1e6

    def __call__(self):
        return self.s


def test_ten_wrong_tokens_and_then_one_every_six_seconds():
    clock = Clock()
    guesses = Guesses(clock=clock)
    for _ in range(10):
        assert guesses.wait_s("192.0.2.1") == 0
        guesses.wrong("192.0.2.1")
    assert guesses.wait_s("192.0.2.1") == 6
    clock.s += 6
    assert guesses.wait_s("192.0.2.1") == 0
    guesses.wrong("192.0.2.1")
    assert guesses.wait_s("192.0.2.1") == 6
    clock.s += 3600
    assert sum(heard(guesses, "192.0.2.1") for _ in range(20)) == 10


def heard(guesses, address):
    if guesses.wait_s(address):
        return False
    guesses.wrong(address)
    return True


@pytest.mark.parametrize(
    ("one", "other", "is_same", "why"),
    [
        ("192.0.2.1", "192.0.2.2", False, "two hosts"),
        ("192.0.2.1", "::ffff:192.0.2.1", True, "a dual-stack socket"),
        ("2001:db8::1", "2001:db8::ffff", True, "a host may use all of its /64"),
        ("2001:db8::1", "2001:db8:0:1::1", False, "two networks"),
        ("fe80::1%eth0", "fe80::2%eth1", True, "a zone is no part of the address"),
        (None, "no address", True, "who says nothing shares with who says nonsense"),
    ],
)
def test_an_address_is_who_can_use_it(one, other, is_same, why):
    guesses = Guesses(clock=Clock())
    while heard(guesses, one):
        pass
    assert bool(guesses.wait_s(other)) is is_same, why


def test_a_thousand_addresses_cost_no_more_than_a_thousand_and_get_no_new_guesses():
    clock = Clock()
    guesses = Guesses(clock=clock)
    for number in range(1_000):
        guesses.wrong(f"10.0.{number // 256}.{number % 256}")
    others = (f"10.1.{number // 256}.{number % 256}" for number in range(5_000))
    assert sum(heard(guesses, address) for address in others) == 10
    assert len(guesses._whole_at_s) == 1_001
    clock.s += 100
    assert heard(guesses, "10.9.9.9")
    assert len(guesses._whole_at_s) <= 3


@pytest.mark.parametrize("way", ["form", "bearer"])
async def test_tokens_cannot_be_tried_without_end(way):
    app = service(token=TOKEN)

    async def tried(token, **options):
        if way == "form":
            return await asked(
                app, "/performance/login", method="POST", data={"token": token}, **options
            )
        headers = {"Authorization": f"Bearer {token}"}
        return await asked(app, "/performance/metrics", headers=headers, **options)

    logged_in = await asked(app, "/performance/login", method="POST", data={"token": TOKEN})
    statuses = [(await tried(f"guess {number}")).status_code for number in range(12)]
    assert statuses == [401] * 10 + [429] * 2
    answer = await tried(TOKEN)
    assert answer.status_code == 429, "the right one must not be told from a wrong one"
    assert 1 <= int(answer.headers["retry-after"]) <= 6
    assert (await tried(TOKEN, client=("192.0.2.7", 1))).status_code in (200, 303)
    cookie = {"Cookie": logged_in.headers["set-cookie"].partition(";")[0]}
    inside = await asked(app, "/performance/metrics", headers=cookie)
    assert inside.status_code == 200, "who is logged in is not concerned"


async def test_many_logins_at_once_are_no_way_around():
    app = service(token=TOKEN)

    async def slowly(body):
        yield b"token="
        await asyncio.sleep(0.05)
        yield body

    answers = await asyncio.gather(
        *(
            asked(app, "/performance/login", method="POST", content=slowly(b"%d" % number))
            for number in range(30)
        )
    )
    assert sorted(one.status_code for one in answers) == [401] * 10 + [429] * 20
