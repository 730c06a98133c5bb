"""Stand in for the Telegram Bot API: sending, webhook settings, long polling. Carries no message."""

from __future__ import annotations

import itertools
import json
import time
from typing import Any

from tests.standins import Answer, Call, HookReply, StandIn, post_hook

TOKEN = "5550001234:AAF-standin_token_0123456789abcdef"
BOT_ID = TOKEN.partition(":")[0]
PERSON = 5550001


class TelegramStandIn(StandIn):
    """`sent` holds the fields of each sendMessage taken, with its `message_id`.

    `acknowledged`: ids of callback queries that were answered, by a call or in the answer to a hook.
    `blocked`: chats that answer 403. `webhook`: what was set. `pending`: updates waiting to be polled.
    `commands`: the menus, by language.
    """

    def __init__(self, *, token: str = TOKEN) -> None:
        super().__init__()
        self.token = token
        self.webhook: dict[str, Any] = {"url": ""}
        self.pending: list[dict[str, Any]] = []
        self.acknowledged: list[str] = []
        self.blocked: set[int] = set()
        self.commands: dict[str, list[dict[str, str]]] = {}
        self._message_ids = itertools.count(700)
        self._update_ids = itertools.count(100_200_300)
        self._query_ids = itertools.count(4_382_000_000)

    def is_send(self, call: Call) -> bool:
        return call.path.endswith("/sendMessage")

    def answer(self, call: Call) -> Answer:
        prefix = f"/bot{self.token}/"
        if not call.path.startswith(prefix):
            return error(401, "Unauthorized")
        method = getattr(self, f"_{call.path.removeprefix(prefix)}", None)
        return method(call.fields) if method is not None else error(404, "Not Found")

    def _getMe(self, fields: dict[str, Any]) -> Answer:
        bot_id = int(self.token.partition(":")[0])
        return ok({"id": bot_id, "is_bot": True, "first_name": "whosent", "username": "whosent_bot"})

    def _sendMessage(self, fields: dict[str, Any]) -> Answer:
        chat_id, text = int(fields["chat_id"]), str(fields.get("text", ""))
        if chat_id in self.blocked:
            return error(403, "Forbidden: bot was blocked by the user")
        if not text:
            return error(400, "Bad Request: message text is empty")
        if len(text) > 4096:
            return error(400, "Bad Request: message is too long")
        message_id = next(self._message_ids)
        markup = json.loads(fields.get("reply_markup") or "null")
        with self.changed:
            self.sent.append({**fields, "chat_id": chat_id, "reply_markup": markup, "message_id": message_id})
        return ok(
            {
                "message_id": message_id,
                "date": 1_793_961_600,
                "chat": {"id": chat_id, "type": "private"},
                "text": text,
            }
        )

    def _answerCallbackQuery(self, fields: dict[str, Any]) -> Answer:
        with self.changed:
            self.acknowledged.append(str(fields["callback_query_id"]))
        return ok(True)

    def _setWebhook(self, fields: dict[str, Any]) -> Answer:
        self.webhook = dict(fields)
        return ok(True)

    def _deleteWebhook(self, fields: dict[str, Any]) -> Answer:
        self.webhook = {"url": ""}
        return ok(True)

    def _getWebhookInfo(self, fields: dict[str, Any]) -> Answer:
        shown = {name: value for name, value in self.webhook.items() if name != "secret_token"}
        shown["allowed_updates"] = json.loads(shown.get("allowed_updates") or "[]")
        return ok({"has_custom_certificate": False, "pending_update_count": len(self.pending), **shown})

    def _setMyCommands(self, fields: dict[str, Any]) -> Answer:
        self.commands[fields.get("language_code", "")] = json.loads(fields["commands"])
        return ok(True)

    def _getMyCommands(self, fields: dict[str, Any]) -> Answer:
        return ok(self.commands.get(fields.get("language_code", ""), []))

    def _getUpdates(self, fields: dict[str, Any]) -> Answer:
        if self.webhook["url"]:
            return error(409, "Conflict: can't use getUpdates method while webhook is active")
        offset = int(fields.get("offset", 0))
        deadline = time.monotonic() + float(fields.get("timeout", 0))
        with self.changed:
            # An offset confirms everything before it.
            self.pending = [update for update in self.pending if update["update_id"] >= offset]
            self.changed.notify_all()
            self.changed.wait_for(
                lambda: self.pending or self._stopping.is_set(), timeout=deadline - time.monotonic()
            )
            return ok(list(self.pending))

    def queue(self, update: dict[str, Any]) -> dict[str, Any]:
        """Let an update wait to be polled."""
        with self.changed:
            self.pending.append(update)
            self.changed.notify_all()
        return update

    def push(self, url: str, update: dict[str, Any], *, secret: str | None = None) -> HookReply:
        """Call the hook with an update, and carry out the call that may stand in its answer."""
        secret = secret if secret is not None else str(self.webhook.get("secret_token", ""))
        headers = {"Content-Type": "application/json", "X-Telegram-Bot-Api-Secret-Token": secret}
        reply = post_hook(url, json.dumps(update).encode(), headers)
        if reply.status == 200 and reply.media_type.startswith("application/json") and reply.body:
            call = json.loads(reply.body)
            getattr(self, f"_{call.pop('method')}")(call)
        return reply

    def text(self, text: str, *, person: int = PERSON, **more: Any) -> dict[str, Any]:
        """Return the update of a message in a private chat."""
        return self._update("message", {**self._message(person), "text": text, **more})

    def contact(self, number: str, *, person: int = PERSON, owner: int | None = None) -> dict[str, Any]:
        """Return the update of a contact card: the sender's own, or with `owner` somebody else's."""
        card = {"phone_number": number, "first_name": "Ala", "user_id": owner or person}
        return self._update("message", {**self._message(person), "contact": card})

    def press(self, sent: dict[str, Any], token: str, *, person: int = PERSON) -> dict[str, Any]:
        """Return the update of a button pressed under a message from `sent`."""
        message = {
            "message_id": sent["message_id"],
            "date": 1_793_961_600,
            "chat": {"id": person, "type": "private"},
            "text": sent["text"],
            "reply_markup": sent["reply_markup"],
        }
        query = {
            "id": str(next(self._query_ids)),
            "from": _user(person),
            "message": message,
            "chat_instance": "1",
            "data": token,
        }
        return self._update("callback_query", query)

    def block(self, *, person: int = PERSON, status: str = "kicked") -> dict[str, Any]:
        """Return the update of a person who blocked the bot (`member`: let it in again)."""
        bot = {"id": int(BOT_ID), "is_bot": True, "first_name": "whosent"}
        change = {
            "chat": {"id": person, "type": "private"},
            "from": _user(person),
            "date": int(time.time()),
            "old_chat_member": {"user": bot, "status": "member"},
            "new_chat_member": {"user": bot, "status": status, "until_date": 0},
        }
        return self._update("my_chat_member", change)

    def _update(self, kind: str, content: dict[str, Any]) -> dict[str, Any]:
        return {"update_id": next(self._update_ids), kind: content}

    def _message(self, person: int) -> dict[str, Any]:
        return {
            "message_id": next(self._message_ids),
            "date": int(time.time()),
            "from": _user(person),
            "chat": {"id": person, "type": "private", "first_name": "Ala"},
        }


def ok(result: Any) -> Answer:
    return Answer.of({"ok": True, "result": result})


def error(status: int, description: str, **parameters: Any) -> Answer:
    """Return an error as the Bot API does."""
    content: dict[str, Any] = {"ok": False, "error_code": status, "description": description}
    return Answer.of({**content, "parameters": parameters} if parameters else content, status)


def _user(person: int) -> dict[str, Any]:
    return {"id": person, "is_bot": False, "first_name": "Ala", "language_code": "pl"}
