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

from bot.domain.conversation import Owner
from bot.domain.errors import AlreadySettled, BadInput, NotKnown
from bot.ledger import cases, staff, transcripts
from bot.ledger.staff import Member
from bot.ledger.unheard import unheard
from bot.services import acknowledge, decide_request, escalate, request_rights, sign_in
from bot.services.contracts import House
from bot.settings import WebSettings
from bot.web.desk import words
from bot.web.pages import Pages

MAY_ACT = frozenset({"agent", "lead"})
REFUSED = "That name and password do not fit. After several tries, wait a few minutes and try again."
OF_ANOTHER_PAGE = "This form was not from this desk, or your session has changed. Please try again."
MAY_ONLY_READ = "Your account may read, but not act."
GONE = "There is no such conversation."
NO_CASE = "There is no such case."
FAILING_LONG = timedelta(hours=1)  #: a client's webhook; shorter outages mend themselves

REFRESH = "x-refresh"
"""Header of the script's own reloads: they do not keep a session alive."""


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
    _deciding(desk, routes)
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
        now = desk.clock()
        with desk.house.ledger.read() as book:
            cards = [words.listed(c, now) for c in escalate.waiting(book, staff=visit.member.id)]
            with_case = [words.listed(c, now) for c in escalate.with_open_cases(book)]
            due = [words.to_do(d, now) for d in escalate.due(book)]
            not_told = unheard(book, failing_before=now - FAILING_LONG)
            possible = [words.to_do(d, now) for d in escalate.possible(book)]
        mine = [c for c in cards if c.owner == Owner.HUMAN]
        open_to_all = [c for c in cards if c.owner == Owner.WAITING]
        return desk.page(
            "list.html",
            visit=visit,
            due=due,
            overdue=sum(case.is_overdue for case in due),
            mine=mine,
            waiting=open_to_all,
            possible=possible,
            with_case=with_case,
            not_told=not_told,
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
        said = _written(text)
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


def _deciding(desk: Desk, routes: APIRouter) -> None:
    """What support decides about one case: more time, a refusal, and what a client said or got by other ways."""
    Actor = Annotated[Visit, Depends(desk.actor)]

    @routes.post("/cases/{case:int}/extend")
    def extend(
        case: int, visit: Actor, reason: Annotated[str, Form()] = "", months: Annotated[str, Form()] = ""
    ) -> Response:
        further = int(months) if months in ("1", "2") else 0
        return _decided(
            desk, visit, case,
            lambda by, now: decide_request.extend(
                desk.house, case, months=further, reason=_written(reason), staff=by, now=now
            ),
            reason=_written(reason),
        )  # fmt: skip

    @routes.post("/cases/{case:int}/refuse")
    def refuse(case: int, visit: Actor, reason: Annotated[str, Form()] = "") -> Response:
        return _decided(
            desk, visit, case,
            lambda by, now: decide_request.refuse(
                desk.house, case, reason=_written(reason), staff=by, now=now
            ),
            reason=_written(reason),
        )  # fmt: skip

    @routes.post("/cases/{case:int}/passed-on")
    def passed_on(case: int, visit: Actor) -> Response:
        ledger = desk.house.ledger
        return _decided(
            desk, visit, case, lambda by, now: request_rights.passed_on(ledger, case, staff=by, now=now)
        )

    @routes.post("/cases/{case:int}/acknowledged")
    def acknowledged(case: int, visit: Actor) -> Response:
        ledger = desk.house.ledger
        return _decided(
            desk, visit, case,
            lambda by, now: acknowledge.acknowledge_by_staff(ledger, case, staff=by, now=now),
        )  # fmt: skip

    @routes.post("/cases/{case:int}/verified")
    def verified(case: int, visit: Actor) -> Response:
        return _decided(
            desk, visit, case, lambda by, now: escalate.verify(desk.house, case, staff=by, now=now)
        )


def _written(text: str) -> str:
    # A browser sends line ends as CR LF; people wrote one character.
    return text.replace("\r\n", "\n")


def _decided(
    desk: Desk, visit: Visit, case: int, act: Callable[[int, datetime], object], *, reason: str = ""
) -> Response:
    """Do it and show the case's conversation, or why it was refused, with what was written."""
    try:
        with desk.house.ledger.read() as book:
            number = cases.get(book, case).conversation
    except NotKnown:
        raise HTTPException(404, NO_CASE) from None
    if number is None:
        raise HTTPException(409, GONE)
    return _done(desk, visit, number, act, reason=Reason(case, reason))


@dataclass(frozen=True, slots=True)
class Reason:
    """What an agent wrote about a case and could not send, to be mended."""

    case: int = 0
    text: str = field(default="", repr=False)


def _done(
    desk: Desk,
    visit: Visit,
    number: int,
    act: Callable[[int, datetime], object],
    *,
    to: str = "",
    draft: str = "",
    reason: Reason = Reason(),
) -> Response:
    try:
        act(visit.member.id, desk.clock())
    except AlreadySettled as settled:
        alert, status = _sentence(str(settled)), 409
        return _conversation(desk, visit, number, alert=alert, status=status, draft=draft, reason=reason)
    except BadInput as bad:
        alert, status = _sentence(bad.reason), 400
        return _conversation(desk, visit, number, alert=alert, status=status, draft=draft, reason=reason)
    except NotKnown:
        raise HTTPException(404, GONE) from None
    return RedirectResponse(to or f"/desk/conversations/{number}", 303)


def _conversation(
    desk: Desk,
    visit: Visit,
    number: int,
    *,
    alert: str = "",
    status: int = 200,
    draft: str = "",
    reason: Reason = Reason(),
) -> Response:
    now = desk.clock()
    try:
        with desk.house.ledger.read() as book:
            card = escalate.card(book, number)
            files = [words.file(book, case, now) for case in card.cases]
            lines = transcripts.of(book, number)
            claimed_by = card.conversation.claimed_by
            agent = staff.name_of(book, claimed_by) if claimed_by is not None else ""
    except NotKnown:
        raise HTTPException(404, GONE) from None
    return desk.page(
        "conversation.html",
        status=status,
        visit=visit,
        card=words.listed(card, now),
        files=files,
        reason=reason,
        longest_reason=decide_request.LONGEST_REASON,
        lines=lines,
        agent=agent,
        is_mine=claimed_by == visit.member.id,
        is_waiting=card.conversation.owner is Owner.WAITING,
        alert=alert,
        draft=draft,
        states=words.STATES,
        longest=escalate.LONGEST_ANSWER,
        topic=words.topic,
        audience=words.AUDIENCES,
    )


def _sentence(reason: str) -> str:
    return reason[:1].upper() + reason[1:] + "."
