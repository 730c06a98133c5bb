"""Be the phone in the browser: write as any number or Telegram user, see the answers arrive. For demos only.

What is typed here goes the way of every message, through `services.receive`; `whosent chat` uses the same two
functions. Nothing is verified, so that the page must never be served where real people's data is.
"""

from __future__ import annotations

import secrets
from collections.abc import Callable
from datetime import datetime
from typing import Annotated, Any

from fastapi import APIRouter, Query
from pydantic import BaseModel, Field
from starlette.responses import HTMLResponse, JSONResponse

from bot import sample
from bot.channels.simulator import BOT_NUMBER, Simulator
from bot.domain.errors import BadInput
from bot.domain.messages import Address, Inbound, Kind, Medium, Received, SharedContact
from bot.domain.numbers import to_e164
from bot.ledger import people, phone, transcripts
from bot.ledger.book import Book
from bot.ledger.transcripts import Line
from bot.services.contracts import House
from bot.services.receive import receive
from bot.web.pages import Pages

BOT_CHAT = "whosent_bot"
MEDIA = (Medium.SMS, Medium.TELEGRAM, Medium.WHATSAPP)
TELEGRAM_USERS = {"700100200": "Ada", "700100201": "Bruno"}
LONGEST_TEXT = 1600  #: characters; what the longest SMS can hold
LAST_GOT = 6  #: messages shown above the phone
HOME = "PL"


def address_of(*, medium: str, person: str, ours: str = "") -> Address:
    """Where a conversation of the simulator takes place.

    person: a phone number as people write it, or a Telegram user id. ours: the number written to; empty: the
    bot's own. Raises BadInput.
    """
    if medium not in MEDIA:
        raise BadInput("medium", " or ".join(MEDIA))
    if medium == Medium.TELEGRAM:
        if not (person.isascii() and person.isdecimal() and len(person) <= 20):
            raise BadInput("person", "a Telegram user id is digits")
        return Address(Simulator.name, Simulator.account, Medium.TELEGRAM, person, BOT_CHAT)
    number = to_e164(person, region=HOME)
    if number is None:
        raise BadInput("person", "this is no valid phone number")
    written_to = to_e164(ours, region=HOME) if ours else BOT_NUMBER
    if written_to is None:
        raise BadInput("ours", "this is no number one could answer")
    return Address(Simulator.name, Simulator.account, Medium(medium), number, written_to)


def simulate(
    house: House,
    address: Address,
    *,
    now: datetime,
    text: str = "",
    button: str | None = None,
    shared: SharedContact | None = None,
) -> None:
    """Let the person at an address write something, press a button (its token; the text is its label), or
    share a contact. "/start" opens a Telegram chat. Raises BadInput for nothing at all and for too much."""
    if len(text) > LONGEST_TEXT:
        raise BadInput("text", f"at most {LONGEST_TEXT} characters")
    if shared is None and not text.strip():
        raise BadInput("text", "there is nothing written")
    message = Inbound(
        provider_id=secrets.token_hex(16),
        address=address,
        kind=_kind(address, text, shared),
        received_at=now,
        sent_at=now,
        text=text,
        button=button,
        shared=shared,
    )
    receive(house, Received(inbound=(message,)), now=now)


def _kind(address: Address, text: str, shared: SharedContact | None) -> Kind:
    if shared is not None:
        return Kind.CONTACT
    is_opening = address.medium is Medium.TELEGRAM and text.split()[0] == "/start"
    return Kind.START if is_opening else Kind.TEXT


def transcript(book: Book, address: Address) -> tuple[Line, ...]:
    """What the phone shows: what the person wrote, and what has left the house for them."""
    lines = transcripts.of_address(book, address, shows_codes=True)
    return tuple(line for line in lines if line.who == "person" or line.has_left)


def beside(book: Book, address: Address) -> tuple[Line, ...]:
    """What the same number got from the bot's own by SMS while the phone shows another conversation: codes."""
    own = None if address.number is None else Simulator().sms_from().to(address.number)
    if own is None or own == address:
        return ()
    return tuple(line for line in transcript(book, own) if line.who == "bot")[-LAST_GOT:]


class _Contact(BaseModel):
    number: str = Field(max_length=40)
    is_own: bool


class _Said(BaseModel):
    """What the page sends."""

    medium: str
    person: str = Field(max_length=40)
    ours: str = Field("", max_length=40)
    text: str = Field("", max_length=LONGEST_TEXT)
    button: str | None = Field(None, max_length=64)
    contact: _Contact | None = None


def router(house: House, clock: Callable[[], datetime]) -> APIRouter:
    """The page and the two JSON routes it lives on."""
    pages = Pages()
    routes = APIRouter()

    @routes.get("/phone")
    def show() -> HTMLResponse:
        with house.ledger.read() as book:
            numbers = phone.numbers(book, now=clock())
        return pages.show(
            "phone.html",
            people=sample.PEOPLE,
            users=TELEGRAM_USERS,
            numbers=numbers,
            bot_number=BOT_NUMBER,
            brand=house.texts.provider.brand,
        )

    @routes.post("/phone/messages")
    def say(said: _Said) -> JSONResponse:
        try:
            address = address_of(medium=said.medium, person=said.person, ours=said.ours)
            shared = None
            if said.contact is not None:
                shared = SharedContact(to_e164(said.contact.number, region=HOME), said.contact.is_own)
            simulate(house, address, text=said.text, button=said.button, shared=shared, now=clock())
        except BadInput as error:
            return JSONResponse({"error": error.reason}, 400)
        return JSONResponse({"status": "received"}, 202)

    @routes.get("/phone/messages")
    def read(
        medium: Annotated[str, Query(max_length=12)],
        person: Annotated[str, Query(max_length=40)],
        ours: Annotated[str, Query(max_length=40)] = "",
    ) -> JSONResponse:
        try:
            address = address_of(medium=medium, person=person, ours=ours)
        except BadInput as error:
            return JSONResponse({"error": error.reason}, 400)
        with house.ledger.read() as book:
            lines, texts = transcript(book, address), beside(book, address)
            known = people.find(book, address.number) if address.number else None
            got = phone.got(book, known, limit=LAST_GOT) if known is not None else ()
        answer = {
            "lines": [_shown(line) for line in lines],
            "got": [{"sender": g.sender, "at": g.at.isoformat()} for g in got],
            "texts": [
                {"sender": BOT_NUMBER, "text": t.text, "at": t.at.isoformat()} for t in reversed(texts)
            ],
        }
        return JSONResponse(answer, headers={"Cache-Control": "no-store"})

    return routes


def _shown(line: Line) -> dict[str, Any]:
    return {
        "id": line.id,
        "who": line.who,
        "text": line.text,
        "at": line.at.isoformat(),
        # The button that shares the number is the phone's own.
        "buttons": [
            {"token": token, "label": label} for token, label in line.buttons if not line.asks_contact
        ],
        "asks_contact": line.asks_contact,
    }
