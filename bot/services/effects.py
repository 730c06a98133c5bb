"""Carry out what a topic decided, each effect in the turn's own transaction. Decides nothing and words nothing.

Every effect of `domain.conversation.EFFECTS` has its function here; it returns how it ended and what the
reply for that end may fill in. A refused effect undoes none of those before it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from bot.domain.conversation import Owner, Turn
from bot.domain.keywords import Scope
from bot.ledger import cases, clients, conversations
from bot.ledger.book import Book
from bot.ledger.conversations import Conversation
from bot.services import escalate, look_up_sender, request_rights, start_again, verify_account, verify_number
from bot.services.contracts import House
from bot.services.erase import erase_own
from bot.services.opt_out import SIGNATURES, Cause, needs_number, opt_out

Ended = tuple[str, dict[str, Any]]


def carry_out(
    house: House,
    book: Book,
    conversation: Conversation,
    turn: Turn,
    *,
    message: int,
    name: str,
    arguments: Mapping[str, Any],
) -> Ended:
    """Carry out one effect. Returns its end, one of `EFFECTS[name]`, and arguments for the reply."""
    return _FUNCTIONS[name](house, book, conversation, turn, message, dict(arguments))


def _opt_out(
    house: House, book: Book, conversation: Conversation, turn: Turn, message: int, arguments: dict[str, Any]
) -> Ended:
    by = turn.wish.by
    cause = Cause(
        message,
        turn.text,
        f"{by}:{turn.wish.intent}",
        (0, 0),
        SIGNATURES.get(conversation.address.provider, "unknown"),
        turn.received_at,
        turn.language,
    )
    end = opt_out(
        house,
        book,
        conversation,
        scope=Scope(arguments.get("scope", Scope.SENDER.value)),
        sender=arguments.get("sender"),
        client=arguments.get("client"),
        cause=cause,
        now=turn.now,
    )
    if end == "no_number":
        needs_number(house, book, conversation, cause=cause, now=turn.now)
    return end, {}


def _ask_start_code(
    house: House, book: Book, conversation: Conversation, turn: Turn, message: int, arguments: dict[str, Any]
) -> Ended:
    if conversation.person is None:
        return "no_number", {}
    if not start_again.what_stands(book, conversation, now=turn.now):
        return "nothing", {}
    code = start_again.make_code(book, conversation, now=turn.now)
    return ("locked", {}) if code is None else ("sent", {"code": code})


def _ask_number_code(
    house: House, book: Book, conversation: Conversation, turn: Turn, message: int, arguments: dict[str, Any]
) -> Ended:
    end = verify_number.ask_code(
        book,
        conversation,
        number=arguments.get("number"),
        then=arguments.get("then"),
        language=turn.language,
        now=turn.now,
    )
    return end, {}


def _ask_account_code(
    house: House, book: Book, conversation: Conversation, turn: Turn, message: int, arguments: dict[str, Any]
) -> Ended:
    claim = str(arguments["account"])
    return verify_account.ask_code(book, conversation, claim=claim, language=turn.language, now=turn.now), {}


def _check_account(
    house: House, book: Book, conversation: Conversation, turn: Turn, message: int, arguments: dict[str, Any]
) -> Ended:
    """Support takes over at once where the account is proven already; else that is asked for first."""
    if not verify_account.is_proven(book, conversation.id, now=turn.now):
        return "needed", {}
    escalate.hand_over(book, conversation)
    return "proven", {}


def _open_case(
    house: House, book: Book, conversation: Conversation, turn: Turn, message: int, arguments: dict[str, Any]
) -> Ended:
    case, is_new = escalate.open_case(
        book,
        conversation,
        topic=arguments["topic"],
        audience=arguments.get("audience", "unknown"),
        text=arguments.get("text", turn.text),
        language=turn.language,
        received_at=turn.received_at,
        client=arguments.get("client"),
        was_for=arguments.get("was_for"),
        is_ours=arguments.get("is_ours", False),
        is_urgent=arguments.get("is_urgent", False),
        state=arguments.get("state", "open"),
        remark=arguments.get("remark", ""),
    )
    verify_account.carry_over(book, conversation, case, now=turn.now)
    return "done" if is_new else "merged", {"ref": case.ref, "due": case.due_on}


def _close_case(
    house: House, book: Book, conversation: Conversation, turn: Turn, message: int, arguments: dict[str, Any]
) -> Ended:
    """The person takes it in hand themselves."""
    client = arguments.get("client")
    for case in cases.open_about(book, conversation.id, arguments["topic"]):
        if case.client == client and case.state == "open" and case.forwarded_at is None:
            cases.note(book, case.id, author="bot", body=arguments["remark"], at=turn.now)
            cases.set_state(book, case.id, "closed", now=turn.now)
            return "done", {"ref": case.ref}
    return "none", {}


def _want_word(
    house: House, book: Book, conversation: Conversation, turn: Turn, message: int, arguments: dict[str, Any]
) -> Ended:
    return ("done" if cases.want_word(book, arguments["case"], wants=True) else "already"), {}


def _forward_request(
    house: House, book: Book, conversation: Conversation, turn: Turn, message: int, arguments: dict[str, Any]
) -> Ended:
    client: int = arguments["client"]
    forwarded = request_rights.forward(
        house,
        book,
        conversation,
        client=client,
        topic=arguments["topic"],
        text=arguments.get("text", turn.text),
        language=turn.language,
        received_at=turn.received_at,
        now=turn.now,
    )
    reply = {"ref": forwarded.case.ref, "client": clients.card(book, client).public_name}
    ends = {None: "by_hand", "again": "again"}
    return ends.get(forwarded.way, "done"), reply


def _hand_over(
    house: House, book: Book, conversation: Conversation, turn: Turn, message: int, arguments: dict[str, Any]
) -> Ended:
    is_new = escalate.hand_over(book, conversation)
    case = cases.open_of(book, conversation.id)
    return "done" if is_new else "already", {"ref": case.ref if case else ""}


def _hand_back(
    house: House, book: Book, conversation: Conversation, turn: Turn, message: int, arguments: dict[str, Any]
) -> Ended:
    if conversation.owner is Owner.BOT:
        return "already", {}
    conversations.give_to(book, conversation.id, Owner.BOT)
    return "done", {}


def _tell_holder(
    house: House, book: Book, conversation: Conversation, turn: Turn, message: int, arguments: dict[str, Any]
) -> Ended:
    may = look_up_sender.may_name(book, conversation=conversation.id, level=turn.level, now=turn.now)
    return ("done" if may else "limited"), {}


def _erase_own(
    house: House, book: Book, conversation: Conversation, turn: Turn, message: int, arguments: dict[str, Any]
) -> Ended:
    erase_own(book, conversation, message=message, now=turn.now)
    return "done", {}


_FUNCTIONS: Mapping[str, Callable[[House, Book, Conversation, Turn, int, dict[str, Any]], Ended]] = {
    "opt_out": _opt_out,
    "ask_start_code": _ask_start_code,
    "tell_holder": _tell_holder,
    "ask_number_code": _ask_number_code,
    "ask_account_code": _ask_account_code,
    "check_account": _check_account,
    "open_case": _open_case,
    "close_case": _close_case,
    "want_word": _want_word,
    "forward_request": _forward_request,
    "hand_over": _hand_over,
    "hand_back": _hand_back,
    "erase_own": _erase_own,
}
