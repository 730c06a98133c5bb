"""Send prepared HTTP requests and time their answers, in a process of its own. Signs nothing, judges nothing.

Open: each request has its moment by the clock, whether or not those before were answered, and its latency counts
from that moment, so that a server that stalls is not spared the requests it kept waiting. Closed: each connection
sends its next request when the last was answered.
"""

from __future__ import annotations

import asyncio
import base64
import json
import subprocess
import sys
from collections import Counter, deque
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from time import perf_counter
from typing import Any, cast

import uvloop

CONNECTIONS_AT_MOST = 512
ANSWER_WITHIN = 30.0  #: seconds after the last request
START_IN = 0.2  #: seconds until the first request of an open load


@dataclass(frozen=True, slots=True)
class Request:
    """headers: without Host and Content-Length. path and body as they go over the wire."""

    path: str
    headers: dict[str, str]
    body: bytes

    def wire(self, port: int) -> bytes:
        lines = [f"POST {self.path} HTTP/1.1", f"Host: 127.0.0.1:{port}"]
        lines += [f"{name}: {value}" for name, value in self.headers.items()]
        lines += [f"Content-Length: {len(self.body)}", "", ""]
        return "\r\n".join(lines).encode() + self.body


@dataclass(slots=True)
class Result:
    """seconds: from the first request to the last answer. latencies, lags: milliseconds, in no order.

    lags: how late the generator itself was. answers: by HTTP status; 0 for none. empty: answers of no more than
    two bytes of body.
    """

    seconds: float = 0.0
    latencies: list[float] = field(default_factory=list)
    lags: list[float] = field(default_factory=list)
    answers: dict[int, int] = field(default_factory=dict)
    empty: int = 0

    @property
    def taken(self) -> int:
        return self.answers.get(200, 0)

    @property
    def refused(self) -> int:
        return sum(self.answers.values()) - self.taken

    @property
    def refusals(self) -> str:
        """What was answered instead of 200, or nothing."""
        told = (f"{count} × {status or 'no answer'}" for status, count in self.answers.items() if status != 200)
        return ", ".join(told)

    @property
    def rate(self) -> float:
        return self.taken / self.seconds if self.seconds else 0.0


def open_load(port: int, requests: Sequence[Request], *, rate: float) -> Result:
    """All requests, `rate` of them a second."""
    return _run({"mode": "open", "rate": rate}, port, requests)


def closed_load(port: int, requests: Sequence[Request], *, connections: int, seconds: float) -> Result:
    """As many of the requests as are answered in that many seconds."""
    return _run({"mode": "closed", "connections": connections, "seconds": seconds}, port, requests)


def _run(how: dict[str, Any], port: int, requests: Sequence[Request]) -> Result:
    wires = [base64.b64encode(request.wire(port)).decode() for request in requests]
    spec = json.dumps({**how, "port": port, "requests": wires})
    done = subprocess.run(
        [sys.executable, "-m", "tests.bench.load"], input=spec, capture_output=True, text=True, check=False
    )
    if done.returncode != 0:
        raise RuntimeError(f"the load generator failed: {done.stderr[-300:]}")
    told = json.loads(done.stdout)
    told["answers"] = {int(status): count for status, count in told["answers"].items()}
    return Result(**told)


