"""Take up rights requests: whose duty it is, whom to turn to, what is passed on. Decides no request.

End user of a client → the client is controller; direct client and what the provider itself holds → support,
with a due date (policy, l. 268-274; GDPR 12(3), 28(3)(e)).
"""

from __future__ import annotations

from typing import Any

from actions import asking
from bot.domain.conversation import Asked, Do, Option, Outcome, Say, Turn
from bot.ledger import clients, people
from bot.services import look_up_sender
from bot.services.contracts import Reads

STOPS_TOO = frozenset({"rights_objection", "rights_withdraw_consent", "rights_erasure"})
"""Requests that stop messages at once as well: GDPR 7(3), 21(3) (DESIGN, part 5)."""

STOP_FROM = 0.90
"""The model's confidence from which such a request stops messages without asking; as for an opt-out."""


def request(turn: Turn, reads: Reads) -> Outcome:
    """A right was claimed: find out who the person is to us, file it, and say who answers it."""
    topic = turn.wish.intent
    if topic == "rights_terminate_contract":
        return _direct_client(turn, topic)
    account = _account(turn, reads)
    client = turn.wish.slots.get("client") or _sender_of_late(turn, reads)
    stop = _stop(turn, topic, client)
    if account is not None and client is None:
        return _direct_client(turn, topic, stop)
    if client is not None and account is None:
        return _end_user(turn, reads, topic, client, stop)
    filed = Do(
        "open_case",
        {"topic": topic, "is_ours": True, "state": "open"},
        {"done": "rights.filed", "merged": "rights.merged"},
    )
    return Outcome(do=(*stop, filed), say=_kept(turn, topic, stop), ask=_who_are_you(turn, topic, client))


def menu(turn: Turn, reads: Reads) -> Outcome:
    """Which right? Asked from the menu and after "who sent this"."""
    client = turn.wish.slots.get("client")
    slots = {} if client is None else {"client": client}
    names = ("rights_access", "rights_erasure", "rights_rectification", "rights_objection")
    options = (Option(name, f"label.{name}", slots) for name in names)
    return Outcome(ask=asking.choose(turn, "rights.which", *options))


def forward(turn: Turn, reads: Reads) -> Outcome:
    """The person said yes: pass the request on, with a receipt."""
    slots = turn.wish.slots
    replies = {
        "done": "rights.forwarded",
        "again": "rights.forwarded_before",
        "by_hand": "rights.forwarded_by_hand",
    }
    if clients.card(reads.book, slots["client"]).is_sensitive:
        replies = {
            "done": "rights.forwarded_sender",
            "again": "rights.forwarded_before",
            "by_hand": "rights.forwarded_by_hand",
        }
    arguments = {"client": slots["client"], "topic": slots["topic"], "text": slots.get("text", turn.text)}
    return Outcome(do=(Do("forward_request", arguments, replies),))


def contact(turn: Turn, reads: Reads) -> Outcome:
    """They want to turn to the client themselves."""
    card = clients.card(reads.book, turn.wish.slots["client"])
    if card.is_sensitive:
        return Outcome(say=(Say("who_sent.sensitive"),))
    return Outcome(say=(Say("rights.contact", {"client": card.public_name, "domain": card.domain}),))


def ours(turn: Turn, reads: Reads) -> Outcome:
    """What the provider holds itself (traffic data, this chat): its own duty, its own month."""
    case = {"topic": turn.wish.slots.get("topic", "rights_access"), "audience": "recipient", "is_ours": True}
    replies = {"done": "rights.ours", "merged": "rights.merged"}
    return Outcome(do=(Do("open_case", case, replies), Do("hand_over", {}, {"done": "", "already": ""})))


def direct_client(turn: Turn, reads: Reads) -> Outcome:
    return _direct_client(turn, turn.wish.slots.get("topic", "rights_access"))


def _account(turn: Turn, reads: Reads) -> int | None:
    """The client whose contact this number is."""
    if turn.person is None:
        return None
    return clients.of_contact(reads.book, "phone", people.number_of(reads.book, turn.person))


def _sender_of_late(turn: Turn, reads: Reads) -> int | None:
    """The one client this can be about: the message answered, or whoever wrote from the address written to.

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
    return int(remembered) if remembered is not None else None


def _stop(turn: Turn, topic: str, client: int | None) -> tuple[Do, ...]:
    is_sure = turn.wish.by != "model" or turn.wish.confidence >= STOP_FROM
    if topic not in STOPS_TOO or not is_sure:
        return ()
    arguments: dict[str, Any] = {} if client is None else {"client": client}
    return (Do("opt_out", arguments, {"done": "", "again": "", "late": "", "no_number": ""}),)


def _kept(turn: Turn, topic: str, stop: tuple[Do, ...]) -> tuple[Say, ...]:
    """An erasure that left nothing could not keep messages away, so the opt-out stays, and we say so."""
    is_kept = topic == "rights_erasure" and stop and turn.person is not None
    return (Say("rights.keeps_stop"),) if is_kept else ()


def _end_user(turn: Turn, reads: Reads, topic: str, client: int, stop: tuple[Do, ...]) -> Outcome:
    """Recorded at once, passed on when the person says so."""
    card = clients.card(reads.book, client)
    case = {"topic": topic, "audience": "recipient", "client": client}
    filed = Do("open_case", case, {"done": "", "merged": ""})
    slots = {"client": client, "topic": topic, "text": turn.text}
    options = (
        Option("rights_forward", "label.forward", slots),
        Option("rights_contact", "label.contact", slots),
        Option("rights_ours", "label.ours", slots),
    )
    if card.is_sensitive:
        ask = asking.choose(turn, "rights.whom_sensitive", options[0], options[2])
    else:
        ask = asking.choose(turn, "rights.whom", *options, client=card.public_name)
    return Outcome(do=(*stop, filed), say=_kept(turn, topic, stop), ask=ask, memory={"client": client})


def _direct_client(turn: Turn, topic: str, stop: tuple[Do, ...] = ()) -> Outcome:
    """Support has it, with a due date; the account is checked by a human or a code to its contact."""
    case = {"topic": topic, "audience": "direct_client", "is_ours": True}
    replies = {"done": "rights.client", "merged": "rights.merged"}
    filed = Do("open_case", case, replies)
    handed = Do("hand_over", {}, {"done": "", "already": ""})
    return Outcome(do=(*stop, filed, handed), say=_kept(turn, topic, stop))


def _who_are_you(turn: Turn, topic: str, client: int | None) -> Asked:
    slots: dict[str, Any] = {"topic": topic, "text": turn.text}
    got_message = Option("rights_forward", "label.got_message", {**slots, "client": client})
    if client is None:
        got_message = Option("who_sent", "label.got_message", slots)
    return asking.choose(
        turn,
        "rights.who_are_you",
        got_message,
        Option("rights_client", "label.account", slots),
        Option("rights_ours", "label.ours", slots),
    )
