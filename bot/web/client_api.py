"""Speak with clients' and the provider's machines: sent messages, the gate, opt-outs. Knows no rule.

Errors are problems (RFC 9457). What is not there and what belongs to somebody else read the same.
"""

import hmac
import json
from collections.abc import Callable, Coroutine, Mapping
from datetime import UTC, datetime
from typing import Annotated, Any

from anyio import to_thread
from fastapi import APIRouter, Depends, Request, Response
from fastapi import Query as InQuery
from fastapi.responses import JSONResponse, StreamingResponse
from fastapi.routing import APIRoute

from bot.domain.consent import MessageClass
from bot.domain.errors import BadInput, NotKnown
from bot.domain.imports import ImportReport
from bot.ledger import clients, tokens
from bot.ledger.book import Book, Ledger
from bot.ledger.keys import digest
from bot.ledger.tokens import Grant, Right
from bot.services import acknowledge, check_gate, list_opt_outs
from bot.services.acknowledge import Signed
from bot.services.check_gate import GateAnswer, Query
from bot.services.list_opt_outs import Item
from bot.services.take_sent import take_sent
from bot.settings import WebSettings
from bot.texts import ZONE
from bot.web import opt_outs_csv
from bot.web.pages import Pages

MAX_BODY = 16 * 1024 * 1024  #: bytes
SMALL_BODY = 64 * 1024  #: bytes that anybody may send, as to the hooks
MAX_ROWS = 10_000  #: of one call
LINES = frozenset({"application/x-ndjson", "application/ndjson", "application/jsonl"})
STATUS_TITLES = {
    400: "The body cannot be read",
    401: "A valid token is needed",
    403: "This token may not do this",
    404: "There is nothing for you here",
    413: "The body is too large",
    422: "A value has the wrong form",
}


class Problem(Exception):
    """What the caller is told instead of an answer."""

    def __init__(self, status: int, detail: str = "") -> None:
        super().__init__(STATUS_TITLES[status])
        self.status = status
        self.detail = detail

    def response(self) -> Response:
        body = {"type": "about:blank", "title": STATUS_TITLES[self.status], "status": self.status}
        if self.detail:
            body["detail"] = self.detail
        headers = {"WWW-Authenticate": "Bearer"} if self.status == 401 else None
        return JSONResponse(body, self.status, headers, media_type="application/problem+json")


class _ProblemRoute(APIRoute):
    """A route whose problems are answered here, so that the router needs no handler of the application."""

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        answer = super().get_route_handler()

        async def answer_or_problem(request: Request) -> Response:
            try:
                return await answer(request)
            except Problem as problem:
                return problem.response()

        return answer_or_problem


