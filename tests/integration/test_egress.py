"""What a client's webhook address cannot make us do. Every listener is on loopback; nothing goes further."""

from __future__ import annotations

import contextlib
import email.utils
import ipaddress
import socket
import threading
import time
import tracemalloc
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from bot.domain.errors import SendFailed
from bot.egress import LONGEST_PAUSE, Answered, Egress

ONLY_ONE = (ipaddress.ip_network("127.0.0.2/32"),)
LOOPBACK = (ipaddress.ip_network("127.0.0.0/8"), ipaddress.ip_network("::1/128"))
Say = Callable[[socket.socket], None]


class Listener:
    """A port that counts who comes and says what it is told to."""

    def __init__(self, say: Say | None = None, address: str = "127.0.0.1", port: int = 0) -> None:
        family = socket.AF_INET6 if ":" in address else socket.AF_INET
        self._socket = socket.socket(family, socket.SOCK_STREAM)
        self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        self._socket.bind((address, port))
        self._socket.listen()
        self.port: int = self._socket.getsockname()[1]
        self._say = say or answer(200)
        self.visits: list[bytes] = []
        self.gone = threading.Event()
        self._thread = threading.Thread(target=self._serve, daemon=True)
        self._thread.start()

    def _serve(self) -> None:
        while True:
            try:
                line, _ = self._socket.accept()
            except OSError:
                return
            with line, contextlib.suppress(OSError):
                line.settimeout(10)
                self.visits.append(b"")
                self.visits[-1] = line.recv(65536)
                self._say(line)
            self.gone.set()

    def close(self) -> None:
        self._socket.shutdown(socket.SHUT_RDWR)
        self._socket.close()
        self._thread.join(10)


@pytest.fixture
def listen() -> Iterator[Callable[..., Listener]]:
    with contextlib.ExitStack() as stack:

        def opened(*arguments: Any, **more: Any) -> Listener:
            listener = Listener(*arguments, **more)
            stack.callback(listener.close)
            return listener

        yield opened


def answer(status: int, *headers: str, body: bytes = b"") -> Say:
    head = "\r\n".join([f"HTTP/1.1 {status} Said", f"Content-Length: {len(body)}", *headers])
    return lambda line: line.sendall(head.encode() + b"\r\n\r\n" + body)


def resolver(*answers: list[str]) -> Callable[..., list[tuple[Any, ...]]]:
    """Answers the n-th question with the n-th list, and all further ones with the last."""
    left = list(answers)

    def resolve(host: str, port: int, **_: object) -> list[tuple[Any, ...]]:
        found = left.pop(0) if len(left) > 1 else left[0]
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (address, port)) for address in found]

    return resolve


def post(egress: Egress, url: str) -> Answered:
    try:
        return egress.post(url, b"{}", {"content-type": "application/json"})
    finally:
        egress.close()


def refused(egress: Egress, url: str) -> SendFailed:
    with pytest.raises(SendFailed) as caught:
        post(egress, url)
    return caught.value


SAME_MACHINE = [
    "127.0.0.1",
    "localhost",
    "localhost.",
    "LOCALHOST",
    "2130706433",
    "0x7f000001",
    "0x7f.1",
    "0177.0.0.1",
    "127.1",
    "0.0.0.0",
    "0",
    "[::1]",
    "[::]",
    "[::ffff:127.0.0.1]",
    "[::ffff:7f00:1]",
    "[::127.0.0.1]",
    "[64:ff9b::7f00:1]",
    "[2002:7f00:1::]",
    "somebody@127.0.0.1",
    "agrest.example@127.0.0.1",
    "agrest.example%40127.0.0.1",
]


@pytest.mark.parametrize("host", SAME_MACHINE)
@pytest.mark.parametrize("scheme", ["https", "http"])
def test_no_spelling_of_this_machine_is_reached(
    host: str, scheme: str, listen: Callable[..., Listener]
) -> None:
    listener = listen()
    failure = refused(Egress(), f"{scheme}://{host}:{listener.port}/hook")
    assert not listener.visits
    if host not in ("localhost.", "agrest.example%40127.0.0.1"):  # not every resolver knows these names
        assert not failure.retryable


