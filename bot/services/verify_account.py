"""Prove that a person speaks for a client: a code goes to a contact of its account and is typed back.

Whether there is such an account is looked at only when the code is sent (`send_codes`): what is said and done for
one that is there and one that is not is the same.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from bot.domain.clients import Contact
from bot.domain.codes import PROVEN_LASTS, Purpose
from bot.domain.conversation import Level
from bot.domain.numbers import number_in
from bot.ledger import audit, cases, clients, codes, conversations, people
from bot.ledger.audit import Deed
from bot.ledger.book import Book
from bot.ledger.cases import Case
from bot.ledger.codes import Code
from bot.ledger.conversations import Conversation
from bot.services.verify_number import may_ask

LONGEST_CLAIM = 200  #: characters of a login or an address
_REACHED = ("phone", "email")  #: kinds of contacts that a code can go to, the better one first


@dataclass(frozen=True, slots=True)
class Account:
    """A client, and its contacts that a code may go to, the best one first."""

    client: int
    contacts: tuple[Contact, ...]


def ask_code(book: Book, conversation: Conversation, *, claim: str, language: str, now: datetime) -> str:
    """Have a code sent to a contact of the account that `claim` names: its login, or a contact itself.

    Returns `sent`, whatever becomes of it, or `limited`: this conversation has asked too often today.
    """
    if not may_ask(book, conversation, now=now):
        return "limited"
    codes.make(
        book,
        conversation.id,
        Purpose.ACCOUNT,
        person=conversation.person,
        about={"claim": claim[:LONGEST_CLAIM], "language": language},
        takes_place_of=(Purpose.PROOF,),
        is_to_be_sent=True,
        now=now,
    )
    return "sent"


def account_of(book: Book, claim: str) -> Account | None:
    """The account that a claim names; None if it names none, or several.

    A contact named is the one that gets the code; to whoever names the login it goes by SMS if it can.
    """
    wanted = claim.strip()
    number = number_in(wanted)
    named = [Contact("email", wanted.casefold()), Contact("login", wanted.casefold())]
    if number is not None:
        named.append(Contact("phone", number))
    found = {contact: clients.of_contact(book, contact.kind, contact.value) for contact in named}
    known = {contact: client for contact, client in found.items() if client is not None}
    if len(set(known.values())) != 1:
        return None
    client = next(iter(known.values()))
    by_kind = {kind: [c for c in clients.contacts(book, client) if c.kind == kind] for kind in _REACHED}
    reached = [contact for kind in _REACHED for contact in by_kind[kind]]
    return Account(client, tuple(c for c in reached if c in known) or tuple(reached))


def verify(book: Book, conversation: Conversation, code: Code, *, now: datetime) -> bool:
    """The code came back: the requests this conversation made as a direct client are verified. False: no account's.

    Whoever has the number proven as well stands above PROVEN from now on; a mailbox says nothing of a phone.
    """
    client = _client_of(code)
    if client is None:
        return False
    for case in cases.listed(book, conversation=conversation.id):
        _verify(book, case, client, now)
    number = code.about.get("number")
    person = conversation.person
    if person is not None and number is not None and people.number_of(book, person) == number:
        until = now + PROVEN_LASTS
        conversations.know(book, conversation.id, person=person, level=Level.ACCOUNT, until=until)
    audit.act(book, Deed.ACCOUNT_PROVEN, at=now, conversation=conversation.id, client=client, code=code.id)
    return True


def carry_over(book: Book, conversation: Conversation, case: Case, *, now: datetime) -> None:
    """A case of a conversation whose account was proven within the last hour is verified too."""
    code = codes.proven(book, conversation.id, Purpose.ACCOUNT, now=now)
    client = None if code is None else _client_of(code)
    if client is not None:
        _verify(book, case, client, now)


def is_proven(book: Book, conversation: int, *, now: datetime) -> bool:
    """Was an account proven in a conversation within the last hour?"""
    return codes.proven(book, conversation, Purpose.ACCOUNT, now=now) is not None


def _verify(book: Book, case: Case, client: int, now: datetime) -> None:
    """Whoever speaks for a client need not be the recipient of what another sent, so a recipient's case stays."""
    if case.client is not None or case.audience == "recipient":
        return
    if cases.verify(book, case.id):
        account = clients.card(book, client).client_id
        body = f"verified by a code to the account of {account}"
        cases.note(book, case.id, author="bot", body=body, at=now)


def _client_of(code: Code) -> int | None:
    """The client whose contact a code was sent to; None: it went to nobody."""
    client = code.about.get("client")
    return None if client is None else int(client)
