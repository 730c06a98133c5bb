"""Stand in for SMSAPI: sending with its memory of idx, callbacks, blacklist, opt-outs. Carries no message."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any
from urllib.parse import urlencode

from tests.standins import Answer, Call, HookReply, StandIn, post_hook

TOKEN = "smsapi-token-7f3e9a1c5b"
PERSON = "48500100200"
RECEIVER = "48732000001"
SENT_AT = 1_793_961_600
STATES = {"SENT": 403, "DELIVERED": 404, "UNDELIVERED": 405, "EXPIRED": 402, "FAILED": 406, "REJECTED": 407}


class SmsapiStandIn(StandIn):
    """`sent` holds the fields of each message taken, with its `id`.

    `approved`: sender names it takes. `blacklist` (id → number) makes error 13, as the real one does.
    `points`: what is left; at zero, error 103. `opt_outs`: None if the account has no such page.
    `login`: whose account it is.
    """

    def __init__(
        self,
        *,
        token: str = TOKEN,
        approved: tuple[str, ...] = ("2way", "eco", "SHOPXYZ"),
        login: str = "demo",
    ) -> None:
        super().__init__()
        self.token = token
        self.approved = set(approved)
        self.points = 100.0
        self.ids: dict[str, str] = {}
        self.callbacks: dict[str, dict[str, Any]] = {}
        self.blacklist: dict[str, str] = {}
        self.blacklisted_ever = 0
        self.opt_outs: list[str] | None = []
        self.login = login

    def is_send(self, call: Call) -> bool:
        return call.path == "/sms.do"

    def answer(self, call: Call) -> Answer:
        if call.headers.get("authorization") != f"Bearer {self.token}":
            if call.path == "/sms.do":
                return error(101, "Authorization failed")
            return Answer.of({"message": "Authorization failed", "error": "authorization_failed"}, 401)
        parts = call.path.strip("/").split("/")
        match call.method, parts:
            case "POST", ["sms.do"]:
                return self._send(call.fields)
            case "GET", ["profile"]:
                return Answer.of({"username": self.login, "points": self.points, "payment_type": "prepaid"})
            case method, ["callbacks", *rest]:
                return self._callbacks(method, rest, call)
            case method, ["blacklist", "phone_numbers", *rest]:
                return self._blacklist(method, rest, call)
            case "GET", ["opt_outs"]:
                if self.opt_outs is None:
                    return Answer.of({"message": "Forbidden", "error": "forbidden"}, 403)
                entries = [
                    {"id": f"{index:024x}", "phoneNumber": int(number), "date": "2026-11-01T10:00:00Z"}
                    for index, number in enumerate(self.opt_outs)
                ]
                return Answer.of({"collection": _page(entries, call)})
        return Answer.of({"message": "Not Found", "error": "not_found"}, 404)

    def _send(self, fields: Mapping[str, Any]) -> Answer:
        text, to, sender = (
            str(fields.get("message", "")),
            str(fields.get("to", "")),
            fields.get("from", "Test"),
        )
        idx = str(fields.get("idx", ""))
        as_json = fields.get("format") == "json"
        code = self._refusal(text, to, str(sender), fields)
        if code is None and fields.get("check_idx") == "1" and idx in self.ids:
            code = 53
        if code is not None:
            return error(code, "refused") if as_json else Answer(200, f"ERROR:{code}".encode())
        message_id = str(7_074_294_081_650_020_450 + len(self.sent))
        self.ids[idx] = message_id
        self.points -= 0.165
        with self.changed:
            self.sent.append({**fields, "id": message_id})
        if not as_json:
            return Answer(200, f"OK:{message_id}:0.165".encode())
        entry = {
            "id": message_id,
            "points": 0.165,
            "number": to,
            "date_sent": SENT_AT,
            "submitted_number": to,
            "status": "QUEUE",
            "error": None,
            "idx": idx,
            "parts": 1,
        }
        return Answer.of({"count": 1, "list": [entry]})

    def _refusal(self, text: str, to: str, sender: str, fields: Mapping[str, Any]) -> int | None:
        if not text or (fields.get("nounicode") == "1" and not text.isascii()):
            return 11
        if len(text) > 153 * int(fields.get("max_parts", 6)):
            return 12
        if sender not in self.approved:
            return 14
        if len(str(fields.get("idx", ""))) > 255:
            return 27
        if not re.fullmatch(r"[0-9]{8,16}", to) or to in self.blacklist.values():
            return 13
        return 103 if self.points <= 0 else None

    def _callbacks(self, method: str, rest: list[str], call: Call) -> Answer:
        match method, rest:
            case "GET", []:
                entries = list(self.callbacks.values())
                return Answer.of({"size": len(entries), "collection": _page(entries, call, limit=100)})
            case "POST", []:
                wanted = call.fields
                if "type" not in wanted or (wanted["type"].endswith("_mo") and "receiver_type" not in wanted):
                    return Answer.of({"message": "invalid", "error": "invalid_request_data"}, 400)
                callback = {
                    "id": f"{len(self.callbacks) + 1:024x}",
                    "type": wanted["type"],
                    "url": wanted["url"],
                    "api_version": wanted.get("api_version", 1),
                    "receiver": {"type": wanted["receiver_type"]} if "receiver_type" in wanted else None,
                    "active": True,
                    "invalid": None,
                }
                self.callbacks[callback["id"]] = callback
                return Answer.of(callback, 201)
            case _, [known, *command] if known in self.callbacks:
                return self._callback(method, self.callbacks[known], command, call)
        return Answer.of({"message": "Not Found", "error": "not_found"}, 404)

    def _callback(self, method: str, callback: dict[str, Any], command: list[str], call: Call) -> Answer:
        match method, command:
            case "PUT", []:
                callback.update(call.fields)
            case "PUT", ["commands", "activate"]:
                callback["active"] = True
            case "PUT", ["commands", "deactivate"]:
                callback["active"] = False
            case "GET", ["commands", "test"]:
                return Answer.of({"test_result": callback["active"], "connection_failed": False})
        return Answer.of(callback)

    def _blacklist(self, method: str, rest: list[str], call: Call) -> Answer:
        match method, rest:
            case "GET", []:
                wanted = call.query.get("q", "")
                entries = [
                    {"id": key, "phone_number": number, "expire_at": None}
                    for key, number in self.blacklist.items()
                    if wanted in number
                ]
                return Answer.of({"size": len(entries), "collection": _page(entries, call)})
            case "POST", []:
                number = str(call.fields["phone_number"])
                if number in self.blacklist.values():
                    return Answer.of({"message": "Conflict", "error": "phone_number_exists"}, 409)
                self.blacklisted_ever += 1
                key = f"{self.blacklisted_ever:024x}"
                self.blacklist[key] = number
                return Answer.of({"id": key, "phone_number": number, "expire_at": None}, 201)
            case "DELETE", []:
                # Without the query the whole list is gone: the trap of this endpoint.
                only = call.query.get("phone_number")
                gone = [key for key, number in self.blacklist.items() if only is None or number == only]
                for key in gone:
                    del self.blacklist[key]
                return Answer(204)
            case "DELETE", [key]:
                return Answer(204 if self.blacklist.pop(key, None) else 404)
        return Answer(405)

    def post_message(self, url: str, text: str, **more: str) -> HookReply:
        """Call the hook of inbound messages, `?k=…` included in the URL."""
        return self.post_form(url, message_fields(text, **more))

    def post_form(self, url: str, fields: Mapping[str, str]) -> HookReply:
        headers = {"Content-Type": "application/x-www-form-urlencoded"}
        return post_hook(url, urlencode(fields).encode(), headers)

    def get_reports(self, url: str, *reports: tuple[dict[str, Any], str]) -> HookReply:
        """Call the hook of delivery reports with one to five (message from `sent`, state)."""
        query = urlencode(report_fields(*reports), safe=",")
        return post_hook(f"{url}&{query}" if "?" in url else f"{url}?{query}", b"", {}, method="GET")


def message_fields(text: str, **more: str) -> dict[str, str]:
    """Return what an inbound message carries."""
    return {
        "sms_to": RECEIVER,
        "sms_from": PERSON,
        "sms_text": text,
        "sms_date": str(SENT_AT),
        "username": "demo",
        **more,
    }


def report_fields(*reports: tuple[dict[str, Any], str]) -> dict[str, str]:
    """Return the comma-joined fields of delivery reports."""
    rows = [
        {
            "MsgId": sent["id"],
            "status": str(STATES[state]),
            "status_name": state,
            "idx": str(sent.get("idx", "")),
            "to": str(sent.get("to", "")),
            "donedate": str(SENT_AT + 5),
            "mcc": "260",
        }
        for sent, state in reports
    ]
    return {name: ",".join(row[name] for row in rows) for name in rows[0]}


def error(code: int, message: str) -> Answer:
    """Return an error as SMSAPI does: with HTTP 200."""
    return Answer.of({"error": code, "message": message, "invalid_numbers": []})


def _page(entries: list[dict[str, Any]], call: Call, *, limit: int = 5) -> list[dict[str, Any]]:
    start, size = int(call.query.get("offset", 0)), int(call.query.get("limit", limit))
    return entries[start : start + size]
