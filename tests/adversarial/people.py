"""Write to the bot as a provider would deliver it: SMSAPI's form for an SMS, Telegram's update for a chat."""

from __future__ import annotations

import itertools
import json
from datetime import timedelta
from urllib.parse import quote, urlencode

from bot.channels import smsapi, telegram
from bot.channels.smsapi import Smsapi
from bot.channels.telegram import Telegram
from bot.domain.messages import HookRequest, Received
from bot.services.receive import receive
from bot.settings import SmsapiSettings, TelegramSettings
from tests.adversarial.messages import OWN, Said
from tests.world import SHOP_NUMBER, World

SECRET = "a-secret-of-the-hooks-0123456789"
URL = "https://bot.example"
BOT_ID = "5550001234"
SMS_CHANNEL = Smsapi(SmsapiSettings("t", "http://127.0.0.1:9", SECRET, ("127.0.0.1/32",), "", URL))
TELEGRAM_CHANNEL = Telegram(TelegramSettings(f"{BOT_ID}:t", "http://127.0.0.1:9", SECRET, URL))
NUMBERS = itertools.count(1_000)


class OnSms:
    """Somebody with a phone, writing to one of our numbers."""

    provider = Smsapi.name

    def __init__(self, number: str, *, to: str = SHOP_NUMBER) -> None:
        self.address, self.number, self.ours = number, number, to

    def delivered(self, world: World, said: Said) -> Received:
        fields = {
            "sms_from": self.number.removeprefix("+"),
            "sms_to": self.ours.removeprefix("+"),
            "sms_text": said.text.encode("utf-8", "replace").decode(),
            "sms_date": str(int(world.now.timestamp())),
            **({"MsgId": said.answers} if said.answers else {}),
        }
        path, query = smsapi.MO_PATH, f"k={quote(SECRET)}"
        body = urlencode(fields).encode()
        request = HookRequest("POST", f"{URL}{path}?{query}", path, query, {}, body, "127.0.0.1")
        return SMS_CHANNEL.read_message(request, world.now)


class OnTelegram:
    """Somebody with a Telegram account; the number behind it is nobody's but theirs to tell."""

    provider = Telegram.name

    def __init__(self, chat: int, *, number: str) -> None:
        self.address, self.chat, self.number, self.ours = str(chat), chat, number, BOT_ID

    def delivered(self, world: World, said: Said) -> Received:
        number = next(NUMBERS)
        headers = {"x-telegram-bot-api-secret-token": SECRET}
        # JSON's own escapes carry halves of characters and null bytes, as they do over the wire.
        body = json.dumps({"update_id": number, **self._event(world, said, number)}).encode()
        request = HookRequest("POST", URL + telegram.PATH, telegram.PATH, "", headers, body, "127.0.0.1")
        return TELEGRAM_CHANNEL.read(request, world.now)

    def _event(self, world: World, said: Said, number: int) -> dict[str, object]:
        user = {"id": self.chat, "is_bot": False, "first_name": "Ala", "language_code": "pl"}
        message: dict[str, object] = {
            "message_id": number,
            "date": int(world.now.timestamp()),
            "from": user,
            "chat": {"id": self.chat, "type": "private", "first_name": "Ala"},
        }
        if said.button is not None:
            query = {
                "id": str(number),
                "from": user,
                "message": message | {"text": "?"},
                "chat_instance": "1",
            }
            return {"callback_query": query | {"data": said.button}}
        if said.card is not None:
            owner = said.card.get("user_id")
            message["contact"] = {**said.card, **({"user_id": self.chat} if owner == OWN else {})}
        else:
            message["text"] = said.text
        return {"message": message | dict(said.more)}


Somebody = OnSms | OnTelegram


def tell(world: World, who: Somebody, said: Said | str) -> list[str]:
    """Let somebody write and the house work until nothing is left; the texts that left, to whomever."""
    world.clock.move(timedelta(seconds=1))  # type: ignore[attr-defined]
    said = Said(said) if isinstance(said, str) else said
    receive(world.house, who.delivered(world, said), now=world.now)
    return world.answers()


def share(world: World, who: OnTelegram) -> list[str]:
    """Share one's own contact, as Telegram vouches for it."""
    return tell(world, who, Said(card={"phone_number": who.number, "first_name": "Ala", "user_id": OWN}))
