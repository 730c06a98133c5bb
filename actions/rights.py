"""Take up rights requests: whose duty it is, whom to turn to, what is passed on. Decides no request.

End user of a client → the client is controller; direct client and what the provider itself holds → support,
with a due date (policy, l. 268-274; GDPR 12(3), 28(3)(e)).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from actions import account, asking, proof, who_is_who
from bot.domain import standing
from bot.domain.clients import Client
from bot.domain.conversation import Asked, Do, Option, Outcome, Say, Turn
from bot.domain.messages import Medium
from bot.domain.standing import Audience, Speaker
from bot.ledger import clients
from bot.services import verify_number
from bot.services.contracts import Reads

STOPS_TOO = frozenset({"rights_objection", "rights_withdraw_consent", "rights_erasure"})
"""Requests that stop messages at once as well: GDPR 7(3), 21(3) (DESIGN, part 5)."""

STOP_FROM = 0.90
"""The model's confidence from which such a request stops messages without asking; as for an opt-out."""

FORWARD = "rights_forward"  #: the wish to pass a request on
MOST_NAMED = 3  #: clients of one question


def request(turn: Turn, reads: Reads) -> Outcome:
    """A right was claimed: find out who the person is to us, file it, and say who answers it.

    Their own words decide, then the number: of a client's account, or one that a client wrote to. Both or neither is
    asked back, once.
    """
    topic = turn.wish.intent
    text = str(turn.wish.slots.get("text", turn.clause))
    client, named = who_is_who.client_meant(turn, reads)
    if len(named) > 1:
        return Outcome(ask=_which_of(turn, reads, topic, named))
    if standing.is_about_what_is_held_here(text):
        return _ours(turn, topic, _stop(turn, topic, client), audience=Audience.RECIPIENT)
    audience = who_is_who.audience(turn, reads, text, has_client=client is not None)
    if topic == "rights_terminate_contract":
        return _contract(turn, reads, audience, client)
    if audience is Audience.VISITOR:
        # Cookies are no messages; a newsletter is, and what is stopped too much can be started again.
        stop = _stop(turn, topic, client) if standing.is_about_the_newsletter(text) else ()
        return _ours(turn, topic, stop, audience=audience)
    stop = _stop(turn, topic, client)
    if audience is Audience.DIRECT_CLIENT:
        return _direct_client(turn, reads, topic, stop)
    if audience is Audience.RECIPIENT and client is not None:
        return _end_user(turn, reads, topic, client, stop)
    if audience is Audience.RECIPIENT:
        return _unknown_sender(turn, topic, stop)
    filed = Do(
        "open_case",
        {"topic": topic, "is_ours": True, "text": _text(turn)},
        {"done": "rights.filed", "merged": "rights.merged"},
    )
    return Outcome(do=(*stop, filed), say=_kept(turn, topic, stop), ask=_who_are_you(turn, topic))


def menu(turn: Turn, reads: Reads) -> Outcome:
    """Which right? Asked from the menu and after "who sent this"."""
    client = turn.wish.slots.get("client")
    slots = {} if client is None else {"client": client}
    names = ("rights_access", "rights_erasure", "rights_rectification", "rights_objection")
    options = (Option(name, f"label.{name}", slots) for name in names)
    return Outcome(ask=replace(asking.choose(turn, "rights.which", *options), topic="rights_"))


def forward(turn: Turn, reads: Reads) -> Outcome:
    """The person said yes: pass the request on, with a receipt. A chat is asked for its number first.

    A client finds nobody by a chat. Where no number can be had, a human asks.
    """
    slots = turn.wish.slots
    is_chat = turn.person is None
    if is_chat and (turn.medium is Medium.TELEGRAM or proof.can_prove(turn, reads)):
        return Outcome(ask=_ask_number(turn, slots))
    is_sensitive = clients.card(reads.book, slots["client"]).is_sensitive
    replies = {
        "done": "rights.forwarded_sender" if is_sensitive else "rights.forwarded",
        "again": "rights.forwarded_before",
        "by_hand": "rights.forwarded_by_hand",
    }
    arguments = {"client": slots["client"], "topic": slots["topic"], "text": slots.get("text", turn.text)}
    handed = (Do("hand_over", {}, {"done": "", "already": ""}),) if is_chat else ()
    return Outcome(do=(Do("forward_request", arguments, replies), *handed))


