"""Say who a person is to us and which client they may mean: by their words, then by what is known. Words nothing.

What is known of a number is used here and not told: `actions.rights` tells it.
"""

from __future__ import annotations

from bot.domain import standing
from bot.domain.conversation import Level, Turn
from bot.domain.standing import Audience
from bot.ledger import clients, people
from bot.services import look_up_sender
from bot.services.contracts import Reads
from bot.services.opt_out import holders_of


def audience(turn: Turn, reads: Reads, text: str, *, has_client: bool) -> Audience | None:
    """Who the person is to us, None if that is to be asked (DESIGN, part 5, "who is who")."""
    answered = turn.wish.slots.get("audience")
    if answered is not None:
        return Audience(answered)
    brand = reads.house.texts.provider.brand
    said = standing.claimed(text, brand)
    if said is not None and (not has_client or standing.names(text, brand)):
        return said
    has_account = _account(turn, reads) is not None
    if said is Audience.DIRECT_CLIENT and has_account:
        return said
    if said is not None or has_account == has_client:
        return None  # "your client" in answer to a shop: the shop's, or ours?
    return Audience.DIRECT_CLIENT if has_account else Audience.RECIPIENT


def client_meant(turn: Turn, reads: Reads) -> tuple[int | None, tuple[int, ...]]:
    """The client it is about, or those that it may be about: told before, by a sender's name, by who wrote lately."""
    slots = turn.wish.slots
    if slots.get("client") is not None:
        return int(slots["client"]), ()
    if "sender" not in slots:
        return _sender_of_late(turn, reads), ()
    held = holders_of(reads.book, str(slots["sender"]), now=turn.now)
    if len(held) > 1 and turn.person is not None:
        wrote = {c.client for c in look_up_sender.wrote_lately(reads.book, person=turn.person, now=turn.now)}
        held = tuple(c for c in held if c in wrote) or held
    return (held[0], ()) if len(held) == 1 else (None, held)


def own_contact(turn: Turn, reads: Reads) -> str | None:
    """The number the person is known by, if it is a contact of an account."""
    is_contact = turn.person is not None and _account(turn, reads) is not None
    return people.number_of(reads.book, turn.person) if is_contact and turn.person is not None else None


def _account(turn: Turn, reads: Reads) -> int | None:
    """The client whose contact this number is."""
    if turn.person is None:
        return None
    return clients.of_contact(reads.book, "phone", people.number_of(reads.book, turn.person))


def _sender_of_late(turn: Turn, reads: Reads) -> int | None:
    """The one client this can be about: the message answered, whoever wrote from the address written to, or at all.

    Its row is for passing on, not for telling: a sensitive one is never named from here.
    """
    if turn.person is None:
        return None
    if turn.answered_id is not None:
        answered = look_up_sender.of_answered(
            reads.book, turn.answered_id, person=turn.person, now=turn.now, level=turn.level
        )
        if answered is not None and answered.client != look_up_sender.WITHHELD:
            return answered.client
    candidates, _ = look_up_sender.candidates_for_stop(
        reads.book, person=turn.person, ours=turn.ours, now=turn.now
    )
    if len(candidates) == 1:
        return candidates[0].client
    remembered = turn.memory.get("client")
    if remembered is not None:
        return int(remembered)
    if turn.level < Level.PROVEN:
        return None  # to name who wrote needs the number proven, and to act by it would show it
    wrote = look_up_sender.wrote_lately(reads.book, person=turn.person, now=turn.now)
    return wrote[0].client if len(wrote) == 1 else None
