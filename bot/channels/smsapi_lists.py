"""Read and change the lists of a client's own SMSAPI account: blacklist, opt-outs. Sends no message.

`DELETE /blacklist/phone_numbers` without an id empties the whole list; a known client library does so when it is
asked to take off one number. Here an entry goes by its id alone, and `_call` lets no other DELETE out.
https://www.smsapi.com/rest/specifications/panel_com.yml
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from typing import Any

import httpx2

from bot.channels.smsapi import FAILURES, PERMANENT, TIMEOUT
from bot.domain.client_lists import Entry, ListedOptOut
from bot.domain.errors import BadInput, SendFailed
from bot.domain.numbers import HOME, HOME_DIGITS, to_e164

BLACKLIST = "/blacklist/phone_numbers"
OPT_OUTS = "/opt_outs"
PAGE = 100  #: entries of a page; unasked, SMSAPI gives five

ID = re.compile(r"[0-9A-Za-z][0-9A-Za-z_-]{0,63}")  # nothing that a path would read as "here" or "above"
NUMBER = re.compile(r"[0-9]{8,16}")
ONE_ENTRY = re.compile(rf"{BLACKLIST}/{ID.pattern}")

REFUSED = frozenset({401, 403})  #: the token is wrong or lacks a right
MISSING = 404
KNOWN_ALREADY = 409


class SmsapiLists:
    """The lists of one SMSAPI account (bot.domain.client_lists.ClientLists).

    api_url: the provider's address. token: the client's own, with the rights profile, blacklist and opt-outs.
    """

    def __init__(self, api_url: str, token: str, *, transport: httpx2.BaseTransport | None = None) -> None:
        self._http = httpx2.Client(
            base_url=api_url,
            timeout=TIMEOUT,
            headers={"Authorization": f"Bearer {token}"},
            follow_redirects=False,
            transport=transport,
        )

    def login(self) -> str:
        username = _object(self._call("GET", "/profile")).get("username")
        if not isinstance(username, str) or not username:
            raise _unreadable()
        return username

    def find(self, number: str) -> Entry | None:
        return next((entry for entry in self._blacklist(q=_digits(number)) if entry.number == number), None)

    def add(self, number: str) -> Entry:
        try:
            answer = self._call("POST", BLACKLIST, json={"phone_number": _digits(number)})
        except SendFailed as failure:
            found = self.find(number) if failure.code == f"http {KNOWN_ALREADY}" else None
            if found is None:
                raise
            return found
        entry = _entry(_object(answer))
        if entry.number != number:
            raise _unreadable()
        return entry

    def remove(self, entry: str) -> None:
        """Take one entry off. Raises BadInput for what is no id, before anything is sent."""
        if not ID.fullmatch(entry):
            raise BadInput("entry", "no id of an entry")
        try:
            self._call("DELETE", f"{BLACKLIST}/{entry}")
        except SendFailed as failure:
            if failure.code != f"http {MISSING}":
                raise

    def blacklist(self) -> Iterator[Entry]:
        return self._blacklist()

    def opt_outs(self) -> Iterator[ListedOptOut] | None:
        try:
            first = self._page(OPT_OUTS, 0)
        except SendFailed as failure:
            if failure.code == "http 403":  # the feature is off, or the token has no right to it
                return None
            raise
        return (_opt_out(one) for one in self._rest(OPT_OUTS, first))

    def close(self) -> None:
        self._http.close()

    def _blacklist(self, **query: str) -> Iterator[Entry]:
        first = self._page(BLACKLIST, 0, **query)
        return (_entry(one) for one in self._rest(BLACKLIST, first, **query))

    def _rest(self, path: str, page: list[Any], **query: str) -> Iterator[dict[str, Any]]:
        """What is on a page and on all after it, each entry once: a list may move while it is read.

        Read until a page brings nothing new. One that is shorter than asked for is not the last for sure:
        how many a page may hold is not documented.
        """
        seen: set[str] = set()
        offset = 0
        while True:
            fresh = [one for one in map(_object, page) if _id(one) not in seen]
            if not fresh:
                return
            yield from fresh
            seen |= set(map(_id, fresh))
            offset += len(page)
            page = self._page(path, offset, **query)

    def _page(self, path: str, offset: int, **query: str) -> list[Any]:
        asked = {**query, "offset": str(offset), "limit": str(PAGE)}
        collection = _object(self._call("GET", path, params=asked)).get("collection")
        if not isinstance(collection, list) or len(collection) > PAGE:
            raise _unreadable()
        return collection

    def _call(self, method: str, path: str, **how: Any) -> Any:
        """One request and what it was answered with. The only place that sends."""
        if method == "DELETE" and (how or not ONE_ENTRY.fullmatch(path)):
            raise BadInput("path", "a DELETE names one entry")
        try:
            answer = self._http.request(method, path, **how)
        except httpx2.TransportError as error:
            raise SendFailed(type(error).__name__, retryable=True) from None
        if answer.status_code == 429:
            pause = answer.headers.get("Retry-After", "")
            raise SendFailed("http 429", retryable=True, retry_after=_seconds(pause))
        if answer.status_code >= 300:
            raise SendFailed(
                f"http {answer.status_code}",
                retryable=answer.status_code >= 500,
                alarm=answer.status_code in REFUSED,
            )
        if not answer.content:
            return {}
        try:
            content = json.loads(answer.text)
        except ValueError:
            raise _unreadable() from None
        if isinstance(content, dict) and content.get("error"):
            code = content["error"]  # errors may come with HTTP 200
            raise SendFailed(str(code)[:20], **_known(code))
        return content


def _known(code: object) -> Mapping[str, Any]:
    return FAILURES.get(code, PERMANENT) if isinstance(code, int) else PERMANENT


def _unreadable() -> SendFailed:
    # A page of HTML, half an answer: worth another attempt, since asking twice does no harm.
    return SendFailed("unreadable answer", retryable=True)


def _object(value: Any) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise _unreadable()
    return value


def _id(one: Mapping[str, Any]) -> str:
    entry = one.get("id")
    if not isinstance(entry, str) or not ID.fullmatch(entry):
        raise _unreadable()
    return entry


def _entry(one: Mapping[str, Any]) -> Entry:
    return Entry(_id(one), _number(one.get("phone_number")))


def _opt_out(one: Mapping[str, Any]) -> ListedOptOut:
    # The number comes as an integer here, and under another name than on the blacklist.
    return ListedOptOut(_id(one), _number(one.get("phoneNumber")), _moment(one.get("date")))


def _number(value: object) -> str | None:
    """E.164 of digits with or without their country code; None for what is no valid number."""
    if isinstance(value, bool) or not isinstance(value, str | int):
        return None
    digits = str(value).removeprefix("+")
    if not NUMBER.fullmatch(digits):
        return None
    return to_e164(digits, region=HOME if len(digits) == HOME_DIGITS else None)


def _digits(number: str) -> str:
    digits = number.removeprefix("+")
    if not NUMBER.fullmatch(digits):
        raise SendFailed("no number")
    return digits


def _moment(value: object) -> datetime | None:
    try:
        at = datetime.fromisoformat(str(value))
    except ValueError:
        return None
    return at.replace(tzinfo=UTC) if at.tzinfo is None else at.astimezone(UTC)


def _seconds(value: str) -> float | None:
    return float(value) if value.isascii() and value.isdecimal() and len(value) < 7 else None
