"""Put what a turn says into the words and the form of its medium. Decides nothing and keeps nothing."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

from bot.domain.conversation import Asked, Option
from bot.domain.messages import Medium
from bot.domain.segments import fits
from bot.ledger.conversations import Conversation
from bot.services.contracts import House
from bot.texts import SMS_PARTS

NOTICE_AGAIN = timedelta(days=30)


def needs_notice(conversation: Conversation, now: datetime) -> bool:
    """Is the short notice due: a machine, what for, where the privacy notice is? At first contact, 30 days later, and
    after a human (AI Act, art. 50(1); GDPR 13)."""
    return conversation.noticed_at is None or now - conversation.noticed_at > NOTICE_AGAIN


def text(
    house: House, key: str, language: str, conversation: Conversation, arguments: Mapping[str, Any]
) -> str:
    return house.texts.say(key, language, conversation.address.medium, arguments, prefix=False)


def question(house: House, ask: Asked, language: str, conversation: Conversation) -> str:
    """The question with its numbered ways to answer, so that nobody needs buttons."""
    asked = text(house, ask.question, language, conversation, ask.arguments)
    if not ask.options or ask.is_yes_no:
        return asked
    labels = [label(house, o, language, conversation) for o in ask.options]
    if conversation.address.medium is Medium.SMS:
        return asked + " " + " ".join(f"{i}={label}" for i, label in enumerate(labels, 1))
    return asked + "".join(f"\n{i}. {label}" for i, label in enumerate(labels, 1))


def label(house: House, option: Option, language: str, conversation: Conversation) -> str:
    return option.label if option.is_name else text(house, option.label, language, conversation, {})


def joined(house: House, texts: Sequence[tuple[str, str]], medium: Medium) -> list[tuple[str, str]]:
    """One message if it fits, else as few as fit; every SMS begins by saying that a machine writes."""
    if medium is not Medium.SMS:
        return [(texts[0][0], "\n\n".join(text for _, text in texts))]
    prefix = f"{house.texts.provider.brand} bot: "
    parts: list[tuple[str, str]] = []
    for key, text in texts:
        longer = f"{parts[-1][1]} {text[0].upper()}{text[1:]}" if parts else ""
        if parts and fits(longer, SMS_PARTS):
            parts[-1] = (parts[-1][0], longer)
        else:
            parts.append((key, prefix + text))
    return parts


def buttons(
    house: House, ask: Asked | None, language: str, conversation: Conversation
) -> tuple[tuple[str, str], ...]:
    if ask is None or conversation.address.medium is Medium.SMS:
        return ()
    if ask.is_yes_no:
        labels = [text(house, key, language, conversation, {}) for key in ("label.yes", "label.no")]
    else:
        labels = [label(house, o, language, conversation) for o in ask.options]
    return tuple(zip(ask.buttons, labels, strict=True))
