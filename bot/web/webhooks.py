"""Let providers in: read the raw body within bounds, have it verified and filed, then answer. Parses nothing.

The acknowledgement leaves only after the commit. Whatever is our own fault is a 503, so that the provider
tries again; a 4xx would make most of them give up. Nothing of a request is logged but its channel: SMSAPI's
secret stands in its query, numbers and texts in every body.
"""

from __future__ import annotations

import asyncio
import time
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

import anyio
import structlog
from anyio import CapacityLimiter, to_thread
from sqlalchemy.exc import InterfaceError, OperationalError
from sqlalchemy.exc import TimeoutError as PoolExhausted
from starlette.responses import Response
from starlette.routing import Route as Mounted
from starlette.types import Receive, Scope, Send

from bot.domain.channel import Channel, Route
from bot.domain.errors import NotAuthentic, TooLarge
from bot.domain.messages import HookAnswer, HookRequest, Received
from bot.services.contracts import House
from bot.services.receive import receive_together
from bot.web.metrics import Metrics

log = structlog.get_logger()

LARGEST_BODY = 64 * 1024  #: bytes; providers send a few kilobytes
BODY_WITHIN = 10.0  #: seconds to send the whole body in
HANDS = {"sqlite": 1, "postgresql": 2}
"""Threads that take hooks in, apart from those of the pages, which may be slow. On SQLite one writes at a time
anyway. On PostgreSQL one asks while the other waits for a commit; more only fight for the interpreter."""
TOGETHER = 16
"""Hooks that a thread takes at once, of those that came while it was busy: most of them need one commit then."""
DATABASE_AWAY = (OperationalError, InterfaceError, PoolExhausted)

FORGED = HookAnswer(status=403)
WRONG_METHOD = HookAnswer(status=405)
TOO_SLOW = HookAnswer(status=408)
TOO_LARGE = HookAnswer(status=413)
TRY_AGAIN = HookAnswer(status=503)


class _Gone(Exception):
    """The provider hung up before its request was whole."""


def routes(
    house: House,
    channels: Mapping[str, Channel],
    *,
    public_url: str,
    clock: Callable[[], datetime],
    metrics: Metrics,
) -> list[Mounted]:
    """Every hook of every channel.

    public_url: how providers reach this host, without a slash at the end; what they sign begins with it,
    never with what a request says of itself.
    """
    intake = _Intake(house, clock)
    return [
        Mounted(route.path, endpoint=_Hook(name, route, public_url, metrics, intake))
        for name, channel in channels.items()
        for route in channel.routes
    ]


@dataclass(slots=True)
class _Waiting:
    """A request that waits to be taken in, and what becomes of it."""

    route: Route
    request: HookRequest
    answer: asyncio.Future[HookAnswer]


class _Intake:
    """Verifies, parses and files requests in threads of their own, together those that wait together."""

    def __init__(self, house: House, clock: Callable[[], datetime]) -> None:
        self._house = house
        self._clock = clock
        self._hands = CapacityLimiter(HANDS[house.ledger.dialect])
        self._waiting: deque[_Waiting] = deque()
        self._at_work: set[asyncio.Task[None]] = set()

    async def take(self, route: Route, request: HookRequest) -> HookAnswer:
        """What the provider is told, once everything it said is committed. Raises what kept it out."""
        loop = asyncio.get_running_loop()
        waiting = _Waiting(route, request, loop.create_future())
        self._waiting.append(waiting)
        if len(self._at_work) < self._hands.total_tokens:
            task = loop.create_task(self._work())
            self._at_work.add(task)
            task.add_done_callback(self._at_work.discard)
        return await waiting.answer

    async def _work(self) -> None:
        while self._waiting:
            together = [self._waiting.popleft() for _ in range(min(TOGETHER, len(self._waiting)))]
            ends: Sequence[HookAnswer | Exception]
            try:
                ends = await to_thread.run_sync(self._file, together, limiter=self._hands)
            except Exception as error:  # noqa: BLE001  (whoever waits is told, whatever it is)
                ends = [error] * len(together)
            for waiting, end in zip(together, ends, strict=True):
                if waiting.answer.done():  # nobody waits any more
                    continue
                if isinstance(end, HookAnswer):
                    waiting.answer.set_result(end)
                else:
                    waiting.answer.set_exception(end)

    def _file(self, together: Sequence[_Waiting]) -> list[HookAnswer | Exception]:
        now = self._clock()
        ends: list[HookAnswer | Exception] = []
        filed: dict[int, Received] = {}
        for place, waiting in enumerate(together):
            try:
                filed[place] = waiting.route.read(waiting.request, now)
                ends.append(filed[place].answer)
            except Exception as error:  # noqa: BLE001  (told to the one whose request it is)
                ends.append(error)
        if filed:
            for place, kept_out in zip(
                filed, receive_together(self._house, list(filed.values()), now=now), strict=True
            ):
                if kept_out is not None:
                    ends[place] = kept_out
        return ends