def router(ledger: Ledger, web_settings: WebSettings, clock: Callable[[], datetime]) -> APIRouter:
    """The routes under /v1. `clock`: aware UTC now."""
    first_use = {name: digest(token) for name, token in web_settings.api_tokens}

    def granted(book: Book, authorization: str) -> Grant:
        scheme, _, token = authorization.partition(" ")
        grant = _of_settings(first_use, token.strip()) or tokens.who(book, token.strip())
        if scheme.casefold() != "bearer" or grant is None:
            raise Problem(401)
        return grant

    def caller(request: Request) -> Grant:
        with ledger.read() as book:
            return granted(book, request.headers.get("authorization", ""))

    async def body(request: Request, _grant: Annotated[Grant, Depends(caller)]) -> bytes:
        """The raw body: nobody without a token has one read."""
        return await _read(request)

    routes = APIRouter(prefix="/v1", route_class=_ProblemRoute, responses=_PROBLEMS)
    Caller = Annotated[Grant, Depends(caller)]
    Body = Annotated[bytes, Depends(body)]

    @routes.post("/sent", openapi_extra=_SENT_DOCS)
    def sent(request: Request, grant: Caller, content: Body) -> JSONResponse:
        """Take up to 10 000 sent messages. Known ids stay as they are; bad rows are told."""
        if Right.FEED not in grant.rights:
            raise Problem(403)
        media_type = request.headers.get("content-type", "").partition(";")[0].strip().casefold()
        rows = _lines(content) if media_type in LINES else _list(_json(content))
        if len(rows) > MAX_ROWS:
            raise Problem(422, f"{MAX_ROWS} rows at most")
        return JSONResponse(_report(take_sent(ledger, rows, clock())))

    @routes.post("/check", openapi_extra=_CHECK_DOCS)
    async def check(request: Request) -> Response:
        """May this client send this class of message to this number? One query or a list of up to 10 000."""
        announced = request.headers.get("content-length", "")
        is_small = announced.isdecimal() and int(announced) <= SMALL_BODY
        # Nobody without a token has a long body read. Of a short one the token is looked up together with the rest:
        # by itself it took a third of the time of a check.
        grant = None if is_small else await to_thread.run_sync(caller, request)
        content = await _read(request)
        return await to_thread.run_sync(checked, grant, request.headers.get("authorization", ""), content)

    def checked(grant: Grant | None, authorization: str, content: bytes) -> Response:
        with ledger.read() as book:
            grant = grant or granted(book, authorization)
            if not grant.rights & {Right.GATE, Right.CLIENT}:
                raise Problem(403)
            asked = _json(content)
            several = asked if isinstance(asked, list) else [asked]
            if len(several) > check_gate.MOST:
                raise Problem(422, f"{check_gate.MOST} queries at most")
            only = None if Right.GATE in grant.rights else grant.client
            answers = check_gate.check(book, [_query(q, n) for n, q in enumerate(several)], only_client=only)
        if isinstance(asked, list):
            return JSONResponse([_answer(answer) for answer in answers])
        if answers[0].reason == "unknown_client":
            raise Problem(404)
        return JSONResponse(_answer(answers[0]))

    def own(grant: Caller, client_id: str | None = None) -> int:
        """The client whose token this is; another's name reads like one that nobody has."""
        if Right.CLIENT not in grant.rights or grant.client is None:
            raise Problem(403)
        if client_id is not None:
            with ledger.read() as book:
                known = clients.find(book, client_id) if client_id.isprintable() else None
            if known != grant.client:
                raise Problem(404)
        return grant.client

    Own = Annotated[int, Depends(own)]

    @routes.get("/optouts", openapi_extra=_OPT_OUTS_DOCS)
    def opt_outs(client: Own, since: Since = None, cursor: str | None = None) -> JSONResponse:
        """The client's own opt-outs, 1 000 a page: those that stand, or with `since` what changed since then."""
        try:
            found = list_opt_outs.page(ledger, client, since=_since(since), cursor=cursor)
        except BadInput as error:
            raise Problem(422, str(error)) from None
        body = {"optouts": [_item(item) for item in found.items], "cursor": found.cursor}
        return JSONResponse(body, headers={"Cache-Control": "no-store"})

    @routes.get("/optouts.csv", openapi_extra=_OPT_OUTS_CSV_DOCS)
    def opt_outs_file(client: Own, since: Since = None) -> StreamingResponse:
        """The same as one CSV file, for a spreadsheet."""
        items = list_opt_outs.walk(ledger, client, since=_since(since))
        return StreamingResponse(
            opt_outs_csv.lines(items), media_type="text/csv; header=present", headers=opt_outs_csv.HEADERS
        )

    pages = Pages()

    @routes.get("/requests/{ref}/ack", include_in_schema=False)
    def ask_to_acknowledge(ref: str, signed: BySigned) -> Response:
        """The page behind the link of a mail. It changes nothing: mail programs open links by themselves."""
        is_good = signed is not None and acknowledge.is_link_good(ledger, ref, signed, now=clock())
        return pages.show(
            "acknowledge.html", status=200 if is_good else 404, reference=ref.upper() if is_good else "",
            acknowledged_at=None,
        )  # fmt: skip

    @routes.post("/requests/{ref}/ack", openapi_extra=_ACK_DOCS)
    def acknowledged(request: Request, ref: str, signed: BySigned) -> Response:
        """The client has the forwarded request. By its token, or by the signed link of the mail."""
        try:
            if signed is None:
                at = acknowledge.acknowledge(ledger, ref, client=own(caller(request)), now=clock())
                return JSONResponse({"reference": ref.upper(), "acknowledged_at": _moment(at)})
            at = acknowledge.acknowledge_by_link(ledger, ref, signed, now=clock())
        except NotKnown:
            if signed is None:
                raise Problem(404) from None
            return pages.show("acknowledge.html", status=404, reference="", acknowledged_at=None)
        return pages.show("acknowledge.html", reference=ref.upper(), acknowledged_at=at)

    return routes


