"""Show the support desk: sign in, see who waits, read, claim, answer, hand back, close.

Has no rules of its own: what an agent may do is `services.escalate`'s. Works without a script.
"""

import secrets
from collections.abc import Callable, Coroutine
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Annotated, Any
from urllib.parse import urlsplit

from fastapi import APIRouter, Depends, Form, HTTPException, Request
from fastapi.routing import APIRoute
from starlette.responses import RedirectResponse, Response

from bot.domain.conversation import Level, Owner
from bot.domain.errors import AlreadySettled, BadInput, NotKnown
from bot.domain.messages import Address
from bot.domain.numbers import masked
from bot.ledger import staff, transcripts
from bot.ledger.conversations import Conversation
from bot.ledger.staff import Member
from bot.ledger.unheard import unheard
from bot.services import escalate, sign_in
from bot.services.contracts import House
from bot.settings import WebSettings
from bot.web.pages import Pages

MAY_ACT = frozenset({"agent", "lead"})
REFUSED = "That name and password do not fit. After several tries, wait a few minutes and try again."
OF_ANOTHER_PAGE = "This form was not from this desk, or your session has changed. Please try again."
MAY_ONLY_READ = "Your account may read, but not act."
GONE = "There is no such conversation."
FAILING_LONG = timedelta(hours=1)  #: a client's webhook; shorter outages mend themselves

REFRESH = "x-refresh"
"""Header of the script's own reloads: they do not keep a session alive."""

MEDIA = {"sms": "SMS", "whatsapp": "WhatsApp", "messenger": "Messenger", "telegram": "Telegram"}
STATES = {
    "ready": "about to leave",
    "in_hand": "about to leave",
    "unknown": "unclear, being looked up",
    "sent": "sent",
    "failed": "not sent",
    "cancelled": "not said",
    "expired": "too late, not sent",
    "new": "received",
    "settled": "received",
    "recorded": "received",
    "poisoned": "received, the bot could not answer it",
    "delivered": "delivered",
    "read": "read",
}
LEVELS = {
    Level.ANONYMOUS: "unverified: a chat without a number",
    Level.ASSERTED: "unverified: number as the network gave it",
    Level.CONTACT: "verified: shared their own contact",
    Level.PROVEN: "verified: by a code",
    Level.ACCOUNT: "verified: by a code to the account",
}
TOPICS = {
    "human": "wants a person",
    "report_scam": "scam report",
    "limited": "too many messages",
    "poisoned": "the bot could not answer",
}
AUDIENCES = {
    "recipient": "recipient",
    "direct_client": "direct client",
    "visitor": "website visitor",
    "unknown": "not known who",
}


@dataclass(frozen=True, slots=True)
class Visit:
    """A request of somebody signed in."""

    member: Member
    csrf: str = field(repr=False)
    token: str = field(repr=False)

    @property
    def may_act(self) -> bool:
        return self.member.role in MAY_ACT