class _Line(asyncio.Protocol):
    """One kept-alive connection with one request under way at most."""

    def __init__(self) -> None:
        self._transport: asyncio.Transport | None = None
        self._heard = b""
        self._answer: asyncio.Future[tuple[int, int]] | None = None

    @property
    def is_open(self) -> bool:
        return self._transport is not None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)  # uvloop's is one in all but its class

    def connection_lost(self, exc: Exception | None) -> None:
        self._transport = None
        self._settle((0, 0))

    def ask(self, wire: bytes) -> asyncio.Future[tuple[int, int]]:
        """Status and length of the body; (0, 0) if the connection broke."""
        self._answer = asyncio.get_running_loop().create_future()
        answer = self._answer
        if self._transport is None:
            self._settle((0, 0))
        else:
            self._transport.write(wire)
        return answer

    def data_received(self, data: bytes) -> None:
        self._heard += data
        head, mark, body = self._heard.partition(b"\r\n\r\n")
        if not mark:
            return
        length = 0
        for line in head.split(b"\r\n")[1:]:
            name, _, value = line.partition(b":")
            if name.lower() == b"content-length":
                length = int(value)
        if len(body) >= length:
            self._heard = body[length:]
            self._settle((int(head[9:12]), length))

    def close(self) -> None:
        if self._transport is not None:
            self._transport.close()

    def _settle(self, answer: tuple[int, int]) -> None:
        if self._answer is not None and not self._answer.done():
            self._answer.set_result(answer)
        self._answer = None


class _Lines:
    """Idle connections, and new ones when none is idle."""

    def __init__(self, port: int) -> None:
        self._port = port
        self._idle: deque[_Line] = deque()
        self._room = asyncio.Semaphore(CONNECTIONS_AT_MOST)
        self._all: list[_Line] = []

    async def ask(self, wire: bytes) -> tuple[int, int]:
        async with self._room:
            line = self._kept() or await self.new()
            answer = await line.ask(wire)
            if answer[0]:
                self._idle.append(line)
            return answer

    def _kept(self) -> _Line | None:
        """An idle connection that the server has not closed meanwhile, as it may after its keep-alive."""
        while self._idle:
            line = self._idle.pop()
            if line.is_open:
                return line
        return None

    async def new(self) -> _Line:
        _, line = await asyncio.get_running_loop().create_connection(_Line, "127.0.0.1", self._port)
        self._all.append(line)
        return line

    def close(self) -> None:
        for line in self._all:
            line.close()


async def _open(spec: dict[str, Any], wires: list[bytes]) -> Result:
    lines, result, answers = _Lines(spec["port"]), Result(), Counter[int]()
    begin = perf_counter() + START_IN

    async def one(wire: bytes, due: float) -> None:
        result.lags.append(1000 * (perf_counter() - due))
        try:
            status, length = await lines.ask(wire)
        except OSError:
            status, length = 0, 0
        result.latencies.append(1000 * (perf_counter() - due))
        answers[status] += 1
        result.empty += length <= 2

    tasks: list[asyncio.Task[None]] = []
    for place, wire in enumerate(wires):
        due = begin + place / spec["rate"]
        await asyncio.sleep(max(0.0, due - perf_counter()))
        tasks.append(asyncio.create_task(one(wire, due)))
    done, late = await asyncio.wait(tasks, timeout=ANSWER_WITHIN)
    for task in late:
        task.cancel()
        answers[0] += 1
    for task in done:
        task.result()
    result.seconds = perf_counter() - begin
    result.answers = dict(answers)
    lines.close()
    return result


async def _closed(spec: dict[str, Any], wires: list[bytes]) -> Result:
    lines, result, answers = _Lines(spec["port"]), Result(), Counter[int]()
    kept = [await lines.new() for _ in range(spec["connections"])]
    waiting = iter(wires)
    begin = perf_counter()
    until = begin + spec["seconds"]

    async def keep_asking(line: _Line) -> None:
        for wire in waiting:
            sent = perf_counter()
            status, length = await line.ask(wire)
            result.latencies.append(1000 * (perf_counter() - sent))
            answers[status] += 1
            result.empty += length <= 2
            if not status or perf_counter() > until:
                return

    await asyncio.gather(*map(keep_asking, kept))
    result.seconds = perf_counter() - begin
    result.answers = dict(answers)
    lines.close()
    return result


def main() -> None:
    spec = json.load(sys.stdin)
    wires = [base64.b64decode(wire) for wire in spec["requests"]]
    result = uvloop.run(_open(spec, wires) if spec["mode"] == "open" else _closed(spec, wires))
    json.dump(asdict(result), sys.stdout)


if __name__ == "__main__":
    main()