def _signed(
    client: str | None = None, until: str | None = None, signature: str | None = None
) -> Signed | None:
    """What stands in a link of ours; None if there is no such link."""
    if client is None or until is None or signature is None:
        return None
    is_time = until.isascii() and until.isdecimal() and len(until) < 12
    return Signed(client, int(until) if is_time else 0, signature)


BySigned = Annotated[Signed | None, Depends(_signed)]


Since = Annotated[
    str | None, InQuery(description="a day or a moment in ISO 8601; without a zone, Europe/Warsaw")
]


def _since(value: str | None) -> datetime | None:
    """A day or a moment in ISO 8601; without a zone, Warsaw's."""
    if value is None:
        return None
    try:
        # An unescaped plus of "+01:00" arrives as a blank.
        at = datetime.fromisoformat(value.replace(" ", "+") if "T" in value else value)
        return (at if at.tzinfo else at.replace(tzinfo=ZONE)).astimezone(UTC)
    except (ValueError, OverflowError):
        raise Problem(422, "since: a date or a time in ISO 8601") from None


def _item(item: Item) -> dict[str, Any]:
    return {
        "number": item.number,
        "scope": item.scope,
        "covers": item.covers,
        "since": _moment(item.since),
        "lifted_at": None if item.lifted_at is None else _moment(item.lifted_at),
        "reference": item.reference,
    }


def _moment(at: datetime) -> str:
    return at.astimezone(UTC).isoformat().replace("+00:00", "Z")


async def _read(request: Request) -> bytes:
    """The raw body, counted as it comes: a chunked one announces no length."""
    taken = bytearray()
    async for chunk in request.stream():
        taken += chunk
        if len(taken) > MAX_BODY:
            raise Problem(413, f"{MAX_BODY} bytes at most")
    return bytes(taken)


def _of_settings(known: Mapping[str, bytes], token: str) -> Grant | None:
    given = digest(token)
    names = [name for name, held in known.items() if hmac.compare_digest(held, given)]
    return Grant(names[0], frozenset({Right.FEED, Right.GATE})) if names else None


def _json(content: bytes) -> Any:
    try:
        return json.loads(content)
    except (ValueError, RecursionError):
        raise Problem(400, "this is no JSON") from None


def _list(value: object) -> list[Any]:
    if not isinstance(value, list):
        raise Problem(400, "a list of messages is due, or one a line as application/x-ndjson")
    return value


def _lines(content: bytes) -> list[Any]:
    """One value a line; a line that is no JSON becomes a row that is refused with its place."""
    rows: list[Any] = []
    for line in filter(None, map(bytes.strip, content.splitlines())):
        try:
            rows.append(json.loads(line))
        except (ValueError, RecursionError):
            rows.append(None)
    return rows


def _query(value: object, place: int) -> Query:
    if not isinstance(value, dict):
        raise Problem(422, f"query {place}: is no object")
    number, client_id = value.get("number"), value.get("client_id")
    if not isinstance(number, str) or not isinstance(client_id, str):
        raise Problem(422, f"query {place}: number and client_id are due, as text")
    try:
        message_class = MessageClass("" if value.get("class") is None else value["class"])
    except ValueError:
        raise Problem(422, f"query {place}: class is marketing, service, code or empty") from None
    return Query(number, client_id, message_class)


def _answer(answer: GateAnswer) -> dict[str, Any]:
    since = None if answer.since is None else _moment(answer.since)
    return {"allowed": answer.allowed, "reason": answer.reason, "since": since}


def _report(report: ImportReport) -> dict[str, Any]:
    return {
        "read": report.read,
        "new": report.new,
        "unchanged": report.unchanged,
        "refused": [{"row": r.line, "column": r.column, "reason": r.reason} for r in report.refused],
    }


