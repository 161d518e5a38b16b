"""Whom one may put under load."""

from __future__ import annotations

import pytest

from keiko_perf.errors import ServiceUnavailable, UsageError
from keiko_perf.loadtest import Plan, run
from keiko_perf.loadtest.http.address import is_private


@pytest.mark.parametrize(
    ("address", "answer"),
    [
        ("127.0.0.1", True),
        ("10.1.2.3", True),
        ("172.16.0.1", True),
        ("192.168.0.1", True),
        ("169.254.1.1", True),
        ("::1", True),
        ("fd00::1", True),
        ("fe80::1", True),
        ("8.8.8.8", False),
        ("2001:4860:4860::8888", False),
        ("::ffff:8.8.8.8", False),  # IPv4 in IPv6 clothes
        ("::ffff:10.0.0.1", True),
        ("100.64.0.1", False),  # a carrier's network is not one's own
    ],
)
def test_which_addresses_are_private(address, answer):
    assert is_private(address) is answer


async def test_a_public_address_is_refused_before_anything_is_sent():
    plan = Plan(base_url="http://8.8.8.8", duration_s=1)
    with pytest.raises(UsageError, match=r"8\.8\.8\.8 is a public address") as refused:
        await run(plan)
    assert "--i-own-this-target" in refused.value.cure


async def test_a_name_that_leads_nowhere_is_said_before_anything_is_sent():
    with pytest.raises(ServiceUnavailable, match="has no address"):
        await run(Plan(base_url="http://nowhere.invalid", duration_s=1))
