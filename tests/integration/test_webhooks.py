"""What the hooks promise to providers."""

from __future__ import annotations

import json
import shutil
import socket
import threading
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager, contextmanager
from datetime import UTC, datetime
from pathlib import Path

import pytest
import structlog
import uvicorn
from fastapi import FastAPI
from sqlalchemy import Table, func, select
from sqlalchemy.exc import OperationalError
from starlette.testclient import TestClient

from bot.domain.channel import Route
from bot.domain.errors import NotAuthentic
from bot.domain.messages import Address, HookAnswer, HookRequest, Inbound, Kind, Medium, Received
from bot.ledger.book import Ledger
from bot.ledger.tables import evidence, inbox, opt_outs, outbox
from bot.services.contracts import House
from bot.web import webhooks
from bot.web.app import HANDS, build
from tests.web_house import WEB, house_of

PERSON = "+48500100200"
OURS = "+48732000001"
OK = HookAnswer(body=b"OK")


class Carrier:
    """A provider whose word is one header; keeps what it was asked and can be told to break."""

    name = "carrier"

    def __init__(self) -> None:
        self.seen: list[HookRequest] = []
        self.fault: Exception | None = None

    @property
    def routes(self) -> tuple[Route, ...]:
        return (Route("/hooks/carrier", ("POST",), self.read),)

    def read(self, request: HookRequest, now: datetime) -> Received:
        self.seen.append(request)
        if request.headers.get("x-signature") != "right":
            raise NotAuthentic
        if self.fault is not None:
            raise self.fault
        said = json.loads(request.body)
        address = Address("carrier", "account", Medium.SMS, PERSON, OURS)
        message = Inbound(said["id"], address, Kind.TEXT, received_at=now, text=said["text"])
        return Received(inbound=(message,), answer=OK)


SIGNED = {"x-signature": "right"}
STOP = json.dumps({"id": "m1", "text": "STOP ALL"}).encode()


@pytest.fixture
def carrier() -> Carrier:
    return Carrier()


@pytest.fixture
def house(ledger: Ledger) -> House:
    return house_of(ledger)


@pytest.fixture
def client(house: House, carrier: Carrier) -> Iterator[TestClient]:
    with TestClient(_app(house, carrier)) as client:
        yield client


def _app(house: House, carrier: Carrier, **parts: bool) -> FastAPI:
    return build(
        house,
        {"carrier": carrier},  # type: ignore[dict-item]
        WEB,
        clock=lambda: datetime.now(UTC),
        readiness=lambda: {"database": True, **parts},
        simulator=False,
    )


def test_a_stop_is_answered_after_it_took_effect(client: TestClient, house: House) -> None:
    answer = client.post("/hooks/carrier", content=STOP, headers=SIGNED)
    assert (answer.status_code, answer.content) == (200, b"OK")
    assert _rows(house, inbox) == _rows(house, opt_outs) == _rows(house, outbox) == 1


def test_what_is_verified_is_the_address_as_the_provider_knows_it(
    client: TestClient, carrier: Carrier
) -> None:
    client.post("/hooks/carrier?k=a%2Bb&z=%20", content=STOP, headers={**SIGNED, "Host": "evil.example"})
    seen = carrier.seen[0]
    assert seen.url == "https://bot.example.org/hooks/carrier?k=a%2Bb&z=%20"
    assert (seen.path, seen.query, seen.body) == ("/hooks/carrier", "k=a%2Bb&z=%20", STOP)


@pytest.mark.parametrize(
    "headers", [{}, {"x-signature": "wrong"}, [("x-signature", "right"), ("x-signature", "x")]]
)
def test_a_forged_hook_is_refused_and_leaves_nothing(
    client: TestClient, house: House, headers: Mapping[str, str]
) -> None:
    answer = client.post("/hooks/carrier", content=STOP, headers=headers)
    assert (answer.status_code, answer.content) == (403, b"")
    assert _rows(house, inbox) == 0


