"""A client's own webhook on loopback, and what a client does with what arrives. Passes nothing on."""

from __future__ import annotations

import base64
import csv
import hashlib
import hmac
import json
from pathlib import Path
from typing import Any

from bot.ledger import clients
from bot.services.import_files import import_clients
from tests.standins import Answer, Call, StandIn
from tests.world import CLIENTS, World

SECRET = "whsec_" + base64.b64encode(bytes(range(32))).decode()


class ClientHook(StandIn):
    """Answers 204 to everything; `told` holds the payloads it took, in their order."""

    def __init__(self) -> None:
        super().__init__()
        self.told: list[dict[str, Any]] = []

    def is_send(self, call: Call) -> bool:
        return True

    def answer(self, call: Call) -> Answer:
        self.told.append(json.loads(call.body))
        return Answer(204)


def takes(world: World, folder: Path, url: str, *, client: str = "shop", secret: str | None = SECRET) -> None:
    """The client wants to be told at this address."""
    row = next(row for row in csv.DictReader(CLIENTS.splitlines()) if row["client_id"] == client)
    row |= {"webhook_url": url}
    with (folder / "changed.csv").open("w") as file:
        table = csv.DictWriter(file, list(row))
        table.writeheader()
        table.writerow(row)
    report = import_clients(world.house.ledger, folder / "changed.csv", None, world.now)
    assert not report.refused, report.refused
    if secret is not None:
        with world.house.ledger.write() as book:
            found = clients.find(book, client)
            assert found is not None
            clients.set_webhook_secret(book, found, secret, now=world.now)


def verifies(call: Call, secret: str) -> bool:
    """As a client would verify it, written from the specification and not from our code."""
    signed = b".".join(
        [call.headers["webhook-id"].encode(), call.headers["webhook-timestamp"].encode(), call.body]
    )
    mac = hmac.new(base64.b64decode(secret[len("whsec_") :]), signed, hashlib.sha256)
    wanted = "v1," + base64.b64encode(mac.digest()).decode()
    return wanted in call.headers["webhook-signature"].split(" ")
