"""Small HTTP servers on loopback that answer as the providers document it. They send nothing to anybody.

Each is started with `with TwilioStandIn() as twilio:` (or `.start()` and `.stop()`), on a port of its own,
keeps what it took in `sent`, and fails on demand.
"""

from __future__ import annotations

import contextlib
import json
import socket
import sys
import threading
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Any, Self
from urllib.parse import parse_qsl, urlsplit

import httpx2


@dataclass(frozen=True)
class Call:
    """One request as a stand-in took it."""

    method: str
    path: str
    query: dict[str, str]
    headers: dict[str, str]
    body: bytes

    @property
    def form(self) -> dict[str, str]:
        return dict(parse_qsl(self.body.decode(), keep_blank_values=True))

    @property
    def fields(self) -> dict[str, Any]:
        """The parameters, whether they came as JSON or as a form."""
        if self.headers.get("content-type", "").startswith("application/json"):
            return dict(json.loads(self.body or b"{}"))
        return {**self.query, **self.form}


@dataclass(frozen=True)
class Answer:
    status: int = 200
    body: bytes = b""
    headers: Mapping[str, str] = field(default_factory=dict)

    @classmethod
    def of(cls, content: Any, status: int = 200, **headers: str) -> Answer:
        return cls(status, json.dumps(content).encode(), {"Content-Type": "application/json", **headers})


@dataclass(frozen=True)
class HookReply:
    """What the bot answered to a hook."""

    status: int
    body: bytes
    media_type: str


@dataclass
class _Mishap:
    """One thing that goes wrong with a sending request."""

    answer: Answer | None = None
    takes: bool = False
    drops: bool = False
    wait: threading.Event | None = None


class StandIn:
    """The server and its mishaps. Each provider says how it answers, and what sending is."""

    def __init__(self) -> None:
        self.sent: list[dict[str, Any]] = []
        self.calls: list[Call] = []
        self.changed = threading.Condition()
        self._mishaps: list[_Mishap] = []
        self._stopping = threading.Event()
        self._server = _Server(_handler_of(self))
        self._thread: threading.Thread | None = None

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._server.server_port}"

    def start(self) -> Self:
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.02,), daemon=True)
        self._thread.start()
        return self

    def stop(self) -> None:
        self._stopping.set()
        with self.changed:
            self.changed.notify_all()
        for mishap in self._mishaps:
            if mishap.wait is not None:
                mishap.wait.set()
        self._shut()

    def _shut(self) -> None:
        if self._thread is not None:
            self._server.shutdown()
            self._thread.join()
            self._thread = None
        self._server.hang_up()
        self._server.server_close()

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    def fail_next(self, answer: Answer, *, times: int = 1, after_taking: bool = False) -> None:
        """Answer the next sendings so; with `after_taking` they were nevertheless taken."""
        self._mishaps += [_Mishap(answer=answer, takes=after_taking) for _ in range(times)]

    def drop_next(self, *, taken: bool = True) -> None:
        """Close the connection of the next sending without an answer: taken or not, the bot cannot know."""
        self._mishaps.append(_Mishap(takes=taken, drops=True))

    def slow_next(self) -> threading.Event:
        """Hold the next sending, which is taken, until the event returned is set."""
        gate = threading.Event()
        self._mishaps.append(_Mishap(takes=True, wait=gate))
        return gate

    def recovers(self) -> None:
        """From now on nothing goes wrong."""
        self._mishaps.clear()

    @contextlib.contextmanager
    def away(self) -> Iterator[None]:
        """Not there for the length of a `with`: connections are refused, as by a process that ended."""
        port = self._server.server_port
        self._shut()
        try:
            yield
        finally:
            self._server = _Server(_handler_of(self), port)
            self.start()

    def wait_for(self, is_there: Callable[[], bool], *, seconds: float = 10.0) -> bool:
        """Wait until the condition holds, which is looked at whenever a request was taken."""
        with self.changed:
            return self.changed.wait_for(is_there, timeout=seconds)

    def is_send(self, call: Call) -> bool:
        raise NotImplementedError

    def answer(self, call: Call) -> Answer:
        raise NotImplementedError

    def _take(self, call: Call) -> Answer | None:
        """Answer a call, or return None to close its connection."""
        mishap = self._mishaps.pop(0) if self._mishaps and self.is_send(call) else None
        answer: Answer | None = None
        if mishap is None or mishap.takes:
            answer = self.answer(call)
        with self.changed:
            self.calls.append(call)
            self.changed.notify_all()
        if mishap is None:
            return answer
        if mishap.wait is not None:
            mishap.wait.wait(timeout=60)
            return answer
        return None if mishap.drops else mishap.answer


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 128  #: the default of 5 resets connections that come all at once

    def __init__(self, handler: type[BaseHTTPRequestHandler], port: int = 0) -> None:
        super().__init__(("127.0.0.1", port), handler)
        self._open: set[socket.socket] = set()

    def process_request(self, request: Any, client_address: Any) -> None:
        self._open.add(request)
        super().process_request(request, client_address)

    def shutdown_request(self, request: Any) -> None:
        self._open.discard(request)
        super().shutdown_request(request)

    def handle_error(self, request: Any, client_address: Any) -> None:
        if not isinstance(sys.exception(), ConnectionError):
            super().handle_error(request, client_address)

    def hang_up(self) -> None:
        """Close what clients keep alive, as the end of a process does."""
        for connection in list(self._open):
            with contextlib.suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)


def post_hook(url: str, body: bytes, headers: Mapping[str, str], *, method: str = "POST") -> HookReply:
    """Call the bot's hook as a provider would."""
    with httpx2.Client(timeout=15, trust_env=False) as client:
        answer = client.request(method, url, content=body, headers=dict(headers))
    return HookReply(answer.status_code, answer.content, answer.headers.get("content-type", ""))


def _handler_of(stand_in: StandIn) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        disable_nagle_algorithm = True

        def _any(self) -> None:
            parts = urlsplit(self.path)
            body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
            call = Call(
                method=self.command,
                path=parts.path,
                query=dict(parse_qsl(parts.query, keep_blank_values=True)),
                headers={name.lower(): value for name, value in self.headers.items()},
                body=body,
            )
            answer = stand_in._take(call)
            if answer is None:
                self.close_connection = True
                return
            self.send_response(answer.status)
            for name, value in answer.headers.items():
                self.send_header(name, value)
            self.send_header("Content-Length", str(len(answer.body)))
            self.end_headers()
            self.wfile.write(answer.body)

        do_GET = do_POST = do_PUT = do_DELETE = _any

        def log_message(self, format: str, *args: Any) -> None:
            """Say nothing."""

    return Handler
