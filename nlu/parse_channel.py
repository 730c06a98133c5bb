"""Rasa's one door: texts in, readings out. Keeps no conversation, answers nobody else, prints no text."""

from __future__ import annotations

import asyncio
import hmac
import logging
import os
import re
import warnings
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

from rasa.core.channels.channel import InputChannel, UserMessage
from rasa.core.processor import MessageProcessor
from rasa.engine.constants import PLACEHOLDER_MESSAGE, PLACEHOLDER_TRACKER
from rasa.shared.core.trackers import DialogueStateTracker
from rasa.shared.exceptions import RasaException
from sanic import Blueprint, Sanic
from sanic.request import Request
from sanic.response import HTTPResponse, json

TEXTS_AT_MOST = 64
CHARACTERS_AT_MOST = 1000
ORDER = re.compile(r"^[\s/]+")
READY_FD = "NLU_READY_FD"  # a pipe of whoever started us; one line into it says that we answer


class ParseChannel(InputChannel):
    """POST {"texts": [...]} → {"model", "readings"}; GET health. Both on /webhooks/parse/."""

    def __init__(self, secret: str) -> None:
        self._expected = f"Bearer {secret}".encode()

    @classmethod
    def name(cls) -> str:
        return "parse"

    @classmethod
    def from_credentials(cls, credentials: dict[str, Any] | None) -> ParseChannel:
        secret = str((credentials or {}).get("secret") or "")
        if len(secret) < 16:
            raise RasaException("NLU_SECRET is shorter than 16 characters.")
        return cls(secret)

    def blueprint(self, on_new_message: Callable[[UserMessage], Awaitable[Any]]) -> Blueprint:
        door = Blueprint("parse", self.name())

        @door.listener("after_server_start")
        async def announce(app: Sanic, loop: asyncio.AbstractEventLoop) -> None:
            seal_logs()
            if app.ctx.agent.is_ready() and READY_FD in os.environ:
                with os.fdopen(int(os.environ.pop(READY_FD)), "w") as starter:
                    starter.write("ready\n")

        @door.get("/health")
        async def health(request: Request) -> HTTPResponse:
            if not request.app.ctx.agent.is_ready():
                return json({"model": None}, status=503)
            return json({"model": _model_of(request.app.ctx.agent.processor)})

        @door.post("/")
        async def parse(request: Request) -> HTTPResponse:
            if not hmac.compare_digest(request.headers.get("authorization", "").encode(), self._expected):
                return json({}, status=401)
            seal_logs()
            try:
                texts = _texts_of(request.json)
            except Exception:  # Sanic's own answer to broken JSON would quote it
                return json({}, status=400)
            try:
                return json(_read(request.app.ctx.agent.processor, texts))
            except Exception as error:  # whatever it is, its words may hold the text
                logging.getLogger(__name__).error("parse failed: %s", type(error).__name__)
                return json({}, status=500)

        return door


def _texts_of(body: Any) -> list[str]:
    texts = body["texts"]
    if not isinstance(texts, list) or not 0 < len(texts) <= TEXTS_AT_MOST:
        raise ValueError
    if not all(isinstance(text, str) and len(text) <= CHARACTERS_AT_MOST for text in texts):
        raise ValueError
    # Rasa takes "/intent{...}" as an order. The bot strips it too; this is the second lock of that door.
    return [ORDER.sub("", text) for text in texts]


def _read(processor: MessageProcessor, texts: list[str]) -> dict[str, Any]:
    """All texts in one run of Rasa's graph: its nodes take lists, so the cost of a run is paid once."""
    target = processor.model_metadata.nlu_target
    run = processor.graph_runner.run(
        inputs={
            PLACEHOLDER_MESSAGE: [UserMessage(text) for text in texts],
            PLACEHOLDER_TRACKER: DialogueStateTracker.from_events("nobody", []),
        },
        targets=[target],
    )
    return {
        "model": _model_of(processor),
        "readings": [_reading(message.as_dict()) for message in run[target]],
    }


def _reading(parsed: dict[str, Any]) -> dict[str, Any]:
    ranking = [[entry["name"], entry["confidence"]] for entry in parsed["intent_ranking"]]
    return {"intent": ranking[0][0], "confidence": ranking[0][1], "ranking": ranking, "entities": []}


def _model_of(processor: MessageProcessor) -> str:
    return Path(processor.model_filename).name.removesuffix(".tar.gz")


def seal_logs() -> None:
    """From now on a log line is a place and a kind of error, never words: Rasa puts texts into both."""
    logging.setLogRecordFactory(_sealed_record)
    warnings.showwarning = lambda *_, **__: None


def _sealed_record(*args: Any, **kwargs: Any) -> logging.LogRecord:
    record = logging.LogRecord(*args, **kwargs)
    if record.name != __name__:
        kind = record.exc_info[0].__name__ if record.exc_info and record.exc_info[0] else ""
        record.msg, record.args = f"{record.name}:{record.lineno} {kind}".rstrip(), ()
    record.exc_info = record.exc_text = record.stack_info = None
    return record