PRIVATE = [
    "169.254.169.254",
    "10.0.0.1",
    "172.16.0.1",
    "192.168.1.1",
    "100.64.0.1",
    "198.18.0.1",
    "192.0.2.1",
    "224.0.0.1",
    "240.0.0.1",
    "255.255.255.255",
    "0.0.0.0",
    "127.0.0.1",
    "fc00::1",
    "fd12:3456::1",
    "fe80::1%eth0",
    "fec0::1",
    "ff0e::1",
    "::1",
    "::",
    "::ffff:10.0.0.1",
    "::ffff:0:10.0.0.1",
    "64:ff9b::a9fe:a9fe",
    "64:ff9b:1::1",
    "2002:a9fe:a9fe::1",
    "2001:db8::1",
    "4000::1",
]


@pytest.mark.parametrize("address", PRIVATE)
def test_a_name_that_leads_to_a_private_address_is_refused_for_good(address: str) -> None:
    failure = refused(Egress(resolve=resolver([address])), "https://hooks.agrest.example/x")
    assert (failure.code, failure.retryable) == ("forbidden address", False)


@pytest.mark.parametrize("host", ["169.254.169.254", "100.64.0.1", "[fc00::1]", "[fe80::1]", "0xa9fea9fe"])
def test_private_addresses_themselves_are_refused(host: str) -> None:
    assert refused(Egress(), f"https://{host}/").code == "forbidden address"


def test_one_private_address_among_public_ones_refuses_the_name(listen: Callable[..., Listener]) -> None:
    listener = listen()
    egress = Egress(ONLY_ONE, resolve=resolver(["127.0.0.2", "127.0.0.1"]))
    assert refused(egress, f"http://hooks.agrest.example:{listener.port}/").code == "forbidden address"
    assert not listener.visits


def test_a_rebinding_name_reaches_what_was_checked_and_never_the_second_answer(
    listen: Callable[..., Listener],
) -> None:
    honest = listen(address="127.0.0.2")
    inner = listen(address="127.0.0.1", port=honest.port)
    egress = Egress(ONLY_ONE, resolve=resolver(["127.0.0.2"], ["127.0.0.1"]))
    url = f"http://hooks.agrest.example:{honest.port}/"
    assert egress.post(url, b"{}", {}).status == 200
    assert refused(egress, url).code == "forbidden address"
    assert (len(honest.visits), len(inner.visits)) == (1, 0)
    assert b"Host: hooks.agrest.example" in honest.visits[0]


@pytest.mark.parametrize("port", [22, 25, 5432, 6379, 8080, 9200])
def test_ports_of_other_services_are_refused(port: int) -> None:
    failure = refused(Egress(resolve=resolver(["8.8.8.8"])), f"https://hooks.agrest.example:{port}/")
    assert failure.code == "forbidden address"


def test_without_tls_no_public_address_is_reached_whatever_else_is_allowed() -> None:
    egress = Egress(LOOPBACK, resolve=resolver(["8.8.8.8"]))
    assert refused(egress, "http://hooks.agrest.example/").code == "forbidden address"
    assert refused(Egress(), "http://hooks.agrest.example/").code == "not https"


NO_ADDRESS = [
    "", "agrest.example", "ftp://127.0.0.1/", "file:///etc/passwd", "https://", "https://[::1", "https://a:b:c/",
    "https://127.0.0.1:99999/", f"https://{'a' * 70}.example/",
]  # fmt: skip


@pytest.mark.parametrize("url", NO_ADDRESS)
def test_what_is_no_address_is_refused_for_good(url: str) -> None:
    assert not refused(Egress(LOOPBACK), url).retryable


def test_a_redirect_is_an_answer_and_is_not_followed(listen: Callable[..., Listener]) -> None:
    inner = listen()
    outer = listen(answer(302, f"Location: http://127.0.0.1:{inner.port}/"), address="127.0.0.2")
    assert post(Egress(LOOPBACK), f"http://127.0.0.2:{outer.port}/").status == 302
    assert not inner.visits


@pytest.mark.parametrize("address", ["127.0.0.1", "::1"])
def test_an_allowed_network_is_reached(address: str, listen: Callable[..., Listener]) -> None:
    listener = listen(answer(204), address=address)
    host = f"[{address}]" if ":" in address else address
    assert post(Egress(LOOPBACK), f"http://{host}:{listener.port}/hook?a=1") == Answered(204, None)
    assert listener.visits[0].startswith(b"POST /hook?a=1 HTTP/1.1\r\n")