def test_nothing_of_a_refused_or_broken_hook_is_logged(client: TestClient, carrier: Carrier) -> None:
    with structlog.testing.capture_logs() as lines:
        client.post("/hooks/carrier?k=topsecret", content=STOP)
        carrier.fault = RuntimeError(f"{PERSON} said STOP")
        client.post("/hooks/carrier?k=topsecret", content=STOP, headers=SIGNED)
    told = json.dumps(lines)
    assert [line["channel"] for line in lines] == ["carrier", "carrier"]
    assert not [word for word in ("topsecret", PERSON, "STOP") if word in told]


@pytest.mark.parametrize("method", ["GET", "PUT", "DELETE", "HEAD", "OPTIONS"])
def test_another_method_is_told_which_is_right(client: TestClient, method: str) -> None:
    answer = client.request(method, "/hooks/carrier")
    assert (answer.status_code, answer.headers["allow"]) == (405, "POST")


def test_a_body_up_to_the_limit_is_read_and_one_byte_more_is_not(
    client: TestClient, carrier: Carrier
) -> None:
    fits = json.dumps({"id": "m1", "text": "x"}).encode().ljust(webhooks.LARGEST_BODY)
    assert client.post("/hooks/carrier", content=fits, headers=SIGNED).status_code == 200
    assert client.post("/hooks/carrier", content=fits + b" ", headers=SIGNED).status_code == 413
    assert len(carrier.seen) == 1


@pytest.mark.parametrize(
    "fault",
    [OperationalError("SELECT", {}, Exception()), RuntimeError("ours"), ValueError("ours"), KeyError("ours")],
)
def test_our_own_fault_asks_the_provider_to_try_again(
    client: TestClient, carrier: Carrier, fault: Exception
) -> None:
    carrier.fault = fault
    answer = client.post("/hooks/carrier", content=STOP, headers=SIGNED)
    assert (answer.status_code, answer.content) == (503, b"")


def test_with_the_database_away_nothing_is_acknowledged(
    carrier: Carrier, house: House, tmp_path: Path
) -> None:
    folder = tmp_path / "gone"
    away = Ledger(f"sqlite:///{folder / 'whosent.db'}", house.ledger.keys)
    shutil.rmtree(folder)
    with TestClient(_app(house_of(away), carrier)) as client:
        assert client.post("/hooks/carrier", content=STOP, headers=SIGNED).status_code == 503
        assert "whosent_database_up 0.0" in client.get("/metrics").text


@pytest.mark.parametrize(
    ("missing", "status"), [("database", 503), ("nlu", 200), ("redis", 200), ("schema", 503)]
)
def test_ready_is_who_can_take_hooks(house: House, carrier: Carrier, missing: str, status: int) -> None:
    with TestClient(_app(house, carrier, **{missing: False})) as client:
        answer = client.get("/readyz")
        assert (answer.status_code, answer.json()["missing"]) == (status, [missing])
        assert client.get("/healthz").status_code == 200


def test_the_metrics_count_outcomes_and_show_what_waits(client: TestClient) -> None:
    client.post("/hooks/carrier", content=STOP, headers=SIGNED)
    client.post("/hooks/carrier", content=STOP)
    shown = client.get("/metrics").text
    assert 'whosent_hooks_total{channel="carrier",outcome="taken"} 1.0' in shown
    assert 'whosent_hooks_total{channel="carrier",outcome="forged"} 1.0' in shown
    assert 'whosent_hook_seconds_count{channel="carrier"} 2.0' in shown
    assert 'whosent_queue_length{queue="outbox"} 1.0' in shown
    assert PERSON not in shown


def test_every_answer_tells_the_browser_to_run_nothing(client: TestClient) -> None:
    for path in ("/healthz", "/nowhere", "/metrics"):
        headers = client.get(path).headers
        assert "default-src 'none'" in headers["content-security-policy"]
        assert "unsafe" not in headers["content-security-policy"]
        assert "frame-ancestors 'none'" in headers["content-security-policy"]
        assert headers["x-content-type-options"] == "nosniff"
        assert headers["referrer-policy"] == "no-referrer"


# Over real sockets: what a test client cannot say.


