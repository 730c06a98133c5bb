"""Speak with Telegram, by webhook or by polling. Knows nothing of what a message means.

Bot API: https://core.telegram.org/bots/api. Only private chats are read; what is said in a group is not kept.
"""

from __future__ import annotations

import asyncio
import concurrent.futures
import hashlib
import hmac
import json
import logging
import re
import threading
import warnings
from collections.abc import Callable, Coroutine, Iterator, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any, TypeVar

import httpx  # what python-telegram-bot speaks through; only its errors are looked at here
import structlog
from telegram import (
    Bot,
    CallbackQuery,
    Chat,
    ChatMemberUpdated,
    Contact,
    InlineKeyboardButton,
    InlineKeyboardMarkup,
    KeyboardButton,
    LinkPreviewOptions,
    Message,
    MessageOrigin,
    MessageOriginUser,
    ReplyKeyboardMarkup,
    Update,
    User,
)
from telegram.error import BadRequest, ChatMigrated, Forbidden, InvalidToken, RetryAfter, TelegramError
from telegram.request import HTTPXRequest

from bot.domain.channel import Finding, Route
from bot.domain.errors import NotAuthentic, SendFailed
from bot.domain.messages import (
    Address,
    Delivery,
    HookAnswer,
    HookRequest,
    Inbound,
    Kind,
    Medium,
    Outgoing,
    Received,
    SharedContact,
    Taken,
)
from bot.domain.numbers import to_e164
from bot.settings import TelegramSettings

PATH = "/hooks/telegram"
UPDATES = ["message", "callback_query", "my_chat_member"]
MAX_TEXT = 4096  #: characters
MAX_TOKEN = 64  #: bytes of callback_data
CONTACT_LABEL = "Udostępnij numer / Share my number"  #: where the message brings no label of its own

TIMEOUT = 10.0  #: seconds
POLL_SECONDS = 25
STOP_SEEN_WITHIN = 0.5  #: seconds
FIRST_WAIT, LONGEST_WAIT = 1.0, 60.0  #: seconds between polls that failed

# https://core.telegram.org/bots/api#chatmember
MEMBERSHIPS = {"kicked": Kind.BLOCKED, "member": Kind.UNBLOCKED}
# What a person can send without a text of theirs. Anything else in a message is the platform's own notice.
WITHOUT_TEXT = (
    *("animation", "audio", "document", "photo", "sticker", "story", "video", "video_note", "voice"),
    *("dice", "game", "location", "poll", "venue", "paid_media", "checklist", "live_photo"),
)

# The first that fits counts: BadRequest is a NetworkError, and that one is unclear.
FAILURES: tuple[tuple[type[TelegramError], dict[str, Any]], ...] = (
    (Forbidden, {"stopped": True}),
    (InvalidToken, {"retryable": True, "alarm": True}),
    (ChatMigrated, {}),
    (BadRequest, {}),
    (TelegramError, {"ambiguous": True}),
)
# The bot may not write first. The person has refused nothing by it.
NEVER_MET = "initiate conversation"
NOT_SENT = (httpx.ConnectError, httpx.ConnectTimeout, httpx.PoolTimeout)

START = re.compile(r"/start(@\w+)?(\s.*)?", re.DOTALL | re.IGNORECASE)
ADDRESSED = re.compile(r"^(/\w+)@\w+")  # "/stop@whosent_bot"
CONTACT_NUMBER = re.compile(r"\+?[0-9 ().-]{6,24}")
LANGUAGE = re.compile(r"[A-Za-z]{2,3}(-[A-Za-z0-9]{2,8})?")
# Their lines hold URLs, and those the bot's token; an answer that cannot be read is logged with its text.
CHATTY = {"httpx": logging.WARNING, "httpcore": logging.WARNING, "telegram": logging.CRITICAL + 1}

Commands = Mapping[str, Sequence[tuple[str, str]]]
"""By language: each command's name and what it does, in the order of the menu."""

T = TypeVar("T")
log = structlog.get_logger(__name__)


