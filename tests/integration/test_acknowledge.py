"""A client says that it has a request: by its token or by the link in its mail, and by nothing else."""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from fastapi import FastAPI
from fastapi.testclient import TestClient

from bot.egress import Egress
from bot.ledger import cases, clients, tokens
from bot.ledger.book import Ledger
from bot.ledger.cases import Case
from bot.ledger.tokens import Right
from bot.services.notify_controller import notify
from bot.settings import MailSettings, WebSettings
from bot.web import client_api
from tests.conftest import Clock
from tests.standins.smtp import SmtpStandIn
from tests.world import SHOP_NUMBER, World

ASKS = "chce dostac kopie swoich danych"


@pytest.fixture
def world(ledger: Ledger, clock: Clock, tmp_path: Path) -> World:
    world = World(ledger, clock, tmp_path, {ASKS: ("rights_access", 0.9)})
    world.house = replace(world.house, public_url="https://bot.example.org")
    world.sent("shop", SHOP_NUMBER)
    world.says(ASKS)
    world.says("1")
    return world


@pytest.fixture
def http(world: World) -> TestClient:
    app = FastAPI()
    settings = WebSettings(public_url="https://bot.example.org", api_tokens=(), simulator=False)
    app.include_router(client_api.router(world.house.ledger, settings, lambda: world.now))
    return TestClient(app)


@pytest.fixture
def link(world: World) -> Iterator[str]:
    """The path and query of the link in the mail."""
    egress = Egress((ipaddress.ip_network("127.0.0.1/32"),))
    with SmtpStandIn() as smtp:
        assert notify(world.house, egress, MailSettings(smtp.url, "bot@whosent.example"), now=world.now) == 1
        [arrived] = smtp.arrived
        found = re.search(r"https://bot\.example\.org/\S+", arrived.get_content().replace("=\n", ""))
        assert found is not None
        parts = urlsplit(found[0])
        yield f"{parts.path}?{parts.query}"
    egress.close()


def case_of(world: World) -> Case:
    with world.house.ledger.read() as book:
        [case] = cases.listed(book)
    return case


def notes_of_client(world: World) -> list[str]:
    with world.house.ledger.read() as book:
        return [n.body for n in cases.notes_of(book, case_of(world).id) if n.author == "client"]


def bearer(world: World, client: str) -> dict[str, str]:
    with world.house.ledger.write() as book:
        row = clients.find(book, client)
        token = tokens.add(book, client, Right.CLIENT, now=world.now, client=row)
    return {"authorization": f"Bearer {token}"}


def test_by_its_token_a_client_acknowledges_once_and_again_changes_nothing(
    world: World, http: TestClient, clock: Clock
) -> None:
    shop = bearer(world, "shop")
    ref = case_of(world).ref
    first = http.post(f"/v1/requests/{ref}/ack", headers=shop)
    clock.move(timedelta(hours=1))
    again = http.post(f"/v1/requests/{ref.lower()}/ack", headers=shop)
    assert first.json() == {"reference": ref, "acknowledged_at": "2026-11-20T12:00:00Z"}
    assert (again.status_code, again.json()) == (200, first.json())
    assert notes_of_client(world) == ["acknowledged"]


def test_another_clients_request_and_none_at_all_read_the_same(world: World, http: TestClient) -> None:
    books = bearer(world, "books")
    foreign = http.post(f"/v1/requests/{case_of(world).ref}/ack", headers=books)
    unknown = http.post("/v1/requests/ZZZZZZZZ/ack", headers=books)
    odd = http.post("/v1/requests/%00%C5%82/ack", headers=books)
    assert foreign.status_code == unknown.status_code == odd.status_code == 404
    assert foreign.content == unknown.content == odd.content
    assert http.post(f"/v1/requests/{case_of(world).ref}/ack").status_code == 401
    assert notes_of_client(world) == []


def test_opening_the_link_changes_nothing_and_its_button_acknowledges(
    world: World, http: TestClient, link: str
) -> None:
    shown = http.get(link)
    assert (shown.status_code, 'method="post"' in shown.text) == (200, True)
    assert notes_of_client(world) == []
    done = http.post(link)
    assert (done.status_code, case_of(world).ref in done.text) == (200, True)
    assert notes_of_client(world) == ["acknowledged"]


def test_a_link_that_was_changed_or_is_over_does_nothing(
    world: World, http: TestClient, link: str, clock: Clock
) -> None:
    ref = case_of(world).ref
    other = "A" * len(ref) if ref[0] != "A" else "B" * len(ref)
    for changed in (
        link.replace(ref, other),
        link.replace("client=shop", "client=books"),
        re.sub(r"until=\d+", "until=99999999999", link),
        re.sub(r"until=\d+", "until=x", link),
        link[:-1] + ("0" if link[-1] != "0" else "1"),
        re.sub(r"signature=\w+", "signature=%C5%82", link),
    ):
        assert (http.get(changed).status_code, http.post(changed).status_code) == (404, 404), changed
    clock.move(timedelta(days=30, seconds=1))
    assert (http.get(link).status_code, http.post(link).status_code) == (404, 404)
    assert notes_of_client(world) == []
