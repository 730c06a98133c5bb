"""Decide which question is open after a turn: a new one, the old one put again, or none. Words none.

One question is open at a time. What a person has begun (an intake) is taken up again after anything else they
ask; an offer of ways to go on ("what next?") waits quietly, for a digit, and yields to an intake.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any

from bot.domain.conversation import Asked, Leaves, Option, Wish


@dataclass(frozen=True, slots=True)
class Open:
    """The question that is open after a turn, and whether the turn puts it into words."""

    asked: Asked | None = None
    is_put: bool = False


def after(standing: Asked | None, new: Asked | None, leaves: Sequence[Leaves]) -> Open:
    """What is open after a turn.

    standing: what was open before and was not answered. new: what the turn asks. leaves: what each of its wishes
    leaves of an open question.
    """
    if standing is not None and standing.is_offer and standing.then is not None:
        standing = standing.then  # a guess at a wish: it was another, and what it held up goes on
    if standing is None or Leaves.NOTHING in leaves:
        return Open(new, is_put=new is not None)
    if new is not None:
        return Open(over(new, standing), is_put=True)
    if standing.is_offer:
        # A bare "ok" later would answer a yes/no question that nobody remembers; a digit names its list.
        return Open() if standing.is_yes_no or not standing.options else Open(standing)
    if all(left is Leaves.STANDING for left in leaves):
        return Open(standing)
    return Open(standing, is_put=True)


def is_answer(wish: Wish, asked: Asked) -> bool:
    """Does a wish said in free words answer the question: of its topic, or what one of its options stands for?"""
    if wish.intent == "contact_shared":
        return asked.slot == "number" or bool(asked.arguments.get("asks_contact"))
    is_of_topic = bool(asked.topic) and wish.intent.startswith(asked.topic)
    return is_of_topic or wish.intent in {option.intent for option in asked.options}


def behind(asked: Asked, wish: Wish) -> Asked | None:
    """The question that follows one that has its answer; not one that the same wish answers too."""
    then = asked.then
    return then.then if then is not None and is_answer(wish, then) else then


def beside(opened: Open, meanwhile: Asked) -> Open:
    """The same where an effect has put a question of its own into words: what the turn puts comes first."""
    if opened.asked is None:
        return Open(meanwhile)
    if opened.is_put:
        return Open(over(opened.asked, meanwhile), is_put=True)
    return Open(over(meanwhile, opened.asked))


def over(new: Asked, standing: Asked) -> Asked:
    """Which of two questions is put; an intake that has to wait for another comes after it."""
    if standing.is_offer or new.question == standing.question:
        return new
    if new.is_offer:
        return standing if new.then is None else new
    # A question's buttons are told by when it ends, so the two must not end together.
    earlier = min(standing.expires_at, new.expires_at - timedelta(milliseconds=1))
    return replace(new, then=replace(standing, then=None, expires_at=earlier))


def other(before: Asked, place: int) -> Wish | None:
    """What "the other one" means after the option at `place` (from 1) was taken: the only other of its kind.

    None where several could be meant, or one that stops messages.
    """
    taken = before.options[place - 1]
    others = [o for n, o in enumerate(before.options, 1) if n != place and o.intent == taken.intent]
    if len(others) != 1 or others[0].is_opt_out:
        return None
    return Wish(others[0].intent, "option", slots={**before.slots, **others[0].slots})


def to_plain(asked: Asked) -> dict[str, Any]:
    """A question as plain values, to be kept; `from_plain` makes it again."""
    plain = {name: getattr(asked, name) for name in Asked.__slots__}
    plain["options"] = [{name: getattr(o, name) for name in Option.__slots__} for o in asked.options]
    plain["expires_at"] = asked.expires_at.isoformat()
    plain["then"] = None if asked.then is None else to_plain(asked.then)
    return plain


def from_plain(plain: Mapping[str, Any]) -> Asked:
    """The question that `to_plain` was given, also after a turn through JSON."""
    value = dict(plain)
    value["options"] = tuple(Option(**option) for option in value["options"])
    value["expires_at"] = datetime.fromisoformat(value["expires_at"])
    then = value.get("then")
    value["then"] = None if then is None else from_plain(then)
    return Asked(**value)


def to_text(asked: Asked) -> str:
    return json.dumps(to_plain(asked), ensure_ascii=False)


def from_text(text: str) -> Asked:
    return from_plain(json.loads(text))
