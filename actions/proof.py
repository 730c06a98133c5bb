"""Lead a person through a proof: ask for the number, have a code texted, say how it ended. Judges no code.

The same words follow whatever number is typed: neither that it is known here, nor that it gets no codes, shows.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from actions import asking
from bot.domain.conversation import Asked, Do, Level, Option, Outcome, Say, Turn
from bot.domain.messages import Medium
from bot.domain.numbers import number_in
from bot.services import take_code, verify_number
from bot.services.contracts import Reads

Then = Mapping[str, Any]
"""The wish that needs the proof: `intent` and `slots`, as plain values, since it waits in the ledger."""

_HAS_NUMBER = frozenset({Medium.SMS, Medium.WHATSAPP})
"""Where the number that is written from is the only one that can be proven."""
AFTER = {"wrong": "proof.wrong", "locked": "proof.locked", "expired": "proof.expired"}
"""The question after digits that were not right."""


def offer(turn: Turn, reads: Reads, intent: str, **slots: Any) -> tuple[Option, ...]:
    """The option that goes on with a wish after a proof; none where it needs none, or no code can be texted."""
    if turn.level >= Level.PROVEN or not can_prove(turn, reads):
        return ()
    return (Option("prove_number", "label.prove", {"then": {"intent": intent, "slots": slots}}),)


def can_prove(turn: Turn, reads: Reads) -> bool:
    """Can a code reach the person by SMS?"""
    return turn.medium is Medium.SMS or reads.house.sms_from is not None


def begin(turn: Turn, intent: str, **slots: Any) -> Outcome:
    """Have the number proven, then go on with a wish."""
    return _begin(turn, {"intent": intent, "slots": slots})


def number(turn: Turn, reads: Reads) -> Outcome:
    """A proof was chosen, a number typed, or another code asked for."""
    slots = turn.wish.slots
    typed, then = slots.get(verify_number.SLOT), slots.get("then")
    if typed is None:
        return _begin(turn, then, is_other=bool(slots.get("is_other")))
    to = number_in(str(typed))
    if to is None:
        return Outcome(say=(Say("proof.no_number"),), ask=_ask_number(turn, then), is_understood=False)
    return _send(turn, to, then)


def proven(turn: Turn, reads: Reads) -> Outcome:
    """Digits were typed: what came of them, and what to do where they were not right."""
    slots = turn.wish.slots
    to, then = slots.get("number"), slots.get("then")
    proof = turn.facts.get("proof")
    if proof == "ok":
        return Outcome(say=(Say("proof.ok"),))
    if proof == take_code.ELSEWHERE:
        return Outcome(say=(Say("proof.elsewhere"),))
    if proof is None:
        return Outcome(ask=_await(turn, "proof.digits", to, then), is_understood=False)
    return Outcome(ask=_await(turn, AFTER[proof], to, then, **left(turn)))


def left(turn: Turn) -> dict[str, str]:
    """How many tries are left, for the words that say so."""
    return {"count": turn.facts["left"]} if turn.facts["proof"] == "wrong" else {}


def _begin(turn: Turn, then: Then | None, *, is_other: bool = False) -> Outcome:
    """A number that is known gets the code at once; else, or if another one is meant, it is asked for."""
    if turn.person is None or is_other:
        return Outcome(ask=_ask_number(turn, then))
    return _send(turn, None, then)


def _ask_number(turn: Turn, then: Then | None) -> Asked:
    return asking.fill(
        turn, "proof.number", slot=verify_number.SLOT, topic="prove_number", slots={"then": then}
    )


def _send(turn: Turn, to: str | None, then: Then | None) -> Outcome:
    asked = _await(turn, "proof.sent", to, then)
    arguments = {"number": to, "then": then}
    replies = {"sent": "", "limited": "proof.limited"}
    return Outcome(do=(Do("ask_number_code", arguments, replies, asks={"sent": asked}),))


def _await(turn: Turn, question: str, to: str | None, then: Then | None, **arguments: Any) -> Asked:
    """Ask for the digits, and offer what else one may want meanwhile."""
    slots = {"then": then} if to is None else {"number": to, "then": then}
    other = Option("prove_number", "label.other_number", {"is_other": True, "number": None, "then": then})
    options = (
        Option("prove_number", "label.new_code", slots),
        *(() if turn.medium in _HAS_NUMBER else (other,)),
        Option("deny", "label.give_up"),
    )
    return asking.code(turn, question, *options, topic="number_proof", slots=slots, **arguments)
