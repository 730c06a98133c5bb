"""Answer what is said about the conversation itself: go back, not that one, never mind. Undoes nothing."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

from actions import asking
from bot.domain import questions
from bot.domain.conversation import ASKED_LASTS, Leaves, Outcome, Say, Turn
from bot.ledger import consents
from bot.services.contracts import Reads

JUST_STOPPED = timedelta(hours=1)
"""As long as "go back" may mean the STOP that was just confirmed: its receipt says how that is undone."""


def back(turn: Turn, reads: Reads) -> Outcome:
    """The question before is put again. What was done since stays done: only START lifts a STOP."""
    if _has_just_stopped(turn, reads):
        return Outcome(say=(Say("opt_out.undo"),), memory=turn.memory)
    return _before(turn) or Outcome(
        say=(Say("talk.nothing_before"),), ask=None if asking.is_in_intake(turn) else asking.menu(turn)
    )


def other_one(turn: Turn, reads: Reads) -> Outcome:
    """Not the one that was taken, and more than one is left; or one was told without asking which."""
    if "client" in turn.memory:
        ask = asking.fill(turn, "who_sent.ask_name", slot="sender", topic="who_sent")
        return _before(turn) or Outcome(ask=ask)
    return _before(turn) or Outcome(ask=asking.menu(turn))


def give_up(turn: Turn, reads: Reads) -> Outcome:
    """Nothing is asked any more; what is on record already stays there."""
    say = Say("talk.given_up" if asking.is_in_intake(turn) else "talk.declined")
    return Outcome(say=(say,), leaves=Leaves.NOTHING)


def go_on(turn: Turn, reads: Reads) -> Outcome:
    """The question that held up another is settled and confirmed already; the other is put again."""
    return Outcome()


def _before(turn: Turn) -> Outcome | None:
    """The question answered last, put again as it was."""
    if "answered" not in turn.memory:
        return None
    asked = questions.from_text(turn.memory["answered"])
    again = replace(asked, expires_at=turn.now + ASKED_LASTS)
    return Outcome(ask=again, leaves=Leaves.NOTHING)


def _has_just_stopped(turn: Turn, reads: Reads) -> bool:
    if turn.person is None:
        return False
    standing = consents.standing(reads.book, turn.person)
    return any(turn.now - opt_out.since < JUST_STOPPED for opt_out in standing)
