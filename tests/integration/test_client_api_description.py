"""The client API does what its own OpenAPI description says, whatever is sent to it."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import pytest
import schemathesis
from fastapi import FastAPI
from hypothesis import HealthCheck, given, settings
from schemathesis.schemas import BaseSchema

from bot.ledger.book import Ledger
from bot.ledger.keys import Keys
from bot.ledger.migrate import upgrade
from bot.settings import WebSettings
from bot.web import client_api

TOKEN = "a-token-of-the-settings"


@pytest.fixture(scope="module")
def described(keys: Keys, tmp_path_factory: pytest.TempPathFactory) -> BaseSchema:
    folder: Path = tmp_path_factory.mktemp("described")
    ledger = Ledger(f"sqlite:///{folder}/whosent.db", keys)
    upgrade(ledger)
    web = WebSettings(public_url="http://t", api_tokens=(("ops", TOKEN),), simulator=False)
    app = FastAPI()
    app.include_router(client_api.router(ledger, web, lambda: datetime.now(UTC)))
    return schemathesis.openapi.from_asgi("/openapi.json", app)


@pytest.mark.parametrize("path", ["/v1/sent", "/v1/check"])
def test_every_answer_is_as_described(described: BaseSchema, path: str) -> None:
    operation = described[path]["POST"]

    @settings(max_examples=40, deadline=None, suppress_health_check=list(HealthCheck))
    @given(case=operation.as_strategy())
    def holds(case: schemathesis.Case) -> None:
        if case.media_type == "application/json":
            case.call_and_validate(headers={"Authorization": f"Bearer {TOKEN}"})

    holds()