class Telegram:
    """One bot. Safe to be used by several threads at once."""

    name = "telegram"

    def __init__(self, settings: TelegramSettings, commands: Commands | None = None) -> None:
        """commands: by language what the chat's menu offers; the first language is for whoever speaks none of them."""
        for name, level in CHATTY.items():
            logging.getLogger(name).setLevel(level)
        self.account = settings.token.partition(":")[0]
        self._secret = settings.webhook_secret.encode()
        self._commands = commands or {}
        self._hook = settings.public_url + PATH
        self._requests = tuple(
            HTTPXRequest(read_timeout=TIMEOUT, write_timeout=TIMEOUT, pool_timeout=TIMEOUT) for _ in range(2)
        )
        self._bot = Bot(
            settings.token,
            base_url=f"{settings.api_url}/bot",
            base_file_url=f"{settings.api_url}/file/bot",
            request=self._requests[0],
            get_updates_request=self._requests[1],
        )
        self._loop = _Loop()

    @property
    def routes(self) -> tuple[Route, ...]:
        """One, or none without a secret: an unset one would let everybody in."""
        return (Route(PATH, ("POST",), self.read),) if self._secret else ()

    def own_addresses(self) -> frozenset[str]:
        return frozenset({self.account})

    def sms_from(self) -> None:
        """No SMS leaves from here."""

    def read(self, request: HookRequest, now: datetime) -> Received:
        given = request.headers.get("x-telegram-bot-api-secret-token", "")
        is_ours = hmac.compare_digest(given.encode("utf-8", "replace"), self._secret)
        if not self._secret or not is_ours:
            raise NotAuthentic
        return self._received(request.body, now)

    def _received(self, raw: bytes, now: datetime) -> Received:
        inbound = _inbound(raw, self.account, now)
        query_id = _callback_query_id(inbound)
        if query_id is None:
            return Received(inbound=(inbound,))
        # The answer to a hook may be a call of its own: the button stops spinning, without another request.
        call = {"method": "answerCallbackQuery", "callback_query_id": query_id}
        answer = HookAnswer(body=json.dumps(call).encode(), media_type="application/json")
        return Received(inbound=(inbound,), answer=answer)

    def acknowledge(self, inbound: Inbound) -> None:
        """Let a pressed button stop spinning. Best effort, and needed for polled messages only."""
        query_id = _callback_query_id(inbound)
        if query_id is None:
            return
        try:
            self._loop.run(self._bot.answer_callback_query(query_id))
        except TelegramError as error:
            log.info("button not acknowledged", channel=self.name, error=type(error).__name__)

    def send(self, message: Outgoing) -> Taken:
        """Hand one message to Telegram, as plain text. Raises SendFailed."""
        if len(message.text) > MAX_TEXT:
            raise SendFailed("text too long")
        tokens = () if message.asks_contact else tuple(token.encode() for token, _ in message.buttons)
        if not all(0 < len(token) <= MAX_TOKEN for token in tokens):
            raise SendFailed("button token too long")
        try:
            sent = self._loop.run(
                self._bot.send_message(
                    chat_id=int(message.address.person),
                    text=message.text,
                    reply_markup=_keyboard(message),
                    link_preview_options=LinkPreviewOptions(is_disabled=True),
                )
            )
        except TelegramError as error:
            # Not chained: what the HTTP library says of it holds the URL, and that the token.
            raise _send_failed(error) from None
        except (KeyError, TypeError, AttributeError):
            raise SendFailed("unreadable answer", ambiguous=True) from None
        except ValueError:
            raise SendFailed("no chat id") from None
        # Unique for the bot over all its private chats.
        return Taken(str(sent.message_id), Delivery.SENT)

    def find(self, message: Outgoing, since: datetime) -> Taken | None:
        """Telegram cannot be asked what a bot has sent, and may not be sent the same again unasked.

        Always raises SendFailed, permanent.
        """
        raise SendFailed("Telegram cannot be asked")

    def sweep(self, since: datetime, now: datetime) -> Iterator[Inbound]:
        """Nothing: Telegram keeps what was not acknowledged for 24 hours, and delivers it again."""
        return iter(())

    def poll(self, stop: threading.Event, deliver: Callable[[Received], None]) -> None:
        """Fetch updates and deliver them one by one until `stop` is set. For `work` without a webhook secret.

        An update counts as fetched at Telegram only once `deliver` returned, so it must commit before that;
        when it raises, the same update is delivered again after a wait. One process may poll a bot.
        """
        # The library would have its own `get_updates` used; see `_fetch`.
        warnings.filterwarnings("ignore", message="Please use 'Bot.getUpdates'")
        offset, wait, has_webhook = 0, FIRST_WAIT, True
        while not stop.is_set():
            try:
                if has_webhook:
                    self._loop.run(self._bot.delete_webhook(drop_pending_updates=False))
                    has_webhook = False
                for update in self._fetch(offset, stop):
                    received = self._received(json.dumps(update).encode(), datetime.now(UTC))
                    deliver(received)
                    offset = int(update["update_id"]) + 1
                    wait = FIRST_WAIT
                    self.acknowledge(received.inbound[0])
                    if stop.is_set():
                        break
            except Exception as error:  # noqa: BLE001
                # Whatever it was: nothing is lost, Telegram still holds the update.
                log.error("polling failed", channel=self.name, error=type(error).__name__, wait=wait)
                stop.wait(wait)
                wait = min(2 * wait, LONGEST_WAIT)

    def _fetch(self, offset: int, stop: threading.Event) -> list[dict[str, Any]]:
        # Raw, not as objects: one update that the library cannot read would hold up all behind it.
        call = self._bot.do_api_request(
            "getUpdates",
            {"offset": offset, "timeout": POLL_SECONDS, "allowed_updates": UPDATES},
            read_timeout=POLL_SECONDS + TIMEOUT,
        )
        fetching = self._loop.start(call)
        while not stop.is_set():
            done, _ = concurrent.futures.wait([fetching], timeout=STOP_SEEN_WITHIN)
            if done:
                return list(fetching.result())
        fetching.cancel()
        return []

    def check(self, *, register: bool) -> list[Finding]:
        """Try the token and the webhook; with `register` set it, or remove it if there is no secret."""
        try:
            me = self._loop.run(self._bot.get_me())
            found = [Finding(True, f"bot @{me.username} answers")]
            if register:
                self._loop.run(self._register())
            hook = self._loop.run(self._bot.get_webhook_info())
            found += self._loop.run(self._menus())
        except (TelegramError, KeyError, TypeError, AttributeError) as error:
            return [Finding(False, f"Telegram does not answer as it should: {type(error).__name__}")]
        if not self._secret:
            is_free = not hook.url
            found.append(
                Finding(is_free, "polled by `work`" if is_free else "a webhook is set, but no secret")
            )
            return found
        found.append(Finding(hook.url == self._hook, "webhook is set" if hook.url else "webhook is not set"))
        if hook.last_error_date is not None:
            found.append(
                Finding(
                    datetime.now(UTC) - hook.last_error_date > timedelta(hours=1),
                    f"webhook failed last at {hook.last_error_date:%Y-%m-%d %H:%M} UTC, "
                    f"{hook.pending_update_count} updates wait",
                )
            )
        return found

    async def _menus(self) -> list[Finding]:
        """Whether the menu of every language is the one we have; nothing if we have none."""
        for language, commands in self._menus_of():
            there = await self._bot.get_my_commands(language_code=language)
            if [(c.command, c.description) for c in there] != list(commands):
                return [Finding(False, "commands are not set")]
        return [Finding(True, f"commands are set in {len(self._commands)} languages")] if self._commands else []

    def _menus_of(self) -> Iterator[tuple[str | None, Sequence[tuple[str, str]]]]:
        """Each language's menu, and the first once more for whoever has their Telegram in none of them."""
        yield from self._commands.items()
        for commands in list(self._commands.values())[:1]:
            yield None, commands

    async def _register(self) -> None:
        for language, commands in self._menus_of():
            await self._bot.set_my_commands(list(commands), language_code=language)
        if not self._secret:
            await self._bot.delete_webhook(drop_pending_updates=False)
            return
        await self._bot.set_webhook(
            self._hook,
            secret_token=self._secret.decode(),
            allowed_updates=UPDATES,
            drop_pending_updates=False,
        )

    def close(self) -> None:
        if self._loop.is_running:
            for request in self._requests:
                self._loop.run(request.shutdown())
        self._loop.close()


