"""Answer wishes for silence that no keyword settled. What is covered is decided in `domain.consent`."""

from __future__ import annotations

from actions import asking
from bot.domain.conversation import Asked, Do, Leaves, Option, Outcome, Say, Turn
from bot.services import look_up_sender
from bot.services.contracts import Reads


def opt_out(turn: Turn, reads: Reads) -> Outcome:
    """Carried out at once; the receipt is written with it, so a first one says nothing more."""
    arguments = {k: turn.wish.slots[k] for k in ("scope", "sender", "client") if k in turn.wish.slots}
    if "client" not in arguments and "sender" not in arguments:
        name = look_up_sender.name_in(reads.book, turn.clause, now=turn.now)
        if name is not None:
            arguments |= {"scope": "named", "sender": name}
    replies = {"done": "", "again": "opt_out.stands", "late": "", "no_number": ""}
    # One receipt, then silence: what else was open waits for the person, and whether to stop is answered.
    is_answered = turn.asked is not None and turn.asked.question.startswith("opt_out.")
    leaves = Leaves.NOTHING if is_answered else Leaves.STANDING
    return Outcome(do=(Do("opt_out", arguments, replies),), leaves=leaves)


def unsure(turn: Turn, reads: Reads) -> Outcome:
    """Nearly understood: one question, and yes takes effect in `receive`."""
    return Outcome(ask=_offer(turn, "opt_out.unsure"))


def how(turn: Turn, reads: Reads) -> Outcome:
    """They ask how: explain, and offer to do it."""
    return Outcome(say=(Say("opt_out.how"),), ask=_offer(turn, "opt_out.shall_i"))


def near(turn: Turn, reads: Reads) -> Outcome:
    """STOP with a name that is nearly one of those that wrote to this number."""
    options = [
        Option("opt_out", name, {"scope": "named", "sender": name}, is_name=True, is_opt_out=True)
        for name in turn.wish.slots["names"][:3]
    ]
    every = Option("opt_out", "label.stop_all", {"scope": "all"}, is_opt_out=True)
    return Outcome(ask=asking.choose(turn, "opt_out.near", *options, every))


def stands(turn: Turn, reads: Reads) -> Outcome:
    return Outcome(say=(Say("opt_out.stands"),))


def _offer(turn: Turn, question: str) -> Asked:
    return asking.yes_no(
        turn, question, yes=Option("opt_out", "label.yes", is_opt_out=True), no=Option("deny", "label.no")
    )