def test_twenty_duplicates_at_once_have_one_effect(house: House, carrier: Carrier) -> None:
    with _served(house, carrier) as port, ThreadPoolExecutor(20) as pool:
        answers = list(pool.map(lambda _: _say(port, _posted(STOP)), range(20)))
    assert [a.split(b"\r\n")[0] for a in answers] == [b"HTTP/1.1 200 OK"] * 20
    assert (
        _rows(house, inbox) == _rows(house, opt_outs) == _rows(house, evidence) == _rows(house, outbox) == 1
    )


def test_a_chunked_body_without_end_is_cut_off(house: House, carrier: Carrier) -> None:
    chunk = b"4000\r\n" + b"x" * 0x4000 + b"\r\n"
    start = (
        b"POST /hooks/carrier HTTP/1.1\r\nHost: x\r\nX-Signature: right\r\nTransfer-Encoding: chunked\r\n\r\n"
    )
    with _served(house, carrier) as port, socket.create_connection(("127.0.0.1", port), timeout=5) as line:
        line.sendall(start)
        for _ in range(5):
            line.sendall(chunk)
        assert line.recv(4096).startswith(b"HTTP/1.1 413")
    assert carrier.seen == []


def test_a_body_that_does_not_come_is_not_waited_for(
    house: House, carrier: Carrier, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(webhooks, "BODY_WITHIN", 0.2)
    with _served(house, carrier) as port, socket.create_connection(("127.0.0.1", port), timeout=5) as line:
        line.sendall(b"POST /hooks/carrier HTTP/1.1\r\nHost: x\r\nContent-Length: 10\r\n\r\n{")
        assert line.recv(4096).startswith(b"HTTP/1.1 408")
    assert carrier.seen == []


def test_pages_that_hang_do_not_keep_a_stop_out(house: House, carrier: Carrier) -> None:
    go_on = threading.Event()
    hanging = threading.Semaphore(0)

    def hang() -> dict[str, bool]:
        hanging.release()
        return {"database": go_on.wait(30)}

    app = build(
        house,
        {"carrier": carrier},  # type: ignore[dict-item]
        WEB,
        clock=lambda: datetime.now(UTC),
        readiness=hang,
        simulator=False,
    )
    page = b"GET /readyz HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"
    with _on_loopback(app) as port, ThreadPoolExecutor(30) as pool:
        pages = [pool.submit(_say, port, page) for _ in range(30)]
        for _ in range(HANDS):
            assert hanging.acquire(timeout=10)
        assert _say(port, _posted(STOP)).startswith(b"HTTP/1.1 200")
        assert not any(page.done() for page in pages)
        go_on.set()
        assert all(page.result().startswith(b"HTTP/1.1 200") for page in pages)


def _posted(body: bytes) -> bytes:
    head = f"POST /hooks/carrier HTTP/1.1\r\nHost: x\r\nX-Signature: right\r\nContent-Length: {len(body)}\r\n"
    return head.encode() + b"Connection: close\r\n\r\n" + body


def _say(port: int, request: bytes) -> bytes:
    with socket.create_connection(("127.0.0.1", port), timeout=20) as line:
        line.sendall(request)
        said = b""
        while part := line.recv(4096):
            said += part
    return said


def _served(house: House, carrier: Carrier) -> AbstractContextManager[int]:
    return _on_loopback(_app(house, carrier))


@contextmanager
def _on_loopback(app: FastAPI) -> Iterator[int]:
    """The application on a free port, in a thread."""
    with socket.socket() as place:
        place.bind(("127.0.0.1", 0))
        place.listen(128)
        server = uvicorn.Server(uvicorn.Config(app, log_level="warning", access_log=False))
        has_started = threading.Event()
        _tell(server, has_started)
        thread = threading.Thread(target=server.run, kwargs={"sockets": [place]}, daemon=True)
        thread.start()
        assert has_started.wait(20)
        try:
            yield place.getsockname()[1]
        finally:
            server.should_exit = True
            thread.join(10)


def _tell(server: uvicorn.Server, has_started: threading.Event) -> None:
    start = server.startup

    async def startup(sockets: list[socket.socket] | None = None) -> None:
        await start(sockets)
        has_started.set()

    server.startup = startup  # type: ignore[method-assign]


def _rows(house: House, table: Table) -> int:
    with house.ledger.read() as book:
        return int(book.scalar(select(func.count()).select_from(table)))
