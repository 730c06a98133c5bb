"""The one way out to addresses that clients choose. Sends to public addresses only; knows no message.

The name is resolved once, every address it has is checked, and the connection goes to an address that was
checked: looking first and connecting later would let a rebinding name in (SSRF). Redirects are refused, and
of an answer only its head is read, within one time for the whole exchange.
"""

from __future__ import annotations

import ipaddress
import socket
import ssl
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from email.utils import parsedate_to_datetime
from typing import Any

import httpcore2
import httpx2

from bot.domain.errors import SendFailed

TIMEOUT = 15.0  #: seconds for a whole exchange; Standard Webhooks recommends 15 to 30
PORTS = frozenset({80, 443, 8443})
LONGEST_PAUSE = 86400.0  #: seconds; a client that asks for more is asked again sooner
Network = ipaddress.IPv4Network | ipaddress.IPv6Network
Address = ipaddress.IPv4Address | ipaddress.IPv6Address
Resolve = Callable[..., Sequence[tuple[Any, ...]]]

_UNICAST = ipaddress.IPv6Network("2000::/3")  # what IANA gives out as global unicast; `is_global` has more
_WRAPPING = (
    # Networks that carry an IPv4 address, and how many bits stand behind it: a gateway would unwrap it.
    (ipaddress.IPv6Network("::/96"), 0),  # IPv4-compatible, RFC 4291
    (ipaddress.IPv6Network("::ffff:0:0/96"), 0),  # IPv4-mapped, RFC 4291
    (ipaddress.IPv6Network("::ffff:0:0:0/96"), 0),  # IPv4-translated, RFC 2765
    (ipaddress.IPv6Network("64:ff9b::/96"), 0),  # NAT64, RFC 6052
    (ipaddress.IPv6Network("2002::/16"), 80),  # 6to4, RFC 3056
)


class Forbidden(Exception):
    """The address is none that may be reached from here."""


@dataclass(frozen=True, slots=True)
class Answered:
    status: int
    retry_after: float | None


class Egress:
    """Posts to addresses of clients.

    allowed: networks that may be reached besides public ones (EGRESS_ALLOW), without TLS too.
    timeout: seconds for a whole exchange. resolve: instead of the system's resolver.
    """

    def __init__(
        self,
        allowed: Sequence[Network] = (),
        *,
        timeout: float = TIMEOUT,
        resolve: Resolve = socket.getaddrinfo,
    ) -> None:
        self._clients = {"https": _client(_Checked(allowed, resolve, timeout, may_be_public=True), timeout)}
        if allowed:
            plain = _Checked(allowed, resolve, timeout, may_be_public=False)
            self._clients["http"] = _client(plain, timeout)

    def post(self, url: str, body: bytes, headers: Mapping[str, str]) -> Answered:
        """Post and say how it was answered; a redirect is an answer like any other.

        Raises SendFailed (retryable, or permanent for an address that is malformed or forbidden).
        """
        try:
            place = httpx2.URL(url)
        except (httpx2.InvalidURL, ValueError):
            raise SendFailed("invalid address") from None
        if not 0 < (place.port or 443) < 65536:
            raise SendFailed("invalid address")
        client = self._clients.get(place.scheme)
        if client is None:
            raise SendFailed("not https")
        try:
            with client.stream("POST", place, content=body, headers=dict(headers)) as answer:
                return Answered(answer.status_code, _seconds(answer.headers.get("retry-after")))
        except Forbidden:
            raise SendFailed("forbidden address") from None
        except (httpx2.UnsupportedProtocol, httpx2.InvalidURL, UnicodeError):
            raise SendFailed("invalid address") from None
        except (httpx2.TransportError, ValueError) as error:
            raise SendFailed(type(error).__name__, retryable=True) from error

    def close(self) -> None:
        for client in self._clients.values():
            client.close()


def _client(backend: httpcore2.NetworkBackend, timeout: float) -> httpx2.Client:
    # A connection kept alive would be older than its check.
    transport = httpx2.HTTPTransport(retries=0, limits=httpx2.Limits(max_keepalive_connections=0))
    transport._pool._network_backend = backend  # noqa: SLF001  # httpx2 has no argument for it
    return httpx2.Client(transport=transport, timeout=timeout, follow_redirects=False, trust_env=False)


