"""Stand in for Twilio: messages, numbers, signed hooks. Carries no message."""

from __future__ import annotations

import base64
import itertools
from datetime import UTC, datetime
from email.utils import format_datetime
from typing import Any
from urllib.parse import urlencode
from uuid import uuid4

from twilio.request_validator import RequestValidator  # type: ignore[import-untyped]

from tests.standins import Answer, Call, HookReply, StandIn, post_hook

ACCOUNT = "AC" + "1f" * 16
TOKEN = "b7d1" * 8
NUMBER = "+48732000001"
PERSON = "+48500100200"
SERVICE = "MG" + "5a" * 16


class TwilioStandIn(StandIn):
    """`sent` holds the fields of each message taken, with its `sid`.

    `unsubscribed`: people it refuses with 21610. `messages`: all of them, in and out, oldest first.
    """

    def __init__(
        self, *, account: str = ACCOUNT, token: str = TOKEN, numbers: tuple[str, ...] = (NUMBER,)
    ) -> None:
        super().__init__()
        self.account = account
        self.token = token
        self.unsubscribed: set[str] = set()
        self.messages: list[dict[str, Any]] = []
        self.numbers = {
            f"PN{index:032x}": {
                "sid": f"PN{index:032x}",
                "account_sid": account,
                "phone_number": number,
                "sms_url": "",
                "sms_method": "POST",
                "sms_fallback_url": "",
                "sms_fallback_method": "POST",
            }
            for index, number in enumerate(numbers, start=1)
        }
        self.service: dict[str, Any] = {
            "sid": SERVICE,
            "account_sid": account,
            "inbound_request_url": None,
            "inbound_method": "POST",
            "use_inbound_webhook_on_number": False,
        }

    def is_send(self, call: Call) -> bool:
        return call.method == "POST" and call.path.endswith("/Messages.json")

    def answer(self, call: Call) -> Answer:
        wanted = base64.b64encode(f"{self.account}:{self.token}".encode()).decode()
        if call.headers.get("authorization") != f"Basic {wanted}":
            return error(401, 20003, "Authenticate")
        home = f"/2010-04-01/Accounts/{self.account}"
        match call.method, call.path.removeprefix(home):
            case "GET", ".json":
                return Answer.of({"sid": self.account, "status": "active", "friendly_name": "stand-in"})
            case "POST", "/Messages.json":
                return self._create(call.form)
            case "GET", "/Messages.json":
                return self._list(call, home)
            case "GET", "/IncomingPhoneNumbers.json":
                return Answer.of(
                    {"incoming_phone_numbers": list(self.numbers.values()), "next_page_uri": None}
                )
            case "POST", path if path.startswith("/IncomingPhoneNumbers/"):
                number = self.numbers[path.removeprefix("/IncomingPhoneNumbers/").removesuffix(".json")]
                number.update(_settings(call.form, number))
                return Answer.of(number)
            case method, path if path == f"/v1/Services/{SERVICE}":
                if method == "POST":
                    self.service.update(_settings(call.form, self.service))
                return Answer.of(self.service)
        return error(404, 20404, "The requested resource was not found")

    def _create(self, form: dict[str, str]) -> Answer:
        if not form.get("Body"):
            return error(400, 21602, "Message body is required.")
        if len(form["Body"]) > 1600:
            return error(400, 21617, "The concatenated message body exceeds the 1600 character limit.")
        if not form.get("From") and not form.get("MessagingServiceSid"):
            return error(400, 21603, "A 'From' phone number is required.")
        if form.get("To", "") in self.unsubscribed:
            return error(400, 21610, f"Attempt to send to unsubscribed recipient {form['To']}")
        message = self._record(
            form.get("From"), form["To"], form["Body"], direction="outbound-api", status="queued"
        )
        message["messaging_service_sid"] = form.get("MessagingServiceSid")
        with self.changed:
            self.sent.append({**form, "sid": message["sid"]})
        return Answer.of(message, 201)

    def _record(
        self, from_: str | None, to: str, body: str, *, direction: str, status: str
    ) -> dict[str, Any]:
        now = format_datetime(datetime.now(UTC))
        message = {
            "sid": f"SM{uuid4().hex}",
            "account_sid": self.account,
            "from": from_,
            "to": to,
            "body": body,
            "direction": direction,
            "status": status,
            "date_created": now,
            # Empty until a message has left the queue, as with the provider.
            "date_sent": None if status == "queued" else now,
            "error_code": None,
        }
        self.messages.append(message)
        return message

    def _list(self, call: Call, home: str) -> Answer:
        after = call.query.get("DateSent>")
        found = [
            message
            for message in reversed(self.messages)
            if call.query.get("To", message["to"]) == message["to"]
            and call.query.get("From", message["from"]) == message["from"]
            and (after is None or _sent_after(message, after))
        ]
        size, page = int(call.query.get("PageSize", 50)), int(call.query.get("Page", 0))
        rest = itertools.islice(found, size * page, size * (page + 1))
        following = {**call.query, "Page": str(page + 1)}
        more = f"{home}/Messages.json?{urlencode(following)}" if len(found) > size * (page + 1) else None
        return Answer.of({"messages": list(rest), "next_page_uri": more})

    def receive(
        self, body: str, *, from_: str = PERSON, to: str = NUMBER, sent_at: datetime | None = None
    ) -> str:
        """Note a message that a person sent, without calling the hook; return its id. A sweep finds it."""
        message = self._record(from_, to, body, direction="inbound", status="received")
        if sent_at is not None:
            message["date_sent"] = message["date_created"] = format_datetime(sent_at)
        return str(message["sid"])

    def post_inbound(
        self,
        url: str,
        body: str,
        *,
        from_: str = PERSON,
        to: str = NUMBER,
        sid: str | None = None,
        **more: str,
    ) -> HookReply:
        """Call the hook, correctly signed. With `sid` the delivery of an earlier message is repeated."""
        sid = sid or self.receive(body, from_=from_, to=to)
        return self.post_signed(url, inbound_fields(self.account, sid, body, from_=from_, to=to, **more))

    def post_status(self, sent: dict[str, Any], state: str, *, code: int | None = None) -> HookReply:
        """Call the status callback of a message from `sent`."""
        fields = {
            "MessageSid": sent["sid"],
            "SmsSid": sent["sid"],
            "MessageStatus": state,
            "SmsStatus": state,
            "AccountSid": self.account,
            "From": sent.get("From", ""),
            "To": sent["To"],
            "ApiVersion": "2010-04-01",
        }
        if code is not None:
            fields["ErrorCode"] = str(code)
        return self.post_signed(sent["StatusCallback"], fields)

    def post_signed(self, url: str, fields: dict[str, str]) -> HookReply:
        """Call a hook with these fields and their signature."""
        headers = {
            "Content-Type": "application/x-www-form-urlencoded; charset=UTF-8",
            "X-Twilio-Signature": signature(self.token, url, fields),
        }
        return post_hook(url, urlencode(fields).encode(), headers)