class _Hook:
    """One route of one channel, as an ASGI application of its own."""

    def __init__(
        self, channel: str, route: Route, public_url: str, metrics: Metrics, intake: _Intake
    ) -> None:
        self._channel = channel
        self._route = route
        self._public_url = public_url
        self._metrics = metrics
        self._intake = intake

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        began = time.perf_counter()
        try:
            answer, outcome = await self._answer(scope, receive)
        except _Gone:
            self._metrics.hook(self._channel, "gone", time.perf_counter() - began)
            return
        response = Response(answer.body, answer.status, media_type=answer.media_type)
        if answer is WRONG_METHOD:
            response.headers["Allow"] = ", ".join(self._route.methods)
        if answer is TOO_LARGE or answer is TOO_SLOW:
            # The rest of the body is still on its way; nobody is going to read it.
            response.headers["Connection"] = "close"
        await response(scope, receive, send)
        self._metrics.hook(self._channel, outcome, time.perf_counter() - began)

    async def _answer(self, scope: Scope, receive: Receive) -> tuple[HookAnswer, str]:
        """What to say, and what to call it in the metrics."""
        if scope["method"] not in self._route.methods:
            return WRONG_METHOD, "wrong_method"
        try:
            headers = _headers(scope)
            with anyio.fail_after(BODY_WITHIN):
                body = await _body(receive, headers)
        except TooLarge:
            return TOO_LARGE, "too_large"
        except TimeoutError:
            return TOO_SLOW, "too_slow"
        request = _request(scope, headers, body, self._public_url)
        try:
            return await self._intake.take(self._route, request), "taken"
        except NotAuthentic:
            log.warning("hook refused", channel=self._channel)
            return FORGED, "forged"
        except DATABASE_AWAY as error:
            log.error("database away", channel=self._channel, error=type(error).__name__)
            return TRY_AGAIN, "unavailable"
        except Exception as error:  # noqa: BLE001  (whatever it is, it is ours: the provider tries again)
            log.error("hook broke", channel=self._channel, error=type(error).__name__)
            return TRY_AGAIN, "fault"


def _headers(scope: Scope) -> dict[str, str]:
    """Lower-case names. A repeated header is joined: two signatures are no signature."""
    headers: dict[str, str] = {}
    for raw_name, raw_value in scope["headers"]:
        name, value = raw_name.decode("latin-1").lower(), raw_value.decode("latin-1")
        headers[name] = f"{headers[name]}, {value}" if name in headers else value
    return headers


async def _body(receive: Receive, headers: Mapping[str, str]) -> bytes:
    """The body, counted as it comes: a chunked one announces no length. Raises TooLarge."""
    announced = headers.get("content-length", "")
    if announced.isdecimal() and int(announced) > LARGEST_BODY:
        raise TooLarge
    parts: list[bytes] = []
    size = 0
    while True:
        message = await receive()
        if message["type"] == "http.disconnect":
            raise _Gone
        part: bytes = message.get("body", b"")
        size += len(part)
        if size > LARGEST_BODY:
            raise TooLarge
        parts.append(part)
        if not message.get("more_body", False):
            return b"".join(parts)


def _request(scope: Scope, headers: Mapping[str, str], body: bytes, public_url: str) -> HookRequest:
    # Some servers keep the query on the raw path.
    path = scope["raw_path"].partition(b"?")[0].decode("latin-1")
    query = scope["query_string"].decode("latin-1")
    client = scope.get("client")
    return HookRequest(
        method=scope["method"],
        url=f"{public_url}{path}?{query}" if query else f"{public_url}{path}",
        path=path,
        query=query,
        headers=headers,
        body=body,
        source=client[0] if client else "",
    )
