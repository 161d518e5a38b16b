"""
What visitors and buyers of a shop do, as plain async functions.

    keiko-perf load run examples/load_scenarios.py --url http://127.0.0.1:8000 --users 20
"""

from keiko_perf.loadtest import User, rows, scenario

slo = "p95<500ms, errors<1%"

ACCOUNTS = rows([{"name": f"user{number}", "password": "secret"} for number in range(100)])


async def log_in(user: User) -> None:
    """Once for each user; the cookie that it sets is sent from then on."""
    reply = await user.post("/login", json=dict(user.row))
    user.check(reply, status=204)


@scenario(weight=3, think="100ms..500ms")
async def browse(user: User) -> None:
    reply = await user.get("/items")
    with reply.check("has items"):
        assert reply.json()
    item = user.random.choice(reply.json())
    # The name is a template: results have one line for all items.
    await user.get(f"/items/{item['id']}", name="GET /items/{id}")


@scenario(rows=ACCOUNTS, on_start=log_in, think="1s")
async def buy(user: User) -> None:
    order = await user.post("/orders", json={"item": user.random.randint(1, 3)})
    if user.check(order, status=201, json={"state": "open"}):
        await user.delete(f"/orders/{order.json()['id']}", name="DELETE /orders/{id}")