def inbound_fields(
    account: str, sid: str, body: str, *, from_: str = PERSON, to: str = NUMBER, **more: str
) -> dict[str, str]:
    """Return what a hook carries for an SMS, blanks included."""
    return {
        "ToCountry": "PL",
        "ToState": "",
        "ToCity": "",
        "ToZip": "",
        "SmsMessageSid": sid,
        "NumMedia": "0",
        "FromCity": "",
        "FromZip": "",
        "FromCountry": "PL",
        "SmsSid": sid,
        "SmsStatus": "received",
        "Body": body,
        "To": to,
        "NumSegments": "1",
        "MessageSid": sid,
        "AccountSid": account,
        "From": from_,
        "ApiVersion": "2010-04-01",
        **more,
    }


def signature(token: str, url: str, fields: dict[str, str]) -> str:
    return str(RequestValidator(token).compute_signature(url, fields))


def error(status: int, code: int, message: str) -> Answer:
    """Return an error as Twilio words it."""
    more_info = f"https://www.twilio.com/docs/errors/{code}"
    return Answer.of({"code": code, "message": message, "more_info": more_info, "status": status}, status)


def _sent_after(message: dict[str, Any], after: str) -> bool:
    if message["date_sent"] is None:
        return False
    sent = datetime.strptime(message["date_sent"], "%a, %d %b %Y %H:%M:%S %z")
    return sent >= datetime.fromisoformat(after)


def _settings(form: dict[str, str], known: dict[str, Any]) -> dict[str, str]:
    """Return the fields of an update, renamed as the answer has them (`SmsUrl` → `sms_url`)."""
    renamed = {"".join(f"_{c.lower()}" if c.isupper() else c for c in n)[1:]: v for n, v in form.items()}
    return {name: value for name, value in renamed.items() if name in known}