def test_a_host_whose_first_address_is_dead_is_reached_at_its_second(listen: Callable[..., Listener]) -> None:
    listener = listen(address="127.0.0.3")
    egress = Egress(LOOPBACK, resolve=resolver(["127.0.0.2", "127.0.0.3"]))
    assert post(egress, f"http://hooks.agrest.example:{listener.port}/").status == 200


def test_a_dead_host_and_an_unknown_name_are_tried_again() -> None:
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        port = unused.getsockname()[1]

    def nobody(*_: object, **__: object) -> list[tuple[Any, ...]]:
        raise socket.gaierror(socket.EAI_NONAME, "no such name")

    assert refused(Egress(LOOPBACK), f"http://127.0.0.1:{port}/").retryable
    assert refused(Egress(resolve=nobody), "https://hooks.agrest.example/").retryable


def test_a_huge_body_is_not_read(listen: Callable[..., Listener]) -> None:
    sent = [0]

    def flood(line: socket.socket) -> None:
        line.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 1000000000\r\n\r\n")
        for _ in range(4000):
            sent[0] += line.send(b"x" * 65536)

    listener = listen(flood)
    tracemalloc.start()
    assert post(Egress(LOOPBACK), f"http://127.0.0.1:{listener.port}/").status == 200
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert listener.gone.wait(10)
    assert sent[0] < 32_000_000  # what fits the socket's buffers
    assert peak < 2_000_000


def drip(*, head: bytes, byte: bytes) -> Say:
    def say(line: socket.socket) -> None:
        line.sendall(head)
        until = time.monotonic() + 10
        while time.monotonic() < until:
            line.sendall(byte)
            time.sleep(0.05)  # the slow talker itself

    return say


SLOW = [
    drip(head=b"HTTP/1.1 200 OK\r\nX-Slow: ", byte=b"x"),
    drip(head=b"", byte=b"HTTP/1.1 100 Continue\r\n\r\n"),
    lambda line: line.recv(1) and None,
]


@pytest.mark.parametrize("say", SLOW)
def test_a_slow_talker_is_left_after_the_time_is_over(say: Say, listen: Callable[..., Listener]) -> None:
    listener = listen(say)
    began = time.monotonic()
    failure = refused(Egress(LOOPBACK, timeout=0.5), f"http://127.0.0.1:{listener.port}/")
    assert time.monotonic() - began < 2
    assert failure.retryable


def test_a_slow_body_takes_no_time_at_all(listen: Callable[..., Listener]) -> None:
    listener = listen(drip(head=b"HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\n", byte=b"x"))
    began = time.monotonic()
    assert post(Egress(LOOPBACK), f"http://127.0.0.1:{listener.port}/").status == 200
    assert time.monotonic() - began < 2


def test_endless_headers_are_refused(listen: Callable[..., Listener]) -> None:
    def flood(line: socket.socket) -> None:
        line.sendall(b"HTTP/1.1 200 OK\r\n")
        for _ in range(1000):
            line.sendall(b"X-More: " + b"x" * 8000 + b"\r\n")

    listener = listen(flood)
    assert refused(Egress(LOOPBACK), f"http://127.0.0.1:{listener.port}/").retryable


@pytest.mark.parametrize(
    ("said", "meant"),
    [
        ("Sun, 06 Nov 1994 08:49:37 GMT", 0.0),
        ("Fri, 31 Dec 9999 23:59:59 GMT", LONGEST_PAUSE),
        ("Fri, 99", None),
        ("120", 120.0),
        ("9" * 400, LONGEST_PAUSE),
        ("-5", None),
        ("soon", None),
        ("1e9", None),
        ("inf", None),
    ],
)
def test_the_pause_a_client_asks_for_is_a_day_at_most(
    said: str, meant: float | None, listen: Callable[..., Listener]
) -> None:
    listener = listen(answer(503, f"Retry-After: {said}"))
    assert post(Egress(LOOPBACK), f"http://127.0.0.1:{listener.port}/") == Answered(503, meant)


def test_a_pause_may_be_a_date(listen: Callable[..., Listener]) -> None:
    until = email.utils.formatdate(time.time() + 3600, usegmt=True)
    listener = listen(answer(503, f"Retry-After: {until}"))
    pause = post(Egress(LOOPBACK), f"http://127.0.0.1:{listener.port}/").retry_after
    assert pause is not None
    assert 3590 < pause <= 3600
