"""The one way out to addresses that clients choose. Sends to public addresses only; knows no message.

The name is resolved once, every address it has is checked, and the connection goes to the address that was
checked: looking first and connecting later would let a rebinding name in (SSRF). Redirects are refused.
"""

from __future__ import annotations

import ipaddress
import socket
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import httpcore2
import httpx2

from bot.domain.errors import SendFailed

TIMEOUT = 15.0  #: seconds; Standard Webhooks recommends 15 to 30
PORTS = frozenset({80, 443, 8443})
Network = ipaddress.IPv4Network | ipaddress.IPv6Network


class Forbidden(Exception):
    """The address is none that may be reached from here."""


@dataclass(frozen=True, slots=True)
class Answered:
    status: int
    retry_after: float | None


class _Checked(httpcore2.NetworkBackend):
    """Connect only to addresses that were checked."""

    def __init__(self, allowed: Sequence[Network]) -> None:
        self._allowed = allowed
        self._real = httpcore2.SyncBackend()

    def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,
        local_address: str | None = None,
        socket_options: Iterable[httpcore2.SOCKET_OPTION] | None = None,
    ) -> httpcore2.NetworkStream:
        address = self._address(host, port)
        return self._real.connect_tcp(address, port, timeout, local_address, socket_options)

    def _address(self, host: str, port: int) -> str:
        try:
            found = {str(info[4][0]) for info in socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)}
        except OSError as error:
            raise httpcore2.ConnectError("no such host") from error
        for address in found:
            if not self._may(ipaddress.ip_address(address.split("%")[0]), port):
                raise Forbidden
        return sorted(found)[0]

    def _may(self, address: ipaddress.IPv4Address | ipaddress.IPv6Address, port: int) -> bool:
        mapped = getattr(address, "ipv4_mapped", None)
        address = mapped or address
        if any(address.version == n.version and address in n for n in self._allowed):
            return True
        return address.is_global and not address.is_multicast and port in PORTS


class Egress:
    """Posts to addresses of clients.

    allowed: networks that may be reached besides public ones (EGRESS_ALLOW).
    """

    def __init__(self, allowed: Sequence[Network] = ()) -> None:
        transport = httpx2.HTTPTransport(retries=0)
        transport._pool._network_backend = _Checked(allowed)  # noqa: SLF001  # httpx2 offers no argument for it
        self._client = httpx2.Client(
            transport=transport, timeout=TIMEOUT, follow_redirects=False, trust_env=False
        )
        self._allows_plain = bool(allowed)

    def post(self, url: str, body: bytes, headers: Mapping[str, str]) -> Answered:
        """Post and say how it was answered. Raises SendFailed (retryable, or permanent for a forbidden address)."""
        if not url.startswith("https://") and not self._allows_plain:
            raise SendFailed("not https")
        try:
            with self._client.stream("POST", url, content=body, headers=dict(headers)) as answer:
                return Answered(answer.status_code, _seconds(answer.headers.get("retry-after")))
        except Forbidden:
            raise SendFailed("forbidden address") from None
        except (httpx2.TransportError, httpx2.InvalidURL, ValueError) as error:
            raise SendFailed(type(error).__name__, retryable=True) from error

    def close(self) -> None:
        self._client.close()


def _seconds(value: str | None) -> float | None:
    return float(value) if value is not None and value.isdecimal() else None
