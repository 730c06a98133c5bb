"""Say how a case goes that the person names by its reference. Only their own reaches this topic."""

from __future__ import annotations

from actions import asking
from bot.domain.consent import may_write_first
from bot.domain.conversation import Do, Option, Outcome, Say, Turn
from bot.domain.deadlines import due_on
from bot.ledger import cases, consents
from bot.ledger.cases import Case
from bot.services.contracts import Reads


def case_status(turn: Turn, reads: Reads) -> Outcome:
    """Its state and its date; of one that the client has not acknowledged, the offer to tell when it does."""
    number = turn.wish.slots.get("case")
    if number is None:
        return Outcome(say=(Say("status.unknown"),), is_understood=False)
    case = cases.get(reads.book, number)
    say = Say(*_how_it_goes(case))
    if say.key != "status.passed_on" or case.wants_word or not _may_be_told(turn, reads):
        return Outcome(say=(say,))
    yes = Option("case_tell_me", "label.yes", {"case": case.id})
    ask = asking.yes_no(turn, "status.shall_i_tell", yes=yes, no=Option("deny", "label.no"))
    return Outcome(say=(say,), ask=ask)


def tell_me(turn: Turn, reads: Reads) -> Outcome:
    """The person wants to hear when the client acknowledges it."""
    replies = {"done": "status.will_tell", "already": "status.will_tell"}
    return Outcome(do=(Do("want_word", {"case": turn.wish.slots["case"]}, replies),))


def _how_it_goes(case: Case) -> tuple[str, dict[str, object]]:
    """The reply for a case and what it fills in. A client's month is counted from the request, as ours is."""
    named: dict[str, object] = {"ref": case.ref}
    if case.state == "closed":
        return "status.refused" if case.is_refused else "status.closed", {**named, "at": case.closed_at}
    if case.acknowledged_at is not None:
        return "status.had", {**named, "at": case.acknowledged_at, "due": due_on(case.received_at)}
    if case.state == "forwarded":
        return "status.passed_on", {**named, "at": case.forwarded_at, "due": due_on(case.received_at)}
    if case.due_on is None:
        return "status.waits", named
    if not case.is_ours:
        return "status.to_pass_on", {**named, "due": case.due_on}
    return "status.extended" if case.extended_at else "status.ours", {**named, "due": case.due_on}


def _may_be_told(turn: Turn, reads: Reads) -> bool:
    """Nothing is promised that an opt-out would hold back."""
    return turn.person is None or may_write_first(consents.standing(reads.book, turn.person))