def _seconds(value: str | None) -> float | None:
    """A pause as RFC 9110, 10.2.3, has it: seconds, or a date."""
    if value is None:
        return None
    if value.isascii() and value.isdecimal():
        return min(float(value[:10]), LONGEST_PAUSE)
    try:
        pause = parsedate_to_datetime(value).timestamp() - time.time()
    except (TypeError, ValueError, OverflowError):
        return None
    return min(max(pause, 0.0), LONGEST_PAUSE)


class _Checked(httpcore2.NetworkBackend):
    """Connect only to addresses that were checked."""

    def __init__(
        self, allowed: Sequence[Network], resolve: Resolve, timeout: float, *, may_be_public: bool
    ) -> None:
        self._allowed = allowed
        self._resolve = resolve
        self._timeout = timeout
        self._may_be_public = may_be_public
        self._real = httpcore2.SyncBackend()

    def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,
        local_address: str | None = None,
        socket_options: Iterable[httpcore2.SOCKET_OPTION] | None = None,
    ) -> httpcore2.NetworkStream:
        until = time.monotonic() + self._timeout
        failure: httpcore2.ConnectError | httpcore2.ConnectTimeout = httpcore2.ConnectError("no such host")
        for address in self._addresses(host, port):
            try:
                left = _left(until, timeout, httpcore2.ConnectTimeout)
                line = self._real.connect_tcp(address, port, left, local_address, socket_options)
            except (httpcore2.ConnectError, httpcore2.ConnectTimeout) as error:
                failure = error  # the next one: a host without IPv6 must not be stuck with it
            else:
                return _Bounded(line, until)
        raise failure

    def _addresses(self, host: str, port: int) -> list[str]:
        """Every address of the name, in the resolver's order. Raises Forbidden if any of them is."""
        try:
            found = [str(info[4][0]) for info in self._resolve(host, port, type=socket.SOCK_STREAM)]
        except OSError as error:
            raise httpcore2.ConnectError("no such host") from error
        for address in found:
            if not self._may(ipaddress.ip_address(address.partition("%")[0]), port):
                raise Forbidden
        return list(dict.fromkeys(found))

    def _may(self, address: Address, port: int) -> bool:
        real = _unwrapped(address)
        if any(a.version == n.version and a in n for n in self._allowed for a in (address, real)):
            return True
        return self._may_be_public and port in PORTS and _is_public(real)


def _unwrapped(address: Address) -> Address:
    """The IPv4 address that an IPv6 one carries, else the address itself."""
    for network, behind in _WRAPPING:
        if address.version == 6 and address in network:
            return ipaddress.IPv4Address((int(address) >> behind) & 0xFFFFFFFF)
    return address


def _is_public(address: Address) -> bool:
    if address.version == 6 and address not in _UNICAST:
        return False
    return address.is_global and not address.is_multicast and not address.is_reserved


class _Bounded(httpcore2.NetworkStream):
    """A line that is over at a fixed time, however slowly the other side talks."""

    def __init__(self, line: httpcore2.NetworkStream, until: float) -> None:
        self._line = line
        self._until = until

    def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        return self._line.read(max_bytes, _left(self._until, timeout, httpcore2.ReadTimeout))

    def write(self, buffer: bytes, timeout: float | None = None) -> None:
        self._line.write(buffer, _left(self._until, timeout, httpcore2.WriteTimeout))

    def close(self) -> None:
        self._line.close()

    def start_tls(
        self, ssl_context: ssl.SSLContext, server_hostname: str | None = None, timeout: float | None = None
    ) -> httpcore2.NetworkStream:
        left = _left(self._until, timeout, httpcore2.ConnectTimeout)
        return _Bounded(self._line.start_tls(ssl_context, server_hostname, left), self._until)

    def get_extra_info(self, info: str) -> Any:
        return self._line.get_extra_info(info)


def _left(until: float, timeout: float | None, over: type[httpcore2.TimeoutException]) -> float:
    """Seconds left. Raises `over` when none are."""
    left = until - time.monotonic()
    if left <= 0:
        raise over
    return left if timeout is None else min(left, timeout)
