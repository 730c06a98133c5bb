"""Put open questions in one way. Decides nothing about their answers."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from bot.domain.conversation import ASKED_LASTS, Asked, Option, Turn
from bot.services.take_code import SLOT as CODE_SLOT


def choose(turn: Turn, question: str, *options: Option, **arguments: Any) -> Asked:
    """A question answered by a digit, a button or a name shown."""
    return Asked(question, turn.now + ASKED_LASTS, options=options, arguments=arguments)


def offer(turn: Turn, question: str, *options: Option, **arguments: Any) -> Asked:
    """Ways to go on, answered like `choose`; put once, and not again after something else."""
    return replace(choose(turn, question, *options, **arguments), is_offer=True)


def yes_no(turn: Turn, question: str, *, yes: Option, no: Option, **arguments: Any) -> Asked:
    """A question answered by yes or no."""
    return Asked(question, turn.now + ASKED_LASTS, options=(yes, no), is_yes_no=True, arguments=arguments)


def fill(
    turn: Turn,
    question: str,
    *options: Option,
    slot: str,
    topic: str,
    slots: Mapping[str, Any] | None = None,
    **arguments: Any,
) -> Asked:
    """A question answered in free words, which become the slot of the topic's next turn, or by an option."""
    until = turn.now + ASKED_LASTS
    return Asked(
        question, until, options=options, slot=slot, topic=topic, slots=slots or {}, arguments=arguments
    )


def code(
    turn: Turn, question: str, *options: Option, topic: str, slots: Mapping[str, Any], **arguments: Any
) -> Asked:
    """A question answered by the six digits of a code, which `receive` takes; other words go to the topic."""
    until = turn.now + ASKED_LASTS
    return Asked(
        question, until, options=options, slot=CODE_SLOT, topic=topic, slots=slots, arguments=arguments
    )


def is_in_intake(turn: Turn) -> bool:
    """Is the person in the middle of something? Not where only ways to go on were offered."""
    return turn.asked is not None and not turn.asked.is_offer


def menu(turn: Turn, question: str = "menu.ask") -> Asked:
    """The numbered way out: works without a model and on the oldest phone."""
    return offer(
        turn,
        question,
        Option("who_sent", "label.who_sent"),
        Option("opt_out", "label.opt_out", is_opt_out=True),
        Option("rights_menu", "label.rights"),
        Option("human", "label.human"),
    )