_TEXT = {"type": "string"}
_PROBLEM_TYPE = {
    "type": "object",
    "properties": {"type": _TEXT, "title": _TEXT, "status": {"type": "integer"}, "detail": _TEXT},
    "required": ["type", "title", "status"],
}
_PROBLEMS: dict[int | str, dict[str, Any]] = {
    status: {"description": title, "content": {"application/problem+json": {"schema": _PROBLEM_TYPE}}}
    for status, title in STATUS_TITLES.items()
}
_CLASSES = {"type": ["string", "null"], "enum": [*(c.value for c in MessageClass), None]}
_MESSAGE_TYPE = {
    "type": "object",
    "required": ["message_id", "client_id", "sender", "recipient", "sent_at"],
    "properties": {
        "message_id": _TEXT,
        "client_id": _TEXT,
        "sender": _TEXT,
        "recipient": {"type": "string", "description": "with its country code"},
        "sent_at": {"type": "string", "description": "ISO 8601; without a zone, Europe/Warsaw"},
        "channel": _TEXT,
        "class": _CLASSES,
        "text": {"type": "string", "description": "only a keyed fingerprint of it is kept"},
    },
}
_COUNT = {"type": "integer"}
_REPORT_TYPE = {
    "type": "object",
    "required": ["read", "new", "unchanged", "refused"],
    "properties": {
        "read": _COUNT,
        "new": _COUNT,
        "unchanged": _COUNT,
        "refused": {
            "type": "array",
            "items": {"type": "object", "properties": {"row": _COUNT, "column": _TEXT, "reason": _TEXT}},
        },
    },
}
_QUERY_TYPE = {
    "type": "object",
    "required": ["number", "client_id"],
    "properties": {"number": _TEXT, "client_id": _TEXT, "class": {**_CLASSES, "default": ""}},
}
_ANSWER_TYPE = {
    "type": "object",
    "required": ["allowed", "reason", "since"],
    "properties": {
        "allowed": {"type": "boolean"},
        "reason": {"type": ["string", "null"], "enum": ["stopped", "unknown_client", "not_a_number", None]},
        "since": {"type": ["string", "null"], "format": "date-time"},
    },
}


def _docs(asked: Mapping[str, Any], answered: Mapping[str, Any], *others: str) -> dict[str, Any]:
    content = {kind: {"schema": asked} for kind in ("application/json", *others)}
    answer = {"description": "Done", "content": {"application/json": {"schema": answered}}}
    return {
        "security": [{"bearer": []}],
        "requestBody": {"required": True, "content": content},
        "responses": {"200": answer},
    }


def _one_or_many(kind: Mapping[str, Any]) -> dict[str, Any]:
    return {"anyOf": [kind, {"type": "array", "items": kind, "maxItems": MAX_ROWS}]}


# Anything may stand in the list: what is no such message is refused by its place, and the rest is taken.
_MESSAGES_TYPE = {"type": "array", "items": {"anyOf": [_MESSAGE_TYPE, {}]}, "maxItems": MAX_ROWS}
_MOMENT = {"type": "string", "format": "date-time"}
_ITEM_TYPE = {
    "type": "object",
    "required": ["number", "scope", "covers", "since", "lifted_at", "reference"],
    "properties": {
        "number": _TEXT,
        "scope": {"type": "string", "enum": ["client", "all"]},
        "covers": {"type": "string", "enum": ["marketing", "all"]},
        "since": _MOMENT,
        "lifted_at": {"type": ["string", "null"], "format": "date-time"},
        "reference": _TEXT,
    },
}
_PAGE_TYPE = {
    "type": "object",
    "required": ["optouts", "cursor"],
    "properties": {
        "optouts": {"type": "array", "items": _ITEM_TYPE, "maxItems": list_opt_outs.MOST},
        "cursor": {"type": ["string", "null"], "description": "for the next page; null: this was the last"},
    },
}
_ACK_TYPE = {
    "type": "object",
    "required": ["reference", "acknowledged_at"],
    "properties": {"reference": _TEXT, "acknowledged_at": _MOMENT},
}


def _answered(kind: str, schema: Mapping[str, Any], **others: Mapping[str, Any]) -> dict[str, Any]:
    content = {kind: {"schema": schema}, **{k.replace("_", "/"): {"schema": v} for k, v in others.items()}}
    return {"security": [{"bearer": []}], "responses": {"200": {"description": "Done", "content": content}}}


_OPT_OUTS_DOCS = _answered("application/json", _PAGE_TYPE)
_OPT_OUTS_CSV_DOCS = _answered("text/csv", _TEXT)
_ACK_DOCS = _answered("application/json", _ACK_TYPE, text_html=_TEXT)
_ACK_DOCS["responses"]["404"] = {"content": {"text/html": {"schema": _TEXT}}}
_SENT_DOCS = _docs(_MESSAGES_TYPE, _REPORT_TYPE, *sorted(LINES))
_CHECK_DOCS = _docs(_one_or_many(_QUERY_TYPE), _one_or_many(_ANSWER_TYPE))
