"""Find the case that a person asks about by its reference. Words nothing, asks no model.

Somebody else's reference reads like one that nobody has: only a person's own case is ever found.
"""

from __future__ import annotations

from bot.domain import references
from bot.domain.conversation import Wish
from bot.ledger import cases, people
from bot.ledger.book import Book
from bot.ledger.cases import Case
from bot.ledger.conversations import Conversation

INTENT = "case_status"
UNKNOWN = ""  #: among the facts, in the place of a case: a reference that is not theirs

_WISHES = ("rights_", "opt_out", "opt_in", "human", "report_scam", "spoken_for", "back_to_bot")
"""What somebody wants beside a reference of theirs; anything else said with one is a question about the case."""

_UNCLEAR = ("not_understood", "did_you_mean", "not_read")


def named_in(book: Book, conversation: Conversation, text: str) -> str | None:
    """The case that a text is about, by its row id, or UNKNOWN; None: it is about none.

    Without a reference a plain question how it goes means the newest that is theirs, if there is one. Eight signs that
    are nobody's reference here are one only where the text speaks of a case, since a sender's name may look so.
    """
    refs = references.found_in(text)
    if not refs:
        newest = _newest(book, conversation) if references.asks_how_it_goes(text) else None
        return None if newest is None else str(newest.id)
    case = _own(book, conversation, refs)
    if case is not None:
        return str(case.id)
    return UNKNOWN if references.asks_about_a_case(text) else None


def wish_for(case: str) -> Wish:
    """The question how that case goes."""
    return Wish(INTENT, "keyword", slots={"case": int(case) if case else None})


def rather(wishes: tuple[Wish, ...], case: str | None) -> tuple[Wish, ...]:
    """What a text that names a case asks for: what it surely wants beside that, else how the case goes."""
    if case is None:
        return wishes
    is_about_it = all(
        wish.intent in _UNCLEAR if case == UNKNOWN else not wish.intent.startswith(_WISHES) for wish in wishes
    )
    return (wish_for(case),) if is_about_it else wishes


def _own(book: Book, conversation: Conversation, refs: tuple[str, ...]) -> Case | None:
    return _theirs(
        book,
        conversation.person,
        cases.own(book, refs, conversation=conversation.id, person=conversation.person),
    )


def _newest(book: Book, conversation: Conversation) -> Case | None:
    return _theirs(
        book,
        conversation.person,
        cases.newest_own(book, conversation=conversation.id, person=conversation.person),
    )


def _theirs(book: Book, person: int | None, case: Case | None) -> Case | None:
    """Not what was filed before the number changed hands: that was somebody else's."""
    if case is None or person is None:
        return case
    since = people.holder_since(book, person)
    return case if since is None or case.received_at >= since else None