def _ask_number(turn: Turn, slots: Mapping[str, Any]) -> Asked:
    """Their own contact or a code proves it; then the request goes on by itself."""
    has_button = turn.medium is Medium.TELEGRAM
    return asking.fill(
        turn,
        "rights.ask_contact" if has_button else "rights.ask_number",
        slot=verify_number.SLOT,
        topic="prove_number",
        slots={"then": {"intent": FORWARD, "slots": dict(slots)}},
        asks_contact=has_button,
    )


def goes_on_with_contact(asked: Asked | None) -> Mapping[str, Any] | None:
    """What a shared contact was asked for here: the slots of the request to pass on; None: not for that."""
    then = None if asked is None else asked.slots.get("then")
    return then["slots"] if then and then["intent"] == FORWARD else None


def contact(turn: Turn, reads: Reads) -> Outcome:
    """They turn to the client themselves: then nothing is to be passed on."""
    client = turn.wish.slots["client"]
    closed = Do(
        "close_case",
        {
            "topic": turn.wish.slots.get("topic", ""),
            "client": client,
            "remark": "turns to the client themselves",
        },
        {"done": "", "none": ""},
    )
    return Outcome(do=(closed,), say=(_where(clients.card(reads.book, client)),))


def ours(turn: Turn, reads: Reads) -> Outcome:
    """What the provider holds itself (traffic data, this chat): its own duty, its own month."""
    topic = turn.wish.slots.get("topic", "rights_access")
    return _ours(turn, topic, (), audience=Audience.RECIPIENT, was_for=turn.wish.slots.get("client"))


def direct_client(turn: Turn, reads: Reads) -> Outcome:
    return _direct_client(turn, reads, turn.wish.slots.get("topic", "rights_access"))


def spoken_for(turn: Turn, reads: Reads) -> Outcome:
    """Somebody who speaks for another, holds an office, writes for the press or is a child: a human, and no fact.

    A right claimed runs its clock all the same, and a child's objection stops messages like anybody's.
    """
    who, wanted = Speaker(turn.wish.slots["speaker"]), str(turn.wish.slots["wanted"])
    is_right = wanted.startswith("rights_")
    case = {
        "topic": wanted if is_right else who.value,
        "is_ours": is_right,
        "is_urgent": who is Speaker.MINOR,
        "remark": f"by their own words: {who.value}",
    }
    reply = _SPOKEN_FOR.get(who, "spoken_for.another")
    filed = Do("open_case", case, {"done": reply, "merged": reply})
    stop = _stop(turn, wanted, None) if who is Speaker.MINOR else ()
    return Outcome(do=(*stop, filed, Do("hand_over", {}, {"done": "", "already": ""})))


_SPOKEN_FOR = {
    Speaker.MINOR: "spoken_for.minor",
    Speaker.PRESS: "spoken_for.office",
    Speaker.AUTHORITY: "spoken_for.office",
}


def _text(turn: Turn) -> str:
    """All that was said with the request, also when a question came between."""
    return str(turn.wish.slots.get("text", turn.text))


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
    text = _text(turn)
    case = {"topic": topic, "audience": Audience.RECIPIENT.value, "client": client, "text": text}
    filed = Do("open_case", case, {"done": "", "merged": ""})
    slots = {"client": client, "topic": topic, "text": text}
    options = (
        Option(FORWARD, "label.forward", slots),
        Option("rights_contact", "label.contact", slots),
        Option("rights_ours", "label.ours", slots),
    )
    if card.is_sensitive:
        ask = asking.choose(turn, "rights.whom_sensitive", options[0], options[2])
    else:
        ask = asking.choose(turn, "rights.whom", *options, client=card.public_name)
    return Outcome(do=(*stop, filed), say=_kept(turn, topic, stop), ask=ask, memory={"client": client})


