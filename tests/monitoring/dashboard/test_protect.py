"""An application that knows its people lets them see the dashboard itself."""

from __future__ import annotations

from typing import Annotated, Any

import httpx
import pytest
from fastapi import Depends, FastAPI, HTTPException
from fastapi.security import HTTPBasic, HTTPBasicCredentials
from starlette.applications import Starlette
from starlette.requests import Request

from keiko_perf.errors import UsageError
from keiko_perf.monitoring import PerformanceMonitor, let_in, performance_router

TOKEN = "correct horse"
basic = HTTPBasic()


async def status_of(app: Any, path: str, *, client: str = "192.0.2.1", **options: Any) -> int:
    transport = httpx.ASGITransport(app, client=(client, 1))
    async with httpx.AsyncClient(transport=transport, base_url="http://app.example") as http:
        return (await http.get(f"/performance/{path}", **options)).status_code


def by_name(request: Request) -> bool:
    return request.headers.get("x-user") == "admin"


async def by_name_later(request: Request) -> bool:
    return by_name(request)


@pytest.mark.parametrize("protect", [by_name, by_name_later])
@pytest.mark.parametrize("kind", [FastAPI, Starlette])
async def test_whom_the_application_knows_is_let_in_and_nobody_else(
    kind: Any, protect: Any
) -> None:
    app, monitor = kind(), PerformanceMonitor(notify=())
    monitor.install(app, protect=protect)
    for path in ("dashboard", "metrics", "history", "tables", "prometheus", "static/dashboard.js"):
        assert await status_of(app, path, headers={"X-User": "admin"}) == 200
        assert await status_of(app, path, headers={"X-User": "mallory"}) == 403
        # Not even from this machine: it may be a proxy's.
        assert await status_of(app, path, client="127.0.0.1") == 403
    assert await status_of(app, "livez") == 200
    await monitor.stop()


async def test_with_a_token_either_opens() -> None:
    app, monitor = FastAPI(), PerformanceMonitor(token=TOKEN, notify=())
    monitor.install(app, protect=by_name)
    assert await status_of(app, "metrics") == 401
    assert await status_of(app, "metrics", headers={"X-User": "admin"}) == 200
    assert await status_of(app, "metrics", headers={"Authorization": f"Bearer {TOKEN}"}) == 200
    await monitor.stop()


async def test_what_it_raises_is_the_answer() -> None:
    def refuse(_request: Request) -> bool:
        raise HTTPException(418, "not today")

    app, monitor = FastAPI(), PerformanceMonitor(notify=())
    monitor.install(app, protect=refuse)
    assert await status_of(app, "dashboard") == 418
    await monitor.stop()


async def test_a_dependency_of_fastapi_protects_the_router() -> None:
    def require(credentials: Annotated[HTTPBasicCredentials, Depends(basic)]) -> None:
        if credentials.password != "secret":
            raise HTTPException(403, "not you")

    app = FastAPI()
    app.include_router(performance_router, dependencies=[Depends(require), Depends(let_in)])
    assert await status_of(app, "metrics") == 401
    assert await status_of(app, "metrics", auth=("a", "wrong")) == 403
    assert await status_of(app, "metrics", auth=("a", "secret")) == 200


async def test_a_dependency_alone_opens_nothing() -> None:
    app = FastAPI()
    app.include_router(performance_router, dependencies=[Depends(by_name)])
    assert await status_of(app, "metrics") == 403


def test_what_cannot_be_asked_is_refused() -> None:
    with pytest.raises(UsageError, match="str cannot be asked whom to let in"):
        PerformanceMonitor(notify=()).install(FastAPI(), protect="admin")  # type: ignore[arg-type]