class Desk:
    """What the routes share: the house, the cookie, the pages."""

    def __init__(self, house: House, web: WebSettings, clock: Callable[[], datetime]) -> None:
        self.house = house
        self.clock = clock
        self._pages = Pages()
        self._origin = web.public_url
        self._is_https = web.public_url.startswith("https:")
        # A browser keeps a __Host- cookie only from https, and then no subdomain can set it.
        self._session = "__Host-whosent" if self._is_https else "whosent"
        self._form = "__Host-whosent-form" if self._is_https else "whosent-form"

    def visit(self, request: Request) -> Visit:
        """Who is there; sent to sign in otherwise."""
        token = request.cookies.get(self._session, "")
        now = self.clock()
        with self.house.ledger.read() as book:
            found = staff.session(book, token, now=now) if token else None
        if found is None:
            raise HTTPException(303, headers={"Location": "/desk/sign-in"})
        if REFRESH not in request.headers:
            with self.house.ledger.write() as book:
                staff.touch(book, token, now=now)
        return Visit(found.member, found.csrf, token)

    def sent_form(self, request: Request, csrf: Annotated[str, Form()] = "") -> Visit:
        """Who sent a form of ours; 403 for one of another site."""
        visit = self.visit(request)
        if not self.is_ours(request) or not secrets.compare_digest(csrf.encode(), visit.csrf.encode()):
            raise HTTPException(403, OF_ANOTHER_PAGE)
        return visit

    def actor(self, request: Request, csrf: Annotated[str, Form()] = "") -> Visit:
        """Like `sent_form`, and the account may act."""
        visit = self.sent_form(request, csrf)
        if not visit.may_act:
            raise HTTPException(403, MAY_ONLY_READ)
        return visit

    def is_ours(self, request: Request) -> bool:
        """Does the browser say that a page of this desk sent the form?

        By Sec-Fetch-Site, which no page can forge; where it is missing (plain http) by Origin, which every
        browser sends with a form.
        """
        site = request.headers.get("sec-fetch-site")
        if site is not None:
            return site == "same-origin"
        origin = request.headers.get("origin", "")
        return origin != "" and (
            origin == self._origin or urlsplit(origin).netloc == request.headers.get("host", "")
        )

    def page(self, template: str, *, status: int = 200, **values: object) -> Response:
        brand = self.house.texts.provider.brand
        response = self._pages.show(template, status=status, brand=brand, **values)
        # Forms must come with their Origin, which no-referrer makes "null"; other sites still learn nothing.
        response.headers["Referrer-Policy"] = "same-origin"
        return response

    def sign_in_page(self, *, alert: str = "", status: int = 200) -> Response:
        """With a form token of its own: before there is a session, a cookie holds the other half."""
        csrf = secrets.token_urlsafe(32)
        response = self.page("sign_in.html", status=status, csrf=csrf, alert=alert)
        self._give(response, self._form, csrf)
        return response

    def is_own_sign_in(self, request: Request, csrf: str) -> bool:
        held = request.cookies.get(self._form, "")
        return self.is_ours(request) and bool(held) and secrets.compare_digest(held.encode(), csrf.encode())

    def signed_in(self, request: Request, token: str) -> Response:
        """On to the list, with a new session; the one before is over."""
        if old := request.cookies.get(self._session):
            sign_in.sign_out(self.house.ledger, old, now=self.clock())
        response = RedirectResponse("/desk", 303)
        self._give(response, self._session, token)
        self._take_away(response, self._form)
        return response

    def signed_out(self, visit: Visit) -> Response:
        sign_in.sign_out(self.house.ledger, visit.token, now=self.clock())
        response = RedirectResponse("/desk/sign-in", 303)
        self._take_away(response, self._session)
        return response

    def _give(self, response: Response, name: str, value: str) -> None:
        response.set_cookie(name, value, path="/", secure=self._is_https, httponly=True, samesite="lax")

    def _take_away(self, response: Response, name: str) -> None:
        response.delete_cookie(name, path="/", secure=self._is_https, httponly=True, samesite="lax")


def router(house: House, web: WebSettings, clock: Callable[[], datetime]) -> APIRouter:
    """Every page of the desk, under /desk."""
    desk = Desk(house, web, clock)
    routes = APIRouter(prefix="/desk", route_class=_route_class(desk))
    _door(desk, routes)
    _reading(desk, routes)
    _acting(desk, routes)
    return routes


def _route_class(desk: Desk) -> type[APIRoute]:
    """Routes that show a refusal as a page, not as JSON."""

    class _Route(APIRoute):
        def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
            inner = super().get_route_handler()

            async def shown(request: Request) -> Response:
                try:
                    return await inner(request)
                except HTTPException as refusal:
                    if refusal.status_code == 303:
                        raise
                    return desk.page("refusal.html", status=refusal.status_code, reason=refusal.detail)

            return shown

    return _Route


def _door(desk: Desk, routes: APIRouter) -> None:
    @routes.get("/sign-in")
    def ask() -> Response:
        return desk.sign_in_page()

    @routes.post("/sign-in")
    def enter(
        request: Request,
        name: Annotated[str, Form()] = "",
        password: Annotated[str, Form()] = "",
        csrf: Annotated[str, Form()] = "",
    ) -> Response:
        if not desk.is_own_sign_in(request, csrf):
            return desk.sign_in_page(alert=OF_ANOTHER_PAGE, status=403)
        token = sign_in.sign_in(desk.house.ledger, name, password, now=desk.clock())
        if token is None:
            return desk.sign_in_page(alert=REFUSED, status=403)
        return desk.signed_in(request, token)

    @routes.post("/sign-out")
    def leave(visit: Annotated[Visit, Depends(desk.sent_form)]) -> Response:
        return desk.signed_out(visit)


def _reading(desk: Desk, routes: APIRouter) -> None:
    @routes.get("")
    def waiting(visit: Annotated[Visit, Depends(desk.visit)]) -> Response:
        with desk.house.ledger.read() as book:
            cards = [_listed(c, desk.clock()) for c in escalate.waiting(book, staff=visit.member.id)]
            with_case = [_listed(c, desk.clock()) for c in escalate.with_open_cases(book)]
            not_told = unheard(book, failing_before=desk.clock() - FAILING_LONG)
        mine = [c for c in cards if c.owner == Owner.HUMAN]
        open_to_all = [c for c in cards if c.owner == Owner.WAITING]
        return desk.page(
            "list.html", visit=visit, mine=mine, waiting=open_to_all, with_case=with_case, not_told=not_told
        )

    @routes.get("/conversations/{number:int}")
    def one(number: int, visit: Annotated[Visit, Depends(desk.visit)]) -> Response:
        return _conversation(desk, visit, number)


