"""The client API does what its own OpenAPI description says, whatever is sent to it."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import pytest
import schemathesis
from fastapi import FastAPI
from hypothesis import HealthCheck, given, settings
from schemathesis.schemas import BaseSchema
from schemathesis.specs.openapi.checks import positive_data_acceptance

from bot.domain.clients import Entry
from bot.ledger import clients, tokens
from bot.ledger.book import Ledger
from bot.ledger.keys import Keys
from bot.ledger.migrate import upgrade
from bot.ledger.tokens import Right
from bot.settings import WebSettings
from bot.web import client_api

TOKEN = "a-token-of-the-settings"
MADE_BY_US = [positive_data_acceptance]  # no description says which cursors are ours


@dataclass(frozen=True)
class Described:
    """The description, and the token of a client."""

    schema: BaseSchema
    own: str


@pytest.fixture(scope="module")
def described(keys: Keys, tmp_path_factory: pytest.TempPathFactory) -> Described:
    folder: Path = tmp_path_factory.mktemp("described")
    ledger = Ledger(f"sqlite:///{folder}/whosent.db", keys)
    upgrade(ledger)
    web = WebSettings(public_url="http://t", api_tokens=(("ops", TOKEN),), simulator=False)
    app = FastAPI()
    app.include_router(client_api.router(ledger, web, lambda: datetime.now(UTC)))
    schema = schemathesis.openapi.from_asgi("/openapi.json", app)
    with ledger.write() as book:
        clients.save(book, Entry("shop", "Shop", "Shop"), now=datetime.now(UTC))
        shop = clients.find(book, "shop")
        own = tokens.add(book, "shop", Right.CLIENT, now=datetime.now(UTC), client=shop)
    return Described(schema, own)


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("POST", "/v1/sent"),
        ("POST", "/v1/check"),
        ("GET", "/v1/optouts"),
        ("GET", "/v1/optouts.csv"),
        ("POST", "/v1/requests/{ref}/ack"),
    ],
)
def test_every_answer_is_as_described(described: Described, method: str, path: str) -> None:
    operation = described.schema[path][method]
    token = TOKEN if path in ("/v1/sent", "/v1/check") else described.own

    @settings(max_examples=40, deadline=None, suppress_health_check=list(HealthCheck))
    @given(case=operation.as_strategy())
    def holds(case: schemathesis.Case) -> None:
        if case.media_type in (None, "application/json"):
            case.call_and_validate(headers={"Authorization": f"Bearer {token}"}, excluded_checks=MADE_BY_US)

    holds()
