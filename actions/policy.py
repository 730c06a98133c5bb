"""Answer questions about the privacy policy by its rows, and say so where it is silent. Invents nothing."""

from __future__ import annotations

from dataclasses import replace

from actions import asking
from bot.domain.conversation import Asked, Option, Outcome, Say, Turn
from bot.services.contracts import Reads


def answer(turn: Turn, reads: Reads) -> Outcome:
    """The row of the intent that is most like the question; a gap offers a human."""
    found = reads.house.knowledge.answer(turn.wish.intent, turn.clause, turn.language)
    if found is None:
        return Outcome(say=(Say("policy.silent"),), ask=_ask_human(turn))
    say = Say("policy.answer", {"answer": {"chat": found.text_chat, "sms": found.text_sms}})
    memory = {"row": found.key}
    if found.status == "gap":
        return Outcome(say=(say,), ask=_ask_human(turn), memory=memory)
    return Outcome(say=(say,), memory=memory)


def _ask_human(turn: Turn) -> Asked:
    ask = asking.yes_no(
        turn, "policy.ask_human", yes=Option("human", "label.yes"), no=Option("deny", "label.no")
    )
    return replace(ask, is_offer=True)
