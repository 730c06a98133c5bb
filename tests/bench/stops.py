"""Signed STOPs as Twilio sends them, and the web process that takes them. Times nothing."""

from __future__ import annotations

import secrets
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from urllib.parse import urlencode

from twilio.request_validator import RequestValidator

from tests.bench.children import Child, free_port
from tests.bench.houses import OURS, BenchHouse, command
from tests.bench.load import Request

PATH = "/hooks/twilio"


@dataclass(frozen=True, slots=True)
class Serving:
    child: Child
    port: int
    ready_after: float


@contextmanager
def serving(house: BenchHouse) -> Iterator[Serving]:
    """`whosent serve` on a free port, for the length of a `with`."""
    port = free_port()
    with Child(
        command("serve", "--port", str(port)), environment=house.environment(port=port), folder=house.folder
    ) as child:
        yield Serving(child, port, child.ready_at_port(port))


def stops(house: BenchHouse, people: Sequence[str], port: int) -> list[Request]:
    """One STOP of each person to the client's number, signed."""
    validator = RequestValidator(house.token)
    return [_stop(house, person, f"http://127.0.0.1:{port}{PATH}", validator) for person in people]


def _stop(house: BenchHouse, person: str, url: str, validator: RequestValidator) -> Request:
    sid = f"SM{secrets.token_hex(16)}"
    fields = {
        "ToCountry": "PL", "SmsMessageSid": sid, "NumMedia": "0", "ToCity": "", "FromZip": "", "SmsSid": sid,
        "SmsStatus": "received", "FromCountry": "PL", "To": OURS, "NumSegments": "1", "MessageSid": sid,
        "AccountSid": house.account, "From": person, "ApiVersion": "2010-04-01", "Body": "STOP",
    }  # fmt: skip
    headers = {
        "Content-Type": "application/x-www-form-urlencoded",
        "X-Twilio-Signature": validator.compute_signature(url, fields),
        "User-Agent": "TwilioProxy/1.1",
        "Accept": "*/*",
    }
    return Request(PATH, headers, urlencode(fields).encode())
