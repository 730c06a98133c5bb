"""Lead a direct client through the check of its account: which one, a code to its contact, how it ended.

The same words follow whatever account is named: whether there is one does not show.
"""

from __future__ import annotations

from actions import asking
from actions.proof import AFTER, left
from bot.domain.conversation import Asked, Do, Option, Outcome, Turn
from bot.domain.messages import Medium
from bot.services.contracts import Reads


def can_check(turn: Turn, reads: Reads, own: str | None) -> bool:
    """Can a code reach a contact of an account? `own`: see `check`."""
    if own is not None and turn.medium is Medium.SMS:
        return True
    return reads.house.sms_from is not None or bool((reads.house.ways_to_clients or {}).get("mail"))


def check(turn: Turn, own: str | None) -> tuple[Do, ...]:
    """Ask for a proof of the account; support takes over at once where it has been given.

    own: the number that the person is known by, if it is a contact of an account.
    """
    question = _which(turn) if own is None else _here(turn, own)
    return (Do("check_account", {}, {"needed": "", "proven": "account.ok"}, asks={"needed": question}),)


def named(turn: Turn, reads: Reads) -> Outcome:
    """An account was named, or another code asked for."""
    claim = turn.wish.slots.get("account")
    if not claim:
        return Outcome(ask=_which(turn))
    replies = {"sent": "", "limited": "proof.limited"}
    sent = _await(turn, "account.sent", str(claim))
    return Outcome(do=(Do("ask_account_code", {"account": claim}, replies, asks={"sent": sent}),))


def proven(turn: Turn, reads: Reads) -> Outcome:
    """Digits were typed: what came of them. Once the account is proven a person takes over."""
    proof = turn.facts.get("proof")
    if proof == "ok":
        return Outcome(do=(Do("hand_over", {}, {"done": "account.ok", "already": "account.ok"}),))
    question = "proof.digits" if proof is None else AFTER[proof]
    arguments = {} if proof is None else left(turn)
    ask = _await(turn, question, str(turn.wish.slots.get("account") or ""), **arguments)
    return Outcome(ask=ask, is_understood=proof is not None)


def by_hand(turn: Turn, reads: Reads) -> Outcome:
    """Without a code: a person checks the account."""
    return Outcome(do=(Do("hand_over", {}, {"done": "account.by_hand", "already": "account.by_hand"}),))


def _which(turn: Turn) -> Asked:
    return asking.fill(turn, "account.which", _BY_HAND, slot="account", topic="prove_account")


def _here(turn: Turn, own: str) -> Asked:
    here = Option("prove_account", "label.code_here", {"account": own})
    return asking.choose(turn, "account.here", here, _BY_HAND)


def _await(turn: Turn, question: str, claim: str, **arguments: str) -> Asked:
    slots = {"account": claim}
    options = (
        Option("prove_account", "label.new_code", slots),
        Option("prove_account", "label.other_account", {"account": None}),
        _BY_HAND,
    )
    return asking.code(turn, question, *options, topic="account_proof", slots=slots, **arguments)


_BY_HAND = Option("account_by_hand", "label.by_hand")