def _inbound(raw: bytes, account: str, now: datetime) -> Inbound:
    update_id = None
    try:
        content = json.loads(raw)
        update_id = _update_id(content)
        if update_id is None:
            raise ValueError
        return _of_update(Update.de_json(content, None), raw, account, now)
    except (ValueError, LookupError, TypeError, AttributeError, OverflowError, OSError, RecursionError):
        log.warning("hook not understood", channel=Telegram.name)
    return Inbound(
        provider_id=str(update_id) if update_id is not None else f"sha256:{hashlib.sha256(raw).hexdigest()}",
        address=None,
        kind=Kind.UNREADABLE,
        received_at=now,
        raw=raw,
        provider=Telegram.name,
        account=account,
    )


def _update_id(content: dict[str, Any]) -> int | None:
    update_id = content["update_id"]
    return update_id if isinstance(update_id, int) and not isinstance(update_id, bool) else None


def _of_update(update: Update, raw: bytes, account: str, now: datetime) -> Inbound:
    update_id = str(update.update_id)
    ignored = Inbound(
        provider_id=update_id,
        address=None,
        kind=Kind.IGNORED,
        received_at=now,
        provider=Telegram.name,
        account=account,
    )
    event = update.message or update.callback_query or update.my_chat_member
    chat = _private_chat(event)
    if event is None or chat is None:
        return ignored
    person = event.from_user
    common: dict[str, Any] = {
        "provider_id": update_id,
        "address": Address(
            provider=Telegram.name,
            account=account,
            medium=Medium.TELEGRAM,
            person=str(chat.id),
            ours=account,
        ),
        "received_at": now,
        "language_hint": _language(person),
        "raw": raw,
    }
    if isinstance(event, CallbackQuery):
        return _pressed(event, common)
    if isinstance(event, ChatMemberUpdated):
        kind = MEMBERSHIPS.get(event.new_chat_member.status)
        return ignored if kind is None else Inbound(kind=kind, sent_at=event.date, **common)
    return _written(event, common) or ignored


