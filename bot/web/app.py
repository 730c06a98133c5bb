"""Put the pages, the hooks and the client API on one application. Decides nothing and opens nothing."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from datetime import datetime
from pathlib import Path

import structlog
from anyio import to_thread
from fastapi import FastAPI
from starlette.datastructures import MutableHeaders
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.staticfiles import StaticFiles
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from bot.domain.channel import Channel
from bot.services.contracts import House
from bot.settings import WebSettings
from bot.web import client_api, privacy, webhooks
from bot.web import simulator as phone
from bot.web.desk import routes as desk
from bot.web.metrics import Metrics

log = structlog.get_logger()

HANDS = 16  #: threads for pages and the client API; with those of the hooks they fit the connection pool
DISPENSABLE = frozenset({"nlu", "model", "redis"})
"""Parts without which hooks are still taken and STOP still holds, so that traffic may keep coming."""

CONTENT_POLICY = "; ".join(
    (
        "default-src 'none'",
        "script-src 'self'",
        "style-src 'self'",
        "img-src 'self'",
        "connect-src 'self'",
        "form-action 'self'",
        "base-uri 'none'",
        "object-src 'none'",
        "frame-ancestors 'none'",
    )
)
HEADERS = {
    "Content-Security-Policy": CONTENT_POLICY,
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "no-referrer",
    "Permissions-Policy": "camera=(), geolocation=(), microphone=(), payment=()",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
}
HTTPS_ONLY = {"Strict-Transport-Security": "max-age=31536000"}
PROMETHEUS = "text/plain; version=0.0.4; charset=utf-8"
HERE = Path(__file__).parent
DATA = HERE.parents[1] / "data"
LARGEST_FORM = 64 * 1024  #: bytes; an answer of an agent has at most a thousand characters
FORMS = ("/desk", "/phone")


def build(
    house: House,
    channels: Mapping[str, Channel],
    web: WebSettings,
    *,
    clock: Callable[[], datetime],
    readiness: Callable[[], dict[str, bool]],
    simulator: bool,
    data_dir: Path = DATA,
) -> FastAPI:
    """The whole web process.

    clock: aware UTC now. readiness: each part of the house by name, and whether it answers; called in a
    thread. simulator: serve /phone, where anybody may write as anybody; for demos only.
    data_dir: where the notice of /privacy lies. Raises BadSetting if there is none.
    """
    app = FastAPI(title="whosent client API", docs_url=None, redoc_url=None, lifespan=_lifespan)
    metrics = Metrics(house.ledger, clock)
    app.router.routes.extend(
        webhooks.routes(house, channels, public_url=web.public_url, clock=clock, metrics=metrics)
    )
    app.include_router(client_api.router(house.ledger, web, clock))
    app.include_router(desk.router(house, web, clock), include_in_schema=False)
    notice = privacy.router(house.texts, data_dir, first=house.default_language)
    app.include_router(notice, include_in_schema=False)
    if simulator:
        app.include_router(phone.router(house, clock), include_in_schema=False)
    app.mount("/static", StaticFiles(directory=HERE / "static"))
    app.mount("/desk/static", StaticFiles(directory=HERE / "desk" / "static"))
    _watch(app, metrics, readiness)
    for away in webhooks.DATABASE_AWAY:
        app.add_exception_handler(away, _database_away)
    app.add_middleware(_Shell, headers=HEADERS | (HTTPS_ONLY if web.public_url.startswith("https:") else {}))
    return app


@asynccontextmanager
async def _lifespan(_app: FastAPI) -> AsyncIterator[None]:
    to_thread.current_default_thread_limiter().total_tokens = HANDS
    yield


def _watch(app: FastAPI, metrics: Metrics, readiness: Callable[[], dict[str, bool]]) -> None:
    """What an orchestrator and an operator ask: alive, ready, and how much of everything."""

    @app.get("/healthz", include_in_schema=False)
    async def alive() -> dict[str, str]:
        return {"status": "alive"}

    @app.get("/readyz", include_in_schema=False)
    def ready() -> JSONResponse:
        parts = readiness()
        missing = sorted(name for name, answers in parts.items() if not answers)
        is_ready = DISPENSABLE.issuperset(missing)
        state = "ready" if is_ready else "not ready"
        return JSONResponse({"status": state, "missing": missing}, status_code=200 if is_ready else 503)

    @app.get("/metrics", include_in_schema=False)
    def measured() -> Response:
        return Response(metrics.page(), media_type=PROMETHEUS)


async def _database_away(request: Request, error: Exception) -> Response:
    log.error("database away", error=type(error).__name__)
    if request.url.path.startswith("/v1/"):
        problem = {"type": "about:blank", "title": "Service Unavailable", "status": 503}
        return JSONResponse(problem, 503, {"Retry-After": "5"}, media_type="application/problem+json")
    return Response(
        "Not available just now, please try again.", 503, {"Retry-After": "5"}, media_type="text/plain"
    )


class _Shell:
    """Around everything: the headers that keep a browser from being talked into anything, on every answer.

    A fault that nobody answered ends here: the server would print its traceback, and a database error
    prints the values it was given, numbers included.
    """

    def __init__(self, app: ASGIApp, headers: Mapping[str, str]) -> None:
        self._app = app
        self._headers = headers

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        has_begun = False

        async def send_with_headers(message: Message) -> None:
            nonlocal has_begun
            if message["type"] == "http.response.start":
                has_begun = True
                headers = MutableHeaders(scope=message)
                for name, value in self._headers.items():
                    headers.setdefault(name, value)
            await send(message)

        bounded = _bounded(receive) if scope["path"].startswith(FORMS) else receive
        try:
            await self._app(scope, bounded, send_with_headers)
        except Exception as error:  # noqa: BLE001  (the last one who can answer)
            log.error("page broke", error=type(error).__name__)
            if not has_begun:
                fault = Response("Something went wrong on our side.", 500, media_type="text/plain")
                await fault(scope, receive, send_with_headers)


def _bounded(receive: Receive) -> Receive:
    """Break off a form that is longer than any of ours. Hooks and the client API have bounds of their own."""
    size = 0

    async def counted() -> Message:
        nonlocal size
        message = await receive()
        size += len(message.get("body", b""))
        if size > LARGEST_FORM:
            # The same as hanging up: whoever reads it stops at once, whatever it makes of errors.
            return {"type": "http.disconnect"}
        return message

    return counted