def _acting(desk: Desk, routes: APIRouter) -> None:
    """Each form calls one verb of `escalate` and shows where the agent goes next, or why it was refused."""

    @routes.post("/conversations/{number:int}/claim")
    def claim(number: int, visit: Annotated[Visit, Depends(desk.actor)]) -> Response:
        return _done(
            desk, visit, number, lambda by, now: escalate.claim(desk.house, number, staff=by, now=now)
        )

    @routes.post("/conversations/{number:int}/answer")
    def answer(
        number: int, visit: Annotated[Visit, Depends(desk.actor)], text: Annotated[str, Form()] = ""
    ) -> Response:
        # A browser sends line ends as CR LF; people wrote one character.
        said = text.replace("\r\n", "\n")
        return _done(
            desk,
            visit,
            number,
            lambda by, now: escalate.answer(desk.house, number, said, staff=by, now=now),
            draft=said,
        )

    @routes.post("/conversations/{number:int}/hand-back")
    def hand_back(number: int, visit: Annotated[Visit, Depends(desk.actor)]) -> Response:
        return _done(
            desk,
            visit,
            number,
            lambda by, now: escalate.hand_back(desk.house, number, staff=by, now=now),
            to="/desk",
        )

    @routes.post("/conversations/{number:int}/close")
    def close(number: int, visit: Annotated[Visit, Depends(desk.actor)]) -> Response:
        return _done(
            desk,
            visit,
            number,
            lambda by, now: escalate.close(desk.house, number, staff=by, now=now),
            to="/desk",
        )


def _done(
    desk: Desk,
    visit: Visit,
    number: int,
    act: Callable[[int, datetime], object],
    *,
    to: str = "",
    draft: str = "",
) -> Response:
    try:
        act(visit.member.id, desk.clock())
    except AlreadySettled as settled:
        return _conversation(desk, visit, number, alert=_sentence(str(settled)), status=409, draft=draft)
    except BadInput as bad:
        return _conversation(desk, visit, number, alert=_sentence(bad.reason), status=400, draft=draft)
    except NotKnown:
        raise HTTPException(404, GONE) from None
    return RedirectResponse(to or f"/desk/conversations/{number}", 303)


def _conversation(
    desk: Desk, visit: Visit, number: int, *, alert: str = "", status: int = 200, draft: str = ""
) -> Response:
    now = desk.clock()
    try:
        with desk.house.ledger.read() as book:
            card = escalate.card(book, number)
            lines = transcripts.of(book, number)
            claimed_by = card.conversation.claimed_by
            agent = staff.name_of(book, claimed_by) if claimed_by is not None else ""
    except NotKnown:
        raise HTTPException(404, GONE) from None
    return desk.page(
        "conversation.html",
        status=status,
        visit=visit,
        card=_listed(card, now),
        cases=card.cases,
        lines=lines,
        agent=agent,
        is_mine=claimed_by == visit.member.id,
        is_waiting=card.conversation.owner is Owner.WAITING,
        alert=alert,
        draft=draft,
        states=STATES,
        longest=escalate.LONGEST_ANSWER,
        topic=topic,
        audience=AUDIENCES,
    )


@dataclass(frozen=True, slots=True)
class Listed:
    """One conversation in the words of the desk."""

    id: int
    who: str
    medium: str
    language: str
    owner: Owner
    waiting_since: datetime | None
    topic: str
    due: object
    is_overdue: bool
    is_urgent: bool
    is_verified: bool
    level: str


def _listed(card: escalate.Card, now: datetime) -> Listed:
    conversation = card.conversation
    level = conversation.level_at(now)
    return Listed(
        id=conversation.id,
        who=who(conversation),
        medium=MEDIA.get(conversation.address.medium, conversation.address.medium),
        language=conversation.language or "",
        owner=conversation.owner,
        waiting_since=conversation.waiting_since,
        topic=topic(card.cases[0].topic) if card.cases else "",
        due=card.earliest_due,
        is_overdue=card.earliest_due is not None and card.earliest_due < now.date(),
        is_urgent=any(case.is_urgent for case in card.cases),
        is_verified=level >= Level.CONTACT,
        level=LEVELS[level],
    )


def who(conversation: Conversation) -> str:
    """A person as staff sees them: enough to tell two apart, not enough to call."""
    address: Address = conversation.address
    if address.number is not None:
        return masked(address.number)
    return f"{MEDIA.get(address.medium, 'chat')} …{address.person[-3:]}"


def topic(name: str) -> str:
    """A case's topic in the words of the desk."""
    if name in TOPICS:
        return TOPICS[name]
    return name.removeprefix("rights_").replace("_", " ") + (" request" if name.startswith("rights_") else "")


def _sentence(reason: str) -> str:
    return reason[:1].upper() + reason[1:] + "."