def _private_chat(event: Message | CallbackQuery | ChatMemberUpdated | None) -> Chat | None:
    """Return the private chat with the person who did this; None for groups, channels and other bots."""
    message = event.message if isinstance(event, CallbackQuery) else event
    person = event.from_user if event is not None else None
    if message is None or person is None or person.is_bot:
        return None
    chat = message.chat
    if isinstance(chat.id, bool) or not isinstance(chat.id, int):
        raise TypeError
    return chat if chat.type == Chat.PRIVATE and chat.id == person.id else None


def _written(message: Message, common: dict[str, Any]) -> Inbound | None:
    common = {**common, "sent_at": message.date}
    if message.reply_to_message is not None:
        common["answered_id"] = str(message.reply_to_message.message_id)
    if message.contact is not None:
        return Inbound(kind=Kind.CONTACT, shared=_shared(message, message.contact), **common)
    text = message.text or message.caption
    if text is None:
        has_something = any(getattr(message, name, None) for name in WITHOUT_TEXT)
        return Inbound(kind=Kind.TEXT, **common) if has_something else None
    if not isinstance(text, str):
        raise TypeError
    if START.fullmatch(text):
        return Inbound(kind=Kind.START, **common)
    return Inbound(
        kind=Kind.TEXT,
        text=_storable(ADDRESSED.sub(r"\1", text, count=1)),
        is_forwarded=_is_of_another(message.forward_origin, message),
        **common,
    )


def _is_of_another(origin: MessageOrigin | None, message: Message) -> bool:
    """Whether a text was passed on, and not written by who passes it on. A hidden user may be anybody."""
    if origin is None or message.from_user is None:
        return False
    return not (isinstance(origin, MessageOriginUser) and origin.sender_user.id == message.from_user.id)