def _unknown_sender(turn: Turn, topic: str, stop: tuple[Do, ...]) -> Outcome:
    """A message came, nobody knows whose: its sender is asked for, and a name that is not known a human looks up."""
    text = _text(turn)
    case = {"topic": topic, "audience": Audience.RECIPIENT.value, "is_ours": True, "text": text}
    if "sender" in turn.wish.slots:
        filed = Do("open_case", case, {"done": "rights.sender_unknown", "merged": "rights.sender_unknown"})
        return Outcome(do=(*stop, filed))
    filed = Do("open_case", {**case, "audience": Audience.UNKNOWN.value}, {"done": "", "merged": ""})
    slots = {"audience": Audience.RECIPIENT.value, "text": text}
    ask = asking.fill(turn, "rights.ask_sender", slot="sender", topic=topic, slots=slots)
    return Outcome(do=(*stop, filed), say=_kept(turn, topic, stop), ask=ask)


def _which_of(turn: Turn, reads: Reads, topic: str, held: tuple[int, ...]) -> Asked:
    """Several hold the name: those that may be named, and a human for the others."""
    cards = [card for card in (clients.card(reads.book, c) for c in held) if not card.is_sensitive]
    slots = {"audience": Audience.RECIPIENT.value, "text": _text(turn)}
    named = [
        Option(topic, c.public_name, {**slots, "client": c.id}, is_name=True) for c in cards[:MOST_NAMED]
    ]
    return asking.choose(turn, "who_sent.name_shared", *named, Option("human", "label.human"))


def _contract(turn: Turn, reads: Reads, audience: Audience | None, client: int | None) -> Outcome:
    """Only who has an account has a contract with the provider (policy, l. 161); one with a shop is the shop's."""
    topic = turn.wish.intent
    if audience is Audience.RECIPIENT and "audience" in turn.wish.slots:
        if client is None:
            return _unknown_sender(turn, topic, ())
        return Outcome(say=(_where(clients.card(reads.book, client)),))
    if client is None or audience is Audience.DIRECT_CLIENT:
        return _direct_client(turn, reads, topic)
    slots = {"topic": topic, "text": _text(turn)}
    return Outcome(
        ask=asking.choose(
            turn,
            "rights.whose_contract",
            Option("rights_client", "label.account", slots),
            Option("rights_contact", "label.company", {**slots, "client": client}),
        )
    )


def _direct_client(turn: Turn, reads: Reads, topic: str, stop: tuple[Do, ...] = ()) -> Outcome:
    """Support has it, with a due date; the account is checked by a code to its contact, or by a human."""
    case = {
        "topic": topic,
        "audience": Audience.DIRECT_CLIENT.value,
        "is_ours": True,
        "text": _text(turn),
    }
    own = who_is_who.own_contact(turn, reads)
    if account.can_check(turn, reads, own):
        filed = Do("open_case", case, {"done": "rights.filed", "merged": "rights.merged"})
        return Outcome(do=(*stop, filed, *account.check(turn, own)), say=_kept(turn, topic, stop))
    filed = Do("open_case", case, {"done": "rights.client", "merged": "rights.merged"})
    handed = Do("hand_over", {}, {"done": "", "already": ""})
    return Outcome(do=(*stop, filed, handed), say=_kept(turn, topic, stop))


def _ours(
    turn: Turn, topic: str, stop: tuple[Do, ...], *, audience: Audience, was_for: int | None = None
) -> Outcome:
    """The provider is the controller: support has it, and a month."""
    case = {
        "topic": topic,
        "audience": audience.value,
        "is_ours": True,
        "was_for": was_for,
        "text": _text(turn),
    }
    filed = Do("open_case", case, {"done": "rights.ours", "merged": "rights.merged"})
    handed = Do("hand_over", {}, {"done": "", "already": ""})
    return Outcome(do=(*stop, filed, handed), say=_kept(turn, topic, stop))


def _where(card: Client) -> Say:
    """Where to turn to a client oneself; one that must not be named stays unnamed."""
    if card.is_sensitive:
        return Say("who_sent.sensitive")
    return Say("rights.contact", {"client": card.public_name, "domain": card.domain})


def _who_are_you(turn: Turn, topic: str) -> Asked:
    slots: dict[str, Any] = {"topic": topic, "text": _text(turn)}
    got_message = {"audience": Audience.RECIPIENT.value, "text": _text(turn)}
    return asking.choose(
        turn,
        "rights.who_are_you",
        Option(topic, "label.got_message", got_message),
        Option("rights_client", "label.account", slots),
        Option("rights_ours", "label.ours", slots),
    )