def _shared(message: Message, contact: Contact) -> SharedContact:
    """Read a contact card. It is the sender's own only if the platform itself says so.

    Telegram sets `user_id` and lets nobody else do it, but takes the number as the card has it: hence only
    digits and their grouping, no extension. Whether the card was asked for, and how lately, is for the
    conversation to know (`sent_at`).
    """
    number = str(contact.phone_number)
    digits = re.sub(r"[^0-9]", "", number)
    sender = message.from_user
    is_own = (
        sender is not None
        and contact.user_id is not None
        and contact.user_id == sender.id
        and message.forward_origin is None
        and message.via_bot is None
        and contact.vcard is None
    )
    return SharedContact(
        number=to_e164(f"+{digits}") if CONTACT_NUMBER.fullmatch(number) else None, is_own=is_own
    )


def _pressed(query: CallbackQuery, common: dict[str, Any]) -> Inbound:
    message = query.message
    if message is None or not isinstance(query.data, str):
        raise TypeError
    label = ""
    if isinstance(message, Message) and message.reply_markup is not None:
        buttons = [button for row in message.reply_markup.inline_keyboard for button in row]
        label = next((str(button.text) for button in buttons if button.callback_data == query.data), "")
    return Inbound(
        kind=Kind.TEXT,
        text=_storable(label),
        button=_storable(query.data),
        answered_id=str(message.message_id),
        **common,
    )


def _storable(text: str) -> str:
    """Return the text with halves of characters replaced: JSON may hold one, and no database takes it."""
    return text.encode("utf-8", "replace").decode()


def _callback_query_id(inbound: Inbound) -> str | None:
    if inbound.button is None or inbound.raw is None:
        return None
    query_id = json.loads(inbound.raw)["callback_query"]["id"]
    return query_id if isinstance(query_id, str) else None


def _language(person: User | None) -> str | None:
    code = person.language_code if person is not None else None
    return code.lower() if isinstance(code, str) and LANGUAGE.fullmatch(code) else None


def _keyboard(message: Outgoing) -> InlineKeyboardMarkup | ReplyKeyboardMarkup | None:
    """Return the buttons under a message, one a row. A message that asks for the number offers only that."""
    if message.asks_contact:
        label = message.buttons[0][1] if message.buttons else CONTACT_LABEL
        button = KeyboardButton(label, request_contact=True)
        return ReplyKeyboardMarkup([[button]], resize_keyboard=True, one_time_keyboard=True)
    if not message.buttons:
        return None
    return InlineKeyboardMarkup(
        [[InlineKeyboardButton(label, callback_data=token)] for token, label in message.buttons]
    )


def _send_failed(error: TelegramError) -> SendFailed:
    code = type(error).__name__
    if isinstance(error, RetryAfter):
        # A number of seconds today, a timedelta in a later version of the library.
        after: int | float | timedelta = error.retry_after
        seconds = after.total_seconds() if isinstance(after, timedelta) else float(after)
        return SendFailed(code, retryable=True, retry_after=seconds)
    if isinstance(error.__cause__, NOT_SENT):
        return SendFailed(type(error.__cause__).__name__, retryable=True)
    if isinstance(error, Forbidden) and NEVER_MET in error.message:
        return SendFailed(code)
    says = next(says for kind, says in FAILURES if isinstance(error, kind))
    return SendFailed(code, **says)


class _Loop:
    """An event loop on a thread of its own: the library is asynchronous, the house is not.

    The thread starts with the first call, so that a process that only reads hooks has none.
    """

    def __init__(self) -> None:
        self._guard = threading.Lock()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._thread: threading.Thread | None = None

    @property
    def is_running(self) -> bool:
        return self._loop is not None

    def start(self, call: Coroutine[Any, Any, T]) -> concurrent.futures.Future[T]:
        with self._guard:
            if self._loop is None:
                self._loop = asyncio.new_event_loop()
                self._thread = threading.Thread(target=self._loop.run_forever, name="telegram", daemon=True)
                self._thread.start()
            return asyncio.run_coroutine_threadsafe(call, self._loop)

    def run(self, call: Coroutine[Any, Any, T]) -> T:
        return self.start(call).result()

    def close(self) -> None:
        with self._guard:
            loop, thread, self._loop, self._thread = self._loop, self._thread, None, None
        if loop is None or thread is None:
            return
        loop.call_soon_threadsafe(loop.stop)
        thread.join()
        loop.close()
